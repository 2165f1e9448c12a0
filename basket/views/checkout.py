"""From the basket to the payment: where, when, who, and one page to check it all. Each step has its own address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from basket import checkout as sheet
from basket import orders, schemas
from basket.addresses import AddressUnknown, AddressUnsure, check_served, locate, pin_of
from basket.models import Checkout
from basket.quoting import Quote, quote_basket
from basket.rules import HOLD
from basket.views.visitor import find_basket
from marketplace.clock import local_day
from marketplace.delivery import bookings
from marketplace.delivery.policies import terms_of
from marketplace.errors import GatewayError, MarketplaceError
from marketplace.geo import FoundAddress
from marketplace.hall import the_hall
from marketplace.language import current_language
from marketplace.money import Money
from marketplace.payments.gateway import PayMethod
from marketplace.payments.service import LOCALES, PlanTooSmall, open_at_provider, payable_parties
from marketplace.payments.ways import fitting
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing
from merchants.stock import NotEnoughStock

blueprint = Blueprint("checkout", __name__, url_prefix="/commande")
blueprint.after_request(keep_nothing)

#: Nobody reads forty windows; the others are a click away (residents.md B20).
SLOTS_FIRST = 6

#: Where the geocoder does not help, the place can be shown on the plan.
UNPLACED = {"address_unsure", "address_unknown", "geocoder_down"}

VIEWS = {"place": "checkout.place", "slot": "checkout.slot", "contact": "checkout.contact", "check": "checkout.check"}


class NothingToOrder(MarketplaceError):
    """There is no basket, or nothing in it that can be ordered: the basket's page says why."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The visitor's answers so far, and the quote they lead to."""

    checkout: Checkout
    quote: Quote
    slot: bookings.OpenSlot | None


def _desk(session: Session) -> Desk:
    hall = the_hall()
    now = hall.clock.now()
    basket_id = find_basket(session)
    if basket_id is None:
        raise NothingToOrder()
    checkout = sheet.read_checkout(session, basket_id)
    slot = None
    if checkout.mode == "delivery" and checkout.slot_id is not None:
        slot = bookings.find_slot(session, slot_id=checkout.slot_id, now=now)
    zone_id = slot.zone_id if slot else None
    if zone_id is None and checkout.mode == "delivery" and checkout.lat is not None and checkout.lon is not None:
        zone = bookings.find_zone(session, postcode=checkout.postcode, at=(checkout.lat, checkout.lon))
        zone_id = zone.id if zone else None
    terms = None if zone_id is None else terms_of(session, zone_id=zone_id, on=local_day(now))
    quote = quote_basket(
        session,
        basket_id=basket_id,
        payable=payable_parties(session, hall.settings.mollie_env),
        now=now,
        terms=terms,
    )
    if not quote.can_be_ordered:
        raise NothingToOrder()
    return Desk(checkout, quote, slot)


@blueprint.errorhandler(NothingToOrder)
def back_to_basket(error: NothingToOrder) -> ResponseReturnValue:
    return redirect(url_for("basket.show"), 303)


# --- Where -----------------------------------------------------------------------------------------------------


@blueprint.get("/livraison")
@open_to(everyone)
def place() -> ResponseReturnValue:
    with the_hall().database.transaction() as session:
        desk = _desk(session)
        return _place_page(session, desk, _answered(desk.checkout), {})


@blueprint.post("/livraison")
@open_to(everyone, rate="30 per minute")
def place_submit() -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(schemas.Place(), request.form)
        _ask_for_address(form)
    except FormErrors as refused:
        with hall.database.transaction() as session:
            return _place_page(session, _desk(session), refused.typed, refused.errors)
    if form["mode"] == "collection":
        with hall.database.transaction() as session:
            sheet.set_collection(session, basket_id=_desk(session).quote.basket_id)
        return redirect(url_for("checkout.contact"), 303)
    typed = {name: form[name] for name in ("street", "postcode", "city")}
    with hall.database.transaction() as session:
        desk = _desk(session)
        if form["on_plan"]:
            return _to_plan(session, desk, form)
        if desk.checkout.is_pinned and not form["pin"] and sheet.is_typed(desk.checkout, **typed):
            # Shown by hand before: the geocoder still knows nothing better.
            sheet.set_typed(session, basket_id=desk.quote.basket_id, access_note=form["access_note"], **typed)
            return redirect(url_for("checkout.slot"), 303)
    address, error, found = _located(form)
    with hall.database.transaction() as session:
        desk = _desk(session)
        if address is None and not found and bookings.find_zone(session, postcode=form["postcode"], at=None) is None:
            return _place_page(session, desk, request.form, {"postcode": [bookings.NotServed.code]})
        if address is None:
            return _place_page(session, desk, request.form, {"pin" if found else "street": [error]}, found)
        try:
            check_served(session, address)
        except bookings.NotServed as refused:
            return _place_page(session, desk, request.form, {"postcode": [refused.code]}, status=422)
        sheet.set_place(session, basket_id=desk.quote.basket_id, address=address)
    return redirect(url_for("checkout.slot"), 303)


def _to_plan(session: Session, desk: Desk, form: dict[str, str]) -> ResponseReturnValue:
    """What was typed is kept, and its place can be shown; unless no round goes to its postcode anyway."""
    if bookings.find_zone(session, postcode=form["postcode"], at=None) is None:
        return _place_page(session, desk, request.form, {"postcode": [bookings.NotServed.code]})
    typed = {name: form[name] for name in ("street", "postcode", "city", "access_note")}
    sheet.set_typed(session, basket_id=desk.quote.basket_id, **typed)
    return redirect(url_for("plan.show"), 303)


def _ask_for_address(form: dict[str, str]) -> None:
    if form["mode"] == "delivery":
        missing = {name: ["required"] for name in ("street", "postcode", "city") if not form[name]}
        if missing:
            raise FormErrors(missing, request.form)


def _located(form: dict[str, str]) -> tuple[orders.Address | None, str, Sequence[FoundAddress]]:
    """The place, or why there is none and the places to choose from. Before any transaction is open (M05)."""
    typed = {name: form[name] for name in ("street", "postcode", "city", "access_note", "pin")}
    try:
        return locate(the_hall().geocoder, **typed), "", ()
    except AddressUnsure as unsure:
        return None, unsure.code, unsure.candidates
    except AddressUnknown as unknown:
        return None, unknown.code, ()
    except GatewayError:
        return None, "geocoder_down", ()


def _answered(checkout: Checkout) -> dict[str, str]:
    """The place as the form's fields have it."""
    return {
        "mode": checkout.mode or "",
        "street": checkout.street,
        "postcode": checkout.postcode,
        "city": checkout.city,
        "access_note": checkout.access_note,
    }


