"""What each event writes into the book of balance transactions, for everybody whom it concerns."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from marketplace.payments.sandbox.transactions import Cause, deduct, give_back, hold, received_by, write

#: After that what was not routed falls to the marketplace's own balance (mollie.md 2.1).
ROUTING_TERM = timedelta(days=90)
#: Mollie's days begin and end there.
MOLLIES_TIME = ZoneInfo("Europe/Amsterdam")


@dataclass(frozen=True, slots=True)
class Fee:
    """What the provider keeps of each payment: a share, in hundredths of a per cent, and a fixed sum.

    Besides so much for each refund and for each chargeback; no price list that we have says how much (mollie.md 8).
    """

    basis_points: int
    fixed_cents: int
    refund_cents: int = 0
    chargeback_cents: int = 0

    def on(self, amount_cents: int) -> int:
        """The fee in cents, half-up."""
        return (2 * amount_cents * self.basis_points + 10_000) // 20_000 + self.fixed_cents


NO_FEE = Fee(0, 0)


def set_fee(db: sqlite3.Connection, fee: Fee) -> None:
    """What happens from now on costs that."""
    db.execute("UPDATE setup SET fee_basis_points = ?, fee_fixed_cents = ?", (fee.basis_points, fee.fixed_cents))
    db.execute("UPDATE later_fees SET refund_cents = ?, chargeback_cents = ?", (fee.refund_cents, fee.chargeback_cents))


def fee_in(db: sqlite3.Connection) -> Fee:
    row = db.execute("SELECT * FROM setup JOIN later_fees USING (only_row)").fetchone()
    return Fee(row["fee_basis_points"], row["fee_fixed_cents"], row["refund_cents"], row["chargeback_cents"])


def payment_paid(db: sqlite3.Connection, payment_id: str, at: datetime) -> None:
    """The payment and its fee are on the owner's balance; its routing, if it has one, on the others'.

    Without routing the money is held for routes to come.
    """
    payment = _payment(db, payment_id)
    owner_id, currency, cause = payment["owner_id"], payment["currency"], Cause(payment_id)
    shares = db.execute("SELECT * FROM upfront_routes WHERE payment_id = ? ORDER BY position", (payment_id,)).fetchall()
    if not shares:
        hold(db, owner_id, payment_id, at + ROUTING_TERM)
    write(db, owner_id, currency, "payment", payment["amount_cents"], at, cause)
    fee_cents = fee_in(db).on(payment["amount_cents"])
    if fee_cents:
        write(db, owner_id, currency, "payment-fee", -fee_cents, at, cause)
    for share in shares:
        if share["release_on"] is not None:
            midnight = datetime.combine(datetime.fromisoformat(share["release_on"]), time(), MOLLIES_TIME)
            hold(db, share["organization_id"], payment_id, midnight)
        write(db, owner_id, currency, "split-payment", -share["amount_cents"], at, cause)
        write(db, share["organization_id"], currency, "split-payment", share["amount_cents"], at, cause)


def routed(db: sqlite3.Connection, payment_id: str, organization_id: str, cents: int, at: datetime) -> None:
    """A share of the paid payment went from its owner to the organisation."""
    payment, cause = _payment(db, payment_id), Cause(payment_id)
    write(db, payment["owner_id"], payment["currency"], "post-payment-split-payment", -cents, at, cause)
    write(db, organization_id, payment["currency"], "post-payment-split-payment", cents, at, cause)


def refund_taken(db: sqlite3.Connection, refund_id: str, at: datetime) -> None:
    """The refund left the owner's balance, with what the reversals brought back to it; the provider has its fee."""
    refund = db.execute("SELECT * FROM refunds WHERE id = ?", (refund_id,)).fetchone()
    payment, cause = _payment(db, refund["payment_id"]), Cause(refund["payment_id"], refund_id=refund_id)
    currency = payment["currency"]
    reversals = db.execute("SELECT * FROM reversals WHERE refund_id = ? ORDER BY rowid", (refund_id,)).fetchall()
    for reversal in reversals:
        cents = reversal["amount_cents"]
        write(db, reversal["organization_id"], currency, "platform-payment-refund", -cents, at, cause)
        write(db, payment["owner_id"], currency, "refund-compensation", cents, at, cause)
    write(db, payment["owner_id"], currency, "refund", -refund["amount_cents"], at, cause)
    fee_cents = fee_in(db).refund_cents
    if fee_cents:
        write(db, payment["owner_id"], currency, "reimbursement-fee", -fee_cents, at, Cause(refund["payment_id"]))


