"""What a provider's answer means for a payment: pure decisions over values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.money import ZERO, Money, divide

#: (state, provider's status) → next state. What is missing changes nothing: a status that this table does not know
#: is not final, and a final state never leaves (mollie.md 2.3, 5.4).
NEXT: dict[tuple[str, str], str] = {
    (state, status): outcome
    for state in ("creating", "unknown", "open", "pending")
    for status, outcome in (
        ("open", "open"),
        ("pending", "pending"),
        ("authorized", "pending"),
        ("paid", "paid"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("expired", "expired"),
    )
    if (state, status) != ("pending", "open")
}

#: Money that arrives after we gave the attempt up is still money (M08).
NEXT |= {(state, "paid"): "paid" for state in ("failed", "canceled", "expired", "rejected")}

ENDED = frozenset({"failed", "canceled", "expired", "rejected"})

#: How long after the attempt began the poller looks, time and again (M07); then hourly until two days have passed.
POLL_AFTER = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 15, 30))
POLL_LONGEST = timedelta(days=2)

#: A refund takes days.
REFUND_POLL = timedelta(hours=1)

#: How far back the provider's book is gone through: longer than an attempt can be paid, and than a backup is old.
RECONCILED = timedelta(days=7)

#: Mollie forgets an idempotency key after an hour; we stop trusting it a little earlier.
KEY_WINDOW = timedelta(minutes=50)


@dataclass(frozen=True, slots=True)
class Claim:
    """What we asked for, or what the provider says it has: two claims must be equal before anything is fulfilled."""

    amount: Money
    currency: str
    mode: str
    payment_key: str


def next_poll(created_at: datetime, polls_qty: int, now: datetime) -> datetime | None:
    """When to look at an open payment again; None when two days have passed without an end."""
    if now - created_at > POLL_LONGEST:
        return None
    if polls_qty < len(POLL_AFTER):
        return max(created_at + POLL_AFTER[polls_qty], now + timedelta(seconds=30))
    return now + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class MerchantPart:
    """A merchant's sale within one payment."""

    party: str
    goods: Money
    commission: Money


@dataclass(frozen=True, slots=True)
class PlannedShare:
    party: str
    kind: str
    amount: Money


def split(parts: tuple[MerchantPart, ...], delivery: Money) -> tuple[PlannedShare, ...]:
    """Who gets what of one payment: each merchant its goods less commission, the association the rest.

    Two sales of one merchant (it has two shops) are one share: a payment has one route for each merchant. The shares
    sum to goods plus delivery exactly; commission is never computed on the total (mollie.md 6). AssertionError if a
    commission exceeds its goods.
    """
    goods: dict[str, Money] = {}
    for part in parts:
        assert part.commission <= part.goods, part
        goods[part.party] = goods.get(part.party, ZERO) + part.goods - part.commission
    shares = [PlannedShare(party, "goods", amount) for party, amount in goods.items()]
    commission = Money.total([part.commission for part in parts])
    shares.append(PlannedShare("association", "commission", commission))
    shares.append(PlannedShare("association", "delivery", delivery))
    return tuple(shares)


def commission_by_line(commission: Money, line_totals: tuple[Money, ...]) -> list[Money]:
    """A merchant's commission spread over its lines by largest remainder, ties to the first line."""
    return divide(commission, [total.cents for total in line_totals])
