"""The gateway: what it promises to the payments service, and every trap of the client library cured."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from marketplace.errors import GatewayError
from marketplace.money import Money
from marketplace.payments.gateway import (
    Gateway,
    OutcomeUnknown,
    PaymentLine,
    PaymentRequest,
    ProviderPayment,
    Rejected,
    Reversal,
    TryAgain,
    UpfrontRoute,
)
from tests.sandbox_server import STRANGERS_KEY, Sandbox

BASKET = PaymentRequest(
    amount=Money(2485),
    description="Commande 12 34 56 78",
    redirect_url="http://127.0.0.1:8000/commandes/retour",
    metadata={"order_ref": "12345678", "payment_ref": "p-1"},
    lines=(
        PaymentLine("Salade", 3, Money(235), Money(705), 550, Money(37)),
        PaymentLine("Panier de légumes", 1, Money(1290), Money(1290), 550, Money(67)),
        PaymentLine("Livraison", 1, Money(490), Money(490), 2000, Money(82), kind="shipping_fee"),
    ),
)


def paid(sandbox: Sandbox, *, key: str = "key-1") -> ProviderPayment:
    request = PaymentRequest(Money(2485), "Commande", "http://127.0.0.1:8000/retour")
    payment = sandbox.gateway().create_payment(request, idempotency_key=key)
    sandbox.pay(payment.id)
    return sandbox.gateway().get_payment(payment.id)


class Provider:
    """A provider that answers every request with `answer`, and notes what it was sent."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.status = 200
        self.headers: dict[str, str] = {"Content-Type": "application/hal+json"}
        self.answer = "{}"

    @property
    def gateway(self) -> Gateway:
        return Gateway(endpoint=self.url, api_key="test_key", access_token="access_key", timeout_s=(2, 2))