def _place_page(
    session: Session,
    desk: Desk,
    typed: object,
    codes: dict[str, list[str]],
    found: Sequence[FoundAddress] = (),
    status: int | None = None,
) -> ResponseReturnValue:
    now = the_hall().clock.now()
    promise = bookings.promise(session, now=now)
    body = render_template(
        "basket/place.html",
        quote=desk.quote,
        typed=typed,
        codes=codes,
        pins=[(pin_of(place), place) for place in found],
        offers_plan=desk.checkout.pin_lat is not None
        or any(code in UNPLACED for said in codes.values() for code in said),
        is_pinned=desk.checkout.is_pinned,
        fee=desk.quote.fee_with(promise.terms, local_day(now)) if promise else None,
    )
    return body, status or (422 if codes else 200)


# --- When ------------------------------------------------------------------------------------------------------


@blueprint.get("/creneau")
@open_to(everyone)
def slot() -> ResponseReturnValue:
    with the_hall().database.transaction() as session:
        desk = _desk(session)
        if sheet.first_open_step(desk.checkout) == "place":
            return redirect(url_for("checkout.place"), 303)
        if desk.checkout.mode == "collection":
            return redirect(url_for("checkout.contact"), 303)
        return _slot_page(session, desk, {})


@blueprint.post("/creneau")
@open_to(everyone, rate="60 per minute")
def slot_submit() -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        desk = _desk(session)
        try:
            form = load_form(schemas.Slot(), request.form)
        except FormErrors as refused:
            return _slot_page(session, desk, {"slot_id": [_slot_code(refused)]})
        chosen = bookings.find_slot(session, slot_id=form["slot_id"], now=hall.clock.now(), load=desk.quote.load)
        if chosen is None:
            return _slot_page(session, desk, {"slot_id": ["cut_off_passed"]})
        if chosen.is_full:
            return _slot_page(session, desk, {"slot_id": ["slot_full"]})
        sheet.set_slot(session, basket_id=desk.quote.basket_id, slot_id=chosen.id)
    return redirect(url_for("checkout.contact"), 303)


