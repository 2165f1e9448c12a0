"""Money that is not what was asked for: it pays nothing, and the machine gives nothing of it back.

People do that on the provider's own pages, where they see what really came, and say here that it is done, and how.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from marketplace.payments.models import Payment, PaymentWord
from marketplace.payments.rules import Claim

#: Another sum: it lies on our balance, and in the ledger as nobody's.
AMOUNT_DIFFERS = "amount_differs"
#: The right sum, with another key than the one that we gave the payment: it may be somebody else's.
KEY_DIFFERS = "key_differs"
#: The right sum, of which merchants were given something else than what was asked for.
SPLIT_DIFFERS = "split_differs"
#: Another currency, or play money: it lies on no balance of ours, and the ledger's posting has no entries.
MONEY_ELSEWHERE = "money_elsewhere"
STRANGE = (AMOUNT_DIFFERS, KEY_DIFFERS, SPLIT_DIFFERS, MONEY_ELSEWHERE)


def difference(claim: Claim, asked: Claim) -> str | None:
    """What of the provider's claim is not what we asked for; the worst first, None when all of it is."""
    if (claim.currency, claim.mode) != (asked.currency, asked.mode):
        return MONEY_ELSEWHERE
    if claim.amount != asked.amount:
        return AMOUNT_DIFFERS
    return None if claim == asked else KEY_DIFFERS


def mark_settled(session: Session, *, payment_id: int, reason: str, actor: str, now: datetime) -> bool:
    """Somebody says that they have seen to a payment's strange money, and how; whether this call noted it."""
    noted = session.execute(
        update(Payment)
        .where(Payment.id == payment_id, Payment.trouble.in_(STRANGE), Payment.trouble_settled_at.is_(None))
        .values(trouble_settled_at=now, trouble_settled_by=actor)
        .returning(Payment.id)
    )
    if noted.one_or_none() is None:
        return False
    session.add(PaymentWord(payment_id=payment_id, at=now, actor=actor, word="settled", text=reason))
    session.flush()
    return True


def reopen(session: Session, *, payment_id: int, actor: str, now: datetime) -> bool:
    """It was not seen to after all: it waits for a person again, and what was said of it stays. Whether this call did
    it."""
    noted = session.execute(
        update(Payment)
        .where(Payment.id == payment_id, Payment.trouble_settled_at.is_not(None))
        .values(trouble_settled_at=None, trouble_settled_by=None)
        .returning(Payment.id)
    )
    if noted.one_or_none() is None:
        return False
    session.add(PaymentWord(payment_id=payment_id, at=now, actor=actor, word="reopened", text=""))
    session.flush()
    return True
