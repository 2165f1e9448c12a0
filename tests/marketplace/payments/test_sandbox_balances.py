"""The sandbox's balances: every event writes lines, and what stands there is their sum (mollie.md 5.2, 6)."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from marketplace.payments.sandbox.book import Book
from marketplace.payments.sandbox.postings import Fee
from tests.marketplace.payments.sandbox_bodies import (
    DAY_S,
    HOUR_S,
    assert_refused,
    euros,
    paid,
    payment_body,
    refund_body,
    route_body,
)
from tests.sandbox_server import KEY, STRANGERS_KEY, TOKEN, Sandbox, running_sandbox


@pytest.fixture
def town(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a token and two organisations to route to."""
    sandbox.issue_token()
    sandbox.register_organization("org_12345")
    sandbox.register_organization("org_67890")
    return sandbox


def ask(sandbox: Sandbox, path: str, **query: object) -> Any:
    words = "&".join(f"{name}={value}" for name, value in {"testmode": "true", **query}.items())
    answer = sandbox.call("GET", f"{path}?{words}", key=TOKEN)
    assert answer.status_code == 200, answer.text
    return answer.json()


def primary(sandbox: Sandbox) -> tuple[str, str]:
    """(available, pending) of the marketplace."""
    balance = ask(sandbox, "balances/primary")
    return balance["availableAmount"]["value"], balance["pendingAmount"]["value"]


def lines(sandbox: Sandbox) -> list[tuple[str, str]]:
    """The marketplace's lines, oldest first."""
    found = ask(sandbox, "balances/primary/transactions", limit=250)["_embedded"]["balance_transactions"]
    return [(line["type"], line["resultAmount"]["value"]) for line in reversed(found)]


def route(sandbox: Sandbox, payment_id: str, value: str, organization_id: str = "org_12345") -> None:
    answer = sandbox.call("POST", f"payments/{payment_id}/routes", route_body(value, organization_id))
    assert answer.status_code == 201, answer.text


def test_a_new_organisation_has_an_empty_balance(town: Sandbox) -> None:
    balance = ask(town, "balances/primary")
    assert (balance["resource"], balance["mode"], balance["currency"]) == ("balance", "test", "EUR")
    assert (balance["status"], balance["transferFrequency"]) == ("active", "never")
    assert (balance["availableAmount"], balance["pendingAmount"]) == (euros("0.00"), euros("0.00"))
    assert balance["id"].startswith("bal_")
    assert ask(town, f"balances/{balance['id']}") == balance
    listed = ask(town, "balances")["_embedded"]["balances"]
    assert [item["id"] for item in listed] == [balance["id"]]


def test_what_is_not_routed_is_pending_until_the_ninety_days_are_over(town: Sandbox) -> None:
    payment_id = paid(town)
    route(town, payment_id, "6.00")
    assert primary(town) == ("0.00", "4.00")
    town.advance_clock(89 * DAY_S)
    assert primary(town) == ("0.00", "4.00")
    town.advance_clock(DAY_S)
    assert primary(town) == ("4.00", "0.00")
    assert lines(town) == [
        ("payment", "10.00"),
        ("post-payment-split-payment", "-6.00"),
        ("movement", "-4.00"),
        ("movement", "4.00"),
    ]


def test_the_fee_is_taken_first_and_cannot_be_routed(town: Sandbox) -> None:
    town.set_fee(180, 25)
    payment_id = paid(town, "44.29")
    assert lines(town) == [("payment", "44.29"), ("payment-fee", "-1.05")]
    path = f"payments/{payment_id}/routes"
    assert_refused(town.call("POST", path, route_body("43.25")), 422, "amount")
    assert town.call("POST", path, route_body("43.24")).status_code == 201
    assert primary(town) == ("0.00", "0.00")


def test_a_fee_can_be_set_at_the_start_and_taken_away(town: Sandbox) -> None:
    with running_sandbox(fee=Fee(180, 25), access_tokens=(TOKEN,)) as running:
        paid(running)
        running.set_fee(0, 0)
        paid(running, "5.00")
        assert lines(running) == [("payment", "10.00"), ("payment-fee", "-0.43"), ("payment", "5.00")]