@contextmanager
def provider_on_a_free_port() -> Iterator[Provider]:
    provider = Provider("")

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            provider.requests.append((self.command, self.path, dict(self.headers)))
            body = provider.answer.encode()
            self.send_response(provider.status)
            for name, value in provider.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _any

        def log_message(self, format: str, *args: object) -> None:
            """The requests are noted, not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_port}"
    yield provider
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_on_a_free_port() as running:
        yield running


def test_a_payment_is_created_paid_and_read_back(sandbox: Sandbox) -> None:
    gateway = sandbox.gateway()
    created = gateway.create_payment(BASKET, idempotency_key="key-1")
    assert (created.status, created.amount, created.currency, created.mode) == ("open", Money(2485), "EUR", "test")
    assert created.metadata == {"order_ref": "12345678", "payment_ref": "p-1"}
    assert created.checkout_url == f"{sandbox.url}/checkout/{created.id}"
    assert created.paid_at is None
    sandbox.pay(created.id)
    now = gateway.get_payment(created.id)
    assert now.status == "paid"
    assert now.paid_at is not None
    assert now.checkout_url is None
    assert now.is_for(Money(2485))


def test_the_same_key_gives_the_same_payment(sandbox: Sandbox) -> None:
    first = sandbox.gateway().create_payment(BASKET, idempotency_key="key-1")
    second = sandbox.gateway().create_payment(BASKET, idempotency_key="key-1")
    assert second.id == first.id
    assert len(sandbox.book()["profiles"][0]["payments"] + sandbox.book()["profiles"][1]["payments"]) == 1


def test_the_same_key_for_another_sum_is_rejected(sandbox: Sandbox) -> None:
    sandbox.gateway().create_payment(BASKET, idempotency_key="key-1")
    other = PaymentRequest(Money(100), "Autre", "http://127.0.0.1:8000/retour")
    with pytest.raises(Rejected) as trouble:
        sandbox.gateway().create_payment(other, idempotency_key="key-1")
    assert (trouble.value.status, trouble.value.permanent) == (400, True)


def test_an_open_payment_is_cancelled_and_a_paid_one_is_not(sandbox: Sandbox) -> None:
    gateway = sandbox.gateway()
    opened = gateway.create_payment(BASKET, idempotency_key="key-1")
    assert opened.is_cancelable
    assert gateway.cancel_payment(opened.id).status == "canceled"
    with pytest.raises(Rejected) as trouble:
        gateway.cancel_payment(paid(sandbox, key="key-2").id)
    assert trouble.value.status == 422


def test_a_share_is_routed_once_per_key_and_listed(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    payment, gateway = paid(sandbox), sandbox.gateway()
    for _ in range(2):
        route = gateway.create_route(
            payment.id,
            amount=Money(1835),
            organization_id="org_12345",
            description="12345678 Primeur",
            idempotency_key="route-1",
        )
    assert gateway.routes_of(payment.id) == [route]
    assert (route.amount, route.organization_id, route.payment_id) == (Money(1835), "org_12345", payment.id)
    assert route.description == "12345678 Primeur"


def test_a_refund_takes_back_what_a_merchant_got(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_12345")
    payment, gateway = paid(sandbox), sandbox.gateway()
    gateway.create_route(
        payment.id, amount=Money(1835), organization_id="org_12345", description="x", idempotency_key="route-1"
    )
    refund = gateway.create_refund(
        payment.id,
        amount=Money(415),
        description="Brioche manquante",
        metadata={"refund_ref": "r-1"},
        reversals=(Reversal("org_12345", Money(382)),),
        idempotency_key="refund-1",
    )
    assert (refund.status, refund.amount, refund.metadata) == ("pending", Money(415), {"refund_ref": "r-1"})
    assert refund.reversals == (Reversal("org_12345", Money(382)),)
    assert gateway.refunds_of(payment.id) == [refund]
    assert gateway.get_payment(payment.id).amount_refunded == Money(415)


def test_payments_are_swept_page_by_page_oldest_first(sandbox: Sandbox) -> None:
    gateway = sandbox.gateway()
    ids = [gateway.create_payment(BASKET, idempotency_key=f"key-{i}").id for i in range(5)]
    first, cursor = gateway.payments_since(limit=2)
    assert [payment.id for payment in first] == ids[:2]
    assert cursor == ids[2]
    rest, end = gateway.payments_since(from_id=cursor, limit=250)
    assert ([payment.id for payment in rest], end) == (ids[2:], None)


def test_the_way_to_the_next_page_is_read_and_never_followed_to_another_host(provider: Provider) -> None:
    """The library would glue a foreign address behind its own, and a page of somebody else's would be ours."""
    with provider_on_a_free_port() as elsewhere:
        link = {"href": f"{elsewhere.url}/v2/payments?from=tr_zzzzzzzz&limit=1", "type": "application/hal+json"}
        provider.answer = json.dumps({"count": 1, "_embedded": {"payments": [PAYMENT]}, "_links": {"next": link}})
        page, cursor = provider.gateway.payments_since(limit=1)
        provider.gateway.payments_since(from_id=cursor, limit=1)
        assert ([payment.id for payment in page], cursor) == (["tr_abcdefgh"], "tr_zzzzzzzz")
        assert elsewhere.requests == []
    assert [path for _, path, _ in provider.requests] == [
        "/v2/payments?limit=1&sort=asc",
        "/v2/payments?limit=1&sort=asc&from=tr_zzzzzzzz",
    ]


