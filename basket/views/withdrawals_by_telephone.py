"""A resident renounces a contract on the telephone: a person of the association writes it down, and the receipt goes by
mail or is printed, with its date and time, as for everybody else (domain W6, E4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from basket import money_queries, queries, withdrawal_queries, withdrawal_waiting, withdrawing
from basket.views.renouncing import Asked, declare_in_two_steps, form_page, part_of
from basket.withdrawal_schemas import GoodsBack, WentBack
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.headers import keep_nothing
from marketplace.web.sentences import sentence

blueprint = Blueprint("telephone_withdrawals", __name__, url_prefix="/tresorerie/commandes/<code>")
blueprint.after_request(keep_nothing)


def _staff() -> bool:
    return role("coordinator")() or role("treasurer")()


def _actor() -> str:
    return f"person:{current_user.id}"


@blueprint.get("/renoncer/<int:sub_order_id>")
@open_to(_staff)
def form(code: str, sub_order_id: int) -> ResponseReturnValue:
    """What of one shop's part the caller renounces."""
    return form_page(_look(code, sub_order_id), {}, {})


@blueprint.post("/renoncer/<int:sub_order_id>")
@open_to(_staff, rate="60 per minute")
def declare(code: str, sub_order_id: int) -> ResponseReturnValue:
    """The first button shows what to read out; the second writes it down, once."""

    def act(session: Session, typed: Mapping[str, Any], pieces: Mapping[int, int]) -> int:
        said = withdrawing.Declaration(
            sub_order_id, pieces, typed["name"], typed["email"], typed["form_key"], taken_by=_actor()
        )
        return withdrawing.take_by_telephone(session, code=code, said=said, now=the_hall().clock.now()).id

    withdrawal_id = declare_in_two_steps(_look(code, sub_order_id), act)
    if not isinstance(withdrawal_id, int):
        return withdrawal_id
    return redirect(url_for("telephone_withdrawals.receipt", code=code, withdrawal_id=withdrawal_id), 303)


@blueprint.get("/renoncement/<int:withdrawal_id>")
@open_to(_staff)
def receipt(code: str, withdrawal_id: int) -> ResponseReturnValue:
    """The receipt, to print for who reads no mail; and what the association may say in the shop's place."""
    return _receipt_page(code, withdrawal_id, {})


@blueprint.post("/renoncement/<int:withdrawal_id>")
@open_to(_staff, rate="60 per minute")
def settle(code: str, withdrawal_id: int) -> ResponseReturnValue:
    """The association has seen the goods, or the proof that they were sent: the money goes back."""
    hall = the_hall()
    try:
        form = load_form(GoodsBack(), request.form)
    except FormErrors:
        return _receipt_page(code, withdrawal_id, {"retour": ["goods_or_proof"]})
    try:
        with hall.database.transaction() as session:
            withdrawal_queries.get_withdrawal_of(session, code=code, withdrawal_id=withdrawal_id)
            is_new = withdrawing.settle(
                session,
                withdrawal_id=withdrawal_id,
                shop_ids=None,
                basis=form["basis"],
                actor=_actor(),
                now=hall.clock.now(),
            )
    except withdrawing.BankHasIt as refused:
        return _receipt_page(code, withdrawal_id, {"retour": [refused.code]}, 409)
    return _back(code, withdrawal_id, "withdrawal_settled" if is_new else "withdrawal_was_settled")


@blueprint.post("/renoncement/<int:withdrawal_id>/rendu")
@open_to(_staff, rate="60 per minute")
def went_back(code: str, withdrawal_id: int) -> ResponseReturnValue:
    """The resident says on the telephone how the goods went back: the shop has to answer, or the money leaves."""
    hall = the_hall()
    try:
        form = load_form(WentBack(), request.form)
    except FormErrors as refused:
        return _receipt_page(code, withdrawal_id, {"proof": refused.errors.get("proof", ["form_too_old"])})
    with hall.database.transaction() as session:
        is_new = withdrawal_waiting.write_proof_down(
            session,
            code=code,
            withdrawal_id=withdrawal_id,
            proof=form["proof"],
            actor=_actor(),
            now=hall.clock.now(),
        )
    return _back(code, withdrawal_id, "proof_kept" if is_new else "proof_was_kept")


@blueprint.post("/renoncement/<int:withdrawal_id>/prevenu")
@open_to(_staff, rate="60 per minute")
def told(code: str, withdrawal_id: int) -> ResponseReturnValue:
    """Somebody who reads no letters was called: they know that the shop waits for the goods."""
    hall = the_hall()
    with hall.database.transaction() as session:
        is_new = withdrawal_waiting.say_it_was_told(
            session, code=code, withdrawal_id=withdrawal_id, actor=_actor(), now=hall.clock.now()
        )
    return _back(code, withdrawal_id, "resident_told" if is_new else "resident_was_told")


def _back(code: str, withdrawal_id: int, said: str) -> ResponseReturnValue:
    flash(sentence(said))
    return redirect(url_for("telephone_withdrawals.receipt", code=code, withdrawal_id=withdrawal_id), 303)


def _receipt_page(
    code: str, withdrawal_id: int, codes: Mapping[str, Sequence[str]], status: int = 422
) -> ResponseReturnValue:
    with the_hall().database.reading() as session:
        row = withdrawal_queries.get_withdrawal_of(session, code=code, withdrawal_id=withdrawal_id)
        names = money_queries.names_of(session, [said.actor for said in row.words])
    page = render_template(
        "basket/withdrawals/receipt.html", row=row, names=names, codes=codes, typed=request.form, is_staff=True
    )
    return page, status if codes else 200


def _look(code: str, sub_order_id: int) -> Asked:
    hall = the_hall()
    with hall.database.reading() as session:
        order = queries.get_order_by_code(session, code)
        contracts = withdrawal_queries.contracts_of(session, order.id, hall.clock.now())
    return Asked(order, part_of(order, sub_order_id), contracts.get(sub_order_id), is_staff=True)
