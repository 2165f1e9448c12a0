"""The two steps of a declaration, whoever fills them in: the resident, or the association that has them on the line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from basket import queries, withdrawal_queries, withdrawing
from basket.withdrawal_schemas import withdraw
from marketplace.errors import FieldError, NotFound
from marketplace.hall import the_hall
from marketplace.ids import new_token
from marketplace.schemas import FormErrors, load_form


@dataclass(frozen=True, slots=True)
class Asked:
    """One shop's part of an order, and what of it may be renounced. `is_staff`: the association fills the form in."""

    order: queries.OrderRow
    part: queries.ShopPart
    contract: withdrawal_queries.Contract | None
    is_staff: bool = False


#: Declares it, and answers with the declaration's number.
Act = Callable[[Session, Mapping[str, Any], Mapping[int, int]], int]


def part_of(order: queries.OrderRow, sub_order_id: int) -> queries.ShopPart:
    part = next((part for part in order.parts if part.sub_order_id == sub_order_id), None)
    if part is None:
        raise NotFound()
    return part


def declare_in_two_steps(asked: Asked, act: Act) -> int | ResponseReturnValue:
    """What was sent is looked at, or declared: the declaration's number then, the next page otherwise."""
    line_ids = {line.id for line in asked.contract.lines} if asked.contract is not None else set()
    # Once everything is declared no line is left to name: the same form pressed again still finds its receipt.
    named = {int(name[4:]) for name in request.form if re.fullmatch("qty-[0-9]{1,18}", name)}
    try:
        # A line that is left empty is kept.
        sent = {name: value for name, value in request.form.items() if value.strip()}
        typed = load_form(withdraw(line_ids | named, by_telephone=asked.is_staff), sent)
        if typed["step"] == "change":
            return form_page(asked, {}, {})
        pieces = {line_id: typed[f"qty-{line_id}"] for line_id in line_ids | named}
        if typed["step"] == "do":
            with the_hall().database.transaction() as session:
                return act(session, typed, pieces)
        with the_hall().database.reading() as session:
            act(session, typed, pieces)
    except FormErrors as refused:
        wrong = {"name": ["form_too_old"]} if "form_key" in refused.errors else refused.errors
        return form_page(asked, wrong, {})
    except FieldError as refused:
        field = refused.field if refused.field in {f"qty-{line_id}" for line_id in line_ids} else "name"
        return form_page(asked, {field: [refused.code]}, refused.details)
    except withdrawing.TooLateToWithdraw:
        return form_page(asked, {}, {}, 409)
    return render_template(
        "basket/withdrawals/confirm.html",
        order=asked.order,
        part=asked.part,
        contract=asked.contract,
        is_staff=asked.is_staff,
        pieces=pieces,
        typed=typed,
        sent=[(name, value) for name, value in request.form.items() if name not in ("csrf_token", "step")],
    )


def form_page(
    asked: Asked, codes: Mapping[str, Sequence[str]], details: Mapping[str, object], status: int = 200
) -> ResponseReturnValue:
    """The form with what was typed; `codes` are what is wrong with it."""
    page = render_template(
        "basket/withdrawals/form.html",
        order=asked.order,
        part=asked.part,
        contract=asked.contract,
        is_staff=asked.is_staff,
        codes=codes,
        details=details,
        typed=request.form or {"name": asked.order.name, "email": asked.order.email},
        form_key=request.form.get("form_key") or new_token(),
    )
    return page, 422 if codes else status
