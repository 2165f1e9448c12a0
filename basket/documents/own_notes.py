"""A merchant says that it has written a credit note that it owed, or takes its word back."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.documents.models import OwnCreditNote
from basket.documents.rules import may_undo
from basket.documents.to_write import get_credit_note_owed
from basket.models import Order, OrderRefund, SubOrder
from marketplace.clock import local_day
from marketplace.errors import FieldError, MarketplaceError, NotFound


class TooLateToUndo(MarketplaceError):
    """Said too long ago: the books of that month are with the accountant."""

    code = "own_note_stands"


def note_written(
    session: Session,
    *,
    party: str,
    order_refund_id: int,
    number: str,
    written_on: date | None,
    actor: str,
    now: datetime,
) -> bool:
    """The credit note is owed no longer; False where that was said already, and what was said stands.

    NotFound for what this merchant does not owe. FieldError for a day before the money went back, or one to come.
    """
    refund = _lock(session, party, order_refund_id)
    if _live(session, refund.id) is not None:
        return False
    today = local_day(now)
    owed = get_credit_note_owed(session, party=party, order_refund_id=refund.id, today=today)
    if written_on is not None and not owed.on <= written_on <= today:
        raise FieldError("written_on", "own_note_day", first=owed.on)
    session.add(
        OwnCreditNote(order_refund_id=refund.id, number=number, written_on=written_on, noted_at=now, noted_by=actor)
    )
    session.flush()
    return True


def take_back(session: Session, *, party: str, order_refund_id: int, actor: str, now: datetime) -> bool:
    """The credit note is owed once more; False where nothing says that it is written. NotFound, TooLateToUndo."""
    refund = _lock(session, party, order_refund_id)
    note = _live(session, refund.id)
    if note is None:
        return False
    if not may_undo(note.noted_at, now):
        raise TooLateToUndo()
    note.undone_at, note.undone_by = now, actor
    session.flush()
    return True


def is_written(session: Session, order_refund_id: int) -> bool:
    """Whether the merchant says that it has credited the refund itself."""
    return _live(session, order_refund_id) is not None


def _lock(session: Session, party: str, order_refund_id: int) -> OrderRefund:
    """The refund of one of the merchant's sales; its order is locked, as by whoever writes documents about it."""
    refund = session.scalars(
        select(OrderRefund)
        .join(SubOrder, SubOrder.id == OrderRefund.sub_order_id)
        .where(OrderRefund.id == order_refund_id, SubOrder.party == party)
    ).one_or_none()
    if refund is None:
        raise NotFound()
    session.get_one(Order, refund.order_id, with_for_update=True, populate_existing=True)
    return refund


def _live(session: Session, order_refund_id: int) -> OwnCreditNote | None:
    return session.scalars(
        select(OwnCreditNote).where(OwnCreditNote.order_refund_id == order_refund_id, OwnCreditNote.undone_at.is_(None))
    ).one_or_none()
