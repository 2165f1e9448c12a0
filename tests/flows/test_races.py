"""Whatever can be sold twice, is tried to be: by real processes that meet at the same row at the same time.

Each way to oversell has its control: the same crowd at the same gate, with a naive version of the guard, must sell
too much. Where a control fails, the test beside it proves nothing.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.orm import Session

from basket import orders
from basket.baskets import open_basket
from basket.models import Checkout, Line, Order, OrderEvent, SubOrder
from marketplace.app import create_app
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.delivery import bookings
from marketplace.delivery.models import Booking, Round, Slot
from marketplace.hall import Hall
from marketplace.jobs import publish, work_until_idle
from marketplace.ledger.models import Posting
from marketplace.money import Money
from marketplace.payments import refunds, shares
from marketplace.payments import service as payments
from marketplace.payments.handlers import poll_payments
from marketplace.payments.models import OPEN_STATES, Payment, Refund, Share
from marketplace.selfcheck import self_check
from marketplace.web.csrf import csrf_token
from merchants import stock
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import Shop, StockHold, Variant
from tests.flows.processes import Crowd, gate, wait_for_queue
from tests.sandbox_server import Sandbox
from tests.walk import (
    HOME,
    NOW,
    Town,
    book_payments,
    fill_basket,
    open_payment,
    order_command,
    pay,
    place,
    work,
)

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

VARIANT = "SELECT 1 FROM variant WHERE id = :id FOR NO KEY UPDATE"
ROUND = "SELECT 1 FROM round WHERE id = :id FOR NO KEY UPDATE"
SLOT = "SELECT 1 FROM slot WHERE id = :id FOR NO KEY UPDATE"
ORDER = "SELECT 1 FROM orders WHERE id = :id FOR NO KEY UPDATE"
PAYMENT = "SELECT 1 FROM payment WHERE id = :id FOR NO KEY UPDATE"


# --- What the processes do -------------------------------------------------------------------------------------


def place_order(hall: Hall, command: orders.PlaceOrder) -> tuple[str, int]:
    with hall.database.transaction() as session:
        placed = orders.place_order(session, command, clock=hall.clock)
    return placed.code, placed.payment_id


def hold_naively(hall: Hall, variant_id: int, reference: str) -> None:
    """Read what is left, then write what is left: right for one buyer at a time."""
    with hall.database.transaction() as session:
        variant = session.get_one(Variant, variant_id)
        if variant.on_hand_qty - variant.held_qty < 1:
            raise stock.NotEnoughStock(short={variant_id: 0})
        variant.held_qty = variant.held_qty + 1
        session.add(StockHold(variant_id=variant_id, reference=reference, qty=1, state="held", until_at=NOW))


def hold_in_order_of(hall: Hall, variant_ids: tuple[int, ...]) -> None:
    """Take the pieces in the order of the basket."""
    with hall.database.transaction() as session:
        for variant_id in variant_ids:
            session.execute(update(Variant).where(Variant.id == variant_id).values(held_qty=Variant.held_qty + 1))
        session.rollback()


def hold_place(hall: Hall, slot_id: int, reference: str) -> None:
    with hall.database.transaction() as session:
        bookings.hold_place(
            session,
            slot_id=slot_id,
            reference=reference,
            drop_off=_home(),
            pick_ups=(),
            until_at=NOW + timedelta(minutes=15),
            clock=hall.clock,
        )


def hold_place_naively(hall: Hall, slot_id: int) -> None:
    """Look whether a place is free, then take it."""
    with hall.database.transaction() as session:
        slot = session.get_one(Slot, slot_id)
        if slot.taken_stops >= slot.capacity_stops:
            raise bookings.SlotFull()
        slot.taken_stops = slot.taken_stops + 1


def hold_place_by_an_early_clock(hall: Hall, slot_id: int) -> None:
    """Judge the cut-off by the instant at which the page was asked for."""
    with hall.database.transaction() as session:
        bookings.hold_place(
            session,
            slot_id=slot_id,
            reference="early",
            drop_off=_home(),
            pick_ups=(),
            until_at=NOW + timedelta(minutes=15),
            clock=FixedClock(hall.clock.now()),
        )


def take_payment(hall: Hall, payment_id: int) -> None:
    with hall.database.transaction() as session:
        orders.take_payment(session, payment_id=payment_id, clock=hall.clock)


def settle(hall: Hall, payment_id: int) -> None:
    payments.settle(hall, payment_id)


def return_page(hall: Hall, code: str, token: str) -> int:
    return create_app(hall).test_client().get(f"/commande/{code}/{token}?retour=1").status_code


def notice(hall: Hall, token: str, provider_id: str) -> int:
    client = create_app(hall).test_client()
    return client.post(f"/paiements/avis/{token}", data={"id": provider_id}).status_code


def press_order(hall: Hall, basket_token: str, checkout_key: str, total_cents: int) -> tuple[int, str]:
    """The button, as a browser presses it; status and where it leads."""
    app = create_app(hall)
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["basket"] = basket_token
    with app.test_request_context():
        token = csrf_token()
    answer = client.post(
        "/commande/verifier",
        data={
            "csrf_token": token,
            "checkout_key": checkout_key,
            "seen_total_cents": total_cents,
            "accepts_terms": "1",
            "is_adult": "1",
        },
    )
    return answer.status_code, answer.location or ""


def let_lapse(hall: Hall, order_id: int) -> bool:
    with hall.database.transaction() as session:
        return orders.lapse(session, order_id=order_id, now=hall.clock.now())


def pay_again(hall: Hall, code: str, token: str) -> int:
    with hall.database.transaction() as session:
        payment_id = orders.pay_again(
            session,
            code=code,
            token=token,
            provider_env="sandbox",
            site_url="http://127.0.0.1:5000",
            now=hall.clock.now(),
        )
    payments.open_at_provider(hall, payment_id)
    return payment_id


def work_off(hall: Hall) -> None:
    work_until_idle(create_app(hall))


def send_share(hall: Hall, share_id: int) -> None:
    shares.send_share(hall, share_id)


def send_refund(hall: Hall, refund_id: int) -> None:
    refunds.send_refund(hall, refund_id)


def advance(hall: Hall, sub_order_id: int, shop_id: int, event: str) -> bool:
    with hall.database.transaction() as session:
        return orders.advance(
            session,
            sub_order_id=sub_order_id,
            shop_ids=frozenset({shop_id}),
            event=event,
            actor="member:1",
            now=hall.clock.now(),
        )


def travel_and_arrive(hall: Hall, code: str) -> None:
    slugs = frozenset({"librairie", "fromagerie", "cave"})
    with hall.database.transaction() as session:
        orders.mark_travelling(session, code=code, shop_slugs=slugs, actor="courier", now=hall.clock.now())
        orders.mark_delivered(session, code=code, actor="courier", now=hall.clock.now())


def _home() -> bookings.DropOff:
    return bookings.DropOff(
        recipient="Jeanne M.",
        phone="+33639981234",
        street=HOME.street,
        postcode=HOME.postcode,
        city=HOME.city,
        lat=HOME.lat,
        lon=HOME.lon,
        access_note="",
        needs_age_check=False,
    )


# --- The last pieces -------------------------------------------------------------------------------------------


def _commands(database: Database, wanted: dict[int, int], how_many: int, **decided: object) -> list[orders.PlaceOrder]:
    """So many households with the same basket, all filled while everything was there."""
    with database.transaction() as session:
        return [order_command(fill_basket(session, wanted), **decided) for _ in range(how_many)]  # type: ignore[arg-type]  # passed on


def _set_stock(database: Database, variant_id: int, on_hand_qty: int) -> None:
    with database.transaction() as session:
        stock.count(session, variant_id=variant_id, on_hand_qty=on_hand_qty, actor="test", now=NOW)


def _stock(database: Database, variant_id: int) -> tuple[int, int]:
    with database.reading() as session:
        variant = session.get_one(Variant, variant_id)
        return variant.on_hand_qty, variant.held_qty


def test_of_twenty_buyers_two_get_the_last_two_pieces(hall: Hall, town: Town, crowd: Crowd) -> None:
    variant_id = town.variant("L2")
    _set_stock(hall.database, variant_id, 2)
    commands = _commands(hall.database, {variant_id: 1}, 20)
    with gate(hall.database, VARIANT, id=variant_id):
        buyers = crowd.start([partial(place_order, command=command) for command in commands])
        wait_for_queue(hall.database, 20)
    outcomes = [buyer.outcome() for buyer in buyers]
    assert sorted(outcome.refused or "placed" for outcome in outcomes) == ["not_enough_stock"] * 18 + ["placed"] * 2
    assert _stock(hall.database, variant_id) == (2, 2)
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 2
        assert session.scalar(select(func.count()).select_from(Payment)) == 2


def test_control_twenty_buyers_who_read_and_then_write_oversell(hall: Hall, town: Town, crowd: Crowd) -> None:
    variant_id = town.variant("L2")
    _set_stock(hall.database, variant_id, 2)
    with gate(hall.database, VARIANT, id=variant_id):
        buyers = crowd.start([partial(hold_naively, variant_id=variant_id, reference=f"R{n}") for n in range(20)])
        wait_for_queue(hall.database, 20)
    assert [buyer.outcome().refused for buyer in buyers] == [None] * 20
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StockHold)) == 20, "20 sold of 2"
        assert any(sentence.startswith("I01 held is not") for sentence in self_check(session))
    with hall.database.transaction() as session:
        session.execute(delete(StockHold))
        session.execute(update(Variant).where(Variant.id == variant_id).values(held_qty=0))


def test_baskets_in_opposite_order_never_wait_for_each_other(hall: Hall, town: Town, crowd: Crowd) -> None:
    first, middle, last = sorted(town.variants[r] for r in ("L1", "F1", "C1"))
    upwards = _commands(hall.database, {first: 1, middle: 1, last: 1}, 2, slot_id=town.slots[0])
    downwards = _commands(hall.database, {last: 1, middle: 1, first: 1}, 2, slot_id=town.slots[1])
    with gate(hall.database, VARIANT, id=middle):
        buyers = crowd.start([partial(place_order, command=command) for command in (*upwards, *downwards)])
        wait_for_queue(hall.database, 4)
    assert [buyer.outcome().refused for buyer in buyers] == [None] * 4
    assert [_stock(hall.database, variant_id)[1] for variant_id in (first, middle, last)] == [4, 4, 4]


def test_control_pieces_taken_in_the_baskets_order_deadlock(hall: Hall, town: Town, crowd: Crowd) -> None:
    first, middle, last = sorted(town.variants[r] for r in ("L1", "F1", "C1"))
    with gate(hall.database, VARIANT, id=middle):
        buyers = crowd.start(
            [
                partial(hold_in_order_of, variant_ids=(first, middle, last)),
                partial(hold_in_order_of, variant_ids=(last, middle, first)),
            ]
        )
        wait_for_queue(hall.database, 2)
    crashes = [buyer.end() for buyer in buyers]
    assert sum("deadlock detected" in str(crash) for crash in crashes) == 1


def put_two_sizes(hall: Hall, shop_id: int, price_cents: int) -> int:
    """The merchant's page of a product in two sizes, saved."""
    sizes = tuple(VariantDraft(f"S{n}", f"taille {n}", Money(price_cents), 9) for n in (1, 2))
    draft = ProductDraft("S", "Savon", "hygiene-scelle", "", "", "parcel", None, variants=sizes)
    with hall.database.transaction() as session:
        return put_product(session, shop_id=shop_id, draft=draft, actor="member:1", now=hall.clock.now())