def _slot_code(refused: FormErrors) -> str:
    return "choose_slot" if "slot_id" in refused.errors else next(iter(refused.errors.values()))[0]


def _slot_page(session: Session, desk: Desk, codes: dict[str, list[str]]) -> ResponseReturnValue:
    checkout = desk.checkout
    at = (checkout.lat, checkout.lon) if checkout.lat is not None and checkout.lon is not None else None
    zone = bookings.find_zone(session, postcode=checkout.postcode, at=at)
    now = the_hall().clock.now()
    today = local_day(now)
    slots = bookings.slots_of(session, zone_id=zone.id, now=now, load=desk.quote.load) if zone else ()
    shown = slots if "autres" in request.args or codes else slots[:SLOTS_FIRST]
    body = render_template(
        "basket/slot.html",
        quote=desk.quote,
        checkout=checkout,
        slots=shown,
        fee=desk.quote.fee_with(terms_of(session, zone_id=zone.id, on=today), today) if zone else None,
        has_more=len(shown) < len(slots),
        codes=codes,
        typed={"slot_id": checkout.slot_id},
    )
    return body, 422 if codes else 200


# --- Who -------------------------------------------------------------------------------------------------------


@blueprint.get("/vous")
@open_to(everyone)
def contact() -> ResponseReturnValue:
    with the_hall().database.transaction() as session:
        desk = _desk(session)
        step = sheet.first_open_step(desk.checkout)
        if step in ("place", "slot"):
            return redirect(url_for(VIEWS[step]), 303)
        c = desk.checkout
        typed = {"name": c.name, "phone": c.phone, "email": c.email, "shortage": c.shortage or ""}
        return render_template("basket/contact.html", quote=desk.quote, checkout=c, typed=typed, codes={})


@blueprint.post("/vous")
@open_to(everyone, rate="30 per minute")
def contact_submit() -> ResponseReturnValue:
    with the_hall().database.transaction() as session:
        desk = _desk(session)
        try:
            form = load_form(schemas.Contact(), request.form)
        except FormErrors as refused:
            body = render_template(
                "basket/contact.html",
                quote=desk.quote,
                checkout=desk.checkout,
                typed=refused.typed,
                codes=refused.errors,
            )
            return body, 422
        sheet.set_contact(session, basket_id=desk.quote.basket_id, **form)
    return redirect(url_for("checkout.check"), 303)


# --- Check and order -------------------------------------------------------------------------------------------


@blueprint.get("/verifier")
@open_to(everyone)
def check() -> ResponseReturnValue:
    ways = _ways_to_pay()
    with the_hall().database.transaction() as session:
        desk = _desk(session)
        question = _question(desk)
        if question is not None:
            return question
        if desk.checkout.mode == "delivery" and desk.slot is None:
            return _slot_page(session, desk, {"slot_id": ["cut_off_passed"]})
        return _check_page(desk, ways, {}, {})


