"""What is kept of each merchant's sales, by the month: what the closed book says, invoiced once (domain I10).

A month is taken when the ledger has closed it: nothing is booked into it any more, so its invoices can be written in
any order, by any number of jobs, and begun again where they were broken off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from basket.documents.models import CommissionPart, CommissionRun
from basket.models import Order, OrderRefund, SubOrder
from marketplace.errors import MarketplaceError, NotFound
from marketplace.invoices.issuing import CommissionLine, issue_commission_invoice
from marketplace.invoices.rules import CreditTooLarge, Party
from marketplace.jobs import publish, without_job
from marketplace.ledger import accounts
from marketplace.ledger.queries import closed_months, month_after, moves_of
from marketplace.money import ZERO, Money
from marketplace.payments.models import Refund
from merchants.sellers import seller_by_key

#: What of a refund's life moves commission: asked for, and undone where it failed.
_OF_REFUNDS = ("refund", "failed", "canceled")


class MonthNotClosed(MarketplaceError):
    """The book of the month is still open: its commission may change."""

    code = "month_not_closed"
    status = 409


class CommissionUnexplained(MarketplaceError):
    """The book holds commission (`cents`) of the month that no sale and no refund explains: nothing is invoiced."""

    code = "commission_unexplained"
    status = 409


#: What is kept of a merchant's sales, by the account that it is booked on: its commission, and what it bears of the
#: delivery. Both are services of the association, at one rate of VAT.
KEPT = {"commission": accounts.COMMISSION, "contribution": accounts.CONTRIBUTIONS}


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of a month's sales, VAT included: by merchant, then by (kind, order's code).

    With `unexplained` it is the book's, to the cent.
    """

    by_party: Mapping[str, Mapping[tuple[str, str], Money]]
    unexplained: Money

    @property
    def total(self) -> Money:
        return self.unexplained + Money.total([self.of(party) for party in self.by_party])

    def of(self, party: str) -> Money:
        return Money.total(list(self.by_party[party].values()))


def kept_of(session: Session, month: date) -> Kept:
    """What the book says of a month (`month` is its first day): earned at the sale, less what refunds gave back."""
    by_party: defaultdict[str, defaultdict[tuple[str, str], Money]] = defaultdict(lambda: defaultdict(lambda: ZERO))
    unexplained = ZERO
    for name, account in KEPT.items():
        moves = moves_of(session, account=account, from_on=month, until_on=month_after(month))
        sold = _sold(session, name, [int(row_id) for kind, row_id, _ in moves if kind == "allocated"])
        refunded = _refunded(session, [int(row_id) for kind, row_id, _ in moves if kind in _OF_REFUNDS])
        for kind, row_id, amount in moves:
            earned = -amount  # the association's income is a credit
            parts: list[tuple[str, str, Money]] = []
            if kind == "allocated":
                parts = sold.get(int(row_id), [])
            elif kind in _OF_REFUNDS and int(row_id) in refunded:
                parts = [(*refunded[int(row_id)], earned)]
            for party, code, part in parts:
                by_party[party][name, code] += part
            unexplained += earned - Money.total([part for *_, part in parts])
    return Kept(by_party, unexplained)


def _sold(session: Session, name: str, payment_ids: Sequence[int]) -> dict[int, list[tuple[str, str, Money]]]:
    """By payment: (party, order's code, what was kept) of each part."""
    found: defaultdict[int, list[tuple[str, str, Money]]] = defaultdict(list)
    amount = {"commission": SubOrder.commission, "contribution": SubOrder.contribution}[name]
    for payment_id, party, code, kept in session.execute(
        select(Order.payment_id, SubOrder.party, Order.code, amount)
        .join(SubOrder, SubOrder.order_id == Order.id)
        .where(Order.payment_id.in_(payment_ids))
        .order_by(SubOrder.id)
    ):
        assert payment_id is not None, "asked for by payment"
        found[payment_id].append((party, code, kept))
    return found


