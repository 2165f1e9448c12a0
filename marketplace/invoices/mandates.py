"""Mandates to draw up invoices in a merchant's name: prior, written, and ended for good (domain I4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from marketplace.errors import MarketplaceError
from marketplace.invoices.models import InvoiceSeries, InvoicingMandate, MandateRefusal


class MandateStands(MarketplaceError):
    """There is a mandate already on the day from which another one should hold, or on which it is refused."""

    code = "mandate_stands"


class MandateMissing(MarketplaceError):
    """No mandate is in force: nothing may be drawn up in this merchant's name."""

    code = "mandate_missing"


class MandateInUse(MarketplaceError):
    """It was signed, or documents were drawn up under it, on `used_on` or later: it cannot end before."""

    code = "mandate_in_use"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a merchant has answered, as of a day. `state`: unasked, declined, in_force, ended.

    A mandate in force may have its end written down already (`ended_on`, from which day on it holds no longer).
    """

    state: str
    signed_on: date | None = None
    signed_by: str = ""
    ended_on: date | None = None
    ended_by: str = ""
    declined_on: date | None = None
    declined_by: str = ""
    terms: str = ""


def sign_mandate(
    session: Session, *, seller: str, signed_on: date, signed_by: str, now: datetime, terms: str = ""
) -> int:
    """The merchant's next mandate, in force from `signed_on`; its number (from 1). MandateStands when one is.

    `terms` are the words that were signed.
    """
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
        InvoicingMandate(
            seller=seller, ordinal=ordinal, signed_on=signed_on, signed_by=signed_by, noted_at=now, terms=terms
        )
    )
    session.flush()
    return ordinal


def decline_mandate(session: Session, *, seller: str, refused_on: date, refused_by: str, now: datetime) -> None:
    """The merchant's word that nothing is to be drawn up in its name. MandateStands when a mandate is in force."""
    if find_mandate(session, seller=seller, on=refused_on, lock=True) is not None:
        raise MandateStands()
    session.add(MandateRefusal(seller=seller, refused_on=refused_on, refused_by=refused_by, noted_at=now))
    session.flush()


def end_mandate(session: Session, *, seller: str, ended_on: date, ended_by: str = "") -> None:
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
    session.execute(
        update(InvoicingMandate).where(InvoicingMandate.id == mandate.id).values(ended_on=ended_on, ended_by=ended_by)
    )


def find_mandate(session: Session, *, seller: str, on: date, lock: bool = False) -> InvoicingMandate | None:
    """The mandate in force on a day. With `lock` it cannot end before the caller's transaction does."""
    wanted = select(InvoicingMandate).where(
        InvoicingMandate.seller == seller,
        InvoicingMandate.signed_on <= on,
        func.coalesce(InvoicingMandate.ended_on > on, True),
    )
    return session.scalars(wanted.with_for_update(read=True) if lock else wanted).one_or_none()


def has_ended_one(session: Session, *, seller: str, on: date) -> bool:
    """Whether a mandate of the merchant's has ended by that day, even if another one is in force."""
    ended = select(InvoicingMandate.id).where(InvoicingMandate.seller == seller, InvoicingMandate.ended_on <= on)
    return session.scalar(select(ended.exists())) or False


def get_mandate(session: Session, *, seller: str, ordinal: int) -> InvoicingMandate:
    """A merchant's mandate by its number. NoResultFound."""
    query = select(InvoicingMandate).where(InvoicingMandate.seller == seller, InvoicingMandate.ordinal == ordinal)
    return session.scalars(query).one()


def standing_of(session: Session, *, seller: str, on: date) -> Standing:
    """The merchant's last word as of a day: what it signed, ended or declined, whichever came last."""
    mandate = session.scalars(
        select(InvoicingMandate)
        .where(InvoicingMandate.seller == seller, InvoicingMandate.signed_on <= on)
        .order_by(InvoicingMandate.ordinal.desc())
        .limit(1)
    ).one_or_none()
    refusal = session.scalars(
        select(MandateRefusal)
        .where(MandateRefusal.seller == seller, MandateRefusal.refused_on <= on)
        .order_by(MandateRefusal.id.desc())
        .limit(1)
    ).one_or_none()
    if refusal is not None and (mandate is None or refusal.noted_at > mandate.noted_at):
        return Standing("declined", declined_on=refusal.refused_on, declined_by=refusal.refused_by)
    if mandate is None:
        return Standing("unasked")
    is_over = mandate.ended_on is not None and mandate.ended_on <= on
    return Standing(
        "ended" if is_over else "in_force",
        signed_on=mandate.signed_on,
        signed_by=mandate.signed_by,
        ended_on=mandate.ended_on,
        ended_by=mandate.ended_by or "",
        terms=mandate.terms,
    )


def open_terms(session: Session) -> dict[str, str]:
    """Seller → the words of its mandate, of every mandate whose end nobody has written down."""
    rows = session.execute(
        select(InvoicingMandate.seller, InvoicingMandate.terms).where(InvoicingMandate.ended_on.is_(None))
    )
    return {row.seller: row.terms for row in rows}


def _last_used_on(session: Session, mandate_id: int) -> date | None:
    return session.scalar(select(func.max(InvoiceSeries.last_issued_on)).where(InvoiceSeries.mandate_id == mandate_id))
