"""The place shown by hand on a plan, where the geocoder does not know the address.

Every press goes to the server and leads back to the same address; where the pin stands is kept with the checkout, so
that no coordinates come into an address or a log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from basket import checkout as sheet
from basket import pinning, schemas
from basket.addresses import check_served, surroundings_of
from basket.orders import Address
from basket.pinning import Pin, Surroundings
from basket.views.visitor import find_basket
from marketplace.delivery import bookings
from marketplace.errors import GatewayError, MarketplaceError
from marketplace.geo import FoundAddress, distance_m
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing

blueprint = Blueprint("plan", __name__, url_prefix="/commande/livraison")
blueprint.after_request(keep_nothing)


class NothingToShow(MarketplaceError):
    """There is no basket, no address to show, or no round goes there: the page before asks for it."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Somebody's address as they typed it, and what lies around."""

    basket_id: int
    address: Address
    pin: Pin | None
    surroundings: Surroundings


@dataclass(frozen=True, slots=True)
class Known:
    """What the geocoder says: the places that may be meant, and the address beside the pin."""

    found: Sequence[FoundAddress]
    near: FoundAddress | None
    is_down: bool


@blueprint.errorhandler(NothingToShow)
def back_to_address(error: NothingToShow) -> ResponseReturnValue:
    return redirect(url_for("checkout.place"), 303)


@blueprint.get("/plan")
@open_to(everyone)
def show() -> ResponseReturnValue:
    with the_hall().database.transaction() as session:
        typed = _typed(session)
    return _page(typed, typed.pin, "")


@blueprint.post("/plan")
@open_to(everyone, rate="120 per minute")
def move() -> ResponseReturnValue:
    with the_hall().database.transaction() as session:
        typed = _typed(session)
    try:
        form = load_form(schemas.Pin(), request.form)
    except FormErrors:
        return _page(typed, typed.pin, "pin_unreadable")
    seen = Pin(form["lat"], form["lon"], form["zoom"])
    if form["move"] == "confirm":
        return _confirm(typed, seen)
    with the_hall().database.transaction() as session:
        sheet.set_pin(session, basket_id=typed.basket_id, pin=_moved(typed.surroundings, seen, form))
    # The focus goes to the button that was pressed, or to the sentence that says where the pin now is.
    anchor = form["move"] if form["move"] not in ("", "here") else "pin"
    return redirect(url_for("plan.show", _anchor=anchor), 303)


def _typed(session: Session) -> Typed:
    basket_id = find_basket(session)
    if basket_id is None:
        raise NothingToShow()
    checkout = sheet.read_checkout(session, basket_id)
    if checkout.mode != "delivery" or not checkout.street:
        raise NothingToShow()
    surroundings = surroundings_of(session, postcode=checkout.postcode)
    if surroundings is None:
        raise NothingToShow()
    address = Address(checkout.street, checkout.postcode, checkout.city, 0, 0, checkout.access_note)
    return Typed(basket_id, address, sheet.pin_of(checkout), surroundings)


def _moved(surroundings: Surroundings, pin: Pin, form: dict[str, object]) -> Pin:
    for key, paper in pinning.PAPERS.items():
        x, y = form[f"{key}_x"], form[f"{key}_y"]
        if isinstance(x, int) and isinstance(y, int):
            return pinning.pressed_at(pin, surroundings, paper, x, y)
    lat, lon = form["here_lat"], form["here_lon"]
    if form["move"] == "here" and isinstance(lat, float) and isinstance(lon, float):
        return pinning.put_here(lat, lon)
    return pinning.moved(pin, surroundings, str(form["move"]))


def _confirm(typed: Typed, pin: Pin) -> ResponseReturnValue:
    if not pin.is_close_enough:
        return _page(typed, pin, "pin_too_far_off")
    address = replace(typed.address, lat=pin.lat, lon=pin.lon, is_pinned=True)
    try:
        with the_hall().database.transaction() as session:
            check_served(session, address)
            sheet.set_pin(session, basket_id=typed.basket_id, pin=pin)
            sheet.set_place(session, basket_id=typed.basket_id, address=address)
    except bookings.NotServed:
        return _page(typed, pin, "pin_not_served")
    return redirect(url_for("checkout.slot"), 303)


def _page(typed: Typed, pin: Pin | None, code: str) -> ResponseReturnValue:
    """The plan; outside of any transaction, because the geocoder is asked (M05)."""
    known, pin = _asked(typed, pin)
    near = known.near
    body = render_template(
        "basket/plan.html",
        address=typed.address,
        pin=pin,
        is_served=typed.surroundings.reach(pin.at),
        near=near,
        near_m=round(distance_m(pin.at, (near.lat, near.lon))) if near else 0,
        is_down=known.is_down,
        drawings=pinning.drawings(pin, typed.surroundings, found=known.found, near=near),
        is_finest=pin.zoom == pinning.FINEST,
        codes={"pin": [code]} if code else {},
    )
    return body, 422 if code else 200


def _asked(typed: Typed, pin: Pin | None) -> tuple[Known, Pin]:
    geocoder, address = the_hall().geocoder, typed.address
    found: Sequence[FoundAddress] = ()
    try:
        found = geocoder.find(address.street, address.postcode, address.city)
        if pin is None and not found:
            found = geocoder.find("", address.postcode, address.city)
        pin = pin or pinning.start(found, typed.surroundings)
        return Known(found, geocoder.near(pin.lat, pin.lon), is_down=False), pin
    except GatewayError:
        return Known(found, None, is_down=True), pin or pinning.start(found, typed.surroundings)
