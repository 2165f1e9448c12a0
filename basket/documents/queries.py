"""What has no document yet, and how far the runs of commission invoices are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BigInteger, ColumnElement, func, or_, select, text, type_coerce
from sqlalchemy.orm import Session

from basket.documents.models import CommissionPart, CommissionRun
from marketplace.invoices.models import IssuedDocument
from marketplace.money import Money
from merchants.models import Merchant
from merchants.sellers import SellerFile, seller_by_key

#: What merchant and commission gave of a part's refunds, and what the association gave of a delivery, in cents.
UNDONE = """coalesce((SELECT sum(l.amount - l.gesture) FROM order_refund r
    JOIN refunded_line l ON l.order_refund_id = r.id WHERE r.sub_order_id = s.id), 0)"""
FEE_UNDONE = "coalesce((SELECT sum(r.delivery) FROM order_refund r WHERE r.order_id = o.id), 0)"

#: (sub-order) of goods that were handed over and stand in no document.
SALES = f"""SELECT s.id FROM sub_order s WHERE s.state = 'delivered' AND s.goods > {UNDONE}
    AND NOT EXISTS (SELECT 1 FROM issued_document d WHERE d.key = 'sale:' || s.id)"""  # noqa: S608  # our own words

#: (first sub-order that was handed over) of orders whose delivery stands in no document.
DELIVERIES = f"""SELECT min(s.id) FROM orders o JOIN sub_order s ON s.order_id = o.id AND s.state = 'delivered'
    WHERE o.mode = 'delivery' AND o.delivery_fee > {FEE_UNDONE}
    AND NOT EXISTS (SELECT 1 FROM issued_document d WHERE d.key = 'delivery:' || o.id) GROUP BY o.id"""  # noqa: S608  # our own words


#: (refund) of goods that had a receipt, and that no refund receipt tells of.
UNTOLD = """SELECT r.id FROM order_refund r JOIN issued_document d ON d.key = 'sale:' || r.sub_order_id
    AND d.kind = 'receipt' JOIN refunded_line l ON l.order_refund_id = r.id
    WHERE NOT EXISTS (SELECT 1 FROM documented_refund n WHERE n.order_refund_id = r.id AND n.part = 'goods')
    GROUP BY r.id HAVING sum(l.amount - l.gesture) > 0"""


def untold_refunds(session: Session, most: int = 500) -> list[int]:
    """Refunds of what a receipt was given for, and that stand on no paper, oldest first."""
    return list(session.scalars(text(f"{UNTOLD} ORDER BY 1 LIMIT :most"), {"most": most}))


def undocumented_sub_orders(session: Session, most: int = 500) -> list[int]:
    """Sub-orders that were handed over, and whose goods or delivery stand in no document, oldest first.

    So many as an hour's work bears; the next hour finds the others.
    """
    found = session.scalars(text(f"{SALES} UNION {DELIVERIES} ORDER BY 1 LIMIT :most"), {"most": most})  # noqa: S608  # our own words
    return list(found)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One month's run: `planned_qty` invoices are still to be written, `stuck_qty` wait for a person."""

    month: date
    started_at: datetime
    total: Money
    qty: int
    issued_qty: int
    stuck_qty: int

    @property
    def planned_qty(self) -> int:
        return self.qty - self.issued_qty - self.stuck_qty


@dataclass(frozen=True, slots=True)
class PartRow:
    """One merchant's part of a run, with its papers: (token, number) each."""

    id: int
    merchant_id: int | None
    party: str
    name: str
    amount: Money
    state: str
    stuck_reason: str | None
    papers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class PaperRow:
    token: str
    kind: str
    number: str
    total: Money


def commission_runs(session: Session) -> list[RunRow]:
    """The newest first."""

    def of_state(state: str) -> ColumnElement[int]:
        return func.count(CommissionPart.id).filter(CommissionPart.state == state)

    rows = session.execute(
        select(
            CommissionRun.month,
            CommissionRun.started_at,
            func.coalesce(func.sum(type_coerce(CommissionPart.amount, BigInteger)), 0),
            func.count(CommissionPart.id),
            of_state("issued"),
            of_state("stuck"),
        )
        .outerjoin(CommissionPart, CommissionPart.month == CommissionRun.month)
        .group_by(CommissionRun.month)
        .order_by(CommissionRun.month.desc())
    )
    return [
        RunRow(month, started_at, Money(int(cents)), qty, issued_qty, stuck_qty)
        for month, started_at, cents, qty, issued_qty, stuck_qty in rows
    ]


def commission_parts(session: Session, month: date) -> list[PartRow]:
    """By the merchants' names."""
    merchants = {
        f"merchant:{row.key}": row for row in session.execute(select(Merchant.id, Merchant.key, Merchant.legal_name))
    }
    papers: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for token, number, buyer in session.execute(
        select(IssuedDocument.token, IssuedDocument.number, IssuedDocument.buyer)
        .join(
            CommissionPart,
            or_(
                IssuedDocument.key == func.concat("commission:", CommissionPart.party, f":{month:%Y-%m}"),
                IssuedDocument.key.like(func.concat("commission:", CommissionPart.party, f":{month:%Y-%m}:%")),
            ),
        )
        .where(CommissionPart.month == month)
        .order_by(IssuedDocument.id)
    ):
        papers[buyer].append((token, number))
    parts = session.scalars(select(CommissionPart).where(CommissionPart.month == month))
    found = [
        PartRow(
            id=part.id,
            merchant_id=merchants[part.party].id if part.party in merchants else None,
            party=part.party,
            name=merchants[part.party].legal_name if part.party in merchants else part.party,
            amount=part.amount,
            state=part.state,
            stuck_reason=part.stuck_reason,
            papers=tuple(papers[part.party]),
        )
        for part in parts
    ]
    return sorted(found, key=lambda row: (row.name, row.party))


def get_commission_part(session: Session, part_id: int) -> tuple[date, SellerFile, Sequence[PaperRow]]:
    """(month, merchant, papers) of a part whose invoice was written: what its letter tells."""
    part = session.get_one(CommissionPart, part_id)
    key = f"commission:{part.party}:{part.month:%Y-%m}"
    papers = session.execute(
        select(IssuedDocument.token, IssuedDocument.kind, IssuedDocument.number, IssuedDocument.total)
        .where(or_(IssuedDocument.key == key, IssuedDocument.key.startswith(f"{key}:", autoescape=True)))
        .order_by(IssuedDocument.id)
    )
    seller = seller_by_key(session, part.party.removeprefix("merchant:"))
    return part.month, seller, [PaperRow(*row) for row in papers]