def test_every_page_of_refunds_is_read(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace.payments.gateway.LIST_LIMIT_QTY", 2)
    payment, gateway = paid(sandbox), sandbox.gateway()
    for cents in (101, 102, 103, 104, 105):
        gateway.create_refund(
            payment.id, amount=Money(cents), description="x", metadata={}, idempotency_key=f"refund-{cents}"
        )
    assert [refund.amount.cents for refund in gateway.refunds_of(payment.id)] == [105, 104, 103, 102, 101]


def test_a_chargeback_shows_on_the_payment_until_it_is_won(sandbox: Sandbox) -> None:
    payment, gateway = paid(sandbox), sandbox.gateway()
    chargeback_id = sandbox.charge_back(payment.id, "24.85")
    assert gateway.get_payment(payment.id).amount_charged_back == Money(2485)
    sandbox.reverse_chargeback(chargeback_id)
    assert gateway.get_payment(payment.id).amount_charged_back == Money(0)


def test_somebody_elses_payment_is_not_found(sandbox: Sandbox) -> None:
    theirs = sandbox.gateway(key=STRANGERS_KEY).create_payment(BASKET, idempotency_key="key-1")
    with pytest.raises(Rejected) as trouble:
        sandbox.gateway().get_payment(theirs.id)
    assert trouble.value.status == 404


def test_a_payment_in_another_currency_is_never_taken_for_euros(sandbox: Sandbox) -> None:
    body = {
        "amount": {"currency": "USD", "value": "24.85"},
        "description": "x",
        "redirectUrl": "http://127.0.0.1:8000/retour",
    }
    payment_id = sandbox.call("POST", "payments", body).json()["id"]
    payment = sandbox.gateway().get_payment(payment_id)
    assert payment.currency == "USD"
    assert not payment.is_for(Money(2485))


def test_a_chargeback_in_another_currency_hides_none_of_ours(sandbox: Sandbox) -> None:
    """The nightly comparison reads all of them: one in dollars that nobody could read stopped it for good."""
    dollars = {"currency": "USD", "value": "24.85"}
    body = {"amount": dollars, "description": "x", "redirectUrl": "http://127.0.0.1:8000/retour"}
    theirs = sandbox.call("POST", "payments", body).json()["id"]
    sandbox.conclude(theirs, "paid", notify=False)
    ours = sandbox.charge_back(paid(sandbox).id, "24.85")
    sandbox.control("POST", f"payments/{theirs}/chargeback", {"amount": dollars})
    assert [one.id for one in sandbox.gateway().latest_chargebacks()] == [ours]
    assert sandbox.gateway().chargebacks_of(theirs) == []


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "tr_",
        "tr_abc",
        "tr_x/../../organizations/me",
        "tr_abcd?embed=refunds",
        "tr_abcd\n",
        "re_abcdefgh",
        "tr_éééé",
        "tr_" + "a" * 41,
        " tr_abcdefgh",
    ],
)
def test_a_forged_id_never_becomes_an_address(provider: Provider, forged: str) -> None:
    assert not Gateway.is_payment_id(forged)
    gateway = provider.gateway
    amount, text = Money(1), "x"
    calls = [
        lambda: gateway.get_payment(forged),
        lambda: gateway.cancel_payment(forged),
        lambda: gateway.routes_of(forged),
        lambda: gateway.refunds_of(forged),
        lambda: gateway.chargebacks_of(forged),
        lambda: gateway.payments_since(from_id=forged),
        lambda: gateway.refunds_since(from_id=forged.removeprefix("re_")),
        lambda: gateway.balance_lines(from_id=forged),
        lambda: gateway.create_refund(forged, amount=amount, description=text, metadata={}, idempotency_key="k"),
        lambda: gateway.create_route(
            forged, amount=amount, organization_id="org_12345", description=text, idempotency_key="k"
        ),
    ]
    for call in calls:
        with pytest.raises(Rejected) as trouble:
            call()
        assert trouble.value.field == "id"
    assert provider.requests == []


def test_a_forged_organization_never_becomes_part_of_a_request(provider: Provider) -> None:
    gateway, amount = provider.gateway, Money(1)
    routed = PaymentRequest(amount, "x", "http://127.0.0.1/", routes=(UpfrontRoute("org_1/../me", amount),))
    calls = [
        lambda: gateway.create_route(
            "tr_abcdefgh", amount=amount, organization_id="me", description="x", idempotency_key="k"
        ),
        lambda: gateway.create_refund(
            "tr_abcdefgh",
            amount=amount,
            description="x",
            metadata={},
            reversals=(Reversal("me", amount),),
            idempotency_key="k",
        ),
        lambda: gateway.create_payment(routed, idempotency_key="k"),
    ]
    for call in calls:
        with pytest.raises(Rejected):
            call()
    assert provider.requests == []


def test_real_money_is_never_asked_for_as_play_money(provider: Provider) -> None:
    """The library sends a testmode of False as the word that means True."""
    provider.answer = json.dumps({"_embedded": {"balance_transactions": []}, "_links": {}})
    for key in ("test_key", "live_key"):
        Gateway(endpoint=provider.url, api_key=key, access_token="access_token").balance_lines()
    assert [path.partition("?")[2] for _, path, _ in provider.requests] == ["limit=250&testmode=true", "limit=250"]


