"""Refunds, with what they take back from the organisations, and chargebacks (mollie.md 2.2)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marketplace.payments.sandbox import bodies, payments, postings, transactions, webhooks
from marketplace.payments.sandbox.book import new_id, now_in, stamp
from marketplace.payments.sandbox.refusals import ApiRefusal, no_such, unprocessable

#: A second refund of the same amount within the hour is taken for a repetition.
DUPLICATE_WINDOW = timedelta(hours=1)
#: Assumed: two hours until a refund leaves for the bank, a day until it is there; both over the time factor.
STAYS_PENDING = timedelta(hours=2)
STAYS_PROCESSING = timedelta(hours=22)


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund as the book has it; `reversals` are (organisation, cents)."""

    id: str
    payment_id: str
    currency: str
    amount_cents: int
    description: str
    metadata: Any
    status: str
    created_at: datetime
    reversals: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Chargeback:
    id: str
    payment_id: str
    currency: str
    amount_cents: int
    created_at: datetime
    reversed_at: datetime | None


def create(db: sqlite3.Connection, payment: payments.Payment, body: bodies.Body, time_factor: float) -> Refund:
    """A refund of `payment`; queued while the platform's balance does not bear it.

    422 when it is more than what remains of the payment, or reverses more than an organisation got;
    409 for the same amount twice within the hour.
    """
    if payment.status != "paid":
        raise unprocessable("paymentId", "Only a paid payment can be refunded.")
    _, amount_cents = bodies.read_amount(body.get("amount"), currency=payment.currency)
    description = bodies.read_description(body, required=False)
    bodies.check_metadata(body)
    standing = payments.standing_of(db, payment)
    now = now_in(db)
    if amount_cents > standing.remaining_cents:
        raise unprocessable("amount", f"Only {standing.remaining_cents} cents of the payment remain.")
    twin = db.execute(
        "SELECT 1 FROM refunds WHERE payment_id = ? AND amount_cents = ? AND created_at > ?"
        " AND status NOT IN ('failed', 'canceled')",
        (payment.id, amount_cents, stamp(now - DUPLICATE_WINDOW)),
    ).fetchone()
    if twin:
        raise ApiRefusal(409, "A refund of the same amount was made a moment ago.")
    reversals = _read_reversals(db, payment, body, amount_cents)
    from_platform_cents = amount_cents - sum(reversals.values())
    is_covered = platform_balance_cents(db, payment.profile_id, payment.currency) >= from_platform_cents
    refund_id = new_id("re_")
    db.execute(
        "INSERT INTO refunds (id, payment_id, amount_cents, description, metadata, status, created_at, moves_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(refund_id, payment.id, amount_cents, description, json.dumps(body.get("metadata"))),
            *("pending" if is_covered else "queued", stamp(now)),
            stamp(now + STAYS_PENDING / time_factor) if is_covered else None,
        ),
    )
    db.executemany(
        "INSERT INTO reversals (refund_id, organization_id, amount_cents) VALUES (?, ?, ?)",
        [(refund_id, organization_id, cents) for organization_id, cents in reversals.items()],
    )
    if is_covered:
        postings.refund_taken(db, refund_id, now)
    return get(db, payment, refund_id)


def cancel(db: sqlite3.Connection, payment: payments.Payment, refund_id: str) -> None:
    """A queued or pending refund is canceled; 422 once it is on its way. No webhook."""
    get(db, payment, refund_id)
    canceled = db.execute(
        "UPDATE refunds SET status = 'canceled', moves_at = NULL WHERE id = ? AND status IN ('queued', 'pending')",
        (refund_id,),
    )
    if not canceled.rowcount:
        raise unprocessable("id", "The refund cannot be canceled any more.")
    postings.refund_returned(db, refund_id, now_in(db))


def fail(db: sqlite3.Connection, refund_id: str) -> bool:
    """The bank sent the money back; whether the refund was on its way at all."""
    failed = db.execute(
        "UPDATE refunds SET status = 'failed', moves_at = NULL"
        " WHERE id = ? AND status IN ('queued', 'pending', 'processing', 'refunded')",
        (refund_id,),
    )
    if failed.rowcount:
        postings.refund_returned(db, refund_id, now_in(db))
        (payment_id,) = db.execute("SELECT payment_id FROM refunds WHERE id = ?", (refund_id,)).fetchone()
        webhooks.enqueue(db, payment_id, "refund failed")
    return bool(failed.rowcount)


