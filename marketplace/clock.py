"""The one clock. Business rules get an instant as an argument; only the edges read the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

#: Legal clocks and opening hours are local (domain R0.5); instants are stored in UTC.
TOWN_ZONE = ZoneInfo("Europe/Paris")


class Clock(Protocol):
    def now(self) -> datetime: ...


class SystemClock:
    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands where a test puts it."""

    def __init__(self, at: datetime) -> None:
        self.at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self.at

    def advance(self, step: timedelta) -> None:
        self.at += step


def local_instant(day: date, at: time) -> datetime:
    """The instant, in UTC, at which the town's clocks show `at` on `day`.

    In the hour that the autumn night repeats, the first one; in the hour that the spring night skips,
    the instant an hour after 01:xx, as every public clock shows it.
    """
    return datetime.combine(day, at, TOWN_ZONE).astimezone(UTC)


def local_day(at: datetime) -> date:
    """The town's calendar day at an instant."""
    return at.astimezone(TOWN_ZONE).date()
