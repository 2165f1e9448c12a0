"""The way from an empty basket to a paid order, for programs: the same use cases as behind the pages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from flask import request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from basket import baskets, orders, queries
from basket.addresses import AddressUnknown, AddressUnsure, check_served, locate
from basket.api_schemas import (
    BasketShape,
    LineChange,
    LineShape,
    NewLine,
    NewOrder,
    NoBody,
    OrderHeaders,
    OrderQuery,
    OrderShape,
    PlacedShape,
    SlotList,
    SlotsQuery,
)
from basket.following import look_up
from basket.orders import Address
from basket.quoting import Quote, QuotedLine, QuotedShop, quote_basket
from marketplace.clock import local_day
from marketplace.delivery import bookings
from marketplace.delivery.policies import terms_of
from marketplace.errors import FieldError, MarketplaceError, NotFound
from marketplace.geo import FoundAddress
from marketplace.hall import the_hall
from marketplace.ids import new_token
from marketplace.language import current_language
from marketplace.payments.service import open_at_provider, payable_parties
from marketplace.web.access import everyone, open_to
from marketplace.web.api import BEARER, ApiBlueprint
from marketplace.web.headers import keep_nothing
from merchants.api import addresses_of
from merchants.api_schemas import NoQuery
from merchants.queries import get_product

blueprint = ApiBlueprint("basket_api", __name__, description="One basket, one order, one payment")
blueprint.after_request(keep_nothing)

#: What a program may do in a minute from one address: enough for the busiest hour of a till that serves a queue
#: through us, too little to probe addresses or to hold the town's stock.
BASKETS_RATE, ORDERS_RATE = "600 per minute", "120 per minute"


class TokenMissing(MarketplaceError):
    """The order's token must come with the question."""

    code = "token_missing"
    status = 401


class BasketEmpty(MarketplaceError):
    """There is nothing to order."""

    code = "basket_empty"


# --- When ------------------------------------------------------------------------------------------------------


@blueprint.get("/slots")
@open_to(everyone, csrf=False)
@blueprint.arguments(SlotsQuery, location="query")
@blueprint.response(200, SlotList)
def list_slots_json(asked: dict[str, Any]) -> dict[str, Any]:
    """The windows of delivery ahead at a postcode, soonest first; none where no round goes.

    Full ones are among them and say so.
    """
    now = the_hall().clock.now()
    with the_hall().database.reading() as session:
        zone = bookings.find_zone(session, postcode=asked["postcode"], at=None)
        slots = bookings.slots_of(session, zone_id=zone.id, now=now) if zone else ()
        terms = terms_of(session, zone_id=zone.id, on=local_day(now)) if zone else None
    fee = {"fee": terms.fee} if terms else {}
    return {"items": [{**asdict(slot), **fee} for slot in slots], "next": None}


# --- The basket ------------------------------------------------------------------------------------------------


@blueprint.post("/baskets")
@open_to(everyone, csrf=False, rate=BASKETS_RATE)
@blueprint.arguments(NoQuery, location="query")
@blueprint.arguments(NoBody, required=False)
@blueprint.response(201, BasketShape)
def open_basket_json(_asked: dict[str, Any], _sent: dict[str, Any]) -> ResponseReturnValue:
    """A new, empty basket. Its id is a secret between you and us."""
    hall = the_hall()
    with hall.database.transaction() as session:
        basket = baskets.open_basket(session, hall.clock.now())
        answer = _basket_json(basket.token, _quote(session, basket.id))
    return answer, 201, {"Location": url_for("basket_api.show_basket_json", basket_id=basket.token)}


@blueprint.get("/baskets/<basket_id>")
@open_to(everyone, csrf=False)
@blueprint.arguments(NoQuery, location="query")
@blueprint.response(200, BasketShape)
def show_basket_json(_asked: dict[str, Any], basket_id: str) -> dict[str, Any]:
    """What is in it, at the prices of this instant, and what stands in the way of ordering it."""
    with the_hall().database.reading() as session:
        return _basket_json(basket_id, _quote(session, baskets.get_basket_id(session, basket_id)))


