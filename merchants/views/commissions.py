"""What the association keeps of each merchant's sales: the treasurer sees it, and changes it for the days to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.clock import local_day
from marketplace.delivery.schemas import DayField
from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.legal import legal_number
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence
from marketplace.web.site import add_staff_area
from merchants.commission import commissions, first_day, get_commission, set_rate
from merchants.schemas import NewRate

blueprint = Blueprint("commissions", __name__, url_prefix="/commissions")


@blueprint.get("")
@open_to(role("treasurer"))
def home() -> ResponseReturnValue:
    """Every merchant's rate of today and the next one, those without any first."""
    hall = the_hall()
    with hall.database.reading() as session:
        found = commissions(session, on=local_day(hall.clock.now()))
    return render_template("merchants/commissions/home.html", commissions=found)


@blueprint.get("/<int:merchant_id>")
@open_to(role("treasurer"))
def show(merchant_id: int) -> ResponseReturnValue:
    return _page(merchant_id, {}, {}, {})


@blueprint.post("/<int:merchant_id>")
@open_to(role("treasurer"), rate="60 per minute")
def change(merchant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(NewRate(), request.form)
        with hall.database.transaction() as session:
            set_rate(
                session,
                merchant_id=merchant_id,
                permille=form["rate"],
                valid_from=form["valid_from"],
                actor=f"person:{current_user.id}",
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _page(merchant_id, refused.typed, refused.errors, {})
    except FieldError as refused:
        return _page(merchant_id, request.form, {refused.field: [refused.code]}, refused.details)
    flash(sentence("rate_set", permille=form["rate"], on=form["valid_from"]))
    return redirect(url_for("commissions.show", merchant_id=merchant_id), 303)


def _page(
    merchant_id: int, typed: Mapping[str, str], codes: Mapping[str, Sequence[str]], details: Mapping[str, object]
) -> ResponseReturnValue:
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        commission = get_commission(session, merchant_id, on=today)
    current = commission.current
    earliest = first_day(current.permille if current else None, 0, today=today)
    body = render_template(
        "merchants/commissions/show.html",
        commission=commission,
        typed=typed or {"valid_from": earliest.isoformat()},
        codes=codes,
        details=details,
        notice_days=legal_number("terms.notice_days", today),
        shows_day=DayField.is_shown(typed.get("valid_from", "")),
    )
    return body, 422 if codes else 200


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    add_staff_area(app, "commissions.home", role("treasurer"))
