"""The pages on which a resident looks around: the market, its lists, a shop, a product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Flask, Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from marketplace import __version__
from marketplace.clock import local_day
from marketplace.delivery.bookings import Promise, promise
from marketplace.drawings import COLOURWAYS_QTY, drawing
from marketplace.drawings.catalogue import FALLBACK, RANGE_OF
from marketplace.errors import NotFound
from marketplace.hall import the_hall
from marketplace.legal import legal_number
from marketplace.web.access import everyone, open_to
from marketplace.web.filters import slug
from merchants.aisles import AISLES, ALCOHOL_TRADE, SIGNS, by_trade
from merchants.hours import doors_at, week_of
from merchants.kinds import get_kind, kind_keys
from merchants.queries import (
    Cursor,
    ProductCard,
    ShopPage,
    find_withdrawn,
    get_product,
    get_shop,
    list_kinds,
    list_products,
    list_sellers,
    list_shops,
    products_in_order,
)
from merchants.rules import ALCOHOL, PERISHABLE
from merchants.schemas import read_listing_query
from merchants.search.find import find_products
from merchants.search.ranking import shop_turn, static_score
from merchants.sellers import sells_online, shops_to_reserve

blueprint = Blueprint("catalogue", __name__)

_NOTHING: dict[str, Any] = {
    "found": None,
    "products": (),
    "corrected_products": (),
    "page_number": 1,
    "previous_url": None,
    "next_url": None,
}
#: Every page of the catalogue names the delivery's price and next round; a minute's delay in that sentence harms
#: nobody, the basket asks anew.
DELIVERY_KEPT_FOR = timedelta(minutes=1)
#: What the home page shows of the day: as much as fits beside its words without becoming a list.
STALL_QTY, SHOPS_OF_THE_DAY_QTY = 6, 6
#: A year; a redrawn picture gets another address with the release that brings it (`picture_url`).
PICTURE_AGE_S = 365 * 24 * 3600


@blueprint.get("/")
@open_to(everyone)
def home() -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    today = local_day(now)
    with hall.database.glance() as session:
        shops = list_shops(session)
        # Each day the stall is laid from another place of the list, the same for every visitor.
        start = Cursor(static_score(0, today.toordinal()), 0)
        drawn = [*list_products(session, after=start, limit=48).items, *list_products(session).items]
        kinds = list_kinds(session)
        delivery = _delivery(session, now)
    turns = sorted(shops, key=lambda shop: shop_turn(shop.id, today))
    return render_template(
        "merchants/catalogue/home.html",
        shops_qty=len(shops),
        of_the_day=[(shop, doors_at(shop.opening_hours, now)) for shop in turns[:SHOPS_OF_THE_DAY_QTY]],
        stall=_assorted(drawn, STALL_QTY),
        kinds=kinds,
        aisles=AISLES,
        signs=SIGNS,
        trades=by_trade(shops),
        delivery=delivery,
        now=now,
    )


@blueprint.get("/produits")
@open_to(everyone)
def listing() -> ResponseReturnValue:
    """The catalogue, or what answers a search in it."""
    asked, errors = read_listing_query(request.args)
    if asked["genre"] and asked["genre"] not in kind_keys():
        raise NotFound()
    hall = the_hall()
    with hall.database.glance() as session:
        shop = get_shop(session, asked["boutique"]) if asked["boutique"] else None
        if errors:
            answer = _NOTHING
        elif asked["q"]:
            answer = _search(session, asked, shop)
        else:
            answer = _walk(session, asked)
        delivery = _delivery(session, hall.clock.now())
        to_reserve = _to_reserve(session, hall.clock.now())
    cards = [*answer["products"], *answer["corrected_products"]]
    page = render_template(
        "merchants/catalogue/listing.html",
        asked=asked,
        errors=errors,
        shop=shop,
        kinds_here=list(dict.fromkeys(card.kind for card in cards)),
        shops_here=list(dict.fromkeys(card.shop for card in cards)),
        delivery=delivery,
        to_reserve=to_reserve,
        **answer,
    )
    return page, 422 if errors else 200


def _walk(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The catalogue in the order of the draw."""
    products = list_products(
        session,
        shop=asked["boutique"] or None,
        kind=asked["genre"] or None,
        after=asked["apres"],
        before=asked["avant"],
    )
    # Only said to the reader, and only beside a cursor; a page that turns out to be the first is page 1.
    page = asked["page"] if products.previous else 1
    kept = {"genre": asked["genre"] or None, "boutique": asked["boutique"] or None}
    before, after = products.previous, products.next
    return {
        "found": None,
        "products": products.items,
        "corrected_products": (),
        "page_number": page,
        "previous_url": before and url_for(".listing", **kept, avant=str(before), page=max(page - 1, 1)),
        "next_url": after and url_for(".listing", **kept, apres=str(after), page=page + 1),
    }