@blueprint.post("/baskets/<basket_id>/lines")
@open_to(everyone, csrf=False, rate=BASKETS_RATE)
@blueprint.arguments(NoQuery, location="query")
@blueprint.arguments(NewLine)
@blueprint.response(201, LineShape)
def add_line_json(_asked: dict[str, Any], sent: dict[str, Any], basket_id: str) -> ResponseReturnValue:
    """More pieces of a variant; the line that holds them, one for each variant."""
    hall = the_hall()
    with hall.database.transaction() as session:
        id_ = baskets.get_basket_id(session, basket_id)
        variant_id = sent["variant_id"] or _only_variant(session, sent["product_id"])
        line_id = baskets.add_line(session, basket_id=id_, variant_id=variant_id, qty=sent["qty"], now=hall.clock.now())
        line = _line_json(session, id_, line_id)
    place = url_for("basket_api.change_line_json", basket_id=basket_id, line_id=line_id)
    return line, 201, {"Location": place}


@blueprint.patch("/baskets/<basket_id>/lines/<int:line_id>")
@open_to(everyone, csrf=False, rate=BASKETS_RATE)
@blueprint.arguments(NoQuery, location="query")
@blueprint.arguments(LineChange)
@blueprint.response(200, LineShape)
def change_line_json(_asked: dict[str, Any], sent: dict[str, Any], basket_id: str, line_id: int) -> dict[str, Any]:
    """The line holds exactly so many pieces, at the price of now."""
    hall = the_hall()
    with hall.database.transaction() as session:
        id_ = baskets.get_basket_id(session, basket_id)
        baskets.change_line(session, basket_id=id_, line_id=line_id, qty=sent["qty"], now=hall.clock.now())
        return _line_json(session, id_, line_id)


@blueprint.delete("/baskets/<basket_id>/lines/<int:line_id>")
@open_to(everyone, csrf=False, rate=BASKETS_RATE)
@blueprint.arguments(NoQuery, location="query")
@blueprint.response(204)
def remove_line_json(_asked: dict[str, Any], basket_id: str, line_id: int) -> None:
    """The line is gone."""
    hall = the_hall()
    with hall.database.transaction() as session:
        id_ = baskets.get_basket_id(session, basket_id)
        baskets.remove_line(session, basket_id=id_, line_id=line_id, now=hall.clock.now())


def _only_variant(session: Session, product_id: int) -> int:
    try:
        variants = get_product(session, product_id).variants
    except NotFound:
        raise baskets.NotForSale() from None
    if len(variants) > 1:
        raise FieldError("variant_id", "choose_variant")
    return variants[0].id


def _quote(session: Session, basket_id: int) -> Quote:
    hall = the_hall()
    payable = payable_parties(session, hall.settings.mollie_env)
    return quote_basket(session, basket_id=basket_id, payable=payable, now=hall.clock.now())


def _line_json(session: Session, basket_id: int, line_id: int) -> dict[str, Any]:
    (found,) = (line for line in _lines(_quote(session, basket_id)) if line["id"] == line_id)
    return found


def _basket_json(token: str, quote: Quote) -> dict[str, Any]:
    return {
        "id": token,
        "lines": _lines(quote),
        "groups": [
            {
                "shop": group.shop,
                "line_ids": [line.line_id for line in group.lines],
                "goods": group.goods,
                "is_payable": group.is_payable,
            }
            for group in quote.groups
        ],
        "goods": quote.goods,
        "minimum_age": quote.minimum_age,
        "can_be_ordered": quote.can_be_ordered and not quote.changed_lines,
    }


def _lines(quote: Quote) -> list[dict[str, Any]]:
    """The lines in the order in which they entered the basket."""
    lines = [(line, group.shop) for group in quote.groups for line in group.lines]
    return [_quoted_line(line, shop) for line, shop in sorted(lines, key=lambda pair: pair[0].line_id)]