@blueprint.post("/verifier")
@open_to(everyone, rate="30 per minute")
def order() -> ResponseReturnValue:
    """The one button with an obligation to pay. Everything scarce is held, then the payment page opens."""
    hall = the_hall()
    ways = _ways_to_pay()
    try:
        form = load_form(schemas.Confirm(), request.form)
    except FormErrors as refused:
        with hall.database.transaction() as session:
            desk = _desk(session)
            return _question(desk) or _check_page(desk, ways, refused.typed, {"check": ["form_too_old"]})
    earlier = _find_earlier(form["checkout_key"])
    if earlier is not None:
        return earlier
    try:
        with hall.database.transaction() as session:
            desk = _desk(session)
            question = _question(desk)
            if question is not None:
                return question
            codes = _unsaid(desk, form)
            if codes:
                return _check_page(desk, ways, request.form, codes)
            command = _command(desk, form)
    except NothingToOrder:
        # The first of two clicks may have taken the last pieces since we looked: then they are this order's.
        return _find_earlier(form["checkout_key"]) or redirect(url_for("basket.show"), 303)
    try:
        with hall.database.transaction() as session:
            placed = orders.place_order(session, command, clock=hall.clock)
            sheet.renew_key(session, basket_id=command.basket_id)
    except (orders.BasketChanged, NotEnoughStock):
        with hall.database.transaction() as session:
            return _check_page(_desk(session), ways, request.form, {"check": ["basket_changed"]})
    except PlanTooSmall as too_small:
        with hall.database.transaction() as session:
            codes = {"check": [too_small.code]}
            return _check_page(_desk(session), ways, request.form, codes, too_small.details)
    except (bookings.SlotFull, bookings.CutOffPassed) as refused:
        with hall.database.transaction() as session:
            return _slot_page(session, _desk(session), {"slot_id": [refused.code]})
    except bookings.NotServed as refused:
        # The association has drawn the zone anew since the address was given.
        with hall.database.transaction() as session:
            desk = _desk(session)
            return _place_page(session, desk, _answered(desk.checkout), {"postcode": [refused.code]})
    return _to_payment(placed.payment_id, placed.code, placed.token)


def _question(desk: Desk) -> ResponseReturnValue | None:
    """The way to the first question that is not answered yet; no step is skipped (S15)."""
    step = sheet.first_open_step(desk.checkout)
    return None if step == "check" else redirect(url_for(VIEWS[step]), 303)


def _find_earlier(checkout_key: str) -> ResponseReturnValue | None:
    """A second click, a second tab, a reloaded page: the order that the key has already made (M03)."""
    with the_hall().database.reading() as session:
        earlier = orders.find_by_key(session, checkout_key)
    return _to_payment(earlier.payment_id, earlier.code, earlier.token) if earlier else None


def _to_payment(payment_id: int, code: str, token: str) -> ResponseReturnValue:
    address = open_at_provider(the_hall(), payment_id)
    return redirect(address or url_for("orders.show", code=code, token=token), 303)


def _unsaid(desk: Desk, form: dict[str, object]) -> dict[str, list[str]]:
    codes: dict[str, list[str]] = {}
    if not form["accepts_terms"]:
        codes["accepts_terms"] = ["accept_terms"]
    if desk.quote.minimum_age is not None and not form["is_adult"]:
        codes["is_adult"] = ["declare_majority"]
    return codes


def _command(desk: Desk, form: dict[str, object]) -> orders.PlaceOrder:
    hall = the_hall()
    checkout = desk.checkout
    seen = form["seen_total_cents"]
    assert isinstance(seen, int) and checkout.mode is not None and checkout.shortage is not None
    return orders.PlaceOrder(
        basket_id=desk.quote.basket_id,
        checkout_key=str(form["checkout_key"]),
        mode=checkout.mode,
        name=checkout.name,
        phone=checkout.phone,
        email=checkout.email,
        shortage=checkout.shortage,
        language=current_language(),
        site_url=hall.settings.site_url,
        provider_env=hall.settings.mollie_env,
        address=sheet.address_of(checkout),
        slot_id=checkout.slot_id if checkout.mode == "delivery" else None,
        seen_total=Money(seen),
    )


def _ways_to_pay() -> tuple[PayMethod, ...]:
    """What the provider offers, kept for minutes; before any transaction is open (M05)."""
    hall = the_hall()
    return hall.ways.offered(hall.gateway, locale=LOCALES[current_language()], clock=hall.clock)


def _check_page(
    desk: Desk,
    ways: tuple[PayMethod, ...],
    typed: object,
    codes: dict[str, list[str]],
    details: Mapping[str, object] = MappingProxyType({}),
) -> ResponseReturnValue:
    routing = the_hall().settings.mollie_routing
    body = render_template(
        "basket/check.html",
        quote=desk.quote,
        checkout=desk.checkout,
        slot=desk.slot,
        typed=typed,
        codes=codes,
        details=details,
        ways=fitting(ways, desk.quote.total, takes_slow=desk.quote.keeps, routing=routing),
        hold_minutes=int(HOLD.total_seconds() // 60),
    )
    return body, 422 if codes else 200
