"""Until when a resident may change their mind, about what, and until when the money is back (domain W1-W9)."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from marketplace.clock import local_day
from marketplace.holidays import is_working_day
from marketplace.legal import legal_number
from merchants.kinds import get_kind

#: (state, event) → next state.
NEXT = {("waiting", "settle"): "settled"}

#: A withdrawal that waits longer is seen by a person: four days are left for the money (W8, W10).
WAITS = timedelta(days=10)

#: Whole days that a shop has to answer before its silence counts.
ANSWER_DAYS = 2


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


def tell_shop_on(declared_on: date) -> date:
    """The day on which a shop that has not said anything is told that the money leaves by the clock (W10)."""
    return declared_on + timedelta(days=legal_number("withdrawal.tell_shop_days", declared_on))


def is_held(held_at: datetime | None, proof_at: datetime | None) -> bool:
    """Whether the shop keeps the money until the goods are back, as the law allows (W8, L221-24).

    It has said that nothing came back, and the resident has not said since how it went back: the last word counts.
    """
    return held_at is not None and (proof_at is None or proof_at <= held_at)


def goes_back_on(
    declared_on: date, *, told_at: datetime | None, held_at: datetime | None, proof_at: datetime | None
) -> date | None:
    """The day from which the money goes back without another word (W10); None while the shop was not told or holds it.

    The day before the law's last one, and never before the shop has had `ANSWER_DAYS` to answer.
    """
    if told_at is None or is_held(held_at, proof_at):
        return None
    by_itself = declared_on + timedelta(days=legal_number("withdrawal.automatic_days", declared_on))
    return max(by_itself, local_day(told_at) + timedelta(days=ANSWER_DAYS))


def return_due_on(declared_on: date) -> date:
    """The last day for the resident to bring or send the goods back (W9, L221-23)."""
    return declared_on + timedelta(days=legal_number("withdrawal.return_days", declared_on))


def may_be_withdrawn(kind: str, bought_on: date) -> bool:
    """Whether the law gives a right of withdrawal for that kind of thing, if only while it is sealed (W4)."""
    return get_kind(kind, bought_on).withdrawal != "no"
