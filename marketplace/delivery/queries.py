"""What the pages of the round show: frozen rows, read in few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from marketplace.accounts.models import RoleGrant, User
from marketplace.delivery.models import Booking, Handling, Parcel, Round, Shift, Slot, Stop, Vehicle, Zone
from marketplace.delivery.planner import Place
from marketplace.delivery.rules import (
    LIVE_BOOKINGS,
    NO_LOAD,
    RETRY_WITHIN,
    Load,
    about,
    is_on_couriers_phone,
    may_ask_for_plan,
    may_reopen,
    why_left_out,
)
from marketplace.delivery.saving import alone_distance_m
from marketplace.errors import NotFound

# --- Rows ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ParcelRow:
    """Number n of m of its household; `kind` of state as in the table."""

    id: int
    number: int
    of: int
    recipient: str
    source_name: str
    source_awning: int
    state: str
    is_cold: bool
    #: The household's, for the coordinator who tells them that something is missing.
    phone: str


@dataclass(frozen=True, slots=True)
class StopRow:
    """An arrival. A shop has an awning, a home has a window, a note, a telephone and flags."""

    id: int
    position: int
    kind: str
    name: str
    street: str
    city: str
    lat: float
    lon: float
    awning: int | None
    planned_at: datetime
    state: str
    outcome: str | None
    done_at: datetime | None
    received_by: str | None
    parcels: tuple[ParcelRow, ...]
    window: tuple[datetime, datetime] | None
    access_note: str
    phone: str
    needs_age_check: bool
    #: The resident has shown the door on a plan; go by `lat` and `lon`, not by the street's name.
    is_pinned: bool

    @property
    def is_over(self) -> bool:
        return self.state != "planned"

    @property
    def is_cold(self) -> bool:
        return any(parcel.is_cold for parcel in self.parcels)

    @property
    def to_bring(self) -> tuple[ParcelRow, ...]:
        """What is on board for this home, or still to be."""
        return tuple(parcel for parcel in self.parcels if parcel.state != "missing")

    @property
    def not_on_board(self) -> tuple[ParcelRow, ...]:
        return tuple(parcel for parcel in self.parcels if parcel.state in ("expected", "ready"))

    def may_be_tried_again(self, now: datetime) -> bool:
        return (
            self.kind == "home"
            and self.outcome in ("absent", "not_adult")
            and self.done_at is not None
            and now - self.done_at < RETRY_WITHIN
        )


@dataclass(frozen=True, slots=True)
class LineRow:
    """One courier's part of a round; `load` is the most that is on board at once."""

    shift_id: int
    courier_name: str
    vehicle_kind: str
    distance_m: int
    load: Load
    capacity: Load
    stops: tuple[StopRow, ...]

    @property
    def shops_qty(self) -> int:
        return sum(stop.kind == "shop" for stop in self.stops)

    @property
    def homes_qty(self) -> int:
        return sum(stop.kind == "home" for stop in self.stops)

    @property
    def ahead(self) -> tuple[StopRow, ...]:
        return tuple(stop for stop in self.stops if not stop.is_over)

    @property
    def behind(self) -> tuple[StopRow, ...]:
        return tuple(stop for stop in self.stops if stop.is_over)

    @property
    def current(self) -> StopRow | None:
        return next(iter(self.ahead), None)


@dataclass(frozen=True, slots=True)
class SlotRow:
    id: int
    window: tuple[datetime, datetime]
    capacity_stops: int
    taken_stops: int


@dataclass(frozen=True, slots=True)
class RoundCard:
    """A round, how full it is and how far it has come. `paid_qty` and `held_qty` count households."""

    id: int
    zone_name: str
    has_other_zones: bool
    hub_name: str
    state: str
    on_date: date
    cut_off_at: datetime
    collect: tuple[datetime, datetime]
    back_by_at: datetime
    slots: tuple[SlotRow, ...]
    taken: Load
    capacity: Load
    paid_qty: int
    held_qty: int
    stops_qty: int
    stops_over_qty: int

    @property
    def taken_stops(self) -> int:
        return sum(slot.taken_stops for slot in self.slots)

    @property
    def capacity_stops(self) -> int:
        return sum(slot.capacity_stops for slot in self.slots)


@dataclass(frozen=True, slots=True)
class BookingRow:
    """A household on a round; `why` it is on no courier's line (rules.why_left_out), None when it is or need not be."""

    id: int
    slot_id: int
    state: str
    recipient: str
    phone: str
    street: str
    city: str
    parcels_qty: int
    load: Load
    needs_age_check: bool
    why: str | None


