"""Upfront routing: shares fixed when the payment is created, which follow it when it is paid (mollie.md 2.1)."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date, datetime

from marketplace.payments.sandbox import bodies, organizations
from marketplace.payments.sandbox.book import new_id, now_in, stamp
from marketplace.payments.sandbox.postings import MOLLIES_TIME
from marketplace.payments.sandbox.refusals import unprocessable

#: What upfront routing cannot do, unlike delayed routing.
CURRENCIES = frozenset({"EUR", "GBP"})
METHODS_WITHOUT = frozenset({"paypal"})


@dataclass(frozen=True, slots=True)
class UpfrontRoute:
    """A share that goes to the organisation when the payment is paid, to be used from `release_on` on."""

    id: str
    payment_id: str
    organization_id: str
    amount_cents: int
    release_on: date | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """What one item of `routing` asks for."""

    organization_id: str
    amount_cents: int
    release_on: date | None


def read(
    db: sqlite3.Connection, body: bodies.Body, currency: str, amount_cents: int, method: str | None
) -> list[Share]:
    """The shares in `routing`, none without it; 422 as Mollie would."""
    wanted = body.get("routing")
    if wanted is None:
        return []
    if not isinstance(wanted, list):
        raise unprocessable("routing", "The routing must be a list.")
    if wanted and currency not in CURRENCIES:
        raise unprocessable("routing", f"Upfront routing does not know {currency}.")
    if wanted and method in METHODS_WITHOUT:
        raise unprocessable("routing", f"Upfront routing does not go with {method}.")
    shares = [_read_share(db, item, f"routing.{i}", currency) for i, item in enumerate(wanted)]
    named = [share.organization_id for share in shares]
    for i, organization_id in enumerate(named):
        if organization_id in named[:i]:
            raise unprocessable(f"routing.{i}.destination.organizationId", "Name each organisation once.")
    if sum(share.amount_cents for share in shares) > amount_cents:
        raise unprocessable("routing", "The shares come to more than the payment.")
    return shares


def create(db: sqlite3.Connection, payment_id: str, shares: list[Share]) -> None:
    """The payment's shares are in the book; they move when it is paid."""
    now = stamp(now_in(db))
    db.executemany(
        "INSERT INTO upfront_routes (id, payment_id, organization_id, amount_cents, release_on, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                *(new_id("rt_"), payment_id, share.organization_id, share.amount_cents),
                *(share.release_on.isoformat() if share.release_on else None, now),
            )
            for share in shares
        ],
    )


def of_payment(db: sqlite3.Connection, payment_id: str) -> list[UpfrontRoute]:
    """The payment's upfront routes, in the order of the request."""
    rows = db.execute("SELECT * FROM upfront_routes WHERE payment_id = ? ORDER BY position", (payment_id,))
    return [
        UpfrontRoute(
            id=row["id"],
            payment_id=row["payment_id"],
            organization_id=row["organization_id"],
            amount_cents=row["amount_cents"],
            release_on=date.fromisoformat(row["release_on"]) if row["release_on"] else None,
            created_at=datetime.fromisoformat(row["created_at"]),
        )
        for row in rows
    ]


def _read_share(db: sqlite3.Connection, item: object, field: str, currency: str) -> Share:
    if not isinstance(item, dict):
        raise unprocessable(field, "A share must be an object.")
    _, cents = bodies.read_amount(item.get("amount"), f"{field}.amount", currency)
    organization_id = organizations.read_destination(db, item.get("destination"), f"{field}.destination")
    return Share(organization_id, cents, _read_release(db, item.get("releaseDate"), f"{field}.releaseDate"))


def _read_release(db: sqlite3.Connection, written: object, field: str) -> date | None:
    """A day after today and at most two years from now: `mollie.md` 2.1; Mollie's ten days for tests do not hold."""
    if written is None:
        return None
    try:
        released_on = date.fromisoformat(written) if isinstance(written, str) and len(written) == 10 else None
    except ValueError:
        released_on = None
    if released_on is None:
        raise unprocessable(field, "The date must be as in '2026-12-31'.")
    today = now_in(db).astimezone(MOLLIES_TIME).date()
    if not today < released_on <= today.replace(year=today.year + 2, day=min(today.day, 28)):
        raise unprocessable(field, "The date must be after today, and within two years.")
    return released_on
