"""Whether the association charges VAT: the treasurer sees it, and says what counts from a month on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.clock import local_day
from marketplace.delivery.schemas import DayField
from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.invoices.vat_status import earliest_day, set_vat_status, vat_history
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence
from merchants.rules import vat_number_of
from merchants.schemas import NewVatStatus

blueprint = Blueprint("vat_status", __name__, url_prefix="/tresorerie/tva")


@blueprint.get("")
@open_to(role("treasurer"))
def show() -> ResponseReturnValue:
    return _page({}, {}, {})


@blueprint.post("")
@open_to(role("treasurer"), rate="60 per minute")
def change() -> ResponseReturnValue:
    hall = the_hall()
    identity = hall.settings.association
    try:
        form = load_form(NewVatStatus(), request.form)
        with hall.database.transaction() as session:
            set_vat_status(
                session,
                identity,
                number=vat_number_of(identity.siren) if form["vat"] == "charged" else "",
                valid_from=form["valid_from"],
                actor=f"person:{current_user.id}",
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _page(refused.typed, refused.errors, {})
    except FieldError as refused:
        return _page(request.form, {refused.field: [refused.code]}, refused.details)
    flash(sentence("vat_status_set", on=form["valid_from"]))
    return redirect(url_for("vat_status.show"), 303)


def _page(
    typed: Mapping[str, str], codes: Mapping[str, Sequence[str]], details: Mapping[str, object]
) -> ResponseReturnValue:
    hall = the_hall()
    identity = hall.settings.association
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        history = vat_history(session, identity)
    body = render_template(
        "merchants/accounting/vat.html",
        history=history,
        today=today,
        number=vat_number_of(identity.siren),
        typed=typed or {"valid_from": earliest_day(today).isoformat()},
        codes=codes,
        details=details,
        shows_day=DayField.is_shown(typed.get("valid_from", "")),
    )
    return body, 422 if codes else 200