@dataclass(frozen=True, slots=True)
class CourierChoice:
    """Somebody who can ride; `is_chosen` for the plan that was asked for last."""

    vehicle_id: int
    name: str
    kind: str
    capacity: Load
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class RoundPage:
    """All that a coordinator sees of one round."""

    card: RoundCard
    bookings: Mapping[int, Sequence[BookingRow]]
    left_out: tuple[BookingRow, ...]
    lines: tuple[LineRow, ...]
    couriers: tuple[CourierChoice, ...]
    plan_note: str | None
    planned_at: datetime | None
    plan_asked_at: datetime | None
    may_plan: bool
    may_reopen: bool

    @property
    def distance_m(self) -> int:
        return sum(line.distance_m for line in self.lines)

    @property
    def saved_m(self) -> int:
        """What the shops' own rides would be longer by; below nothing when there is nothing to save."""
        home_of = {
            parcel.id: Place(stop.lat, stop.lon)
            for line in self.lines
            for stop in line.stops
            if stop.kind == "home"
            for parcel in stop.parcels
        }
        homes_of: dict[Place, list[Place]] = {}
        for line in self.lines:
            for stop in line.stops:
                if stop.kind == "shop":
                    homes = homes_of.setdefault(Place(stop.lat, stop.lon), [])
                    homes += [home_of[parcel.id] for parcel in stop.parcels]
        return alone_distance_m(homes_of) - self.distance_m

    @property
    def idle_names(self) -> tuple[str, ...]:
        """Couriers who were chosen and for whom the plan has no stop."""
        riding = {line.courier_name for line in self.lines}
        return tuple(c.name for c in self.couriers if c.is_chosen and c.name not in riding)


@dataclass(frozen=True, slots=True)
class CourierRound:
    """A courier's own line of the round that is on."""

    round_id: int
    state: str
    on_date: date
    hub_name: str
    back_by_at: datetime
    line: LineRow


@dataclass(frozen=True, slots=True)
class Tracking:
    """What a resident sees: their own bead. `about_at` and `rank` once the round is handed out.

    `before_qty` homes and `shops_before_qty` shops are still to be visited first.
    `state`: waiting, planned (no time told yet), coming, delivered, absent, not_adult, nothing.
    """

    state: str
    window: tuple[datetime, datetime]
    street: str
    city: str
    parcels_qty: int
    about_at: datetime | None
    rank: int | None
    before_qty: int
    shops_before_qty: int
    done_at: datetime | None
    received_by: str | None
    handover_code: str
    needs_age_check: bool


# --- Coordinator -----------------------------------------------------------------------------------------------


def rounds_from(session: Session, *, since: date, limit: int = 60) -> Sequence[RoundCard]:
    """The rounds of that day and later, soonest first."""
    ids = session.scalars(
        select(Round.id)
        .where(Round.on_date >= since, Round.state != "withdrawn")
        .order_by(Round.collect_from_at, Round.id)
        .limit(limit)
    ).all()
    return cards_of(session, ids)


def get_round_page(session: Session, *, round_id: int, now: datetime) -> RoundPage:
    """One round whole; NotFound."""
    round_ = session.get(Round, round_id)
    if round_ is None:
        raise NotFound()
    vehicles = session.execute(vehicles_that_ride()).all()
    chosen = set(round_.plan_vehicle_ids)
    capacities = tuple(capacity_of(vehicle) for vehicle, _ in vehicles if vehicle.id in chosen)
    lines = lines_of_round(session, round_id)
    rows = _booking_rows(session, round_, capacities)
    bookings: dict[int, list[BookingRow]] = {}
    for row in rows:
        bookings.setdefault(row.slot_id, []).append(row)
    return RoundPage(
        card=cards_of(session, [round_id])[0],
        bookings=bookings,
        left_out=tuple(row for row in rows if row.why is not None),
        lines=lines,
        couriers=tuple(
            CourierChoice(vehicle.id, name, vehicle.kind, capacity_of(vehicle), vehicle.id in chosen)
            for vehicle, name in vehicles
        ),
        plan_note=round_.plan_note,
        planned_at=round_.planned_at,
        plan_asked_at=round_.plan_asked_at,
        may_plan=may_ask_for_plan(round_.state, round_.plan_asked_at, now),
        may_reopen=may_reopen(round_.state, round_.cut_off_at, now),
    )


def vehicles_that_ride() -> Select[Vehicle, str]:
    """Whoever can ride, with their vehicle, by name."""
    return (
        select(Vehicle, User.name)
        .join(User, Vehicle.courier_id == User.id)
        .join(RoleGrant, (RoleGrant.user_id == User.id) & (RoleGrant.role == "courier"))
        .where(User.is_active)
        .order_by(User.name, Vehicle.id)
    )


