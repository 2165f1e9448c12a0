"""What tests send to the sandbox's API, and how a refusal must look."""

from __future__ import annotations

from typing import Any

import requests

from tests.sandbox_server import Sandbox

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def euros(value: str) -> dict[str, str]:
    return {"currency": "EUR", "value": value}


def payment_body(value: str = "10.00", **members: object) -> dict[str, Any]:
    body: dict[str, Any] = {
        "amount": euros(value),
        "description": "Commande",
        "redirectUrl": "http://127.0.0.1:8000/retour",
    }
    return {**body, **members}


def created(sandbox: Sandbox, value: str = "10.00", **members: object) -> str:
    answer = sandbox.call("POST", "payments", payment_body(value, **members))
    assert answer.status_code == 201, answer.text
    payment_id: str = answer.json()["id"]
    return payment_id


def paid(sandbox: Sandbox, value: str = "10.00", **members: object) -> str:
    payment_id = created(sandbox, value, **members)
    sandbox.pay(payment_id)
    return payment_id


def route_body(value: str, organization_id: str = "org_12345") -> dict[str, Any]:
    destination = {"type": "organization", "organizationId": organization_id}
    return {"amount": euros(value), "destination": destination, "description": "part"}


def refund_body(value: str, *reversals: tuple[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"amount": euros(value), "description": "retour", "metadata": {}}
    if reversals:
        body["routingReversals"] = [
            {"amount": euros(cents), "source": {"type": "organization", "organizationId": organization_id}}
            for organization_id, cents in reversals
        ]
    return body


def assert_refused(answer: requests.Response, status: int, field: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/hal+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["_links"]["documentation"]["type"] == "text/html"
    assert body.get("field") == field
