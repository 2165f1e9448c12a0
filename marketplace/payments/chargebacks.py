"""A resident's bank takes a payment back, and may give it again: seen, written down, and no share routed meanwhile.

The association is the payment's owner and bears it (mollie.md 2.2); whether a merchant gives something of it back is
for people to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, func, select, type_coerce
from sqlalchemy.orm import Session

from marketplace.jobs import publish
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import Money
from marketplace.payments.gateway import ProviderChargeback
from marketplace.payments.models import MACHINE, Chargeback, Payment, Share


def is_disputed(session: Session, payment_id: int) -> bool:
    """Whether a bank has some of the payment, and nobody knows yet who keeps it."""
    is_open = (Chargeback.payment_id == payment_id, Chargeback.is_open)
    return session.scalar(select(Chargeback.id).where(*is_open).limit(1)) is not None


def lost_to_bank(session: Session, payment_id: int) -> Money:
    """What of a payment a bank keeps for its customer."""
    cents = session.scalar(
        select(func.coalesce(func.sum(type_coerce(Chargeback.amount, BigInteger)), 0)).where(
            Chargeback.payment_id == payment_id, Chargeback.lost_at.is_not(None), Chargeback.reversed_at.is_(None)
        )
    )
    return Money(int(cents or 0))


def apply_chargebacks(session: Session, payment_id: int, answers: Sequence[ProviderChargeback], now: datetime) -> None:
    """What the provider says of a payment's chargebacks is written down; harmless to repeat, in any order.

    While one is open, `payment.trouble` says so and the shares that are due wait; when the last one is won back,
    they go on their way, and an order that still waits for the money gets it.
    """
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    known = {
        row.provider_id: row
        for row in session.scalars(select(Chargeback).where(Chargeback.payment_id == payment_id).with_for_update())
    }
    for answer in answers:
        row = known.get(answer.id)
        if row is None:
            row = Chargeback(
                payment_id=payment_id, provider_id=answer.id, amount=answer.amount, created_at=answer.created_at
            )
            session.add(row)
            session.flush()
            known[answer.id] = row
            _post(session, payment, f"charged_back:{row.id}", "charged_back", row.amount, now)
        if answer.reversed_at is not None and row.reversed_at is None:
            row.reversed_at = answer.reversed_at
            _post(session, payment, f"chargeback_won:{row.id}", "chargeback_won", -row.amount, now)
    session.flush()
    is_open = any(row.reversed_at is None and row.lost_at is None for row in known.values())
    if is_open and payment.trouble is None:
        payment.trouble = "charged_back"
    elif known and not is_open and payment.trouble == "charged_back":
        payment.trouble = None
        # An order that looked for this money while the bank had it found none: it may have it now.
        publish(session, "payment.paid", payment_id=payment.id)
        send_shares(session, payment_id)


def send_shares(session: Session, payment_id: int) -> None:
    """The shares that waited for the end of a dispute are on their way."""
    waiting = select(Share.id).where(Share.payment_id == payment_id, Share.state == "due").order_by(Share.id)
    for share_id in session.scalars(waiting).all():
        publish(session, "share.due", share_id=share_id)


def _post(session: Session, payment: Payment, key: str, kind: str, amount: Money, now: datetime) -> None:
    entries = {accounts.CHARGEBACKS: amount, accounts.HOLDING: -amount}
    post(session, key=key, kind=kind, reference=payment.reference, entries=entries, actor=MACHINE, now=now)