def cards_of(session: Session, ids: Sequence[int]) -> list[RoundCard]:
    """The rounds of these ids, in their order."""
    counts: dict[tuple[int, str], int] = {}
    for round_id, state, qty in session.execute(
        select(Slot.round_id, Booking.state, func.count())
        .join(Booking, Booking.slot_id == Slot.id)
        .where(Slot.round_id.in_(ids), Booking.state.in_(LIVE_BOOKINGS))
        .group_by(Slot.round_id, Booking.state)
    ):
        counts[round_id, state] = qty
    stops: dict[int, tuple[int, int]] = {}
    for round_id, qty, over_qty in session.execute(
        select(Shift.round_id, func.count(), func.count().filter(Stop.state != "planned"))
        .join(Stop, Stop.shift_id == Shift.id)
        .where(Shift.round_id.in_(ids))
        .group_by(Shift.round_id)
    ):
        stops[round_id] = (qty, over_qty)
    rounds = session.scalars(
        select(Round).where(Round.id.in_(ids)).options(selectinload(Round.slots), joinedload(Round.zone))
    )
    zones_qty = session.scalar(select(func.count()).select_from(Zone)) or 0
    cards = {round_.id: _card(round_, counts, stops.get(round_.id, (0, 0)), zones_qty) for round_ in rounds}
    return [cards[round_id] for round_id in ids]


def _card(round_: Round, counts: Mapping[tuple[int, str], int], stops: tuple[int, int], zones_qty: int) -> RoundCard:
    return RoundCard(
        id=round_.id,
        zone_name=round_.zone.name,
        has_other_zones=zones_qty > 1,
        hub_name=round_.zone.hub_name,
        state=round_.state,
        on_date=round_.on_date,
        cut_off_at=round_.cut_off_at,
        collect=(round_.collect_from_at, round_.collect_until_at),
        back_by_at=round_.back_by_at,
        slots=tuple(SlotRow(s.id, (s.starts_at, s.ends_at), s.capacity_stops, s.taken_stops) for s in round_.slots),
        taken=Load(round_.taken_grams, round_.taken_ml, round_.taken_cold_ml),
        capacity=Load(round_.capacity_grams, round_.capacity_ml, round_.capacity_cold_ml),
        paid_qty=sum(counts.get((round_.id, state), 0) for state in ("confirmed", "delivered", "returned")),
        held_qty=counts.get((round_.id, "held"), 0),
        stops_qty=stops[0],
        stops_over_qty=stops[1],
    )


def capacity_of(vehicle: Vehicle) -> Load:
    return Load(vehicle.capacity_grams, vehicle.capacity_ml, vehicle.capacity_cold_ml)


def _booking_rows(session: Session, round_: Round, capacities: tuple[Load, ...]) -> list[BookingRow]:
    parcels_qty = select(func.count()).where(Parcel.booking_id == Booking.id).correlate(Booking).scalar_subquery()
    rows = session.execute(
        select(Booking, Stop.id, parcels_qty)
        .join(Slot, Booking.slot_id == Slot.id)
        .outerjoin(Stop, Stop.booking_id == Booking.id)
        .where(Slot.round_id == round_.id, Booking.state.in_(LIVE_BOOKINGS))
        .order_by(Slot.starts_at, Booking.id)
    )
    is_planned = round_.state in ("planned", "riding", "done")
    found = []
    for booking, stop_id, qty in rows:
        load = Load(booking.grams, booking.ml, booking.cold_ml)
        why = None
        if is_planned and booking.state == "confirmed" and stop_id is None:
            why = why_left_out(load, capacities)
        found.append(
            BookingRow(
                id=booking.id,
                slot_id=booking.slot_id,
                state=booking.state,
                recipient=booking.recipient,
                phone=booking.phone,
                street=booking.street,
                city=booking.city,
                parcels_qty=qty,
                load=load,
                needs_age_check=booking.needs_age_check,
                why=why,
            )
        )
    return found


def lines_of_round(session: Session, round_id: int) -> tuple[LineRow, ...]:
    """Every courier's line, in the order of their names."""
    return _lines(session, Shift.round_id == round_id)


