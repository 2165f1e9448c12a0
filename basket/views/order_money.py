"""An order's money, for the treasurer: all that happened to it, and what a person gives back by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from basket import by_hand, cancelling, money_queries, withdrawal_queries
from basket.models import OrderRefund
from basket.money_schemas import CancelPart, GiveGesture, OrderQuery, give_back
from basket.moves import NotPossibleNow, lock_order
from marketplace.errors import FieldError, NotFound
from marketplace.hall import the_hall
from marketplace.ids import normalize_order_code
from marketplace.money import Money
from marketplace.payments import disputes
from marketplace.payments.refunds import NothingLeftToBear, RefundTooLarge
from marketplace.schemas import Boundary, FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence

blueprint = Blueprint("order_money", __name__, url_prefix="/tresorerie/commandes")

_QUERY = OrderQuery()

Act = Callable[[Session, dict[str, Any]], OrderRefund | None]


def _staff() -> bool:
    return role("coordinator")() or role("treasurer")()


def _actor() -> str:
    return f"person:{current_user.id}"


@blueprint.get("")
@open_to(_staff)
def find() -> ResponseReturnValue:
    """Which order: by the number that people say on the telephone."""
    query = _QUERY.load({"code": request.args.get("code", "")[:40]})
    if "code" not in request.args:
        return render_template("basket/money/find.html", typed={}, codes={})
    code = normalize_order_code(query["code"])
    if code is not None:
        with the_hall().database.reading() as session:
            if money_queries.is_order(session, code):
                return redirect(url_for("order_money.show", code=code), 303)
    said = {"code": ["code_wrong" if code is None else "no_such_order"]}
    return render_template("basket/money/find.html", typed=query, codes=said), 422


@blueprint.get("/<code>")
@open_to(_staff)
def show(code: str) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        order = money_queries.get_order_money(session, code)
        contracts = withdrawal_queries.contracts_of(session, order.id, hall.clock.now())
        withdrawals = withdrawal_queries.withdrawals_of(session, order.id)
    return render_template(
        "basket/money/order.html",
        order=order,
        withdrawals=withdrawals,
        renounceable={part_id for part_id, contract in contracts.items() if contract.lines},
        may_give=role("treasurer")(),
    )


@blueprint.get("/<code>/rendre")
@open_to(role("treasurer"))
def gesture_form(code: str) -> ResponseReturnValue:
    """Delivery and gestures: what concerns no shop in particular."""
    return _give_page(_order(code), None, {}, {})


@blueprint.post("/<code>/rendre")
@open_to(role("treasurer"), rate="60 per minute")
def give_gesture(code: str) -> ResponseReturnValue:
    def act(session: Session, form: dict[str, Any]) -> OrderRefund:
        return _give(session, code, None, {**form, "reason": "complaint", "liable": "association"})

    order = _order(code)
    return _look_or_do(order, None, GiveGesture(), act, _give_page)


@blueprint.get("/<code>/rendre/<int:sub_order_id>")
@open_to(role("treasurer"))
def give_form(code: str, sub_order_id: int) -> ResponseReturnValue:
    """Lines of one shop, with the delivery and a gesture if need be."""
    order = _order(code)
    return _give_page(order, order.get_part(sub_order_id), {}, {})


@blueprint.post("/<code>/rendre/<int:sub_order_id>")
@open_to(role("treasurer"), rate="60 per minute")
def give(code: str, sub_order_id: int) -> ResponseReturnValue:
    order = _order(code)
    part = order.get_part(sub_order_id)

    def act(session: Session, form: dict[str, Any]) -> OrderRefund:
        return _give(session, code, part, form)

    return _look_or_do(order, part, give_back(line.id for line in part.lines), act, _give_page)


@blueprint.get("/<code>/annuler/<int:sub_order_id>")
@open_to(role("treasurer"))
def cancel_form(code: str, sub_order_id: int) -> ResponseReturnValue:
    """A whole part that will not come: who bears it."""
    order = _order(code)
    return _cancel_page(order, order.get_part(sub_order_id), {}, {})


@blueprint.post("/<code>/annuler/<int:sub_order_id>")
@open_to(role("treasurer"), rate="60 per minute")
def cancel(code: str, sub_order_id: int) -> ResponseReturnValue:
    order = _order(code)
    part = order.get_part(sub_order_id)

    def act(session: Session, form: dict[str, Any]) -> OrderRefund | None:
        by_hand.hold_for_one(session, code=code, seen_refund_id=form["seen_refund_id"])
        try:
            return cancelling.cancel_part(
                session,
                sub_order_id=sub_order_id,
                shop_ids=None,
                liable=form["liable"],
                note=form["note"],
                actor=_actor(),
                now=the_hall().clock.now(),
            )
        except (NothingLeftToBear, RefundTooLarge) as refused:
            raise FieldError("liable", f"{refused.code}_by_hand") from refused
        except NotPossibleNow as refused:
            raise FieldError("liable", "part_cannot_be_cancelled") from refused

    return _look_or_do(order, part, CancelPart(), act, _cancel_page)


@blueprint.post("/<code>/litige-perdu")
@open_to(role("treasurer"), rate="30 per minute")
def lose_dispute(code: str) -> ResponseReturnValue:
    """The bank keeps the money for its customer: everything that waited for the end of the dispute goes on."""
    hall = the_hall()
    with hall.database.transaction() as session:
        order = lock_order(session, code)
        if order is None or order.payment_id is None:
            raise NotFound()
        is_new = disputes.lose(session, payment_id=order.payment_id, actor=_actor(), now=hall.clock.now())
    flash(sentence("dispute_lost" if is_new else "dispute_was_over"))
    return redirect(url_for("order_money.show", code=code), 303)


def _order(code: str) -> money_queries.OrderMoney:
    with the_hall().database.reading() as session:
        return money_queries.get_order_money(session, code)


def _give(session: Session, code: str, part: money_queries.PartMoney | None, form: dict[str, Any]) -> OrderRefund:
    lines = part.lines if part is not None else ()
    wish = by_hand.Wish(
        sub_order_id=part.id if part is not None else None,
        reason=form["reason"],
        liable=form["liable"],
        lines={line.id: by_hand.Wished(form[f"qty-{line.id}"], form[f"amount-{line.id}"]) for line in lines},
        delivery=form["delivery"],
        gesture=form["gesture"],
        note=form["note"],
    )
    return by_hand.give_by_hand(
        session,
        code=code,
        seen_refund_id=form["seen_refund_id"],
        wish=wish,
        actor=_actor(),
        now=the_hall().clock.now(),
    )


Codes = Mapping[str, Sequence[str]]
Page = Callable[
    [money_queries.OrderMoney, money_queries.PartMoney | None, Codes, Mapping[str, object]], ResponseReturnValue
]


def _look_or_do(
    order: money_queries.OrderMoney,
    part: money_queries.PartMoney | None,
    schema: Boundary,
    act: Act,
    page: Page,
) -> ResponseReturnValue:
    """The first button shows who would give what; the second gives it, once."""
    database = the_hall().database
    try:
        # Whatever is left empty is not wanted.
        form = load_form(schema, {name: value for name, value in request.form.items() if value.strip()})
        if form["step"] == "change":
            return page(order, part, {}, {})
        if form["step"] == "look":
            with database.reading() as session:
                given = act(session, form)
                bearers = money_queries.bearers_of(session, given.refund_id if given else None)
            return render_template(
                "basket/money/confirm.html",
                order=order,
                part=part,
                bearers=bearers,
                amount=Money.total([bearer.amount for bearer in bearers]),
                form=form,
                sent=[(name, value) for name, value in request.form.items() if name not in ("csrf_token", "step")],
            )
        with database.transaction() as session:
            act(session, form)
    except FormErrors as refused:
        said = {"note": ["form_too_old"]} if "seen_refund_id" in refused.errors else refused.errors
        chosen = {field: ["choice_missing"] for field in ("reason", "liable") if said.get(field) == ["required"]}
        return page(order, part, {**said, **chosen}, {})
    except by_hand.GivenMeanwhile as refused:
        flash(sentence(refused.code))
        return redirect(url_for("order_money.show", code=order.code, _anchor="rendu"), 303)
    except FieldError as refused:
        return page(order, part, {refused.field: [refused.code]}, refused.details)
    flash(sentence("given_back_by_hand"))
    return redirect(url_for("order_money.show", code=order.code, _anchor="rendu"), 303)


def _give_page(
    order: money_queries.OrderMoney, part: money_queries.PartMoney | None, codes: Codes, details: Mapping[str, object]
) -> ResponseReturnValue:
    return _page("basket/money/give.html", order, part, codes, details)


def _cancel_page(
    order: money_queries.OrderMoney, part: money_queries.PartMoney | None, codes: Codes, details: Mapping[str, object]
) -> ResponseReturnValue:
    return _page("basket/money/cancel.html", order, part, codes, details)


def _page(
    template: str,
    order: money_queries.OrderMoney,
    part: money_queries.PartMoney | None,
    codes: Codes,
    details: Mapping[str, object],
) -> ResponseReturnValue:
    if not order.is_paid:
        raise NotFound()
    page = render_template(
        template, order=order, part=part, codes=codes, details=details, typed=request.form, reasons=by_hand.REASONS
    )
    return page, 422 if codes else 200
