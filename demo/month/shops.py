"""What merchants do: accept what came in, say what is missing, pack, and hand over to residents who come by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select

from basket import orders
from basket.cancelling import cancel_part
from basket.models import Order, OrderLine, SubOrder
from basket.shortages import report_shortage
from demo.month.agenda import Agenda
from demo.month.errands import WITH_REFUND, Errand
from demo.month.house import House

ACTOR = "month:merchant"
#: Paid orders wait at least so long before their shop looks.
LOOKS_AFTER = timedelta(minutes=20)


class Shops:
    def __init__(self, house: House, agenda: Agenda, errands: Mapping[str, Errand]) -> None:
        self._house, self._agenda, self._errands = house, agenda, errands
        #: Orders of which a shop has said that it lacks something.
        self._short: set[str] = set()

    def look_through_orders(self) -> None:
        """Everything that came in a while ago is accepted and packed; what is missing is said."""
        with self._house.hall.database.reading() as session:
            new = session.execute(
                select(SubOrder.id, SubOrder.shop_id, Order.code, Order.mode)
                .join(Order, SubOrder.order_id == Order.id)
                .where(SubOrder.state == "received", Order.confirmed_at < self._house.now - LOOKS_AFTER)
                .order_by(SubOrder.id)
            ).all()
        for sub_order_id, shop_id, code, mode in new:
            errand = self._errands[code]
            if errand.trouble in WITH_REFUND and code not in self._short:
                self._short.add(code)
                self._report_missing(sub_order_id, shop_id, whole_line=errand.number % 2 == 0)
            if errand.trouble == "order cancelled" or errand.trouble == "part cancelled" and code not in self._short:
                self._short.add(code)
                self._cancel(sub_order_id, shop_id)
                continue
            self._advance(sub_order_id, shop_id, "accept", "pack")
            if mode == "collection":
                hours = errand.draw.uniform(2, 28)
                self._agenda.at(
                    self._house.now + timedelta(hours=hours),
                    lambda part=sub_order_id, shop=shop_id: self._hand_over(part, shop),  # type: ignore[misc]  # bound at once
                )

    def _report_missing(self, sub_order_id: int, shop_id: int, *, whole_line: bool) -> None:
        """Of the first line one piece is missing, or all where there are other lines."""
        with self._house.hall.database.transaction() as session:
            lines = session.execute(
                select(OrderLine.id, OrderLine.qty)
                .where(OrderLine.sub_order_id == sub_order_id)
                .order_by(OrderLine.position)
            ).all()
            line_id, qty = lines[0]
            available = {line_id: 0 if whole_line and len(lines) > 1 else qty - 1}
            if not available[line_id] and len(lines) == 1:
                return  # a single piece: nothing would be left to pack
            report_shortage(
                session,
                sub_order_id=sub_order_id,
                shop_ids=frozenset({shop_id}),
                available=available,
                actor=ACTOR,
                now=self._house.now,
            )

    def _cancel(self, sub_order_id: int, shop_id: int) -> None:
        """The shop has nothing of it."""
        with self._house.hall.database.transaction() as session:
            cancel_part(
                session,
                sub_order_id=sub_order_id,
                shop_ids=frozenset({shop_id}),
                actor=ACTOR,
                now=self._house.now,
            )

    def _hand_over(self, sub_order_id: int, shop_id: int) -> None:
        """The resident has come with the four digits."""
        with self._house.hall.database.reading() as session:
            part = session.get_one(SubOrder, sub_order_id)
            is_ready, collection_code = part.state == "packed", part.collection_code
        if is_ready:
            self._advance(sub_order_id, shop_id, "hand_over", collection_code=collection_code)

    def _advance(self, sub_order_id: int, shop_id: int, *events: str, collection_code: str = "") -> None:
        with self._house.hall.database.transaction() as session:
            for event in events:
                orders.advance(
                    session,
                    sub_order_id=sub_order_id,
                    shop_ids=frozenset({shop_id}),
                    event=event,
                    actor=ACTOR,
                    now=self._house.now,
                    collection_code=collection_code,
                )
