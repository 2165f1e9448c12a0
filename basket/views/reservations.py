"""Reserve online, pay in the shop: the resident's pages, and the shop's own in its rooms."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from basket import checkout as sheet
from basket import reservation_queries, reservations
from basket.orders import BasketChanged, KeyUsedOtherwise, WrongCollectionCode
from basket.quoting import Quote, quote_basket
from basket.schemas import Keep, KeepAct, KeepNoMore
from basket.views.visitor import find_basket
from marketplace.clock import local_day
from marketplace.errors import MarketplaceError
from marketplace.hall import the_hall
from marketplace.ids import new_token
from marketplace.language import current_language
from marketplace.money import Money
from marketplace.payments.service import payable_parties
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing
from marketplace.web.limits import few_wrong_tries
from marketplace.web.sentences import sentence
from merchants.access import merchant_member, my_shop_ids
from merchants.hours import week_of
from merchants.stock import NotEnoughStock
from merchants.views.counter import actor
from merchants.views.counter import blueprint as counter

blueprint = Blueprint("reservations", __name__)
blueprint.after_request(keep_nothing)

#: What the form carries and nobody types: damaged, there is nothing to correct but to begin again.
UNTYPED = {"request_key", "seen_goods_cents"}


# --- Reserve ---------------------------------------------------------------------------------------------------


@blueprint.get("/panier/reserver")
@open_to(everyone)
def form() -> ResponseReturnValue:
    """What would be kept where until when, and who asks for it."""
    with the_hall().database.reading() as session:
        basket_id = find_basket(session)
        quote = _quote(session, basket_id) if basket_id is not None else None
        if basket_id is None or quote is None or not quote.groups:
            return redirect(url_for("basket.show"), 303)
        known = sheet.read_checkout(session, basket_id)
        typed = {"name": known.name, "phone": known.phone, "email": known.email}
    return _form_page(quote, typed, {})


@blueprint.post("/panier/reserver")
@open_to(everyone, rate="20 per minute")
def submit() -> ResponseReturnValue:
    """Every shop keeps its part, or none does. A second click leads to what the first one made."""
    hall = the_hall()
    try:
        typed = load_form(Keep(), request.form)
    except FormErrors as refused:
        codes = {"reserver": ["form_too_old"]} if refused.errors.keys() & UNTYPED else refused.errors
        return _form_again(codes)
    with hall.database.reading() as session:
        earlier = reservations.find_by_key(session, typed["request_key"])
        basket_id = find_basket(session)
    if earlier is not None or basket_id is None:
        return _to_page(earlier)
    command = reservations.Reserve(
        basket_id=basket_id,
        request_key=typed["request_key"],
        name=typed["name"],
        phone=typed["phone"],
        email=typed["email"],
        language=current_language(),
        provider_env=hall.settings.mollie_env,
        seen_goods=Money(typed["seen_goods_cents"]),
    )
    try:
        with hall.database.transaction() as session:
            made = reservations.reserve(session, command, clock=hall.clock)
            sheet.keep_contact(
                session, basket_id=basket_id, name=command.name, phone=command.phone, email=command.email
            )
    except (reservations.NothingToReserve, BasketChanged, KeyUsedOtherwise, NotEnoughStock):
        with hall.database.reading() as session:
            earlier = reservations.find_by_key(session, command.request_key)
        return _to_page(earlier) if earlier is not None else _form_again({"reserver": ["reservation_changed"]})
    except reservations.TooManyReservations as refused:
        return _form_again({"phone": [refused.code]}, refused)
    except reservations.ShopStaysClosed as refused:
        return _form_again({"reserver": [refused.code]}, refused)
    return _to_page(made[0])


def _to_page(made: reservations.Reserved | None) -> ResponseReturnValue:
    if made is None:
        return redirect(url_for("basket.show"), 303)
    return redirect(url_for("reservations.show", code=made.code, token=made.token, retour=1), 303)


def _quote(session: Session, basket_id: int) -> Quote:
    hall = the_hall()
    payable = payable_parties(session, hall.settings.mollie_env)
    return quote_basket(session, basket_id=basket_id, payable=payable, now=hall.clock.now()).to_reserve


def _form_again(codes: dict[str, list[str]], refused: MarketplaceError | None = None) -> ResponseReturnValue:
    """The form with what was typed; where nothing is left to reserve, the basket that says what is to do instead."""
    with the_hall().database.reading() as session:
        basket_id = find_basket(session)
        quote = _quote(session, basket_id) if basket_id is not None else None
    if quote is None or not quote.groups:
        flash(sentence("nothing_to_reserve"))
        return redirect(url_for("basket.show"), 303)
    if "reservation_changed" in codes.get("reserver", ()) and quote.blocked_lines:
        codes = {"reserver": ["basket_blocked"]}  # the lines themselves say what is wrong with them
    return _form_page(quote, request.form, codes, refused.details if refused else {})


def _form_page(
    quote: Quote,
    typed: Mapping[str, str],
    codes: dict[str, list[str]],
    details: Mapping[str, object] | None = None,
) -> ResponseReturnValue:
    today = local_day(the_hall().clock.now())
    body = render_template(
        "basket/reservations/form.html",
        quote=quote,
        kept={group.shop.id: reservations.kept_until(group.shop, today) for group in quote.groups},
        # A key for each page that is drawn: who reserves once more, later, means it.
        request_key=new_token(),
        typed=typed,
        codes=codes,
        details=details or {},
    )
    return body, 422 if codes else 200


# --- The resident's own page -----------------------------------------------------------------------------------


@blueprint.get("/reservation/<code>/<token>")
@open_to(everyone)
def show(code: str, token: str) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        kept = reservation_queries.get_reservation(session, code=code, token=token)
        beside = reservation_queries.made_beside(session, kept.id)
    return render_template(
        "basket/reservations/show.html",
        kept=kept,
        beside=beside,
        week=week_of(kept.opening_hours, local_day(hall.clock.now())),
        is_new="retour" in request.args,
    )


@blueprint.get("/reservation/<code>/<token>/annuler")
@open_to(everyone)
def cancel_form(code: str, token: str) -> ResponseReturnValue:
    """One question before the end: what is let go can be gone the next minute."""
    with the_hall().database.reading() as session:
        kept = reservation_queries.get_reservation(session, code=code, token=token)
    if not kept.is_open:
        return redirect(url_for("reservations.show", code=code, token=token), 303)
    return render_template("basket/reservations/cancel.html", kept=kept)


@blueprint.post("/reservation/<code>/<token>/annuler")
@open_to(everyone, rate="20 per minute")
def cancel(code: str, token: str) -> ResponseReturnValue:
    hall = the_hall()
    try:
        with hall.database.transaction() as session:
            reservations.cancel(session, code=code, token=token, now=hall.clock.now())
    except reservations.ReservationOver as refused:
        flash(sentence(refused.code))
    return redirect(url_for("reservations.show", code=code, token=token), 303)


# --- The shop's rooms ------------------------------------------------------------------------------------------


@counter.get("/reservations/<int:reservation_id>")
@open_to(merchant_member)
def reservation(reservation_id: int) -> ResponseReturnValue:
    return _sheet(reservation_id, {}), 200


@counter.get("/reservations/<int:reservation_id>/bordereau")
@open_to(merchant_member)
def reservation_slip(reservation_id: int) -> ResponseReturnValue:
    """The paper that lies on what is kept."""
    with the_hall().database.reading() as session:
        kept = reservation_queries.get_sheet(session, reservation_id=reservation_id, shop_ids=my_shop_ids())
    return render_template("basket/reservations/slip.html", kept=kept)


@counter.post("/reservations/<int:reservation_id>")
@open_to(merchant_member, rate="120 per minute")
@few_wrong_tries(lambda: f"reservation {(request.view_args or {})['reservation_id']}")
def reservation_act(reservation_id: int) -> ResponseReturnValue:
    """Put aside, or handed over and paid; an act that is already done shows its result."""
    hall = the_hall()
    with hall.database.reading() as session:
        kept = reservation_queries.get_sheet(session, reservation_id=reservation_id, shop_ids=my_shop_ids())
    try:
        typed = load_form(KeepAct(), request.form)
        if typed["event"] == "collect" and kept.minimum_age is not None and not typed["is_adult"]:
            return _sheet(reservation_id, {"is_adult": ["look_at_age"]}), 422
        with hall.database.transaction() as session:
            reservations.advance(
                session,
                reservation_id=reservation_id,
                shop_ids=my_shop_ids(),
                event=typed["event"],
                collection_code="".join(typed["collection_code"].split()),
                actor=actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _sheet(reservation_id, refused.errors), 422
    except WrongCollectionCode:
        return _sheet(reservation_id, {"collection_code": ["kept_code_wrong"]}), 422
    except reservations.ReservationOver as refused:
        flash(sentence(refused.code))
    return redirect(url_for("merchant.reservation", reservation_id=reservation_id), 303)


@counter.get("/reservations/<int:reservation_id>/annuler")
@open_to(merchant_member)
def reservation_cancel_form(reservation_id: int) -> ResponseReturnValue:
    return _cancel_page(reservation_id, {}), 200


@counter.post("/reservations/<int:reservation_id>/annuler")
@open_to(merchant_member, rate="60 per minute")
def reservation_cancel(reservation_id: int) -> ResponseReturnValue:
    """The shop cannot keep its promise, and says why; the resident is told."""
    hall = the_hall()
    try:
        typed = load_form(KeepNoMore(), request.form)
        with hall.database.transaction() as session:
            reservations.cancel_by_shop(
                session,
                reservation_id=reservation_id,
                shop_ids=my_shop_ids(),
                reason=typed["reason"],
                actor=actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _cancel_page(reservation_id, refused.errors), 422
    except reservations.ReservationOver as refused:
        flash(sentence(refused.code))
    return redirect(url_for("merchant.reservation", reservation_id=reservation_id), 303)


def _sheet(reservation_id: int, codes: dict[str, list[str]]) -> str:
    hall = the_hall()
    with hall.database.reading() as session:
        kept = reservation_queries.get_sheet(session, reservation_id=reservation_id, shop_ids=my_shop_ids())
    return render_template(
        "basket/reservations/sheet.html", kept=kept, codes=codes, typed=request.form, now=hall.clock.now()
    )


def _cancel_page(reservation_id: int, codes: dict[str, list[str]]) -> str:
    with the_hall().database.reading() as session:
        kept = reservation_queries.get_sheet(session, reservation_id=reservation_id, shop_ids=my_shop_ids())
    return render_template("basket/reservations/cancel_by_shop.html", kept=kept, codes=codes, typed=request.form)
