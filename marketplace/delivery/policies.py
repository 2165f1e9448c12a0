"""Each zone's terms of delivery, from a day on: who pays what. They are frozen into every order of their days.

A change begins tomorrow at the earliest, so that no basket of today changes under its resident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from marketplace.accounts.people import names_of
from marketplace.clock import local_day
from marketplace.delivery.models import DeliveryPolicy, Zone
from marketplace.delivery.pricing import DeliveryTerms, first_day
from marketplace.errors import FieldError, NotFound
from marketplace.jobs import publish
from marketplace.money import Money

#: A day so far away is a slip of the pen.
FURTHEST = timedelta(days=366)

#: Every zone with the policy that counts on a day; before the first one, the zone's own fee is all there is to pay.
#: As text, because every page asks it for the promise of delivery (see merchants.queries).
_TERMS = """
    SELECT z.id AS zone_id, coalesce(p.cost, z.fee) AS cost, coalesce(p.fee, z.fee) AS fee, p.free_from,
           coalesce(p.merchants_permille, 0) AS merchants_permille, coalesce(p.per_parcel, 0) AS per_parcel
    FROM zone z LEFT JOIN LATERAL (
        SELECT * FROM delivery_policy p WHERE p.zone_id = z.id AND p.valid_from <= :on
        ORDER BY p.valid_from DESC, p.id DESC LIMIT 1
    ) p ON true
"""
_OF_ZONE = text(f"{_TERMS} WHERE z.id = :zone_id")  # noqa: S608  # our own sentences
_CHEAPEST = text(f"{_TERMS} ORDER BY fee, z.id LIMIT 1")  # noqa: S608  # as above


def terms_of(session: Session, *, zone_id: int, on: date) -> DeliveryTerms:
    """The terms that count for a zone on a day; NotFound."""
    row = session.execute(_OF_ZONE, {"zone_id": zone_id, "on": on}).one_or_none()
    if row is None:
        raise NotFound()
    return _terms(row)


def cheapest_terms(session: Session, *, on: date) -> DeliveryTerms | None:
    """The terms of the zone with the lowest fee; None while there is no zone."""
    row = session.execute(_CHEAPEST, {"on": on}).one_or_none()
    return _terms(row) if row else None


def _terms(row: Row[Any]) -> DeliveryTerms:
    return DeliveryTerms(
        cost=Money(row.cost),
        fee=Money(row.fee),
        free_from=None if row.free_from is None else Money(row.free_from),
        merchants_permille=row.merchants_permille,
        per_parcel=Money(row.per_parcel),
    )


def set_policy(
    session: Session, *, zone_id: int, terms: DeliveryTerms, valid_from: date, actor: str, now: datetime
) -> DeliveryPolicy:
    """Deliveries in the zone have these terms from that day on; merchants whom it concerns are told.

    NotFound. FieldError at `valid_from`: rate_too_soon, with the first day that is possible; day_too_far; at `fee`:
    terms_unchanged when they count on that day already, as after a second press.
    """
    # Two people who set terms of one zone wait for each other here.
    if session.get(Zone, zone_id, with_for_update=True) is None:
        raise NotFound()
    today = local_day(now)
    if valid_from > today + FURTHEST:
        raise FieldError("valid_from", "day_too_far")
    before = terms_of(session, zone_id=zone_id, on=valid_from)
    if before == terms:
        raise FieldError("fee", "terms_unchanged", on=valid_from)
    earliest = first_day(before, terms, today=today)
    if valid_from < earliest:
        raise FieldError("valid_from", "rate_too_soon", earliest=earliest)
    policy = DeliveryPolicy(
        zone_id=zone_id,
        valid_from=valid_from,
        cost=terms.cost,
        fee=terms.fee,
        free_from=terms.free_from,
        merchants_permille=terms.merchants_permille,
        per_parcel=terms.per_parcel,
        set_at=now,
        actor=actor,
    )
    session.add(policy)
    session.flush()
    if before.merchants_bear or terms.merchants_bear:
        publish(session, "delivery_terms.set", policy_id=policy.id)
    return policy


# --- Read ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToldTerms:
    """One word about a zone's terms. `standing`: past, current, coming, or replaced by a later word.

    `set_by` None: they came with the zone.
    """

    terms: DeliveryTerms
    valid_from: date | None
    set_at: datetime | None
    set_by: str | None
    standing: str


@dataclass(frozen=True, slots=True)
class ZoneTerms:
    """A zone's terms, the newest day first; the last are those that came with it."""

    zone_id: int
    name: str
    history: tuple[ToldTerms, ...]

    @property
    def current(self) -> ToldTerms:
        return next(one for one in self.history if one.standing == "current")

    @property
    def has_merchants_part(self) -> bool:
        """Whether merchants bear something now, or will."""
        return any(one.terms.merchants_bear for one in self.history if one.standing in ("current", "coming"))

    @property
    def coming(self) -> ToldTerms | None:
        """The next change that is already decided."""
        return next((one for one in reversed(self.history) if one.standing == "coming"), None)


def zones_with_terms(session: Session, *, on: date) -> Sequence[ZoneTerms]:
    """Every zone by name."""
    zones = session.scalars(select(Zone).order_by(Zone.name, Zone.id)).all()
    policies = session.scalars(
        select(DeliveryPolicy).order_by(DeliveryPolicy.valid_from.desc(), DeliveryPolicy.id.desc())
    ).all()
    names = names_of(session, {policy.actor for policy in policies})
    return [
        ZoneTerms(zone.id, zone.name, _told(zone, [p for p in policies if p.zone_id == zone.id], names, on))
        for zone in zones
    ]


def get_zone_terms(session: Session, zone_id: int, *, on: date) -> ZoneTerms:
    """One zone's; NotFound."""
    for found in zones_with_terms(session, on=on):
        if found.zone_id == zone_id:
            return found
    raise NotFound()


def _told(zone: Zone, rows: Sequence[DeliveryPolicy], names: dict[str, str], on: date) -> tuple[ToldTerms, ...]:
    told: list[ToldTerms] = []
    has_current, said_of = False, None
    for row in rows:
        if row.valid_from == said_of:
            standing = "replaced"
        elif row.valid_from > on:
            standing = "coming"
        else:
            standing, has_current = "past" if has_current else "current", True
        said_of = row.valid_from
        told.append(ToldTerms(terms_in(row), row.valid_from, row.set_at, names.get(row.actor), standing))
    own = DeliveryTerms(cost=zone.fee, fee=zone.fee)
    return (*told, ToldTerms(own, None, None, None, "past" if has_current else "current"))


def terms_in(policy: DeliveryPolicy) -> DeliveryTerms:
    return DeliveryTerms(
        cost=policy.cost,
        fee=policy.fee,
        free_from=policy.free_from,
        merchants_permille=policy.merchants_permille,
        per_parcel=policy.per_parcel,
    )