def lock_two_sizes_against_foreign_keys(hall: Hall) -> None:
    with hall.database.transaction() as session:
        sizes = select(Variant.id).where(Variant.reference.in_(("S1", "S2"))).order_by(Variant.id)
        session.execute(sizes.with_for_update())


def _two_sizes(hall: Hall) -> tuple[int, int, int]:
    """The shop, the small one and the large one."""
    with hall.database.reading() as session:
        shop_id = session.scalars(select(Shop.id).where(Shop.slug == "librairie")).one()
    put_two_sizes(hall, shop_id, 500)
    with hall.database.reading() as session:
        sizes = select(Variant.id).where(Variant.reference.in_(("S1", "S2"))).order_by(Variant.id)
        small, large = session.scalars(sizes)
    return shop_id, small, large


#: Held against foreign keys too: the buyer has promised the large one and waits for the small one.
AGAINST_KEYS = "SELECT 1 FROM variant WHERE id = :id FOR UPDATE"


def test_a_merchant_who_saves_a_product_and_its_buyers_never_wait_for_each_other(
    hall: Hall, town: Town, crowd: Crowd
) -> None:
    shop_id, small, large = _two_sizes(hall)
    (command,) = _commands(hall.database, {large: 1, small: 1}, 1)
    with gate(hall.database, AGAINST_KEYS, id=small):
        saving = crowd.start([partial(put_two_sizes, shop_id=shop_id, price_cents=550)])
        wait_for_queue(hall.database, 1)
        buying = crowd.start([partial(place_order, command=command)])
        wait_for_queue(hall.database, 2)
    assert [somebody.outcome().refused for somebody in (*saving, *buying)] == [None, None]
    assert [_stock(hall.database, variant_id) for variant_id in (small, large)] == [(9, 1), (9, 1)]


