"""Access tokens beside API keys: what each must say, and what each may not do (mollie.md D2, 5.3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.marketplace.payments.sandbox_bodies import (
    assert_refused,
    created,
    paid,
    payment_body,
    refund_body,
    route_body,
)
from tests.sandbox_server import KEY, STRANGERS_KEY, TOKEN, Sandbox, running_sandbox


def test_a_key_names_no_profile_and_no_mode(quiet_sandbox: Sandbox) -> None:
    for member in ({"profileId": "pfl_12345"}, {"testmode": True}, {"testmode": False}):
        (field,) = member
        assert_refused(quiet_sandbox.call("POST", "payments", payment_body(**member)), 422, field)
        assert_refused(quiet_sandbox.call("GET", f"payments?{field}=x"), 422, field)


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({}, "testmode"),
        ({"testmode": False}, "testmode"),
        ({"testmode": "true"}, "testmode"),
        ({"testmode": True}, "profileId"),
        ({"testmode": True, "profileId": 7}, "profileId"),
        ({"testmode": True, "profileId": "pfl_unknown"}, "profileId"),
    ],
)
def test_a_token_names_its_profile_and_the_test_mode(sandbox: Sandbox, members: dict[str, Any], field: str) -> None:
    sandbox.issue_token()
    assert_refused(sandbox.call("POST", "payments", payment_body(**members), key=TOKEN), 422, field)
    assert sandbox.call("GET", "payments").json()["count"] == 0


def test_a_token_and_the_key_see_the_same_payments(sandbox: Sandbox) -> None:
    profile_id = sandbox.issue_token()
    body = payment_body(testmode=True, profileId=profile_id)
    by_token = sandbox.call("POST", "payments", body, key=TOKEN).json()
    by_key = created(sandbox)
    assert (by_token["mode"], by_token["profileId"]) == ("test", profile_id)
    assert sandbox.call("GET", f"payments/{by_token['id']}").status_code == 200
    listed = sandbox.call("GET", "payments?testmode=true", key=TOKEN).json()["_embedded"]["payments"]
    assert [payment["id"] for payment in listed] == [by_key, by_token["id"]]
    named = sandbox.call("GET", f"payments?testmode=true&profileId={profile_id}", key=TOKEN)
    assert named.json()["count"] == 2
    assert_refused(sandbox.call("GET", "payments?testmode=true&profileId=pfl_unknown", key=TOKEN), 404)


def test_in_live_mode_a_token_sees_nothing(sandbox: Sandbox) -> None:
    sandbox.issue_token()
    payment_id = paid(sandbox)
    assert_refused(sandbox.call("GET", f"payments/{payment_id}", key=TOKEN), 404)
    assert_refused(sandbox.call("POST", f"payments/{payment_id}/refunds", refund_body("1.00"), key=TOKEN), 404)
    assert sandbox.call("GET", "payments", key=TOKEN).json()["count"] == 0
    assert sandbox.call("GET", f"payments/{payment_id}?testmode=true", key=TOKEN).status_code == 200


def test_a_token_sees_nothing_of_another_organisation(sandbox: Sandbox) -> None:
    sandbox.issue_token()
    theirs = sandbox.call("POST", "payments", payment_body(), key=STRANGERS_KEY).json()
    assert_refused(sandbox.call("GET", f"payments/{theirs['id']}?testmode=true", key=TOKEN), 404)
    body = payment_body(testmode=True, profileId=theirs["profileId"])
    assert_refused(sandbox.call("POST", "payments", body, key=TOKEN), 422, "profileId")


def test_a_token_routes_and_refunds_in_test_mode(sandbox: Sandbox) -> None:
    sandbox.issue_token()
    sandbox.register_organization("org_12345")
    payment_id = paid(sandbox)
    routed = sandbox.call("POST", f"payments/{payment_id}/routes", {**route_body("6.00"), "testmode": True}, key=TOKEN)
    assert routed.status_code == 201
    body = {**refund_body("1.00"), "testmode": True}
    refund = sandbox.call("POST", f"payments/{payment_id}/refunds", body, key=TOKEN)
    assert refund.status_code == 201
    path = f"payments/{payment_id}/refunds/{refund.json()['id']}"
    assert sandbox.call("DELETE", f"{path}?testmode=true", key=TOKEN).status_code == 204


def test_the_next_page_stays_in_test_mode(sandbox: Sandbox) -> None:
    sandbox.issue_token()
    first, second = created(sandbox), created(sandbox)
    page = sandbox.call("GET", "payments?testmode=true&limit=1", key=TOKEN).json()
    assert [payment["id"] for payment in page["_embedded"]["payments"]] == [second]
    onwards = page["_links"]["next"]["href"].removeprefix(f"{sandbox.url}/v2/")
    shown = sandbox.call("GET", onwards, key=TOKEN).json()["_embedded"]["payments"]
    assert [payment["id"] for payment in shown] == [first]


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "payments", "payments.write"),
        ("GET", "payments", "payments.read"),
        ("GET", "payments/tr_x", "payments.read"),
        ("PATCH", "payments/tr_x", "payments.write"),
        ("DELETE", "payments/tr_x", "payments.write"),
        ("POST", "payments/tr_x/routes", "payments.write"),
        ("GET", "payments/tr_x/routes", "payments.read"),
        ("POST", "payments/tr_x/refunds", "refunds.write"),
        ("GET", "payments/tr_x/refunds", "refunds.read"),
        ("DELETE", "payments/tr_x/refunds/re_x", "refunds.write"),
        ("GET", "refunds", "refunds.read"),
        ("GET", "chargebacks", "payments.read"),
        ("GET", "methods", "payments.read"),
    ],
)
def test_a_token_without_the_scope_is_turned_away(sandbox: Sandbox, method: str, path: str, scope: str) -> None:
    sandbox.issue_token(*({"balances.read", "payments.read", "payments.write", "refunds.read"} - {scope}))
    answer = sandbox.call(method, path, key=TOKEN)
    assert_refused(answer, 403)
    assert scope in answer.json()["detail"]


def test_a_revoked_token_opens_nothing(sandbox: Sandbox) -> None:
    sandbox.issue_token()
    assert sandbox.call("GET", "payments?testmode=true", key=TOKEN).status_code == 200
    sandbox.revoke_token()
    assert_refused(sandbox.call("GET", "payments?testmode=true", key=TOKEN), 401)
    assert sandbox.call("GET", "payments", key=KEY).status_code == 200


def test_two_credentials_never_share_an_idempotency_key(sandbox: Sandbox) -> None:
    profile_id = sandbox.issue_token()
    body = payment_body(testmode=True, profileId=profile_id)
    first = sandbox.call("POST", "payments", body, key=TOKEN, idempotency_key="k").json()["id"]
    second = sandbox.call("POST", "payments", payment_body(), idempotency_key="k").json()["id"]
    assert first != second


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "token"),
        ({"token": "live_abc"}, "token"),
        ({"token": "access_x y"}, "token"),
        ({"token": "access_x", "scopes": "payments.read"}, "scopes"),
        ({"token": "access_x", "scopes": ["everything"]}, "scopes"),
    ],
)
def test_a_token_of_no_known_form_is_not_issued(quiet_sandbox: Sandbox, body: dict[str, Any], field: str) -> None:
    answer = quiet_sandbox.http.post(f"{quiet_sandbox.url}/_sandbox/access-tokens", json=body, timeout=10)
    assert_refused(answer, 422, field)


def test_only_a_sandbox_token_opens_a_sandbox() -> None:
    with pytest.raises(ValueError, match="access token looks like"), running_sandbox(access_tokens=("live_abc",)):
        pass


def test_a_token_of_the_command_line_opens_everything() -> None:
    with running_sandbox(access_tokens=(TOKEN,)) as running:
        assert running.call("GET", "payments?testmode=true", key=TOKEN).status_code == 200