def refund_returned(db: sqlite3.Connection, refund_id: str, at: datetime) -> None:
    """The refund did not arrive, and everybody has back what it took; nothing if it was still queued."""
    give_back(db, at, refund_id=refund_id)


def charged_back(db: sqlite3.Connection, chargeback_id: str, at: datetime) -> None:
    """The bank's sum left the owner's balance; whoever was routed to upfront makes up for it where Mollie says so.

    One organisation compensates up to what it got; several do, each with all that it got, only when the whole payment
    was charged back (mollie.md 2.2). That delayed routes are never taken back is an assumption.
    """
    chargeback = db.execute("SELECT * FROM chargebacks WHERE id = ?", (chargeback_id,)).fetchone()
    payment_id, cents = chargeback["payment_id"], chargeback["amount_cents"]
    payment, cause = _payment(db, payment_id), Cause(payment_id, chargeback_id=chargeback_id)
    upfront = db.execute("SELECT 1 FROM upfront_routes WHERE payment_id = ?", (payment_id,)).fetchone()
    received = received_by(db, payment_id, payment["owner_id"]) if upfront else {}
    if len(received) > 1 and cents < payment["amount_cents"]:
        received = {}
    for organization_id, got_cents in received.items():
        compensation_cents = min(got_cents, cents)
        write(
            db,
            organization_id,
            payment["currency"],
            "platform-payment-chargeback",
            -compensation_cents,
            at,
            cause,
        )
        write(db, payment["owner_id"], payment["currency"], "chargeback-compensation", compensation_cents, at, cause)
    fee_cents = fee_in(db).chargeback_cents
    write(db, payment["owner_id"], payment["currency"], "chargeback", -cents - fee_cents, at, cause)
    if fee_cents:
        deduct(db, chargeback_id, fee_cents)


def chargeback_reversed(db: sqlite3.Connection, chargeback_id: str, at: datetime) -> None:
    """The dispute is won, and everybody has back what it took; the provider keeps its fee."""
    give_back(db, at, chargeback_id=chargeback_id)


def adopt_old_book(db: sqlite3.Connection) -> None:
    """A book from before there were balance transactions gets those of all that happened, fees left out."""
    paid = db.execute(
        "SELECT p.id, p.ended_at FROM payments p JOIN profiles f ON f.id = p.profile_id WHERE p.status = 'paid'"
        " AND NOT EXISTS (SELECT 1 FROM balance_transactions WHERE payment_id = p.id) ORDER BY p.position"
    ).fetchall()
    for payment in paid:
        payment_id = payment["id"]
        payment_paid(db, payment_id, datetime.fromisoformat(payment["ended_at"]))
        for row in db.execute("SELECT * FROM routes WHERE payment_id = ?", (payment_id,)).fetchall():
            at = datetime.fromisoformat(row["created_at"])
            routed(db, payment_id, row["organization_id"], row["amount_cents"], at)
        for row in db.execute(
            "SELECT * FROM refunds WHERE payment_id = ? AND status IN ('pending', 'processing', 'refunded')",
            (payment_id,),
        ).fetchall():
            refund_taken(db, row["id"], datetime.fromisoformat(row["created_at"]))
        for row in db.execute("SELECT * FROM chargebacks WHERE payment_id = ?", (payment_id,)).fetchall():
            charged_back(db, row["id"], datetime.fromisoformat(row["created_at"]))
            if row["reversed_at"] is not None:
                chargeback_reversed(db, row["id"], datetime.fromisoformat(row["reversed_at"]))


def owner_of(db: sqlite3.Connection, payment_id: str) -> str:
    """The organisation whose payment it is."""
    owner_id: str = _payment(db, payment_id)["owner_id"]
    return owner_id


def _payment(db: sqlite3.Connection, payment_id: str) -> sqlite3.Row:
    row: sqlite3.Row = db.execute(
        "SELECT p.*, f.organization_id AS owner_id FROM payments p JOIN profiles f ON f.id = p.profile_id"
        " WHERE p.id = ?",
        (payment_id,),
    ).fetchone()
    return row
