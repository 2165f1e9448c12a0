"""What a merchant owes the association: its part of a refund that the provider could not take back from it.

A refund takes back no more than it gives. Where gestures of before have left less of a payment than is owed to the
resident, the rest of the merchant's part is asked for by a person, outside of the provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import ZERO, Money
from marketplace.payments.models import Payment, Refund, RefundPart

#: How a claim ends → where its money is then.
ENDS = {"paid": accounts.BANK, "waived": accounts.GESTURES}


@dataclass(frozen=True, slots=True)
class Claim:
    """So much a merchant owes of a payment since then."""

    part_id: int
    party: str
    reference: str
    amount: Money
    since_at: datetime


def open_claims(session: Session) -> Sequence[Claim]:
    """The oldest first."""
    rows = session.execute(
        select(RefundPart.id, RefundPart.party, Payment.reference, RefundPart.claimed_amount, Refund.requested_at)
        .join(Refund, RefundPart.refund_id == Refund.id)
        .join(Payment, Refund.payment_id == Payment.id)
        .where(
            RefundPart.claimed_amount > ZERO,
            RefundPart.claim_ended_at.is_(None),
            Refund.state.not_in(("failed", "canceled")),
        )
        .order_by(RefundPart.id)
    )
    return [Claim(*row) for row in rows]


def end_claim(session: Session, *, part_id: int, end: str, actor: str, now: datetime) -> bool:
    """The merchant has paid it by bank (`paid`), or the association bears it (`waived`); whether this call says so.

    NotFound where nothing is owed, or no longer because the refund has come to nothing.
    """
    payment_id = session.scalar(
        select(Refund.payment_id).join(RefundPart, RefundPart.refund_id == Refund.id).where(RefundPart.id == part_id)
    )
    if payment_id is None:
        raise NotFound()
    # The payment before its refunds, as everywhere: one that fails meanwhile waits here.
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    part = session.get_one(RefundPart, part_id, with_for_update=True, populate_existing=True)
    refund = session.get_one(Refund, part.refund_id, populate_existing=True)
    if not part.claimed_amount or refund.state in ("failed", "canceled"):
        raise NotFound()
    if part.claim_ended_at is not None:
        return False
    part.claim_ended_at, part.claim_ended_by, part.claim_end = now, actor, end
    post(
        session,
        key=f"claim:{part.id}",
        kind=f"claim_{end}",
        reference=payment.reference,
        entries={ENDS[end]: part.claimed_amount, part.party: -part.claimed_amount},
        actor=actor,
        now=now,
    )
    return True
