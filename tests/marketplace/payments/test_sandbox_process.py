"""The sandbox as a process of its own: killed in the middle, it forgets nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from marketplace.money import Money
from marketplace.payments.gateway import OutcomeUnknown, PaymentRequest
from tests.sandbox_server import Sandbox, SandboxProcess, listening_shop

pytestmark = pytest.mark.processes


@pytest.fixture
def process(tmp_path: Path) -> Iterator[SandboxProcess]:
    running = SandboxProcess(tmp_path / "book.sqlite")
    yield running
    running.kill()


def ordered(webhook_url: str | None = None) -> PaymentRequest:
    return PaymentRequest(Money(4429), "Commande", "http://127.0.0.1:8000/retour", webhook_url=webhook_url)


def test_what_was_paid_and_routed_survives_a_kill(process: SandboxProcess) -> None:
    sandbox = process.start()
    sandbox.register_organization("org_12345")
    payment = sandbox.gateway().create_payment(ordered(), idempotency_key="key-1")
    sandbox.pay(payment.id)
    sandbox.gateway().create_route(
        payment.id, amount=Money(1835), organization_id="org_12345", description="x", idempotency_key="route-1"
    )
    process.kill()

    sandbox = process.start()
    assert sandbox.gateway().get_payment(payment.id).status == "paid"
    assert [route.amount for route in sandbox.gateway().routes_of(payment.id)] == [Money(1835)]
    again = sandbox.gateway().create_payment(ordered(), idempotency_key="key-1")
    assert again.id == payment.id
    assert len(sandbox.gateway().payments_since()[0]) == 1


def test_a_kill_between_the_work_and_the_answer_does_the_work_once(process: SandboxProcess) -> None:
    sandbox = process.start()
    sandbox.plan_fault("POST /v2/payments", "delay_after", seconds=60)
    outcomes: list[str] = []

    def order() -> None:
        try:
            sandbox.gateway(timeout_s=(3, 30)).create_payment(ordered(), idempotency_key="key-1")
        except OutcomeUnknown:
            outcomes.append("unknown")

    ordering = threading.Thread(target=order)
    ordering.start()
    while not Sandbox(sandbox.url).call("GET", "payments").json()["count"]:
        pass
    process.kill()
    ordering.join()
    assert outcomes == ["unknown"]

    sandbox = process.start()
    again = sandbox.gateway().create_payment(ordered(), idempotency_key="key-1")
    assert [payment.id for payment in sandbox.gateway().payments_since()[0]] == [again.id]


def test_a_call_back_that_was_due_at_the_kill_is_made_after_it(process: SandboxProcess) -> None:
    with listening_shop() as shop:
        shop.answers = [500]
        sandbox = process.start()
        payment = sandbox.gateway().create_payment(ordered(shop.url), idempotency_key="key-1")
        sandbox.pay(payment.id)
        sandbox.flush_webhooks()
        process.kill()
        sandbox = process.start()
        sandbox.advance_clock(60)
        sandbox.flush_webhooks()
        assert shop.told == [payment.id, payment.id]


def test_a_supervisor_stops_it_cleanly_and_the_moved_clock_stays_moved(process: SandboxProcess) -> None:
    sandbox = process.start()
    before = sandbox.book()["now"]
    sandbox.advance_clock(10 * 86_400)
    assert process.stop() == 0
    sandbox = process.start()
    assert sandbox.book()["now"][:10] > before[:10]


def test_it_listens_to_this_machine_only(process: SandboxProcess) -> None:
    sandbox = process.start()
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert requests.get(f"{sandbox.url}/_sandbox", timeout=10).status_code == 200