def test_control_a_merchant_who_locks_against_foreign_keys_deadlocks(hall: Hall, town: Town, crowd: Crowd) -> None:
    _, small, large = _two_sizes(hall)
    (command,) = _commands(hall.database, {large: 1, small: 1}, 1)
    with gate(hall.database, AGAINST_KEYS, id=small):
        saving = crowd.start([lock_two_sizes_against_foreign_keys])
        wait_for_queue(hall.database, 1)
        buying = crowd.start([partial(place_order, command=command)])
        wait_for_queue(hall.database, 2)
    ends = [somebody.end() for somebody in (*saving, *buying)]
    assert sum("deadlock detected" in str(end) for end in ends) == 1


# --- The last place --------------------------------------------------------------------------------------------


def _set_places(database: Database, slot_id: int, capacity_stops: int) -> None:
    with database.transaction() as session:
        session.execute(update(Slot).where(Slot.id == slot_id).values(capacity_stops=capacity_stops))


def test_of_twenty_households_one_gets_the_last_place(hall: Hall, town: Town, crowd: Crowd) -> None:
    _set_places(hall.database, town.slots[0], 1)
    with gate(hall.database, SLOT, id=town.slots[0]):
        households = crowd.start([partial(hold_place, slot_id=town.slots[0], reference=f"R{n}") for n in range(20)])
        wait_for_queue(hall.database, 20)
    refused = sorted(household.outcome().refused or "placed" for household in households)
    assert refused == ["placed"] + ["slot_full"] * 19
    with hall.database.reading() as session:
        assert session.get_one(Slot, town.slots[0]).taken_stops == 1
        assert len(session.scalars(select(Booking.id)).all()) == 1


