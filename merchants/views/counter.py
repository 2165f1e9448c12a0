"""The shopkeeper's rooms. The shelf is here; the basket package hangs the day's work into the same blueprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from marshmallow import ValidationError

from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.hall import the_hall
from marketplace.invoices.mandates import has_ended_one, standing_of
from marketplace.invoices.queries import documents_of, documents_to
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to
from marketplace.web.sentences import sentence
from merchants import stock
from merchants.access import ShopRow, merchant_member, my_shop_ids, my_shops
from merchants.catalogue import change_price
from merchants.schemas import ShelfCount, ShelfPrice, ShelfQuery
from merchants.sellers import sellers_of
from merchants.shelf import get_own_variant, list_shelf, search_shelf

blueprint = Blueprint("merchant", __name__, url_prefix="/boutique")

_QUERY = ShelfQuery()


def actor() -> str:
    """How the books name whoever acts for the shop."""
    return f"member:{current_user.id}"


@blueprint.get("/rayon")
@open_to(merchant_member)
def shelf() -> ResponseReturnValue:
    """One shop's products, with the forms that change their counts and prices."""
    return _shelf_page({})


@blueprint.post("/rayon/<int:variant_id>/stock")
@open_to(merchant_member, rate="240 per minute")
def count(variant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    field = f"reste-{variant_id}"
    try:
        form = load_form(ShelfCount(), request.form)
        counted_qty = max(form["qty"] + form["step"], 0)
        with hall.database.transaction() as session:
            variant = get_own_variant(session, variant_id=variant_id, shop_ids=my_shop_ids())
            stock.count(
                session,
                variant_id=variant.id,
                on_hand_qty=counted_qty,
                seen_qty=form["seen_qty"],
                actor=actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        _check_own(variant_id)
        said = refused.errors.get("qty", ["form_too_old"])
        return _shelf_page({field: ["stock_range" if code == "out_of_range" else code for code in said]})
    except stock.CountedMeanwhile as refused:
        return _shelf_page({field: [refused.code]}, refused.details, keep_typed=False)
    except stock.NotEnoughStock as refused:
        return _shelf_page({field: ["fewer_than_held"]}, refused.details)
    flash(sentence("stock_counted", name=variant.name, qty=counted_qty))
    return _back_to(variant_id)


@blueprint.post("/rayon/<int:variant_id>/prix")
@open_to(merchant_member, rate="120 per minute")
def price(variant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(ShelfPrice(), request.form)
    except FormErrors as refused:
        _check_own(variant_id)
        return _shelf_page({f"prix-{variant_id}": refused.errors.get("price", ["form_too_old"])})
    with hall.database.transaction() as session:
        variant = get_own_variant(session, variant_id=variant_id, shop_ids=my_shop_ids())
        change_price(session, variant_id=variant.id, price=form["price"], actor=actor(), now=hall.clock.now())
    flash(sentence("price_changed", name=variant.name, price=form["price"]))
    return _back_to(variant_id)


def _check_own(variant_id: int) -> None:
    """NotFound before a word is said about somebody else's variant."""
    with the_hall().database.reading() as session:
        get_own_variant(session, variant_id=variant_id, shop_ids=my_shop_ids())


def _asked() -> dict[str, Any]:
    """The shelf's address; what was damaged on its way counts as absent."""
    try:
        return dict(_QUERY.load(request.args))
    except ValidationError as refused:
        wrong = refused.normalized_messages()
        return dict(_QUERY.load({name: value for name, value in request.args.items() if name not in wrong}))


def _back_to(variant_id: int) -> ResponseReturnValue:
    """The same part of the shelf, at the variant."""
    kept = {name: value for name, value in _asked().items() if value}
    return redirect(url_for("merchant.shelf", **kept, _anchor=f"variante-{variant_id}"), 303)


def _chosen_shop(slug: str) -> ShopRow:
    """The shop that the address names, else the first; NotFound for one of other people."""
    shops = my_shops()
    if not slug:
        return shops[0]
    for shop in shops:
        if shop.slug == slug:
            return shop
    raise NotFound()


def _shelf_page(
    codes: Mapping[str, Sequence[str]], details: Mapping[str, object] | None = None, *, keep_typed: bool = True
) -> ResponseReturnValue:
    hall = the_hall()
    asked = _asked()
    shop = _chosen_shop(asked["boutique"])
    with hall.database.reading() as session:
        if asked["q"]:
            today = local_day(hall.clock.now())
            page = search_shelf(session, shop_id=shop.id, words=asked["q"], on=today)
        else:
            page = list_shelf(session, shop_id=shop.id, after=asked["apres"], before=asked["avant"])
    body = render_template(
        "merchants/counter/shelf.html",
        my_shops=my_shops(),
        shop=shop,
        asked=asked,
        kept={name: value for name, value in asked.items() if value},
        products=page.products,
        previous=page.previous,
        next=page.next,
        codes=codes,
        details=details or {},
        typed=request.form if keep_typed else {},
    )
    return body, 422 if codes else 200


@blueprint.get("/factures")
@open_to(merchant_member)
def documents() -> ResponseReturnValue:
    """For each merchant that the person works for: papers received and drawn up, and the mandate that stands today."""
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        folders = [
            {
                "merchant_id": seller.id,
                "name": seller.legal_name,
                "received": documents_to(session, buyer=seller.party),
                "drawn_up": documents_of(session, seller=seller.party),
                "mandate": (standing := standing_of(session, seller=seller.party, on=today)),
                "is_to_sign_anew": seller.is_to_sign_anew(standing),
                "had_mandate": has_ended_one(session, seller=seller.party, on=today),
            }
            for seller in sellers_of(session, current_user.id)
        ]
    return render_template("merchants/counter/documents.html", folders=folders)