def test_all_refunds_of_all_payments_are_read_page_by_page(provider: Provider) -> None:
    link = {"href": f"{provider.url}/v2/refunds?from=re_zzzzzzzz&limit=250", "type": "application/hal+json"}
    provider.answer = json.dumps({"_embedded": {"refunds": []}, "_links": {"next": link}})
    assert provider.gateway.refunds_since() == ([], "re_zzzzzzzz")
    provider.answer = json.dumps({"_embedded": {"refunds": []}, "_links": {"next": None}})
    assert provider.gateway.refunds_since(from_id="re_zzzzzzzz") == ([], None)
    assert provider.requests[1][1] == "/v2/refunds?limit=250&from=re_zzzzzzzz"


@pytest.mark.parametrize("status", [400, 403, 404, 410, 422])
def test_a_refusal_is_permanent_and_names_its_field(provider: Provider, status: int) -> None:
    provider.status = status
    provider.answer = json.dumps({"status": status, "title": "No", "detail": "not so", "field": "amount"})
    with pytest.raises(Rejected) as trouble:
        provider.gateway.get_payment("tr_abcdefgh")
    assert (trouble.value.status, trouble.value.field, trouble.value.permanent) == (status, "amount", True)


@pytest.mark.parametrize("status", [401, 409, 429, 503])
def test_a_busy_provider_is_asked_once_and_left_to_the_worker(provider: Provider, status: int) -> None:
    provider.status = status
    provider.headers["Retry-After"] = "1"
    provider.answer = json.dumps({"status": status, "title": "Busy", "detail": "later"})
    gateway = provider.gateway
    with pytest.raises(TryAgain) as trouble:
        gateway.get_payment("tr_abcdefgh")
    assert (trouble.value.status, trouble.value.permanent) == (status, False)
    assert len(provider.requests) == 1
    # The library repeats over https only, where a test has no certificate.
    assert gateway._client._client.get_adapter("https://api.mollie.com").max_retries.total == 0


PAYMENT = {
    "id": "tr_abcdefgh",
    "status": "open",
    "mode": "test",
    "amount": {"currency": "EUR", "value": "10.00"},
    "createdAt": "2026-11-21T12:00:00+00:00",
    "_links": {},
}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, json.dumps({"status": 500, "title": "Oops", "detail": "oops"})),
        (502, "<html><body>Bad gateway</body></html>"),
        (503, "<html><body>Unavailable</body></html>"),
        (422, json.dumps({"status": 422, "title": "No detail"})),
        (422, json.dumps({"detail": "no status"})),
        (422, '"a text"'),
        (422, "[]"),
        (200, "<html></html>"),
        (200, json.dumps(PAYMENT)[:60]),
        (200, "[]"),
        (200, "null"),
        (200, "{}"),
        (200, json.dumps({**PAYMENT, "id": "../me"})),
        (200, json.dumps({**PAYMENT, "status": None})),
        (200, json.dumps({**PAYMENT, "amount": {"currency": "EUR", "value": 10}})),
        (200, json.dumps({**PAYMENT, "amount": {"currency": "JPY", "value": "1000"}})),
        (200, json.dumps({**PAYMENT, "amountRefunded": {"currency": "USD", "value": "1.00"}})),
        (200, json.dumps({**PAYMENT, "createdAt": "yesterday"})),
        (200, json.dumps({**PAYMENT, "createdAt": "2026-11-21T12:00:00"})),
    ],
)
def test_an_answer_that_cannot_be_read_leaves_the_outcome_unknown(provider: Provider, status: int, answer: str) -> None:
    provider.status, provider.answer = status, answer
    with pytest.raises(OutcomeUnknown) as trouble:
        provider.gateway.create_payment(BASKET, idempotency_key="key-1")
    assert isinstance(trouble.value, GatewayError)
    assert not trouble.value.permanent
    assert len(str(trouble.value)) <= 300


def test_a_status_of_tomorrow_is_handed_on_as_it_is(provider: Provider) -> None:
    provider.answer = json.dumps({**PAYMENT, "status": "levitating", "metadata": "a text", "isCancelable": None})
    payment = provider.gateway.get_payment("tr_abcdefgh")
    assert (payment.status, payment.metadata, payment.is_cancelable) == ("levitating", {}, False)


