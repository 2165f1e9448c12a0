"""Settlements: what was paid out, what would be next, and the lines that made it (mollie.md 5.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from tests.marketplace.payments.sandbox_bodies import DAY_S, assert_refused, euros, paid, refund_body, route_body
from tests.sandbox_server import KEY, TOKEN, Sandbox


@pytest.fixture
def town(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a token, one organisation, and 3.57 that the marketplace may have: 10.00 - 0.43 - 6.00."""
    sandbox.issue_token()
    sandbox.register_organization("org_12345")
    sandbox.set_fee(180, 25)
    path = f"payments/{paid(sandbox)}/routes"
    assert sandbox.call("POST", path, route_body("6.00")).status_code == 201
    sandbox.advance_clock(90 * DAY_S)
    return sandbox


def ask(sandbox: Sandbox, path: str) -> Any:
    answer = sandbox.call("GET", path, key=TOKEN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def balance(sandbox: Sandbox) -> tuple[str, str]:
    found = ask(sandbox, "balances/primary?testmode=true")
    return found["availableAmount"]["value"], found["pendingAmount"]["value"]


def test_open_is_everything_and_next_is_what_can_be_paid_out(town: Sandbox) -> None:
    paid(town, "5.00")
    opened, following = ask(town, "settlements/open"), ask(town, "settlements/next")
    assert (opened["resource"], opened["id"], opened["status"]) == ("settlement", "open", "open")
    assert (following["id"], following["status"]) == ("next", "pending")
    assert opened["amount"] == euros("8.23")
    assert following["amount"] == euros("3.57")
    assert opened["settledAt"] is None
    assert opened["balanceId"] == ask(town, "balances/primary?testmode=true")["id"]
    assert ask(town, "settlements")["count"] == 0


def test_a_settlement_empties_what_is_available_and_stays_to_be_read(town: Sandbox) -> None:
    settlement_id = town.pay_out()
    assert balance(town) == ("0.00", "0.00")
    settlement = ask(town, f"settlements/{settlement_id}")
    assert (settlement["status"], settlement["amount"]) == ("paidout", euros("3.57"))
    assert settlement["id"].startswith("stl_")
    assert settlement["settledAt"]
    assert ask(town, f"settlements/{settlement['reference']}") == settlement
    listed = ask(town, "settlements")["_embedded"]["settlements"]
    assert [item["id"] for item in listed] == [settlement_id]
    (newest, *_) = ask(town, "balances/primary/transactions?testmode=true")["_embedded"]["balance_transactions"]
    assert (newest["type"], newest["resultAmount"]) == ("outgoing-transfer", euros("-3.57"))
    assert newest["context"]["settlementId"] == settlement_id
    assert newest["context"]["transferId"].startswith("trf_")


def test_a_settlement_tells_by_month_what_came_and_what_it_cost(town: Sandbox) -> None:
    settlement = ask(town, f"settlements/{town.pay_out()}")
    ((_, months),) = settlement["periods"].items()
    ((month, period),) = months.items()
    assert len(month) == 2
    sums = [(item["method"], item["count"], item["amountGross"]["value"]) for item in period["revenue"]]
    assert sums == [("creditcard", 1, "10.00"), (None, 1, "-6.00")]
    (cost,) = period["costs"]
    assert (cost["method"], cost["count"], cost["amountNet"]) == ("creditcard", 1, euros("0.43"))
    assert (cost["amountVat"], cost["amountGross"]) == (None, euros("0.43"))


def test_the_next_settlement_begins_where_the_last_one_ended(town: Sandbox) -> None:
    town.pay_out()
    payment_id = paid(town, "20.00")
    town.call("POST", f"payments/{payment_id}/refunds", refund_body("5.00"))
    following = ask(town, "settlements/next")
    now = datetime.now(UTC).astimezone(ZoneInfo("Europe/Amsterdam")) + timedelta(days=90)
    period = following["periods"][f"{now:%Y}"][f"{now:%m}"]
    sums = [(item["method"], item["amountNet"]["value"]) for item in period["revenue"]]
    assert sums == [("creditcard", "20.00"), ("refund", "-5.00")]


def test_a_refund_beyond_what_was_left_after_a_settlement_waits(town: Sandbox) -> None:
    payment_id = paid(town, "5.00")
    town.pay_out()
    path = f"payments/{payment_id}"
    town.call("POST", f"{path}/routes", route_body("4.66"))
    assert town.call("POST", f"{path}/refunds", refund_body("0.34")).json()["status"] == "queued"


def test_nothing_is_paid_out_twice(town: Sandbox) -> None:
    town.pay_out()
    with pytest.raises(requests.HTTPError, match="422"):
        town.pay_out()


def test_settlements_are_for_tokens_with_their_scope(town: Sandbox) -> None:
    for path in ("settlements", "settlements/open", "settlements/next"):
        assert_refused(town.call("GET", path, key=KEY), 403)
    assert_refused(town.call("GET", "settlements/stl_unknown", key=TOKEN), 404)
    town.issue_token("balances.read")
    assert_refused(town.call("GET", "settlements", key=TOKEN), 403)
