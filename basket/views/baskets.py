"""The basket's page, and what its buttons do."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from basket import baskets
from basket.queries import find_unpaid_order, find_variant_name
from basket.quoting import Quote, quote_basket
from basket.schemas import AddLine, ChangeLine
from basket.views.visitor import find_basket, get_or_open_basket
from marketplace.accounts.views import local_address
from marketplace.clock import local_day
from marketplace.delivery.bookings import promise
from marketplace.errors import MarketplaceError, NotFound
from marketplace.hall import the_hall
from marketplace.payments.service import payable_parties
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing
from marketplace.web.sentences import sentence
from merchants.views.catalogue import show_product

blueprint = Blueprint("basket", __name__)
blueprint.after_request(keep_nothing)


@blueprint.get("/panier")
@open_to(everyone)
def show() -> ResponseReturnValue:
    return _page({})


@blueprint.post("/panier/lignes")
@open_to(everyone, rate="120 per minute")
def add() -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(AddLine(), request.form)
    except FormErrors as refused:
        return _add_again(refused.typed, refused.errors)
    now = hall.clock.now()
    try:
        with hall.database.transaction() as session:
            basket_id = get_or_open_basket(session)
            baskets.add_line(session, basket_id=basket_id, variant_id=form["variant_id"], qty=form["qty"], now=now)
            name = find_variant_name(session, form["variant_id"])
    except (baskets.TooMany, baskets.NotForSale, baskets.BasketFull) as refused:
        return _add_again(request.form, {"qty": [refused.code]}, refused)
    flash(sentence("added", name=name, qty=form["qty"]))
    return redirect(local_address(form["back"]) or url_for("basket.show"), 303)


@blueprint.post("/panier/lignes/<int:line_id>")
@open_to(everyone, rate="240 per minute")
def change(line_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(ChangeLine(), request.form)
        qty = 0 if form["remove"] else (form["qty"] or 0) + form["step"]
        with hall.database.transaction() as session:
            basket_id = find_basket(session)
            if basket_id is None:
                raise NotFound()
            baskets.change_line(session, basket_id=basket_id, line_id=line_id, qty=max(qty, 0), now=hall.clock.now())
    except FormErrors as refused:
        return _page(
            {f"qty-{line_id}": refused.errors.get("qty", ["not_a_count"])}, typed={line_id: request.form.get("qty", "")}
        )
    except (baskets.TooMany, baskets.NotForSale) as refused:
        return _page(
            {f"qty-{line_id}": [refused.code]}, typed={line_id: request.form.get("qty", "")}, details=refused.details
        )
    except NotFound:
        # The line went in another tab: what the visitor wanted to see is the basket as it is.
        flash(sentence("line_gone"))
    else:
        if "HX-Request" not in request.headers:  # with script the live region says it, and the focus stays
            flash(sentence("basket_noted"))
    return redirect(url_for("basket.show"), 303)


@blueprint.post("/panier/suite")
@open_to(everyone)
def go_on() -> ResponseReturnValue:
    """The visitor has seen today's prices and goes to the checkout."""
    hall = the_hall()
    with hall.database.transaction() as session:
        basket_id = find_basket(session)
        if basket_id is None:
            return redirect(url_for("basket.show"), 303)
        quote = _quote(basket_id, session)
        if not quote.can_be_ordered:
            code = "basket_blocked" if quote.blocked_lines or not quote.unpayable_groups else "reserve_first"
            return _page({"panier": [code]})
        baskets.accept_prices(session, basket_id=basket_id)
    return redirect(url_for("checkout.place"), 303)


def _quote(basket_id: int, session: Session) -> Quote:
    hall = the_hall()
    payable = payable_parties(session, hall.settings.mollie_env)
    return quote_basket(session, basket_id=basket_id, payable=payable, now=hall.clock.now())


def _page(
    codes: dict[str, list[str]],
    typed: dict[int, str] | None = None,
    details: dict[str, object] | None = None,
) -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    with hall.database.reading() as session:
        basket_id = find_basket(session)
        quote = _quote(basket_id, session) if basket_id is not None else None
        unpaid = find_unpaid_order(session, basket_id=basket_id, now=now) if basket_id is not None else None
        delivery = promise(session, now=now)
    body = render_template(
        "basket/basket.html",
        quote=quote,
        unpaid=unpaid,
        delivery=delivery,
        fee=quote.to_order.fee_with(delivery.terms, local_day(now)) if quote and delivery else None,
        codes=codes,
        details=details or {},
        typed=typed or {},
        is_update="HX-Request" in request.headers,
    )
    return body, 422 if codes else 200


def _add_again(
    typed: object, codes: dict[str, list[str]], refused: MarketplaceError | None = None
) -> ResponseReturnValue:
    """The form once more, with what was typed, and the sentence at its field: on the product's own page where that
    has the field, else on a page of its own."""
    hall = the_hall()
    product_id = _number("product_id")
    is_unchosen = "variant_id" not in request.form
    is_gone = refused is not None and not refused.details.get("left")
    if product_id is not None and not is_gone and (is_unchosen or "variant_id" not in codes):
        at_fields = {"variant_id": ["choice_missing"]} if is_unchosen else {}
        at_fields |= {field: said for field, said in codes.items() if field == "qty"}
        return show_product(product_id, typed=request.form, errors=at_fields)
    variant_id = _number("variant_id")
    with hall.database.reading() as session:
        name = find_variant_name(session, variant_id) if variant_id is not None else None
    body = render_template(
        "basket/add_again.html",
        typed=typed,
        codes=codes,
        name=name,
        details=refused.details if refused else {},
        back=local_address(request.form.get("back", "")) or url_for("catalogue.listing"),
    )
    return body, 422


def _number(name: str) -> int | None:
    """A number that we wrote into the form; None for anything else."""
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
