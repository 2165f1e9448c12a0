"""What must hold of rounds at every commit (I03, I17); tests and the running house ask the same questions."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from marketplace.delivery.models import Booking, Handling, Parcel, Round, Shift, Slot, Stop
from marketplace.delivery.rules import LIVE_BOOKINGS


def broken_rules(session: Session) -> Iterator[str]:
    """One sentence for each rule that a row breaks; nothing when all is well."""
    yield from _places(session)
    yield from _loads(session)
    yield from _stops(session)


def _places(session: Session) -> Iterator[str]:
    held = (
        select(func.count())
        .where(Booking.slot_id == Slot.id, Booking.state.in_(LIVE_BOOKINGS))
        .correlate(Slot)
        .scalar_subquery()
    )
    for slot_id, taken, counted in session.execute(
        select(Slot.id, Slot.taken_stops, held).where(Slot.taken_stops != held)
    ):
        yield f"I03 slot {slot_id}: {taken} places taken, {counted} bookings hold one"
    for slot_id in session.scalars(select(Slot.id).where(Slot.taken_stops > Slot.capacity_stops)):
        yield f"I03 slot {slot_id}: more places taken than there are"


def _loads(session: Session) -> Iterator[str]:
    carried = (
        select(
            Slot.round_id,
            func.sum(Booking.grams).label("grams"),
            func.sum(Booking.ml).label("ml"),
            func.sum(Booking.cold_ml).label("cold_ml"),
        )
        .join(Booking, Booking.slot_id == Slot.id)
        .where(Booking.state.in_(LIVE_BOOKINGS))
        .group_by(Slot.round_id)
        .subquery()
    )
    for round_, grams, ml, cold_ml in session.execute(
        select(
            Round,
            func.coalesce(carried.c.grams, 0),
            func.coalesce(carried.c.ml, 0),
            func.coalesce(carried.c.cold_ml, 0),
        ).outerjoin(carried, carried.c.round_id == Round.id)
    ):
        for what, taken, booked, capacity in (
            ("grams", round_.taken_grams, grams, round_.capacity_grams),
            ("ml", round_.taken_ml, ml, round_.capacity_ml),
            ("chilled ml", round_.taken_cold_ml, cold_ml, round_.capacity_cold_ml),
        ):
            if taken != booked:
                yield f"I03 round {round_.id}: {taken} {what} taken, {booked} booked"
            if taken > capacity:
                yield f"I03 round {round_.id}: {taken} {what} taken of {capacity}"


def _stops(session: Session) -> Iterator[str]:
    """That a home has at most one stop, and a parcel at most one handling of a kind, the tables' own indices keep."""
    strangers = session.execute(
        select(Stop.id, Booking.id)
        .join(Booking, Stop.booking_id == Booking.id)
        .join(Slot, Booking.slot_id == Slot.id)
        .join(Shift, Stop.shift_id == Shift.id)
        .where(Slot.round_id != Shift.round_id)
    )
    for stop_id, booking_id in strangers:
        yield f"I17 stop {stop_id}: booking {booking_id} belongs to another round"
    for stop_id, state in session.execute(
        select(Stop.id, Booking.state)
        .join(Booking, Stop.booking_id == Booking.id)
        .where(Booking.state.in_(("held", "released")))
    ):
        yield f"I17 stop {stop_id}: its booking is {state}"
    for booking_id in session.scalars(
        select(Booking.id)
        .join(Stop, Stop.booking_id == Booking.id)
        .join(Parcel, Parcel.booking_id == Booking.id)
        .outerjoin(Handling, Handling.parcel_id == Parcel.id)
        .group_by(Booking.id, Parcel.id)
        .having(func.count(Handling.parcel_id) != 2)
        .distinct()
    ):
        yield f"I17 booking {booking_id}: a parcel is not both collected and handed over"
    for booking_id, carriers in session.execute(
        select(Parcel.booking_id, func.count(Stop.shift_id.distinct()))
        .join(Handling, Handling.parcel_id == Parcel.id)
        .join(Stop, Handling.stop_id == Stop.id)
        .group_by(Parcel.booking_id)
        .having(func.count(Stop.shift_id.distinct()) > 1)
    ):
        yield f"I17 booking {booking_id}: its parcels are with {carriers} couriers"
    for booking_id, state, booked in session.execute(
        select(Booking.id, Round.state, Booking.state)
        .join(Slot, Booking.slot_id == Slot.id)
        .join(Round, Slot.round_id == Round.id)
        .where(Booking.state.in_(("delivered", "returned")), Round.state.not_in(("riding", "done")))
    ):
        yield f"I17 booking {booking_id}: {booked} on a round that is {state}"
    for round_id in session.scalars(
        select(Round.id)
        .join(Shift, Shift.round_id == Round.id)
        .join(Stop, Stop.shift_id == Shift.id)
        .where(Round.state == "done", Stop.state == "planned")
        .distinct()
    ):
        yield f"I17 round {round_id}: done with stops ahead"