def test_control_twenty_households_who_look_first_overfill_the_slot(hall: Hall, town: Town, crowd: Crowd) -> None:
    _set_places(hall.database, town.slots[0], 1)
    with gate(hall.database, SLOT, id=town.slots[0]):
        households = crowd.start([partial(hold_place_naively, slot_id=town.slots[0]) for _ in range(20)])
        wait_for_queue(hall.database, 20)
    assert [household.outcome().refused for household in households] == [None] * 20
    with hall.database.transaction() as session:
        session.execute(update(Slot).where(Slot.id == town.slots[0]).values(taken_stops=0))


def test_a_cut_off_that_passes_while_waiting_for_the_round_refuses(hall: Hall, town: Town, crowd: Crowd) -> None:
    (command,) = _commands(hall.database, {town.variant("L1"): 1}, 1, slot_id=town.slots[0])
    with gate(hall.database, ROUND, id=town.round_id):
        (late,) = crowd.start([partial(place_order, command=command)])
        wait_for_queue(hall.database, 1)
        crowd.clock.set(NOW + timedelta(hours=5))
    assert late.outcome().refused == "cut_off_passed"
    assert _stock(hall.database, town.variant("L1")) == (5, 0)
    with hall.database.reading() as session:
        assert session.scalars(select(Order.id)).all() == []
        assert session.get_one(Round, town.round_id).taken_grams == 0


def test_control_a_clock_read_before_waiting_lets_the_latecomer_in(hall: Hall, town: Town, crowd: Crowd) -> None:
    with gate(hall.database, ROUND, id=town.round_id):
        (late,) = crowd.start([partial(hold_place_by_an_early_clock, slot_id=town.slots[0])])
        wait_for_queue(hall.database, 1)
        crowd.clock.set(NOW + timedelta(hours=5))
    assert late.outcome().refused is None


# --- The button, twice -----------------------------------------------------------------------------------------


def test_eight_clicks_with_one_key_make_one_order_and_one_payment(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox
) -> None:
    (command,) = _commands(hall.database, {town.variant("F2"): 1}, 1, slot_id=town.slots[0], key="k" * 20)
    with gate(hall.database, VARIANT, id=town.variant("F2")):
        clicks = crowd.start([partial(place_order, command=command)] * 8)
        wait_for_queue(hall.database, 8)
    values = {click.outcome().value for click in clicks}
    assert len(values) == 1 and None not in values, "all of them get the same code and the same payment"
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
        assert session.scalar(select(func.count()).select_from(Payment)) == 1
    assert _stock(hall.database, town.variant("F2")) == (1, 1)


