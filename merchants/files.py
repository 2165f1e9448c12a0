"""A merchant's file: the address and the register that its papers name, mended by the association.

A SIREN names one company for ever. Where the file's was written down wrong, it is corrected, with the reason; another
company is another merchant, with its own account, mandate and series of papers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.errors import FieldError, NotFound
from merchants.models import FileChange, Merchant
from merchants.rules import is_number_sound, number_of, siren_of

#: What may be mended. Another name is another seller.
FIELDS = ("registration", "street", "postcode", "city")


def mend_file(
    session: Session, *, merchant_id: int, wanted: Mapping[str, str], reason: str, actor: str, now: datetime
) -> bool:
    """The merchant's file says what is wanted of FIELDS, and who changed it and why; whether anything changed.

    What was issued or signed before keeps what it said. NotFound; FieldError for a register without a SIREN or with
    one whose key does not hold, and for another SIREN than before without a `reason`. A number that stands is not
    held against who mends the address.
    """
    merchant = session.get(Merchant, merchant_id, with_for_update=True, populate_existing=True)
    if merchant is None:
        raise NotFound()
    number, known = number_of(wanted["registration"]), number_of(merchant.registration)
    if not number:
        raise FieldError("registration", "siren_missing")
    if number != known and not is_number_sound(number):
        raise FieldError("registration", "siren_unsound", number=number)
    if known and siren_of(number) != siren_of(known) and not reason:
        raise FieldError("reason", "siren_needs_reason", siren=siren_of(known))
    changed = {
        name: [getattr(merchant, name), wanted[name]] for name in FIELDS if getattr(merchant, name) != wanted[name]
    }
    for name, (_, after) in changed.items():
        setattr(merchant, name, after)
    if changed:
        session.add(FileChange(merchant_id=merchant.id, at=now, actor=actor, changed=changed, reason=reason))
    session.flush()
    return bool(changed)


def changes_of(session: Session, merchant_id: int) -> Sequence[FileChange]:
    """What was ever changed in a merchant's file, newest first."""
    return session.scalars(
        select(FileChange).where(FileChange.merchant_id == merchant_id).order_by(FileChange.id.desc())
    ).all()
