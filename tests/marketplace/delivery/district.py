"""A small district for the round's tests: one hub, five shops, streets to deliver in, and the people who do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.accounts.models import User
from marketplace.accounts.people import grant_role
from marketplace.clock import Clock, local_instant
from marketplace.delivery.bookings import DropOff, PickUp, confirm_place, hold_place
from marketplace.delivery.models import Booking, Handling, Round, Shift, Slot, Stop, Vehicle, Zone
from marketplace.delivery.planner import plan_plainly
from marketplace.delivery.planning import ask_for_plan, lines_of, read_question, write_answer
from marketplace.delivery.rounds import NewSlot, close_round, hand_out, open_round
from marketplace.delivery.rules import Load
from marketplace.hall import Hall
from marketplace.money import Money

#: Saturday 28 November 2026, ten in the morning in France.
NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
DAY = date(2026, 11, 28)

#: What a coordinator types to open rounds at noon: one window, the others left empty.
NOON_FORM = {
    "cut_off": "18:00",
    "cut_off_on": "eve",
    "collect_from": "11:00",
    "collect_until": "12:30",
    "window_1_from": "12:30",
    "window_1_until": "14:30",
    "window_1_places": "8",
    "back_by": "15:00",
    "kilograms": "80",
    "litres": "300",
    "cold_litres": "60",
    "other_day": "",
    "window_2_from": "",
    "window_2_until": "",
    "window_2_places": " ",
}

#: What a coordinator types for a rule: rounds at noon on two weekdays.
RULE_FORM = {
    **{name: value for name, value in NOON_FORM.items() if name != "other_day"},
    "step": "keep",
    "rule_name": "Le midi",
    "pattern": "weekly",
    "weekday": "1",
    "every_weeks": "1",
    "dates": "",
    "first_on": "2026-12-01",
    "last_on": "",
    "on_holidays": "skip",
    "except_on": "",
    "ahead_days": "21",
}

SHOPS = (
    ("fromagerie", "Fromagerie des Halles", "2 place des Halles", 45.6502, 0.1561, 3),
    ("librairie", "Librairie du Rempart", "14 rue de Beaulieu", 45.6489, 0.1533, 7),
    ("cave", "Cave Saint-Martial", "5 rue Saint-Martial", 45.6479, 0.1579, 12),
    ("boulangerie", "Boulangerie Aubépine", "31 rue de Genève", 45.6510, 0.1549, 0),
    ("fleurs", "Fleurs d’Iroise", "8 place Francis-Louvel", 45.6497, 0.1570, 19),
)
HOMES = (
    ("Jeanne M.", "12 rue de Périgueux", 45.6468, 0.1640),
    ("Karim B.", "3 rue de Bordeaux", 45.6556, 0.1512),
    ("Odile P.", "41 avenue Gambetta", 45.6531, 0.1650),
    ("Lucas T.", "7 rue de la Grand-Font", 45.6570, 0.1689),
    ("Inès D.", "18 rue de Montmoreau", 45.6415, 0.1571),
    ("Marcel R.", "2 rue Fontaine-du-Lizier", 45.6440, 0.1475),
    ("Sofia L.", "66 rue de Paris", 45.6592, 0.1605),
    ("Bruno V.", "9 rue de Limoges", 45.6551, 0.1740),
)

PARCEL = Load(grams=1500, ml=4000, cold_ml=0)


@dataclass(frozen=True, slots=True)
class District:
    """Ids of what was arranged; the couriers ride vehicles of the same index."""

    zone_id: int
    round_id: int
    slot_ids: tuple[int, ...]
    coordinator_id: int
    courier_ids: tuple[int, ...]
    vehicle_ids: tuple[int, ...]


def arrange_district(session: Session, *, stops: int = 6) -> District:
    """A zone, a coordinator, two couriers, and this afternoon's round, open until half past three."""
    zone = Zone(
        key="plateau",
        name="Plateau",
        postcodes=["16000"],
        hub_name="Place des Halles",
        hub_lat=45.6500,
        hub_lon=0.1560,
        radius_m=5000,
        fee=Money(450),
    )
    session.add(zone)
    coordinator = add_person(session, "claire@halles.example", "Claire Vidal", "coordinator")
    couriers = [
        add_person(session, "amine@halles.example", "Amine Roux", "courier"),
        add_person(session, "zoe@halles.example", "Zoé Petit", "courier"),
    ]
    vehicles = [add_vehicle(session, couriers[0], kilograms=80), add_vehicle(session, couriers[1], kilograms=60)]
    session.flush()
    round_ = open_afternoon_round(session, zone.id, stops=stops)
    slot_ids = session.scalars(select(Slot.id).where(Slot.round_id == round_.id).order_by(Slot.starts_at)).all()
    return District(
        zone.id,
        round_.id,
        tuple(slot_ids),
        coordinator.id,
        tuple(courier.id for courier in couriers),
        tuple(vehicle.id for vehicle in vehicles),
    )


