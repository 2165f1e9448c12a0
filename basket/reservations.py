"""Reserve online, pay in the shop: for goods of merchants who cannot be paid online yet (mollie.md 7).

A reservation is a promise of the shop, not a sale: no payment, no share, no commission, no round. Its pieces are held
like an order's until the shop hands them over, somebody cancels, or its last day is over.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import ColumnElement, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from basket.models import Line, Reservation, ReservationEvent, ReservationLine
from basket.orders import CODE_DRAWS, BasketChanged, KeyUsedOtherwise, WrongCollectionCode
from basket.quoting import QuotedGroup, QuotedShop, quote_basket
from basket.rules import RESERVATION_NEXT
from marketplace.clock import Clock, local_day, local_instant
from marketplace.errors import MarketplaceError, NotFound
from marketplace.ids import new_order_code, new_token
from marketplace.jobs import publish
from marketplace.legal import legal_number
from marketplace.money import Money
from marketplace.payments import service as payments
from merchants import stock
from merchants.hours import opening_day

OPEN_STATES = ("reserved", "ready")
#: Why a shop cancels.
SHOP_REASONS = ("missing", "closed", "unreachable")

#: Of the advisory locks that one telephone's reservations are made under; the digits mean nothing.
LOCK = 20_261_122


class NothingToReserve(MarketplaceError):
    """Everything in the basket can be paid online, or nothing is in it."""

    code = "nothing_to_reserve"


class TooManyReservations(MarketplaceError):
    """More than `most` reservations would be open for one telephone."""

    code = "too_many_reservations"


class ShopStaysClosed(MarketplaceError):
    """The shop `shop` does not open soon enough for anything to be fetched there."""

    code = "shop_stays_closed"


class ReservationOver(MarketplaceError):
    """It has ended otherwise, or is not open to this any more."""

    code = "reservation_over"


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a resident asks for. `seen_goods` is the sum on the page with the button, if there was a page."""

    basket_id: int
    request_key: str
    name: str
    phone: str
    email: str
    language: str
    provider_env: str
    seen_goods: Money | None = None
    request_hash: str | None = None

    def fingerprint(self) -> str:
        """What makes two requests with one key the same request."""
        if self.request_hash is not None:
            return self.request_hash
        asked = [self.basket_id, self.name, self.phone, self.email]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reserved:
    """One shop's reservation, and the secret of its page."""

    id: int
    code: str
    token: str


def hold_reference(code: str) -> str:
    """What the shelves call it: the codes of reservations and of orders are drawn from the same numbers."""
    return f"reservation:{code}"


def kept_until(shop: QuotedShop, on: date) -> date | None:
    """The last day on which the shop keeps what is reserved on a day; None when it does not open soon enough."""
    return opening_day(
        shop.opening_hours,
        on,
        nth=legal_number("reservation.opening_days", on),
        within_days=legal_number("reservation.longest_days", on),
    )


# --- Reserve ---------------------------------------------------------------------------------------------------


def reserve(session: Session, command: Reserve, *, clock: Clock) -> tuple[Reserved, ...]:
    """One reservation at each shop of the basket that cannot be paid online, all its pieces held; or none at all.

    Its lines leave the basket, the others stay. The same key again gives the same reservations. Refusals:
    NothingToReserve, BasketChanged (a price, a quantity or a shop is not as it was seen), stock.NotEnoughStock,
    ShopStaysClosed, TooManyReservations, KeyUsedOtherwise.
    """
    now = clock.now()
    today = local_day(now)
    # The cap counts rows that others may be about to write: one telephone's requests come one after the other.
    session.execute(select(func.pg_advisory_xact_lock(LOCK, func.hashtext(command.phone))))
    earlier = find_reserved(session, request_key=command.request_key, request_hash=command.fingerprint())
    if earlier:
        return earlier
    payable = payments.payable_parties(session, command.provider_env)
    quote = quote_basket(session, basket_id=command.basket_id, payable=payable, now=now).to_reserve
    if not quote.groups:
        raise NothingToReserve()
    if quote.blocked_lines or command.seen_goods not in (None, quote.goods):
        raise BasketChanged()
    _check_room(session, command.phone, len(quote.groups), today)
    reserved = []
    for group in quote.groups:
        until_on = kept_until(group.shop, today)
        if until_on is None:
            raise ShopStaysClosed(shop=group.shop.name)
        reserved.append((_insert(session, command, group.shop, until_on, now), group, until_on))
    stock.lock(session, variant_ids=[line.variant_id for line in quote.lines])
    for made, group, until_on in reserved:
        stock.hold(
            session,
            reference=hold_reference(made.code),
            quantities={line.variant_id: line.qty for line in group.lines},
            until_at=local_instant(until_on + timedelta(days=1), time()),
        )
        _insert_lines(session, made.id, group)
        _record(session, made.id, "reserve", "", "reserved", "resident", now)
        publish(session, "reservation.made", reservation_id=made.id)
    _take_out_of_basket(session, {line.line_id: line.qty for line in quote.lines})
    return tuple(made for made, _, _ in reserved)


