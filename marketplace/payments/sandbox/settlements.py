"""Settlements: what the provider paid out to an organisation's bank, and what it would pay out next (mollie.md 5.2).

Nothing is paid out by itself: a control does it, so that a balance only moves when a test wants it to.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from marketplace.payments.sandbox import balances, transactions
from marketplace.payments.sandbox.book import new_id, now_in, stamp
from marketplace.payments.sandbox.refusals import no_such, unprocessable


@dataclass(frozen=True, slots=True)
class Settlement:
    """`lines` made the amount: those after the former settlement. `settled_at` is None until it is paid out."""

    id: str
    reference: str | None
    status: str
    currency: str
    amount_cents: int
    balance_id: str
    settled_at: datetime | None
    lines: tuple[balances.Transaction, ...]


def pay_out(db: sqlite3.Connection, organization_id: str) -> str:
    """All that the organisation's primary balance has available went to its bank; the settlement's id.

    422 when nothing is available.
    """
    balance = balances.get(db, organization_id, "primary")
    cents = balance.standing.available_cents
    if cents <= 0:
        raise unprocessable("amount", "There is nothing to pay out.")
    now = now_in(db)
    settlement_id = new_id("stl_")
    (number,) = db.execute(
        "SELECT count(*) + 1 FROM settlements WHERE organization_id = ?", (organization_id,)
    ).fetchone()
    customer = organization_id.removeprefix("org_")
    db.execute(
        "INSERT INTO settlements (id, reference, organization_id, currency, amount_cents, settled_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            *(settlement_id, f"{customer}.{now:%y%m}.{number:02d}", organization_id, balance.currency),
            *(cents, stamp(now)),
        ),
    )
    cause = transactions.Cause(settlement_id=settlement_id, transfer_id=new_id("trf_"))
    transactions.write(db, organization_id, balance.currency, "outgoing-transfer", -cents, now, cause)
    return settlement_id


def of_organization(db: sqlite3.Connection, organization_id: str) -> list[Settlement]:
    """What was paid out, newest first."""
    lines = _lines_by_settlement(db, organization_id)
    rows = db.execute(
        "SELECT * FROM settlements WHERE organization_id = ? ORDER BY position DESC", (organization_id,)
    ).fetchall()
    return [
        Settlement(
            id=row["id"],
            reference=row["reference"],
            status="paidout",
            currency=row["currency"],
            amount_cents=row["amount_cents"],
            balance_id=balances.id_of(organization_id, row["currency"]),
            settled_at=datetime.fromisoformat(row["settled_at"]),
            lines=tuple(lines.get(row["id"], ())),
        )
        for row in rows
    ]


def get(db: sqlite3.Connection, organization_id: str, name: str) -> Settlement:
    """A settlement by its id or its bank reference; "next" is what could be paid out, "open" all that is there."""
    if name in ("open", "next"):
        balance = balances.get(db, organization_id, "primary")
        standing = balance.standing
        return Settlement(
            id=name,
            reference=None,
            status="open" if name == "open" else "pending",
            currency=balance.currency,
            amount_cents=standing.total_cents if name == "open" else standing.available_cents,
            balance_id=balance.id,
            settled_at=None,
            lines=tuple(_lines_by_settlement(db, organization_id).get("", ())),
        )
    for settlement in of_organization(db, organization_id):
        if name in (settlement.id, settlement.reference):
            return settlement
    raise no_such("settlement", name)


def _lines_by_settlement(db: sqlite3.Connection, organization_id: str) -> dict[str, list[balances.Transaction]]:
    """The primary balance's lines, oldest first, under the settlement that came after them; "" for none yet."""
    balance = balances.get(db, organization_id, "primary")
    found: dict[str, list[balances.Transaction]] = {}
    waiting: list[balances.Transaction] = []
    for line in reversed(balances.page(db, balance, from_id=None, limit=-1)):
        if line.settlement_id is not None:
            found[line.settlement_id], waiting = waiting, []
        else:
            waiting.append(line)
    found[""] = waiting
    return found
