"""What the judge of `make conformance` is shown: every call that the gateway can make."""

from __future__ import annotations

import json
import re

import pytest

from tests.conformance import record


def test_every_call_is_recorded_with_its_answer(capsys: pytest.CaptureFixture[str]) -> None:
    record.main()
    exchanges = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    calls = {f"{one['method']} {re.sub(r'/[a-z]+_[^/?]+', '/*', one['path']).partition('?')[0]}" for one in exchanges}
    assert {
        *("GET /v2/methods", "GET /v2/payments", "GET /v2/refunds", "GET /v2/chargebacks"),
        *("POST /v2/payments", "GET /v2/payments/*", "DELETE /v2/payments/*"),
        *("POST /v2/payments/*/routes", "GET /v2/payments/*/routes"),
        *("POST /v2/payments/*/refunds", "GET /v2/payments/*/refunds", "GET /v2/payments/*/chargebacks"),
        *("GET /v2/balances/primary/transactions", "GET /v2/balances/primary", "POST /v2/client-links"),
    } <= calls
    assert [one["status"] for one in exchanges if one["status"] >= 300] == [404, 401, 422]