def find_reserved(session: Session, *, request_key: str, request_hash: str) -> tuple[Reserved, ...]:
    """What this request has made already, none if nothing; KeyUsedOtherwise when its key made something else."""
    rows = session.execute(
        select(Reservation.id, Reservation.code, Reservation.token, Reservation.request_hash)
        .where(Reservation.request_key == request_key)
        .order_by(Reservation.id)
    ).all()
    if any(row.request_hash != request_hash for row in rows):
        raise KeyUsedOtherwise()
    return tuple(Reserved(row.id, row.code, row.token) for row in rows)


def find_by_key(session: Session, request_key: str) -> Reserved | None:
    """The first reservation that the key of a form has made."""
    row = session.execute(
        select(Reservation.id, Reservation.code, Reservation.token)
        .where(Reservation.request_key == request_key)
        .order_by(Reservation.id)
        .limit(1)
    ).one_or_none()
    return Reserved(*row) if row else None


def _check_room(session: Session, phone: str, more_qty: int, on: date) -> None:
    most = legal_number("reservation.open_most", on)
    open_qty = session.scalar(
        select(func.count()).where(Reservation.phone == phone, Reservation.state.in_(OPEN_STATES))
    )
    if (open_qty or 0) + more_qty > most:
        raise TooManyReservations(most=most)


def _insert(session: Session, command: Reserve, shop: QuotedShop, until_on: date, now: datetime) -> Reserved:
    token = new_token()
    values = {
        "token": token,
        "request_key": command.request_key,
        "request_hash": command.fingerprint(),
        "shop_id": shop.id,
        "state": "reserved",
        "language": command.language,
        "name": command.name,
        "phone": command.phone,
        "email": command.email,
        "kept_until_on": until_on,
        "collection_code": f"{secrets.randbelow(10_000):04d}",
        "shop_name": shop.name,
        "shop_awning": shop.awning,
        "seller_name": shop.seller_name,
        "seller_registration": shop.seller_registration,
        "seller_address": shop.seller_address,
        "seller_contact": shop.seller_contact,
        "reserved_at": now,
    }
    # Either unique key may be taken: the request's, which ends the search, or by chance the code's.
    for _ in range(CODE_DRAWS):
        code = new_order_code()
        reservation_id = session.scalar(
            upsert(Reservation).values(code=code, **values).on_conflict_do_nothing().returning(Reservation.id)
        )
        if reservation_id is not None:
            return Reserved(reservation_id, code, token)
        if find_by_key(session, command.request_key) is not None:
            raise KeyUsedOtherwise()  # by another telephone: its own would have waited for us
    raise AssertionError("no free code in twenty draws: six digits no longer suffice")


def _insert_lines(session: Session, reservation_id: int, group: QuotedGroup) -> None:
    lines = [
        {
            "reservation_id": reservation_id,
            "variant_id": line.variant_id,
            "position": position,
            "reference": line.reference,
            "name": line.name,
            "label": line.label,
            "kind": line.kind.key,
            "drawing": line.drawing,
            "unit_price": line.unit_price,
            "qty": line.qty,
            "allergens": None if line.allergens is None else list(line.allergens),
        }
        for position, line in enumerate(group.lines)
    ]
    session.execute(insert(ReservationLine), lines)


def _take_out_of_basket(session: Session, qty_by_line: dict[int, int]) -> None:
    """The lines as they were quoted are gone; BasketChanged when another page has changed or taken one meanwhile."""
    gone = session.scalars(
        delete(Line).where(tuple_(Line.id, Line.qty).in_(sorted(qty_by_line.items()))).returning(Line.id)
    ).all()
    if len(gone) != len(qty_by_line):
        raise BasketChanged()


# --- What becomes of it ----------------------------------------------------------------------------------------


def advance(
    session: Session,
    *,
    reservation_id: int,
    shop_ids: frozenset[int],
    event: str,
    actor: str,
    now: datetime,
    collection_code: str = "",
) -> bool:
    """The shop's act: `ready`, it is put aside; `collect`, it was handed over and paid there. Whether this call did it.

    An act that is behind us already changes nothing. Collecting wants the code. NotFound for another shop's,
    WrongCollectionCode, ReservationOver.
    """
    reservation = _lock(session, Reservation.id == reservation_id, Reservation.shop_id.in_(shop_ids))
    if _is_behind(reservation, event):
        return False
    if event == "collect":
        if not secrets.compare_digest(reservation.collection_code.encode(), collection_code.encode()):
            raise WrongCollectionCode()
        stock.sell(session, reference=hold_reference(reservation.code), actor=actor, now=now)
    _move(session, reservation, event, actor, now)
    if event == "ready":
        publish(session, "reservation.ready", reservation_id=reservation.id)
    return True


