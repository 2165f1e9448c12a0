"""Everything that we ask of the provider, and what the sandbox answers, as JSON lines for `judge`.

python -m tests.conformance.record > exchanges.jsonl
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import requests

from marketplace.clock import FixedClock
from marketplace.money import Money
from marketplace.payments.gateway import Gateway, PaymentLine, PaymentRequest, Reversal, UpfrontRoute
from tests.sandbox_server import KEY, TOKEN
from tests.sandbox_within import ADDRESS, SandboxWithin, WithinAdapter

TEST = "testmode=true"


class _Recording(WithinAdapter):
    def send(self, request: requests.PreparedRequest, *rest: Any, **more: Any) -> requests.Response:
        answer = super().send(request, *rest, **more)
        if request.path_url.startswith("/v2/"):
            asked, said = request.body or None, answer.content
            exchange = {
                "method": request.method,
                "path": request.path_url,
                "request": json.loads(asked) if asked else None,
                "status": answer.status_code,
                "answer": json.loads(said) if said else None,
            }
            sys.stdout.write(json.dumps(exchange) + "\n")
        return answer


def main() -> None:
    sandbox = SandboxWithin(FixedClock(datetime(2026, 11, 24, 9, tzinfo=UTC)))
    line = _Recording(sandbox.app)
    sandbox.http.mount("http://", line)
    sandbox.issue_token()
    sandbox.set_fee(180, 25, refund_cents=25, chargeback_cents=50)
    for organization_id in ("org_fromager", "org_libraire"):
        sandbox.register_organization(organization_id)
    gateway = Gateway(endpoint=ADDRESS, api_key=KEY, access_token=TOKEN, transport=line)
    _what_the_gateway_asks(gateway, sandbox)
    _what_is_only_emulated(sandbox)
    _what_is_refused(sandbox)


def _what_the_gateway_asks(gateway: Gateway, sandbox: SandboxWithin) -> None:
    gateway.methods(locale="fr_FR")
    whole = PaymentRequest(
        amount=Money(2485),
        description="Commande 12 34 56 78",
        redirect_url="http://127.0.0.1:5000/retour",
        webhook_url="http://127.0.0.1:5000/paiements/avis/x",
        metadata={"order_ref": "12345678"},
        lines=(
            PaymentLine("Salade", 3, Money(235), Money(705), 550, Money(37)),
            PaymentLine("Panier de légumes", 1, Money(1290), Money(1290), 550, Money(67)),
            PaymentLine("Livraison", 1, Money(490), Money(490), 2000, Money(82), kind="shipping_fee"),
        ),
        methods=("creditcard", "paypal"),
    )
    plain = PaymentRequest(Money(2485), "Commande", "http://127.0.0.1:5000/retour")
    paid = gateway.create_payment(whole, idempotency_key="whole")
    gateway.get_payment(paid.id)
    sandbox.pay(paid.id)
    for n, outcome in enumerate(("failed", "expired", "canceled")):
        ended = gateway.create_payment(plain, idempotency_key=f"ended-{n}")
        sandbox.conclude(ended.id, outcome)
        gateway.get_payment(ended.id)
    gateway.cancel_payment(gateway.create_payment(plain, idempotency_key="cancelled").id)
    ahead = PaymentRequest(
        Money(2485), "Commande", "http://127.0.0.1:5000/retour", routes=(UpfrontRoute("org_libraire", Money(1000)),)
    )
    upfront = gateway.create_payment(ahead, idempotency_key="upfront")
    sandbox.pay(upfront.id)
    gateway.get_payment(upfront.id)
    gateway.create_route(
        paid.id, amount=Money(1200), organization_id="org_fromager", description="Part", idempotency_key="route"
    )
    gateway.routes_of(paid.id)
    gateway.create_refund(
        paid.id,
        amount=Money(415),
        description="Brioche",
        metadata={"refund_key": "r"},
        reversals=(Reversal("org_fromager", Money(382)),),
        idempotency_key="refund",
    )
    whole_refund = gateway.create_refund(
        upfront.id, amount=Money(500), description="Geste", metadata={}, idempotency_key="gesture"
    )
    sandbox.fail_refund(whole_refund.id)
    sandbox.advance_clock(5 * 86_400)
    gateway.refunds_of(paid.id)
    gateway.refunds_since()
    won = sandbox.charge_back(paid.id, "10.00")
    gateway.chargebacks_of(paid.id)
    sandbox.reverse_chargeback(won)
    sandbox.charge_back(upfront.id, "19.85")
    gateway.chargebacks_of(paid.id)
    gateway.latest_chargebacks()
    gateway.get_payment(paid.id)
    sandbox.pay_out()
    gateway.payments_since(limit=2)
    gateway.payments_since()
    gateway.balance_lines()
    gateway.balance()


def _what_is_only_emulated(sandbox: SandboxWithin) -> None:
    for path in (
        "organizations/me",
        "onboarding/me",
        "capabilities",
        "permissions",
        "profiles/me",
        "clients",
        f"balances?{TEST}",
        f"balances/primary/report?from=2026-11-01&until=2026-12-31&{TEST}",
        f"balances/primary/report?from=2026-11-01&until=2026-12-31&grouping=transaction-categories&{TEST}",
        f"settlements?{TEST}",
        f"settlements/open?{TEST}",
        f"settlements/next?{TEST}",
    ):
        sandbox.call("GET", path, key=TOKEN)
    link = {
        "owner": {"email": "a@example.org", "givenName": "Jeanne", "familyName": "Martin"},
        "name": "SARL Librairie",
        "address": {"streetAndNumber": "1 rue", "postalCode": "16000", "city": "Angoulême", "country": "FR"},
        "registrationNumber": "123456782",
    }
    sandbox.call("POST", "client-links", link, key=TOKEN)


def _what_is_refused(sandbox: SandboxWithin) -> None:
    sandbox.call("GET", "payments/tr_nobodys")
    sandbox.call("GET", "payments", key="test_nobody")
    sandbox.call("POST", "payments", {"amount": {"currency": "EUR", "value": "1"}})


if __name__ == "__main__":
    main()
