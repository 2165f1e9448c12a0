"""A round's life until it is planned: opened, taken back, closed by a person or by its cut-off, handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, selectinload

from marketplace.clock import local_instant
from marketplace.delivery.models import Booking, Round, RoundEvent, Shift, Slot, Stop, Zone
from marketplace.delivery.moving import RoundMoved, lock_round, move_round, record
from marketplace.delivery.opening import timetable_of
from marketplace.delivery.rules import LIVE_BOOKINGS, Load, may_reopen
from marketplace.delivery.timetable import Fault, Timetable, faults_of, faults_on
from marketplace.errors import MarketplaceError, NotFound


class NothingToRide(MarketplaceError):
    """The plan has not a single stop."""

    code = "nothing_to_ride"


class RoundsRefused(MarketplaceError):
    """The hours do not fit together, or one of the days does not bear them; `faults` are at the form's fields."""

    code = "rounds_refused"
    status = 422

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = tuple(faults)


class RoundBooked(MarketplaceError):
    """Somebody has a place on it: it can be closed, not taken back."""

    code = "round_booked"


@dataclass(frozen=True, slots=True)
class NewSlot:
    """A window to offer, half-open, with room for so many homes."""

    starts_at: datetime
    ends_at: datetime
    capacity_stops: int


def open_round(
    session: Session,
    *,
    zone_id: int,
    on_date: date,
    cut_off_at: datetime,
    collect_from_at: datetime,
    collect_until_at: datetime,
    back_by_at: datetime,
    slots: Sequence[NewSlot],
    capacity: Load,
    actor: str,
    now: datetime,
    detail: str = "",
    rule_id: int | None = None,
) -> Round:
    """A round that can be booked from now on until its cut-off; one zone has one round per collecting time."""
    round_ = Round(
        zone_id=zone_id,
        rule_id=rule_id,
        state="open",
        on_date=on_date,
        cut_off_at=cut_off_at,
        collect_from_at=collect_from_at,
        collect_until_at=collect_until_at,
        back_by_at=back_by_at,
        capacity_grams=capacity.grams,
        capacity_ml=capacity.ml,
        capacity_cold_ml=capacity.cold_ml,
    )
    session.add(round_)
    session.flush()
    session.add_all(
        Slot(
            round_id=round_.id,
            starts_at=slot.starts_at,
            ends_at=slot.ends_at,
            capacity_stops=slot.capacity_stops,
        )
        for slot in slots
    )
    record(session, round_id=round_.id, event="open", actor=actor, now=now, detail=detail)
    return round_


def open_timetable(
    session: Session,
    *,
    zone_id: int,
    days: Sequence[date],
    timetable: Timetable,
    form_key: str,
    actor: str,
    now: datetime,
) -> Sequence[int]:
    """The same round is open on each of the days, all or none; their ids. RoundsRefused, NotFound for the zone.

    `form_key` is the form's own: what it has opened before is not opened again, and the ids are the same (M03).
    """
    faults = faults_of(timetable) or next((found for day in days if (found := faults_on(timetable, day, now))), ())
    if faults:
        raise RoundsRefused(faults)
    # Two who open rounds of one zone wait for each other here: the second one sees what the first has opened.
    if session.get(Zone, zone_id, with_for_update=True) is None:
        raise NotFound()
    starts_at = {local_instant(day, timetable.collect_from): day for day in days}
    standing = session.execute(
        select(Round, RoundEvent.detail)
        .outerjoin(RoundEvent, (RoundEvent.round_id == Round.id) & (RoundEvent.event == "open"))
        .where(Round.zone_id == zone_id, Round.collect_from_at.in_(starts_at), Round.state != "withdrawn")
        .order_by(Round.collect_from_at)
        .options(selectinload(Round.slots))
    ).all()
    opened = {round_.collect_from_at: round_.id for round_, _ in standing}
    for round_, detail in standing:
        if not form_key or detail != form_key or timetable_of(round_) != timetable:
            raise RoundsRefused([Fault("day", "round_stands", round_.on_date)])
    return [
        opened[instant] if instant in opened else open_on(session, zone_id, day, timetable, form_key, actor, now)
        for instant, day in starts_at.items()
    ]


def open_on(
    session: Session,
    zone_id: int,
    day: date,
    timetable: Timetable,
    detail: str,
    actor: str,
    now: datetime,
    *,
    rule_id: int | None = None,
) -> int:
    """The timetable's round of that day is open; its id. `detail` is what its event says; `rule_id` has made it."""
    return open_round(
        session,
        zone_id=zone_id,
        on_date=day,
        cut_off_at=timetable.cut_off_at(day),
        collect_from_at=local_instant(day, timetable.collect_from),
        collect_until_at=local_instant(day, timetable.collect_until),
        back_by_at=local_instant(day, timetable.back_by),
        slots=[
            NewSlot(local_instant(day, window.starts), local_instant(day, window.ends), window.places_qty)
            for window in timetable.windows
        ],
        capacity=timetable.capacity,
        actor=actor,
        now=now,
        detail=detail,
        rule_id=rule_id,
    ).id


def withdraw_round(session: Session, *, round_id: int, actor: str, now: datetime) -> bool:
    """The open round is no longer offered to anybody; whether this call did it. RoundBooked, RoundMoved."""
    if lock_round(session, round_id).state == "withdrawn":
        return False
    # Whoever takes a place holds the round's row as well: nobody comes in between.
    booked = select(Booking.id).join(Slot, Booking.slot_id == Slot.id)
    if session.scalar(booked.where(Slot.round_id == round_id, Booking.state.in_(LIVE_BOOKINGS)).limit(1)) is not None:
        raise RoundBooked()
    move_round(session, round_id=round_id, event="withdraw", actor=actor, now=now)
    return True


def close_round(session: Session, *, round_id: int, actor: str, now: datetime) -> bool:
    """The round takes no more orders; whether this call closed it.

    Places that are still held while somebody pays end by themselves: paid they are confirmed, unpaid released.
    """
    if lock_round(session, round_id).state == "closed":
        return False
    move_round(session, round_id=round_id, event="close", actor=actor, now=now)
    return True


def close_due_rounds(session: Session, *, now: datetime) -> list[int]:
    """Every open round whose cut-off is over is closed, however long ago that was; their ids (F40)."""
    due = session.scalars(
        select(Round.id)
        .where(Round.state == "open", Round.cut_off_at <= now)
        .order_by(Round.id)
        .with_for_update(skip_locked=True)
    ).all()
    for round_id in due:
        move_round(session, round_id=round_id, event="close", actor="clock", now=now)
    return list(due)


def reopen_round(session: Session, *, round_id: int, actor: str, now: datetime) -> None:
    """The round takes orders again until its cut-off; RoundMoved when that is over."""
    round_ = lock_round(session, round_id)
    if not may_reopen(round_.state, round_.cut_off_at, now):
        raise RoundMoved(state=round_.state)
    move_round(session, round_id=round_id, event="reopen", actor=actor, now=now)


def hand_out(session: Session, *, round_id: int, actor: str, now: datetime) -> bool:
    """Each courier has their line on the phone, each resident their time; whether this call did it."""
    if lock_round(session, round_id).state == "riding":
        return False
    stops_qty = session.scalar(
        select(func.count()).select_from(Stop).join(Shift, Stop.shift_id == Shift.id).where(Shift.round_id == round_id)
    )
    if not stops_qty:
        raise NothingToRide()
    move_round(session, round_id=round_id, event="hand_out", actor=actor, now=now)
    return True
