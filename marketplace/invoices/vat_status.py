"""Whether the association charges VAT: a status from a day on, never for a day that has been.

A status begins with a month: a month's commission is one service and one invoice, at one rate. Before the first row
the settings' number counts, with which the house began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from marketplace.accounts.people import names_of
from marketplace.clock import local_day
from marketplace.errors import FieldError
from marketplace.invoices.models import VatStatus
from marketplace.settings import LegalIdentity

#: A day so far away is a slip of the pen.
FURTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Status:
    """One word about the association's VAT. `number` is empty under the franchise; `set_by` None: from the settings."""

    valid_from: date
    number: str
    set_at: datetime
    set_by: str | None


@dataclass(frozen=True, slots=True)
class VatHistory:
    """The statuses, the newest day first and the last word of a day before the others."""

    statuses: tuple[Status, ...]
    #: What counts before the first of them.
    first_number: str

    def number_on(self, on: date) -> str:
        """The VAT number of a day; empty under the franchise."""
        return next((status.number for status in self.statuses if status.valid_from <= on), self.first_number)

    def charges_on(self, on: date) -> bool:
        return bool(self.number_on(on))


def vat_history(session: Session, identity: LegalIdentity) -> VatHistory:
    rows: Sequence[VatStatus] = session.scalars(
        select(VatStatus).order_by(VatStatus.valid_from.desc(), VatStatus.id.desc())
    ).all()
    names = names_of(session, {row.actor for row in rows})
    statuses = tuple(Status(row.valid_from, row.vat_number, row.set_at, names.get(row.actor)) for row in rows)
    return VatHistory(statuses, identity.vat_number)


def earliest_day(today: date) -> date:
    """From which day a status may count: the next first of a month."""
    return (today.replace(day=28) + timedelta(days=4)).replace(day=1)


def set_vat_status(
    session: Session, identity: LegalIdentity, *, number: str, valid_from: date, actor: str, now: datetime
) -> None:
    """From that day on the association has this VAT number, or none; documents of earlier days stay as they are.

    FieldError at `valid_from`: rate_too_soon, with the first day that is possible; month_starts, with the first of a
    month after it; day_too_far; at `vat`: vat_unchanged when it counts on that day already, as after a second press.
    """
    # Two people who set it wait for each other here.
    session.execute(text("LOCK TABLE vat_status IN SHARE ROW EXCLUSIVE MODE"))
    today = local_day(now)
    if valid_from < earliest_day(today):
        raise FieldError("valid_from", "rate_too_soon", earliest=earliest_day(today))
    if valid_from.day != 1:
        raise FieldError("valid_from", "month_starts", next_month=earliest_day(valid_from))
    if valid_from > today + FURTHEST:
        raise FieldError("valid_from", "day_too_far")
    if vat_history(session, identity).number_on(valid_from) == number:
        raise FieldError("vat", "vat_unchanged", on=valid_from)
    session.add(VatStatus(valid_from=valid_from, vat_number=number, set_at=now, actor=actor))
    session.flush()
