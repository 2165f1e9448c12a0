"""A merchant's file: the address and the register that its papers name, mended by the association.

A SIREN names one company for ever. Where the file's was written down wrong, it is corrected, with the reason; another
company is another merchant, with its own account, mandate and series of papers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.errors import FieldError, NotFound
from merchants.models import FileChange, Merchant
from merchants.rules import is_natural_person, is_number_sound, number_of, siren_of

#: What may be mended. Another name is another seller.
FIELDS = ("registration", "legal_form", "born_on", "street", "postcode", "city")

#: Of whoever sells: outside of these years somebody has mistyped.
AGES = range(16, 111)


def mend_file(
    session: Session, *, merchant_id: int, wanted: Mapping[str, Any], reason: str, actor: str, now: datetime
) -> bool:
    """The merchant's file says what is wanted of FIELDS, and who changed it and why; whether anything changed.

    What was issued or signed before keeps what it said. NotFound; FieldError for a register without a SIREN or with
    one whose key does not hold, for another merchant's SIREN, for another SIREN than before without a `reason`, for a
    legal form that is taken away, and for the birth date of a company or of nobody who could sell. A number that
    stands is not held against who mends the address.
    """
    merchant = session.get(Merchant, merchant_id, with_for_update=True, populate_existing=True)
    if merchant is None:
        raise NotFound()
    number, known = number_of(wanted["registration"]), number_of(merchant.registration)
    if not number:
        raise FieldError("registration", "siren_missing")
    if number != known and not is_number_sound(number):
        raise FieldError("registration", "siren_unsound", number=number)
    other = _named_by(session, siren_of(number), merchant_id) if siren_of(number) != siren_of(known) else None
    if other is not None:
        raise FieldError("registration", "siren_taken", name=other)
    if known and siren_of(number) != siren_of(known) and not reason:
        raise FieldError("reason", "siren_needs_reason", siren=siren_of(known))
    after = {name: wanted.get(name, getattr(merchant, name)) for name in FIELDS}
    if merchant.legal_form and not after["legal_form"]:
        raise FieldError("legal_form", "required")
    _check_birth(after["born_on"], after["legal_form"], local_day(now))
    changed = {}
    for name, value in after.items():
        before = getattr(merchant, name)
        if value != before:
            # A birth date is forgotten with the file: its history says only that one was noted.
            changed[name] = [bool(before), bool(value)] if name == "born_on" else [before, value]
            setattr(merchant, name, value)
    if changed:
        session.add(FileChange(merchant_id=merchant.id, at=now, actor=actor, changed=changed, reason=reason))
    session.flush()
    return bool(changed)


def describe_itself(
    session: Session, *, merchant_id: int, legal_form: str, is_vat_exempt: bool, actor: str, now: datetime
) -> None:
    """The merchant says, when it signs, what it is and whether it charges VAT; its file says so, and who said it."""
    merchant = session.get_one(Merchant, merchant_id, with_for_update=True, populate_existing=True)
    changed = {}
    for name, value in (("legal_form", legal_form), ("is_vat_exempt", is_vat_exempt)):
        before = getattr(merchant, name)
        if value != before:
            changed[name] = [before, value]
            setattr(merchant, name, value)
    if changed:
        session.add(FileChange(merchant_id=merchant.id, at=now, actor=actor, changed=changed, reason=""))
    session.flush()


def _named_by(session: Session, siren: str, merchant_id: int) -> str | None:
    """The other merchant that has this SIREN: another shop of one company is a second shop of one merchant."""
    others = session.execute(select(Merchant.legal_name, Merchant.registration).where(Merchant.id != merchant_id))
    return next((row.legal_name for row in others if siren_of(row.registration) == siren), None)


def _check_birth(born_on: date | None, legal_form: str, today: date) -> None:
    if born_on is None:
        return
    if not is_natural_person(legal_form):
        raise FieldError("born_on", "birth_of_company")
    if today.year - born_on.year not in AGES:
        raise FieldError("born_on", "birth_unlikely")


def changes_of(session: Session, merchant_id: int) -> Sequence[FileChange]:
    """What was ever changed in a merchant's file, newest first."""
    return session.scalars(
        select(FileChange).where(FileChange.merchant_id == merchant_id).order_by(FileChange.id.desc())
    ).all()
