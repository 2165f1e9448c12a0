"""Calendar rules make rounds ahead of time, once; a change reaches the rounds that nobody has booked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, time, timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from marketplace.clock import FixedClock
from marketplace.delivery import calendar_rules
from marketplace.delivery.calendar_rules import Kept, RulePlan
from marketplace.delivery.handlers import open_rounds_of_rules
from marketplace.delivery.models import Round, RoundEvent, RoundRule, Slot
from marketplace.delivery.recurrence import Recurrence
from marketplace.delivery.rounds import RoundsRefused, withdraw_round
from marketplace.delivery.timetable import Fault, Timetable, Window
from marketplace.errors import NotFound
from marketplace.hall import Hall
from tests.marketplace.delivery.district import DAY, District, book
from tests.marketplace.delivery.test_opening import NOON

#: Saturday the 28th is today; the district has a round this afternoon.
SATURDAYS = RulePlan(
    name="Le samedi midi",
    recurrence=Recurrence("weekly", date(2026, 11, 28), weekdays=frozenset({5})),
    timetable=NOON,
    ahead_days=21,
)


def add(hall: Hall, district: District, plan: RulePlan = SATURDAYS, key: str = "k1") -> Kept:
    with hall.database.transaction() as session:
        return calendar_rules.add_rule(
            session, zone_id=district.zone_id, plan=plan, form_key=key, actor="user:1", now=hall.clock.now()
        )


def change(hall: Hall, rule_id: int, plan: RulePlan) -> Kept:
    with hall.database.transaction() as session:
        return calendar_rules.change_rule(session, rule_id=rule_id, plan=plan, actor="user:1", now=hall.clock.now())


def rounds_of(hall: Hall, rule_id: int) -> list[tuple[date, str]]:
    with hall.database.reading() as session:
        rows = session.execute(
            select(Round.on_date, Round.state).where(Round.rule_id == rule_id).order_by(Round.on_date)
        )
        return [(row.on_date, row.state) for row in rows]


def test_a_rule_opens_its_rounds_of_the_days_ahead_with_its_hours_and_room(hall: Hall, district: District) -> None:
    """Noon on the 28th is past the cut-off of its eve; 5, 12 and 19 December lie within three weeks."""
    assert date(2026, 11, 28) == DAY
    kept = add(hall, district)
    assert (kept.opened_qty, kept.booked_qty) == (3, 0)
    assert rounds_of(hall, kept.rule_id) == [(date(2026, 12, day), "open") for day in (5, 12, 19)]
    with hall.database.reading() as session:
        first = session.scalars(select(Round).where(Round.on_date == date(2026, 12, 5))).one()
        assert (first.capacity_grams, first.capacity_cold_ml) == (80_000, 60_000)
        assert session.scalars(select(Slot.capacity_stops).where(Slot.round_id == first.id)).all() == [8]
        event = session.scalars(select(RoundEvent).where(RoundEvent.round_id == first.id)).one()
        assert (event.event, event.actor, event.detail) == ("open", "user:1", f"rule:{kept.rule_id}")
        assert (
            calendar_rules.plan_of(session.get_one(RoundRule, kept.rule_id, options=[calendar_rules.WITH_WINDOWS]))
            == SATURDAYS
        )


def test_the_same_form_twice_makes_one_rule(hall: Hall, district: District) -> None:
    first = add(hall, district)
    assert add(hall, district) == Kept(first.rule_id, 0, 0, 0, 0)


def test_days_come_into_reach_and_open_once(hall: Hall, district: District, clock: FixedClock) -> None:
    rule_id = add(hall, district).rule_id
    for _ in range(2):
        open_rounds_of_rules(hall)
    assert len(rounds_of(hall, rule_id)) == 3
    clock.advance(timedelta(days=7))
    with ThreadPoolExecutor(2) as pool:
        barrier = Barrier(2)

        def open_at_once(_: int) -> None:
            barrier.wait()
            open_rounds_of_rules(hall)

        list(pool.map(open_at_once, range(2)))
    # The 26th is the second Christmas day, but only in Alsace and Moselle.
    assert [day for day, _ in rounds_of(hall, rule_id)][3:] == [date(2026, 12, 26)]


def test_what_a_person_has_taken_back_stays_taken_back(hall: Hall, district: District, clock: FixedClock) -> None:
    rule_id = add(hall, district).rule_id
    with hall.database.transaction() as session:
        round_id = session.scalars(select(Round.id).where(Round.on_date == date(2026, 12, 12))).one()
        withdraw_round(session, round_id=round_id, actor="user:1", now=clock.now())
    open_rounds_of_rules(hall)
    assert dict(rounds_of(hall, rule_id))[date(2026, 12, 12)] == "withdrawn"
    assert len(rounds_of(hall, rule_id)) == 3


def test_a_round_that_stands_at_that_hour_already_is_left_alone(hall: Hall, district: District) -> None:
    other = add(hall, district, replace(SATURDAYS, name="Une autre"), key="k2")
    assert other.opened_qty == 3
    assert add(hall, district).opened_qty == 0


def test_a_change_reaches_what_nobody_has_booked(hall: Hall, district: District) -> None:
    """Booked on the 5th: it stays as promised. The 12th gets the new hours, the 19th is not ridden any more."""
    rule_id = add(hall, district).rule_id
    with hall.database.reading() as session:
        slot_id = session.scalars(
            select(Slot.id).join(Round).where(Round.on_date == date(2026, 12, 5), Round.rule_id == rule_id)
        ).one()
    with hall.database.transaction() as session:
        book(session, replace(district, slot_ids=(slot_id,)), "AAAA", hall.clock)
    later = replace(
        SATURDAYS,
        recurrence=replace(SATURDAYS.recurrence, last_on=date(2026, 12, 12)),
        timetable=replace(NOON, windows=(Window(1, time(12, 30), time(13, 30), 4), Window(2, time(13), time(14), 5))),
    )
    kept = change(hall, rule_id, later)
    assert kept == Kept(rule_id, opened_qty=0, changed_qty=1, withdrawn_qty=1, booked_qty=1)
    assert rounds_of(hall, rule_id) == [(date(2026, 12, 5), "open"), (date(2026, 12, 12), "open")]
    with hall.database.reading() as session:
        places = select(Slot.capacity_stops).join(Round).order_by(Slot.starts_at)
        assert session.scalars(places.where(Round.on_date == date(2026, 12, 5))).all() == [8]
        assert session.scalars(places.where(Round.on_date == date(2026, 12, 12))).all() == [4, 5]
    # Wanted again after all: the day that the change had taken back opens once more.
    assert change(hall, rule_id, replace(later, recurrence=SATURDAYS.recurrence)).opened_qty == 1
    assert change(hall, rule_id, replace(later, recurrence=SATURDAYS.recurrence)).changed_qty == 0


def test_hours_that_another_round_of_the_zone_has_are_refused_whole(hall: Hall, district: District) -> None:
    add(hall, district, replace(SATURDAYS, name="Une autre"), key="k2")
    early = replace(SATURDAYS, timetable=replace(NOON, collect_from=time(10)))
    rule_id = add(hall, district, early).rule_id
    with pytest.raises(RoundsRefused) as refused:
        change(hall, rule_id, SATURDAYS)
    assert refused.value.faults == (Fault("collect_from", "hour_has_round", date(2026, 12, 5)),)


def test_a_paused_rule_makes_no_round_until_it_goes_on(hall: Hall, district: District, clock: FixedClock) -> None:
    rule_id = add(hall, district).rule_id

    def press(act: str) -> bool:
        with hall.database.transaction() as session:
            if act == "pause":
                return calendar_rules.pause_rule(session, rule_id=rule_id, actor="user:1", now=clock.now())
            return calendar_rules.resume_rule(session, rule_id=rule_id, actor="user:1", now=clock.now())

    assert [press("pause"), press("pause")] == [True, False]
    assert change(hall, rule_id, replace(SATURDAYS, ahead_days=40)).opened_qty == 0
    change(hall, rule_id, SATURDAYS)
    clock.advance(timedelta(days=7))
    open_rounds_of_rules(hall)
    assert len(rounds_of(hall, rule_id)) == 3
    assert [press("resume"), press("resume")] == [True, False]
    assert len(rounds_of(hall, rule_id)) == 4


def test_the_night_when_the_clock_changes_opens_no_round_at_an_hour_that_is_not_there(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    """28 March 2027: two o'clock does not exist. The Sunday after is an ordinary one."""
    night = Timetable(
        cut_off=time(20),
        is_cut_off_on_eve=True,
        collect_from=time(1),
        collect_until=time(2, 30),
        back_by=time(5),
        windows=(Window(1, time(3), time(4), 3),),
        capacity=NOON.capacity,
    )
    clock.at = clock.at.replace(year=2027, month=3, day=20)
    sundays = Recurrence("weekly", date(2027, 3, 22), weekdays=frozenset({6}))
    kept = add(hall, district, RulePlan("La nuit", sundays, night, 21))
    assert [day for day, _ in rounds_of(hall, kept.rule_id)] == [date(2027, 4, 4)]


def test_a_rule_that_cannot_be_is_refused_where_it_is_wrong(hall: Hall, district: District) -> None:
    never = replace(SATURDAYS, recurrence=Recurrence("dates", date(2026, 11, 28), dates=frozenset({date(2026, 1, 1)})))
    with pytest.raises(RoundsRefused) as refused:
        add(hall, district, never)
    assert refused.value.faults == (Fault("pattern", "rule_without_days"),)
    with pytest.raises(RoundsRefused):
        add(hall, district, replace(SATURDAYS, timetable=replace(NOON, windows=())))
    with pytest.raises(NotFound):
        change(hall, 99, SATURDAYS)
    with pytest.raises(NotFound), hall.database.transaction() as session:
        calendar_rules.add_rule(session, zone_id=99, plan=SATURDAYS, form_key="k", actor="user:1", now=hall.clock.now())
