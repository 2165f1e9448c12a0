"""A merchant's file: the address and the register that its papers name, mended by the association."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from marketplace.errors import FieldError, NotFound
from merchants.models import FileChange, Merchant
from merchants.rules import siren_of

#: What may be mended. A name, or another SIREN, is another seller.
FIELDS = ("registration", "street", "postcode", "city")


def mend_file(session: Session, *, merchant_id: int, wanted: Mapping[str, str], actor: str, now: datetime) -> bool:
    """The merchant's file says what is wanted of FIELDS, and who changed it; whether anything changed.

    What was issued before keeps what it said. NotFound; FieldError for a register without a SIREN, or with another one
    than before.
    """
    merchant = session.get(Merchant, merchant_id, with_for_update=True, populate_existing=True)
    if merchant is None:
        raise NotFound()
    siren, known = siren_of(wanted["registration"]), siren_of(merchant.registration)
    if not siren:
        raise FieldError("registration", "siren_missing")
    if known and siren != known:
        raise FieldError("registration", "siren_stays", siren=known)
    changed = {
        name: [getattr(merchant, name), wanted[name]] for name in FIELDS if getattr(merchant, name) != wanted[name]
    }
    for name, (_, after) in changed.items():
        setattr(merchant, name, after)
    if changed:
        session.add(FileChange(merchant_id=merchant.id, at=now, actor=actor, changed=changed))
    session.flush()
    return bool(changed)
