"""The sandbox refuses what Mollie refuses: otherwise every other test would be flattered (mollie.md 5.3)."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from marketplace.payments.sandbox.bodies import DESCRIPTION_MAXIMUM_CHARS
from tests.marketplace.payments.sandbox_bodies import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    assert_refused,
    created,
    euros,
    paid,
    payment_body,
    refund_body,
    route_body,
)
from tests.sandbox_server import STRANGERS_KEY, Sandbox, running_sandbox

LINE = {"description": "Pain", "quantity": 2, "unitPrice": euros("5.00"), "totalAmount": euros("10.00")}
VAT = {"vatRate": "5.50", "vatAmount": euros("0.52")}


def test_a_payment_has_the_members_of_its_state(sandbox: Sandbox) -> None:
    body = payment_body(metadata={"a": "b"}, locale="fr_FR", lines=[{**LINE, **VAT}])
    opened = sandbox.call("POST", "payments", body).json()
    assert opened["resource"] == "payment"
    assert (opened["mode"], opened["status"], opened["sequenceType"]) == ("test", "open", "oneoff")
    assert opened["amount"] == {"currency": "EUR", "value": "10.00"}
    assert (opened["metadata"], opened["locale"]) == ({"a": "b"}, "fr_FR")
    assert opened["isCancelable"] is True
    assert "amountRemaining" not in opened
    sandbox.pay(opened["id"])
    now = sandbox.call("GET", f"payments/{opened['id']}").json()
    assert (now["status"], now["method"]) == ("paid", "creditcard")
    assert now["amountRemaining"] == {"currency": "EUR", "value": "10.00"}
    assert "isCancelable" not in now
    assert "checkout" not in now["_links"]
    assert now["lines"] == [{**LINE, **VAT}]


def test_api_links_lead_where_the_caller_came_in_and_browser_links_to_the_public_address(sandbox: Sandbox) -> None:
    port = sandbox.url.rsplit(":", 1)[1]
    by_name = Sandbox(f"http://localhost:{port}")
    shown = by_name.call("GET", f"payments/{created(sandbox)}").json()
    assert shown["_links"]["self"]["href"].startswith(f"http://localhost:{port}/v2/payments/tr_")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer test_other", "Basic test_sandbox", "test_sandbox"])
def test_without_a_known_key_there_is_no_answer(quiet_sandbox: Sandbox, header: str) -> None:
    answer = requests.get(f"{quiet_sandbox.url}/v2/payments", headers={"Authorization": header}, timeout=10)
    assert_refused(answer, 401)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"amount": None}, "amount"),
        ({"amount": "10.00"}, "amount"),
        ({"amount": {"value": "10.00"}}, "amount.currency"),
        ({"amount": {"currency": "XXX", "value": "10.00"}}, "amount.currency"),
        ({"amount": euros("10")}, "amount.value"),
        ({"amount": euros("10.0")}, "amount.value"),
        ({"amount": euros("10,00")}, "amount.value"),
        ({"amount": euros("１０.00")}, "amount.value"),
        ({"amount": euros("10.00\n")}, "amount.value"),
        ({"amount": {"currency": "EUR", "value": 10.0}}, "amount.value"),
        ({"amount": euros("0.00")}, "amount"),
        ({"amount": euros("-1.00")}, "amount"),
        ({"amount": euros("1000000.01")}, "amount"),
        ({"amount": euros("10000.01"), "method": "creditcard"}, "amount"),
        ({"amount": euros("8000.01"), "method": ["paypal"]}, "amount"),
        ({"amount": euros("0.01"), "method": "bancontact"}, "amount"),
        ({"amount": {"currency": "USD", "value": "1.00"}, "method": "banktransfer"}, "amount"),
        ({"description": None}, "description"),
        ({"description": " "}, "description"),
        ({"description": "x" * (DESCRIPTION_MAXIMUM_CHARS + 1)}, "description"),
        ({"redirectUrl": None}, "redirectUrl"),
        ({"redirectUrl": "/retour"}, "redirectUrl"),
        ({"redirectUrl": "javascript:alert(1)"}, "redirectUrl"),
        ({"redirectUrl": "http://user@127.0.0.1/"}, "redirectUrl"),
        ({"redirectUrl": "http://127.0.0.1:port/"}, "redirectUrl"),
        ({"cancelUrl": "retour"}, "cancelUrl"),
        ({"webhookUrl": "https://example.org/webhook"}, "webhookUrl"),
        ({"webhookUrl": "http://localhost.example.org/"}, "webhookUrl"),
        ({"webhookUrl": "http://2130706433/"}, "webhookUrl"),
        ({"webhookUrl": "http://192.168.1.1/"}, "webhookUrl"),
        ({"locale": "klingon"}, "locale"),
        ({"method": "voucher"}, "method"),
        ({"metadata": {"x": "y" * 1100}}, "metadata"),
        ({"routing": [{"amount": euros("1.00")}]}, "routing.0.destination"),
        ({"profileId": "pfl_12345"}, "profileId"),
        ({"lines": "pain"}, "lines"),
        ({"lines": []}, "lines"),
        ({"lines": [LINE, LINE]}, "lines"),
        ({"lines": ["pain"]}, "lines.0"),
        ({"lines": [{**LINE, "description": ""}]}, "lines.0.description"),
        ({"lines": [{**LINE, "type": "bread"}]}, "lines.0.type"),
        ({"lines": [{**LINE, "quantity": 0}]}, "lines.0.quantity"),
        ({"lines": [{**LINE, "quantity": 1.5}]}, "lines.0.quantity"),
        ({"lines": [{**LINE, "quantity": True}]}, "lines.0.quantity"),
        ({"lines": [{**LINE, "unitPrice": euros("4.99")}]}, "lines.0.totalAmount"),
        ({"lines": [{**LINE, "unitPrice": {"currency": "USD", "value": "5.00"}}]}, "lines.0.unitPrice.currency"),
        ({"lines": [{**LINE, "vatRate": "5.50"}]}, "lines.0.vatAmount"),
        ({"lines": [{**LINE, **VAT, "vatRate": "5.5"}]}, "lines.0.vatRate"),
        ({"lines": [{**LINE, **VAT, "vatAmount": euros("0.53")}]}, "lines.0.vatAmount"),
    ],
)
def test_a_payment_that_mollie_would_refuse_is_refused_at_its_field(
    quiet_sandbox: Sandbox, members: dict[str, object], field: str
) -> None:
    assert_refused(quiet_sandbox.call("POST", "payments", payment_body(**members)), 422, field)
    assert quiet_sandbox.call("GET", "payments").json()["count"] == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b'"a"', b"\xff", b'{"a": "\\ud800"}', b'{"a": NaN}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_bad_request(quiet_sandbox: Sandbox, body: bytes) -> None:
    headers = {"Authorization": "Bearer test_sandbox"}
    answer = requests.post(f"{quiet_sandbox.url}/v2/payments", data=body, headers=headers, timeout=10)
    assert_refused(answer, 400)


def test_somebody_elses_payment_does_not_exist_whatever_is_asked(sandbox: Sandbox) -> None:
    theirs = sandbox.call("POST", "payments", payment_body(), key=STRANGERS_KEY).json()["id"]
    sandbox.pay(theirs)
    for method, path in [
        ("GET", f"payments/{theirs}"),
        ("PATCH", f"payments/{theirs}"),
        ("DELETE", f"payments/{theirs}"),
        ("POST", f"payments/{theirs}/routes"),
        ("GET", f"payments/{theirs}/routes"),
        ("POST", f"payments/{theirs}/refunds"),
        ("GET", f"payments/{theirs}/refunds"),
        ("GET", f"payments/{theirs}/chargebacks"),
        ("GET", f"payments?from={theirs}"),
    ]:
        assert_refused(sandbox.call(method, path), 404)
    assert sandbox.call("GET", "payments").json()["count"] == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "orders", 404),
        ("POST", "customers", 404),
        ("PUT", "payments", 405),
        ("GET", "payments?limit=0", 400),
        ("GET", "payments?limit=251", 400),
        ("GET", "payments?limit=２", 400),
        ("GET", "payments?sort=up", 400),
        ("GET", "methods/voucher", 404),
        ("GET", "organizations/org_99999", 404),
    ],
)
def test_what_is_not_emulated_says_so_in_mollies_shape(
    quiet_sandbox: Sandbox, method: str, path: str, status: int
) -> None:
    answer = quiet_sandbox.call(method, path)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


def test_calls_that_are_not_emulated_are_counted(sandbox: Sandbox) -> None:
    sandbox.call("GET", "orders")
    sandbox.call("GET", "orders")
    assert sandbox.book()["unknown_calls"] == [{"call": "GET /v2/orders", "calls_qty": 2}]


@pytest.mark.parametrize(
    "path", ["methods", "methods/creditcard", "organizations/me", "onboarding/me", "profiles/me", "chargebacks"]
)
def test_the_small_resources_answer(quiet_sandbox: Sandbox, path: str) -> None:
    answer = quiet_sandbox.call("GET", path)
    assert answer.status_code == 200
    assert answer.json()["_links"]["self"]["href"].startswith(f"{quiet_sandbox.url}/v2/")


def test_payments_are_listed_newest_first_with_a_cursor(sandbox: Sandbox) -> None:
    ids = [created(sandbox) for _ in range(5)]
    first = sandbox.call("GET", "payments?limit=2").json()
    assert [p["id"] for p in first["_embedded"]["payments"]] == [ids[4], ids[3]]
    onwards = first["_links"]["next"]["href"].removeprefix(f"{sandbox.url}/v2/")
    second = sandbox.call("GET", onwards).json()
    assert [p["id"] for p in second["_embedded"]["payments"]] == [ids[2], ids[1]]
    last = sandbox.call("GET", f"payments?from={ids[0]}").json()
    assert ([p["id"] for p in last["_embedded"]["payments"]], last["_links"]["next"]) == ([ids[0]], None)


def test_a_payment_is_changed_in_what_may_change_only(sandbox: Sandbox) -> None:
    payment_id = created(sandbox)
    body = {"description": "Autre", "metadata": {"b": "c"}, "amount": euros("1.00")}
    changed = sandbox.call("PATCH", f"payments/{payment_id}", body).json()
    assert (changed["description"], changed["metadata"]) == ("Autre", {"b": "c"})
    assert changed["amount"] == euros("10.00")
    assert_refused(sandbox.call("PATCH", f"payments/{payment_id}", {"redirectUrl": None}), 422, "redirectUrl")


@pytest.mark.parametrize("outcome", ["paid", "failed", "canceled", "expired"])
def test_an_ended_payment_never_changes_its_end(sandbox: Sandbox, outcome: str) -> None:
    payment_id = created(sandbox)
    sandbox.conclude(payment_id, outcome)
    for other in ("paid", "failed", "canceled", "expired"):
        with pytest.raises(requests.HTTPError):
            sandbox.conclude(payment_id, other)
    assert_refused(sandbox.call("DELETE", f"payments/{payment_id}"), 422, "id")
    shown = sandbox.call("GET", f"payments/{payment_id}").json()
    assert shown["status"] == outcome
    assert shown[f"{outcome}At"]


def test_a_payment_on_a_card_page_cannot_be_cancelled_by_the_shop(sandbox: Sandbox) -> None:
    payment_id = created(sandbox, method="creditcard")
    assert sandbox.call("GET", f"payments/{payment_id}").json()["isCancelable"] is False
    assert_refused(sandbox.call("DELETE", f"payments/{payment_id}"), 422, "id")


def test_a_session_expires_after_a_quarter_of_an_hour_by_the_sandboxs_clock(sandbox: Sandbox) -> None:
    payment_id, transfer_id = created(sandbox), created(sandbox, method="banktransfer")
    sandbox.advance_clock(14 * MINUTE_S)
    assert sandbox.call("GET", f"payments/{payment_id}").json()["status"] == "open"
    sandbox.advance_clock(MINUTE_S)
    shown = sandbox.call("GET", f"payments/{payment_id}").json()
    assert shown["status"] == "expired"
    assert sandbox.call("GET", f"payments/{transfer_id}").json()["status"] == "open"


def test_an_idempotency_key_holds_for_an_hour(sandbox: Sandbox) -> None:
    first = sandbox.call("POST", "payments", payment_body(), idempotency_key="k")
    again = sandbox.call("POST", "payments", payment_body(), idempotency_key="k")
    assert (again.status_code, again.text) == (201, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    theirs = sandbox.call("POST", "payments", payment_body(), key=STRANGERS_KEY, idempotency_key="k")
    assert theirs.json()["id"] != first.json()["id"]
    sandbox.advance_clock(HOUR_S)
    later = sandbox.call("POST", "payments", payment_body(), idempotency_key="k")
    assert later.json()["id"] != first.json()["id"]


def test_an_idempotency_key_belongs_to_one_call(sandbox: Sandbox) -> None:
    sandbox.call("POST", "payments", payment_body(), idempotency_key="k")
    assert_refused(sandbox.call("POST", "payments", payment_body("11.00"), idempotency_key="k"), 400)
    assert sandbox.call("GET", "payments").json()["count"] == 1


def test_a_refused_call_does_not_use_up_its_key(sandbox: Sandbox) -> None:
    assert_refused(sandbox.call("POST", "payments", payment_body("0.00"), idempotency_key="k"), 422, "amount")
    assert sandbox.call("POST", "payments", payment_body(), idempotency_key="k").status_code == 201


def test_of_ten_equal_calls_at_once_one_is_done(sandbox: Sandbox) -> None:
    barrier, answers = threading.Barrier(10), []

    def ask() -> None:
        mine = Sandbox(sandbox.url)
        barrier.wait()
        answers.append(mine.call("POST", "payments", payment_body(), idempotency_key="k").status_code)

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert sandbox.call("GET", "payments").json()["count"] == 1


@pytest.mark.parametrize("outcome", [None, "failed", "canceled", "expired"])
def test_an_unpaid_payment_is_neither_routed_nor_refunded(sandbox: Sandbox, outcome: str | None) -> None:
    sandbox.register_organization("org_12345")
    payment_id = created(sandbox)
    if outcome:
        sandbox.conclude(payment_id, outcome)
    assert_refused(sandbox.call("POST", f"payments/{payment_id}/routes", route_body("1.00")), 422, "paymentId")
    assert_refused(sandbox.call("POST", f"payments/{payment_id}/refunds", refund_body("1.00")), 422, "paymentId")


def test_routes_never_exceed_what_is_left_of_the_payment(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    sandbox.register_organization("org_67890")
    path = f"payments/{paid(sandbox)}/routes"
    assert sandbox.call("POST", path, route_body("6.00")).status_code == 201
    assert_refused(sandbox.call("POST", path, route_body("4.01", "org_67890")), 422, "amount")
    assert sandbox.call("POST", path.replace("routes", "refunds"), refund_body("1.00")).status_code == 201
    assert_refused(sandbox.call("POST", path, route_body("3.01", "org_67890")), 422, "amount")
    last = sandbox.call("POST", path, route_body("3.00", "org_67890")).json()
    assert (last["resource"], last["id"][:4]) == ("route", "crt_")
    assert sandbox.call("GET", f"{path}/{last['id']}").json()["amount"] == euros("3.00")
    assert [r["amount"]["value"] for r in sandbox.call("GET", path).json()["_embedded"]["routes"]] == ["6.00", "3.00"]
    assert_refused(sandbox.call("GET", f"{path}/crt_unknown"), 404)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (route_body("0.00"), "amount"),
        ({**route_body("1.00"), "amount": {"currency": "USD", "value": "1.00"}}, "amount.currency"),
        ({**route_body("1.00"), "destination": None}, "destination"),
        ({**route_body("1.00"), "destination": {"type": "bank"}}, "destination"),
        ({**route_body("1.00"), "destination": {"type": "organization"}}, "destination.organizationId"),
        (route_body("1.00", "org_unknown"), "destination.organizationId"),
        (route_body("1.00", "org_waiting"), "destination.organizationId"),
        ({**route_body("1.00"), "description": "x" * 256}, "description"),
    ],
)
def test_a_route_that_mollie_would_refuse_is_refused_at_its_field(
    sandbox: Sandbox, body: dict[str, Any], field: str
) -> None:
    sandbox.register_organization("org_12345")
    sandbox.register_organization("org_waiting", can_receive_payments=False)
    path = f"payments/{paid(sandbox)}/routes"
    assert_refused(sandbox.call("POST", path, body), 422, field)
    assert sandbox.call("GET", path).json()["count"] == 0


def test_a_merchant_is_routed_to_once_its_onboarding_is_over(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345", can_receive_payments=False)
    path = f"payments/{paid(sandbox)}/routes"
    assert_refused(sandbox.call("POST", path, route_body("1.00")), 422, "destination.organizationId")
    sandbox.register_organization("org_12345", can_receive_payments=True)
    assert sandbox.call("POST", path, route_body("1.00")).status_code == 201


def test_routing_ends_after_ninety_days(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    path = f"payments/{paid(sandbox)}/routes"
    sandbox.advance_clock(89 * DAY_S)
    assert sandbox.call("POST", path, route_body("1.00")).status_code == 201
    sandbox.advance_clock(DAY_S)
    assert_refused(sandbox.call("POST", path, route_body("1.00")), 422, "paymentId")


def test_a_refund_goes_its_way_by_the_clock(sandbox: Sandbox) -> None:
    path = f"payments/{paid(sandbox)}/refunds"
    refund = sandbox.call("POST", path, refund_body("4.15")).json()
    assert (refund["resource"], refund["status"], refund["id"][:3]) == ("refund", "pending", "re_")
    sandbox.advance_clock(2 * HOUR_S)
    assert sandbox.call("GET", f"{path}/{refund['id']}").json()["status"] == "processing"
    assert_refused(sandbox.call("DELETE", f"{path}/{refund['id']}"), 422, "id")
    sandbox.advance_clock(DAY_S)
    assert sandbox.call("GET", f"{path}/{refund['id']}").json()["status"] == "refunded"
    assert [r["id"] for r in sandbox.call("GET", "refunds").json()["_embedded"]["refunds"]] == [refund["id"]]


def test_a_cancelled_or_failed_refund_gives_its_sum_back(sandbox: Sandbox) -> None:
    payment_id = paid(sandbox)
    path = f"payments/{payment_id}/refunds"
    first = sandbox.call("POST", path, refund_body("10.00")).json()["id"]
    assert sandbox.call("GET", f"payments/{payment_id}").json()["amountRemaining"] == euros("0.00")
    assert sandbox.call("DELETE", f"{path}/{first}").status_code == 204
    second = sandbox.call("POST", path, refund_body("10.00")).json()["id"]
    sandbox.advance_clock(3 * DAY_S)
    sandbox.fail_refund(second)
    assert sandbox.call("GET", f"{path}/{second}").json()["status"] == "failed"
    assert sandbox.call("GET", f"payments/{payment_id}").json()["amountRemaining"] == euros("10.00")


def test_a_refund_beyond_what_remains_is_refused(sandbox: Sandbox) -> None:
    path = f"payments/{paid(sandbox)}/refunds"
    assert_refused(sandbox.call("POST", path, refund_body("10.01")), 422, "amount")
    assert sandbox.call("POST", path, refund_body("6.00")).status_code == 201
    assert_refused(sandbox.call("POST", path, refund_body("4.01")), 422, "amount")


def test_an_equal_refund_within_the_hour_is_a_repetition(sandbox: Sandbox) -> None:
    path = f"payments/{paid(sandbox)}/refunds"
    assert sandbox.call("POST", path, refund_body("4.00"), idempotency_key="a").status_code == 201
    assert_refused(sandbox.call("POST", path, refund_body("4.00"), idempotency_key="b"), 409)
    sandbox.advance_clock(HOUR_S)
    assert sandbox.call("POST", path, refund_body("4.00"), idempotency_key="b").status_code == 201


def test_a_refund_waits_while_the_platform_cannot_bear_it(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    payment_id = paid(sandbox)
    sandbox.call("POST", f"payments/{payment_id}/routes", route_body("9.20"))
    refund = sandbox.call("POST", f"payments/{payment_id}/refunds", refund_body("4.00")).json()
    assert refund["status"] == "queued"
    paid(sandbox, "5.00")
    path = f"payments/{payment_id}/refunds/{refund['id']}"
    assert sandbox.call("GET", path).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("reversals", "field"),
    [
        ((("org_12345", "6.01"),), "routingReversals.0.amount"),
        ((("org_unknown", "0.01"),), "routingReversals.0.amount"),
        ((("org_12345", "1.00"), ("org_12345", "1.00")), "routingReversals.1.source.organizationId"),
        ((("org_12345", "6.00"), ("org_67890", "1.01")), "routingReversals"),
    ],
)
def test_a_refund_never_takes_back_more_than_was_given(
    sandbox: Sandbox, reversals: tuple[tuple[str, str], ...], field: str
) -> None:
    sandbox.register_organization("org_12345")
    sandbox.register_organization("org_67890")
    payment_id = paid(sandbox)
    sandbox.call("POST", f"payments/{payment_id}/routes", route_body("6.00"))
    sandbox.call("POST", f"payments/{payment_id}/routes", route_body("2.00", "org_67890"))
    body = refund_body("7.00", *reversals)
    assert_refused(sandbox.call("POST", f"payments/{payment_id}/refunds", body), 422, field)


def test_former_reversals_count(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    payment_id = paid(sandbox)
    sandbox.call("POST", f"payments/{payment_id}/routes", route_body("6.00"))
    path = f"payments/{payment_id}/refunds"
    assert sandbox.call("POST", path, refund_body("5.00", ("org_12345", "5.00"))).status_code == 201
    again = refund_body("2.00", ("org_12345", "1.01"))
    assert_refused(sandbox.call("POST", path, again), 422, "routingReversals.0.amount")


def test_the_whole_routing_is_reversed_by_a_full_refund_only(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    payment_id = paid(sandbox)
    sandbox.call("POST", f"payments/{payment_id}/routes", route_body("6.00"))
    path = f"payments/{payment_id}/refunds"
    part = {**refund_body("9.00"), "reverseRouting": True}
    assert_refused(sandbox.call("POST", path, part), 422, "reverseRouting")
    whole = sandbox.call("POST", path, {**refund_body("10.00"), "reverseRouting": True}).json()
    assert whole["routingReversals"] == [{"amount": euros("6.00"), "source": {"organizationId": "org_12345"}}]
    assert sandbox.book()["organizations"][0]["balance_cents"] == 0


def test_refunds_and_chargebacks_are_embedded_when_asked_for(sandbox: Sandbox) -> None:
    payment_id = paid(sandbox)
    sandbox.call("POST", f"payments/{payment_id}/refunds", refund_body("1.00"))
    chargeback_id = sandbox.charge_back(payment_id, "9.00")
    shown = sandbox.call("GET", f"payments/{payment_id}?embed=refunds,chargebacks").json()
    assert [r["amount"]["value"] for r in shown["_embedded"]["refunds"]] == ["1.00"]
    assert [c["id"] for c in shown["_embedded"]["chargebacks"]] == [chargeback_id]
    assert shown["amountChargedBack"] == euros("9.00")
    path = f"payments/{payment_id}/chargebacks"
    assert sandbox.call("GET", path).json()["count"] == 1
    assert sandbox.call("GET", f"{path}/{chargeback_id}").json()["reversedAt"] is None
    assert "_embedded" not in sandbox.call("GET", f"payments/{payment_id}").json()


def test_what_was_charged_back_is_neither_routed_nor_refunded(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    payment_id = paid(sandbox)
    sandbox.charge_back(payment_id, "9.00")
    assert_refused(sandbox.call("POST", f"payments/{payment_id}/routes", route_body("1.01")), 422, "amount")
    assert_refused(sandbox.call("POST", f"payments/{payment_id}/refunds", refund_body("1.01")), 422, "amount")


def test_the_worked_example_comes_out_to_the_cent(sandbox: Sandbox) -> None:
    """mollie.md section 6, steps 1 and 2; fees are not emulated."""
    for organization_id in ("org_m1primeur", "org_m2pain", "org_m3savon"):
        sandbox.register_organization(organization_id)
    payment_id = paid(sandbox, "44.29")
    for organization_id, value in [("org_m1primeur", "18.35"), ("org_m2pain", "10.07"), ("org_m3savon", "7.81")]:
        body = route_body(value, organization_id)
        assert sandbox.call("POST", f"payments/{payment_id}/routes", body).status_code == 201
    brioche = refund_body("4.15", ("org_m2pain", "3.82"))
    assert sandbox.call("POST", f"payments/{payment_id}/refunds", brioche).json()["status"] == "pending"
    book = sandbox.book()
    assert {o["id"]: o["balance_cents"] for o in book["organizations"]} == {
        "org_m1primeur": 1835,
        "org_m2pain": 625,
        "org_m3savon": 781,
    }
    assert sorted(profile["balances_cents"]["EUR"] for profile in book["profiles"]) == [0, 773]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"action": "status", "status": 500}, 500),
        ({"action": "status", "status": 503}, 503),
        ({"action": "status", "status": 429}, 429),
        ({"action": "html"}, 502),
    ],
)
def test_planned_trouble_comes_as_often_as_planned_and_nothing_is_done(
    sandbox: Sandbox, fault: dict[str, Any], status: int
) -> None:
    sandbox.plan_fault("POST /v2/payments", times=2, **fault)
    for _ in range(2):
        assert sandbox.call("POST", "payments", payment_body()).status_code == status
    assert sandbox.call("GET", "payments").json()["count"] == 0
    assert sandbox.call("POST", "payments", payment_body()).status_code == 201


def test_planned_trouble_can_come_after_the_work(sandbox: Sandbox) -> None:
    sandbox.plan_fault("POST /v2/payments", "status", status=500, done=True)
    sandbox.plan_fault("POST /v2/payments", "half_json")
    assert sandbox.call("POST", "payments", payment_body()).status_code == 500
    with pytest.raises(requests.JSONDecodeError):
        sandbox.call("POST", "payments", payment_body()).json()
    assert sandbox.call("GET", "payments").json()["count"] == 2


def test_planned_trouble_hits_the_calls_that_it_names_only(sandbox: Sandbox) -> None:
    sandbox.plan_fault("POST /v2/payments/*/routes", "status", status=500)
    assert sandbox.call("POST", "payments", payment_body()).status_code == 201
    sandbox.clear_faults()
    assert sandbox.call("POST", f"payments/{paid(sandbox)}/routes").status_code == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"match": "POST /v2/payments", "action": "explode"}),
        ("faults", {"match": "payments", "action": "html"}),
        ("faults", {"match": "POST /v2/payments", "action": "delay", "seconds": -1}),
        ("faults", {"match": "POST /v2/payments", "action": "status", "status": 200}),
        ("faults", {"match": "POST /v2/payments", "action": "html", "times": 0}),
        ("clock", {}),
        ("clock", {"advance_seconds": -1}),
        ("clock", {"advance_seconds": "1"}),
        ("clock", {"advance_seconds": 1e12}),
        ("organizations", {"name": ""}),
        ("organizations", {"id": "me", "name": "x"}),
        ("organizations", {"name": "x", "canReceivePayments": "yes"}),
    ],
)
def test_a_control_refuses_nonsense(quiet_sandbox: Sandbox, path: str, body: dict[str, Any]) -> None:
    answer = requests.post(f"{quiet_sandbox.url}/_sandbox/{path}", json=body, timeout=10)
    assert_refused(answer, 422, answer.json()["field"])


def test_another_sites_page_cannot_use_the_controls(quiet_sandbox: Sandbox) -> None:
    url = f"{quiet_sandbox.url}/_sandbox/clock"
    from_a_page = {"Sec-Fetch-Site": "cross-site"}
    answer = requests.post(url, json={"advance_seconds": 1}, headers=from_a_page, timeout=10)
    assert_refused(answer, 403)
    renamed = requests.post(url, json={"advance_seconds": 1}, headers={"Host": "evil.example"}, timeout=10)
    assert_refused(renamed, 400)


def test_a_real_key_is_not_accepted_as_a_sandbox_key() -> None:
    with pytest.raises(ValueError, match="a sandbox key looks like"), running_sandbox(keys=("live_abc",)):
        pass
