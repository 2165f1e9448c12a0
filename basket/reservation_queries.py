"""What the pages and letters of reservations show: the resident's page, and the shop's own ones (domain D7)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from basket.models import Reservation, ReservationEvent, ReservationLine
from basket.reservations import OPEN_STATES
from basket.rules import initials
from marketplace.clock import local_day, local_instant
from marketplace.errors import NotFound
from marketplace.ids import is_token
from marketplace.money import Money
from merchants.kinds import get_kind
from merchants.models import Merchant, Shop, Variant

#: More than one pair of hands gets through in a day; the page says when there are more.
SHOWN_MOST = 100


@dataclass(frozen=True, slots=True)
class KeptLine:
    """One product that is kept."""

    reference: str
    name: str
    label: str
    drawing: str
    kind: str
    product_id: int
    variant_id: int
    qty: int
    unit_price: Money
    allergens: tuple[str, ...] | None
    cold: str

    @property
    def total(self) -> Money:
        return self.unit_price * self.qty


@dataclass(frozen=True, slots=True)
class Beside:
    """Another shop's reservation, made with the same button."""

    code: str
    token: str
    shop_name: str


@dataclass(frozen=True, slots=True)
class Happened:
    at: datetime
    event: str


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A reservation whole, with the shop as it is today. `minimum_age`: what the shop has to ask for, None if nothing.

    Residents see all of it but `events`; the shop sees `recipient` in the place of `name`.
    """

    id: int
    code: str
    token: str
    state: str
    ending: str | None
    language: str
    name: str
    phone: str
    email: str
    kept_until_on: date
    collection_code: str
    reserved_at: datetime
    ended_at: datetime | None
    slug: str
    shop_name: str
    awning: int
    street: str
    city: str
    shop_phone: str
    shop_email: str
    opening_hours: str
    seller_name: str
    seller_registration: str
    seller_address: str
    seller_contact: str
    lines: tuple[KeptLine, ...]
    events: tuple[Happened, ...]
    minimum_age: int | None

    @property
    def recipient(self) -> str:
        return initials(self.name)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def goods(self) -> Money:
        return Money.total([line.total for line in self.lines])

    @property
    def pieces_qty(self) -> int:
        return sum(line.qty for line in self.lines)


@dataclass(frozen=True, slots=True)
class KeptCard:
    """One reservation in a shop's list of work."""

    id: int
    code: str
    state: str
    recipient: str
    kept_until_on: date
    pieces_qty: int
    shop_name: str
    awning: int
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeptWork:
    """What a shop does about reservations. `to_put_back`: what ended today without being fetched."""

    to_set_aside: tuple[KeptCard, ...]
    waiting: tuple[KeptCard, ...]
    collected_today: tuple[KeptCard, ...]
    to_put_back: tuple[KeptCard, ...]
    is_more: bool

    @property
    def is_empty(self) -> bool:
        return not (self.to_set_aside or self.waiting or self.collected_today or self.to_put_back)


def get_reservation(session: Session, *, code: str, token: str) -> KeptRow:
    """The reservation that a link opens; NotFound for a wrong token, as for a wrong code."""
    if not (is_token(code) and is_token(token)):
        raise NotFound()
    row = _whole(session, Reservation.code == code)
    if not secrets.compare_digest(row.token, token):
        raise NotFound()
    return row


def get_by_id(session: Session, reservation_id: int) -> KeptRow:
    return _whole(session, Reservation.id == reservation_id)


def get_sheet(session: Session, *, reservation_id: int, shop_ids: frozenset[int]) -> KeptRow:
    """One of these shops' reservations; NotFound for any other."""
    return _whole(session, Reservation.id == reservation_id, Reservation.shop_id.in_(shop_ids))


def made_beside(session: Session, reservation_id: int) -> tuple[Beside, ...]:
    """What was reserved at other shops with the same button."""
    key = select(Reservation.request_key).where(Reservation.id == reservation_id).scalar_subquery()
    rows = session.execute(
        select(Reservation.code, Reservation.token, Reservation.shop_name)
        .where(Reservation.request_key == key, Reservation.id != reservation_id)
        .order_by(Reservation.id)
    )
    return tuple(Beside(*row) for row in rows)


def find_link(session: Session, *, code: str, phone_end: str) -> tuple[str, str] | None:
    """(code, token) for somebody who knows the number and the end of the telephone number, at least four digits."""
    if len(phone_end) < 4:
        return None
    row = session.execute(
        select(Reservation.code, Reservation.token, Reservation.phone).where(Reservation.code == code)
    ).one_or_none()
    return (row.code, row.token) if row is not None and row.phone.endswith(phone_end[-4:]) else None


