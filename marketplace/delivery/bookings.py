"""Places on a round: which are open, taking one, keeping it, giving it back (I03).

Places and loads move by conditional relative UPDATE with a CHECK behind; the cut-off is judged by the clock
after the round's row is held, so that nobody slips through while waiting for a lock (M09).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session, selectinload

from marketplace.clock import Clock, local_day
from marketplace.delivery.models import Booking, Handling, Parcel, Round, Slot, Stop, Zone
from marketplace.delivery.policies import cheapest_terms
from marketplace.delivery.pricing import DeliveryTerms
from marketplace.delivery.rules import NO_LOAD, Load, is_served
from marketplace.errors import MarketplaceError
from marketplace.ids import new_token


class SlotFull(MarketplaceError):
    """The last place, or the last room on the bikes, has gone to somebody else."""

    code = "slot_full"


class CutOffPassed(MarketplaceError):
    """The round takes no more orders."""

    code = "cut_off_passed"


class NotServed(MarketplaceError):
    """No round goes to this address."""

    code = "address_not_served"
    status = 422


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A window that can be chosen, or that is shown as full."""

    id: int
    starts_at: datetime
    ends_at: datetime
    cut_off_at: datetime
    collect_from_at: datetime
    zone_id: int
    places_left: int
    is_full: bool


@dataclass(frozen=True, slots=True)
class ServedZone:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ServedArea:
    """A circle around the place where the rounds start, (lat, lon)."""

    hub_name: str
    hub: tuple[float, float]
    radius_m: int


@dataclass(frozen=True, slots=True)
class DropOff:
    """Where the parcels go, and what the courier must know there; `recipient` is a first name and an initial."""

    recipient: str
    phone: str
    street: str
    postcode: str
    city: str
    lat: float
    lon: float
    access_note: str
    needs_age_check: bool
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class PickUp:
    """A parcel to collect: `source` is the caller's reference of the shop."""

    source: str
    name: str
    street: str
    lat: float
    lon: float
    awning: int
    load: Load


def find_zone(session: Session, *, postcode: str, at: tuple[float, float] | None) -> ServedZone | None:
    """The zone whose rounds go to an address; without coordinates, by its postcode alone."""
    zones = session.scalars(select(Zone).where(Zone.postcodes.contains([postcode])).order_by(Zone.id))
    for zone in zones:
        if at is None or is_served((zone.hub_lat, zone.hub_lon), zone.radius_m, at):
            return ServedZone(zone.id, zone.name)
    return None


def served_areas(session: Session, *, postcode: str) -> Sequence[ServedArea]:
    """Where rounds go among the homes of a postcode; none where no round goes."""
    zones = session.scalars(select(Zone).where(Zone.postcodes.contains([postcode])).order_by(Zone.id))
    return [ServedArea(zone.hub_name, (zone.hub_lat, zone.hub_lon), zone.radius_m) for zone in zones]


def slots_of(
    session: Session, *, zone_id: int, now: datetime, load: Load = NO_LOAD, limit: int = 40
) -> Sequence[OpenSlot]:
    """The windows ahead, soonest first; full ones are among them and say so."""
    rows = session.execute(
        select(Slot, Round)
        .join(Round, Slot.round_id == Round.id)
        .where(Round.zone_id == zone_id, Round.state == "open", Round.cut_off_at > now)
        .order_by(Slot.starts_at, Slot.id)
        .limit(limit)
    )
    return [_open_slot(slot, round_, load) for slot, round_ in rows]


def find_slot(session: Session, *, slot_id: int, now: datetime, load: Load = NO_LOAD) -> OpenSlot | None:
    """A window by its id, if its round still takes orders."""
    row = session.execute(
        select(Slot, Round)
        .join(Round, Slot.round_id == Round.id)
        .where(Slot.id == slot_id, Round.state == "open", Round.cut_off_at > now)
    ).one_or_none()
    return _open_slot(row[0], row[1], load) if row else None


def _open_slot(slot: Slot, round_: Round, load: Load) -> OpenSlot:
    left = slot.capacity_stops - slot.taken_stops
    has_room = (
        round_.taken_grams + load.grams <= round_.capacity_grams
        and round_.taken_ml + load.ml <= round_.capacity_ml
        and round_.taken_cold_ml + load.cold_ml <= round_.capacity_cold_ml
    )
    return OpenSlot(
        id=slot.id,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        cut_off_at=round_.cut_off_at,
        collect_from_at=round_.collect_from_at,
        zone_id=round_.zone_id,
        places_left=left,
        is_full=left < 1 or not has_room,
    )


@dataclass(frozen=True, slots=True)
class Promise:
    """What every page says of the common delivery: the terms of the lowest fee, and the next window with room."""

    terms: DeliveryTerms
    next_slot: tuple[datetime, datetime] | None


def promise(session: Session, *, now: datetime) -> Promise | None:
    """The town's promise of delivery; None while there is no zone."""
    terms = cheapest_terms(session, on=local_day(now))
    if terms is None:
        return None
    window = session.execute(
        select(Slot.starts_at, Slot.ends_at)
        .join(Round, Slot.round_id == Round.id)
        .where(Round.state == "open", Round.cut_off_at > now, Slot.taken_stops < Slot.capacity_stops)
        .order_by(Slot.starts_at)
        .limit(1)
    ).one_or_none()
    return Promise(terms, (window[0], window[1]) if window else None)