@pytest.mark.parametrize(
    ("amount_cents", "fee_cents"), [(4429, 105), (1, 25), (25, 25), (28, 26), (1000, 43), (10_000, 205)]
)
def test_the_fee_is_a_share_and_a_fixed_sum_half_up(amount_cents: int, fee_cents: int) -> None:
    assert Fee(180, 25).on(amount_cents) == fee_cents


def test_a_fee_above_a_tiny_payment_is_borne_by_the_marketplace(town: Sandbox) -> None:
    town.set_fee(180, 25)
    paid(town, "0.10")
    assert primary(town) == ("-0.15", "0.00")


def test_a_refund_with_a_reversal_is_three_lines_and_a_returned_one_three_more(town: Sandbox) -> None:
    payment_id = paid(town)
    route(town, payment_id, "6.00")
    refund = town.call("POST", f"payments/{payment_id}/refunds", refund_body("5.00", ("org_12345", "3.82"))).json()
    assert primary(town) == ("0.00", "2.82")
    town.fail_refund(refund["id"])
    assert primary(town) == ("0.00", "4.00")
    assert lines(town)[2:] == [
        ("refund-compensation", "3.82"),
        ("refund", "-5.00"),
        ("returned-refund-compensation", "-3.82"),
        ("returned-refund", "5.00"),
    ]
    assert town.book()["organizations"][0]["balance_cents"] == 600


def test_a_cancelled_refund_is_given_back_and_a_queued_one_was_never_taken(town: Sandbox) -> None:
    payment_id = paid(town)
    path = f"payments/{payment_id}/refunds"
    refund = town.call("POST", path, refund_body("5.00")).json()
    town.call("DELETE", f"{path}/{refund['id']}")
    assert lines(town)[1:] == [("refund", "-5.00"), ("returned-refund", "5.00")]
    route(town, payment_id, "9.00")
    queued = town.call("POST", path, refund_body("4.00")).json()
    assert queued["status"] == "queued"
    town.call("DELETE", f"{path}/{queued['id']}")
    assert lines(town)[3:] == [("post-payment-split-payment", "-9.00")]


def test_a_queued_refund_is_taken_once_the_balance_bears_it(town: Sandbox) -> None:
    payment_id = paid(town)
    route(town, payment_id, "9.00")
    town.call("POST", f"payments/{payment_id}/refunds", refund_body("4.00"))
    assert [kind for kind, _ in lines(town)] == ["payment", "post-payment-split-payment"]
    paid(town, "5.00")
    assert lines(town)[2:] == [("payment", "5.00"), ("refund", "-4.00")]
    assert primary(town) == ("-3.00", "5.00")


def test_a_chargeback_and_its_reversal_are_lines_too(town: Sandbox) -> None:
    payment_id = paid(town)
    chargeback_id = town.charge_back(payment_id, "9.00")
    town.reverse_chargeback(chargeback_id)
    assert lines(town)[1:] == [("chargeback", "-9.00"), ("chargeback-reversal", "9.00")]
    assert primary(town) == ("0.00", "10.00")


def test_an_upfront_share_is_the_organisations_and_pending_until_its_release(town: Sandbox) -> None:
    release_on = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    share = {**route_body("6.00"), "releaseDate": release_on}
    paid(town, routing=[share])
    assert primary(town) == ("4.00", "0.00")
    assert lines(town) == [("payment", "10.00"), ("split-payment", "-6.00")]
    held = {o["id"]: o["held_cents"] for o in town.book()["organizations"]}
    assert held["org_12345"] == 600
    town.advance_clock(3 * DAY_S)
    assert {o["id"]: o["held_cents"] for o in town.book()["organizations"]}["org_12345"] == 0


