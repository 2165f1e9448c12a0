"""When a shop can have a collection ready: minutes are counted while its doors are open."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from merchants.hours import ready_at


def at(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opening_hours", "asked_at", "minutes", "expected"),
    [
        # Tuesday 24 November 2026, ten o'clock in Angoulême, is nine in UTC.
        ("Tu-Sa 10:00-19:00", at(24, 9), 30, at(24, 9, 30)),
        ("Tu-Sa 10:00-19:00", at(24, 9), 0, at(24, 9)),
        ("Tu-Sa 10:00-19:00", at(24, 3), 30, at(24, 9, 30)),  # at night: begun in the morning
        ("Tu-Sa 10:00-19:00", at(24, 17, 30), 30, at(24, 18)),  # the last minute before closing counts
        ("Tu-Sa 10:00-19:00", at(24, 17, 50), 30, at(25, 9, 20)),
        ("Tu-Sa 10:00-12:30,14:00-19:00", at(24, 11, 20), 30, at(24, 13, 20)),  # over the lunch break
        ("Tu-Sa 10:00-19:00", at(28, 18), 30, at(1, 9, 30, month=12)),  # Saturday evening to Tuesday
        ("Mo-Su 10:00-19:00; PH off", at(24, 20, month=12), 30, at(26, 9, 30, month=12)),  # not on Christmas day
        (
            "Tu-Sa 10:00-19:00",
            at(24, 9),
            2880,
            at(1, 12, month=12),
        ),  # 48 h: five days of nine, then three
        ("nonsense", at(24, 9), 30, at(24, 9, 30)),
        ("off", at(24, 9), 30, at(24, 9, 30)),
    ],
)
def test_preparation_is_counted_in_open_minutes(
    opening_hours: str, asked_at: datetime, minutes: int, expected: datetime
) -> None:
    assert ready_at(opening_hours, asked_at, minutes) == expected
