"""The hands at the provider's own pages: the resident who pays, the bank that takes back, the provider itself."""

from __future__ import annotations

from typing import Any

from demo.month.house import House


class Bank:
    def __init__(self, house: House) -> None:
        self._client = house.sandbox.test_client(use_cookies=False)

    def conclude(self, provider_id: str, outcome: str, *, notify: bool = True) -> None:
        """The resident (or the clock) ends the payment: paid, failed, canceled or expired."""
        told = "" if notify else "?notify=false"
        self._control("POST", f"payments/{provider_id}/{outcome}{told}")

    def register(self, organization_id: str, name: str, *, can_receive_payments: bool = True) -> None:
        body = {"id": organization_id, "name": name, "canReceivePayments": can_receive_payments}
        self._control("POST", "organizations", body)

    def charge_back(self, provider_id: str, cents: int) -> str:
        """The resident's bank takes so much back; the chargeback's id."""
        amount = {"currency": "EUR", "value": f"{cents // 100}.{cents % 100:02d}"}
        answer = self._control("POST", f"payments/{provider_id}/chargeback", {"amount": amount})
        chargeback_id: str = answer["id"]
        return chargeback_id

    def reverse_chargeback(self, chargeback_id: str) -> None:
        self._control("POST", f"chargebacks/{chargeback_id}/reverse")

    def fail_refund(self, refund_id: str) -> None:
        self._control("POST", f"refunds/{refund_id}/fail")

    def plan_fault(self, match: str, action: str, **details: object) -> None:
        """The next call like `match` goes wrong at the provider itself; see the sandbox's faults module."""
        self._control("POST", "faults", {"match": match, "action": action, **details})

    def planned_faults_qty(self) -> int:
        return len(self._control("GET", "faults"))

    def pay_out(self) -> None:
        """The provider sends what is available to the association's bank, if anything is."""
        self._control("POST", "settlements", {}, but=422)

    def book(self) -> Any:
        """Everything in the provider's book."""
        return self._control("GET", "book")

    def _control(self, method: str, path: str, json: object = None, *, but: int = 200) -> Any:
        """The answer; an error unless the status is 200, or the one that is allowed too."""
        answer = self._client.open(f"/_sandbox/{path}", method=method, json=json, base_url="http://127.0.0.1")
        assert answer.status_code in (200, but), f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json
