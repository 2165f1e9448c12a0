"""Two people on one round at the same instant, with real connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, text

from marketplace.clock import FixedClock
from marketplace.delivery import riding
from marketplace.delivery.bookings import CutOffPassed, release_place
from marketplace.delivery.models import Booking, Round, RoundEvent, Slot
from marketplace.delivery.moving import lock_round
from marketplace.delivery.planning import ask_for_plan
from marketplace.delivery.rounds import close_round
from marketplace.hall import Hall
from tests.marketplace.delivery.district import District, book, hand_out_round, parcel_ids_at, stops_of


def at_once(*acts: Callable[[], object]) -> list[object]:
    """What each act answered; all of them began at the same instant, each in a thread of its own."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        barrier.wait(timeout=20)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(timeout=30) for future in [pool.submit(run, act) for act in acts]]


def test_of_two_coordinators_who_ask_for_a_plan_one_is_answered(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock)
        close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())

    def ask() -> bool:
        with hall.database.transaction() as session:
            return ask_for_plan(
                session, round_id=district.round_id, vehicle_ids=district.vehicle_ids, actor="user:1", now=clock.now()
            )

    answers = at_once(*[ask] * 6)
    assert sorted(answers, key=bool) == [False] * 5 + [True]
    with hall.database.reading() as session:
        assert session.get_one(Round, district.round_id).plan_number == 1


def test_a_couriers_form_that_arrives_three_times_at_once_has_one_effect(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock)
    hand_out_round(hall, district, district.vehicle_ids[0])
    with hall.database.reading() as session:
        stop_id = stops_of(session, district.courier_ids[0], "shop")[0].id
        parcels = parcel_ids_at(session, stop_id)

    def collect() -> bool:
        with hall.database.transaction() as session:
            return riding.collect(
                session,
                stop_id=stop_id,
                courier_id=district.courier_ids[0],
                parcel_ids=parcels,
                without_rest=False,
                now=clock.now(),
            )

    assert sorted(at_once(collect, collect, collect), key=bool) == [False, False, True]
    with hall.database.reading() as session:
        assert session.scalars(select(RoundEvent.event).where(RoundEvent.event == "collected")).all() == ["collected"]


def test_a_round_that_closes_while_people_book_has_every_booking_or_refused_it(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    def booking(number: int) -> Callable[[], str]:
        def act() -> str:
            try:
                with hall.database.transaction() as session:
                    book(session, district, f"1000000{number}", clock, home=number, slot=number % 2)
            except CutOffPassed:
                return "refused"
            return "booked"

        return act

    def close() -> str:
        with hall.database.transaction() as session:
            close_round(session, round_id=district.round_id, actor="user:1", now=clock.now())
        return "closed"

    answers = at_once(*[booking(number) for number in range(4)], close, *[booking(number) for number in range(4, 8)])
    with hall.database.reading() as session:
        booked = session.scalars(select(Booking.id)).all()
        assert sum(session.scalars(select(Slot.taken_stops))) == len(booked) == answers.count("booked")
        assert session.get_one(Round, district.round_id).state == "closed"
    assert answers.count("booked") + answers.count("refused") == 8


def test_who_takes_a_place_and_who_gives_one_back_wait_for_each_other_in_no_circle(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock)

    def give_back() -> bool:
        with hall.database.transaction() as session:
            return release_place(session, reference="10000001")

    with ThreadPoolExecutor(1) as pool:
        with hall.database.transaction() as session:
            lock_round(session, district.round_id)
            giving_back = pool.submit(give_back)
            wait_for_waiting(hall)
            book(session, district, "10000002", clock, home=1)
        assert giving_back.result(timeout=30)
    with hall.database.reading() as session:
        assert session.get_one(Slot, district.slot_ids[0]).taken_stops == 1


def wait_for_waiting(hall: Hall) -> None:
    """Somebody waits for a lock."""
    with hall.database.reading() as session:
        for _ in range(500):
            if session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                return
            session.execute(text("SELECT pg_sleep(0.02)"))
    raise AssertionError("nobody waits")
