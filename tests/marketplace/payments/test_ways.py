"""The ways to pay are the provider's word, kept for minutes; silence of it holds up nobody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from marketplace.clock import FixedClock
from marketplace.money import Money
from marketplace.payments.gateway import Gateway, PayMethod
from marketplace.payments.ways import Ways, fitting
from tests.sandbox_server import Sandbox, running_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 24, 9, tzinfo=UTC))


CARD = PayMethod("creditcard", Money(1), Money(1_000_000))
PAYPAL = PayMethod("paypal", Money(1), Money(800_000))
TRANSFER = PayMethod("banktransfer", Money(1), None)


def test_what_is_switched_on_is_what_the_provider_says(sandbox: Sandbox) -> None:
    offered = sandbox.gateway().methods(locale="fr_FR")
    assert CARD in offered
    assert {method.id for method in offered} == {"creditcard", "applepay", "paypal", "bancontact", "banktransfer"}


@pytest.mark.parametrize(
    ("case", "cents", "takes_slow", "routing", "ids"),
    [
        ("anything that keeps", 2000, True, "delayed", ["creditcard", "paypal", "banktransfer"]),
        ("fresh food does not wait for a transfer", 2000, False, "delayed", ["creditcard", "paypal"]),
        ("more than one of them takes", 900_000, True, "delayed", ["creditcard", "banktransfer"]),
        ("less than any of them takes", 0, True, "delayed", []),
        ("what cannot be split upfront", 2000, True, "upfront", ["creditcard", "banktransfer"]),
    ],
)
def test_only_what_fits_is_offered(case: str, cents: int, takes_slow: bool, routing: str, ids: list[str]) -> None:
    found = fitting((CARD, PAYPAL, TRANSFER), Money(cents), takes_slow=takes_slow, routing=routing)
    assert [method.id for method in found] == ids, case


def test_it_is_asked_again_after_some_minutes(sandbox: Sandbox, clock: FixedClock) -> None:
    ways, gateway = Ways(), sandbox.gateway()
    offered = ways.offered(gateway, locale="fr_FR", clock=clock)
    sandbox.plan_fault("GET /v2/methods", "status", status=503)
    clock.advance(timedelta(minutes=5, seconds=-1))
    assert ways.offered(gateway, locale="fr_FR", clock=clock) == offered
    clock.advance(timedelta(seconds=1))
    assert ways.offered(gateway, locale="fr_FR", clock=clock) == ()
    sandbox.clear_faults()
    assert ways.offered(gateway, locale="en_GB", clock=clock) == offered


def test_a_provider_that_does_not_answer_is_left_alone_for_a_minute(sandbox: Sandbox, clock: FixedClock) -> None:
    ways, nowhere = Ways(), Gateway(endpoint="http://127.0.0.1:9", api_key="test_nowhere")
    assert ways.offered(nowhere, locale="fr_FR", clock=clock) == ()
    clock.advance(timedelta(seconds=59))
    assert ways.offered(sandbox.gateway(), locale="fr_FR", clock=clock) == ()
    clock.advance(timedelta(seconds=1))
    assert ways.offered(sandbox.gateway(), locale="fr_FR", clock=clock) != ()
