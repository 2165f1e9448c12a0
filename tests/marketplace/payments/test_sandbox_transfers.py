"""Balance transfers: only what is owned moves, and only between those who agreed (mollie.md 2.1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.marketplace.payments.sandbox_bodies import DAY_S, assert_refused, euros, paid, route_body
from tests.sandbox_server import APPLICATION, KEY, TOKEN, Sandbox

PATH = "connect/balance-transfers"


@pytest.fixture
def town(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a token, and two organisations of which each has got 6.00 of 10.00."""
    sandbox.issue_token()
    for organization_id in ("org_12345", "org_67890"):
        sandbox.register_organization(organization_id)
        path = f"payments/{paid(sandbox)}/routes"
        assert sandbox.call("POST", path, route_body("6.00", organization_id)).status_code == 201
    return sandbox


def consent(sandbox: Sandbox, organization_id: str, scope: str) -> str:
    """The organisation lets the application in; the access token that this brings."""
    members = {
        "client_id": APPLICATION.client_id,
        "redirect_uri": APPLICATION.redirect_uris[0],
        "state": "s",
        "scope": scope,
        "response_type": "code",
    }
    back = sandbox.consent(f"{sandbox.url}/oauth2/authorize?{urlencode(members)}", organization=organization_id)
    form = {
        "grant_type": "authorization_code",
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "redirect_uri": APPLICATION.redirect_uris[0],
    }
    proof = (APPLICATION.client_id, APPLICATION.client_secret)
    answer = sandbox.http.post(f"{sandbox.url}/oauth2/tokens", data=form, auth=proof, timeout=10)
    token: str = answer.json()["access_token"]
    return token


def platform(sandbox: Sandbox) -> str:
    organization_id: str = sandbox.call("GET", "organizations/me", key=TOKEN).json()["id"]
    return organization_id


def party(organization_id: str) -> dict[str, str]:
    return {"type": "organization", "id": organization_id, "description": "Rétrofacturation"}


def transfer_body(value: str, source_id: str, destination_id: str, **members: object) -> dict[str, Any]:
    return {
        "amount": euros(value),
        "source": party(source_id),
        "destination": party(destination_id),
        "description": "Contestation du 3 mai",
        "category": "chargeback",
        "testmode": True,
        **members,
    }


def balances(sandbox: Sandbox) -> dict[str, int]:
    return {organization["id"]: organization["balance_cents"] for organization in sandbox.book()["organizations"]}


def test_money_moves_from_who_agreed(town: Sandbox) -> None:
    consent(town, "org_12345", "balance-transfers.write")
    body = transfer_body("5.00", "org_12345", platform(town), metadata={"order": "7"})
    transfer = town.call("POST", PATH, body, key=TOKEN).json()
    assert (transfer["resource"], transfer["mode"], transfer["status"]) == (
        *("connect-balance-transfer", "test"),
        "succeeded",
    )
    assert transfer["id"].startswith("cbtr_")
    assert transfer["statusReason"]["code"] == "success"
    assert (transfer["source"], transfer["metadata"]) == (party("org_12345"), {"order": "7"})
    assert transfer["executedAt"] == transfer["createdAt"]
    assert balances(town) == {"org_12345": 100, "org_67890": 600}
    assert town.call("GET", f"{PATH}/{transfer['id']}?testmode=true", key=TOKEN).json() == transfer
    listed = town.call("GET", f"{PATH}?testmode=true", key=TOKEN).json()
    assert listed["_embedded"]["connect_balance_transfers"] == [transfer]


def test_without_consent_or_money_the_transfer_fails_and_nothing_moves(town: Sandbox) -> None:
    me = platform(town)

    def outcome(value: str, source_id: str, destination_id: str) -> tuple[str, str]:
        answer = town.call("POST", PATH, transfer_body(value, source_id, destination_id), key=TOKEN)
        assert answer.status_code == 201, answer.text
        return answer.json()["status"], answer.json()["statusReason"]["code"]

    assert outcome("1.00", "org_12345", me) == ("failed", "source_not_allowed")
    consent(town, "org_12345", "balances.read")
    assert outcome("1.00", "org_12345", me) == ("failed", "source_not_allowed")
    consent(town, "org_12345", "balance-transfers.write")
    assert outcome("6.01", "org_12345", me) == ("failed", "insufficient_funds")
    assert outcome("1.00", "org_12345", "org_67890") == ("failed", "destination_not_allowed")
    assert balances(town) == {"org_12345": 600, "org_67890": 600}


def test_what_residents_paid_for_others_cannot_be_forwarded(town: Sandbox) -> None:
    consent(town, "org_12345", "balance-transfers.write")
    body = transfer_body("1.00", platform(town), "org_12345")
    assert town.call("POST", PATH, body, key=TOKEN).json()["statusReason"]["code"] == "insufficient_funds"
    town.advance_clock(90 * DAY_S)
    assert town.call("POST", PATH, body, key=TOKEN).json()["status"] == "succeeded"
    assert balances(town)["org_12345"] == 700


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"amount": euros("0.00")}, "amount"),
        ({"description": ""}, "description"),
        ({"category": "shopper_funds"}, "category"),
        ({"metadata": {"x": "y" * 1100}}, "metadata"),
        ({"source": "org_12345"}, "source"),
        ({"source": {**party("org_12345"), "description": ""}}, "source.description"),
        ({"source": party("org_unknown")}, "source.id"),
        ({"destination": {**party("x"), "id": 7}}, "destination.id"),
        ({"destination": party("org_12345")}, "destination.id"),
        ({"testmode": False}, "testmode"),
    ],
)
def test_a_transfer_that_mollie_would_refuse_is_refused_at_its_field(
    town: Sandbox, members: dict[str, Any], field: str
) -> None:
    body = {**transfer_body("1.00", "org_12345", platform(town)), **members}
    assert_refused(town.call("POST", PATH, body, key=TOKEN), 422, field)
    assert town.call("GET", f"{PATH}?testmode=true", key=TOKEN).json()["count"] == 0


def test_transfers_are_for_tokens_with_their_scope(town: Sandbox) -> None:
    body = transfer_body("1.00", "org_12345", platform(town))
    assert_refused(town.call("POST", PATH, body, key=KEY), 403)
    assert_refused(town.call("GET", PATH, key=KEY), 403)
    assert_refused(town.call("GET", f"{PATH}/cbtr_unknown?testmode=true", key=TOKEN), 404)
    town.issue_token("balance-transfers.read")
    assert_refused(town.call("POST", PATH, body, key=TOKEN), 403)


def test_a_merchants_token_reads_its_own_balance_and_nobodys_payments(town: Sandbox) -> None:
    token = consent(town, "org_12345", "balances.read payments.read")
    balance = town.call("GET", "balances/primary?testmode=true", key=token).json()
    assert balance["availableAmount"] == euros("6.00")
    assert town.call("GET", "payments?testmode=true", key=token).json()["count"] == 0
    assert_refused(town.call("POST", "payments", {"testmode": True}, key=token), 403)
    town.throw_out("org_12345")
    assert_refused(town.call("GET", "balances/primary?testmode=true", key=token), 401)
