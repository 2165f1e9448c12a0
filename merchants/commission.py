"""What the association keeps of each merchant's sales: a rate from a day on, never for what is sold already.

A rate is frozen into every sale of its days (basket.orders). A change therefore begins tomorrow at the earliest, so
that no basket of today changes under its resident; a dearer one begins when the merchant has had the notice that the
law gives it (domain M7). A merchant without a rate is not sold.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.accounts.people import names_of
from marketplace.clock import local_day
from marketplace.errors import FieldError, NotFound
from marketplace.jobs import publish
from marketplace.legal import legal_number
from merchants.models import CommissionRate, Merchant

#: A day so far away is a slip of the pen.
FURTHEST = timedelta(days=366)


def first_day(before_permille: int | None, permille: int, *, today: date) -> date:
    """From which day a rate may count: the first one at once, a change from tomorrow, a dearer one after its notice.

    `before_permille` counts on that day until now; None without one.
    """
    if before_permille is None:
        return today
    notice = legal_number("terms.notice_days", today) if permille > before_permille else 1
    return today + timedelta(days=notice)


def rates_on(session: Session, merchant_ids: Collection[int], on: date) -> dict[int, int]:
    """Merchant id → per mille that counts on a day; without those who have none."""
    rows = session.execute(
        select(CommissionRate.merchant_id, CommissionRate.permille)
        .where(CommissionRate.merchant_id.in_(merchant_ids), CommissionRate.valid_from <= on)
        .order_by(CommissionRate.merchant_id, CommissionRate.valid_from, CommissionRate.id)
    )
    # Later rows overwrite earlier ones: the last word about the last day stays.
    return {row.merchant_id: row.permille for row in rows}


def set_rate(
    session: Session, *, merchant_id: int, permille: int, valid_from: date, actor: str, now: datetime
) -> CommissionRate:
    """The merchant sells at `permille` from that day on, and is told by letter.

    NotFound. FieldError at `valid_from`: rate_too_soon, with the first day that is possible; day_too_far; at `rate`:
    rate_unchanged when it counts on that day already, as after a second press.
    """
    # Two people who set rates of one merchant wait for each other here.
    if session.get(Merchant, merchant_id, with_for_update=True) is None:
        raise NotFound()
    today = local_day(now)
    if valid_from > today + FURTHEST:
        raise FieldError("valid_from", "day_too_far")
    before = rates_on(session, [merchant_id], valid_from).get(merchant_id)
    if before == permille:
        raise FieldError("rate", "rate_unchanged", on=valid_from)
    earliest = first_day(before, permille, today=today)
    if valid_from < earliest:
        raise FieldError("valid_from", "rate_too_soon", earliest=earliest)
    rate = CommissionRate(merchant_id=merchant_id, permille=permille, valid_from=valid_from, set_at=now, actor=actor)
    session.add(rate)
    session.flush()
    publish(session, "commission.set", rate_id=rate.id)
    return rate


# --- Read ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rate:
    """One word about a merchant's rate. `standing`: past, current, coming, or replaced by a later word.

    `set_by` None: it came with the merchant.
    """

    permille: int
    valid_from: date
    set_at: datetime
    set_by: str | None
    standing: str


@dataclass(frozen=True, slots=True)
class Commission:
    """A merchant's rates, the newest day first."""

    merchant_id: int
    party: str
    legal_name: str
    rates: tuple[Rate, ...]

    @property
    def current(self) -> Rate | None:
        """What counts today; None: nothing of the merchant can be sold."""
        return next((rate for rate in self.rates if rate.standing == "current"), None)

    @property
    def coming(self) -> Rate | None:
        """The next change that is already decided."""
        return next((rate for rate in reversed(self.rates) if rate.standing == "coming"), None)


def commissions(session: Session, *, on: date, merchant_ids: Collection[int] | None = None) -> Sequence[Commission]:
    """Every merchant's, or those of some, by name; first those who have no rate on the day."""
    merchants = select(Merchant).order_by(Merchant.legal_name, Merchant.id)
    rates = select(CommissionRate).order_by(CommissionRate.valid_from.desc(), CommissionRate.id.desc())
    if merchant_ids is not None:
        merchants = merchants.where(Merchant.id.in_(merchant_ids))
        rates = rates.where(CommissionRate.merchant_id.in_(merchant_ids))
    of_merchant: dict[int, list[CommissionRate]] = {}
    for rate in session.scalars(rates):
        of_merchant.setdefault(rate.merchant_id, []).append(rate)
    names = names_of(session, {rate.actor for rates_ in of_merchant.values() for rate in rates_})
    found = [
        Commission(one.id, f"merchant:{one.key}", one.legal_name, _told(of_merchant.get(one.id, []), names, on))
        for one in session.scalars(merchants)
    ]
    return sorted(found, key=lambda one: one.current is not None)


def get_commission(session: Session, merchant_id: int, *, on: date) -> Commission:
    """One merchant's; NotFound."""
    for found in commissions(session, on=on, merchant_ids=[merchant_id]):
        return found
    raise NotFound()


def _told(rows: Sequence[CommissionRate], names: dict[str, str], on: date) -> tuple[Rate, ...]:
    """The rows, newest day first and the last word of a day before the others, with how each stands."""
    told: list[Rate] = []
    has_current, said_of = False, None
    for row in rows:
        if row.valid_from == said_of:
            standing = "replaced"
        elif row.valid_from > on:
            standing = "coming"
        else:
            standing, has_current = "past" if has_current else "current", True
        said_of = row.valid_from
        told.append(Rate(row.permille, row.valid_from, row.set_at, names.get(row.actor), standing))
    return tuple(told)


def least_rate(session: Session, *, on: date) -> int:
    """The per mille of those merchants who give the association the least; 0 where nobody has a rate."""
    merchant_ids = session.scalars(select(Merchant.id)).all()
    return min(rates_on(session, merchant_ids, on).values(), default=0)
