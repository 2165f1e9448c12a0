"""The catalogue for programs: products, one product, shops."""

from __future__ import annotations

from typing import Any

from flask import url_for
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.drawings import colourway_for
from marketplace.errors import FieldError, NotFound
from marketplace.hall import the_hall
from marketplace.web.access import everyone, open_to
from marketplace.web.api import ApiBlueprint, absolute
from merchants.aisles import TRADES
from merchants.api_schemas import NoQuery, ProductDetailShape, ProductList, ProductsQuery, ShopList
from merchants.kinds import get_kind, kind_keys
from merchants.pages import list_page
from merchants.queries import (
    Cursor,
    ProductCard,
    ProductPage,
    VariantRow,
    get_product,
    get_shop,
    list_shops,
    products_in_order,
)
from merchants.search.find import find_products
from merchants.views.catalogue import picture_url, product_url

blueprint = ApiBlueprint("catalogue_api", __name__, description="What is for sale, and by whom")


@blueprint.get("/products")
@open_to(everyone, csrf=False)
@blueprint.arguments(ProductsQuery, location="query")
@blueprint.response(200, ProductList)
def list_products_json(asked: dict[str, Any]) -> dict[str, Any]:
    """Products for sale, all or those that match.

    Without words the list follows the market’s daily draw, the same for everybody; with `q` the best answers come
    first.
    """
    page = asked["page"]
    if asked["q"] and isinstance(page, Cursor):
        raise FieldError("page", "not_a_page")
    with the_hall().database.reading() as session:
        filters = _filters(session, asked)
        if asked["q"]:
            return _search(session, asked, filters)
        after, number = (page, 1) if isinstance(page, Cursor) else (None, page)
        found = list_page(session, **filters, after=after, number=number)
    return {"items": [card_json(card) for card in found.items], "next": found.next and _next(asked, found.next)}


def _filters(session: Session, asked: dict[str, Any]) -> dict[str, Any]:
    """The shop, kind and trade that were asked for; FieldError for one that does not exist."""
    filters: dict[str, Any] = {}
    if asked["shop"]:
        try:
            filters["shop_id"] = get_shop(session, asked["shop"]).id
        except NotFound:
            raise FieldError("shop", "unknown_shop") from None
    category = asked["category"]
    if category in kind_keys():
        filters["kind"] = category
    elif category in TRADES:
        filters["trade"] = category
    elif category:
        raise FieldError("category", "unknown_category")
    return filters


def _search(session: Session, asked: dict[str, Any], filters: dict[str, Any]) -> dict[str, Any]:
    number = asked["page"]
    today = local_day(the_hall().clock.now())
    found = find_products(session, query=asked["q"], on=today, page=number, **filters)
    return {
        "items": [card_json(card) for card in products_in_order(session, found.product_ids)],
        "next": _next(asked, number + 1) if number < found.page_qty else None,
        "corrected_query": found.corrected_query,
    }


def _next(asked: dict[str, Any], page: Cursor | int) -> str:
    kept = {name: asked[name] for name in ("q", "shop", "category") if asked[name]}
    return absolute(url_for("catalogue_api.list_products_json", **kept, page=str(page)))


@blueprint.get("/products/<int:product_id>")
@open_to(everyone, csrf=False)
@blueprint.arguments(NoQuery, location="query")
@blueprint.response(200, ProductDetailShape)
def show_product_json(_asked: dict[str, Any], product_id: int) -> dict[str, Any]:
    """One product with its variants; 404 for one that is no longer sold."""
    hall = the_hall()
    with hall.database.reading() as session:
        product = get_product(session, product_id)
    return product_json(product, minimum_age=get_kind(product.kind, local_day(hall.clock.now())).minimum_age)


@blueprint.get("/shops")
@open_to(everyone, csrf=False)
@blueprint.arguments(NoQuery, location="query")
@blueprint.response(200, ShopList)
def list_shops_json(_asked: dict[str, Any]) -> dict[str, Any]:
    """The open shops by name, all in one part."""
    with the_hall().database.reading() as session:
        shops = list_shops(session)
    items = [
        {
            "slug": shop.slug,
            "name": shop.name,
            "trade": shop.trade,
            "tagline": shop.tagline,
            "street": shop.street,
            "city": shop.city,
            "opening_hours": shop.opening_hours,
            "url": absolute(url_for("catalogue.shop", slug=shop.slug)),
        }
        for shop in shops
    ]
    return {"items": items, "next": None}


def addresses_of(product_id: int, name: str, drawing: str) -> dict[str, str]:
    """Where people look at a product, and its drawing."""
    return {
        "url": absolute(product_url(product_id, name)),
        "drawing_url": absolute(picture_url(drawing, colourway_for(str(product_id)))),
    }


def card_json(card: ProductCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "name": card.name,
        "kind": card.kind,
        "shop": card.shop,
        "price": card.price,
        "has_dearer": card.has_dearer,
        "available_qty": card.available_qty,
        "unit_price": card.unit_price,
        **addresses_of(card.id, card.name, card.drawing),
    }


def product_json(product: ProductPage, *, minimum_age: int | None) -> dict[str, Any]:
    shown = _shown(product.variants)
    return {
        "id": product.id,
        "name": product.name,
        "kind": product.kind,
        "shop": product.shop,
        "price": shown.price,
        "has_dearer": any(variant.price > shown.price for variant in product.variants),
        "available_qty": product.available_qty,
        "unit_price": shown.unit_price,
        **addresses_of(product.id, product.name, product.drawing),
        "brand": product.brand,
        "description": product.description,
        "trade": product.trade,
        "allergens": product.allergens,
        "minimum_age": minimum_age,
        "details": product.details,
        "seller": product.seller,
        "variants": product.variants,
    }


def _shown(variants: tuple[VariantRow, ...]) -> VariantRow:
    """The variant whose price stands for the product, as on a card: the cheapest that is left, else the cheapest."""
    return min(variants, key=lambda variant: (variant.available_qty < 1, variant.price))