def todays_reservations(session: Session, *, shop_ids: frozenset[int], now: datetime) -> KeptWork:
    """What these shops keep, the soonest end first, and what ended since midnight."""
    rows = session.execute(
        _cards()
        .where(Reservation.shop_id.in_(shop_ids), Reservation.state.in_(OPEN_STATES))
        .order_by(Reservation.kept_until_on, Reservation.id)
        .limit(SHOWN_MOST + 1)
    ).all()
    midnight = local_instant(local_day(now), time())
    ended = session.execute(
        _cards()
        .where(Reservation.shop_id.in_(shop_ids), Reservation.ended_at >= midnight)
        .order_by(Reservation.ended_at.desc(), Reservation.id)
        .limit(SHOWN_MOST)
    ).all()
    open_cards = [_card(reservation, qty) for reservation, qty in rows[:SHOWN_MOST]]
    ended_cards = [_card(reservation, qty) for reservation, qty in ended]
    return KeptWork(
        to_set_aside=tuple(card for card in open_cards if card.state == "reserved"),
        waiting=tuple(card for card in open_cards if card.state == "ready"),
        collected_today=tuple(card for card in ended_cards if card.state == "collected"),
        to_put_back=tuple(card for card in ended_cards if card.state != "collected"),
        is_more=len(rows) > SHOWN_MOST,
    )


def open_reservations(session: Session) -> tuple[tuple[KeptCard, ...], bool]:
    """What all shops keep, the soonest end first; and whether there is more than is shown."""
    rows = session.execute(
        _cards()
        .where(Reservation.state.in_(OPEN_STATES))
        .order_by(Reservation.kept_until_on, Reservation.shop_name, Reservation.id)
        .limit(SHOWN_MOST + 1)
    ).all()
    return tuple(_card(reservation, qty) for reservation, qty in rows[:SHOWN_MOST]), len(rows) > SHOWN_MOST


def _cards() -> Select[Reservation, int]:
    pieces_qty = (
        select(func.sum(ReservationLine.qty))
        .where(ReservationLine.reservation_id == Reservation.id)
        .correlate(Reservation)
        .scalar_subquery()
    )
    return select(Reservation, pieces_qty)


def _card(reservation: Reservation, pieces_qty: int) -> KeptCard:
    return KeptCard(
        id=reservation.id,
        code=reservation.code,
        state=reservation.state,
        recipient=initials(reservation.name),
        kept_until_on=reservation.kept_until_on,
        pieces_qty=pieces_qty,
        shop_name=reservation.shop_name,
        awning=reservation.shop_awning,
        ended_at=reservation.ended_at,
    )


def _whole(session: Session, *which: ColumnElement[bool]) -> KeptRow:
    row = session.execute(
        select(Reservation, Shop, Merchant.email)
        .join(Shop, Reservation.shop_id == Shop.id)
        .join(Merchant, Shop.merchant_id == Merchant.id)
        .where(*which)
    ).one_or_none()
    if row is None:
        raise NotFound()
    reservation, shop, shop_email = row
    day = local_day(reservation.reserved_at)
    lines = tuple(
        _kept_line(line, product_id, day)
        for line, product_id in session.execute(
            select(ReservationLine, Variant.product_id)
            .join(Variant, ReservationLine.variant_id == Variant.id)
            .where(ReservationLine.reservation_id == reservation.id)
            .order_by(ReservationLine.position)
        )
    )
    events = session.execute(
        select(ReservationEvent.at, ReservationEvent.event)
        .where(ReservationEvent.reservation_id == reservation.id)
        .order_by(ReservationEvent.id)
    )
    return KeptRow(
        id=reservation.id,
        code=reservation.code,
        token=reservation.token,
        state=reservation.state,
        ending=reservation.ending,
        language=reservation.language,
        name=reservation.name,
        phone=reservation.phone,
        email=reservation.email,
        kept_until_on=reservation.kept_until_on,
        collection_code=reservation.collection_code,
        reserved_at=reservation.reserved_at,
        ended_at=reservation.ended_at,
        slug=shop.slug,
        shop_name=reservation.shop_name,
        awning=reservation.shop_awning,
        street=shop.street,
        city=shop.city,
        shop_phone=shop.phone,
        shop_email=shop_email,
        opening_hours=shop.opening_hours,
        seller_name=reservation.seller_name,
        seller_registration=reservation.seller_registration,
        seller_address=reservation.seller_address,
        seller_contact=reservation.seller_contact,
        lines=lines,
        events=tuple(Happened(at, event) for at, event in events),
        minimum_age=_oldest(get_kind(line.kind, day).minimum_age for line in lines),
    )


def _oldest(ages: Iterable[int | None]) -> int | None:
    return max((age for age in ages if age is not None), default=None)


def _kept_line(line: ReservationLine, product_id: int, on: date) -> KeptLine:
    return KeptLine(
        reference=line.reference,
        name=line.name,
        label=line.label,
        drawing=line.drawing,
        kind=line.kind,
        product_id=product_id,
        variant_id=line.variant_id,
        qty=line.qty,
        unit_price=line.unit_price,
        allergens=None if line.allergens is None else tuple(line.allergens),
        cold=get_kind(line.kind, on).cold,
    )