def test_each_line_tells_its_cause(town: Sandbox) -> None:
    town.set_fee(180, 25)
    payment_id = paid(town)
    route(town, payment_id, "6.00")
    refund = town.call("POST", f"payments/{payment_id}/refunds", refund_body("1.00", ("org_12345", "0.50"))).json()
    chargeback_id = town.charge_back(payment_id, "2.00")
    found = ask(town, "balances/primary/transactions")["_embedded"]["balance_transactions"]
    assert {line["type"]: line["context"] for line in found} == {
        "payment": {"paymentId": payment_id, "paymentDescription": "Commande"},
        "payment-fee": {"paymentId": payment_id, "paymentDescription": "Commande"},
        "post-payment-split-payment": {"paymentId": payment_id},
        **dict.fromkeys(
            ("refund", "refund-compensation"),
            {
                "paymentId": payment_id,
                "paymentDescription": "Commande",
                "refundId": refund["id"],
                "refundDescription": "retour",
            },
        ),
        "chargeback": {
            "paymentId": payment_id,
            "paymentDescription": "Commande",
            "chargebackId": chargeback_id,
            "chargebackDescription": "Contested by the card's owner",
        },
    }
    assert {line["resource"] for line in found} == {"balance-transaction"}
    assert {line["id"][:6] for line in found} == {"baltr_"}
    assert all(line["initialAmount"] == line["resultAmount"] and line["deductions"] is None for line in found)


def test_the_lines_come_page_by_page(town: Sandbox) -> None:
    for _ in range(5):
        paid(town)
    page = ask(town, "balances/primary/transactions", limit=2)
    seen = [line["id"] for line in page["_embedded"]["balance_transactions"]]
    while page["_links"]["next"]:
        onwards = page["_links"]["next"]["href"].removeprefix(f"{town.url}/v2/")
        page = town.call("GET", onwards, key=TOKEN).json()
        seen += [line["id"] for line in page["_embedded"]["balance_transactions"]]
    assert (page["count"], len(seen), len(set(seen))) == (1, 5, 5)
    assert_refused(town.call("GET", "balances/primary/transactions?testmode=true&from=baltr_x", key=TOKEN), 404)
    assert_refused(town.call("GET", "balances/primary/transactions?testmode=true&limit=0", key=TOKEN), 400, "limit")


def test_every_currency_has_a_balance_of_its_own(town: Sandbox) -> None:
    paid(town)
    town.pay(town.call("POST", "payments", payment_body(amount={"currency": "CHF", "value": "7.00"})).json()["id"])
    found = ask(town, "balances")["_embedded"]["balances"]
    assert [(b["currency"], b["pendingAmount"]["value"]) for b in found] == [("EUR", "10.00"), ("CHF", "7.00")]
    assert [b["currency"] for b in ask(town, "balances", currency="CHF")["_embedded"]["balances"]] == ["CHF"]


def test_balances_are_for_tokens_with_their_scope_in_test_mode(town: Sandbox) -> None:
    for path in ("balances", "balances/primary", "balances/primary/transactions", "balances/primary/report"):
        assert_refused(town.call("GET", path, key=KEY), 403)
    assert_refused(town.call("GET", "balances/primary", key=TOKEN), 404)
    assert town.call("GET", "balances", key=TOKEN).json()["count"] == 0
    town.issue_token("payments.read")
    assert_refused(town.call("GET", "balances/primary?testmode=true", key=TOKEN), 403)


def test_another_organisations_balance_does_not_exist(town: Sandbox) -> None:
    theirs = town.call("POST", "payments", payment_body(), key=STRANGERS_KEY).json()["id"]
    town.pay(theirs)
    assert primary(town) == ("0.00", "0.00")
    assert_refused(town.call("GET", "balances/bal_unknown?testmode=true", key=TOKEN), 404)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "from"),
        ("from=yesterday&until=2026-01-01", "from"),
        ("from=2026-01-01", "until"),
        ("from=2026-01-02&until=2026-01-02", "until"),
        ("from=2026-01-01&until=2026-02-01&grouping=by-mood", "grouping"),
    ],
)
def test_a_report_needs_a_time_and_a_grouping_that_exists(town: Sandbox, query: str, field: str) -> None:
    path = f"balances/primary/report?testmode=true&{query}"
    assert_refused(town.call("GET", path, key=TOKEN), 400, field)