def hold_place(
    session: Session,
    *,
    slot_id: int,
    reference: str,
    drop_off: DropOff,
    pick_ups: Sequence[PickUp],
    until_at: datetime,
    clock: Clock,
) -> OpenSlot:
    """Take one household's place in a window until an instant; the window.

    CutOffPassed when the round takes no more orders, NotServed when it does not go there, SlotFull when the last
    place or the room on the bikes is gone.
    """
    row = session.execute(
        select(Round, Slot, Zone)
        .join(Slot, Slot.round_id == Round.id)
        .join(Zone, Round.zone_id == Zone.id)
        .where(Slot.id == slot_id)
        .with_for_update(of=Round)
        # As it is now that we hold it, not as `find_slot` saw it before somebody closed it.
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise CutOffPassed()
    round_, slot, zone = row
    if round_.state != "open" or round_.cut_off_at <= clock.now():
        raise CutOffPassed(cut_off_at=round_.cut_off_at)
    home = (drop_off.lat, drop_off.lon)
    if drop_off.postcode not in zone.postcodes or not is_served((zone.hub_lat, zone.hub_lon), zone.radius_m, home):
        raise NotServed(postcode=drop_off.postcode)
    load = NO_LOAD
    for pick_up in pick_ups:
        load += pick_up.load
    if not (_take_stop(session, slot.id) and _take_load(session, round_.id, load)):
        raise SlotFull(starts_at=slot.starts_at, ends_at=slot.ends_at)
    booking = Booking(
        slot_id=slot.id,
        reference=reference,
        state="held",
        until_at=until_at,
        grams=load.grams,
        ml=load.ml,
        cold_ml=load.cold_ml,
        recipient=drop_off.recipient,
        phone=drop_off.phone,
        street=drop_off.street,
        postcode=drop_off.postcode,
        city=drop_off.city,
        lat=drop_off.lat,
        lon=drop_off.lon,
        access_note=drop_off.access_note,
        needs_age_check=drop_off.needs_age_check,
        is_pinned=drop_off.is_pinned,
        handover_code=f"{secrets.randbelow(10_000):04d}",
        token=new_token(),
    )
    session.add(booking)
    session.flush()
    session.add_all(
        Parcel(
            booking_id=booking.id,
            number=number,
            source=pick_up.source,
            source_name=pick_up.name,
            source_street=pick_up.street,
            source_lat=pick_up.lat,
            source_lon=pick_up.lon,
            source_awning=pick_up.awning,
            ready_from_at=round_.collect_from_at,
            ready_until_at=round_.collect_until_at,
            grams=pick_up.load.grams,
            ml=pick_up.load.ml,
            cold_ml=pick_up.load.cold_ml,
        )
        for number, pick_up in enumerate(pick_ups, start=1)
    )
    session.flush()
    return _open_slot(slot, round_, NO_LOAD)


def hold_place_again(session: Session, *, reference: str, until_at: datetime, clock: Clock) -> OpenSlot:
    """Take the same place once more for a household whose hold had run out; refusals as for `hold_place`."""
    booking = session.scalars(
        select(Booking)
        .where(Booking.reference == reference, Booking.state == "released")
        .order_by(Booking.id.desc())
        .limit(1)
        .options(selectinload(Booking.parcels))
    ).one()
    return hold_place(
        session,
        slot_id=booking.slot_id,
        reference=reference,
        drop_off=DropOff(
            recipient=booking.recipient,
            phone=booking.phone,
            street=booking.street,
            postcode=booking.postcode,
            city=booking.city,
            lat=booking.lat,
            lon=booking.lon,
            access_note=booking.access_note,
            needs_age_check=booking.needs_age_check,
            is_pinned=booking.is_pinned,
        ),
        pick_ups=[
            PickUp(
                parcel.source,
                parcel.source_name,
                parcel.source_street,
                parcel.source_lat,
                parcel.source_lon,
                parcel.source_awning,
                Load(parcel.grams, parcel.ml, parcel.cold_ml),
            )
            for parcel in booking.parcels
        ],
        until_at=until_at,
        clock=clock,
    )


def confirm_place(session: Session, *, reference: str) -> bool:
    """The held place is the household's for good; whether one was held."""
    confirmed = session.scalar(
        update(Booking)
        .where(Booking.reference == reference, Booking.state == "held")
        .values(state="confirmed")
        .returning(Booking.id)
    )
    return confirmed is not None


def release_place(session: Session, *, reference: str) -> bool:
    """The household's place is free again for others, and no plan leads there; whether there was one (only once)."""
    live = (Booking.reference == reference, Booking.state.in_(("held", "confirmed")))
    # The round first, as for taking a place: the other way round the two could wait for each other.
    round_id = session.scalar(
        select(Round.id)
        .join(Slot, Slot.round_id == Round.id)
        .join(Booking, Booking.slot_id == Slot.id)
        .where(*live)
        .with_for_update(of=Round)
    )
    released = session.execute(
        update(Booking)
        .where(*live)
        .values(state="released")
        .returning(Booking.id, Booking.slot_id, Booking.grams, Booking.ml, Booking.cold_ml)
    ).one_or_none()
    if released is None:
        return False
    booking_id, slot_id, grams, ml, cold_ml = released
    session.execute(update(Slot).where(Slot.id == slot_id).values(taken_stops=Slot.taken_stops - 1))
    session.execute(
        update(Round)
        .where(Round.id == round_id)
        .values(
            taken_grams=Round.taken_grams - grams,
            taken_ml=Round.taken_ml - ml,
            taken_cold_ml=Round.taken_cold_ml - cold_ml,
        )
    )
    _leave_plan(session, booking_id)
    return True


def drop_parcel(session: Session, *, reference: str, source: str, needs_age_check: bool) -> bool:
    """The parcel of that shop does not travel; the household's last one frees its place. Whether there was one.

    What is left is numbered anew, and says whether somebody's age must still be seen. Nothing changes once the parcel
    is on board.
    """
    live = (Booking.reference == reference, Booking.state.in_(("held", "confirmed")))
    # The round first, as for taking a place.
    session.execute(
        select(Round.id)
        .join(Slot, Slot.round_id == Round.id)
        .join(Booking, Booking.slot_id == Slot.id)
        .where(*live)
        .with_for_update(of=Round)
    )
    booking = session.scalars(
        select(Booking)
        .where(*live)
        .options(selectinload(Booking.parcels), selectinload(Booking.slot))
        .with_for_update(of=Booking)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if booking is None:
        return False
    dropped = next((parcel for parcel in booking.parcels if parcel.source == source), None)
    if dropped is None or dropped.state not in ("expected", "ready", "missing"):
        return False
    rest = [parcel for parcel in booking.parcels if parcel is not dropped]
    if not rest:
        return release_place(session, reference=reference)
    _leave_out(session, [dropped.id])
    booking.grams -= dropped.grams
    booking.ml -= dropped.ml
    booking.cold_ml -= dropped.cold_ml
    booking.needs_age_check = needs_age_check
    session.execute(
        update(Round)
        .where(Round.id == booking.slot.round_id)
        .values(
            taken_grams=Round.taken_grams - dropped.grams,
            taken_ml=Round.taken_ml - dropped.ml,
            taken_cold_ml=Round.taken_cold_ml - dropped.cold_ml,
        )
    )
    session.execute(delete(Parcel).where(Parcel.id == dropped.id))
    # Upwards, so that no number is given out twice on the way.
    for number, parcel in enumerate(rest, start=1):
        session.execute(update(Parcel).where(Parcel.id == parcel.id).values(number=number))
    session.flush()
    return True


def _leave_plan(session: Session, booking_id: int) -> None:
    """No courier collects for the household or goes there; a shop with nothing left to collect is passed by (I17)."""
    session.execute(delete(Stop).where(Stop.booking_id == booking_id, Stop.state == "planned"))
    _leave_out(session, session.scalars(select(Parcel.id).where(Parcel.booking_id == booking_id)).all())


def _leave_out(session: Session, parcel_ids: Sequence[int]) -> None:
    """Nobody collects or hands over these parcels; a stop that was made for them alone is passed by."""
    visited = session.scalars(
        delete(Handling).where(Handling.parcel_id.in_(parcel_ids)).returning(Handling.stop_id)
    ).all()
    session.execute(
        delete(Stop).where(Stop.id.in_(visited), Stop.state == "planned", ~Stop.handlings.any()),
        execution_options={"synchronize_session": False},
    )


def _take_stop(session: Session, slot_id: int) -> bool:
    taken = session.scalar(
        update(Slot)
        .where(Slot.id == slot_id, Slot.taken_stops < Slot.capacity_stops)
        .values(taken_stops=Slot.taken_stops + 1)
        .returning(Slot.id)
    )
    return taken is not None


def _take_load(session: Session, round_id: int, load: Load) -> bool:
    taken = session.scalar(
        update(Round)
        .where(
            Round.id == round_id,
            Round.taken_grams + load.grams <= Round.capacity_grams,
            Round.taken_ml + load.ml <= Round.capacity_ml,
            Round.taken_cold_ml + load.cold_ml <= Round.capacity_cold_ml,
        )
        .values(
            taken_grams=Round.taken_grams + load.grams,
            taken_ml=Round.taken_ml + load.ml,
            taken_cold_ml=Round.taken_cold_ml + load.cold_ml,
        )
        .returning(Round.id)
    )
    return taken is not None


def forget_access_notes(session: Session, *, before: datetime) -> int:
    """Floors and door codes of rounds that were over before an instant are gone (domain D6); how many."""
    over = select(Slot.id).join(Round, Slot.round_id == Round.id).where(Round.back_by_at < before)
    forgotten = session.scalars(
        update(Booking)
        .where(Booking.access_note != "", Booking.slot_id.in_(over))
        .values(access_note="")
        .returning(Booking.id)
        .execution_options(synchronize_session=False)
    )
    return len(forgotten.all())
