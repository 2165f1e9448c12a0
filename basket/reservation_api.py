"""Reserve in shops that cannot be paid online, for programs: the same use cases as behind the pages."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from flask import request, url_for
from sqlalchemy.orm import Session

from basket import baskets, reservation_queries, reservations
from basket.api import ORDERS_RATE, TokenMissing, problem_of
from basket.api_schemas import OrderHeaders, OrderQuery
from basket.orders import BasketChanged
from basket.quoting import quote_basket
from basket.reservation_api_schemas import MadeList, NewReservations, ReservationShape
from basket.reservation_queries import KeptRow
from marketplace.errors import FieldError, NotFound
from marketplace.hall import the_hall
from marketplace.ids import new_token
from marketplace.language import current_language
from marketplace.money import Money
from marketplace.payments.service import payable_parties
from marketplace.web.access import everyone, open_to
from marketplace.web.api import BEARER, ApiBlueprint
from marketplace.web.headers import keep_nothing
from merchants.api_schemas import NoQuery

blueprint = ApiBlueprint("reservation_api", __name__, description="Reserve online, pay in the shop")
blueprint.after_request(keep_nothing)


@blueprint.post("/reservations")
@open_to(everyone, csrf=False, rate=ORDERS_RATE)
@blueprint.arguments(NoQuery, location="query")
@blueprint.arguments(OrderHeaders, location="headers")
@blueprint.arguments(NewReservations)
@blueprint.response(201, MadeList)
def reserve_json(_asked: dict[str, Any], headers: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Reserve what is in the basket of shops that cannot be paid online: one reservation each, or none at all.

    Its lines leave the basket. 409 with a `code` otherwise: nothing_to_reserve, basket_changed (`details.lines`),
    not_enough_stock, shop_stays_closed, too_many_reservations.
    """
    hall = the_hall()
    # Keys of programs never meet those of our forms.
    key = f"api:{headers['idempotency_key'] or new_token()}"
    seen = sent["seen_goods_cents"]
    with hall.database.reading() as session:
        asked = hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()
        made = reservations.find_reserved(session, request_key=key, request_hash=asked)
        basket_id = 0 if made else _basket_id(session, sent["basket"])
    if not made:
        command = reservations.Reserve(
            basket_id=basket_id,
            request_key=key,
            **sent["contact"],
            language=current_language(),
            provider_env=hall.settings.mollie_env,
            seen_goods=None if seen is None else Money(seen),
            request_hash=asked,
        )
        try:
            with hall.database.transaction() as session:
                made = reservations.reserve(session, command, clock=hall.clock)
        except BasketChanged:
            with hall.database.reading() as session:
                raise BasketChanged(lines=_problems(session, basket_id)) from None
    return {
        "items": [{"code": one.code, "token": one.token, "url": _url(one.code, one.token)} for one in made],
        "next": None,
    }


@blueprint.get("/reservations/<code>")
@open_to(everyone, csrf=False)
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, ReservationShape)
@blueprint.doc(security=[{BEARER: []}, {}])
def show_reservation_json(asked: dict[str, Any], code: str) -> dict[str, Any]:
    """The reservation as it stands, for whoever has its token; 404 for a wrong token as for a wrong code."""
    return _reservation_json(code, _token(asked))


@blueprint.delete("/reservations/<code>")
@open_to(everyone, csrf=False, rate=ORDERS_RATE)
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, ReservationShape)
@blueprint.doc(security=[{BEARER: []}, {}])
def cancel_reservation_json(asked: dict[str, Any], code: str) -> dict[str, Any]:
    """Cancelled; the pieces are free again. Once more changes nothing; 409 reservation_over if it ended otherwise."""
    hall = the_hall()
    token = _token(asked)
    with hall.database.transaction() as session:
        reservations.cancel(session, code=code, token=token, now=hall.clock.now())
    return _reservation_json(code, token)


def _token(asked: dict[str, Any]) -> str:
    sent = request.authorization
    token: str | None = asked["token"] or (sent.token if sent is not None and sent.type == "bearer" else None)
    if not token:
        raise TokenMissing()
    return token


def _basket_id(session: Session, token: str) -> int:
    try:
        return baskets.get_basket_id(session, token)
    except NotFound:
        raise FieldError("basket", "basket_unknown") from None


def _problems(session: Session, basket_id: int) -> list[dict[str, object]]:
    """Why what there is to reserve cannot be reserved as it was seen, line by line."""
    hall = the_hall()
    payable = payable_parties(session, hall.settings.mollie_env)
    quote = quote_basket(session, basket_id=basket_id, payable=payable, now=hall.clock.now()).to_reserve
    return [{"id": line.line_id, "problem": problem} for line in quote.lines if (problem := problem_of(line))]


def _url(code: str, token: str) -> str:
    return f"{the_hall().settings.site_url}{url_for('reservations.show', code=code, token=token)}"


def _reservation_json(code: str, token: str) -> dict[str, Any]:
    with the_hall().database.reading() as session:
        kept: KeptRow = reservation_queries.get_reservation(session, code=code, token=token)
    return {
        "code": kept.code,
        "state": kept.state,
        "ending": kept.ending,
        "shop": {"slug": kept.slug, "name": kept.shop_name},
        "seller_name": kept.seller_name,
        "reserved_at": kept.reserved_at,
        "kept_until_on": kept.kept_until_on,
        "goods": kept.goods,
        "minimum_age": kept.minimum_age,
        "collection_code": kept.collection_code if kept.is_open else None,
        "lines": kept.lines,
        "url": _url(kept.code, kept.token),
    }
