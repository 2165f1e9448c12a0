"""What a merchant reads of its money: every entry of its account in the ledger, with the order that it belongs to.

A statement is the account itself, told in the merchant's words: it cannot say anything else than the ledger does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from basket.statement_rules import Sums, sums_of, total, vat_along
from marketplace.clock import TOWN_ZONE
from marketplace.legal import legal_number
from marketplace.money import Money

#: The day that a posting counts for is the seal's; one that waits for it (a minute) has the day that it will get.
_DAY = """coalesce(seal.booked_on, greatest((p.at AT TIME ZONE :zone)::date,
  (SELECT max(until_on) FROM ledger_closing WHERE period = 'day')))"""

_OWED_BEFORE = text(
    f"""
    SELECT coalesce(-sum(e.amount), 0) FROM ledger_entry e JOIN ledger_posting p ON p.id = e.posting_id
    LEFT JOIN ledger_seal seal ON seal.posting_id = p.id WHERE e.account = :party AND {_DAY} < :from_on
    """  # noqa: S608  # our own words only
)

#: With what a refund that came to nothing leaves no entry of: the provider gave back what it had fetched for it.
_MOVES = text(
    f"""
    WITH mine AS (
      SELECT p.id, p.at, p.kind, p.key, p.reference, e.amount AS cents, {_DAY} AS booked_on
      FROM ledger_entry e JOIN ledger_posting p ON p.id = e.posting_id
      LEFT JOIN ledger_seal seal ON seal.posting_id = p.id WHERE e.account = :party
      UNION ALL
      SELECT p.id, p.at, p.kind, p.key, p.reference, 0, {_DAY}
      FROM refund_part f JOIN refund r ON r.id = f.refund_id AND r.state IN ('failed', 'canceled')
      JOIN ledger_posting p ON p.key = r.state || ':' || r.id
      LEFT JOIN ledger_seal seal ON seal.posting_id = p.id
      WHERE f.party = :party AND f.is_reversal
        AND NOT EXISTS (SELECT 1 FROM ledger_entry e WHERE e.posting_id = p.id AND e.account = :party)
    )
    SELECT m.booked_on, m.at, m.kind, m.reference, m.cents, sale.shops, sale.permille, sale.sold_on,
           coalesce(sale.commission, 0) AS sale_commission, coalesce(back.commission, 0) AS commission_back,
           coalesce(sale.contribution, 0) AS sale_contribution, coalesce(back.contribution, 0) AS contribution_back,
           coalesce(back.goods, 0) AS goods_back, coalesce(back.reversed, 0) AS reversed_back, back.reason
    FROM mine m
    LEFT JOIN LATERAL (
      SELECT sum(s.commission) AS commission, sum(s.contribution) AS contribution,
             max(s.commission_permille) AS permille,
             (o.confirmed_at AT TIME ZONE :zone)::date AS sold_on,
             array_agg(ARRAY[s.id::text, s.shop_name] ORDER BY s.position) AS shops
      FROM orders o JOIN sub_order s ON s.order_id = o.id AND s.party = :party
      WHERE o.code = m.reference GROUP BY o.id
    ) sale ON true
    LEFT JOIN LATERAL (
      SELECT r.reason, sum(f.amount) FILTER (WHERE f.kind = 'commission') AS commission,
             sum(f.amount) FILTER (WHERE f.kind = 'contribution') AS contribution,
             sum(f.amount) FILTER (WHERE f.kind = 'goods' AND f.party = :party) AS goods,
             sum(f.reversed_amount) FILTER (WHERE f.party = :party AND r.provider_id IS NOT NULL) AS reversed
      FROM refund r JOIN refund_part f ON f.refund_id = r.id
      WHERE r.id = CASE WHEN m.kind IN ('refund', 'reversed', 'failed', 'canceled')
        THEN split_part(m.key, ':', 2)::bigint END GROUP BY r.id
    ) back ON true
    WHERE m.booked_on >= :from_on AND m.booked_on < :until_on
    ORDER BY m.booked_on, m.id
    """  # noqa: S608  # our own words only
)

_HELD = text(
    """
    SELECT p.reference, -sum(e.amount) AS cents FROM ledger_entry e JOIN ledger_posting p ON p.id = e.posting_id
    WHERE e.account = :party GROUP BY p.reference HAVING sum(e.amount) <> 0 ORDER BY min(p.id)
    """
)

_PARTS = text(
    """
    SELECT o.code, s.id, s.shop_name FROM orders o JOIN sub_order s ON s.order_id = o.id AND s.party = :party
    WHERE o.code = ANY(:codes) ORDER BY o.code, s.position
    """
)

_FIRST = text(
    f"""
    SELECT min({_DAY}) FROM ledger_entry e JOIN ledger_posting p ON p.id = e.posting_id
    LEFT JOIN ledger_seal seal ON seal.posting_id = p.id WHERE e.account = :party
    """  # noqa: S608  # our own words only
)


@dataclass(frozen=True, slots=True)
class Part:
    """A shop's part of an order, where the money can be followed to."""

    sub_order_id: int
    shop_name: str