def _refunded(session: Session, refund_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """By refund: (party, order's code). One that was sent again is its first one's."""
    root = select(Refund.id.label("id"), Refund.id.label("root_id")).where(Refund.id.in_(refund_ids))
    chain = root.cte("chain", recursive=True)
    earlier = aliased(Refund)
    chain = chain.union_all(select(chain.c.id, earlier.id).join(earlier, earlier.followed_by_id == chain.c.root_id))
    rows = session.execute(
        select(chain.c.id, SubOrder.party, Order.code)
        .join(OrderRefund, OrderRefund.refund_id == chain.c.root_id)
        .join(SubOrder, SubOrder.id == OrderRefund.sub_order_id)
        .join(Order, Order.id == OrderRefund.order_id)
    )
    return {row.id: (row.party, row.code) for row in rows}


def start_run(session: Session, *, month: date, actor: str, now: datetime) -> None:
    """The invoices of a closed month are planned and their jobs written; a run that was broken off goes on.

    Harmless to repeat: a month is planned once. MonthNotClosed; CommissionUnexplained, and nothing is planned.
    """
    if month not in closed_months(session):
        raise MonthNotClosed()
    is_new = session.scalar(
        insert(CommissionRun)
        .values(month=month, started_at=now, started_by=actor)
        .on_conflict_do_nothing()
        .returning(CommissionRun.month)
    )
    if is_new is not None:
        kept = kept_of(session, month)
        if kept.unexplained:
            raise CommissionUnexplained(cents=kept.unexplained.cents)
        session.add_all(
            CommissionPart(
                month=month,
                party=party,
                amount=kept.of(party),
                lines=[[name, code, amount.cents] for (name, code), amount in sorted(lines.items()) if amount],
                state="planned",
            )
            for party, lines in sorted(kept.by_party.items())
            if kept.of(party)
        )
        session.flush()
    planned = session.scalars(
        select(CommissionPart.id)
        .where(CommissionPart.month == month, CommissionPart.state == "planned")
        .order_by(CommissionPart.id)
    ).all()
    for part_id in without_job(session, "commission.due", "part_id", planned):
        publish(session, "commission.due", part_id=part_id)


def issue_part(
    session: Session,
    *,
    part_id: int,
    association: Party,
    words: Mapping[str, str],
    is_fictitious: bool,
    now: datetime,
) -> None:
    """A merchant's invoice of the month, or credit notes where it is owed something; harmless to repeat.

    Stuck where the merchant's file lacks what an invoice between firms must name, or more would be credited than was
    ever invoiced: a person sees why, mends it and runs it again (`run_again`).
    """
    part = session.get_one(CommissionPart, part_id, with_for_update=True, populate_existing=True)
    if part.state != "planned":
        return
    merchant = seller_by_key(session, part.party.removeprefix(accounts.merchant(""))).as_party
    if lacking := _lacking(merchant):
        part.state, part.stuck_reason, part.done_at = "stuck", lacking, now
        return
    try:
        with session.begin_nested():
            issue_commission_invoice(
                session,
                association=association,
                merchant=merchant,
                month=part.month,
                lines=[
                    CommissionLine(words[name] % {"code": code}, Money(cents), code) for name, code, cents in part.lines
                ],
                reason=words["commission_back"],
                now=now,
                is_fictitious=is_fictitious,
            )
    except CreditTooLarge:
        part.state, part.stuck_reason, part.done_at = "stuck", "too_much_back", now
        return
    part.state, part.done_at = "issued", now
    publish(session, "commission.issued", part_id=part_id)


def _lacking(merchant: Party) -> str | None:
    """What an invoice between firms must name and the merchant's file does not (domain I6)."""
    if not merchant.siren:
        return "no_siren"
    address = merchant.address
    return None if address and address.street and address.postcode and address.city else "no_address"


def run_again(session: Session, *, part_id: int, month: date) -> bool:
    """One merchant's invoice that was stuck is to be written again; whether it was stuck. NotFound for no part of
    that month."""
    part = session.get(CommissionPart, part_id, with_for_update=True, populate_existing=True)
    if part is None or part.month != month:
        raise NotFound()
    if part.state != "stuck":
        return False
    part.state, part.stuck_reason, part.done_at = "planned", None, None
    publish(session, "commission.due", part_id=part_id)
    return True


def months_to_run(session: Session) -> list[date]:
    """Closed months whose commission nobody has begun to invoice, or whose run was broken off, oldest first."""
    begun = set(session.scalars(select(CommissionRun.month)))
    open_again = set(session.scalars(select(CommissionPart.month).where(CommissionPart.state == "planned")))
    return sorted((set(closed_months(session)) - begun) | open_again)
