"""Mandates to draw up invoices in a merchant's name: prior, written, and ended for good (domain I4)."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from marketplace.errors import MarketplaceError
from marketplace.invoices.models import InvoiceSeries, InvoicingMandate


class MandateStands(MarketplaceError):
    """There is a mandate already on the day from which another one should hold."""

    code = "mandate_stands"


class MandateMissing(MarketplaceError):
    """No mandate is in force: nothing may be drawn up in this merchant's name."""

    code = "mandate_missing"


class MandateInUse(MarketplaceError):
    """It was signed, or documents were drawn up under it, on `used_on` or later: it cannot end before."""

    code = "mandate_in_use"


def sign_mandate(session: Session, *, seller: str, signed_on: date, signed_by: str, now: datetime) -> int:
    """The merchant's next mandate, in force from `signed_on`; its number (from 1). MandateStands when one is."""
    standing = session.scalars(
        select(InvoicingMandate)
        .where(InvoicingMandate.seller == seller)
        .order_by(InvoicingMandate.ordinal.desc())
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if standing is not None and (standing.ended_on is None or signed_on < standing.ended_on):
        raise MandateStands(signed_on=standing.signed_on)
    ordinal = 1 + (standing.ordinal if standing is not None else 0)
    session.add(
        InvoicingMandate(seller=seller, ordinal=ordinal, signed_on=signed_on, signed_by=signed_by, noted_at=now)
    )
    session.flush()
    return ordinal


def end_mandate(session: Session, *, seller: str, ended_on: date) -> None:
    """From `ended_on` on nothing is drawn up in the merchant's name, and the mandate's series are closed.

    Waits for whoever is issuing under it. MandateMissing when none is open; MandateInUse for a day before its signing,
    or not after the last document that was issued under it.
    """
    mandate = session.scalars(
        select(InvoicingMandate)
        .where(InvoicingMandate.seller == seller, InvoicingMandate.ended_on.is_(None))
        .with_for_update()
    ).one_or_none()
    if mandate is None:
        raise MandateMissing()
    used_on = _last_used_on(session, mandate.id)
    if ended_on < mandate.signed_on or (used_on is not None and ended_on <= used_on):
        raise MandateInUse(used_on=used_on or mandate.signed_on)
    session.execute(update(InvoicingMandate).where(InvoicingMandate.id == mandate.id).values(ended_on=ended_on))


def find_mandate(session: Session, *, seller: str, on: date, lock: bool = False) -> InvoicingMandate | None:
    """The mandate in force on a day. With `lock` it cannot end before the caller's transaction does."""
    wanted = select(InvoicingMandate).where(
        InvoicingMandate.seller == seller,
        InvoicingMandate.signed_on <= on,
        func.coalesce(InvoicingMandate.ended_on > on, True),
    )
    return session.scalars(wanted.with_for_update(read=True) if lock else wanted).one_or_none()


def _last_used_on(session: Session, mandate_id: int) -> date | None:
    return session.scalar(select(func.max(InvoiceSeries.last_issued_on)).where(InvoiceSeries.mandate_id == mandate_id))
