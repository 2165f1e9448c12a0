"""The sandbox's own book: what every organisation has at the provider, line by line, never changed (mollie.md 5.2).

Money that cannot be used yet is held: of the marketplace what no route has claimed within the 90 days, of a merchant
a share whose release date has not come. Mollie calls what is held pending, the rest available.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from marketplace.payments.sandbox.book import new_id, stamp

#: What takes a line back once the refund did not arrive, or the dispute was won.
RETURNS = {
    "refund": "returned-refund",
    "refund-compensation": "returned-refund-compensation",
    "platform-payment-refund": "returned-platform-payment-refund",
    "chargeback": "chargeback-reversal",
    "chargeback-compensation": "reversed-chargeback-compensation",
    "platform-payment-chargeback": "reversed-platform-payment-chargeback",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """What a line is about; the ids that it names in its context."""

    payment_id: str | None = None
    refund_id: str | None = None
    chargeback_id: str | None = None
    settlement_id: str | None = None
    transfer_id: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What an organisation has in one currency, in cents."""

    total_cents: int
    held_cents: int

    @property
    def available_cents(self) -> int:
        return self.total_cents - self.held_cents


def standing_of(db: sqlite3.Connection, organization_id: str, currency: str) -> Standing:
    row = db.execute(
        "SELECT coalesce(sum(amount_cents), 0), coalesce(sum(held_cents), 0) FROM balance_transactions"
        " WHERE organization_id = ? AND currency = ?",
        (organization_id, currency),
    ).fetchone()
    return Standing(row[0], row[1])


def received_by(db: sqlite3.Connection, payment_id: str, owner_id: str) -> dict[str, int]:
    """Organisation → cents of the payment that it has got and not given back; the payment's owner is left out."""
    rows = db.execute(
        "SELECT organization_id, sum(amount_cents) AS cents FROM balance_transactions"
        " WHERE payment_id = ? AND organization_id <> ? GROUP BY organization_id ORDER BY organization_id",
        (payment_id, owner_id),
    )
    return {row["organization_id"]: row["cents"] for row in rows if row["cents"]}


def write(
    db: sqlite3.Connection,
    organization_id: str,
    currency: str,
    kind: str,
    cents: int,
    at: datetime,
    cause: Cause,
) -> None:
    """One line. While something of the payment is held, what comes in is held too, and what goes out is taken there."""
    held_cents = 0
    if cause.payment_id is not None and _is_held(db, organization_id, cause.payment_id):
        held_cents = max(cents, -max(_held_of(db, organization_id, cause.payment_id), 0))
    _insert(db, organization_id, currency, kind, cents, held_cents, at, cause)


def deduct(db: sqlite3.Connection, chargeback_id: str, cents: int) -> None:
    """So much of the chargeback's line, which was just written, is the provider's fee."""
    db.execute(
        "INSERT INTO deductions SELECT id, ? FROM balance_transactions WHERE chargeback_id = ? AND type = 'chargeback'",
        (cents, chargeback_id),
    )


def give_back(db: sqlite3.Connection, at: datetime, *, refund_id: str = "", chargeback_id: str = "") -> None:
    """Every line of the refund or of the chargeback is undone by one of its own, where it was written before.

    What was deducted from it stays with the provider.
    """
    rows = db.execute(
        "SELECT t.*, coalesce(d.amount_cents, 0) AS deducted_cents FROM balance_transactions t"
        " LEFT JOIN deductions d ON d.transaction_id = t.id"
        " WHERE (t.refund_id = ? OR t.chargeback_id = ?) ORDER BY t.position",
        (refund_id, chargeback_id),
    ).fetchall()
    for row in rows:
        still_held = _is_held(db, row["organization_id"], row["payment_id"])
        _insert(
            db,
            row["organization_id"],
            row["currency"],
            RETURNS[row["type"]],
            -row["amount_cents"] - row["deducted_cents"],
            _held_again(row) if still_held else 0,
            at,
            Cause(row["payment_id"], row["refund_id"], row["chargeback_id"]),
        )


def hold(db: sqlite3.Connection, organization_id: str, payment_id: str, until_at: datetime) -> None:
    """What the organisation gets of the payment from now on is held until then."""
    db.execute(
        "INSERT INTO holds (organization_id, payment_id, until_at) VALUES (?, ?, ?)",
        (organization_id, payment_id, stamp(until_at)),
    )


def release_due(db: sqlite3.Connection, now: datetime) -> None:
    """Whatever was held long enough is available: swept to the marketplace, released to the merchant."""
    rows = db.execute(
        "SELECT h.*, p.currency FROM holds h JOIN payments p ON p.id = h.payment_id"
        " WHERE h.ended_at IS NULL AND h.until_at <= ? ORDER BY h.until_at",
        (stamp(now),),
    ).fetchall()
    for row in rows:
        organization_id, payment_id = row["organization_id"], row["payment_id"]
        rest_cents = _held_of(db, organization_id, payment_id)
        at, cause = datetime.fromisoformat(row["until_at"]), Cause(payment_id)
        if rest_cents:
            _insert(db, organization_id, row["currency"], "movement", -rest_cents, -rest_cents, at, cause)
            _insert(db, organization_id, row["currency"], "movement", rest_cents, 0, at, cause)
        db.execute(
            "UPDATE holds SET ended_at = ? WHERE organization_id = ? AND payment_id = ?",
            (stamp(now), organization_id, payment_id),
        )


def _insert(
    db: sqlite3.Connection,
    organization_id: str,
    currency: str,
    kind: str,
    cents: int,
    held_cents: int,
    at: datetime,
    cause: Cause,
) -> None:
    db.execute(
        "INSERT INTO balance_transactions (id, organization_id, currency, type, amount_cents, held_cents,"
        " payment_id, refund_id, chargeback_id, settlement_id, transfer_id, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(new_id("baltr_"), organization_id, currency, kind, cents, held_cents),
            *(cause.payment_id, cause.refund_id, cause.chargeback_id, cause.settlement_id, cause.transfer_id),
            stamp(at),
        ),
    )


def _is_held(db: sqlite3.Connection, organization_id: str, payment_id: str) -> bool:
    row = db.execute(
        "SELECT 1 FROM holds WHERE organization_id = ? AND payment_id = ? AND ended_at IS NULL",
        (organization_id, payment_id),
    ).fetchone()
    return row is not None


def _held_again(row: sqlite3.Row) -> int:
    """What a line that is undone gives back of what is held; the provider's fee of it is gone for good."""
    back_cents, deducted_cents = -row["held_cents"], row["deducted_cents"]
    return max(back_cents - deducted_cents, 0) if deducted_cents else back_cents


def _held_of(db: sqlite3.Connection, organization_id: str, payment_id: str) -> int:
    (cents,) = db.execute(
        "SELECT coalesce(sum(held_cents), 0) FROM balance_transactions WHERE payment_id = ? AND organization_id = ?",
        (payment_id, organization_id),
    ).fetchone()
    held_cents: int = cents
    return held_cents
