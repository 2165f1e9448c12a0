"""Opening hours, from OpenStreetMap's syntax to what a week looks like. Pure; the town's local time throughout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from opening_hours import OpeningHours, ParserError, State  # type: ignore[attr-defined]  # its stub forgets ParserError

from marketplace.clock import TOWN_ZONE

Window = tuple[datetime, datetime]

#: A shop's hours are read on every page that shows it, and parsing them with the calendar of holidays takes 3 ms.
_PARSED_MOST = 2_000


@dataclass(frozen=True, slots=True)
class Days:
    """Days in a row with the same hours: `first` and `last` count from 0, Monday. No window: closed."""

    first: int
    last: int
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Week:
    """A usual week; `on_holidays` is None when the shop says nothing of public holidays, () when it is closed."""

    days: tuple[Days, ...]
    on_holidays: tuple[Window, ...] | None


@dataclass(frozen=True, slots=True)
class Doors:
    """Whether the doors are open, and until when; None: no change within a year."""

    is_open: bool
    until_at: datetime | None


def week_of(opening_hours: str, on: date) -> Week | None:
    """The hours of the week around a day, as if no day of it were a holiday; None for what cannot be read."""
    return _week(opening_hours, on - timedelta(days=on.weekday()))


def doors_at(opening_hours: str, at: datetime) -> Doors | None:
    """Open or closed at an instant, France's public holidays included; None for what cannot be read."""
    hours = _parsed(opening_hours, "FR")
    if hours is None:
        return None
    local = at.astimezone(TOWN_ZONE).replace(tzinfo=None)
    change = hours.next_change(local)
    if change is None or change - local > timedelta(days=366):
        return Doors(is_open=hours.is_open(local), until_at=None)
    return Doors(is_open=hours.is_open(local), until_at=change.replace(tzinfo=TOWN_ZONE))


def ready_at(opening_hours: str, at: datetime, minutes: int) -> datetime:
    """The instant, UTC, by which a shop has had its doors open for `minutes` since `at`.

    What is asked for at night is begun in the morning. Simply `minutes` later for hours that cannot be read, or
    that hold too few open minutes in the fortnight ahead: then somebody has to call the shop anyway.
    """
    hours = _parsed(opening_hours, "FR")
    left = timedelta(minutes=minutes)
    if hours is not None:
        local = at.astimezone(TOWN_ZONE).replace(tzinfo=None)
        for begin, end, state, _comment in hours.intervals(local, local + timedelta(days=14)):
            if state != State.OPEN:
                continue
            if end - begin >= left:
                return (begin + left).replace(tzinfo=TOWN_ZONE).astimezone(UTC)
            left -= end - begin
    return at + timedelta(minutes=minutes)


def opening_day(opening_hours: str, on: date, *, nth: int, within_days: int) -> date | None:
    """The `nth` day after the day `on` on which the doors open, France's public holidays included.

    Where fewer such days lie within `within_days`, the last of them; None when the doors stay closed that long. For
    hours that cannot be read, `within_days` later: somebody will be there.
    """
    hours = _parsed(opening_hours, "FR")
    last = on + timedelta(days=within_days)
    if hours is None:
        return last
    days = (on + timedelta(days=n) for n in range(1, within_days + 1))
    opening = [day for day in days if _windows(hours, day)]
    return opening[: max(nth, 1)][-1] if opening else None


@lru_cache(maxsize=_PARSED_MOST)
def _parsed(opening_hours: str, country: str | None) -> OpeningHours | None:
    try:
        return OpeningHours(opening_hours, country=country)
    except ParserError:
        return None


@lru_cache(maxsize=_PARSED_MOST)
def _week(opening_hours: str, monday: date) -> Week | None:
    usual = _parsed(opening_hours, None)
    if usual is None:
        return None
    runs: list[Days] = []
    for weekday in range(7):
        windows = _windows(usual, monday + timedelta(days=weekday))
        if runs and _clocks(runs[-1].windows) == _clocks(windows):
            runs[-1] = Days(runs[-1].first, weekday, runs[-1].windows)
        else:
            runs.append(Days(weekday, weekday, windows))
    on_holidays = None
    if "PH" in opening_hours and (hours := _parsed(opening_hours, "FR")):
        on_holidays = _windows(hours, date(monday.year, 7, 14))
    return Week(tuple(runs), on_holidays)


def _windows(hours: OpeningHours, day: date) -> tuple[Window, ...]:
    start = datetime(day.year, day.month, day.day)  # noqa: DTZ001  # the library reckons in the town's naive time
    return tuple(
        (begin.replace(tzinfo=TOWN_ZONE), end.replace(tzinfo=TOWN_ZONE))
        for begin, end, state, _comment in hours.intervals(start, start + timedelta(days=1))
        if state == State.OPEN
    )


def _clocks(windows: tuple[Window, ...]) -> list[tuple[object, object]]:
    return [(begin.time(), end.time()) for begin, end in windows]
