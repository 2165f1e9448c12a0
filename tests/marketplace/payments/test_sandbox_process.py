"""The sandbox as a process of its own: killed in the middle, it forgets nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from marketplace.money import Money
from marketplace.payments.gateway import OutcomeUnknown, PaymentRequest, TryAgain
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
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not Sandbox(sandbox.url).call("GET", "payments").json()["count"]:
        pass
    process.kill()
    ordering.join()
    assert outcomes == ["unknown"]

    sandbox = process.start()
    again = sandbox.gateway().create_payment(ordered(), idempotency_key="key-1")
    assert [payment.id for payment in sandbox.gateway().payments_since()[0]] == [again.id]


def test_a_kill_among_many_buyers_loses_nothing_that_was_acknowledged_and_doubles_nothing(
    process: SandboxProcess,
) -> None:
    sandbox = process.start()
    acknowledged: dict[str, str] = {}
    busy = threading.Event()

    def buy(buyer: int) -> None:
        gateway = sandbox.gateway()
        for i in range(1000):
            key = f"{buyer}-{i}"
            try:
                acknowledged[key] = gateway.create_payment(ordered(), idempotency_key=key).id
            except (OutcomeUnknown, TryAgain):
                return
            if len(acknowledged) >= 40:
                busy.set()

    buyers = [threading.Thread(target=buy, args=(buyer,)) for buyer in range(8)]
    for thread in buyers:
        thread.start()
    assert busy.wait(30)
    process.kill()
    for thread in buyers:
        thread.join()

    gateway = process.start().gateway()
    found = {payment.id for payment in gateway.payments_since()[0]}
    assert set(acknowledged.values()) <= found
    repeated = {key: gateway.create_payment(ordered(), idempotency_key=key).id for key in acknowledged}
    assert repeated == acknowledged


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


def test_merchants_of_a_file_are_connected_from_the_start(tmp_path: Path) -> None:
    listed = tmp_path / "organizations.json"
    listed.write_text('[{"id": "org_12345", "name": "Primeur"}, {"name": "Savon", "canReceivePayments": false}]')
    process = SandboxProcess(tmp_path / "book.sqlite", "--organizations", str(listed))
    try:
        organizations = process.start().book()["organizations"]
    finally:
        process.kill()
    assert {(o["name"], o["can_receive_payments"]) for o in organizations} == {("Primeur", 1), ("Savon", 0)}


@pytest.mark.parametrize(
    ("option", "value", "word"),
    [
        ("--organizations", "no-list.json", "not a list of organisations"),
        ("--organizations", "no-name.json", "name"),
        ("--book", "no-book.sqlite", "not a database"),
        ("--key", "live_real", "test_"),
    ],
)
def test_it_says_why_it_cannot_start(tmp_path: Path, option: str, value: str, word: str) -> None:
    (tmp_path / "no-list.json").write_text("{}")
    (tmp_path / "no-name.json").write_text('[{"id": "org_12345"}]')
    (tmp_path / "no-book.sqlite").write_text("Once upon a time there was a file that was no database at all.")
    given = value if option == "--key" else str(tmp_path / value)
    command = [sys.executable, "-m", "marketplace.payments.sandbox", "--port", "0"]
    command += ["--book", str(tmp_path / "book.sqlite"), option, given]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("The payment sandbox cannot start: ")
    assert word in ended.stderr
