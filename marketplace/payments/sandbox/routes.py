"""Delayed routing: shares of a paid payment handed to connected organisations (mollie.md 2.1)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from marketplace.payments.sandbox import bodies, organizations, payments, postings, upfront
from marketplace.payments.sandbox.book import new_id, now_in, stamp
from marketplace.payments.sandbox.refusals import no_such, unprocessable


@dataclass(frozen=True, slots=True)
class Route:
    id: str
    payment_id: str
    organization_id: str
    amount_cents: int
    description: str
    created_at: datetime


def create(db: sqlite3.Connection, payment: payments.Payment, body: bodies.Body) -> Route:
    """A share of `payment` routed; it cannot be taken back but by a refund's reversal.

    422 unless the payment is paid and younger than 90 days, the organisation is connected and may receive
    payments, and the share fits in what is neither routed nor refunded nor disputed nor the provider's fee.
    """
    now = now_in(db)
    if payment.status != "paid" or payment.ended_at is None:
        raise unprocessable("paymentId", "Only a paid payment can be routed.")
    if now - payment.ended_at > postings.ROUTING_TERM:
        raise unprocessable("paymentId", "The payment was paid over 90 days ago.")
    if upfront.of_payment(db, payment.id):
        raise unprocessable("paymentId", "The payment was routed when it was created.")
    _, amount_cents = bodies.read_amount(body.get("amount"), currency=payment.currency)
    organization_id = organizations.read_destination(db, body.get("destination"), "destination")
    description = bodies.read_description(body, required=False)
    routable_cents = payments.standing_of(db, payment).routable_cents
    if amount_cents > routable_cents:
        raise unprocessable("amount", f"Only {max(routable_cents, 0)} cents of the payment can still be routed.")
    route_id = new_id("crt_")
    db.execute(
        "INSERT INTO routes (id, payment_id, organization_id, amount_cents, description, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (route_id, payment.id, organization_id, amount_cents, description, stamp(now)),
    )
    postings.routed(db, payment.id, organization_id, amount_cents, now)
    return get(db, payment, route_id)


def of_payment(db: sqlite3.Connection, payment: payments.Payment) -> list[Route]:
    """The payment's routes, oldest first."""
    rows = db.execute("SELECT * FROM routes WHERE payment_id = ? ORDER BY position", (payment.id,))
    return [_read(row) for row in rows]


def get(db: sqlite3.Connection, payment: payments.Payment, route_id: str) -> Route:
    row = db.execute("SELECT * FROM routes WHERE id = ? AND payment_id = ?", (route_id, payment.id)).fetchone()
    if row is None:
        raise no_such("route", route_id)
    return _read(row)


def _read(row: sqlite3.Row) -> Route:
    return Route(
        id=row["id"],
        payment_id=row["payment_id"],
        organization_id=row["organization_id"],
        amount_cents=row["amount_cents"],
        description=row["description"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )
