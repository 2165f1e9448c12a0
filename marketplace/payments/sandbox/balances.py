"""Balances: what an organisation has in each currency, and the lines that made it (mollie.md 5.2)."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from marketplace.payments.sandbox import methods, transactions
from marketplace.payments.sandbox.book import stamp
from marketplace.payments.sandbox.refusals import no_such

#: Everybody has this balance, also before the first payment; it is the primary one.
PRIMARY_CURRENCY = "EUR"


@dataclass(frozen=True, slots=True)
class Balance:
    id: str
    organization_id: str
    currency: str
    standing: transactions.Standing


@dataclass(frozen=True, slots=True)
class Transaction:
    """One line of a balance, with the words that its context repeats; `held_cents` is the part that is pending.

    `deducted_cents` is what the provider kept of it: so much more was moved than `amount_cents`.
    """

    id: str
    kind: str
    currency: str
    amount_cents: int
    held_cents: int
    deducted_cents: int
    method: str
    payment_id: str | None
    payment_description: str | None
    payment_owner_id: str | None
    refund_id: str | None
    refund_description: str | None
    chargeback_id: str | None
    settlement_id: str | None
    transfer_id: str | None
    created_at: datetime


def of_organization(db: sqlite3.Connection, organization_id: str) -> list[Balance]:
    """The organisation's balances, the primary one first."""
    rows = db.execute(
        "SELECT DISTINCT currency FROM balance_transactions WHERE organization_id = ? ORDER BY currency",
        (organization_id,),
    )
    others = [row["currency"] for row in rows if row["currency"] != PRIMARY_CURRENCY]
    return [_balance(db, organization_id, currency) for currency in (PRIMARY_CURRENCY, *others)]


def get(db: sqlite3.Connection, organization_id: str, balance_id: str) -> Balance:
    """One of the organisation's balances, by its id or as "primary"; 404 for any other."""
    for balance in of_organization(db, organization_id):
        if balance_id == balance.id or (balance_id == "primary" and balance.currency == PRIMARY_CURRENCY):
            return balance
    raise no_such("balance", balance_id)


def id_of(organization_id: str, currency: str) -> str:
    """The same for ever."""
    return f"bal_{hashlib.sha256(f'{organization_id} {currency}'.encode()).hexdigest()[:22]}"


def page(db: sqlite3.Connection, balance: Balance, *, from_id: str | None, limit: int) -> list[Transaction]:
    """At most `limit` of the balance's lines, newest first, from `from_id` on; 404 when that is not one of them."""
    position = None
    if from_id is not None:
        row = db.execute(
            "SELECT position FROM balance_transactions WHERE id = ? AND organization_id = ? AND currency = ?",
            (from_id, balance.organization_id, balance.currency),
        ).fetchone()
        if row is None:
            raise no_such("balance transaction", from_id)
        position = row["position"]
    return _read(db, balance, position, None, limit)


def before(db: sqlite3.Connection, balance: Balance, at: datetime) -> list[Transaction]:
    """Every line of the balance that is older than `at`, newest first."""
    return _read(db, balance, None, stamp(at), -1)


def _balance(db: sqlite3.Connection, organization_id: str, currency: str) -> Balance:
    standing = transactions.standing_of(db, organization_id, currency)
    return Balance(id_of(organization_id, currency), organization_id, currency, standing)


def _read(
    db: sqlite3.Connection, balance: Balance, position: int | None, before: str | None, limit: int
) -> list[Transaction]:
    rows = db.execute(
        "SELECT t.*, p.request AS payment_request,"
        " p.amount_cents AS paid_cents, f.organization_id AS owner_id, r.description AS refund_description,"
        " coalesce(d.amount_cents, 0) AS deducted_cents"
        " FROM balance_transactions t"
        " LEFT JOIN payments p ON p.id = t.payment_id LEFT JOIN profiles f ON f.id = p.profile_id"
        " LEFT JOIN refunds r ON r.id = t.refund_id LEFT JOIN deductions d ON d.transaction_id = t.id"
        " WHERE t.organization_id = :organization_id AND t.currency = :currency"
        " AND (:position IS NULL OR t.position <= :position) AND (:before IS NULL OR t.created_at < :before)"
        " ORDER BY t.position DESC LIMIT :limit",
        {
            "organization_id": balance.organization_id,
            "currency": balance.currency,
            "position": position,
            "before": before,
            "limit": limit,
        },
    )
    return [_transaction(row) for row in rows]


def _transaction(row: sqlite3.Row) -> Transaction:
    request = json.loads(row["payment_request"]) if row["payment_request"] else {}
    method = methods.used_for(request["method"], row["currency"], row["paid_cents"]) if request else ""
    return Transaction(
        id=row["id"],
        kind=row["type"],
        currency=row["currency"],
        amount_cents=row["amount_cents"],
        held_cents=row["held_cents"],
        deducted_cents=row["deducted_cents"],
        method=method,
        payment_id=row["payment_id"],
        payment_description=request.get("description"),
        payment_owner_id=row["owner_id"],
        refund_id=row["refund_id"],
        refund_description=row["refund_description"],
        chargeback_id=row["chargeback_id"],
        settlement_id=row["settlement_id"],
        transfer_id=row["transfer_id"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )
