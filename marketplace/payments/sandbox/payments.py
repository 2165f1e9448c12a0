"""Payments in the book: created, concluded once, never reopened (mollie.md 2.3)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marketplace.payments.sandbox import bodies, methods, postings, upfront, webhooks
from marketplace.payments.sandbox.book import new_id, now_in, stamp
from marketplace.payments.sandbox.refusals import no_such, unprocessable

OUTCOMES = ("paid", "failed", "canceled", "expired")
# fmt: off
LOCALES = frozenset({
    "ca_ES", "cs_CZ", "da_DK", "de_AT", "de_CH", "de_DE", "de_LU", "el_GR", "en_BE", "en_GB", "en_NL", "en_US",
    "es_ES", "fi_FI", "fr_BE", "fr_FR", "fr_LU", "hu_HU", "is_IS", "it_IT", "lt_LT", "lv_LV", "nb_NO", "nl_BE",
    "nl_NL", "pl_PL", "pt_PT", "sk_SK", "sl_SI", "sv_SE", "tr_TR",
})
# fmt: on

#: Members of a create request that come back in every answer as they were sent.
KEPT = (
    *("description", "redirectUrl", "cancelUrl", "webhookUrl", "locale", "metadata", "lines"),
    *("billingAddress", "shippingAddress"),
)
#: Members that Mollie lets a later PATCH change.
CHANGEABLE = ("description", "redirectUrl", "cancelUrl", "webhookUrl", "locale", "metadata")


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as the book has it; `request` is what is KEPT of the caller's words."""

    id: str
    profile_id: str
    status: str
    currency: str
    amount_cents: int
    request: dict[str, Any]
    method: str | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None

    @property
    def is_cancelable(self) -> bool:
        """Assumed: until the payer has gone on to a card, that is while no method but a transfer is preset."""
        return self.status == "open" and self.method in (None, "banktransfer")

    @property
    def return_url(self) -> str:
        url: str = self.request["redirectUrl"]
        return url

    @property
    def cancel_url(self) -> str:
        url: str = self.request.get("cancelUrl") or self.return_url
        return url


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a payment's money is, in cents; refunds that failed or were canceled do not count."""

    amount_cents: int
    refunded_cents: int
    charged_back_cents: int
    routed_cents: int
    reversed_cents: int
    fee_cents: int

    @property
    def remaining_cents(self) -> int:
        """What can still be refunded."""
        return self.amount_cents - self.refunded_cents - self.charged_back_cents

    @property
    def routable_cents(self) -> int:
        """What can still be routed: the provider's fee comes first, unless it settles gross (mollie.md 2.1)."""
        return self.remaining_cents - self.fee_cents - self.routed_cents + self.reversed_cents


def create(db: sqlite3.Connection, profile_id: str, body: bodies.Body) -> Payment:
    """An open payment as `body` asks; 422 as Mollie would."""
    currency, amount_cents = bodies.read_amount(body.get("amount"))
    bodies.read_description(body, required=True)
    bodies.check_page_url(body, "redirectUrl", required=True)
    bodies.check_page_url(body, "cancelUrl", required=False)
    bodies.check_webhook_url(body)
    bodies.check_metadata(body)
    bodies.check_lines(body.get("lines"), currency, amount_cents)
    _check_locale(body)
    method = methods.read_choice(body.get("method"), currency, amount_cents)
    shares = upfront.read(db, body, currency, amount_cents, method)
    now = now_in(db)
    payment_id = new_id("tr_")
    row = {
        "id": payment_id,
        "profile_id": profile_id,
        "currency": currency,
        "amount_cents": amount_cents,
        "request": json.dumps({**{k: body[k] for k in KEPT if k in body}, "method": method}),
        "created_at": stamp(now),
        "expires_at": stamp(now + methods.session_of(method)),
    }
    db.execute(
        "INSERT INTO payments (id, profile_id, status, currency, amount_cents, request, created_at, expires_at)"
        " VALUES (:id, :profile_id, 'open', :currency, :amount_cents, :request, :created_at, :expires_at)",
        row,
    )
    upfront.create(db, payment_id, shares)
    return get(db, payment_id, (profile_id,))


def change(db: sqlite3.Connection, payment: Payment, body: bodies.Body) -> Payment:
    """`payment` with the CHANGEABLE members of `body`."""
    if "description" in body:
        bodies.read_description(body, required=True)
    if "redirectUrl" in body:
        bodies.check_page_url(body, "redirectUrl", required=True)
    bodies.check_page_url(body, "cancelUrl", required=False)
    bodies.check_webhook_url(body)
    bodies.check_metadata(body)
    _check_locale(body)
    request = {**payment.request, **{k: body[k] for k in CHANGEABLE if k in body}, "method": payment.method}
    db.execute("UPDATE payments SET request = ? WHERE id = ?", (json.dumps(request), payment.id))
    return get(db, payment.id, (payment.profile_id,))


def cancel(db: sqlite3.Connection, payment: Payment) -> Payment:
    """`payment` canceled by the shop; 422 when that is no longer possible."""
    if not payment.is_cancelable:
        raise unprocessable("id", "The payment cannot be canceled any more.")
    conclude(db, payment, "canceled")
    return get(db, payment.id, (payment.profile_id,))


def conclude(db: sqlite3.Connection, payment: Payment, outcome: str, *, notify: bool = True) -> bool:
    """End an open payment once; whether this call did it. The shop is called back unless `notify` is off."""
    return _end(db, payment.id, outcome, now_in(db), notify=notify)


def expire_due(db: sqlite3.Connection, now: datetime) -> None:
    """Every open payment whose session is over has expired, at the instant at which it did."""
    due = db.execute("SELECT id, expires_at FROM payments WHERE status = 'open' AND expires_at <= ?", (stamp(now),))
    for row in due.fetchall():
        _end(db, row["id"], "expired", datetime.fromisoformat(row["expires_at"]), notify=True)


def _end(db: sqlite3.Connection, payment_id: str, outcome: str, at: datetime, *, notify: bool) -> bool:
    ended = db.execute(
        "UPDATE payments SET status = ?, ended_at = ? WHERE id = ? AND status = 'open'",
        (outcome, stamp(at), payment_id),
    )
    if ended.rowcount and outcome == "paid":
        postings.payment_paid(db, payment_id, at)
    if ended.rowcount and notify:
        webhooks.enqueue(db, payment_id, f"payment {outcome}")
    return bool(ended.rowcount)


def find(db: sqlite3.Connection, payment_id: str) -> Payment | None:
    row = db.execute("SELECT * FROM payments WHERE id = ?", (payment_id,)).fetchone()
    return _read(row) if row else None


def get(db: sqlite3.Connection, payment_id: str, profiles: Collection[str]) -> Payment:
    """The payment of one of the profiles; 404 when absent or another profile's."""
    payment = find(db, payment_id)
    if payment is None or payment.profile_id not in profiles:
        raise no_such("payment", payment_id)
    return payment


def all_of(db: sqlite3.Connection, profile_id: str) -> list[Payment]:
    """The profile's payments, oldest first."""
    rows = db.execute("SELECT * FROM payments WHERE profile_id = ? ORDER BY position", (profile_id,))
    return [_read(row) for row in rows]


def page(
    db: sqlite3.Connection, profiles: Collection[str], *, from_id: str | None, limit: int, oldest_first: bool
) -> list[Payment]:
    """At most `limit` of the profiles' payments from `from_id` on, that one included; 404 when it is unknown."""
    position = None
    if from_id is not None:
        get(db, from_id, profiles)
        (position,) = db.execute("SELECT position FROM payments WHERE id = ?", (from_id,)).fetchone()
    ascending = (
        "SELECT * FROM payments WHERE profile_id IN (SELECT value FROM json_each(?))"
        " AND (? IS NULL OR position >= ?) ORDER BY position LIMIT ?"
    )
    descending = (
        "SELECT * FROM payments WHERE profile_id IN (SELECT value FROM json_each(?))"
        " AND (? IS NULL OR position <= ?) ORDER BY position DESC LIMIT ?"
    )
    listed = json.dumps(sorted(profiles))
    rows = db.execute(ascending if oldest_first else descending, (listed, position, position, limit))
    return [_read(row) for row in rows]


def standing_of(db: sqlite3.Connection, payment: Payment) -> Standing:
    """Where the payment's money is now."""
    row = db.execute(
        "SELECT"
        " (SELECT coalesce(sum(amount_cents), 0) FROM refunds"
        "   WHERE payment_id = :id AND status NOT IN ('failed', 'canceled')) AS refunded,"
        " (SELECT coalesce(sum(amount_cents), 0) FROM chargebacks"
        "   WHERE payment_id = :id AND reversed_at IS NULL) AS charged_back,"
        " (SELECT coalesce(sum(amount_cents), 0) FROM routes WHERE payment_id = :id)"
        " + (SELECT coalesce(sum(u.amount_cents), 0) FROM upfront_routes u JOIN payments p ON p.id = u.payment_id"
        "     WHERE u.payment_id = :id AND p.status = 'paid') AS routed,"
        " (SELECT coalesce(sum(v.amount_cents), 0) FROM reversals v JOIN refunds r ON r.id = v.refund_id"
        "   WHERE r.payment_id = :id AND r.status NOT IN ('failed', 'canceled')) AS reversed,"
        " (SELECT -coalesce(sum(amount_cents), 0) FROM balance_transactions"
        "   WHERE payment_id = :id AND type = 'payment-fee') AS fee",
        {"id": payment.id},
    ).fetchone()
    return Standing(
        amount_cents=payment.amount_cents,
        refunded_cents=row["refunded"],
        charged_back_cents=row["charged_back"],
        routed_cents=row["routed"],
        reversed_cents=row["reversed"],
        fee_cents=row["fee"],
    )


def _read(row: sqlite3.Row) -> Payment:
    request = json.loads(row["request"])
    return Payment(
        id=row["id"],
        profile_id=row["profile_id"],
        status=row["status"],
        currency=row["currency"],
        amount_cents=row["amount_cents"],
        method=request.pop("method"),
        request=request,
        created_at=datetime.fromisoformat(row["created_at"]),
        expires_at=datetime.fromisoformat(row["expires_at"]),
        ended_at=datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None,
    )


def _check_locale(body: bodies.Body) -> None:
    locale = body.get("locale")
    if locale is not None and locale not in LOCALES:
        raise unprocessable("locale", "This locale is unknown.")
