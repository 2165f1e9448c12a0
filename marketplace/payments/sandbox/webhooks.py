"""The queue of call-backs, kept in the book so that none is forgotten by a crash (mollie.md 2.4)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.payments.sandbox.book import now_in, stamp

#: When each of the ten calls is due after the first; afterwards Mollie gives up.
SCHEDULE = (
    *(timedelta(minutes=m) for m in (0, 1, 3, 7, 15, 31)),
    *(timedelta(hours=h) for h in (1, 2, 4, 26)),
)


@dataclass(frozen=True, slots=True)
class Webhook:
    position: int
    payment_id: str
    url: str


def enqueue(db: sqlite3.Connection, payment_id: str, cause: str) -> None:
    """The payment's webhook, if it has one, is called as soon as the transaction is over.

    Refunds and chargebacks are told by their payment's id too.
    """
    row = db.execute(
        "SELECT json_extract(request, '$.webhookUrl') AS url FROM payments WHERE id = ?", (payment_id,)
    ).fetchone()
    if row["url"] is not None:
        now = stamp(now_in(db))
        db.execute(
            "INSERT INTO webhooks (payment_id, url, cause, first_at, next_at) VALUES (?, ?, ?, ?, ?)",
            (payment_id, row["url"], cause, now, now),
        )


def due(db: sqlite3.Connection, now: datetime) -> list[Webhook]:
    """The call-backs to make now, those waiting longest first."""
    rows = db.execute(
        "SELECT position, payment_id, url FROM webhooks WHERE next_at <= ? ORDER BY next_at, position",
        (stamp(now),),
    )
    return [Webhook(row["position"], row["payment_id"], row["url"]) for row in rows]


def record(db: sqlite3.Connection, webhook: Webhook, answer: str, time_factor: float) -> None:
    """One call was made and brought `answer`, "200" or else; only "200" ends the calls."""
    row = db.execute("SELECT first_at, tries_qty FROM webhooks WHERE position = ?", (webhook.position,)).fetchone()
    tries_qty = row["tries_qty"] + 1
    delivered = answer == "200"
    next_at = None
    if not delivered and tries_qty < len(SCHEDULE):
        next_at = stamp(datetime.fromisoformat(row["first_at"]) + SCHEDULE[tries_qty] / time_factor)
    db.execute(
        "UPDATE webhooks SET tries_qty = ?, last_answer = ?, delivered = ?, next_at = ? WHERE position = ?",
        (tries_qty, answer, delivered, next_at, webhook.position),
    )
