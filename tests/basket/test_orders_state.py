"""An order's states as its use cases move them: what is possible where, and that an act twice is an act once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from basket import orders
from basket.models import Order, OrderEvent, SubOrder
from basket.moves import NotPossibleNow
from basket.orders import BasketChanged, KeyUsedOtherwise, WrongCollectionCode
from marketplace.delivery.bookings import CutOffPassed, NotServed, SlotFull
from marketplace.delivery.models import Slot
from marketplace.errors import MarketplaceError, NotFound
from marketplace.hall import Hall
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments.models import Payment
from merchants.catalogue import change_price
from merchants.models import Shop, Variant
from tests.sandbox_server import Sandbox
from tests.walk import HOME, NOW, Town, fill_basket, open_payment, order_command, place

ACTOR = "member:1"
SLUGS = frozenset({"librairie", "fromagerie", "cave"})


@pytest.fixture
def bring(hall: Hall, town: Town, sandbox: Sandbox) -> Callable[[str], orders.PlacedOrder]:
    """An order over two shops, collected there, brought into a state through its use cases."""

    def to(state: str) -> orders.PlacedOrder:
        placed = place(hall.database, town, ("L1", "C1"), clock=hall.clock, delivered=False)
        with hall.database.transaction() as session:
            if state == "lapsed":
                assert orders.lapse(session, order_id=placed.order_id, now=NOW + timedelta(minutes=15))
            if state == "cancelled":
                orders.cancel_unpaid(session, code=placed.code, token=placed.token, now=NOW)
        if state in ("confirmed", "completed"):
            sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
            payments.settle(hall, placed.payment_id)
            with hall.database.transaction() as session:
                orders.take_payment(session, payment_id=placed.payment_id, clock=hall.clock)
        if state == "completed":
            with hall.database.transaction() as session:
                orders.mark_travelling(session, code=placed.code, shop_slugs=SLUGS, actor="courier", now=NOW)
                orders.mark_delivered(session, code=placed.code, actor="courier", now=NOW)
        return placed

    return to


def _states(hall: Hall, placed: orders.PlacedOrder) -> tuple[str, list[str]]:
    with hall.database.reading() as session:
        parts = session.scalars(select(SubOrder.state).where(SubOrder.order_id == placed.order_id))
        return session.get_one(Order, placed.order_id).state, sorted(parts)


def _refusal(act: Callable[[], object]) -> str | None:
    try:
        act()
    except MarketplaceError as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    ("state", "can_lapse", "pay_again", "cancel"),
    [
        ("awaiting_payment", True, None, None),
        ("lapsed", False, "not_possible_now", None),
        ("confirmed", False, "not_possible_now", "not_possible_now"),
        ("completed", False, "not_possible_now", "not_possible_now"),
        ("cancelled", False, "not_possible_now", "not_possible_now"),
    ],
)
def test_what_is_possible_in_each_state(
    hall: Hall,
    bring: Callable[[str], orders.PlacedOrder],
    state: str,
    can_lapse: bool,
    pay_again: str | None,
    cancel: str | None,
) -> None:
    placed = bring(state)
    assert _states(hall, placed)[0] == state

    def lapse(session: Session) -> bool:
        return orders.lapse(session, order_id=placed.order_id, now=NOW + timedelta(minutes=15))

    with hall.database.reading() as session:
        assert lapse(session) is can_lapse
    with hall.database.reading() as session:
        again = {"code": placed.code, "token": placed.token, "provider_env": "sandbox", "site_url": "http://x"}
        assert _refusal(lambda: orders.pay_again(session, **again, now=NOW)) == pay_again
    with hall.database.reading() as session:
        unpaid = {"code": placed.code, "token": placed.token}
        assert _refusal(lambda: orders.cancel_unpaid(session, **unpaid, now=NOW)) == cancel


@pytest.mark.parametrize("token", ["", "x", "é" * 32, "A" * 64])
def test_an_order_obeys_only_its_own_token(hall: Hall, bring: Callable[[str], orders.PlacedOrder], token: str) -> None:
    placed = bring("awaiting_payment")
    with hall.database.reading() as session:
        with pytest.raises(NotFound):
            orders.cancel_unpaid(session, code=placed.code, token=token, now=NOW)
        with pytest.raises(NotFound):
            orders.pay_again(
                session, code=placed.code, token=token, provider_env="sandbox", site_url="http://x", now=NOW
            )


def test_an_order_lapses_when_its_time_is_over_and_not_before(
    hall: Hall, bring: Callable[[str], orders.PlacedOrder]
) -> None:
    placed = bring("awaiting_payment")
    with hall.database.transaction() as session:
        early = NOW + timedelta(minutes=15) - timedelta(microseconds=1)
        assert orders.lapse(session, order_id=placed.order_id, now=early) is False
        assert orders.lapse(session, order_id=placed.order_id, now=NOW + timedelta(minutes=15)) is True
        assert orders.lapse(session, order_id=placed.order_id, now=NOW + timedelta(minutes=15)) is False
    assert _states(hall, placed) == ("lapsed", ["awaiting_payment", "awaiting_payment"])


def test_each_act_of_a_shop_is_done_once_and_in_its_order(
    hall: Hall, bring: Callable[[str], orders.PlacedOrder]
) -> None:
    placed = bring("confirmed")
    with hall.database.reading() as session:
        part, shop_id = session.execute(
            select(SubOrder, SubOrder.shop_id)
            .join(Shop)
            .where(SubOrder.order_id == placed.order_id, Shop.slug == "librairie")
        ).one()

    def act(event: str, *, code: str = "", shops: frozenset[int] = frozenset({shop_id})) -> bool:
        with hall.database.transaction() as session:
            return orders.advance(
                session,
                sub_order_id=part.id,
                shop_ids=shops,
                event=event,
                actor=ACTOR,
                now=NOW,
                collection_code=code,
            )

    with pytest.raises(NotFound):
        act("accept", shops=frozenset({shop_id + 1}))
    with pytest.raises(NotPossibleNow):
        act("pack")
    assert [act("accept"), act("accept")] == [True, False]
    assert [act("pack"), act("pack"), act("accept")] == [True, False, False]
    wrong = "0000" if part.collection_code != "0000" else "1111"
    for code in ("", wrong, "１２３４"):
        with pytest.raises(WrongCollectionCode):
            act("hand_over", code=code)
    assert [act("hand_over", code=part.collection_code), act("hand_over")] == [True, False]
    assert _states(hall, placed) == ("confirmed", ["delivered", "received"])
    with hall.database.reading() as session:
        events = select(OrderEvent.event).where(OrderEvent.sub_order_id == part.id).order_by(OrderEvent.id)
        assert session.scalars(events).all() == ["confirm", "accept", "pack", "hand_over", "deliver"]


def test_a_part_of_an_unpaid_order_is_nobodys_work(hall: Hall, bring: Callable[[str], orders.PlacedOrder]) -> None:
    placed = bring("awaiting_payment")
    with hall.database.reading() as session:
        part = session.scalars(select(SubOrder).where(SubOrder.order_id == placed.order_id)).all()[0]
        for event in ("accept", "pack", "hand_over"):
            with pytest.raises(NotPossibleNow):
                orders.advance(
                    session,
                    sub_order_id=part.id,
                    shop_ids=frozenset({part.shop_id}),
                    event=event,
                    actor=ACTOR,
                    now=NOW,
                    collection_code=part.collection_code,
                )


# --- Refusals before any payment -------------------------------------------------------------------------------


def _refused(hall: Hall, command: orders.PlaceOrder) -> str | None:
    """The code of the refusal; and nothing is held or written after it."""
    with hall.database.reading() as session:
        before = session.execute(select(Variant.id, Variant.held_qty).order_by(Variant.id)).all()
    code = None
    try:
        with hall.database.transaction() as session:
            orders.place_order(session, command, clock=hall.clock)
    except MarketplaceError as refused:
        code = refused.code
        with hall.database.reading() as session:
            assert session.scalars(select(Order.id)).all() == session.scalars(select(Payment.id)).all() == []
            assert session.execute(select(Variant.id, Variant.held_qty).order_by(Variant.id)).all() == before
            assert set(session.scalars(select(Slot.taken_stops))) <= {0, 10}
    return code


def _command(hall: Hall, town: Town, **decided: object) -> orders.PlaceOrder:
    with hall.database.transaction() as session:
        command = order_command(fill_basket(session, {town.variant("L1"): 1}), slot_id=town.slots[0])
    return replace(command, **decided)  # type: ignore[arg-type]  # passed on by name


def test_a_total_that_nobody_saw_is_not_charged(hall: Hall, town: Town) -> None:
    # 18.00 for the book and 4.50 for the round.
    assert _refused(hall, _command(hall, town, seen_total=Money(2249))) == BasketChanged.code
    assert _refused(hall, _command(hall, town, seen_total=Money(2250))) is None


def test_a_price_that_has_changed_since_it_was_seen_is_not_charged(hall: Hall, town: Town) -> None:
    command = _command(hall, town)
    with hall.database.transaction() as session:
        change_price(session, variant_id=town.variant("L1"), price=Money(1700), actor=ACTOR, now=NOW)
    assert _refused(hall, command) == BasketChanged.code


def test_a_slot_that_does_not_exist_takes_nobody(hall: Hall, town: Town) -> None:
    assert _refused(hall, _command(hall, town, slot_id=999_999)) == CutOffPassed.code


def test_a_home_elsewhere_is_refused(hall: Hall, town: Town) -> None:
    elsewhere = replace(HOME, postcode="33000", city="Bordeaux", lat=44.84, lon=-0.58)
    assert _refused(hall, _command(hall, town, address=elsewhere)) == NotServed.code


def test_a_full_slot_is_refused_and_the_pieces_stay_on_the_shelf(hall: Hall, town: Town) -> None:
    commands = [_command(hall, town) for _ in range(2)]
    with hall.database.transaction() as session:
        session.get_one(Slot, town.slots[0]).capacity_stops = 1
        session.flush()
        orders.place_order(session, commands[0], clock=hall.clock)
    with pytest.raises(SlotFull), hall.database.transaction() as session:
        orders.place_order(session, commands[1], clock=hall.clock)
    with hall.database.reading() as session:
        assert session.get_one(Variant, town.variant("L1")).held_qty == 1


@pytest.mark.parametrize(
    "other", [{"name": "Paul Durand"}, {"phone": "+33639980000"}, {"shortage": "call"}, {"mode": "collection"}]
)
def test_a_key_that_has_made_another_order_makes_no_second_one(hall: Hall, town: Town, other: dict[str, str]) -> None:
    command = _command(hall, town, checkout_key="k" * 20)
    with hall.database.transaction() as session:
        orders.place_order(session, command, clock=hall.clock)
    with pytest.raises(KeyUsedOtherwise), hall.database.transaction() as session:
        orders.place_order(session, replace(command, **other), clock=hall.clock)  # type: ignore[arg-type]  # by name