def move_due(db: sqlite3.Connection, now: datetime, time_factor: float) -> None:
    """Every refund is as far as `now` lets it be: queued, pending, processing, refunded."""
    for row in db.execute(
        "SELECT r.id, r.amount_cents, p.profile_id, p.currency,"
        " (SELECT coalesce(sum(v.amount_cents), 0) FROM reversals v WHERE v.refund_id = r.id) AS reversed_cents"
        " FROM refunds r JOIN payments p ON p.id = r.payment_id WHERE r.status = 'queued' ORDER BY r.position"
    ).fetchall():
        needed_cents = row["amount_cents"] - row["reversed_cents"]
        if platform_balance_cents(db, row["profile_id"], row["currency"]) >= needed_cents:
            db.execute(
                "UPDATE refunds SET status = 'pending', moves_at = ? WHERE id = ?",
                (stamp(now + STAYS_PENDING / time_factor), row["id"]),
            )
            postings.refund_taken(db, row["id"], now)
    _move(db, now, "pending", "processing", STAYS_PROCESSING / time_factor)
    _move(db, now, "processing", "refunded", None)


def _move(db: sqlite3.Connection, now: datetime, old: str, new: str, stay: timedelta | None) -> None:
    due = db.execute(
        "SELECT id, payment_id, moves_at FROM refunds WHERE status = ? AND moves_at <= ?", (old, stamp(now))
    )
    for row in due.fetchall():
        moves_at = stamp(datetime.fromisoformat(row["moves_at"]) + stay) if stay is not None else None
        db.execute("UPDATE refunds SET status = ?, moves_at = ? WHERE id = ?", (new, moves_at, row["id"]))
        webhooks.enqueue(db, row["payment_id"], f"refund {new}")


def of_payment(db: sqlite3.Connection, payment: payments.Payment) -> list[Refund]:
    """The payment's refunds, newest first."""
    rows = db.execute(
        "SELECT r.*, p.currency FROM refunds r JOIN payments p ON p.id = r.payment_id"
        " WHERE r.payment_id = ? ORDER BY r.position DESC",
        (payment.id,),
    )
    return [_read(db, row) for row in rows.fetchall()]


def of_profiles(db: sqlite3.Connection, profiles: Collection[str]) -> list[Refund]:
    """The profiles' refunds, newest first."""
    rows = db.execute(
        "SELECT r.*, p.currency FROM refunds r JOIN payments p ON p.id = r.payment_id"
        " WHERE p.profile_id IN (SELECT value FROM json_each(?)) ORDER BY r.position DESC",
        (json.dumps(sorted(profiles)),),
    )
    return [_read(db, row) for row in rows.fetchall()]


def get(db: sqlite3.Connection, payment: payments.Payment, refund_id: str) -> Refund:
    for refund in of_payment(db, payment):
        if refund.id == refund_id:
            return refund
    raise no_such("refund", refund_id)


def _read(db: sqlite3.Connection, row: sqlite3.Row) -> Refund:
    reversals = db.execute(
        "SELECT organization_id, amount_cents FROM reversals WHERE refund_id = ? ORDER BY rowid", (row["id"],)
    )
    return Refund(
        id=row["id"],
        payment_id=row["payment_id"],
        currency=row["currency"],
        amount_cents=row["amount_cents"],
        description=row["description"],
        metadata=json.loads(row["metadata"]),
        status=row["status"],
        created_at=datetime.fromisoformat(row["created_at"]),
        reversals=tuple((r["organization_id"], r["amount_cents"]) for r in reversals),
    )


def charge_back(db: sqlite3.Connection, payment: payments.Payment, amount_cents: int) -> str:
    """The payer's bank took `amount_cents` back; the chargeback's id. 422 beyond what remains of the payment."""
    if payment.status != "paid" or not 0 < amount_cents <= payments.standing_of(db, payment).remaining_cents:
        raise unprocessable("amount", "A chargeback takes back what remains of a paid payment, at most.")
    chargeback_id = new_id("chb_")
    db.execute(
        "INSERT INTO chargebacks (id, payment_id, amount_cents, created_at) VALUES (?, ?, ?, ?)",
        (chargeback_id, payment.id, amount_cents, stamp(now_in(db))),
    )
    postings.charged_back(db, chargeback_id, now_in(db))
    webhooks.enqueue(db, payment.id, "chargeback received")
    return chargeback_id