def test_no_answer_in_time_leaves_the_outcome_unknown_and_a_repetition_does_nothing_twice(sandbox: Sandbox) -> None:
    sandbox.plan_fault("POST /v2/payments", "delay_after", seconds=1)
    with pytest.raises(OutcomeUnknown):
        sandbox.gateway(timeout_s=(1, 0.2)).create_payment(BASKET, idempotency_key="key-1")
    with pytest.raises(TryAgain) as trouble:
        sandbox.gateway().create_payment(BASKET, idempotency_key="key-1")
    assert trouble.value.status == 409
    created = sandbox.gateway().payments_since()[0]
    assert len(created) == 1


def test_a_lost_answer_is_found_again_with_the_same_key(sandbox: Sandbox) -> None:
    sandbox.plan_fault("POST /v2/payments", "drop_after")
    with pytest.raises(OutcomeUnknown):
        sandbox.gateway().create_payment(BASKET, idempotency_key="key-1")
    again = sandbox.gateway().create_payment(BASKET, idempotency_key="key-1")
    assert [payment.id for payment in sandbox.gateway().payments_since()[0]] == [again.id]


def test_a_provider_that_is_not_there_was_certainly_not_called() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        gateway = Gateway(endpoint=f"http://127.0.0.1:{reserved.getsockname()[1]}", api_key="test_key")
        with pytest.raises(TryAgain):
            gateway.create_payment(BASKET, idempotency_key="key-1")


def test_the_key_does_not_follow_a_redirect(provider: Provider) -> None:
    with provider_on_a_free_port() as elsewhere:
        provider.status = 307
        provider.headers["Location"] = f"{elsewhere.url}/v2/payments/tr_abcdefgh"
        with pytest.raises(OutcomeUnknown):
            provider.gateway.get_payment("tr_abcdefgh")
        assert elsewhere.requests == []


def test_a_proxy_of_the_environment_does_not_come_between_us_and_the_sandbox(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert sandbox.gateway().payments_since() == ([], None)


def test_neither_the_machines_name_nor_the_key_leaks(provider: Provider) -> None:
    provider.answer = json.dumps(PAYMENT)
    provider.gateway.get_payment("tr_abcdefgh")
    (_, _, headers) = provider.requests[0]
    assert headers["X-Mollie-Client-Info"] == "marche-commun"
    assert headers["Authorization"] == "Bearer test_key"
    with pytest.raises(ValueError, match="a Mollie key looks like test_") as trouble:
        Gateway(endpoint=provider.url, api_key="secret-key-of-another-kind")
    assert "secret" not in str(trouble.value)


def test_what_hangs_on_a_payment_is_asked_for_alone(provider: Provider) -> None:
    provider.answer = json.dumps({"_embedded": {"refunds": [], "chargebacks": []}, "_links": {}})
    provider.gateway.refunds_of("tr_abcdefgh")
    provider.gateway.chargebacks_of("tr_abcdefgh")
    assert [path.partition("?")[0] for _, path, _ in provider.requests] == [
        "/v2/payments/tr_abcdefgh/refunds",
        "/v2/payments/tr_abcdefgh/chargebacks",
    ]


def test_each_thread_has_a_client_of_its_own(provider: Provider) -> None:
    provider.answer = json.dumps(PAYMENT)
    gateway = provider.gateway
    clients: list[int] = []
    barrier = threading.Barrier(4)

    def ask() -> None:
        barrier.wait()
        gateway.get_payment("tr_abcdefgh")
        clients.append(id(gateway._client))
        barrier.wait()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(clients)) == 4


def test_nothing_is_created_without_a_key(provider: Provider) -> None:
    gateway = provider.gateway
    calls = [
        lambda: gateway.create_payment(BASKET, idempotency_key=""),
        lambda: gateway.create_route(
            "tr_abcdefgh", amount=Money(1), organization_id="org_12345", description="x", idempotency_key=""
        ),
        lambda: gateway.create_refund("tr_abcdefgh", amount=Money(1), description="x", metadata={}, idempotency_key=""),
    ]
    for call in calls:
        with pytest.raises(AssertionError, match="without a key"):
            call()
    assert provider.requests == []


def test_what_the_caller_passed_is_not_changed(sandbox: Sandbox) -> None:
    metadata = {"order_ref": "12345678"}
    request = PaymentRequest(Money(100), "x", "http://127.0.0.1:8000/retour", metadata=metadata)
    sandbox.gateway().create_payment(request, idempotency_key="key-1")
    assert metadata == {"order_ref": "12345678"}