KEY = "the-forms-key-0000000000"


def _checked_out(session: Session, town: Town, reference: str) -> tuple[str, str, orders.PlaceOrder]:
    """A visitor who has answered everything and sees the button: the basket's token, the form's key, the order."""
    basket_id = fill_basket(session, {town.variant(reference): 1})
    session.add(
        Checkout(
            basket_id=basket_id,
            key=KEY,
            mode="collection",
            name="Jeanne Martin",
            phone="+33639981234",
            email="jeanne@example.org",
            shortage="refund",
        )
    )
    session.flush()
    token = session.scalar(text("SELECT token FROM basket WHERE id = :id"), {"id": basket_id})
    return str(token), KEY, order_command(basket_id, key=KEY)


def _full_basket(session: Session, town: Town, reference: str) -> int:
    """Filled while the piece was still there."""
    basket = open_basket(session, NOW)
    session.add(Line(basket_id=basket.id, variant_id=town.variant(reference), qty=1, seen_price=Money(500)))
    session.flush()
    return basket.id


def test_eight_browsers_that_press_at_once_are_led_to_the_one_payment(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox
) -> None:
    with hall.database.transaction() as session:
        basket_token, key, _command = _checked_out(session, town, "F2")
    press = partial(press_order, basket_token=basket_token, checkout_key=key, total_cents=500)
    answers = [outcome.value for outcome in crowd.act([press] * 8)]
    assert {status for status, _ in answers} == {303}
    (payment,) = book_payments(sandbox)
    with hall.database.reading() as session:
        order = session.scalars(select(Order)).one()
        checkout_url = session.scalars(select(Payment.checkout_url)).one()
    assert payment["amount_cents"] == 500
    # Whoever asks the provider while another asks is sent to the order's page, which leads to the same payment.
    assert {where for _, where in answers} <= {checkout_url, f"/commande/{order.code}/{order.token}"}


@pytest.mark.parametrize("is_browser", [True, False])
def test_a_click_that_comes_late_is_not_told_that_its_own_piece_is_gone(
    hall: Hall, town: Town, crowd: Crowd, is_browser: bool
) -> None:
    """The second click finds no order yet, and looks at the shelf when the first has taken the last piece from it."""
    with hall.database.transaction() as session:
        basket_token, key, command = _checked_out(session, town, "F2")
    if is_browser:
        act = partial(press_order, basket_token=basket_token, checkout_key=key, total_cents=500)
    else:
        act = partial(place_order, command=command)
    with hall.database.transaction() as session:
        session.execute(text("LOCK TABLE merchant_account IN ACCESS EXCLUSIVE MODE"))
        (second,) = crowd.start([act])
        wait_for_queue(hall.database, 1)
        first = orders.place_order(session, command, clock=hall.clock)
    outcome = second.outcome()
    assert outcome.refused is None
    if is_browser:
        with hall.database.reading() as session:
            assert outcome.value == (303, session.scalars(select(Payment.checkout_url)).one())
    else:
        assert outcome.value == (first.code, first.payment_id)


def test_two_who_want_to_pay_again_share_one_attempt(hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("L2",), clock=hall.clock, delivered=False)
    sandbox.conclude(open_payment(hall, placed), "failed", notify=False)
    payments.settle(hall, placed.payment_id)
    with gate(hall.database, ORDER, id=placed.order_id):
        tabs = crowd.start([partial(pay_again, code=placed.code, token=placed.token)] * 2)
        wait_for_queue(hall.database, 2)
    first, second = (tab.outcome().value for tab in tabs)
    assert first == second != placed.payment_id
    with hall.database.reading() as session:
        assert session.scalars(select(Payment.id).where(Payment.state.in_(OPEN_STATES))).all() == [first]
    assert sorted(payment["status"] for payment in book_payments(sandbox)) == ["failed", "open"]


# --- The money arrives -----------------------------------------------------------------------------------------


def _postings(database: Database) -> list[str]:
    with database.reading() as session:
        return sorted(session.scalars(select(Posting.key)))


def _events(database: Database, order_id: int) -> list[str]:
    """What happened to the order itself, in its order."""
    with database.reading() as session:
        return list(
            session.scalars(
                select(OrderEvent.event)
                .where(OrderEvent.order_id == order_id, OrderEvent.sub_order_id.is_(None))
                .order_by(OrderEvent.id)
            )
        )


