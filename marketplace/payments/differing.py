"""Differences between the two books, for people: noted once each, gone when nobody finds them any more, settled by
somebody who says what it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from marketplace.money import Money
from marketplace.payments.book_models import Difference
from marketplace.payments.reconciling import Found

#: More than this on one page is one trouble with one cause.
MOST = 100


def note(session: Session, *, provider_env: str, found: Sequence[Found], now: datetime) -> int:
    """What was found stands on the list, what was not found again is gone; how many wait for a person now."""
    there = {_note(session, provider_env, one, now) for one in found}
    session.execute(
        update(Difference)
        .where(Difference.provider_env == provider_env, Difference.gone_at.is_(None), Difference.id.not_in(there))
        .values(gone_at=now)
    )
    return waiting_qty(session, provider_env=provider_env)


def _note(session: Session, env: str, one: Found, now: datetime) -> int:
    again = {"reference": one.reference, "at": one.at, "seen_at": now, "gone_at": None}
    first = {"kind": one.kind, "subject": one.subject, "ours": one.ours, "theirs": one.theirs, "found_at": now}
    its_id: int = session.scalars(
        upsert(Difference)
        .values(provider_env=env, **first, **again)
        .on_conflict_do_update(index_elements=["provider_env", "kind", "subject", "ours", "theirs"], set_=again)
        .returning(Difference.id)
    ).one()
    return its_id


def settle_difference(session: Session, *, difference_id: int, note: str, actor: str, now: datetime) -> bool:
    """Somebody has looked and says what it was; whether this call did it. Nothing else changes by it.

    NotFound for a difference that there is not.
    """
    difference = session.get(Difference, difference_id, with_for_update=True)
    if difference is None:
        raise NotFound()
    if difference.settled_at is not None:
        return False
    difference.settled_at, difference.settled_by, difference.note = now, actor, note
    return True


def waiting(session: Session, *, provider_env: str) -> Sequence[Difference]:
    """Those that nobody has settled and that are still there, the oldest first."""
    return session.scalars(_waiting(provider_env).order_by(Difference.id).limit(MOST)).all()


def waiting_qty(session: Session, *, provider_env: str) -> int:
    return session.scalar(select(func.count()).select_from(_waiting(provider_env).subquery())) or 0


def settled_gap(session: Session, *, provider_env: str) -> Money:
    """What of the two books' gap somebody has explained: differences that are settled and still there.

    What the provider says of itself (`balance`) is in neither book.
    """
    rows = session.execute(
        select(Difference.ours, Difference.theirs).where(
            Difference.provider_env == provider_env,
            Difference.gone_at.is_(None),
            Difference.settled_at.is_not(None),
            Difference.kind != "balance",
        )
    )
    return Money.total([row.theirs - row.ours for row in rows])


def over(session: Session, *, provider_env: str) -> Sequence[Difference]:
    """Those that somebody has settled, and those that went by themselves; the newest first."""
    is_over = Difference.gone_at.is_not(None) | Difference.settled_at.is_not(None)
    found = select(Difference).where(Difference.provider_env == provider_env, is_over)
    return session.scalars(found.order_by(Difference.id.desc()).limit(MOST)).all()


def _waiting(provider_env: str) -> Select[Difference]:
    return select(Difference).where(
        Difference.provider_env == provider_env, Difference.gone_at.is_(None), Difference.settled_at.is_(None)
    )
