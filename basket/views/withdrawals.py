"""The withdrawal function (domain W6, code de la consommation L221-21, D221-5): by the order's link, in two steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from basket import queries, withdrawal_handlers, withdrawal_queries, withdrawal_waiting, withdrawing
from basket.views import returns, withdrawals_by_telephone
from basket.views.renouncing import Asked, declare_in_two_steps, form_page, part_of
from basket.withdrawal_schemas import WentBack
from marketplace.attention import add_troubles
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing

blueprint = Blueprint("withdrawals", __name__)
blueprint.after_request(keep_nothing)


@blueprint.get("/commande/<code>/<token>/renoncer/<int:sub_order_id>")
@open_to(everyone)
def form(code: str, token: str, sub_order_id: int) -> ResponseReturnValue:
    """What of one shop's part the resident renounces."""
    return form_page(_look(code, token, sub_order_id), {}, {})


@blueprint.post("/commande/<code>/<token>/renoncer/<int:sub_order_id>")
@open_to(everyone, rate="30 per minute")
def declare(code: str, token: str, sub_order_id: int) -> ResponseReturnValue:
    """The first button shows the declaration; "confirm the withdrawal" declares it. No reason is asked."""

    def act(session: Session, typed: Mapping[str, Any], pieces: Mapping[int, int]) -> int:
        return withdrawing.declare(
            session,
            code=code,
            token=token,
            sub_order_id=sub_order_id,
            pieces=pieces,
            name=typed["name"],
            email=typed["email"],
            form_key=typed["form_key"],
            now=the_hall().clock.now(),
        ).id

    asked = _look(code, token, sub_order_id)
    withdrawal_id = declare_in_two_steps(asked, act)
    if not isinstance(withdrawal_id, int):
        return withdrawal_id
    return redirect(url_for("withdrawals.receipt", code=code, token=token, withdrawal_id=withdrawal_id), 303)


@blueprint.get("/commande/<code>/<token>/renoncement/<int:withdrawal_id>")
@open_to(everyone)
def receipt(code: str, token: str, withdrawal_id: int) -> ResponseReturnValue:
    """What was declared, with its date and time: the same as in the letter, and good to print."""
    return _receipt_page(code, token, withdrawal_id, {})


@blueprint.post("/commande/<code>/<token>/renoncement/<int:withdrawal_id>")
@open_to(everyone, rate="10 per minute")
def went_back(code: str, token: str, withdrawal_id: int) -> ResponseReturnValue:
    """The resident says how the goods went back: the shop has to answer, or the money leaves."""
    hall = the_hall()
    try:
        form = load_form(WentBack(), request.form)
    except FormErrors as refused:
        # Whatever else was sent, the one field says what to do.
        said = refused.errors.get("proof", ["form_too_old"])
        return _receipt_page(code, token, withdrawal_id, {"proof": said})
    with hall.database.transaction() as session:
        withdrawal_waiting.say_it_went_back(
            session,
            code=code,
            token=token,
            withdrawal_id=withdrawal_id,
            proof=form["proof"],
            now=hall.clock.now(),
        )
    return redirect(url_for("withdrawals.receipt", code=code, token=token, withdrawal_id=withdrawal_id), 303)


def _receipt_page(code: str, token: str, withdrawal_id: int, codes: Mapping[str, Sequence[str]]) -> ResponseReturnValue:
    with the_hall().database.reading() as session:
        row = withdrawal_queries.get_receipt(session, code=code, token=token, withdrawal_id=withdrawal_id)
    page = render_template("basket/withdrawals/receipt.html", row=row, codes=codes, typed=request.form, is_staff=False)
    return page, 422 if codes else 200


def _look(code: str, token: str, sub_order_id: int) -> Asked:
    hall = the_hall()
    with hall.database.reading() as session:
        order = queries.get_order(session, code=code, token=token)
        contracts = withdrawal_queries.contracts_of(session, order.id, hall.clock.now())
    return Asked(order, part_of(order, sub_order_id), contracts.get(sub_order_id))


def init_withdrawals(app: Flask) -> None:
    """The resident's pages, the letters, the shops' returns, and those that wait too long on the staff's list."""
    # Importing the handlers makes them known; importing the returns has hung them into the shops' counter.
    assert withdrawal_handlers and returns
    app.register_blueprint(blueprint)
    app.register_blueprint(withdrawals_by_telephone.blueprint)
    add_troubles(app, withdrawal_queries.late_withdrawals)