def _state(database: Database, order_id: int) -> str:
    with database.reading() as session:
        return session.get_one(Order, order_id).state


def test_five_notices_the_return_page_and_the_poller_confirm_once(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("L1", "F1", "C1"), clock=hall.clock)
    provider_id = open_payment(hall, placed)
    sandbox.conclude(provider_id, "paid", notify=False)
    with hall.database.transaction() as session:
        payment = session.get_one(Payment, placed.payment_id)
        payment.next_poll_at = hall.clock.now()
        token = payment.token
    news = [partial(notice, token=token, provider_id=provider_id)] * 5
    acts = [*news, partial(return_page, code=placed.code, token=placed.token), poll_payments]
    # Whatever comes first waits for the payment's row, and the others behind it.
    with gate(hall.database, PAYMENT, id=placed.payment_id):
        everybody = crowd.start([*acts, *[partial(settle, payment_id=placed.payment_id)] * 3])
        wait_for_queue(hall.database, 5)
    assert [somebody.outcome().value for somebody in everybody][:6] == [200] * 6
    assert [outcome.refused for outcome in crowd.act([work_off] * 3)] == [None] * 3
    assert _events(hall.database, placed.order_id) == ["place", "confirm"]
    assert _postings(hall.database) == [f"allocated:{placed.payment_id}", f"paid:{placed.payment_id}"]
    assert _stock(hall.database, town.variant("L1")) == (4, 0)
    assert [outcome.refused for outcome in crowd.act([partial(travel_and_arrive, code=placed.code)] * 3)] == [None] * 3
    assert [outcome.refused for outcome in crowd.act([work_off] * 3)] == [None] * 3
    (paid,) = book_payments(sandbox)
    assert sorted((route["organization_id"], route["amount_cents"]) for route in paid["routes"]) == [
        ("org_cave", 1104),
        ("org_fromagerie", 916),
        ("org_librairie", 1656),
    ]
    assert [key for key in _postings(hall.database) if key.startswith("routed:")] == [
        "routed:1",
        "routed:2",
        "routed:3",
    ]


def test_workers_that_take_the_same_paid_payment_confirm_once(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("L1", "C1"), clock=hall.clock)
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    with gate(hall.database, ORDER, id=placed.order_id):
        workers = crowd.start([partial(take_payment, payment_id=placed.payment_id)] * 4)
        wait_for_queue(hall.database, 4)
    assert [worker.outcome().refused for worker in workers] == [None] * 4
    assert _events(hall.database, placed.order_id) == ["place", "confirm"]
    assert _stock(hall.database, town.variant("L1")) == (4, 0)


