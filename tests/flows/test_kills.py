"""kill -9 in the middle: of the worker, the web, the sandbox, the database's connections. Nothing is lost or doubled.

A planned delay at the sandbox, or a row that the test holds, keeps the victim where it is to die. Money is checked in
the provider's own book, everything else by the self-check.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import select, text, update

from basket import orders
from basket.models import Checkout, Order
from marketplace.db import Database
from marketplace.ledger.models import Posting
from marketplace.payments.models import Payment, Refund, Share
from marketplace.selfcheck import self_check
from tests.conftest import TEMPLATE, fresh_database
from tests.flows.house import House
from tests.flows.processes import gate, until, wait_for_queue
from tests.sandbox_server import Sandbox
from tests.walk import (
    Town,
    arrange_town,
    book_payments,
    fill_basket,
    open_payment,
    order_command,
    place,
    register_merchants,
)

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

SLUGS = frozenset({"librairie", "fromagerie", "cave"})
HANG_S = 60


@pytest.fixture(scope="module")
def house(
    template_url: object, database: Database, worker_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Web and worker on a database of their own, that no other test empties under them."""
    house = House(fresh_database(database.url, f"house_{worker_id}", TEMPLATE), tmp_path_factory.mktemp("kills"))
    try:
        yield house
    finally:
        house.close()


@pytest.fixture(scope="module")
def running(house: House) -> Sandbox:
    sandbox = house.start()
    register_merchants(sandbox)
    return sandbox


@pytest.fixture(scope="module")
def town(house: House) -> Town:
    """As of today: these processes read the machine's own clock."""
    with house.hall.database.transaction() as session:
        return arrange_town(session, now=datetime.now(UTC))


@pytest.fixture(autouse=True)
def _the_house_stands(house: House, running: Sandbox) -> Iterator[None]:
    """After every kill: each rule holds, and the book knows no money that we do not."""
    yield
    running.clear_faults()
    with house.hall.database.reading() as session:
        assert self_check(session) == []
        ours = set(session.scalars(select(Payment.provider_id).where(Payment.state == "paid")))
    assert {payment["id"] for payment in book_payments(running) if payment["status"] == "paid"} == ours


def _state(house: House, placed: orders.PlacedOrder) -> str:
    with house.hall.database.reading() as session:
        return session.get_one(Order, placed.order_id).state


def _wait_for_state(house: House, placed: orders.PlacedOrder, state: str) -> None:
    until(f"order {state}", lambda: _state(house, placed) == state)


def _wait_until_in_trouble(sandbox: Sandbox) -> None:
    """Somebody's call is inside the planned trouble now."""
    until("a call hangs", lambda: sandbox.control("GET", "faults") == [])


def _of_order(sandbox: Sandbox, code: str) -> list[dict[str, Any]]:
    """The order's payments in the provider's book."""
    return [payment for payment in book_payments(sandbox) if payment["metadata"]["reference"] == code]


def _postings(house: House, placed: orders.PlacedOrder) -> list[str]:
    with house.hall.database.reading() as session:
        return sorted(session.scalars(select(Posting.kind).where(Posting.reference == placed.code)))


def _paid_order(house: House, town: Town, sandbox: Sandbox) -> orders.PlacedOrder:
    placed = place(house.hall.database, town, ("L2", "F1", "C1"), clock=house.hall.clock)
    sandbox.conclude(open_payment(house.hall, placed), "paid")
    return placed


def _hand_over(house: House, placed: orders.PlacedOrder) -> None:
    now = house.hall.clock.now()
    with house.hall.database.transaction() as session:
        orders.mark_travelling(session, code=placed.code, shop_slugs=SLUGS, actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)


def test_a_worker_killed_while_it_asks_for_the_payment(house: House, town: Town, running: Sandbox) -> None:
    running.plan_fault("GET /v2/payments/*", "delay", seconds=HANG_S)
    placed = _paid_order(house, town, running)
    _wait_until_in_trouble(running)
    house.restart_worker()
    _wait_for_state(house, placed, "confirmed")
    assert _postings(house, placed) == ["allocated", "paid"]


