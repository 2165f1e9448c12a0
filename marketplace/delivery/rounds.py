"""A round's life until it is planned: opened, closed by a person or by its cut-off, opened again, handed out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from marketplace.delivery.models import Round, Shift, Slot, Stop
from marketplace.delivery.moving import RoundMoved, lock_round, move_round, record
from marketplace.delivery.rules import Load, may_reopen
from marketplace.errors import MarketplaceError


class NothingToRide(MarketplaceError):
    """The plan has not a single stop."""

    code = "nothing_to_ride"


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
) -> Round:
    """A round that can be booked from now on until its cut-off; one zone has one round per collecting time."""
    round_ = Round(
        zone_id=zone_id,
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
    record(session, round_id=round_.id, event="open", actor=actor, now=now)
    return round_


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