@dataclass(frozen=True, slots=True)
class Move:
    """One entry of the merchant's account. `permille` is the commission's rate as frozen at the sale, `vat_bp` its VAT
    on that day; `parts` are those of the order's that are this merchant's, none for money that has no order."""

    on: date
    at: datetime
    kind: str
    code: str
    parts: tuple[Part, ...]
    permille: int | None
    vat_bp: int
    reason: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Span:
    """A day, a month or a year: `before` is what the merchant was owed when it began, `after` when it ended."""

    from_on: date
    until_on: date
    before: Money
    sums: Sums

    @property
    def after(self) -> Money:
        return self.before + self.sums.change


@dataclass(frozen=True, slots=True)
class Statement:
    """A span with what it is made of: the spans within it, and every entry."""

    whole: Span
    spans: tuple[Span, ...]
    moves: tuple[Move, ...]


ChargesVat = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Held:
    """What the merchant is owed of one order now; less than nothing while a refund is being fetched back."""

    code: str
    amount: Money


def months_of(session: Session, *, party: str, year: int, charges_vat: ChargesVat) -> Statement:
    """A year of a merchant's account by months, the quiet ones left out. `charges_vat`: whether the
    association did on a day, on its commission; under the franchise there is none in it."""
    return _statement(session, party, date(year, 1, 1), date(year + 1, 1, 1), month_of, charges_vat)


def days_of(session: Session, *, party: str, month: date, charges_vat: ChargesVat) -> Statement:
    """A month (`month` is any of its days) by days, the quiet ones left out."""
    first = month.replace(day=1)
    return _statement(session, party, first, month_after(first), day_around, charges_vat)


def day_of(session: Session, *, party: str, on: date, charges_vat: ChargesVat) -> Statement:
    """One day, entry by entry, with the sums that it has in its month."""
    month = days_of(session, party=party, month=on, charges_vat=charges_vat)
    moves = tuple(move for move in month.moves if move.on == on)
    before = month.whole.before + total([span.sums for span in month.spans if span.from_on < on]).change
    whole = Span(on, on + timedelta(days=1), before, total([move.sums for move in moves]))
    return Statement(whole, (), moves)


def held_of(session: Session, *, party: str) -> tuple[Held, ...]:
    """Every order of which the merchant is owed something now, the oldest first; they sum to what the ledger says."""
    return tuple(Held(code, Money(int(cents))) for code, cents in session.execute(_HELD, {"party": party}))


def owed(held: Sequence[Held]) -> Money:
    return Money.total([one.amount for one in held])


def parts_of(session: Session, *, party: str, codes: Collection[str]) -> dict[str, tuple[Part, ...]]:
    """The merchant's parts of these orders, by their codes."""
    found: dict[str, tuple[Part, ...]] = {}
    for code, sub_order_id, shop_name in session.execute(_PARTS, {"party": party, "codes": list(codes)}):
        found[code] = (*found.get(code, ()), Part(sub_order_id, shop_name))
    return found


def first_day_of(session: Session, *, party: str) -> date | None:
    """The first day with an entry; None for a merchant who has sold nothing yet."""
    found: date | None = session.scalar(_FIRST, {"party": party, "zone": TOWN_ZONE.key})
    return found


def day_around(move: Move) -> tuple[date, date]:
    return move.on, move.on + timedelta(days=1)


def month_of(move: Move) -> tuple[date, date]:
    first = move.on.replace(day=1)
    return first, month_after(first)


def month_after(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1)


def _statement(
    session: Session,
    party: str,
    from_on: date,
    until_on: date,
    span_of: Callable[[Move], tuple[date, date]],
    charges_vat: ChargesVat,
) -> Statement:
    where = {"party": party, "from_on": from_on, "until_on": until_on, "zone": TOWN_ZONE.key}
    before = Money(int(session.scalar(_OWED_BEFORE, where) or 0))
    moves = tuple(_moves(session, where, charges_vat))
    spans: list[Span] = []
    owed = before
    for (first, after), its in groupby(moves, key=span_of):
        spans.append(Span(first, after, owed, total([move.sums for move in its])))
        owed = spans[-1].after
    return Statement(Span(from_on, until_on, before, total([span.sums for span in spans])), tuple(spans), moves)


def _moves(session: Session, where: dict[str, object], charges_vat: ChargesVat) -> Iterator[Move]:
    """Each with the VAT of its commission, reckoned along its month."""
    found = [_move(row, charges_vat) for row in session.execute(_MOVES, where)]
    for _, its in groupby(found, key=month_of):
        month = list(its)
        for move, vat in zip(month, vat_along([(m.sums.kept, m.vat_bp) for m in month]), strict=True):
            yield replace(move, sums=replace(move.sums, commission_vat=vat))


def _move(row: Row[Any], charges_vat: ChargesVat) -> Move:
    is_sale = row.kind == "allocated"
    counts_on = row.sold_on or row.booked_on
    commission = row.sale_commission if is_sale else row.commission_back
    contribution = row.sale_contribution if is_sale else row.contribution_back
    return Move(
        on=row.booked_on,
        at=row.at,
        kind=row.kind,
        code=row.reference,
        parts=tuple(Part(int(sub_order_id), shop_name) for sub_order_id, shop_name in row.shops or ()),
        permille=row.permille,
        vat_bp=legal_number("vat.commission_bp", counts_on) if charges_vat(counts_on) else 0,
        reason=row.reason or "",
        sums=sums_of(
            row.kind,
            Money(row.cents),
            commission=Money(int(commission)),
            contribution=Money(int(contribution)),
            goods_back=Money(int(row.goods_back)),
            reversed_back=Money(int(row.reversed_back)),
        ),
    )
