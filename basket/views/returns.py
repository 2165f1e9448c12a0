"""What residents bring back to a shop: one press when it is there, and their money leaves."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from basket import withdrawal_queries, withdrawal_waiting, withdrawing
from basket.withdrawal_schemas import GoodsBack
from marketplace.clock import local_day
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to
from marketplace.web.sentences import sentence
from merchants.access import merchant_member, my_shop_ids
from merchants.views.counter import actor, blueprint


@blueprint.get("/retours")
@open_to(merchant_member)
def returns() -> ResponseReturnValue:
    return _page({}), 200


@blueprint.post("/retours/<int:withdrawal_id>")
@open_to(merchant_member, rate="60 per minute")
def goods_back(withdrawal_id: int) -> ResponseReturnValue:
    """The goods are back, or the shop has seen the proof that they were sent; pressed once more, it changes nothing."""
    hall = the_hall()
    try:
        form = load_form(GoodsBack(), request.form)
    except FormErrors:
        return _page({f"retour-{withdrawal_id}": ["goods_or_proof"]}), 422
    try:
        with hall.database.transaction() as session:
            is_new = withdrawing.settle(
                session,
                withdrawal_id=withdrawal_id,
                shop_ids=my_shop_ids(),
                basis=form["basis"],
                actor=actor(),
                now=hall.clock.now(),
            )
    except withdrawing.BankHasIt as refused:
        return _page({f"retour-{withdrawal_id}": [refused.code]}), 409
    flash(sentence("withdrawal_settled" if is_new else "withdrawal_was_settled"))
    return redirect(url_for("merchant.returns"), 303)


@blueprint.post("/retours/<int:withdrawal_id>/pas-revenu")
@open_to(merchant_member, rate="60 per minute")
def nothing_back(withdrawal_id: int) -> ResponseReturnValue:
    """Nothing has come back yet: the money waits, as the law allows, and the resident is told."""
    hall = the_hall()
    with hall.database.transaction() as session:
        is_new = withdrawal_waiting.keep_waiting(
            session, withdrawal_id=withdrawal_id, shop_ids=my_shop_ids(), actor=actor(), now=hall.clock.now()
        )
    flash(sentence("withdrawal_is_held" if is_new else "withdrawal_was_held"))
    return redirect(url_for("merchant.returns"), 303)


def _page(codes: dict[str, list[str]]) -> str:
    hall = the_hall()
    with hall.database.reading() as session:
        rows = withdrawal_queries.returns_to(session, my_shop_ids())
    return render_template("basket/fulfilment/returns.html", rows=rows, codes=codes, today=local_day(hall.clock.now()))
