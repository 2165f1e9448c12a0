"""What a courier does: collect at the shops, hand over at the doors, leave with the parcels when nobody opens.

Each act names the courier, is written with its instant, and is harmless to send again: an act on a stop that is over
changes nothing. A stop of somebody else's line is absent.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from marketplace.delivery.models import Booking, Handling, Parcel, Round, Shift, Stop
from marketplace.delivery.moving import lock_round, move_round, record
from marketplace.delivery.rules import RETRY_WITHIN, is_on_couriers_phone
from marketplace.errors import FieldError, MarketplaceError, NotFound
from marketplace.jobs import publish

#: Parcels that are still at their shop.
AT_SHOP = ("expected", "ready")


class ParcelsNotOnBoard(MarketplaceError):
    """Something of this household's is still to be collected."""

    code = "parcels_not_on_board"


class TooLateToTryAgain(MarketplaceError):
    """The parcels are on their way back to the shops."""

    code = "too_late_to_try_again"


def collect(
    session: Session,
    *,
    stop_id: int,
    courier_id: int,
    parcel_ids: frozenset[int],
    without_rest: bool,
    now: datetime,
) -> bool:
    """The parcels with these ids are on board, those of the stop that are not among them are missing; whether now.

    FieldError("parcel") when some are neither ticked nor given up with `without_rest`. A home for which nothing is
    left to bring is given up too.
    """
    round_, stop = _lock_stop(session, stop_id, courier_id, "shop", now)
    if stop.state != "planned":
        return False
    parcels = _parcels_at(session, stop_id)
    expected = {parcel.id for parcel in parcels}
    if not parcel_ids <= expected:
        raise FieldError("parcel", "not_a_choice")
    rest = expected - parcel_ids
    if rest and not without_rest:
        raise FieldError("parcel", "parcels_unticked", left=len(rest))
    for parcel in parcels:
        parcel.state = "missing" if parcel.id in rest else "collected"
    _settle(stop, "collected" if not rest else "partly" if parcel_ids else "nothing", courier_id, now)
    missing = ", ".join(str(parcel.id) for parcel in parcels if parcel.id in rest)
    _record(session, round_, stop, now, f"missing parcels: {missing}" if missing else "")
    if parcel_ids:
        publish(session, "stop.collected", stop_id=stop.id)
    for booking_id in sorted({parcel.booking_id for parcel in parcels if parcel.id in rest}):
        _give_up_empty_home(session, round_, booking_id, courier_id, now)
    _finish_if_over(session, round_, courier_id, now)
    return True


def deliver(
    session: Session,
    *,
    stop_id: int,
    courier_id: int,
    code: str,
    receiver: str,
    is_adult: bool | None,
    now: datetime,
) -> bool:
    """The household has its parcels, or, where the receiver must be adult and is not, they go back; whether now.

    The proof is the household's four digits, or else the receiver's name (domain T10). FieldError for a wrong code,
    no proof, or an age that was not looked at; ParcelsNotOnBoard.
    """
    round_, stop = _lock_stop(session, stop_id, courier_id, "home", now)
    if stop.state != "planned":
        return False
    booking = session.get_one(Booking, stop.booking_id)
    parcels = _parcels_at(session, stop_id)
    if any(parcel.state in AT_SHOP for parcel in parcels):
        raise ParcelsNotOnBoard()
    if booking.needs_age_check and is_adult is None:
        raise FieldError("is_adult", "look_at_age")
    if booking.needs_age_check and not is_adult:
        stop.is_adult = False
        _take_back(session, round_, stop, booking, parcels, "not_adult", courier_id, now)
        return True
    if code and not secrets.compare_digest(code.encode(), booking.handover_code.encode()):
        raise FieldError("code", "handover_code_wrong")
    if not code and not receiver:
        raise FieldError("code", "code_or_name")
    for parcel in parcels:
        if parcel.state == "collected":
            parcel.state = "delivered"
    booking.state = "delivered"
    stop.received_by = None if code else receiver
    stop.is_adult = True if booking.needs_age_check else None
    _settle(stop, "delivered", courier_id, now)
    proof = "code" if code else f"received by {receiver}"
    _record(session, round_, stop, now, f"{proof}, adult" if booking.needs_age_check else proof)
    publish(session, "booking.delivered", booking_id=booking.id, reference=booking.reference)
    _finish_if_over(session, round_, courier_id, now)
    return True


def leave_absent(session: Session, *, stop_id: int, courier_id: int, now: datetime) -> bool:
    """Nobody opened: the parcels go back (domain T11); whether now."""
    round_, stop = _lock_stop(session, stop_id, courier_id, "home", now)
    if stop.state != "planned":
        return False
    booking = session.get_one(Booking, stop.booking_id)
    parcels = _parcels_at(session, stop_id)
    if any(parcel.state in AT_SHOP for parcel in parcels):
        raise ParcelsNotOnBoard()
    _take_back(session, round_, stop, booking, parcels, "absent", courier_id, now)
    return True


