"""What a provider's answer means for a payment: pure decisions over values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from math import ceil

from marketplace.legal import legal_number
from marketplace.money import ZERO, Money, divide, half_up

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

#: Ways to pay that stay open for days (a transfer: twelve and two), in which fresh food does not wait.
SLOW_METHODS = frozenset({"banktransfer"})

#: Ways to pay that cannot be split upfront (mollie.md 2.1).
NOT_UPFRONT = frozenset({"paypal", "klarna", "klarnapaylater", "klarnapaynow", "klarnasliceit", "giftcard", "voucher"})

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
    """A merchant's sale within one payment; `contribution` is what it bears of the delivery."""

    party: str
    goods: Money
    commission: Money
    contribution: Money = ZERO


@dataclass(frozen=True, slots=True)
class PlannedShare:
    party: str
    kind: str
    amount: Money


def split(parts: tuple[MerchantPart, ...], delivery: Money) -> tuple[PlannedShare, ...]:
    """Who gets what of one payment: each merchant its goods less commission and contribution, the association the rest.

    Two sales of one merchant (it has two shops) are one share: a payment has one route for each merchant. The shares
    sum to goods plus delivery exactly; commission is never computed on the total (mollie.md 6). AssertionError if a
    commission and a contribution exceed their goods.
    """
    goods: dict[str, Money] = {}
    for part in parts:
        left = part.goods - part.commission - part.contribution
        assert left >= ZERO, part
        goods[part.party] = goods.get(part.party, ZERO) + left
    shares = [PlannedShare(party, "goods", amount) for party, amount in goods.items()]
    commission = Money.total([part.commission for part in parts])
    shares.append(PlannedShare("association", "commission", commission))
    shares.append(PlannedShare("association", "delivery", delivery))
    contribution = Money.total([part.contribution for part in parts])
    if contribution:
        shares.append(PlannedShare("association", "contribution", contribution))
    return tuple(shares)


def fee_bound(amount: Money, on: date) -> Money:
    """What the provider keeps of a payment at most, whichever of our methods the resident chooses; rounded up."""
    share_bp = legal_number("provider.fee_bound_bp", on)
    return Money(-(-amount.cents * share_bp // 10_000) + legal_number("provider.fee_bound_fixed_cents", on))


def bears_fee(shares: Sequence[PlannedShare], on: date) -> bool:
    """I7: whether the association's part of a payment is enough for what the provider keeps of the whole."""
    own = Money.total([share.amount for share in shares if share.kind != "goods"])
    return own >= fee_bound(Money.total([share.amount for share in shares]), on)


def least_goods(shares: Sequence[PlannedShare], on: date) -> Money | None:
    """For how much goods of the same mix the association's part is enough, about: rounded up to ten cents.

    None when no order is large enough: its commission grows more slowly than the fee.
    """
    goods, commission, delivery, contribution = (
        sum(share.amount.cents for share in shares if share.kind == kind)
        for kind in ("goods", "commission", "delivery", "contribution")
    )
    fee_share = Fraction(legal_number("provider.fee_bound_bp", on), 10_000)
    gain = Fraction(commission, goods + commission + contribution or 1) - fee_share
    if gain <= 0:
        return None
    # A cent for each rounding: of the fee, and of the commission.
    fixed = legal_number("provider.fee_bound_fixed_cents", on) + 2 + delivery * fee_share - delivery - contribution
    return Money(10 * ceil(fixed / gain / 10))


def commission_by_line(commission: Money, line_totals: tuple[Money, ...]) -> list[Money]:
    """A merchant's commission spread over its lines by largest remainder, ties to the first line."""
    return divide(commission, [total.cents for total in line_totals])


def contribution_by_line(
    contribution: Money, line_totals: Sequence[Money], line_commissions: Sequence[Money]
) -> list[Money]:
    """What a merchant bears of a delivery, spread over what commission leaves of its lines, by largest remainder.

    So no line is left with less than nothing.
    """
    left = [total - commission for total, commission in zip(line_totals, line_commissions, strict=True)]
    return divide(contribution, [one.cents for one in left])


def commission_back(commission: Money, total: Money, *, refunded: Money, more: Money) -> Money:
    """What of a line's commission goes back with `more` of its `total`, of which `refunded` went back before.

    Reckoned on the sum so far, so that refunds in small steps give back no cent more or less than one whole
    (mollie.md 6). AssertionError beyond the line's total.
    """
    assert refunded >= ZERO and refunded + more <= total, (total, refunded, more)
    if not total:
        return ZERO
    before, after = (
        half_up(Fraction(commission.cents * part.cents, total.cents)) for part in (refunded, refunded + more)
    )
    return Money(after - before)


def contribution_back(contribution: Money, commission: Money, total: Money, *, refunded: Money, more: Money) -> Money:
    """What of a line's contribution goes back with `more` of its `total`, as `commission_back` does for commission.

    Reckoned on what the commission leaves, so that the two together never take more than `more`.
    """
    before, after = (
        part - commission_back(commission, total, refunded=ZERO, more=part) for part in (refunded, refunded + more)
    )
    return commission_back(contribution, total - commission, refunded=before, more=after - before)


@dataclass(frozen=True, slots=True)
class Bearing:
    """What one party gives of a refund; `kind` goods, commission, delivery, contribution or gesture."""

    party: str
    kind: str
    amount: Money


#: Who bears what goes back to a resident.
LIABLE = ("merchant", "association", "shared")


def bear(
    party: str, amount: Money, commission: Money, contribution: Money = ZERO, *, liable: str
) -> tuple[Bearing, ...]:
    """Who gives `amount` of a merchant's goods back, of which `commission` and `contribution` were the association's.

    The merchant's fault or nobody's: the sale is undone, commission and contribution included. The association's: the
    merchant keeps the sale. Shared: the merchant gives half of its part, rounded down, and the association the rest;
    commission and contribution are given back with the merchant's half only, in the same proportion.
    """
    goods = amount - commission - contribution
    assert min(goods, commission, contribution) >= ZERO, (amount, commission, contribution)
    if liable == "association":
        return (Bearing("association", "gesture", amount),)
    parts = (
        Bearing(party, "goods", goods),
        Bearing("association", "commission", commission),
        Bearing("association", "contribution", contribution),
    )
    if liable == "merchant":
        return tuple(part for part in parts if part.amount or part.kind != "contribution")
    assert liable == "shared", liable
    halves = tuple(replace(part, amount=Money(part.amount.cents // 2)) for part in parts)
    rest = amount - Money.total([half.amount for half in halves])
    given = tuple(half for half in halves if half.amount or half.kind != "contribution")
    return (*given, Bearing("association", "gesture", rest))


def added_up(parts: Iterable[Bearing]) -> tuple[Bearing, ...]:
    """One part for each party and kind; none of nothing."""
    sums: dict[tuple[str, str], Money] = {}
    for part in parts:
        sums[part.party, part.kind] = sums.get((part.party, part.kind), ZERO) + part.amount
    return tuple(Bearing(party, kind, amount) for (party, kind), amount in sums.items() if amount)
