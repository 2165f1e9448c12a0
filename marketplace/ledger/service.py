"""Post what happened to money, once; read balances."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, func, insert, select, type_coerce
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from marketplace.ledger.models import Entry, Posting
from marketplace.money import ZERO, Money


def post(
    session: Session,
    *,
    key: str,
    kind: str,
    reference: str,
    entries: dict[str, Money],
    actor: str,
    now: datetime,
) -> bool:
    """Write one event's entries (account → amount, debit positive), zero ones left out; whether it was new.

    An event is posted once: the same key again changes nothing and answers False. ValueError when the entries
    do not sum to zero (the database refuses it too).
    """
    entries = {account: amount for account, amount in entries.items() if amount}
    if Money.total(list(entries.values())) != ZERO:
        raise ValueError(f"posting {key} does not sum to zero: {entries}")
    posting_id = session.scalar(
        upsert(Posting)
        .values(key=key, kind=kind, reference=reference, at=now, actor=actor)
        .on_conflict_do_nothing(index_elements=[Posting.key])
        .returning(Posting.id)
    )
    if posting_id is None:
        return False
    if entries:
        rows = [{"posting_id": posting_id, "account": a, "amount": m} for a, m in sorted(entries.items())]
        session.execute(insert(Entry), rows)
    return True


#: Summed as plain cents: PostgreSQL's sum of bigints is a numeric, which is no Money.
_CENTS = func.sum(type_coerce(Entry.amount, BigInteger))


def balance(session: Session, account: str) -> Money:
    """Debits less credits of an account."""
    return Money(int(session.scalar(select(_CENTS).where(Entry.account == account)) or 0))


def balances(session: Session) -> dict[str, Money]:
    """Every account's balance, by its word."""
    rows = session.execute(select(Entry.account, _CENTS).group_by(Entry.account).order_by(Entry.account))
    return {account: Money(int(total)) for account, total in rows}