def try_again(session: Session, *, stop_id: int, courier_id: int, now: datetime) -> bool:
    """A home that was left with its parcels is ahead again, as if nothing had been said; whether now.

    TooLateToTryAgain two hours later. What was delivered stays delivered: the merchants' money is on its way.
    """
    round_, stop = _lock_stop(session, stop_id, courier_id, "home", now)
    if stop.state != "failed" or stop.outcome not in ("absent", "not_adult"):
        return False
    assert stop.done_at is not None, "a stop that is over has its instant"
    if now - stop.done_at >= RETRY_WITHIN:
        raise TooLateToTryAgain()
    for parcel in _parcels_at(session, stop_id):
        if parcel.state == "returned":
            parcel.state = "collected"
    session.execute(update(Booking).where(Booking.id == stop.booking_id).values(state="confirmed"))
    stop.state, stop.outcome, stop.done_at, stop.done_by, stop.is_adult = "planned", None, None, None, None
    record(session, round_id=round_.id, stop_id=stop.id, event="try_again", actor=_actor(courier_id), now=now)
    if round_.state == "done":
        move_round(session, round_id=round_.id, event="resume", actor=_actor(courier_id), now=now)
    return True


# --- Shared steps ----------------------------------------------------------------------------------------------


def _actor(courier_id: int) -> str:
    return f"user:{courier_id}"


def _lock_stop(session: Session, stop_id: int, courier_id: int, kind: str, now: datetime) -> tuple[Round, Stop]:
    """The courier's own stop of that kind, its round locked; NotFound for any other."""
    round_id = session.scalar(
        select(Shift.round_id)
        .join(Stop, Stop.shift_id == Shift.id)
        .where(Stop.id == stop_id, Stop.kind == kind, Shift.courier_id == courier_id)
    )
    if round_id is None:
        raise NotFound()
    round_ = lock_round(session, round_id)
    stop = session.get(Stop, stop_id, populate_existing=True)
    if stop is None or not is_on_couriers_phone(round_.state, round_.back_by_at, now):
        raise NotFound()
    return round_, stop


def _parcels_at(session: Session, stop_id: int) -> Sequence[Parcel]:
    return session.scalars(
        select(Parcel)
        .join(Handling, Handling.parcel_id == Parcel.id)
        .where(Handling.stop_id == stop_id)
        .order_by(Parcel.id)
        .execution_options(populate_existing=True)
    ).all()


def _settle(stop: Stop, outcome: str, courier_id: int, now: datetime) -> None:
    stop.state = "done" if outcome in ("collected", "partly", "delivered") else "failed"
    stop.outcome, stop.done_at, stop.done_by = outcome, now, _actor(courier_id)


def _record(session: Session, round_: Round, stop: Stop, now: datetime, detail: str) -> None:
    assert stop.outcome is not None and stop.done_by is not None, "settled before"
    record(
        session,
        round_id=round_.id,
        stop_id=stop.id,
        event=stop.outcome,
        actor=stop.done_by,
        now=now,
        detail=detail,
    )


def _take_back(
    session: Session,
    round_: Round,
    stop: Stop,
    booking: Booking,
    parcels: Sequence[Parcel],
    outcome: str,
    courier_id: int,
    now: datetime,
) -> None:
    for parcel in parcels:
        if parcel.state == "collected":
            parcel.state = "returned"
    booking.state = "returned"
    _settle(stop, outcome, courier_id, now)
    _record(session, round_, stop, now, "")
    _finish_if_over(session, round_, courier_id, now)


def _give_up_empty_home(session: Session, round_: Round, booking_id: int, courier_id: int, now: datetime) -> None:
    """Where every parcel is missing, nobody needs to ring the bell."""
    session.flush()
    coming_qty = session.scalar(
        select(func.count()).select_from(Parcel).where(Parcel.booking_id == booking_id, Parcel.state != "missing")
    )
    home = session.scalars(select(Stop).where(Stop.booking_id == booking_id, Stop.state == "planned")).one_or_none()
    if coming_qty or home is None:
        return
    session.execute(update(Booking).where(Booking.id == booking_id).values(state="returned"))
    _settle(home, "nothing", courier_id, now)
    _record(session, round_, home, now, "every parcel is missing")


def _finish_if_over(session: Session, round_: Round, courier_id: int, now: datetime) -> None:
    session.flush()
    ahead_qty = session.scalar(
        select(func.count())
        .select_from(Stop)
        .join(Shift, Stop.shift_id == Shift.id)
        .where(Shift.round_id == round_.id, Stop.state == "planned")
    )
    if ahead_qty == 0 and round_.state == "riding":
        move_round(session, round_id=round_.id, event="finish", actor=_actor(courier_id), now=now)
