"""What the form for new rounds starts from: the zone, its last hours, the days ahead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from marketplace.clock import TOWN_ZONE, local_day
from marketplace.delivery.models import Round, Zone
from marketplace.delivery.queries import RoundCard, capacity_of, cards_of, vehicles_that_ride
from marketplace.delivery.rules import NO_LOAD, Load
from marketplace.delivery.timetable import FIRST_TIMETABLE, Timetable, Window
from marketplace.errors import NotFound

#: Rounds are opened a fortnight ahead; a later day is written.
DAYS_TO_TICK = 14


@dataclass(frozen=True, slots=True)
class DayChoice:
    """A day that can be ticked; `collecting_at` are the rounds that it has already."""

    day: date
    collecting_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class ZoneChoice:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class OpeningPage:
    """What the form for new rounds starts from; `model` is the round that the hours are taken from.

    `fleet` is what all couriers' vehicles carry together, once through the town.
    """

    zones: tuple[ZoneChoice, ...]
    zone: ZoneChoice | None
    timetable: Timetable
    model: RoundCard | None
    days: tuple[DayChoice, ...]
    fleet: Load


def get_opening_page(session: Session, *, zone_id: int | None, like_id: int | None, now: datetime) -> OpeningPage:
    """The form for new rounds, after a certain round or else the zone's last one; NotFound for what does not exist."""
    zones = tuple(ZoneChoice(*row) for row in session.execute(select(Zone.id, Zone.name).order_by(Zone.name, Zone.id)))
    models = select(Round).order_by(Round.id.desc()).limit(1).options(selectinload(Round.slots))
    model = None
    if like_id is not None:
        model = session.scalar(models.where(Round.id == like_id))
        if model is None:
            raise NotFound()
        zone_id = model.zone_id
    zone = next((zone for zone in zones if zone_id in (None, zone.id)), None)
    if zone is None and zone_id is not None:
        raise NotFound()
    if zone is not None and model is None:
        model = session.scalar(models.where(Round.zone_id == zone.id, Round.state != "withdrawn"))
    today = local_day(now)
    days = [today + timedelta(days=n) for n in range(DAYS_TO_TICK)]
    collecting: dict[date, list[datetime]] = {day: [] for day in days}
    if zone is not None:
        for on_date, collect_from_at in session.execute(
            select(Round.on_date, Round.collect_from_at)
            .where(Round.zone_id == zone.id, Round.on_date.in_(days), Round.state != "withdrawn")
            .order_by(Round.collect_from_at)
        ):
            collecting[on_date].append(collect_from_at)
    fleet = NO_LOAD
    for vehicle, _ in session.execute(vehicles_that_ride()):
        fleet += capacity_of(vehicle)
    return OpeningPage(
        zones=zones,
        zone=zone,
        timetable=timetable_of(model) if model is not None else FIRST_TIMETABLE,
        model=cards_of(session, [model.id])[0] if model is not None else None,
        days=tuple(DayChoice(day, tuple(instants)) for day, instants in collecting.items()),
        fleet=fleet,
    )


def timetable_of(round_: Round) -> Timetable:
    """The hours and the room of a round with its slots, as its day's clocks show them."""
    cut_off, collect_from, collect_until, back_by = (
        instant.astimezone(TOWN_ZONE)
        for instant in (round_.cut_off_at, round_.collect_from_at, round_.collect_until_at, round_.back_by_at)
    )
    return Timetable(
        cut_off=cut_off.time(),
        is_cut_off_on_eve=cut_off.date() < round_.on_date,
        collect_from=collect_from.time(),
        collect_until=collect_until.time(),
        back_by=back_by.time(),
        windows=tuple(
            Window(
                row,
                slot.starts_at.astimezone(TOWN_ZONE).time(),
                slot.ends_at.astimezone(TOWN_ZONE).time(),
                slot.capacity_stops,
            )
            for row, slot in enumerate(round_.slots, start=1)
        ),
        capacity=Load(round_.capacity_grams, round_.capacity_ml, round_.capacity_cold_ml),
    )