def _quoted_line(line: QuotedLine, shop: QuotedShop) -> dict[str, Any]:
    return {
        "id": line.line_id,
        "variant_id": line.variant_id,
        "product": {
            "id": line.product_id,
            "name": line.name,
            "label": line.label,
            "brand": line.brand,
            "kind": line.kind.key,
            "shop": shop,
            "price": line.unit_price,
            "available_qty": line.available_qty,
            "allergens": line.allergens,
            "minimum_age": line.kind.minimum_age,
            **addresses_of(line.product_id, line.name, line.drawing),
        },
        "qty": line.qty,
        "unit_price": line.unit_price,
        "seen_price": line.seen_price,
        "total": line.total,
        "problem": problem_of(line),
    }


def problem_of(line: QuotedLine) -> str | None:
    return line.problem or ("price_changed" if line.is_price_changed else None)


# --- The order -------------------------------------------------------------------------------------------------


@blueprint.post("/orders")
@open_to(everyone, csrf=False, rate=ORDERS_RATE)
@blueprint.arguments(NoQuery, location="query")
@blueprint.arguments(OrderHeaders, location="headers")
@blueprint.arguments(NewOrder)
@blueprint.response(201, PlacedShape)
def place_order_json(_asked: dict[str, Any], headers: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Order a basket, with an obligation to pay. Goods and the place on the round are held for a quarter of an hour.

    409 with a `code` when something is no longer to be had: basket_changed (`details.lines` tells which and why),
    not_enough_stock, slot_full, cut_off_passed. An address that may mean several places is refused with their
    `details.candidates`: send one of them, with its `lat` and `lon`.
    """
    hall = the_hall()
    # Keys of programs never meet those of our forms.
    key = f"api:{headers['idempotency_key'] or new_token()}"
    asked = hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()
    with hall.database.reading() as session:
        earlier = orders.find_placed(session, checkout_key=key, request_hash=asked)
        if earlier is None:
            basket_id = _check_basket(session, sent)
    if earlier is not None:
        return _placed_json(earlier)
    address = _address(sent["delivery"])
    command = orders.PlaceOrder(
        basket_id=basket_id,
        checkout_key=key,
        mode=sent["delivery"]["mode"],
        **sent["contact"],
        shortage=sent["shortage"],
        language=current_language(),
        site_url=hall.settings.site_url,
        provider_env=hall.settings.mollie_env,
        address=address,
        slot_id=sent["delivery"]["slot_id"] if address else None,
        request_hash=asked,
    )
    try:
        with hall.database.transaction() as session:
            placed = orders.place_order(session, command, clock=hall.clock)
    except orders.BasketChanged:
        with hall.database.reading() as session:
            raise orders.BasketChanged(lines=_problems(_quote(session, basket_id))) from None
    except bookings.NotServed as refused:
        raise FieldError("delivery.postcode", refused.code) from None
    return _placed_json(placed)


def _check_basket(session: Session, sent: dict[str, Any]) -> int:
    """The basket that is ordered; FieldError for what the client itself says must not be."""
    try:
        basket_id = baskets.get_basket_id(session, sent["basket"])
    except NotFound:
        raise FieldError("basket", "basket_unknown") from None
    if sent["accepts_terms"] is False:
        raise FieldError("accepts_terms", "accept_terms")
    quote = _quote(session, basket_id)
    if not quote.groups:
        raise BasketEmpty()
    if quote.minimum_age is not None and sent["declares_majority"] is False:
        raise FieldError("declares_majority", "declare_majority")
    return basket_id


def _address(delivery: dict[str, Any]) -> Address | None:
    """Where the parcels go, None for a collection; looked up outside of any transaction unless pinned (M05)."""
    if delivery["mode"] != "delivery":
        return None
    typed = {name: delivery[name] for name in ("street", "postcode", "city", "access_note")}
    is_pinned = delivery["lat"] is not None
    try:
        address = (
            Address(**typed, lat=delivery["lat"], lon=delivery["lon"])
            if is_pinned
            else locate(the_hall().geocoder, **typed)
        )
        with the_hall().database.reading() as session:
            check_served(session, address)
    except AddressUnknown as unknown:
        raise FieldError("delivery.street", unknown.code) from None
    except AddressUnsure as unsure:
        candidates = [_candidate(place) for place in unsure.candidates]
        raise FieldError("delivery.street", unsure.code, candidates=candidates) from None
    except bookings.NotServed as refused:
        raise FieldError("delivery.postcode", refused.code) from None
    return address


def _candidate(place: FoundAddress) -> dict[str, object]:
    return {
        "label": place.label,
        "street": place.street,
        "postcode": place.postcode,
        "city": place.city,
        "lat": place.lat,
        "lon": place.lon,
    }


def _problems(quote: Quote) -> list[dict[str, object]]:
    """Why the basket cannot be ordered as it stands, line by line."""
    unpayable: Iterable[QuotedLine] = (line for group in quote.unpayable_groups for line in group.lines)
    problems = {line.line_id: "not_payable" for line in unpayable}
    problems |= {line.line_id: problem for line in quote.lines if (problem := problem_of(line))}
    return [{"id": line_id, "problem": problem} for line_id, problem in sorted(problems.items())]


def _placed_json(placed: orders.PlacedOrder) -> dict[str, Any]:
    hall = the_hall()
    checkout_url = open_at_provider(hall, placed.payment_id)
    if checkout_url is None:
        # Asked again after the payment: the answer stays what it was.
        with hall.database.reading() as session:
            checkout_url = queries.checkout_url_of(session, placed.payment_id)
    return {
        "code": placed.code,
        "token": placed.token,
        "checkout_url": checkout_url,
        "url": _order_url(placed.code, placed.token),
    }


def _order_url(code: str, token: str) -> str:
    return f"{the_hall().settings.site_url}{url_for('orders.show', code=code, token=token)}"


@blueprint.get("/orders/<code>")
@open_to(everyone, csrf=False)
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, OrderShape)
@blueprint.doc(security=[{BEARER: []}, {}])
def show_order_json(asked: dict[str, Any], code: str) -> dict[str, Any]:
    """The order as it stands, for whoever has its token; 404 for a wrong token as for a wrong code."""
    sent = request.authorization
    token = asked["token"] or (sent.token if sent is not None and sent.type == "bearer" else None)
    if not token:
        raise TokenMissing()
    order = look_up(the_hall(), code=code, token=token)
    with the_hall().database.reading() as session:
        split = queries.split_of(session, order.payment.id) if order.payment else {}
    return _order_json(order, [{"party": p.removeprefix("merchant:"), "amount": amount} for p, amount in split.items()])


def _order_json(order: queries.OrderRow, split: list[dict[str, object]]) -> dict[str, Any]:
    payment = order.payment
    starts_at, ends_at = order.slot or (None, None)
    is_collected = order.mode == "collection"
    return {
        "code": order.code,
        "state": order.state,
        "progress": order.progress,
        "placed_at": order.placed_at,
        "hold_until_at": order.hold_until_at,
        "goods": order.goods,
        "delivery_fee": order.delivery_fee,
        "total": order.total,
        "refunded": order.refunded,
        "delivery": {
            "mode": order.mode,
            "street": order.street,
            "postcode": order.postcode,
            "city": order.city,
            "access_note": order.access_note,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "handover_code": order.handover_code if order.confirmed_at else None,
        },
        "sub_orders": [
            {
                "shop": {"slug": part.slug, "name": part.name},
                "seller_name": part.seller_name,
                "state": part.state,
                "goods": part.goods,
                "ready_by_at": part.ready_by_at,
                "collection_code": part.collection_code if is_collected and order.confirmed_at else None,
                "lines": part.lines,
            }
            for part in order.parts
        ],
        "payment": payment
        and {
            "state": payment.state,
            "amount": payment.amount,
            "checkout_url": payment.checkout_url,
            "paid_at": payment.paid_at,
            "split": split,
        },
        "url": _order_url(order.code, order.token),
    }
