"""What weighs less than promised: the shop types what its scale says, and the difference goes back (domain P18-P22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.giving_back import Returned, give_back
from basket.models import Order, OrderLine, OrderRefund, SubOrder, Weighing
from basket.moves import NotPossibleNow
from basket.refund_queries import NOTHING, Undone, refunded_lines
from basket.rules import lighter
from basket.shortages import STATES
from marketplace.errors import NotFound
from marketplace.money import ZERO


@dataclass(frozen=True, slots=True)
class Weighable:
    """A line that is sold with its weight; `promised_grams` is that of all the pieces that are still to be packed."""

    id: int
    name: str
    label: str
    qty: int
    promised_grams: int


def weighable_lines(session: Session, sub_order_id: int) -> tuple[Weighable, ...]:
    """The lines of a part that were sold with a weight, and that cost something."""
    lines = session.scalars(
        select(OrderLine).where(OrderLine.sub_order_id == sub_order_id).order_by(OrderLine.position)
    ).all()
    return weighable(lines, refunded_lines(session, sub_order_id))


def weighable(lines: Sequence[OrderLine], undone: Mapping[int, Undone]) -> tuple[Weighable, ...]:
    """Those of a part's lines; `undone` is what the resident does not get of them, by line."""
    found = []
    for line in lines:
        left_qty = line.qty - undone.get(line.id, NOTHING).qty
        if left_qty and line.unit_price and line.net_grams is not None:
            found.append(Weighable(line.id, line.name, line.label, left_qty, left_qty * line.net_grams))
    return tuple(found)


def report_weights(
    session: Session,
    *,
    sub_order_id: int,
    shop_ids: frozenset[int],
    weighed: Mapping[int, int],
    ticket: str,
    actor: str,
    now: datetime,
) -> OrderRefund | None:
    """What was really put in (line id → grams of all its pieces) is written down; the price of what lacks goes back.

    Nothing is ever taken for more weight. The same report once more changes nothing: the answer is None then, as when
    nothing is lighter. NotFound for another shop's part or a line without a weight, NotPossibleNow once it has left
    the shop.
    """
    order_id = session.scalar(
        select(SubOrder.order_id).where(SubOrder.id == sub_order_id, SubOrder.shop_id.in_(shop_ids))
    )
    if order_id is None:
        raise NotFound()
    # The order before its parts, as everywhere.
    order = session.get_one(Order, order_id, with_for_update=True, populate_existing=True)
    part = session.get_one(SubOrder, sub_order_id, with_for_update=True, populate_existing=True)
    if part.state not in STATES:
        raise NotPossibleNow(state=part.state)
    promised = {line.id: line for line in weighable_lines(session, part.id)}
    if not weighed.keys() <= promised.keys():
        raise NotFound()
    undone = refunded_lines(session, part.id)
    weighings, returned = [], []
    for line_id, grams in sorted(weighed.items()):
        line, before = session.get_one(OrderLine, line_id), undone.get(line_id, NOTHING)
        paid = line.unit_price * promised[line_id].qty
        # What went back of the pieces that stay, for whatever reason, is not given twice.
        given = before.amount - line.unit_price * before.qty
        more = lighter(paid, promised_grams=promised[line_id].promised_grams, weighed_grams=grams) - given
        if more > ZERO:
            returned.append(Returned(line_id, 0, more))
        weighings.append(
            Weighing(
                order_line_id=line_id,
                promised_grams=promised[line_id].promised_grams,
                weighed_grams=grams,
                ticket=ticket,
                at=now,
                actor=actor,
            )
        )
    refund = None
    if returned:
        refund = give_back(
            session, order, part, reason="weight", liable="merchant", returned=returned, actor=actor, now=now
        )
        lines_back = {one.line_id for one in returned}
        for weighing in weighings:
            weighing.order_refund_id = refund.id if weighing.order_line_id in lines_back else None
    session.add_all(weighings)
    session.flush()
    return refund
