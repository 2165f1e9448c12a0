"""A dispute that is lost: the bank keeps what it has taken, and everything that waited for its end goes on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from marketplace.payments.chargebacks import send_shares
from marketplace.payments.models import Chargeback, Payment, Refund
from marketplace.payments.refunds import come_to_nothing, request_again


def lose(session: Session, *, payment_id: int, actor: str, now: datetime) -> bool:
    """A person says that the payer's bank keeps what it has. Whether this call did it; NotFound for no payment.

    The association bears it. Merchants' shares that waited go out; what is still owed to the payer does too, as far as
    the bank has not given it to them: refunds that waited are asked for anew.
    """
    payment = session.get(Payment, payment_id, with_for_update=True)
    if payment is None:
        raise NotFound()
    taken = session.scalars(
        select(Chargeback).where(Chargeback.payment_id == payment_id, Chargeback.is_open).with_for_update()
    ).all()
    if not taken:
        return False
    for row in taken:
        row.lost_at, row.lost_by = now, actor
    if payment.trouble == "charged_back":
        payment.trouble = None
    session.flush()
    waiting = session.scalars(
        select(Refund)
        .where(Refund.payment_id == payment_id, Refund.state == "requested", Refund.provider_id.is_(None))
        .order_by(Refund.id)
        .with_for_update()
    ).all()
    for refund in waiting:
        come_to_nothing(session, payment, refund, now)
    session.flush()
    # Others that had failed before are for people, as ever.
    request_again(session, payment_id=payment_id, actor=actor, now=now, only={refund.id for refund in waiting})
    send_shares(session, payment_id)
    return True