def _search(session: Session, asked: Mapping[str, Any], shop: ShopPage | None) -> dict[str, Any]:
    """What answers the words; with `exact`, without what we took them for."""
    found = find_products(
        session,
        query=asked["q"],
        on=local_day(the_hall().clock.now()),
        page=asked["page"],
        shop_id=shop.id if shop else None,
        kind=asked["genre"] or None,
    )
    is_exact = asked["exact"]
    cards = products_in_order(session, found.product_ids)
    kept = {"q": asked["q"], "genre": asked["genre"] or None, "boutique": asked["boutique"] or None}
    page = found.page
    return {
        "found": found,
        "products": tuple(card for card in cards if card.id not in found.corrected_ids),
        "corrected_products": tuple(card for card in cards if card.id in found.corrected_ids and not is_exact),
        "page_number": page,
        "previous_url": url_for(".listing", **kept, page=page - 1) if page > 1 else None,
        # What was typed alone gives less than a page, or nothing would have been corrected.
        "next_url": url_for(".listing", **kept, page=page + 1) if page < found.page_qty and not is_exact else None,
    }


@blueprint.get("/boutiques")
@open_to(everyone)
def shops() -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    with hall.database.glance() as session:
        open_shops = list_shops(session)
    return render_template(
        "merchants/catalogue/shops.html",
        shops_qty=len(open_shops),
        trades=by_trade(open_shops),
        doors={shop.id: doors_at(shop.opening_hours, now) for shop in open_shops},
        weeks={shop.id: week_of(shop.opening_hours, local_day(now)) for shop in open_shops},
        now=now,
    )


@blueprint.get("/boutiques/<slug>")
@open_to(everyone)
def shop(slug: str) -> ResponseReturnValue:
    asked, _errors = read_listing_query(request.args)
    hall = the_hall()
    now = hall.clock.now()
    with hall.database.glance() as session:
        shop = get_shop(session, slug)
        if not shop.is_open:
            return render_template("merchants/catalogue/paused.html", shop=shop), 404
        products = list_products(session, shop=slug, after=asked["apres"], before=asked["avant"])
        delivery = _delivery(session, now)
        is_sold_online = sells_online(session, slug=slug, provider_env=hall.settings.mollie_env, on=local_day(now))
    page = asked["page"] if products.previous else 1
    before, after = products.previous, products.next
    return render_template(
        "merchants/catalogue/shop.html",
        shop=shop,
        is_sold_online=is_sold_online,
        doors=doors_at(shop.opening_hours, now),
        week=week_of(shop.opening_hours, local_day(now)),
        sells_alcohol=shop.trade == ALCOHOL_TRADE or any(card.kind == ALCOHOL for card in products.items),
        products=products.items,
        page_number=page,
        previous_url=before and url_for(".shop", slug=slug, avant=str(before), page=max(page - 1, 1)),
        next_url=after and url_for(".shop", slug=slug, apres=str(after), page=page + 1),
        delivery=delivery,
        now=now,
    )


@blueprint.get("/produits/<int:product_id>")
@open_to(everyone)
def product_by_number(product_id: int) -> ResponseReturnValue:
    """A product's short address, as the API and paper name it."""
    with the_hall().database.glance() as session:
        found = get_product(session, product_id)
    return redirect(product_url(found.id, found.name), 301)


@blueprint.get("/produits/<int:product_id>-<word>")
@open_to(everyone)
def product(product_id: int, word: str) -> ResponseReturnValue:
    return show_product(product_id, word=word)