def _lines(session: Session, which: ColumnElement[bool]) -> tuple[LineRow, ...]:
    shifts = session.execute(
        select(Shift, Vehicle, User.name)
        .join(Vehicle, Shift.vehicle_id == Vehicle.id)
        .join(User, Shift.courier_id == User.id)
        .where(which)
        .order_by(User.name, Shift.id)
        .options(
            selectinload(Shift.stops)
            .selectinload(Stop.handlings)
            .joinedload(Handling.parcel)
            .joinedload(Parcel.booking),
            selectinload(Shift.stops).joinedload(Stop.booking).joinedload(Booking.slot),
        )
    ).all()
    parcels = {h.parcel for shift, *_ in shifts for stop in shift.stops for h in stop.handlings}
    of: dict[int, int] = {}
    for booking_id, qty in session.execute(
        select(Parcel.booking_id, func.count())
        .where(Parcel.booking_id.in_({parcel.booking_id for parcel in parcels}))
        .group_by(Parcel.booking_id)
    ):
        of[booking_id] = qty
    lines = []
    for shift, vehicle, name in shifts:
        lines.append(
            LineRow(
                shift_id=shift.id,
                courier_name=name,
                vehicle_kind=vehicle.kind,
                distance_m=shift.distance_m,
                load=_heaviest(shift.stops),
                capacity=capacity_of(vehicle),
                stops=tuple(_stop_row(stop, position, of) for position, stop in enumerate(shift.stops, start=1)),
            )
        )
    return tuple(lines)


def _heaviest(stops: Sequence[Stop]) -> Load:
    """The most of each kind that is on board at once; who comes back to the shops carries more than that in all."""
    grams = ml = cold_ml = 0
    most = NO_LOAD
    for stop in stops:
        sign = 1 if stop.kind == "shop" else -1
        for handling in stop.handlings:
            grams += sign * handling.parcel.grams
            ml += sign * handling.parcel.ml
            cold_ml += sign * handling.parcel.cold_ml
        most = Load(max(most.grams, grams), max(most.ml, ml), max(most.cold_ml, cold_ml))
    return most


def _stop_row(stop: Stop, position: int, of: Mapping[int, int]) -> StopRow:
    parcels = sorted((h.parcel for h in stop.handlings), key=lambda p: (p.booking_id, p.number))
    booking, first = stop.booking, parcels[0] if parcels else None
    if booking is not None:
        name, street, city, lat, lon = booking.recipient, booking.street, booking.city, booking.lat, booking.lon
    else:
        assert first is not None, "a shop without parcels is no stop"
        name, street, city = first.source_name, first.source_street, ""
        lat, lon = first.source_lat, first.source_lon
    return StopRow(
        id=stop.id,
        position=position,
        kind=stop.kind,
        name=name,
        street=street,
        city=city,
        lat=lat,
        lon=lon,
        awning=None if booking is not None or first is None else first.source_awning,
        planned_at=stop.planned_at,
        state=stop.state,
        outcome=stop.outcome,
        done_at=stop.done_at,
        received_by=stop.received_by,
        parcels=tuple(_parcel_row(parcel, of) for parcel in parcels),
        window=None if booking is None else (booking.slot.starts_at, booking.slot.ends_at),
        access_note="" if booking is None else booking.access_note,
        phone="" if booking is None else booking.phone,
        needs_age_check=booking is not None and booking.needs_age_check,
        is_pinned=booking is not None and booking.is_pinned,
    )


def _parcel_row(parcel: Parcel, of: Mapping[int, int]) -> ParcelRow:
    return ParcelRow(
        id=parcel.id,
        number=parcel.number,
        of=of[parcel.booking_id],
        recipient=parcel.booking.recipient,
        source_name=parcel.source_name,
        source_awning=parcel.source_awning,
        state=parcel.state,
        is_cold=parcel.cold_ml > 0,
        phone=parcel.booking.phone,
    )


# --- Courier ---------------------------------------------------------------------------------------------------


def find_courier_round(session: Session, *, courier_id: int, now: datetime) -> CourierRound | None:
    """The courier's own line of the round that is handed out: one that rides before one that is over."""
    rows = session.execute(
        select(Shift.id, Round, Zone.hub_name)
        .join(Round, Shift.round_id == Round.id)
        .join(Zone, Round.zone_id == Zone.id)
        .where(Shift.courier_id == courier_id, Round.state.in_(("riding", "done")))
        .order_by((Round.state == "riding").desc(), Round.collect_from_at.desc(), Shift.id)
    )
    mine = [row for row in rows if is_on_couriers_phone(row[1].state, row[1].back_by_at, now)]
    if not mine:
        return None
    riding = [row for row in mine if row[1].state == "riding"]
    # Of two that ride, the one that began first is still to be finished; of two that are over, the last one.
    shift_id, round_, hub_name = riding[-1] if riding else mine[0]
    return _courier_round(round_, hub_name, _lines(session, Shift.id == shift_id)[0])