def test_a_report_adds_up_in_both_groupings(town: Sandbox) -> None:
    town.set_fee(180, 25)
    first = paid(town)
    route(town, first, "6.00")
    town.advance_clock(95 * DAY_S)
    second = paid(town, "20.00")
    town.call("POST", f"payments/{second}/refunds", refund_body("5.00"))
    town.charge_back(first, "1.00")
    start = (datetime.now(UTC) + timedelta(days=60)).date()
    dates = {"from": start.isoformat(), "until": (start + timedelta(days=60)).isoformat()}
    by_status = ask(town, "balances/primary/report", **dates)
    assert (by_status["resource"], by_status["timeZone"]) == ("balance-report", "Europe/Amsterdam")
    assert (by_status["from"], by_status["until"]) == (dates["from"], dates["until"])
    assert by_status["grouping"] == "status-balances"
    pending, available = by_status["totals"]["pendingBalance"], by_status["totals"]["availableBalance"]
    assert {name: group["amount"]["value"] for name, group in pending.items()} == {
        "open": "3.57",
        "pending": "14.39",
        "movedToAvailable": "3.57",
        "close": "14.39",
    }
    assert {name: group["amount"]["value"] for name, group in available.items()} == {
        "open": "0.00",
        "movedFromPending": "3.57",
        "immediatelyAvailable": "-1.00",
        "close": "2.57",
    }
    assert pending["pending"]["subtotals"][-1] == {
        "transactionType": "payment",
        "count": 1,
        "amount": euros("20.00"),
        "subtotals": [{"method": "creditcard", "count": 1, "amount": euros("20.00")}],
    }
    totals = ask(town, "balances/primary/report", **dates, grouping="transaction-categories")["totals"]
    assert totals["open"] == {"pending": {"amount": euros("3.57")}, "available": {"amount": euros("0.00")}}
    assert totals["close"] == {"pending": {"amount": euros("14.39")}, "available": {"amount": euros("2.57")}}
    assert totals["payments"]["pending"]["amount"] == euros("20.00")
    assert totals["payments"]["movedToAvailable"]["amount"] == euros("3.57")
    assert totals["fee-prepayments"]["pending"]["amount"] == euros("-0.61")
    assert totals["refunds"]["pending"]["amount"] == euros("-5.00")
    assert totals["chargebacks"]["immediatelyAvailable"]["amount"] == euros("-1.00")
    assert totals["capital"]["pending"] == {"amount": euros("0.00")}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"basisPoints": -1, "fixedCents": 0},
        {"basisPoints": 180, "fixedCents": "25"},
        {"basisPoints": 0, "fixedCents": 0, "refundCents": -1},
    ],
)
def test_a_fee_of_no_sense_is_refused(town: Sandbox, body: dict[str, Any]) -> None:
    answer = town.http.post(f"{town.url}/_sandbox/fee", json=body, timeout=10)
    assert_refused(answer, 422, answer.json()["field"])


def test_no_line_is_ever_changed_or_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite"
    with running_sandbox(book=path) as running:
        paid(running)
    book = Book(path)
    for statement in ("UPDATE balance_transactions SET amount_cents = 1", "DELETE FROM balance_transactions"):
        with pytest.raises(sqlite3.IntegrityError, match="stands for ever"), book.transaction() as db:
            db.execute(statement)
    book.close()


def test_the_worked_example_leaves_what_it_says(town: Sandbox) -> None:
    """mollie.md section 6, steps 1 to 4, with its fee of 1.05; the chargeback's own fee is not emulated."""
    town.set_fee(180, 25)
    for organization_id in ("org_m1primeur", "org_m2pain", "org_m3savon"):
        town.register_organization(organization_id)
    payment_id = paid(town, "44.29")
    for organization_id, value in [("org_m1primeur", "18.35"), ("org_m2pain", "10.07"), ("org_m3savon", "7.81")]:
        route(town, payment_id, value, organization_id)
    assert primary(town) == ("0.00", "7.01")
    path = f"payments/{payment_id}/refunds"
    assert town.call("POST", path, refund_body("4.15", ("org_m2pain", "3.82"))).status_code == 201
    assert town.call("POST", path, refund_body("9.55", ("org_m3savon", "7.81"))).status_code == 201
    assert primary(town) == ("0.00", "4.94")
    held = {o["id"]: o["balance_cents"] for o in town.book()["organizations"] if o["balance_cents"]}
    assert held == {"org_m1primeur": 1835, "org_m2pain": 625}
    town.advance_clock(2 * HOUR_S)
    town.charge_back(payment_id, "30.59")
    assert primary(town) == ("-25.65", "0.00")
