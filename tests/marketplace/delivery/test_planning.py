"""From paid bookings to couriers' lines, with the real planner in its child process."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.clock import FixedClock
from marketplace.delivery.models import Booking, Handling, Parcel, Round, RoundEvent, Shift, Stop, Vehicle
from marketplace.delivery.moving import RoundMoved
from marketplace.delivery.planning import NothingToPlan, ask_for_plan, plan_round
from marketplace.delivery.queries import get_round_page
from marketplace.delivery.rounds import close_round, hand_out
from marketplace.delivery.rules import Load
from marketplace.errors import FieldError
from marketplace.hall import Hall
from marketplace.jobs import work_until_idle
from tests.marketplace.delivery.district import District, add_person, add_vehicle, book


def fill_and_close(hall: Hall, district: District, clock: FixedClock) -> None:
    """Five households with one to three parcels, one of them unpaid, one that gave its place back."""
    with hall.database.transaction() as session:
        for home in range(5):
            book(
                session,
                district,
                f"1000000{home}",
                clock,
                home=home,
                shops=[(home + n) % 5 for n in range(1 + home % 3)],
                slot=home % 2,
                paid=home != 4,
            )
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())


def ask(hall: Hall, district: District, clock: FixedClock) -> bool:
    with hall.database.transaction() as session:
        return ask_for_plan(
            session,
            round_id=district.round_id,
            vehicle_ids=district.vehicle_ids,
            actor=f"user:{district.coordinator_id}",
            now=clock.now(),
        )


def plan_of(session: Session) -> list[tuple[int, str, int | None, datetime]]:
    rows = session.execute(
        select(Stop.position, Stop.source, Stop.booking_id, Stop.planned_at).order_by(Stop.shift_id, Stop.position)
    )
    return [(row.position, row.source, row.booking_id, row.planned_at) for row in rows]


def test_every_paid_household_is_visited_once_in_its_window_after_its_shops(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    fill_and_close(hall, district, clock)
    assert ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        page = get_round_page(session, round_id=district.round_id, now=clock.now())
        paid = session.scalars(select(Booking.id).where(Booking.state == "confirmed")).all()
        assert Counter(session.scalars(select(Stop.booking_id).where(Stop.kind == "home"))) == Counter(paid)
        assert Counter(session.scalars(select(Handling.act))) == {"collect": 7, "deliver": 7}
    assert (page.card.state, page.left_out, page.plan_note) == ("planned", (), None)
    assert 2_000 < page.distance_m < 20_000
    for line in page.lines:
        times = [stop.planned_at for stop in line.stops]
        assert times == sorted(times)
        on_board: set[int] = set()
        for stop in line.stops:
            ids = {parcel.id for parcel in stop.parcels}
            if stop.kind == "shop":
                assert page.card.collect[0] <= stop.planned_at <= page.card.collect[1]
                on_board |= ids
            else:
                assert stop.window is not None and stop.window[0] <= stop.planned_at < stop.window[1]
                assert ids <= on_board


def test_the_worker_plans_what_the_coordinator_asked_for(
    app: Flask, hall: Hall, district: District, clock: FixedClock
) -> None:
    fill_and_close(hall, district, clock)
    ask(hall, district, clock)
    work_until_idle(app)
    with hall.database.reading() as session:
        assert session.get_one(Round, district.round_id).state == "planned"
        assert session.scalars(select(RoundEvent.event).order_by(RoundEvent.id)).all() == [
            "open",
            "close",
            "plan",
            "planned",
        ]


def test_asking_while_a_plan_is_under_way_changes_nothing(hall: Hall, district: District, clock: FixedClock) -> None:
    fill_and_close(hall, district, clock)
    assert ask(hall, district, clock)
    assert not ask(hall, district, clock)
    with hall.database.reading() as session:
        assert session.get_one(Round, district.round_id).plan_number == 1


def test_the_same_job_twice_or_an_answer_to_an_older_question_leaves_the_plan_alone(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    fill_and_close(hall, district, clock)
    ask(hall, district, clock)
    clock.advance(timedelta(minutes=5))
    assert ask(hall, district, clock), "no answer came for five minutes"
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        assert session.get_one(Round, district.round_id).state == "planning"
        assert plan_of(session) == []
    plan_round(hall, round_id=district.round_id, number=2)
    with hall.database.reading() as session:
        first = plan_of(session)
    plan_round(hall, round_id=district.round_id, number=2)
    with hall.database.reading() as session:
        assert plan_of(session) == first != []


def test_a_new_plan_replaces_the_former_one_whole(hall: Hall, district: District, clock: FixedClock) -> None:
    fill_and_close(hall, district, clock)
    ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.transaction() as session:
        ask_for_plan(
            session,
            round_id=district.round_id,
            vehicle_ids=[district.vehicle_ids[1]],
            actor="user:1",
            now=clock.now(),
        )
    plan_round(hall, round_id=district.round_id, number=2)
    with hall.database.reading() as session:
        assert session.scalars(select(Shift.courier_id)).all() == [district.courier_ids[1]]
        assert len(session.scalars(select(Stop.id).where(Stop.kind == "home")).all()) == 4


def test_a_planner_that_crashes_leaves_the_last_plan_standing(
    hall: Hall, district: District, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, broken_python: str
) -> None:
    fill_and_close(hall, district, clock)
    ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        before = plan_of(session)
    ask(hall, district, clock)
    monkeypatch.setattr(sys, "executable", broken_python)
    plan_round(hall, round_id=district.round_id, number=2)
    with hall.database.reading() as session:
        round_ = session.get_one(Round, district.round_id)
        assert (round_.state, round_.plan_note) == ("planned", "kept")
        assert plan_of(session) == before != []


def test_a_planner_that_crashes_the_first_time_leaves_a_plain_plan(
    hall: Hall, district: District, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, broken_python: str
) -> None:
    fill_and_close(hall, district, clock)
    ask(hall, district, clock)
    monkeypatch.setattr(sys, "executable", broken_python)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        round_ = session.get_one(Round, district.round_id)
        assert (round_.state, round_.plan_note) == ("planned", "plain")
        assert len(session.scalars(select(Stop.id).where(Stop.kind == "home")).all()) == 4


@pytest.fixture
def broken_python(tmp_path: Path) -> str:
    """An interpreter that ends at once, as one does whose engine crashed."""
    path = tmp_path / "python"
    path.write_text("#!/bin/sh\nexit 139\n")
    path.chmod(0o755)
    return str(path)


def test_what_fits_on_no_bike_is_left_out_whole_and_told_with_its_reason(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        heavy = book(session, district, "10000001", clock, home=0, load=Load(81_000, 9000, 0)).id
        book(session, district, "10000002", clock, home=1)
        for vehicle in session.scalars(select(Vehicle)):
            vehicle.capacity_cold_ml = 0
        cold = book(session, district, "10000003", clock, home=2, shops=(0, 1), load=Load(900, 2000, 2000)).id
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
    ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        page = get_round_page(session, round_id=district.round_id, now=clock.now())
        in_plan = session.scalars(
            select(Parcel.booking_id).join(Handling, Handling.parcel_id == Parcel.id).distinct()
        ).all()
    assert {(row.id, row.why) for row in page.left_out} == {(heavy, "too_much"), (cold, "no_cold")}
    assert len(in_plan) == 1


def test_who_pays_after_the_planning_is_shown_as_left_out(hall: Hall, district: District, clock: FixedClock) -> None:
    fill_and_close(hall, district, clock)
    ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.transaction() as session:
        late = session.scalars(select(Booking).where(Booking.state == "held")).one()
        late.state = "confirmed"
    with hall.database.reading() as session:
        page = get_round_page(session, round_id=district.round_id, now=clock.now())
    assert [row.reference for row in [late]] == ["10000004"]
    assert [row.id for row in page.left_out] == [late.id]


def test_who_comes_back_to_the_shops_never_carries_more_than_the_bike_can(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        for home, slot in ((0, 0), (1, 0), (2, 1), (3, 1)):
            book(session, district, f"1000000{home}", clock, home=home, slot=slot, load=Load(39_000, 9000, 0))
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        ask_for_plan(
            session, round_id=district.round_id, vehicle_ids=district.vehicle_ids[:1], actor="user:1", now=clock.now()
        )
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        page = get_round_page(session, round_id=district.round_id, now=clock.now())
    (line,) = page.lines
    assert (line.homes_qty, line.load.grams, line.capacity.grams) == (4, 78_000, 80_000)


def test_the_shops_are_collected_late_so_that_nobody_stands_about(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, home=0, shops=(0, 1), slot=1)
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
    ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        times = [at for *_, at in plan_of(session)]
    assert f"{times[-1]:%H:%M}" == "17:00", "the window opens at six in the evening"
    assert timedelta(minutes=10) <= times[-1] - times[0] <= timedelta(minutes=25)


def test_nobody_is_planned_to_have_left_before_the_plan_exists(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, home=0)
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
    clock.at = datetime.fromisoformat("2026-11-28T17:20:00+00:00")
    ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.reading() as session:
        assert all(at > clock.now() for *_, at in plan_of(session))
        assert len(plan_of(session)) == 2


def test_a_plan_needs_couriers_who_ride_and_something_to_bring(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        merchant = add_person(session, "shop@halles.example", "Paul Marchand", None)
        strangers = add_vehicle(session, merchant, kilograms=10).id
        book(session, district, "10000001", clock, paid=False)

        def refused(vehicle_ids: tuple[int, ...]) -> str:
            with pytest.raises(FieldError) as refusal:
                ask_for_plan(
                    session, round_id=district.round_id, vehicle_ids=vehicle_ids, actor="user:1", now=clock.now()
                )
            return refusal.value.code

        with pytest.raises(RoundMoved):
            ask_for_plan(
                session, round_id=district.round_id, vehicle_ids=district.vehicle_ids, actor="user:1", now=clock.now()
            )
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        assert refused(()) == "choose_couriers"
        assert refused((strangers,)) == "not_a_choice"
        assert refused((*district.vehicle_ids, 9999)) == "not_a_choice"
        with pytest.raises(NothingToPlan):
            ask_for_plan(
                session, round_id=district.round_id, vehicle_ids=district.vehicle_ids, actor="user:1", now=clock.now()
            )


def test_a_round_that_rides_is_not_planned_again(hall: Hall, district: District, clock: FixedClock) -> None:
    fill_and_close(hall, district, clock)
    ask(hall, district, clock)
    plan_round(hall, round_id=district.round_id, number=1)
    with hall.database.transaction() as session:
        assert hand_out(session, round_id=district.round_id, actor="user:1", now=clock.now())
        assert not hand_out(session, round_id=district.round_id, actor="user:1", now=clock.now())
    with pytest.raises(RoundMoved):
        ask(hall, district, clock)
