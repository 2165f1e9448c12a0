"""The arithmetic of the sealed journal: how its hashes are chained, and which periods end with a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from marketplace.clock import local_day

#: Before the first posting, and before the first closing, there is nothing.
NOTHING = bytes(32)


def link(previous: bytes, content: str) -> bytes:
    """SHA-256 over the hash before and the UTF-8 of `content`: whoever changes one row changes every later hash."""
    return hashlib.sha256(previous + content.encode()).digest()


def booked_on(at: datetime, *, open_on: date, today: date) -> date:
    """The day that a posting of the instant `at` counts for: the town's day of it.

    What comes late counts for `open_on`, the first day that is still open: a closed day stays as it was told. What
    comes from a clock that is ahead counts for `today`.
    """
    return max(open_on, min(today, local_day(at)))


@dataclass(frozen=True, slots=True)
class Period:
    """`kind` is day, month or year; from `from_on`, until before `until_on`."""

    kind: str
    from_on: date
    until_on: date


def periods_ending_with(day: date) -> Iterator[Period]:
    """The day itself, then the month and the calendar year that end with it."""
    until_on = day + timedelta(days=1)
    yield Period("day", day, until_on)
    if until_on.day == 1:
        yield Period("month", day.replace(day=1), until_on)
    if until_on.day == until_on.month == 1:
        yield Period("year", day.replace(month=1, day=1), until_on)


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one account, in cents, none negative: of a period, and since the book was opened."""

    debit_cents: int
    credit_cents: int
    ever_debit_cents: int
    ever_credit_cents: int


def closing_text(
    number: int,
    period: Period,
    closed_at: datetime,
    last_number: int,
    last_hash: bytes,
    sums: dict[str, Sums],
) -> str:
    """What a closing's hash is taken over, as JSON; accounts in the order of their code points."""
    totals: Sequence[Sequence[object]] = [
        [account, one.debit_cents, one.credit_cents, one.ever_debit_cents, one.ever_credit_cents]
        for account, one in sorted(sums.items())
    ]
    at = closed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    days = (period.from_on.isoformat(), period.until_on.isoformat())
    return json.dumps([number, period.kind, *days, at, last_number, last_hash.hex(), totals], ensure_ascii=False)
