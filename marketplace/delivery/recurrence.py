"""On which days a calendar rule makes a round. Pure decisions over local days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from marketplace.holidays import is_holiday

#: The fifth of a month is not in every one: it stands for the last.
LAST = 5

PATTERNS = ("weekly", "monthly", "dates")
ON_HOLIDAYS = ("skip", "ride", "eve")

#: Two holidays in a row have an eve before both; more than that France does not have.
_MOST_EVES = 3


@dataclass(frozen=True, slots=True)
class Recurrence:
    """`weekly`: on `weekdays` (0 is Monday) of every `every_weeks`-th week, counted from that of `first_on`.
    `monthly`: on the `nths` of `weekdays` in each month, 1 to 4 and `LAST`. `dates`: on `dates`.

    None before `first_on`, after `last_on`, nor on `except_on`. On a public holiday: `skip` none, `ride` as ever, `eve`
    on the nearest day before that is not one.
    """

    pattern: str
    first_on: date
    last_on: date | None = None
    weekdays: frozenset[int] = frozenset()
    every_weeks: int = 1
    nths: frozenset[int] = frozenset()
    dates: frozenset[date] = frozenset()
    on_holidays: str = "skip"
    except_on: frozenset[date] = frozenset()


def days_of(recurrence: Recurrence, since: date, until: date) -> list[date]:
    """The days of the rounds from `since` to `until`, both included, in order."""
    return sorted(day for day in set(_days(recurrence, since, until)) if since <= day <= until)


def skipped_days(recurrence: Recurrence, since: date, until: date) -> list[date]:
    """The holidays that lose their round, or whose round rides on an eve: people are told."""
    if recurrence.on_holidays == "ride":
        return []
    return [day for day in _span(since, until) if _fits(recurrence, day) and is_holiday(day)]


def _days(recurrence: Recurrence, since: date, until: date) -> Iterator[date]:
    # An eve lies before the day that the rule names.
    for day in _span(since, until + timedelta(days=_MOST_EVES)):
        if not _fits(recurrence, day):
            continue
        if recurrence.on_holidays == "ride" or not is_holiday(day):
            yield day
        elif recurrence.on_holidays == "eve":
            eve = _eve(day)
            if eve >= recurrence.first_on and eve not in recurrence.except_on:
                yield eve


def _eve(day: date) -> date:
    while is_holiday(day):
        day -= timedelta(days=1)
    return day


def _fits(recurrence: Recurrence, day: date) -> bool:
    """Whether the rule names the day, holiday or not."""
    if day < recurrence.first_on or day in recurrence.except_on:
        return False
    if recurrence.last_on is not None and day > recurrence.last_on:
        return False
    if recurrence.pattern == "dates":
        return day in recurrence.dates
    if day.weekday() not in recurrence.weekdays:
        return False
    if recurrence.pattern == "weekly":
        return (_monday(day) - _monday(recurrence.first_on)).days // 7 % recurrence.every_weeks == 0
    nth = (day.day - 1) // 7 + 1
    is_last = (day + timedelta(days=7)).month != day.month
    return (nth in recurrence.nths and nth < LAST) or (is_last and LAST in recurrence.nths)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _span(since: date, until: date) -> Iterator[date]:
    return (since + timedelta(days=n) for n in range((until - since).days + 1))