def test_a_worker_killed_between_the_money_and_the_order(house: House, town: Town, running: Sandbox) -> None:
    placed = place(house.hall.database, town, ("L2",), clock=house.hall.clock)
    provider_id = open_payment(house.hall, placed)
    with gate(house.hall.database, "SELECT 1 FROM orders WHERE id = :id FOR UPDATE", id=placed.order_id):
        running.conclude(provider_id, "paid")
        wait_for_queue(house.hall.database, 1)
        house.worker.kill()
        with house.hall.database.reading() as session:
            assert session.get_one(Payment, placed.payment_id).state == "paid", "the money is known"
    assert _state(house, placed) == "awaiting_payment"
    house.worker.start()
    _wait_for_state(house, placed, "confirmed")
    assert _postings(house, placed) == ["allocated", "paid"]


@pytest.mark.parametrize(("action", "seconds"), [("delay", 3), ("delay_after", HANG_S)])
def test_a_worker_killed_while_it_routes_a_share(
    house: House, town: Town, running: Sandbox, action: str, seconds: int
) -> None:
    """Before the provider has done it, and after: one route for each merchant either way."""
    placed = _paid_order(house, town, running)
    _wait_for_state(house, placed, "confirmed")
    running.plan_fault("POST /v2/payments/*/routes", action, seconds=seconds)
    _hand_over(house, placed)
    _wait_until_in_trouble(running)
    house.restart_worker()

    def all_routed() -> bool:
        with house.hall.database.reading() as session:
            shares = select(Share.state).where(Share.payment_id == placed.payment_id, Share.kind == "goods")
            return set(session.scalars(shares)) == {"routed"}

    until("three routes", all_routed)
    (payment,) = _of_order(running, placed.code)
    routes = sorted((route["organization_id"], route["amount_cents"]) for route in payment["routes"])
    assert routes == [("org_cave", 1104), ("org_fromagerie", 916), ("org_librairie", 598)]
    assert _postings(house, placed) == ["allocated", "paid", "routed", "routed", "routed"]


def test_a_worker_killed_while_it_gives_money_back(house: House, town: Town, running: Sandbox) -> None:
    placed = place(house.hall.database, town, ("L2",), clock=house.hall.clock, delivered=False)
    provider_id = open_payment(house.hall, placed)
    with house.hall.database.transaction() as session:
        orders.cancel_unpaid(session, code=placed.code, token=placed.token, now=house.hall.clock.now())
    running.plan_fault("POST /v2/payments/*/refunds", "delay_after", seconds=HANG_S)
    running.conclude(provider_id, "paid")
    _wait_until_in_trouble(running)
    house.restart_worker()

    def is_known() -> bool:
        with house.hall.database.reading() as session:
            refund = session.scalars(select(Refund).where(Refund.payment_id == placed.payment_id)).one()
            return refund.provider_id is not None

    until("the refund is known", is_known)
    (payment,) = _of_order(running, placed.code)
    assert [refund["amount_cents"] for refund in payment["refunds"]] == [650]


def test_the_web_killed_while_it_opens_the_payment(house: House, town: Town, running: Sandbox) -> None:
    """The resident sees a broken page, goes back and presses once more: one order, one payment."""
    with house.hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("C1"): 1}, now=house.hall.clock.now())
        key = order_command(basket_id).checkout_key
        answers = {"name": "Jeanne Martin", "phone": "+33639981234", "email": "jeanne@example.org"}
        session.add(Checkout(basket_id=basket_id, key=key, mode="collection", shortage="refund", **answers))
        session.flush()
        basket_token = session.scalar(text("SELECT token FROM basket WHERE id = :id"), {"id": basket_id})
    form = {
        "csrf_token": house.form_token(),
        "checkout_key": key,
        "seen_total_cents": 1200,
        "accepts_terms": "1",
        "is_adult": "1",
    }
    broken: list[Exception] = []

    def press() -> requests.Response:
        return house.browse(basket_token=basket_token).post(
            f"{house.url}/commande/verifier", data=form, allow_redirects=False, timeout=60
        )

    def press_in_vain() -> None:
        try:
            press()
        except requests.ConnectionError as error:
            broken.append(error)

    running.plan_fault("POST /v2/payments", "delay_after", seconds=5)
    first = threading.Thread(target=press_in_vain)
    first.start()
    _wait_until_in_trouble(running)
    house.web.kill()
    first.join()
    assert len(broken) == 1
    house.web.start()
    house.wait_for_web()
    answer = press()
    with house.hall.database.reading() as session:
        order = session.scalars(select(Order).where(Order.checkout_key == key)).one()
    assert answer.status_code == 303

    def is_open() -> bool:
        # While the provider still works on the first call, the way leads over the order's page, which asks again.
        assert house.browse().get(f"{house.url}/commande/{order.code}/{order.token}", timeout=20).status_code == 200
        with house.hall.database.reading() as session:
            return session.scalars(select(Payment.state).where(Payment.reference == order.code)).one() == "open"

    until("the payment is open", is_open)
    assert [payment["amount_cents"] for payment in _of_order(running, order.code)] == [1200]