def _late_money(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> orders.PlacedOrder:
    """Paid after the hold was over, for a last piece that somebody else has bought since."""
    placed = place(hall.database, town, ("F2",), clock=hall.clock, delivered=False)
    provider_id = open_payment(hall, placed)
    clock.advance(timedelta(minutes=16))
    with hall.database.transaction() as session:
        assert orders.lapse(session, order_id=placed.order_id, now=clock.now())
    pay(hall, sandbox, place(hall.database, town, ("F2",), clock=hall.clock, delivered=False))
    sandbox.conclude(provider_id, "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    return placed


def test_workers_that_find_the_same_late_money_give_it_back_once(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = _late_money(hall, town, sandbox, clock)
    with gate(hall.database, ORDER, id=placed.order_id):
        workers = crowd.start([partial(take_payment, payment_id=placed.payment_id)] * 4)
        wait_for_queue(hall.database, 4)
    assert [worker.outcome().refused for worker in workers] == [None] * 4
    with hall.database.reading() as session:
        refund_id = session.scalars(select(Refund.id)).one()
    for sender in crowd.start([partial(send_refund, refund_id=refund_id)] * 4):
        sender.end()  # one that meets another's call at the provider is told to come back
    work(hall)
    assert [refund["amount_cents"] for payment in book_payments(sandbox) for refund in payment["refunds"]] == [500]


def test_workers_that_route_the_same_share_route_it_once(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock, delivered=False)
    pay(hall, sandbox, placed)
    with hall.database.transaction() as session:
        shares.make_due(session, payment_id=placed.payment_id, party="merchant:cave")
        share_id = session.scalars(select(Share.id).where(Share.state == "due")).one()
        # As if the shop had handed it over: what is raced for here is the route.
        sub_order_id = session.scalars(update(SubOrder).values(state="delivered").returning(SubOrder.id)).one()
        publish(session, "sub_order.delivered", sub_order_id=sub_order_id)
    with gate(hall.database, "SELECT 1 FROM payment_share WHERE id = :id FOR NO KEY UPDATE", id=share_id):
        workers = crowd.start([partial(send_share, share_id=share_id)] * 4)
        wait_for_queue(hall.database, 4)
    for worker in workers:
        worker.end()  # one that meets the other's call at the provider is told to come back
    work(hall)
    assert [route["amount_cents"] for payment in book_payments(sandbox) for route in payment["routes"]] == [1104]


@pytest.mark.parametrize("money_first", [True, False])
def test_money_and_the_end_of_the_time_to_pay_meet(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox, clock: FixedClock, money_first: bool
) -> None:
    """The order ends confirmed, its piece sold once: before it lapsed, or brought back while the piece is there."""
    placed = place(hall.database, town, ("F2",), clock=hall.clock)
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    clock.advance(timedelta(minutes=16))
    crowd.clock.set(clock.now())
    lapses = partial(let_lapse, order_id=placed.order_id)
    pays = partial(return_page, code=placed.code, token=placed.token)
    with gate(hall.database, ORDER, id=placed.order_id):
        first = crowd.start([pays if money_first else lapses])
        wait_for_queue(hall.database, 1)
        second = crowd.start([lapses if money_first else pays])
        wait_for_queue(hall.database, 2)
    for somebody in (*first, *second):
        somebody.outcome()
    work(hall)
    assert _state(hall.database, placed.order_id) == "confirmed"
    assert _stock(hall.database, town.variant("F2")) == (0, 0)
    with hall.database.reading() as session:
        assert session.get_one(Slot, town.slots[0]).taken_stops == 1
        assert session.scalars(select(Refund.id)).all() == []


def test_money_and_the_end_of_the_time_meet_while_the_last_piece_goes(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox, clock: FixedClock
) -> None:
    """Money, the clock and another buyer at once: one household has the piece, the other its money."""
    placed = place(hall.database, town, ("F2",), clock=hall.clock, delivered=False)
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    clock.advance(timedelta(minutes=16))
    crowd.clock.set(clock.now())
    with hall.database.transaction() as session:
        other = order_command(_full_basket(session, town, "F2"))
    with gate(hall.database, ORDER, id=placed.order_id):
        lapses = crowd.start([partial(let_lapse, order_id=placed.order_id)])
        wait_for_queue(hall.database, 1)
        pays = crowd.start([partial(return_page, code=placed.code, token=placed.token)])
        wait_for_queue(hall.database, 2)
        buys = crowd.start([partial(place_order, command=other)])
    ends = [somebody.outcome() for somebody in (*lapses, *pays, *buys)]
    work(hall)
    state = _state(hall.database, placed.order_id)
    other_has_it = ends[2].refused is None
    assert (state, other_has_it) in (("confirmed", False), ("cancelled", True))
    assert _stock(hall.database, town.variant("F2")) == ((1, 1) if other_has_it else (0, 0))
    refunds = [refund["amount_cents"] for payment in book_payments(sandbox) for refund in payment["refunds"]]
    assert refunds == ([500] if other_has_it else [])


# --- The shop and the courier ----------------------------------------------------------------------------------


def test_a_shop_and_the_courier_never_wait_for_each_other(
    hall: Hall, town: Town, crowd: Crowd, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("L1", "F1", "C1"), clock=hall.clock)
    pay(hall, sandbox, placed)
    with hall.database.reading() as session:
        sub_order = session.scalars(select(SubOrder).where(SubOrder.order_id == placed.order_id)).all()[1]
    with gate(hall.database, "SELECT 1 FROM sub_order WHERE id = :id FOR NO KEY UPDATE", id=sub_order.id):
        courier = crowd.start([partial(travel_and_arrive, code=placed.code)])
        wait_for_queue(hall.database, 1)
        shop = crowd.start([partial(advance, sub_order_id=sub_order.id, shop_id=sub_order.shop_id, event="accept")])
        wait_for_queue(hall.database, 2)
    assert [somebody.outcome().refused for somebody in (*courier, *shop)] == [None, None]
    work(hall)
    assert _state(hall.database, placed.order_id) == "completed"
