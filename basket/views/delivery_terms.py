"""What a delivery costs, and who pays how much of it: the treasurer sees it, tries it out, and sets it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from basket.examples import examples
from marketplace.clock import local_day
from marketplace.delivery.policies import get_zone_terms, set_policy, zones_with_terms
from marketplace.delivery.pricing import DeliveryTerms, first_day
from marketplace.delivery.schemas import DayField, NewTerms
from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.legal import legal_number
from marketplace.money import ZERO, Money
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence
from marketplace.web.site import add_staff_area
from merchants.commission import least_rate

blueprint = Blueprint("delivery_terms", __name__, url_prefix="/prix-des-livraisons")


@blueprint.get("")
@open_to(role("treasurer"))
def home() -> ResponseReturnValue:
    """Each zone's terms of today and the next ones."""
    hall = the_hall()
    with hall.database.reading() as session:
        zones = zones_with_terms(session, on=local_day(hall.clock.now()))
    return render_template("basket/delivery_terms/home.html", zones=zones)


@blueprint.get("/<int:zone_id>")
@open_to(role("treasurer"))
def show(zone_id: int) -> ResponseReturnValue:
    """One zone's; with values in the address, what they would mean."""
    try:
        tried = _terms(load_form(NewTerms(), request.args)) if request.args else None
    except FormErrors:
        tried = None  # an address that was damaged on its way: the page begins at its start
    return _page(zone_id, request.args if tried else {}, {}, {}, tried)


@blueprint.post("/<int:zone_id>")
@open_to(role("treasurer"), rate="60 per minute")
def change(zone_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(NewTerms(), request.form)
        if form["act"] == "look":
            typed = urlencode({name: value for name, value in request.form.items() if name in form})
            return redirect(f"{url_for('delivery_terms.show', zone_id=zone_id)}?{typed}#essai", 303)
        with hall.database.transaction() as session:
            set_policy(
                session,
                zone_id=zone_id,
                terms=_terms(form),
                valid_from=form["valid_from"],
                actor=f"person:{current_user.id}",
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _page(zone_id, refused.typed, refused.errors, {}, None)
    except FieldError as refused:
        return _page(zone_id, request.form, {refused.field: [refused.code]}, refused.details, None)
    flash(sentence("terms_set", on=form["valid_from"]))
    return redirect(url_for("delivery_terms.show", zone_id=zone_id), 303)


def _terms(form: Mapping[str, object]) -> DeliveryTerms:
    cost, fee, free_from, per_parcel = (form.get(name) for name in ("cost", "fee", "free_from", "per_parcel"))
    permille = form["merchants_rate"]
    assert isinstance(cost, Money) and isinstance(fee, Money) and isinstance(per_parcel, Money)
    assert isinstance(permille, int) and (free_from is None or isinstance(free_from, Money))
    return DeliveryTerms(cost, fee, free_from, permille, per_parcel)


def _typed(terms: DeliveryTerms) -> dict[str, str]:
    """Terms as somebody would type them."""

    def euros(amount: Money | None) -> str:
        return str(amount).replace(".", ",") if amount is not None else ""

    return {
        "cost": euros(terms.cost),
        "fee": euros(terms.fee),
        "free_from": euros(terms.free_from),
        "merchants_rate": f"{terms.merchants_permille / 10:g}".replace(".", ","),
        "per_parcel": euros(terms.per_parcel),
    }


def _page(
    zone_id: int,
    typed: Mapping[str, str],
    codes: Mapping[str, Sequence[str]],
    details: Mapping[str, object],
    tried: DeliveryTerms | None,
) -> ResponseReturnValue:
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        zone = get_zone_terms(session, zone_id, on=today)
        permille = least_rate(session, on=today)
    current = zone.current.terms
    body = render_template(
        "basket/delivery_terms/show.html",
        zone=zone,
        examples=examples(current, today, permille=permille),
        tried=examples(tried, today, permille=permille) if tried else None,
        tried_from=first_day(current, tried, today=today) if tried else None,
        typed=typed or {**_typed(current), "valid_from": first_day(current, current, today=today).isoformat()},
        codes=codes,
        details=details,
        notice_days=legal_number("terms.notice_days", today),
        shows_day=DayField.is_shown(typed.get("valid_from", "")),
        nothing=ZERO,
    )
    return body, 422 if codes else 200


def init_delivery_terms(app: Flask) -> None:
    app.register_blueprint(blueprint)
    add_staff_area(app, "delivery_terms.home", role("treasurer"))
