"""Upfront routing in the sandbox: shares of a payment fixed when it is created (mollie.md 2.1, 5.3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.marketplace.payments.sandbox_bodies import (
    DAY_S,
    assert_refused,
    created,
    euros,
    paid,
    payment_body,
    refund_body,
    route_body,
)
from tests.sandbox_server import Sandbox


def share(value: str, organization_id: str = "org_12345", **members: object) -> dict[str, Any]:
    destination = {"type": "organization", "organizationId": organization_id}
    return {"amount": euros(value), "destination": destination, **members}


def in_days(days: int) -> str:
    return (datetime.now(ZoneInfo("Europe/Amsterdam")).date() + timedelta(days=days)).isoformat()


@pytest.fixture
def town(sandbox: Sandbox) -> Sandbox:
    """A sandbox with two organisations to route to, and one that may not receive yet."""
    sandbox.register_organization("org_12345")
    sandbox.register_organization("org_67890")
    sandbox.register_organization("org_waiting", can_receive_payments=False)
    return sandbox


def balances(sandbox: Sandbox) -> dict[str, int]:
    book = sandbox.book()
    found = {o["id"]: o["balance_cents"] for o in book["organizations"] if o["balance_cents"]}
    return {**found, "platform": sum(profile["balances_cents"]["EUR"] for profile in book["profiles"])}


def test_the_shares_stand_in_the_answer(town: Sandbox) -> None:
    body = payment_body(routing=[share("6.00", releaseDate=in_days(3)), share("3.00", "org_67890")])
    payment = town.call("POST", "payments", body).json()
    first, second = payment["routing"]
    assert (first["resource"], first["mode"], first["id"][:3]) == ("route", "test", "rt_")
    assert first["amount"] == euros("6.00")
    assert first["destination"] == {"type": "organization", "organizationId": "org_12345"}
    assert (first["releaseDate"], second["releaseDate"]) == (in_days(3), None)
    assert first["_links"]["payment"]["href"] == f"{town.url}/v2/payments/{payment['id']}"
    path = f"payments/{payment['id']}"
    assert town.call("GET", path).json()["routing"] == payment["routing"]
    assert town.call("GET", f"{path}/routes/{first['id']}").json() == first
    assert town.call("GET", f"{path}/routes").json()["count"] == 0


def test_without_routing_the_answer_says_nothing_of_it(town: Sandbox) -> None:
    assert "routing" not in town.call("POST", "payments", payment_body()).json()
    assert "routing" not in town.call("POST", "payments", payment_body(routing=[])).json()


@pytest.mark.parametrize(
    ("routing", "field"),
    [
        ("all of it", "routing"),
        (["all of it"], "routing.0"),
        ([{"amount": euros("1.00")}], "routing.0.destination"),
        ([share("1.00"), share("0.00", "org_67890")], "routing.1.amount"),
        ([{**share("1.00"), "amount": {"currency": "GBP", "value": "1.00"}}], "routing.0.amount.currency"),
        ([share("1.00", "org_unknown")], "routing.0.destination.organizationId"),
        ([share("1.00", "org_waiting")], "routing.0.destination.organizationId"),
        ([share("1.00", "me")], "routing.0.destination.organizationId"),
        ([share("1.00"), share("1.00")], "routing.1.destination.organizationId"),
        ([share("6.00"), share("4.01", "org_67890")], "routing"),
        ([share("1.00", releaseDate="tomorrow")], "routing.0.releaseDate"),
        ([share("1.00", releaseDate="20991231")], "routing.0.releaseDate"),
        ([share("1.00", releaseDate=in_days(0))], "routing.0.releaseDate"),
        ([share("1.00", releaseDate=in_days(800))], "routing.0.releaseDate"),
    ],
)
def test_a_routing_that_mollie_would_refuse_is_refused_at_its_field(town: Sandbox, routing: Any, field: str) -> None:
    assert_refused(town.call("POST", "payments", payment_body(routing=routing)), 422, field)
    assert town.call("GET", "payments").json()["count"] == 0


def test_neither_other_currencies_nor_paypal_are_routed_upfront(town: Sandbox) -> None:
    dollars = {"currency": "USD", "value": "5.00"}
    body = payment_body(amount=dollars, routing=[{**share("1.00"), "amount": dollars}])
    assert_refused(town.call("POST", "payments", body), 422, "routing")
    assert_refused(
        town.call("POST", "payments", payment_body(method="paypal", routing=[share("1.00")])), 422, "routing"
    )


def test_the_shares_move_when_the_payment_is_paid(town: Sandbox) -> None:
    payment_id = created(town, routing=[share("6.00"), share("3.00", "org_67890")])
    assert balances(town) == {"platform": 0}
    town.pay(payment_id)
    assert balances(town) == {"org_12345": 600, "org_67890": 300, "platform": 100}


def test_a_payment_that_failed_moves_nothing(town: Sandbox) -> None:
    town.conclude(created(town, routing=[share("6.00")]), "failed")
    assert balances(town) == {"platform": 0}


def test_a_payment_routed_upfront_is_not_routed_again(town: Sandbox) -> None:
    payment_id = paid(town, routing=[share("6.00")])
    assert_refused(
        town.call("POST", f"payments/{payment_id}/routes", route_body("1.00", "org_67890")), 422, "paymentId"
    )


def test_a_refund_takes_shares_back_even_before_their_release(town: Sandbox) -> None:
    payment_id = paid(town, routing=[share("6.00", releaseDate=in_days(3)), share("3.00", "org_67890")])
    path = f"payments/{payment_id}/refunds"
    assert_refused(
        town.call("POST", path, refund_body("7.00", ("org_12345", "6.01"))), 422, "routingReversals.0.amount"
    )
    refund = town.call("POST", path, refund_body("7.00", ("org_12345", "6.00"))).json()
    assert refund["status"] == "pending"
    assert balances(town) == {"org_67890": 300, "platform": 0}
    town.fail_refund(refund["id"])
    assert balances(town) == {"org_12345": 600, "org_67890": 300, "platform": 100}


def test_the_only_organisation_makes_up_for_a_chargeback_as_far_as_its_share_goes(town: Sandbox) -> None:
    payment_id = paid(town, routing=[share("6.00")])
    chargeback_id = town.charge_back(payment_id, "8.00")
    assert balances(town) == {"platform": 200}
    town.reverse_chargeback(chargeback_id)
    assert balances(town) == {"org_12345": 600, "platform": 400}


def test_of_several_organisations_none_makes_up_for_a_part_and_all_for_the_whole(town: Sandbox) -> None:
    routing = [share("6.00"), share("3.00", "org_67890")]
    town.charge_back(paid(town, routing=routing), "9.99")
    assert balances(town) == {"org_12345": 600, "org_67890": 300, "platform": -899}
    town.charge_back(paid(town, routing=routing), "10.00")
    assert balances(town) == {"org_12345": 600, "org_67890": 300, "platform": -899}


def test_what_an_organisation_gave_for_a_chargeback_is_not_taken_back_twice(town: Sandbox) -> None:
    payment_id = paid(town, routing=[share("6.00")])
    town.charge_back(payment_id, "4.00")
    path = f"payments/{payment_id}/refunds"
    assert_refused(
        town.call("POST", path, refund_body("3.00", ("org_12345", "2.01"))), 422, "routingReversals.0.amount"
    )
    assert town.call("POST", path, refund_body("3.00", ("org_12345", "2.00"))).status_code == 201


def test_delayed_routes_stay_where_they_are_when_a_bank_takes_money_back(town: Sandbox) -> None:
    payment_id = paid(town)
    town.call("POST", f"payments/{payment_id}/routes", route_body("6.00"))
    town.charge_back(payment_id, "10.00")
    assert balances(town) == {"org_12345": 600, "platform": -600}


def test_a_released_share_was_the_organisations_all_the_time(town: Sandbox) -> None:
    paid(town, routing=[share("6.00", releaseDate=in_days(3))])
    town.advance_clock(4 * DAY_S)
    assert balances(town) == {"org_12345": 600, "platform": 400}
