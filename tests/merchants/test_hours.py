from __future__ import annotations

from datetime import UTC, date, datetime

from marketplace.clock import TOWN_ZONE
from merchants.hours import Doors, doors_at, week_of

#: A Wednesday.
DAY = date(2026, 11, 25)


def clocks(opening_hours: str, on: date = DAY) -> list[tuple[int, int, list[str]]]:
    week = week_of(opening_hours, on)
    assert week is not None
    return [
        (days.first, days.last, [f"{start:%H:%M}-{end:%H:%M}" for start, end in days.windows]) for days in week.days
    ]


def test_days_with_the_same_hours_are_said_together() -> None:
    assert clocks("Mo 14:00-19:00; Tu-Sa 09:30-12:30,14:00-19:00; PH off") == [
        (0, 0, ["14:00-19:00"]),
        (1, 5, ["09:30-12:30", "14:00-19:00"]),
        (6, 6, []),
    ]


def test_a_holiday_in_the_week_does_not_change_the_usual_hours() -> None:
    # 25 December 2026 is a Friday.
    assert clocks("Mo-Sa 10:00-19:00; PH off", date(2026, 12, 23)) == [(0, 5, ["10:00-19:00"]), (6, 6, [])]


def test_a_season_says_the_hours_of_its_own_weeks() -> None:
    assert clocks("Mo-Su 10:00-18:00; Jul-Aug Mo-Su 10:00-20:00", date(2026, 7, 20)) == [(0, 6, ["10:00-20:00"])]
    assert clocks("Mo-Su 10:00-18:00; Jul-Aug Mo-Su 10:00-20:00", DAY) == [(0, 6, ["10:00-18:00"])]


def test_holidays_are_said_only_when_the_shop_says_them() -> None:
    silent, closed, morning = (
        week_of(f"Mo-Su 09:00-18:00{rule}", DAY) for rule in ("", "; PH off", "; PH 09:30-12:30")
    )
    assert silent is not None and closed is not None and morning is not None
    assert silent.on_holidays is None
    assert closed.on_holidays == ()
    assert [f"{start:%H:%M}-{end:%H:%M}" for start, end in morning.on_holidays or ()] == ["09:30-12:30"]


def test_the_doors_are_open_until_they_close() -> None:
    hours = "Tu-Sa 09:30-12:30,14:00-19:00; PH off"
    at_ten = datetime(2026, 11, 25, 9, tzinfo=UTC)
    assert doors_at(hours, at_ten) == Doors(True, datetime(2026, 11, 25, 12, 30, tzinfo=TOWN_ZONE))
    at_one = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert doors_at(hours, at_one) == Doors(False, datetime(2026, 11, 25, 14, 0, tzinfo=TOWN_ZONE))


def test_the_doors_stay_shut_on_a_holiday() -> None:
    christmas = datetime(2026, 12, 25, 10, tzinfo=UTC)
    assert doors_at("Mo-Sa 10:00-19:00; PH off", christmas) == Doors(
        False, datetime(2026, 12, 26, 10, 0, tzinfo=TOWN_ZONE)
    )


def test_a_door_that_never_closes_has_no_next_change() -> None:
    assert doors_at("24/7", datetime(2026, 11, 25, 9, tzinfo=UTC)) == Doors(True, None)


def test_hours_that_nobody_can_read_are_none() -> None:
    for unreadable in ("", "quand il fait beau", "Mo-Fr 25:99"):
        assert week_of(unreadable, DAY) is None
        assert doors_at(unreadable, datetime(2026, 11, 25, 9, tzinfo=UTC)) is None
