"""A round's life until it is handed out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.clock import FixedClock
from marketplace.delivery.bookings import CutOffPassed, release_place
from marketplace.delivery.handlers import close_due_rounds
from marketplace.delivery.models import Booking, Handling, Round, RoundEvent, Slot, Stop
from marketplace.delivery.moving import RoundMoved
from marketplace.delivery.planning import ask_for_plan, plan_round
from marketplace.delivery.rounds import NothingToRide, close_round, hand_out, reopen_round
from marketplace.errors import NotFound
from marketplace.hall import Hall
from tests.marketplace.delivery.district import DAY, District, book, open_afternoon_round

CUT_OFF = datetime(2026, 11, 28, 14, 30, tzinfo=UTC)


def state_of(session: Session, district: District) -> str:
    return session.get_one(Round, district.round_id, populate_existing=True).state


def test_a_round_is_opened_with_its_windows_and_its_room(hall: Hall, district: District) -> None:
    with hall.database.reading() as session:
        round_ = session.get_one(Round, district.round_id)
        slots = session.scalars(select(Slot).where(Slot.round_id == round_.id).order_by(Slot.starts_at)).all()
    assert (round_.state, round_.on_date, round_.cut_off_at) == ("open", DAY, CUT_OFF)
    assert (round_.capacity_grams, round_.capacity_ml, round_.capacity_cold_ml) == (160_000, 650_000, 120_000)
    assert [(f"{s.starts_at:%H:%M}", f"{s.ends_at:%H:%M}", s.capacity_stops) for s in slots] == [
        ("16:00", "18:00", 6),
        ("17:00", "19:00", 6),
    ]


def test_closing_twice_closes_once_and_nobody_can_book_any_more(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        assert close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        assert not close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        events = session.scalars(select(RoundEvent.event).order_by(RoundEvent.id)).all()
        assert events == ["open", "close"]
        with pytest.raises(CutOffPassed):
            book(session, district, "10000001", clock)


def test_a_round_closes_with_a_place_still_held_and_the_hold_can_end_either_way(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, paid=False)
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
    with hall.database.transaction() as session:
        assert release_place(session, reference="10000001")
        assert session.get_one(Slot, district.slot_ids[0]).taken_stops == 0


def test_the_clock_closes_what_is_due_and_catches_up_after_a_missed_day(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        later = open_afternoon_round(session, district.zone_id, on=DAY + timedelta(days=1)).id
        far = open_afternoon_round(session, district.zone_id, on=DAY + timedelta(days=3)).id
    clock.at = CUT_OFF - timedelta(seconds=1)
    close_due_rounds(hall)
    with hall.database.reading() as session:
        assert state_of(session, district) == "open"
    clock.at = CUT_OFF + timedelta(days=2)
    close_due_rounds(hall)
    close_due_rounds(hall)
    with hall.database.reading() as session:
        states = {row.id: row.state for row in session.execute(select(Round.id, Round.state))}
        closings = session.scalars(select(RoundEvent.actor).where(RoundEvent.event == "close")).all()
    assert states == {district.round_id: "closed", later: "closed", far: "open"}
    assert closings == ["clock", "clock"]


def test_a_closed_round_opens_again_before_its_cut_off_and_not_after(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        reopen_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        assert book(session, district, "10000001", clock).state == "confirmed"
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        clock.at = CUT_OFF
        with pytest.raises(RoundMoved):
            reopen_round(session, round_id=district.round_id, actor="user:1", now=clock.now())


def test_a_round_that_does_not_exist_is_absent(hall: Hall, clock: FixedClock) -> None:
    with hall.database.transaction() as session, pytest.raises(NotFound):
        close_round(session, round_id=99, actor="user:1", now=clock.now())


def test_only_a_planned_round_is_handed_out_and_never_one_without_a_stop(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session, pytest.raises(NothingToRide):
        hand_out(session, round_id=district.round_id, actor="user:1", now=clock.now())


def test_who_gives_a_place_back_after_the_planning_leaves_the_plan(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, home=0, shops=(0, 1))
        kept = book(session, district, "10000002", clock, home=1, shops=(1,)).id
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        ask_for_plan(
            session, round_id=district.round_id, vehicle_ids=district.vehicle_ids, actor="user:1", now=clock.now()
        )
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.transaction() as session:
        assert release_place(session, reference="10000001")
    with hall.database.reading() as session:
        assert session.scalars(select(Stop.booking_id).where(Stop.kind == "home")).all() == [kept]
        assert session.scalars(select(Stop.source).where(Stop.kind == "shop")).all() == ["librairie"]
        assert len(session.scalars(select(Handling)).all()) == 2
        assert session.scalars(select(Booking.state).order_by(Booking.id)).all() == ["released", "confirmed"]