def _courier_round(round_: Round, hub_name: str, line: LineRow) -> CourierRound:
    return CourierRound(round_.id, round_.state, round_.on_date, hub_name, round_.back_by_at, line)


def get_courier_stop(session: Session, *, stop_id: int, courier_id: int, now: datetime) -> tuple[CourierRound, StopRow]:
    """A stop of the courier's own line; NotFound for anybody else's, and when the round is put away."""
    row = session.execute(
        select(Shift.id, Round, Zone.hub_name)
        .join(Stop, Stop.shift_id == Shift.id)
        .join(Round, Shift.round_id == Round.id)
        .join(Zone, Round.zone_id == Zone.id)
        .where(Stop.id == stop_id, Shift.courier_id == courier_id)
    ).one_or_none()
    if row is None or not is_on_couriers_phone(row[1].state, row[1].back_by_at, now):
        raise NotFound()
    shift_id, round_, hub_name = row
    line = _lines(session, Shift.id == shift_id)[0]
    stop = next(stop for stop in line.stops if stop.id == stop_id)
    return _courier_round(round_, hub_name, line), stop


# --- Resident --------------------------------------------------------------------------------------------------


def get_tracking(session: Session, *, token: str) -> Tracking:
    """The delivery that a link opens; NotFound for a wrong one, and for a place that was given back."""
    row = session.execute(
        select(Booking, Slot, Round.state, Stop)
        .join(Slot, Booking.slot_id == Slot.id)
        .join(Round, Slot.round_id == Round.id)
        .outerjoin(Stop, Stop.booking_id == Booking.id)
        .where(Booking.token == token, Booking.state.in_(("confirmed", "delivered", "returned")))
    ).one_or_none()
    if row is None:
        raise NotFound()
    booking, slot, round_state, stop = row
    is_told = stop is not None and round_state in ("riding", "done")
    rank, before_qty, shops_before_qty = _rank(session, stop) if is_told else (None, 0, 0)
    if stop is not None and stop.outcome is not None:
        state = stop.outcome
    else:
        state = "coming" if is_told else "planned" if round_state == "planned" else "waiting"
    parcels_qty = session.scalar(select(func.count()).where(Parcel.booking_id == booking.id))
    return Tracking(
        state=state,
        window=(slot.starts_at, slot.ends_at),
        street=booking.street,
        city=booking.city,
        parcels_qty=parcels_qty or 0,
        about_at=about(stop.planned_at) if is_told else None,
        rank=rank,
        before_qty=before_qty,
        shops_before_qty=shops_before_qty,
        done_at=stop.done_at if stop is not None else None,
        received_by=stop.received_by if stop is not None else None,
        handover_code=booking.handover_code,
        needs_age_check=booking.needs_age_check,
    )


def _rank(session: Session, mine: Stop) -> tuple[int, int, int]:
    """Which home of its courier's it is, counted from 1, and how many homes and shops are still ahead of it."""
    before = session.execute(
        select(Stop.kind, Stop.state).where(Stop.shift_id == mine.shift_id, Stop.position < mine.position)
    ).all()
    ahead = [row.kind for row in before if row.state == "planned"]
    rank = 1 + sum(row.kind == "home" for row in before)
    return rank, ahead.count("home"), len(ahead) - ahead.count("home")


# --- For those who subscribe to the facts ------------------------------------------------------------------------


def collected_at(session: Session, stop_id: int) -> Mapping[str, frozenset[str]]:
    """What came on board at a stop: for each booking's reference the sources whose parcels did.

    In the order of the references: whoever locks their orders one by one locks them in one order.
    """
    found: dict[str, set[str]] = {}
    for reference, source in session.execute(
        select(Booking.reference, Parcel.source)
        .join(Parcel, Parcel.booking_id == Booking.id)
        .join(Handling, Handling.parcel_id == Parcel.id)
        .where(
            Handling.stop_id == stop_id,
            Handling.act == "collect",
            Parcel.state.in_(("collected", "delivered", "returned")),
        )
        .order_by(Booking.reference)
    ):
        found.setdefault(reference, set()).add(source)
    return {reference: frozenset(sources) for reference, sources in found.items()}


def delivered_sources(session: Session, booking_id: int) -> frozenset[str]:
    """The sources of the parcels that a household has."""
    return frozenset(
        session.scalars(select(Parcel.source).where(Parcel.booking_id == booking_id, Parcel.state == "delivered"))
    )
