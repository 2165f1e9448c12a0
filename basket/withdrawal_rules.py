"""Until when a resident may change their mind, about what, and until when the money is back (domain W1-W9)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from marketplace.clock import local_day
from marketplace.legal import legal_number
from merchants.hours import is_working_day
from merchants.kinds import get_kind

#: (state, event) → next state.
NEXT = {("waiting", "settle"): "settled"}

#: A withdrawal that waits longer is seen by a person: four days are left for the money (W8, W10).
WAITS = timedelta(days=10)


def last_day(received_on: date) -> date:
    """The last day to withdraw from what was received on a day, local days throughout.

    Fourteen days from the day after; what would end on a Saturday, a Sunday or a public holiday ends on the next
    working day (W1, code de la consommation L221-18 and L221-19).
    """
    day = received_on + timedelta(days=legal_number("withdrawal.days", received_on))
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def is_in_time(received_at: datetime | None, now: datetime) -> bool:
    """From the order on, and until the last day has ended; what was not received yet is always in time."""
    return received_at is None or local_day(now) <= last_day(local_day(received_at))


def refund_due_on(declared_on: date) -> date:
    """The last day for the money to go back (W8, L221-24)."""
    return declared_on + timedelta(days=legal_number("withdrawal.refund_days", declared_on))


def return_due_on(declared_on: date) -> date:
    """The last day for the resident to bring or send the goods back (W9, L221-23)."""
    return declared_on + timedelta(days=legal_number("withdrawal.return_days", declared_on))


def may_be_withdrawn(kind: str, bought_on: date) -> bool:
    """Whether the law gives a right of withdrawal for that kind of thing, if only while it is sealed (W4)."""
    return get_kind(kind, bought_on).withdrawal != "no"
