"""The hours of a round: what fits together, and on which days."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time

import pytest

from marketplace.delivery.rules import Load
from marketplace.delivery.timetable import (
    FIRST_TIMETABLE,
    Fault,
    Timetable,
    Window,
    faults_of,
    faults_on,
    strange_hour,
)

#: Saturday 28 November 2026, ten in the morning in France.
NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)

EVENING = Timetable(
    cut_off=time(15, 30),
    is_cut_off_on_eve=False,
    collect_from=time(16),
    collect_until=time(19),
    back_by=time(20, 30),
    windows=(Window(1, time(17), time(19), 20), Window(2, time(18), time(20), 20)),
    capacity=Load(160_000, 650_000, 120_000),
)


def test_an_evening_with_staggered_windows_stands_and_so_does_the_first_proposal() -> None:
    assert faults_of(EVENING) == ()
    assert faults_of(FIRST_TIMETABLE) == ()
    assert faults_on(EVENING, date(2026, 11, 28), NOW) == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"cut_off": time(16, 1)}, ("cut_off", "cut_off_after_collecting")),
        ({"collect_until": time(16)}, ("collect_until", "collecting_ends_first")),
        ({"windows": ()}, ("window_1_from", "no_window")),
        ({"windows": (Window(2, time(18), time(18), 5),)}, ("window_2_until", "window_ends_first")),
        ({"windows": (Window(1, time(15, 59), time(18), 5),)}, ("window_1_from", "window_before_collecting")),
        ({"back_by": time(19, 59)}, ("back_by", "back_before_last_window")),
        ({"windows": (Window(1, time(16), time(17), 5),), "back_by": time(18)}, ("back_by", "back_before_collected")),
        ({"capacity": Load(1000, 1000, 1001)}, ("cold_litres", "more_cold_than_all")),
    ],
)
def test_hours_that_do_not_fit_are_refused_at_their_field(change: dict[str, object], fault: tuple[str, str]) -> None:
    assert faults_of(replace(EVENING, **change)) == (Fault(*fault),)  # type: ignore[arg-type]  # each row changes one field


def test_bounds_may_touch() -> None:
    tight = replace(
        EVENING, cut_off=time(16), windows=(Window(1, time(16), time(18), 5), Window(2, time(18), time(20), 5))
    )
    assert faults_of(replace(tight, back_by=time(20))) == ()


@pytest.mark.parametrize(
    ("second", "is_refused"),
    [
        ((time(17), time(18)), True),  # begins with the first one
        ((time(17), time(19)), True),
        ((time(17), time(20)), True),
        ((time(17, 30), time(18)), True),  # lies within
        ((time(17, 30), time(19)), True),
        ((time(16, 30), time(19, 30)), True),  # holds it
        ((time(18), time(20)), False),  # staggered
        ((time(19), time(20)), False),
        ((time(16), time(17)), False),
    ],
)
def test_a_window_within_another_is_refused_and_a_staggered_one_is_not(
    second: tuple[time, time], is_refused: bool
) -> None:
    windows = (Window(1, time(17), time(19), 5), Window(3, *second, 5))
    expected = (Fault("window_3_from", "window_within_another"),) if is_refused else ()
    assert faults_of(replace(EVENING, windows=windows)) == expected


def test_a_cut_off_on_the_eve_may_be_later_than_the_collecting_begins() -> None:
    eve = replace(EVENING, cut_off=time(18), is_cut_off_on_eve=True)
    assert faults_of(eve) == ()
    assert eve.cut_off_at(date(2026, 12, 1)) == datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
    assert faults_on(eve, date(2026, 11, 29), NOW) == ()
    assert faults_on(eve, date(2026, 11, 28), NOW) == (Fault("day", "day_past_cut_off", date(2026, 11, 28)),)


@pytest.mark.parametrize(
    ("day", "code"),
    [
        (date(2026, 11, 27), "day_over"),
        (date(1, 1, 1), "day_over"),
        (date(2027, 11, 29), "day_too_far"),
        (date(9999, 12, 31), "day_too_far"),
    ],
)
def test_a_day_that_is_over_or_too_far_is_refused(day: date, code: str) -> None:
    assert faults_on(EVENING, day, NOW) == (Fault("day", code, day),)


def test_a_day_is_refused_from_the_instant_of_its_cut_off_on() -> None:
    day = date(2026, 11, 28)
    assert faults_on(EVENING, day, datetime(2026, 11, 28, 14, 29, 59, tzinfo=UTC)) == ()
    assert faults_on(EVENING, day, datetime(2026, 11, 28, 14, 30, tzinfo=UTC))[0].code == "day_past_cut_off"


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (date(2027, 3, 28), time(1, 59), None),
        (date(2027, 3, 28), time(2), "hour_skipped"),
        (date(2027, 3, 28), time(2, 59), "hour_skipped"),
        (date(2027, 3, 28), time(3), None),
        (date(2027, 10, 31), time(1, 59), None),
        (date(2027, 10, 31), time(2), "hour_repeated"),
        (date(2027, 10, 31), time(2, 59), "hour_repeated"),
        (date(2027, 10, 31), time(3), None),
        (date(2027, 10, 30), time(2, 30), None),
    ],
)
def test_an_hour_that_the_clocks_do_not_show_once_is_found(day: date, at: time, expected: str | None) -> None:
    assert strange_hour(day, at) == expected


def test_the_two_nights_when_the_clock_changes_are_refused_at_the_hour_itself() -> None:
    night = Timetable(
        cut_off=time(2, 30),
        is_cut_off_on_eve=True,
        collect_from=time(2, 30),
        collect_until=time(4),
        back_by=time(7),
        windows=(Window(1, time(5), time(6), 5),),
        capacity=Load(1000, 1000, 0),
    )
    spring, autumn = date(2027, 3, 28), date(2027, 10, 31)
    assert faults_on(night, spring, NOW) == (Fault("collect_from", "hour_skipped", spring),)
    assert faults_on(night, autumn, NOW) == (Fault("collect_from", "hour_repeated", autumn),)
    # The cut-off of the day after lies in that night.
    assert faults_on(night, date(2027, 3, 29), NOW) == (Fault("cut_off", "hour_skipped", spring),)
    assert faults_on(night, date(2027, 3, 30), NOW) == ()