def show_product(
    product_id: int,
    *,
    word: str | None = None,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, list[str]] | None = None,
) -> ResponseReturnValue:
    """A product's page; with `errors` ({variant_id or qty: [codes]}) it answers 422 and keeps what was `typed`.

    Another `word` than today's name leads to the right address.
    """
    if product_id >= 2**63:  # beyond every number that the database can hold
        raise NotFound()
    hall = the_hall()
    with hall.database.glance() as session:
        try:
            product = get_product(session, product_id)
        except NotFound:
            return _withdrawn(session, product_id)
        now = hall.clock.now()
        delivery = _delivery(session, now)
        today = local_day(now)
        is_sold_online = sells_online(session, slug=product.shop.slug, provider_env=hall.settings.mollie_env, on=today)
    if word is not None and word != slug(product.name):
        return redirect(product_url(product.id, product.name), 301)
    page = render_template(
        "merchants/catalogue/product.html",
        product=product,
        is_sold_online=is_sold_online,
        kind=get_kind(product.kind, today),
        is_perishable=product.kind in PERISHABLE,
        is_alcohol=product.kind == ALCOHOL,
        withdrawal_days=legal_number("withdrawal.days", today),
        delivery=delivery,
        typed=typed or {},
        errors=errors or {},
    )
    return page, 422 if errors else 200


def _withdrawn(session: Session, product_id: int) -> ResponseReturnValue:
    """What was sold once is said so, with what its shop sells today; NotFound for what never was."""
    gone = find_withdrawn(session, product_id)
    if gone is None:
        raise NotFound()
    others = list_products(session, shop=gone.shop.slug, limit=6).items if gone.shop_is_open else ()
    return render_template("merchants/catalogue/withdrawn.html", gone=gone, others=others), 404


@blueprint.get("/vendeurs")
@open_to(everyone)
def sellers() -> ResponseReturnValue:
    """Who sells here: every legal seller with the shops that it runs (domain M4)."""
    with the_hall().database.glance() as session:
        found = list_sellers(session)
    return render_template("merchants/catalogue/sellers.html", sellers=found)


@blueprint.get("/dessins/<key>-<int:colourway>.svg")
@open_to(everyone)
def picture(key: str, colourway: int) -> Response:
    if key not in RANGE_OF or colourway >= COLOURWAYS_QTY:
        raise NotFound()
    response = make_response(drawing(key, colourway))
    response.mimetype = "image/svg+xml"
    response.headers["Cache-Control"] = f"public, max-age={PICTURE_AGE_S}, immutable"
    return response


def picture_url(key: str, colourway: int) -> str:
    """The address of a drawing as this release draws it; colourways count round."""
    known = key if key in RANGE_OF else FALLBACK
    return f"{request.script_root}/dessins/{known}-{colourway % COLOURWAYS_QTY}.svg?v={__version__}"


def product_url(product_id: int, name: str) -> str:
    """What `url_for` would say of a product's page; a list asks 24 times, and `url_for` takes ten times longer."""
    return f"{request.script_root}/produits/{product_id}-{slug(name)}"


def _delivery(session: Session, now: datetime) -> Promise | None:
    """The town's promise of delivery, at most a minute old."""
    kept: tuple[datetime, Promise | None] | None = current_app.extensions.get("catalogue.delivery")
    if kept is None or not timedelta() <= now - kept[0] < DELIVERY_KEPT_FOR:
        kept = current_app.extensions["catalogue.delivery"] = (now, promise(session, now=now))
    return kept[1]


def _to_reserve(session: Session, now: datetime) -> frozenset[str]:
    """The shops whose goods can only be reserved, at most a minute old; the product's own page asks anew."""
    kept: tuple[datetime, frozenset[str]] | None = current_app.extensions.get("catalogue.to_reserve")
    if kept is None or not timedelta() <= now - kept[0] < DELIVERY_KEPT_FOR:
        env = the_hall().settings.mollie_env
        found = shops_to_reserve(session, provider_env=env, on=local_day(now))
        kept = current_app.extensions["catalogue.to_reserve"] = (now, found)
    return kept[1]


def _assorted(cards: Iterable[ProductCard], qty: int) -> list[ProductCard]:
    """The first products that are left to buy, no two of one shop or one kind: a stall is laid with care."""
    laid: list[ProductCard] = []
    seen: set[str] = set()
    for card in cards:
        if card.available_qty > 0 and not seen & {card.shop.slug, card.kind}:
            seen |= {card.shop.slug, card.kind}
            laid.append(card)
    return laid[:qty]


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    app.add_template_global(picture_url)
    app.add_template_global(product_url)