def open_afternoon_round(session: Session, zone_id: int, *, on: date = DAY, stops: int = 6) -> Round:
    def at(hour: int, minute: int = 0) -> datetime:
        return local_instant(on, time(hour, minute))

    return open_round(
        session,
        zone_id=zone_id,
        on_date=on,
        cut_off_at=at(15, 30),
        collect_from_at=at(16),
        collect_until_at=at(19),
        back_by_at=at(20, 30),
        slots=[NewSlot(at(17), at(19), stops), NewSlot(at(18), at(20), stops)],
        capacity=Load(160_000, 650_000, 120_000),
        actor="test",
        now=NOW,
    )


def add_person(session: Session, email: str, name: str, role: str | None) -> User:
    person = User(email=email, name=name, created_at=NOW)
    session.add(person)
    session.flush()
    if role is not None:
        grant_role(session, user_id=person.id, role=role, actor="test", now=NOW)
    return person


def add_vehicle(session: Session, courier: User, *, kilograms: int) -> Vehicle:
    vehicle = Vehicle(
        courier_id=courier.id,
        kind="cargo",
        capacity_grams=kilograms * 1000,
        capacity_ml=300_000,
        capacity_cold_ml=60_000,
    )
    session.add(vehicle)
    session.flush()
    return vehicle


def book(
    session: Session,
    district: District,
    reference: str,
    clock: Clock,
    *,
    home: int = 0,
    shops: Sequence[int] = (0,),
    slot: int = 0,
    load: Load = PARCEL,
    needs_age_check: bool = False,
    paid: bool = True,
) -> Booking:
    """A household's place on the round, paid unless told otherwise."""
    name, street, lat, lon = HOMES[home % len(HOMES)]
    hold_place(
        session,
        slot_id=district.slot_ids[slot],
        reference=reference,
        drop_off=DropOff(
            recipient=name,
            phone="+33639980101",
            street=street,
            postcode="16000",
            city="Angoulême",
            lat=lat,
            lon=lon,
            access_note="Portail vert, 2e étage" if home == 0 else "",
            needs_age_check=needs_age_check,
        ),
        pick_ups=[
            PickUp(slug, name, street, lat, lon, awning, load)
            for slug, name, street, lat, lon, awning in (SHOPS[shop] for shop in shops)
        ],
        until_at=clock.now() + timedelta(minutes=15),
        clock=clock,
    )
    if paid:
        assert confirm_place(session, reference=reference)
    return session.scalars(
        select(Booking).where(Booking.reference == reference, Booking.state.in_(("held", "confirmed")))
    ).one()


def hand_out_round(hall: Hall, district: District, *vehicle_ids: int) -> None:
    """The round is closed, planned without the engines, and on the couriers' phones."""
    now = hall.clock.now()
    with hall.database.transaction() as session:
        close_round(session, round_id=district.round_id, actor="test", now=now)
        ask_for_plan(
            session,
            round_id=district.round_id,
            vehicle_ids=vehicle_ids or district.vehicle_ids,
            actor="test",
            now=now,
        )
        question = read_question(session, district.round_id, 1)
        assert question is not None
        write_answer(session, question, lines_of(question, plan_plainly(question.problem)), None, now)
        assert hand_out(session, round_id=district.round_id, actor="test", now=now)


def stops_of(session: Session, courier_id: int, kind: str) -> list[Stop]:
    """The courier's stops of that kind, in riding order."""
    return list(
        session.scalars(
            select(Stop)
            .join(Shift, Stop.shift_id == Shift.id)
            .where(Shift.courier_id == courier_id, Stop.kind == kind)
            .order_by(Stop.position)
            .execution_options(populate_existing=True)
        )
    )


def parcel_ids_at(session: Session, stop_id: int) -> frozenset[int]:
    return frozenset(session.scalars(select(Handling.parcel_id).where(Handling.stop_id == stop_id)))
