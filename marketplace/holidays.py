"""France's public holidays, by the calendar that also reads the shops' opening hours."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import lru_cache

from opening_hours import OpeningHours

#: Open on public holidays and on no other day.
_HOLIDAYS = OpeningHours("PH", country="FR")


@lru_cache(maxsize=2_000)
def is_holiday(day: date) -> bool:
    return _HOLIDAYS.is_open(datetime.combine(day, time(12)))


def is_working_day(day: date) -> bool:
    """Neither Saturday, Sunday nor a public holiday."""
    return day.weekday() < 5 and not is_holiday(day)