def reverse_chargeback(db: sqlite3.Connection, chargeback_id: str) -> bool:
    """The dispute is won and the money back; whether it was open."""
    done = db.execute(
        "UPDATE chargebacks SET reversed_at = ? WHERE id = ? AND reversed_at IS NULL",
        (stamp(now_in(db)), chargeback_id),
    )
    if done.rowcount:
        postings.chargeback_reversed(db, chargeback_id, now_in(db))
        (payment_id,) = db.execute("SELECT payment_id FROM chargebacks WHERE id = ?", (chargeback_id,)).fetchone()
        webhooks.enqueue(db, payment_id, "chargeback reversed")
    return bool(done.rowcount)


def chargebacks_of_profiles(db: sqlite3.Connection, profiles: Collection[str]) -> list[Chargeback]:
    """The profiles' chargebacks, newest first."""
    rows = db.execute(
        "SELECT c.*, p.currency FROM chargebacks c JOIN payments p ON p.id = c.payment_id"
        " WHERE p.profile_id IN (SELECT value FROM json_each(?)) ORDER BY c.position DESC",
        (json.dumps(sorted(profiles)),),
    )
    return [
        Chargeback(
            id=row["id"],
            payment_id=row["payment_id"],
            currency=row["currency"],
            amount_cents=row["amount_cents"],
            created_at=datetime.fromisoformat(row["created_at"]),
            reversed_at=datetime.fromisoformat(row["reversed_at"]) if row["reversed_at"] else None,
        )
        for row in rows
    ]


def chargebacks_of(db: sqlite3.Connection, payment: payments.Payment) -> list[Chargeback]:
    """The payment's chargebacks, newest first."""
    return [c for c in chargebacks_of_profiles(db, (payment.profile_id,)) if c.payment_id == payment.id]


def platform_balance_cents(db: sqlite3.Connection, profile_id: str, currency: str) -> int:
    """What the profile's organisation has, held or not; queued refunds have not been taken yet."""
    row = db.execute("SELECT organization_id FROM profiles WHERE id = ?", (profile_id,)).fetchone()
    return transactions.standing_of(db, row["organization_id"], currency).total_cents


def received_by(db: sqlite3.Connection, payment: payments.Payment) -> dict[str, int]:
    """Organisation → cents of `payment` that it has got and has not given back, nor will give to a queued refund."""
    received = transactions.received_by(db, payment.id, postings.owner_of(db, payment.id))
    for row in db.execute(
        "SELECT v.organization_id, v.amount_cents FROM reversals v JOIN refunds r ON r.id = v.refund_id"
        " WHERE r.payment_id = ? AND r.status = 'queued'",
        (payment.id,),
    ):
        received[row["organization_id"]] = received.get(row["organization_id"], 0) - row["amount_cents"]
    return {organization_id: cents for organization_id, cents in received.items() if cents > 0}


def _read_reversals(
    db: sqlite3.Connection, payment: payments.Payment, body: bodies.Body, amount_cents: int
) -> dict[str, int]:
    received = received_by(db, payment)
    if body.get("reverseRouting"):
        if amount_cents != payment.amount_cents or body.get("routingReversals"):
            raise unprocessable("reverseRouting", "The whole routing is reversed by a full refund only.")
        return received
    wanted = body.get("routingReversals") or []
    if not isinstance(wanted, list):
        raise unprocessable("routingReversals", "The reversals must be a list.")
    reversals: dict[str, int] = {}
    for i, item in enumerate(wanted):
        field = f"routingReversals.{i}"
        source = item.get("source") if isinstance(item, dict) else None
        if not isinstance(source, dict) or source.get("type") != "organization":
            raise unprocessable(f"{field}.source", "A reversal comes from an organisation.")
        organization_id = source.get("organizationId")
        if not isinstance(organization_id, str) or organization_id in reversals:
            raise unprocessable(f"{field}.source.organizationId", "Name each organisation once.")
        _, cents = bodies.read_amount(item.get("amount"), f"{field}.amount", payment.currency)
        if cents > received.get(organization_id, 0):
            raise unprocessable(f"{field}.amount", "The organisation has not received that much.")
        reversals[organization_id] = cents
    if sum(reversals.values()) > amount_cents:
        raise unprocessable("routingReversals", "The reversals come to more than the refund.")
    return reversals
