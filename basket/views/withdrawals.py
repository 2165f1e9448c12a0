"""The withdrawal function (domain W6, code de la consommation L221-21, D221-5): by the order's link, in two steps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from flask import Blueprint, Flask, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from basket import queries, withdrawal_handlers, withdrawal_queries, withdrawing
from basket.views import returns
from basket.withdrawal_schemas import withdraw
from marketplace.attention import add_troubles
from marketplace.errors import FieldError, NotFound
from marketplace.hall import the_hall
from marketplace.ids import new_token
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing

blueprint = Blueprint("withdrawals", __name__)
blueprint.after_request(keep_nothing)


@blueprint.get("/commande/<code>/<token>/renoncer/<int:sub_order_id>")
@open_to(everyone)
def form(code: str, token: str, sub_order_id: int) -> ResponseReturnValue:
    """What of one shop's part the resident renounces."""
    return _form_page(code, token, sub_order_id, {}, {})


@blueprint.post("/commande/<code>/<token>/renoncer/<int:sub_order_id>")
@open_to(everyone, rate="30 per minute")
def declare(code: str, token: str, sub_order_id: int) -> ResponseReturnValue:
    """The first button shows the declaration; "confirm the withdrawal" declares it. No reason is asked."""
    hall = the_hall()
    order, contract = _look(code, token, sub_order_id)
    line_ids = [line.id for line in contract.lines] if contract is not None else []
    # Once everything is declared no line is left to name: the same form pressed again still finds its receipt.
    named = [int(name[4:]) for name in request.form if re.fullmatch("qty-[0-9]{1,18}", name)]
    try:
        # A line that is left empty is kept.
        sent = {name: value for name, value in request.form.items() if value.strip()}
        typed = load_form(withdraw({*line_ids, *named}), sent)
        pieces = {line_id: typed[f"qty-{line_id}"] for line_id in {*line_ids, *named}}
        if typed["step"] == "change":
            return _form_page(code, token, sub_order_id, {}, {})
        look_only = typed["step"] == "look"
        with hall.database.reading() if look_only else hall.database.transaction() as session:
            declared = withdrawing.declare(
                session,
                code=code,
                token=token,
                sub_order_id=sub_order_id,
                pieces=pieces,
                name=typed["name"],
                email=typed["email"],
                form_key=typed["form_key"],
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        said = {"name": ["form_too_old"]} if "form_key" in refused.errors else refused.errors
        return _form_page(code, token, sub_order_id, said, {})
    except FieldError as refused:
        field = refused.field if refused.field in {f"qty-{line_id}" for line_id in line_ids} else "name"
        return _form_page(code, token, sub_order_id, {field: [refused.code]}, refused.details)
    except withdrawing.TooLateToWithdraw:
        return _form_page(code, token, sub_order_id, {}, {}, 409)
    if not look_only:
        address = url_for("withdrawals.receipt", code=code, token=token, withdrawal_id=declared.id)
        return redirect(address, 303)
    return render_template(
        "basket/withdrawals/confirm.html",
        order=order,
        part=_part(order, sub_order_id),
        contract=contract,
        pieces=pieces,
        typed=typed,
        sent=[(name, value) for name, value in request.form.items() if name not in ("csrf_token", "step")],
    )


@blueprint.get("/commande/<code>/<token>/renoncement/<int:withdrawal_id>")
@open_to(everyone)
def receipt(code: str, token: str, withdrawal_id: int) -> ResponseReturnValue:
    """What was declared, with its date and time: the same as in the letter, and good to print."""
    with the_hall().database.reading() as session:
        row = withdrawal_queries.get_receipt(session, code=code, token=token, withdrawal_id=withdrawal_id)
    return render_template("basket/withdrawals/receipt.html", row=row)


def _look(code: str, token: str, sub_order_id: int) -> tuple[queries.OrderRow, withdrawal_queries.Contract | None]:
    hall = the_hall()
    with hall.database.reading() as session:
        order = queries.get_order(session, code=code, token=token)
        _part(order, sub_order_id)
        contracts = withdrawal_queries.contracts_of(session, order.id, hall.clock.now())
    return order, contracts.get(sub_order_id)


def _part(order: queries.OrderRow, sub_order_id: int) -> queries.ShopPart:
    part = next((part for part in order.parts if part.sub_order_id == sub_order_id), None)
    if part is None:
        raise NotFound()
    return part


def _form_page(
    code: str,
    token: str,
    sub_order_id: int,
    codes: Mapping[str, Sequence[str]],
    details: Mapping[str, object],
    status: int = 200,
) -> ResponseReturnValue:
    order, contract = _look(code, token, sub_order_id)
    page = render_template(
        "basket/withdrawals/form.html",
        order=order,
        part=_part(order, sub_order_id),
        contract=contract,
        codes=codes,
        details=details,
        typed=request.form or {"name": order.name, "email": order.email},
        form_key=request.form.get("form_key") or new_token(),
    )
    return page, 422 if codes else status


def init_withdrawals(app: Flask) -> None:
    """The resident's pages, the letters, the shops' returns, and those that wait too long on the staff's list."""
    # Importing the handlers makes them known; importing the returns has hung them into the shops' counter.
    assert withdrawal_handlers and returns
    app.register_blueprint(blueprint)
    add_troubles(app, withdrawal_queries.late_withdrawals)
