"""The ways to pay: what each can take, and how long it stays open (mollie.md 2.3, 2.6)."""

from __future__ import annotations

import pytest

from tests.marketplace.payments.sandbox_bodies import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    assert_refused,
    created,
    euros,
    paid,
    payment_body,
)
from tests.sandbox_server import TOKEN, Sandbox

ALL = ["creditcard", "paypal", "bancontact", "banktransfer"]


def listed(sandbox: Sandbox, query: str = "") -> list[str]:
    answer = sandbox.call("GET", f"methods{query}")
    assert answer.status_code == 200, answer.text
    return [method["id"] for method in answer.json()["_embedded"]["methods"]]


def test_a_method_tells_its_limits(quiet_sandbox: Sandbox) -> None:
    card = quiet_sandbox.call("GET", "methods/creditcard").json()
    assert (card["resource"], card["status"], card["description"]) == ("method", "activated", "Carte bancaire")
    assert (card["minimumAmount"], card["maximumAmount"]) == (euros("0.01"), euros("10000.00"))
    assert set(card["image"]) == {"size1x", "size2x", "svg"}
    francs = quiet_sandbox.call("GET", "methods/creditcard?currency=CHF").json()
    assert francs["maximumAmount"] == {"currency": "CHF", "value": "10000.00"}
    assert_refused(quiet_sandbox.call("GET", "methods/banktransfer?currency=CHF"), 422, "currency")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ALL),
        ("?includeWallets=applepay,googlepay", ["creditcard", "applepay", "paypal", "bancontact", "banktransfer"]),
        ("?amount[currency]=EUR&amount[value]=0.01", ["creditcard", "paypal", "banktransfer"]),
        ("?amount[currency]=EUR&amount[value]=8000.00", ALL),
        ("?amount[currency]=EUR&amount[value]=8000.01", ["creditcard", "bancontact", "banktransfer"]),
        ("?amount[currency]=EUR&amount[value]=10000.01", ["bancontact", "banktransfer"]),
        ("?amount[currency]=USD&amount[value]=10.00", ["creditcard", "paypal"]),
        ("?amount[currency]=EUR&amount[value]=1000000.01", []),
    ],
)
def test_only_what_takes_the_amount_is_listed(quiet_sandbox: Sandbox, query: str, found: list[str]) -> None:
    assert listed(quiet_sandbox, query) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("amount[value]=10.00", "amount.currency"),
        ("amount[currency]=EUR", "amount.value"),
        ("amount[currency]=EUR&amount[value]=10", "amount.value"),
    ],
)
def test_half_an_amount_is_refused(quiet_sandbox: Sandbox, query: str, field: str) -> None:
    assert_refused(quiet_sandbox.call("GET", f"methods?{query}"), 422, field)


def test_a_token_names_the_profile_whose_methods_it_wants(sandbox: Sandbox) -> None:
    profile_id = sandbox.issue_token()
    assert_refused(sandbox.call("GET", "methods?testmode=true", key=TOKEN), 422, "profileId")
    assert_refused(sandbox.call("GET", "methods/creditcard?testmode=true", key=TOKEN), 422, "profileId")
    path = f"methods?profileId={profile_id}"
    assert sandbox.call("GET", f"{path}&testmode=true", key=TOKEN).json()["count"] == 4
    assert sandbox.call("GET", path, key=TOKEN).json()["count"] == 0


def test_a_sum_over_a_cards_maximum_is_paid_another_way(sandbox: Sandbox) -> None:
    assert sandbox.call("GET", f"payments/{paid(sandbox, '10000.00')}").json()["method"] == "creditcard"
    assert sandbox.call("GET", f"payments/{paid(sandbox, '10000.01')}").json()["method"] == "bancontact"


def test_one_method_of_several_must_take_the_sum(quiet_sandbox: Sandbox) -> None:
    body = payment_body("10000.01", method=["creditcard", "banktransfer"])
    assert quiet_sandbox.call("POST", "payments", body).status_code == 201
    assert_refused(quiet_sandbox.call("POST", "payments", {**body, "method": ["creditcard", "paypal"]}), 422, "amount")


@pytest.mark.parametrize(
    ("method", "session_s"),
    [
        ("creditcard", 15 * MINUTE_S),
        ("applepay", 15 * MINUTE_S),
        ("bancontact", HOUR_S),
        ("paypal", 72 * HOUR_S),
        ("banktransfer", 14 * DAY_S),
    ],
)
def test_each_method_expires_in_its_time(sandbox: Sandbox, method: str, session_s: int) -> None:
    payment_id = created(sandbox, method=method)
    sandbox.advance_clock(session_s - MINUTE_S)
    assert sandbox.call("GET", f"payments/{payment_id}").json()["status"] == "open"
    sandbox.advance_clock(MINUTE_S)
    assert sandbox.call("GET", f"payments/{payment_id}").json()["status"] == "expired"
