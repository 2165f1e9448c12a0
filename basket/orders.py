"""The order: placed once, confirmed when paid, or let go.

Placing holds everything scarce and asks for the payment in one transaction; nothing outside is called in it. The
order's row comes first: its checkout key lets one of two double clicks through (M03). Then stock in the order of
ids, then the place on the round: the same for everybody, so that nobody deadlocks.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from basket.baskets import lock_lines
from basket.models import Line, Order, OrderLine, SubOrder
from basket.moves import (
    NotPossibleNow,
    complete_part,
    lock_order,
    move_order,
    move_part,
    parts_of,
    parts_with_slugs,
    record,
)
from basket.quoting import Quote, QuotedGroup, quote_basket
from basket.rules import HOLD, SUB_ORDER_NEXT, initials, is_behind
from marketplace.clock import Clock, local_day
from marketplace.delivery import bookings
from marketplace.delivery.bookings import DropOff, PickUp
from marketplace.delivery.policies import terms_of
from marketplace.errors import MarketplaceError, NotFound
from marketplace.ids import new_order_code, new_token
from marketplace.jobs import publish
from marketplace.money import Money
from marketplace.payments import refunds, shares
from marketplace.payments import service as payments
from marketplace.payments.models import OPEN_STATES, Payment
from marketplace.payments.rules import MerchantPart, commission_by_line, contribution_by_line, split
from merchants import stock
from merchants.hours import ready_at

#: How often a code that is taken is drawn again: with ten thousand orders alive one draw in a hundred is.
CODE_DRAWS = 20


class BasketChanged(MarketplaceError):
    """What was on the page is no longer what can be ordered; the quote says line by line what differs."""

    code = "basket_changed"


class KeyUsedOtherwise(MarketplaceError):
    """The checkout key has already made another order than the one asked for now."""

    code = "key_used_otherwise"
    status = 409


class WrongCollectionCode(MarketplaceError):
    """The four digits are not those of the resident who collects."""

    code = "collection_code_wrong"
    status = 422


@dataclass(frozen=True, slots=True)
class Address:
    """A home with its place on the map."""

    street: str
    postcode: str
    city: str
    lat: float
    lon: float
    access_note: str = ""
    #: Somebody has shown the place on the plan: what the street's name says may lie elsewhere.
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """All that a resident decided. `seen_total` is the total on the page with the button, if there was a page.

    `request_hash` stands for what was asked, where the caller knows it better: before an address was looked up.
    """

    basket_id: int
    checkout_key: str
    mode: str
    name: str
    phone: str
    email: str
    shortage: str
    language: str
    site_url: str
    provider_env: str
    address: Address | None = None
    slot_id: int | None = None
    seen_total: Money | None = None
    request_hash: str | None = None

    def fingerprint(self) -> str:
        """What makes two requests with one key the same request."""
        if self.request_hash is not None:
            return self.request_hash
        address = self.address
        asked = [
            self.basket_id,
            self.mode,
            self.name,
            self.phone,
            self.email,
            self.shortage,
            self.slot_id,
            [address.street, address.postcode, address.city] if address else None,
        ]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PlacedOrder:
    """`payment_id` is the attempt to open at the provider after the commit."""

    order_id: int
    code: str
    token: str
    payment_id: int
    is_new: bool


# --- Place -----------------------------------------------------------------------------------------------------


def place_order(session: Session, command: PlaceOrder, *, clock: Clock) -> PlacedOrder:
    """One order, everything in it held for the time of paying, and one payment asked for.

    The same checkout key again gives the same order back. Refusals, all before any payment: BasketChanged,
    stock.NotEnoughStock, bookings.SlotFull / CutOffPassed / NotServed, KeyUsedOtherwise.
    """
    now = clock.now()
    earlier = _find_placed(session, command)
    if earlier is not None:
        return earlier
    slot = None
    if command.mode == "delivery":
        assert command.address is not None and command.slot_id is not None, "the boundary asks for both"
        slot = bookings.find_slot(session, slot_id=command.slot_id, now=now)
        if slot is None:
            raise bookings.CutOffPassed()
    terms = terms_of(session, zone_id=slot.zone_id, on=local_day(now)) if slot else None
    payable = payments.payable_parties(session, command.provider_env)
    quote = quote_basket(session, basket_id=command.basket_id, payable=payable, now=now, terms=terms)
    if not _is_as_seen(quote, command):
        # The first of two clicks may have taken the last pieces since we looked: then they are this order's.
        earlier = _find_placed(session, command)
        if earlier is None:
            raise BasketChanged()
        return earlier
    order_id, code, token = _insert_order(session, command, quote, slot, now)
    if order_id is None:
        placed = _find_placed(session, command)
        assert placed is not None, "somebody else's insert with this key has committed"
        return placed
    _insert_sub_orders(session, order_id, quote, slot, now)
    stock.hold(
        session,
        reference=code,
        quantities={line.variant_id: line.qty for line in quote.lines},
        until_at=now + HOLD,
    )
    if command.address is not None and slot is not None:
        bookings.hold_place(
            session,
            slot_id=slot.id,
            reference=code,
            drop_off=_drop_off(command, command.address, quote),
            pick_ups=[_pick_up(group) for group in quote.groups],
            until_at=now + HOLD,
            clock=clock,
        )
    payment = payments.request_payment(
        session,
        reference=code,
        description=f"Commande {code}",
        shares=split(
            tuple(
                MerchantPart(group.shop.party, group.goods, group.commission, group.contribution)
                for group in quote.groups
            ),
            quote.fee.total,
        ),
        redirect_url=f"{command.site_url}/commande/{code}/{token}?retour=1",
        language=command.language,
        provider_env=command.provider_env,
        now=now,
        handover_on=local_day(slot.ends_at) if slot else None,
        takes_slow=quote.keeps,
    )
    record(session, order_id, None, "place", "", "awaiting_payment", "resident", now)
    return PlacedOrder(order_id, code, token, payment.id, is_new=True)


def find_placed(session: Session, *, checkout_key: str, request_hash: str) -> PlacedOrder | None:
    """The order that this request has made already; KeyUsedOtherwise when its key made another."""
    placed = _by_key(session, checkout_key)
    if placed is None:
        return None
    if placed[1] != request_hash:
        raise KeyUsedOtherwise()
    return placed[0]


def _find_placed(session: Session, command: PlaceOrder) -> PlacedOrder | None:
    return find_placed(session, checkout_key=command.checkout_key, request_hash=command.fingerprint())


def find_by_key(session: Session, checkout_key: str) -> PlacedOrder | None:
    """The order that a checkout key has made, with its latest attempt to pay."""
    placed = _by_key(session, checkout_key)
    return placed[0] if placed else None


def _by_key(session: Session, checkout_key: str) -> tuple[PlacedOrder, str] | None:
    row = session.execute(
        select(Order.id, Order.code, Order.token, Order.request_hash, Payment.id.label("payment_id"))
        .join(Payment, Payment.reference == Order.code)
        .where(Order.checkout_key == checkout_key)
        .order_by(Payment.attempt.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return PlacedOrder(row.id, row.code, row.token, row.payment_id, is_new=False), row.request_hash


def _is_as_seen(quote: Quote, command: PlaceOrder) -> bool:
    """Whether everything can be ordered at the prices and the total that the resident saw."""
    is_total_seen = command.seen_total is None or command.seen_total == quote.total
    return quote.can_be_ordered and not quote.changed_lines and is_total_seen


def _insert_order(
    session: Session, command: PlaceOrder, quote: Quote, slot: bookings.OpenSlot | None, now: datetime
) -> tuple[int | None, str, str]:
    """The order's row with its code and token; no id when somebody else's insert with this key came first."""
    address = command.address
    values = {
        "token": new_token(),
        "checkout_key": command.checkout_key,
        "request_hash": command.fingerprint(),
        "basket_id": command.basket_id,
        "state": "awaiting_payment",
        "mode": command.mode,
        "language": command.language,
        "name": command.name,
        "phone": command.phone,
        "email": command.email,
        "street": address.street if address else "",
        "postcode": address.postcode if address else "",
        "city": address.city if address else "",
        "lat": address.lat if address else None,
        "lon": address.lon if address else None,
        "access_note": address.access_note if address else "",
        "shortage": command.shortage,
        "delivery_fee": quote.fee.total,
        "book_floor": quote.fee.book_floor,
        "slot_starts_at": slot.starts_at if slot else None,
        "slot_ends_at": slot.ends_at if slot else None,
        "changeable_until_at": slot.cut_off_at if slot else None,
        "placed_at": now,
        "hold_until_at": now + HOLD,
    }
    # Either unique key may be taken: the checkout's, which ends the search, or by chance the code's.
    for _ in range(CODE_DRAWS):
        code = new_order_code()
        order_id = session.scalar(
            upsert(Order).values(code=code, **values).on_conflict_do_nothing().returning(Order.id)
        )
        if order_id is not None or find_by_key(session, command.checkout_key) is not None:
            return order_id, code, str(values["token"])
    raise AssertionError("no free order code in twenty draws: six digits no longer suffice")


def _insert_sub_orders(
    session: Session, order_id: int, quote: Quote, slot: bookings.OpenSlot | None, now: datetime
) -> None:
    sub_orders = [
        {
            "order_id": order_id,
            "shop_id": group.shop.id,
            "position": position,
            "state": "awaiting_payment",
            "shop_name": group.shop.name,
            "shop_awning": group.shop.awning,
            "party": group.shop.party,
            "seller_name": group.shop.seller_name,
            "seller_registration": group.shop.seller_registration,
            "seller_address": group.shop.seller_address,
            "seller_contact": group.shop.seller_contact,
            "goods": group.goods,
            "commission_permille": group.shop.commission_permille,
            "commission": group.commission,
            "contribution": group.contribution,
            "ready_by_at": slot.collect_from_at
            if slot
            else ready_at(group.shop.opening_hours, now, group.shop.preparation_minutes),
            "collection_code": f"{secrets.randbelow(10_000):04d}",
        }
        for position, group in enumerate(quote.groups)
    ]
    ids = session.scalars(insert(SubOrder).returning(SubOrder.id, sort_by_parameter_order=True), sub_orders).all()
    lines = []
    for sub_order_id, group, values in zip(ids, quote.groups, sub_orders, strict=True):
        commission = values["commission"]
        assert isinstance(commission, Money)
        totals = tuple(line.total for line in group.lines)
        shares = commission_by_line(commission, totals)
        borne = contribution_by_line(group.contribution, totals, shares)
        lines += [
            {
                "sub_order_id": sub_order_id,
                "variant_id": line.variant_id,
                "position": position,
                "reference": line.reference,
                "name": line.name,
                "label": line.label,
                "kind": line.kind.key,
                "drawing": line.drawing,
                "unit_price": line.unit_price,
                "qty": line.qty,
                "net_grams": line.net_grams,
                "vat_bp": 0 if group.shop.is_vat_exempt else line.kind.vat_bp,
                "commission": share,
                "contribution": part,
                "allergens": None if line.allergens is None else list(line.allergens),
            }
            for position, (line, share, part) in enumerate(zip(group.lines, shares, borne, strict=True))
        ]
    session.execute(insert(OrderLine), lines)


def _drop_off(command: PlaceOrder, address: Address, quote: Quote) -> DropOff:
    return DropOff(
        recipient=initials(command.name),
        phone=command.phone,
        street=address.street,
        postcode=address.postcode,
        city=address.city,
        lat=address.lat,
        lon=address.lon,
        access_note=address.access_note,
        needs_age_check=quote.minimum_age is not None,
        is_pinned=address.is_pinned,
    )


def _pick_up(group: QuotedGroup) -> PickUp:
    shop = group.shop
    return PickUp(shop.slug, shop.name, shop.street, shop.lat, shop.lon, shop.awning, group.load)


# --- Pay -------------------------------------------------------------------------------------------------------


def take_payment(session: Session, *, payment_id: int, clock: Clock) -> None:
    """A payment was paid: the order it pays is confirmed, or the money goes back. Harmless to repeat (M08).

    Money that a person has to look at confirms nothing, whoever asks: nor does money that has already gone back.
    "Already done" is judged by the effect, the order's state, never by the payment's (reliability.md 1.1).
    """
    reference = session.scalars(select(Payment.reference).where(Payment.id == payment_id)).one()
    order = lock_order(session, reference)
    # Read only now: whoever held the order before us may have given this very payment back.
    payment = session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)
    if payment.trouble is not None:
        return
    now = clock.now()
    if order is None:
        _give_back(session, payment, "unmatched", now)
        return
    if order.payment_id is not None:
        # Confirmed once, whatever has become of it since.
        if order.payment_id != payment.id:
            _give_back(session, payment, "paid_twice", now)
        return
    if order.state == "lapsed" and not _hold_again(session, order, clock):
        _give_back(session, payment, "paid_late", now)
        move_order(session, order, "cancel", "payments", now)
        order.ending = "paid_late"
        publish(session, "order.cancelled", order_id=order.id)
        return
    if order.state == "cancelled":
        _give_back(session, payment, "paid_late", now)
        return
    _confirm(session, order, payment, now)


def take_payment_if_paid(session: Session, *, payment_id: int, clock: Clock) -> None:
    """The same at once, for a resident who waits before the page: the job finds it done."""
    if session.get_one(Payment, payment_id).state == "paid":
        take_payment(session, payment_id=payment_id, clock=clock)


def _confirm(session: Session, order: Order, payment: Payment, now: datetime) -> None:
    stock.sell(session, reference=order.code, actor=f"order:{order.code}", now=now)
    bookings.confirm_place(session, reference=order.code)
    move_order(session, order, "confirm", "payments", now)
    order.confirmed_at, order.payment_id = now, payment.id
    for sub_order in parts_of(session, order.id):
        move_part(session, sub_order, "confirm", "payments", now)
    shares.allocate(session, payment_id=payment.id, now=now)
    if order.basket_id is not None:
        # The wish has become a promise; a basket that has been filled again since keeps what came later.
        lock_lines(session, basket_id=order.basket_id)
        bought = select(OrderLine.variant_id).join(SubOrder).where(SubOrder.order_id == order.id)
        session.execute(delete(Line).where(Line.basket_id == order.basket_id, Line.variant_id.in_(bought)))
    publish(session, "order.confirmed", order_id=order.id)


def _hold_again(session: Session, order: Order, clock: Clock) -> bool:
    """Take stock and place once more for an order whose hold had run out; whether both were still there."""
    wanted = session.execute(
        select(OrderLine.variant_id, OrderLine.qty).join(SubOrder).where(SubOrder.order_id == order.id)
    ).all()
    until_at = clock.now() + HOLD
    try:
        with session.begin_nested():
            stock.hold(
                session,
                reference=order.code,
                quantities={row.variant_id: row.qty for row in wanted},
                until_at=until_at,
            )
            if order.mode == "delivery":
                bookings.hold_place_again(session, reference=order.code, until_at=until_at, clock=clock)
    except (stock.NotEnoughStock, bookings.SlotFull, bookings.CutOffPassed, bookings.NotServed):
        return False
    return True


def _give_back(session: Session, payment: Payment, reason: str, now: datetime) -> None:
    """All of a payment that no order can use is refunded."""
    payment.trouble = reason
    refunds.request_refund(
        session, payment_id=payment.id, amount=payment.amount, reason=reason, actor="payments", now=now
    )


def pay_again(session: Session, *, code: str, token: str, provider_env: str, site_url: str, now: datetime) -> int:
    """Another attempt for an order that still waits for its money; the payment to open at the provider.

    The open attempt itself when there is one. NotPossibleNow when the order no longer waits, or its money is here and
    only the confirmation is still to come.
    """
    order = lock_order(session, code)
    if order is None or not secrets.compare_digest(order.token.encode(), token.encode()):
        raise NotFound()
    if order.state != "awaiting_payment" or order.hold_until_at <= now or _has_paid_attempt(session, code):
        raise NotPossibleNow(state=order.state)
    latest = session.scalars(
        select(Payment).where(Payment.reference == code).order_by(Payment.attempt.desc()).limit(1)
    ).one()
    if latest.state in OPEN_STATES:
        return latest.id
    parts = [MerchantPart(s.party, s.goods, s.commission, s.contribution) for s in parts_of(session, order.id)]
    if not payments.payable_parties(session, provider_env).issuperset(part.party for part in parts):
        raise NotPossibleNow(state=order.state)  # one of the merchants has left since: its share could not reach it
    payment = payments.request_payment(
        session,
        reference=code,
        description=f"Commande {code}",
        shares=split(tuple(parts), order.delivery_fee),
        redirect_url=f"{site_url}/commande/{code}/{token}?retour=1",
        language=order.language,
        provider_env=provider_env,
        now=now,
        handover_on=local_day(order.slot_ends_at) if order.slot_ends_at else None,
        takes_slow=latest.takes_slow,
    )
    return payment.id


def lapse(session: Session, *, order_id: int, now: datetime) -> bool:
    """The time to pay is over: what was held goes back to the others; whether this call did it.

    The order is not dead: if its money comes after all, `take_payment` tries to take everything again.
    """
    order = session.get_one(Order, order_id, with_for_update=True, populate_existing=True)
    if order.state != "awaiting_payment" or order.hold_until_at > now:
        return False
    if _has_paid_attempt(session, order.code):
        return False  # paid at the last minute; the job that confirms it is on its way
    _let_go(session, order, "lapse", now)
    return True


def cancel_unpaid(session: Session, *, code: str, token: str, now: datetime) -> None:
    """The resident does not want to pay; NotPossibleNow once it is paid."""
    order = lock_order(session, code)
    if order is None or not secrets.compare_digest(order.token.encode(), token.encode()):
        raise NotFound()
    if order.state not in ("awaiting_payment", "lapsed") or _has_paid_attempt(session, code):
        raise NotPossibleNow(state=order.state)
    _let_go(session, order, "cancel", now)
    order.ending = "unpaid"


def _has_paid_attempt(session: Session, code: str) -> bool:
    """Whether money is here that will confirm the order; not the kind that a person has to look at."""
    paid = select(Payment.id).where(Payment.reference == code, Payment.state == "paid", Payment.trouble.is_(None))
    return session.scalar(paid.limit(1)) is not None


def _let_go(session: Session, order: Order, event: str, now: datetime) -> None:
    stock.release(session, reference=order.code, actor=f"order:{order.code}", now=now)
    bookings.release_place(session, reference=order.code)
    move_order(session, order, event, "resident" if event == "cancel" else "clock", now)


def unpaid_too_long(session: Session, now: datetime) -> list[tuple[int, int]]:
    """(order, latest payment) of every order whose time to pay is over."""
    rows = session.execute(
        select(Order.id, Payment.id)
        .join(Payment, Payment.reference == Order.code)
        .where(Order.state == "awaiting_payment", Order.hold_until_at <= now)
        .order_by(Order.id, Payment.attempt)
    )
    return list({row[0]: row[1] for row in rows}.items())


# --- Fulfil ----------------------------------------------------------------------------------------------------


def advance(
    session: Session,
    *,
    sub_order_id: int,
    shop_ids: frozenset[int],
    event: str,
    actor: str,
    now: datetime,
    collection_code: str = "",
) -> bool:
    """A merchant's act on its own sub-order: accept, pack, hand_over; whether this call did it.

    An act that is already behind us (a second press, a colleague, the courier) changes nothing. Handing over to
    the resident wants the collection code and completes the sub-order; to the courier it wants none. NotFound for
    another shop's, WrongCollectionCode, NotPossibleNow.
    """
    # The order before its parts, as everywhere: two shops that end their parts together would wait for each other.
    order = session.scalars(
        select(Order)
        .join(SubOrder, SubOrder.order_id == Order.id)
        .where(SubOrder.id == sub_order_id, SubOrder.shop_id.in_(shop_ids))
        .with_for_update(of=Order)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if order is None:
        raise NotFound()
    sub_order = session.get_one(SubOrder, sub_order_id, with_for_update=True, populate_existing=True)
    if is_behind(sub_order.state, event):
        return False
    is_collected = event == "hand_over" and order.mode == "collection"
    if is_collected and not secrets.compare_digest(sub_order.collection_code.encode(), collection_code.encode()):
        raise WrongCollectionCode()
    move_part(session, sub_order, event, actor, now)
    if is_collected:
        complete_part(session, order, sub_order, actor, now)
    return True


def mark_travelling(session: Session, *, code: str, shop_slugs: frozenset[str], actor: str, now: datetime) -> None:
    """The courier has these shops' parcels on board; what the merchant had not ticked is ticked now."""
    # The order before its parts, as everywhere: a shop that ticks its part now would wait for us, and we for it.
    lock_order(session, code)
    for sub_order, slug in parts_with_slugs(session, code):
        if slug not in shop_slugs:
            continue
        for event in ("accept", "pack", "hand_over"):
            if (sub_order.state, event) in SUB_ORDER_NEXT:
                move_part(session, sub_order, event, actor, now)


def mark_delivered(session: Session, *, code: str, actor: str, now: datetime) -> None:
    """The resident has the parcels: every merchant's share may be routed. Harmless to repeat."""
    order = lock_order(session, code)
    if order is None:
        raise NotFound()
    for sub_order, _slug in parts_with_slugs(session, code):
        if sub_order.state == "handed_over":
            complete_part(session, order, sub_order, actor, now)


def forget_access_notes(session: Session, *, before: datetime) -> int:
    """Floors and door codes of deliveries that were due before an instant are gone (domain D6); how many."""
    forgotten = session.scalars(
        update(Order)
        .where(Order.access_note != "", Order.slot_ends_at < before)
        .values(access_note="")
        .returning(Order.id)
        .execution_options(synchronize_session=False)
    )
    return len(forgotten.all())