def test_a_notice_that_never_comes_loses_nothing_but_time(house: House, town: Town, running: Sandbox) -> None:
    placed = place(house.hall.database, town, ("L2",), clock=house.hall.clock)
    running.conclude(open_payment(house.hall, placed), "paid", notify=False)
    _a_minute_passes(house, placed)
    _wait_for_state(house, placed, "confirmed")


def test_a_notice_that_could_not_be_kept_comes_again(house: House, town: Town, running: Sandbox) -> None:
    """Nobody can write a job: the provider is told so, and calls again; 200 would have been a lost notice."""
    placed = place(house.hall.database, town, ("L2",), clock=house.hall.clock)
    provider_id = open_payment(house.hall, placed)

    def notice() -> dict[str, Any]:
        (found,) = [hook for hook in running.book()["webhooks"] if hook["payment_id"] == provider_id]
        return dict(found)

    with gate(house.hall.database, "LOCK TABLE procrastinate_jobs IN SHARE MODE"):
        running.conclude(provider_id, "paid")
        until("the notice is refused", lambda: notice()["tries_qty"] == 1)
        assert (notice()["last_answer"][0], notice()["delivered"]) == ("5", 0)
    running.advance_clock(61)
    until("the notice is taken", lambda: notice()["delivered"] == 1)
    assert notice()["tries_qty"] == 2
    _wait_for_state(house, placed, "confirmed")


def test_a_sandbox_killed_between_the_money_and_the_notice(house: House, town: Town, running: Sandbox) -> None:
    """The poller asks in vain while the provider is away, and asks again."""
    placed = place(house.hall.database, town, ("L2",), clock=house.hall.clock)
    running.conclude(open_payment(house.hall, placed), "paid", notify=False)
    house.kill_sandbox()
    _a_minute_passes(house, placed)

    def was_asked_in_vain() -> bool:
        with house.hall.database.reading() as session:
            polls = text(
                "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded' AND args ->> 'payment_id' = :id"
            )
            return bool(session.scalar(polls, {"id": str(placed.payment_id)}))

    until("asked in vain", was_asked_in_vain)
    assert _state(house, placed) == "awaiting_payment"
    house.start_sandbox()
    _a_minute_passes(house, placed)
    _wait_for_state(house, placed, "confirmed")
    assert _postings(house, placed) == ["allocated", "paid"]


def _a_minute_passes(house: House, placed: orders.PlacedOrder) -> None:
    with house.hall.database.transaction() as session:
        due = house.hall.clock.now() - timedelta(seconds=1)
        session.execute(update(Payment).where(Payment.id == placed.payment_id).values(next_poll_at=due))
    house.strike("marketplace.payments.handlers.poll_payments")


def test_a_database_that_drops_every_connection_costs_one_request_at_most(
    house: House, town: Town, running: Sandbox
) -> None:
    placed = place(house.hall.database, town, ("L2",), clock=house.hall.clock)
    provider_id = open_payment(house.hall, placed)
    browser = house.browse()
    page = f"{house.url}/commande/{placed.code}/{placed.token}"
    assert browser.get(page, timeout=20).status_code == 200
    web_pid, worker_pid = house.web.pid, house.worker.pid
    with gate(house.hall.database, "SELECT 1 FROM orders WHERE id = :id FOR UPDATE", id=placed.order_id) as ours:
        running.conclude(provider_id, "paid")
        wait_for_queue(house.hall.database, 1)  # the worker is in the middle of confirming the order
        assert house.terminate_connections(but=ours) > 2
    statuses = [
        browser.get(f"{house.url}{path}", timeout=20).status_code for path in ("/", "/panier", "/boutiques") * 4
    ]
    assert sorted(statuses)[:-1] == [200] * 11
    _wait_for_state(house, placed, "confirmed")
    after = _paid_order(house, town, running)
    _wait_for_state(house, after, "confirmed")
    assert house.web.is_alive and house.worker.is_alive
    assert (house.web.pid, house.worker.pid) == (web_pid, worker_pid)
