"""Balance transfers: money that an organisation owns, moved to another that agreed (mollie.md 2.1).

They are for fees owed, adjustments and penalties. Nobody's held money can be moved: what residents paid for others
goes by routes only.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marketplace.payments.sandbox import bodies, transactions
from marketplace.payments.sandbox.book import new_id, now_in, stamp
from marketplace.payments.sandbox.refusals import no_such, unprocessable

CATEGORIES = frozenset(
    {
        *("invoice_collection", "purchase", "chargeback", "refund", "service_penalty"),
        *("discount_compensation", "manual_correction", "other_fee"),
    }
)
#: What an organisation must have consented to before its balance is touched.
CONSENT = "balance-transfers.write"
SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class Transfer:
    """`request` is what is kept of the caller's words; `reason` says why it failed, or SUCCESS."""

    id: str
    source_id: str
    destination_id: str
    currency: str
    amount_cents: int
    request: dict[str, Any]
    reason: str
    created_at: datetime


def create(db: sqlite3.Connection, initiator_id: str, body: bodies.Body) -> Transfer:
    """The transfer, done or failed at once: for want of consent, or of money that is available.

    422 for what cannot be understood, and for organisations that are not connected.
    """
    currency, cents = bodies.read_amount(body.get("amount"))
    bodies.read_description(body, required=True)
    bodies.check_metadata(body)
    if body.get("category") is not None and body["category"] not in CATEGORIES:
        raise unprocessable("category", f"One of: {', '.join(sorted(CATEGORIES))}.")
    source_id = _read_party(db, body, "source", initiator_id)
    destination_id = _read_party(db, body, "destination", initiator_id)
    if source_id == destination_id:
        raise unprocessable("destination.id", "The money is there already.")
    reason = _outcome(db, initiator_id, source_id, destination_id, currency, cents)
    now = now_in(db)
    transfer_id = new_id("cbtr_")
    kept = {
        name: body[name] for name in ("description", "source", "destination", "category", "metadata") if name in body
    }
    db.execute(
        "INSERT INTO balance_transfers (id, initiator_id, source_id, destination_id, currency, amount_cents, request,"
        " reason, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(transfer_id, initiator_id, source_id, destination_id, currency, cents),
            *(json.dumps(kept), reason, stamp(now)),
        ),
    )
    if reason == SUCCESS:
        cause = transactions.Cause(transfer_id=transfer_id)
        transactions.write(db, source_id, currency, "outgoing-custom-amount-transfer", -cents, now, cause)
        transactions.write(db, destination_id, currency, "incoming-transfer", cents, now, cause)
    return get(db, initiator_id, transfer_id)


def of_organization(db: sqlite3.Connection, initiator_id: str) -> list[Transfer]:
    """The transfers that the organisation asked for, newest first."""
    rows = db.execute("SELECT * FROM balance_transfers WHERE initiator_id = ? ORDER BY position DESC", (initiator_id,))
    return [
        Transfer(
            id=row["id"],
            source_id=row["source_id"],
            destination_id=row["destination_id"],
            currency=row["currency"],
            amount_cents=row["amount_cents"],
            request=json.loads(row["request"]),
            reason=row["reason"],
            created_at=datetime.fromisoformat(row["created_at"]),
        )
        for row in rows
    ]


def get(db: sqlite3.Connection, initiator_id: str, transfer_id: str) -> Transfer:
    for transfer in of_organization(db, initiator_id):
        if transfer.id == transfer_id:
            return transfer
    raise no_such("balance transfer", transfer_id)


def _read_party(db: sqlite3.Connection, body: bodies.Body, field: str, initiator_id: str) -> str:
    party = body.get(field)
    if not isinstance(party, dict) or party.get("type") != "organization":
        raise unprocessable(field, "A party is an organisation.")
    if not isinstance(party.get("description"), str) or not party["description"].strip():
        raise unprocessable(f"{field}.description", "The description is missing.")
    party_id = party.get("id")
    known = db.execute("SELECT 1 FROM organizations WHERE id = ?", (party_id,)) if isinstance(party_id, str) else None
    if not isinstance(party_id, str) or (party_id != initiator_id and (known is None or known.fetchone() is None)):
        raise unprocessable(f"{field}.id", "This organisation is not connected.")
    return party_id


def _outcome(
    db: sqlite3.Connection, initiator_id: str, source_id: str, destination_id: str, currency: str, cents: int
) -> str:
    for party_id, reason in ((source_id, "source_not_allowed"), (destination_id, "destination_not_allowed")):
        if party_id != initiator_id and not _has_consented(db, party_id):
            return reason
    if transactions.standing_of(db, source_id, currency).available_cents < cents:
        return "insufficient_funds"
    return SUCCESS


def _has_consented(db: sqlite3.Connection, organization_id: str) -> bool:
    rows = db.execute(
        "SELECT scope FROM oauth_grants WHERE organization_id = ? AND revoked_at IS NULL", (organization_id,)
    )
    return any(CONSENT in row["scope"].split() for row in rows)
