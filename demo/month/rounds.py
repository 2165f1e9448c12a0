"""What coordinators and couriers do: open rounds, plan those that are closed, collect, ring the bells."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from basket.cancelling import PAID, cancel_part
from basket.models import Order, SubOrder
from demo.month.agenda import Agenda
from demo.month.errands import Errand
from demo.month.house import House
from demo.seed import open_rounds
from marketplace.delivery import planning, riding, rounds
from marketplace.delivery.models import Booking, Handling, Parcel, Round, Shift, Stop
from marketplace.delivery.queries import vehicles_that_ride
from marketplace.payments.refunds import NothingLeftToBear
from marketplace.payments.rules import LIABLE

ACTOR = "month:coordinator"
#: So many days ahead residents can choose among.
DAYS_AHEAD = 7
COMES_BACK_AFTER = timedelta(minutes=40)


class Rounds:
    def __init__(self, house: House, agenda: Agenda, errands: Mapping[str, Errand]) -> None:
        self._house, self._agenda, self._errands = house, agenda, errands
        self._ridden: set[int] = set()

    def open_ahead(self) -> None:
        with self._house.hall.database.transaction() as session:
            open_rounds(session, now=self._house.now, days=DAYS_AHEAD)

    def see_to_closed(self) -> None:
        """Every closed round with a household is planned and handed out; its couriers leave."""
        with self._house.hall.database.reading() as session:
            closed = session.scalars(
                select(Round.id).where(Round.state.in_(("closed", "planned"))).order_by(Round.collect_from_at, Round.id)
            ).all()
        for round_id in closed:
            if round_id not in self._ridden:
                self._ridden.add(round_id)
                self._ride(round_id)

    def undo_what_did_not_arrive(self) -> None:
        """The morning after: whatever a round did not bring is cancelled, and its money goes back.

        Who bears it is decided case by case; the association only as far as it has something of that payment.
        """
        with self._house.hall.database.reading() as session:
            stranded = session.scalars(
                select(SubOrder.id)
                .join(Order, SubOrder.order_id == Order.id)
                .where(
                    Order.mode == "delivery",
                    Order.slot_ends_at < self._house.now - timedelta(hours=6),
                    SubOrder.state.in_(PAID),
                )
                .order_by(SubOrder.id)
            ).all()
        for sub_order_id in stranded:
            for liable in (LIABLE[sub_order_id % len(LIABLE)], "merchant"):
                # Where not even that can be borne yet, a share is on its way: tomorrow it has arrived.
                with suppress(NothingLeftToBear):
                    self._cancel(sub_order_id, liable)
                    break

    def _cancel(self, sub_order_id: int, liable: str) -> None:
        with self._house.hall.database.transaction() as session:
            cancel_part(
                session,
                sub_order_id=sub_order_id,
                shop_ids=None,
                liable=liable,
                note="simulated",
                actor=ACTOR,
                now=self._house.now,
            )

    def _ride(self, round_id: int) -> None:
        database, now = self._house.hall.database, self._house.now
        try:
            with database.transaction() as session:
                vehicle_ids = [vehicle.id for vehicle, _name in session.execute(vehicles_that_ride())]
                planning.ask_for_plan(session, round_id=round_id, vehicle_ids=vehicle_ids, actor=ACTOR, now=now)
        except planning.NothingToPlan:
            return
        self._house.pass_on()
        with database.transaction() as session:
            rounds.hand_out(session, round_id=round_id, actor=ACTOR, now=now)
            stops = session.execute(
                select(Stop.id, Stop.kind, Stop.planned_at, Shift.courier_id, Booking.reference)
                .join(Shift, Stop.shift_id == Shift.id)
                .outerjoin(Booking, Stop.booking_id == Booking.id)
                .where(Shift.round_id == round_id)
                .order_by(Shift.id, Stop.position)
            ).all()
        for stop_id, kind, planned_at, courier_id, reference in stops:
            at = max(planned_at, now)
            if kind == "shop":
                self._agenda.at(at, partial(self._collect, stop_id, courier_id))
            else:
                self._agenda.at(at, partial(self._ring, stop_id, courier_id, reference))

    def _collect(self, stop_id: int, courier_id: int) -> None:
        """Everything that waits at the shop is on board, but for the parcels that nobody finds."""
        with self._house.hall.database.transaction() as session:
            waiting = session.execute(
                select(Parcel.id, Parcel.number, Booking.reference)
                .join(Handling, Handling.parcel_id == Parcel.id)
                .join(Booking, Parcel.booking_id == Booking.id)
                .where(Handling.stop_id == stop_id)
            ).all()
            found = [
                parcel_id
                for parcel_id, number, code in waiting
                if number > 1 or self._errands[code].trouble != "parcel missing"
            ]
            riding.collect(
                session,
                stop_id=stop_id,
                courier_id=courier_id,
                parcel_ids=frozenset(found),
                without_rest=len(found) < len(waiting),
                now=self._house.now,
            )

    def _ring(self, stop_id: int, courier_id: int, code: str) -> None:
        trouble = self._errands[code].trouble
        if trouble in ("nobody at home", "never at home"):
            with self._house.hall.database.transaction() as session:
                riding.leave_absent(session, stop_id=stop_id, courier_id=courier_id, now=self._house.now)
            if trouble == "nobody at home":
                again_at = self._house.now + COMES_BACK_AFTER
                self._agenda.at(again_at, lambda: self._deliver(stop_id, courier_id, again=True))
            return
        self._deliver(stop_id, courier_id)

    def _deliver(self, stop_id: int, courier_id: int, *, again: bool = False) -> None:
        """The household says its four digits, and shows that it is of age where it must be."""
        with self._house.hall.database.transaction() as session:
            if again:
                riding.try_again(session, stop_id=stop_id, courier_id=courier_id, now=self._house.now)
            booking = session.scalars(
                select(Booking).join(Stop, Stop.booking_id == Booking.id).where(Stop.id == stop_id)
            ).one()
            riding.deliver(
                session,
                stop_id=stop_id,
                courier_id=courier_id,
                code=booking.handover_code,
                receiver="",
                is_adult=True if booking.needs_age_check else None,
                now=self._house.now,
            )
