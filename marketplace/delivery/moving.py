"""The shared steps of whatever changes a round: lock it, move its state, write down who did it.

The round's row is always locked first: a booking, a plan and a courier's act on one round wait for each other there,
and nowhere in a circle.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from marketplace.delivery.models import Round, RoundEvent
from marketplace.delivery.rules import ROUND_NEXT
from marketplace.errors import MarketplaceError, NotFound


class RoundMoved(MarketplaceError):
    """The round is in another state than this act needs; often somebody else was quicker."""

    code = "round_moved"


def lock_round(session: Session, round_id: int) -> Round:
    """The round as it is now, kept until the transaction ends; NotFound."""
    round_ = session.get(Round, round_id, with_for_update=True, populate_existing=True)
    if round_ is None:
        raise NotFound()
    return round_


def move_round(
    session: Session, *, round_id: int, event: str, actor: str, now: datetime, detail: str = "", **values: object
) -> str:
    """The round has taken the step, with these column values; its new state. RoundMoved when the step is not open.

    Compare and swap: of two who press at once, one moves it.
    """
    before = session.scalar(select(Round.state).where(Round.id == round_id))
    if before is None:
        raise NotFound()
    after = ROUND_NEXT.get((before, event))
    if after is None:
        raise RoundMoved(state=before)
    moved = session.scalar(
        update(Round)
        .where(Round.id == round_id, Round.state == before)
        .values(state=after, **values)
        .returning(Round.id)
    )
    if moved is None:
        raise RoundMoved(state=before)
    record(session, round_id=round_id, event=event, actor=actor, now=now, detail=detail)
    return after


def record(
    session: Session,
    *,
    round_id: int,
    event: str,
    actor: str,
    now: datetime,
    stop_id: int | None = None,
    detail: str = "",
) -> None:
    """Somebody did this, at this instant."""
    session.add(RoundEvent(round_id=round_id, stop_id=stop_id, at=now, actor=actor, event=event, detail=detail))
    session.flush()