def cancel(session: Session, *, code: str, token: str, now: datetime) -> bool:
    """The resident does not want it any more; whether this call did it. ReservationOver once it has ended otherwise."""
    reservation = _lock(session, Reservation.code == code)
    if not secrets.compare_digest(reservation.token.encode(), token.encode()):
        raise NotFound()
    return _let_go(session, reservation, "cancel", "resident", now, ending="resident")


def cancel_by_shop(
    session: Session, *, reservation_id: int, shop_ids: frozenset[int], reason: str, actor: str, now: datetime
) -> bool:
    """The shop cannot keep its promise, for one of SHOP_REASONS; whether this call did it.

    NotFound for another shop's, ReservationOver once it has ended otherwise.
    """
    assert reason in SHOP_REASONS, reason
    reservation = _lock(session, Reservation.id == reservation_id, Reservation.shop_id.in_(shop_ids))
    return _let_go(session, reservation, "cancel", actor, now, ending=reason)


def lapse(session: Session, *, reservation_id: int, now: datetime) -> bool:
    """Its last day is over: the pieces go back to the others; whether this call did it."""
    reservation = _lock(session, Reservation.id == reservation_id)
    if reservation.state not in OPEN_STATES or local_day(now) <= reservation.kept_until_on:
        return False
    return _let_go(session, reservation, "lapse", "clock", now)


def _let_go(
    session: Session, reservation: Reservation, event: str, actor: str, now: datetime, ending: str | None = None
) -> bool:
    if _is_behind(reservation, event):
        return False
    stock.release(session, reference=hold_reference(reservation.code), actor=actor, now=now)
    reservation.ending = ending
    _move(session, reservation, event, actor, now)
    publish(session, "reservation.let_go", reservation_id=reservation.id)
    return True


def overdue(session: Session, on: date) -> list[int]:
    """Every open reservation whose last day was before a day."""
    return list(
        session.scalars(
            select(Reservation.id)
            .where(Reservation.state.in_(OPEN_STATES), Reservation.kept_until_on < on)
            .order_by(Reservation.id)
        )
    )


def remind(session: Session, now: datetime) -> int:
    """Whoever has until tomorrow, and did not reserve only today, is reminded, once; how many."""
    today = local_day(now)
    reminded = session.scalars(
        update(Reservation)
        .where(
            Reservation.state.in_(OPEN_STATES),
            Reservation.kept_until_on == today + timedelta(days=1),
            Reservation.reserved_at < local_instant(today, time()),
            Reservation.reminded_at.is_(None),
        )
        .values(reminded_at=now)
        .returning(Reservation.id)
        .execution_options(synchronize_session=False)
    ).all()
    for reservation_id in reminded:
        publish(session, "reservation.last_day", reservation_id=reservation_id)
    return len(reminded)


def forget_people(session: Session, *, before: datetime) -> int:
    """Of what ended before an instant nobody knows any more whose it was (domain D1); how many.

    Not even by trying telephone numbers against what was asked.
    """
    forgotten = session.scalars(
        update(Reservation)
        .where(Reservation.ended_at < before, Reservation.name != "")
        .values(name="", phone="", email="", request_hash="")
        .returning(Reservation.id)
        .execution_options(synchronize_session=False)
    )
    return len(forgotten.all())


# --- Shared steps ----------------------------------------------------------------------------------------------


def _lock(session: Session, *which: ColumnElement[bool]) -> Reservation:
    """The reservation before its pieces, as everywhere; NotFound when there is none."""
    reservation = session.scalars(
        select(Reservation).where(*which).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if reservation is None:
        raise NotFound()
    return reservation


def _is_behind(reservation: Reservation, event: str) -> bool:
    """Whether the same act once more has nothing to do; ReservationOver when it is no longer possible."""
    if reservation.state == RESERVATION_NEXT["reserved", event]:
        return True
    if (reservation.state, event) not in RESERVATION_NEXT:
        raise ReservationOver(state=reservation.state)
    return False


def _move(session: Session, reservation: Reservation, event: str, actor: str, now: datetime) -> None:
    after = RESERVATION_NEXT[reservation.state, event]
    _record(session, reservation.id, event, reservation.state, after, actor, now)
    reservation.state = after
    if after not in OPEN_STATES:
        reservation.ended_at = now
    session.flush()


def _record(
    session: Session, reservation_id: int, event: str, before: str, after: str, actor: str, now: datetime
) -> None:
    session.add(
        ReservationEvent(
            reservation_id=reservation_id, at=now, actor=actor, event=event, from_state=before, to_state=after
        )
    )
