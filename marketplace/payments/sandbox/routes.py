"""Delayed routing: shares of a paid payment handed to connected organisations (mollie.md 2.1)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.payments.sandbox import bodies, payments
from marketplace.payments.sandbox.book import new_id, now_in, stamp
from marketplace.payments.sandbox.refusals import no_such, unprocessable

#: After that the money falls to the marketplace's own balance.
ROUTING_TERM = timedelta(days=90)


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
    payments, and the share fits in what is neither routed nor refunded nor disputed.
    """
    now = now_in(db)
    if payment.status != "paid" or payment.ended_at is None:
        raise unprocessable("paymentId", "Only a paid payment can be routed.")
    if now - payment.ended_at > ROUTING_TERM:
        raise unprocessable("paymentId", "The payment was paid over 90 days ago.")
    _, amount_cents = bodies.read_amount(body.get("amount"), currency=payment.currency)
    organization_id = _read_destination(db, body)
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


def _read_destination(db: sqlite3.Connection, body: bodies.Body) -> str:
    destination = body.get("destination")
    if not isinstance(destination, dict) or destination.get("type") != "organization":
        raise unprocessable("destination", "A route goes to an organisation.")
    organization_id = destination.get("organizationId")
    if not isinstance(organization_id, str):
        raise unprocessable("destination.organizationId", "The organisation is missing.")
    row = db.execute("SELECT can_receive_payments FROM organizations WHERE id = ?", (organization_id,)).fetchone()
    if row is None:
        raise unprocessable("destination.organizationId", "This organisation is not connected.")
    if not row["can_receive_payments"]:
        raise unprocessable("destination.organizationId", "This organisation cannot receive payments yet.")
    return organization_id


def _read(row: sqlite3.Row) -> Route:
    return Route(
        id=row["id"],
        payment_id=row["payment_id"],
        organization_id=row["organization_id"],
        amount_cents=row["amount_cents"],
        description=row["description"],
        created_at=datetime.fromisoformat(row["created_at"]),
    )
