"""Money that is not what was asked for: it pays nothing, and the machine gives nothing of it back.

People do that on the provider's own pages, where they see what really came, and say here that it is done.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from marketplace.payments.models import Payment

#: Another sum, another key, another split: it lies on our balance, and in the ledger as nobody's.
AMOUNT_DIFFERS = "amount_differs"
#: Another currency, or play money: it lies on no balance of ours, and the ledger's posting has no entries.
MONEY_ELSEWHERE = "money_elsewhere"
STRANGE = (AMOUNT_DIFFERS, MONEY_ELSEWHERE)


def mark_settled(session: Session, *, payment_id: int, actor: str, now: datetime) -> bool:
    """Somebody says that they have seen to a payment's strange money; whether this call noted it."""
    noted = session.execute(
        update(Payment)
        .where(Payment.id == payment_id, Payment.trouble.in_(STRANGE), Payment.trouble_settled_at.is_(None))
        .values(trouble_settled_at=now, trouble_settled_by=actor)
        .returning(Payment.id)
    )
    return noted.one_or_none() is not None
