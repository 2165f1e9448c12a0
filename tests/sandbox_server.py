"""The payment sandbox for tests: a real server over HTTP, and hands to play the resident, the bank and the clock."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from flask import Flask

from marketplace.payments.gateway import Gateway
from marketplace.payments.sandbox import Options
from marketplace.payments.sandbox.accounts import Application
from marketplace.payments.sandbox.app import create_sandbox, open_book
from marketplace.payments.sandbox.postings import Fee
from marketplace.payments.sandbox.server import Server

KEY = "test_sandbox"
#: Another shop's key: its payments exist, and are nobody's business here.
STRANGERS_KEY = "test_stranger"
#: A token of the organisation whose profile KEY is.
TOKEN = "access_sandbox"
#: 1.80 % and 0.25 EUR.
CARD_FEE = Fee(180, 25)
#: The site that asks merchants for their consent; its address is that of a test's settings.
APPLICATION = Application(
    "app_sandbox",
    "secret-of-the-site",
    ("http://127.0.0.1:5000/boutique/encaissement/retour", "http://[::1]:8000/r?a=b"),
)


class Sandbox:
    """A running sandbox at `url`, and what tests do to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False

    def gateway(self, *, key: str = KEY, access_token: str = "", timeout_s: tuple[float, float] = (3, 10)) -> Gateway:
        return Gateway(endpoint=self.url, api_key=key, access_token=access_token, timeout_s=timeout_s)

    def call(
        self, method: str, path: str, json: object = None, *, key: str = KEY, idempotency_key: str = ""
    ) -> requests.Response:
        """One plain call of the API, for what the gateway would never send; `key` may be a token."""
        headers = {"Authorization": f"Bearer {key}"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return self.http.request(method, f"{self.url}/v2/{path}", json=json, headers=headers, timeout=20)

    def conclude(self, payment_id: str, outcome: str, *, notify: bool = True) -> None:
        """The resident (or the clock) ends the payment: paid, failed, canceled or expired."""
        told = "" if notify else "?notify=false"
        self.control("POST", f"payments/{payment_id}/{outcome}{told}")

    def pay(self, payment_id: str, *, notify: bool = True) -> None:
        self.conclude(payment_id, "paid", notify=notify)

    def press(self, payment_id: str, button: str) -> requests.Response:
        """Press a button of the payment page, as a browser would, without following the way back."""
        url = f"{self.url}/checkout/{payment_id}"
        return self.http.post(url, data={"outcome": button}, allow_redirects=False, timeout=20)

    def consent(self, authorize_url: str, *, organization: str = "", name: str = "", accept: bool = True) -> str:
        """The owner answers the consent page for an account, or a new one; where the browser is sent then."""
        form = {"decision": "accept" if accept else "refuse", "organization": organization, "name": name}
        answer = self.http.post(authorize_url, data=form, allow_redirects=False, timeout=20)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def move_papers(
        self, organization_id: str, status: str, *, payments: bool = False, settlements: bool = False
    ) -> None:
        """The provider looks at an account's papers."""
        form = {
            "status": status,
            **({"payments": "1"} if payments else {}),
            **({"settlements": "1"} if settlements else {}),
        }
        self.http.post(f"{self.url}/onboarding/{organization_id}", data=form, timeout=20).raise_for_status()

    def throw_out(self, organization_id: str) -> None:
        """The owner takes the consent back, on the provider's own pages."""
        url = f"{self.url}/onboarding/{organization_id}"
        self.http.post(url, data={"act": "revoke"}, timeout=20).raise_for_status()

    def register_organization(
        self, organization_id: str, name: str = "Une boutique", *, can_receive_payments: bool = True
    ) -> None:
        body = {"id": organization_id, "name": name, "canReceivePayments": can_receive_payments}
        self.control("POST", "organizations", body)

    def issue_token(self, *scopes: str, token: str = TOKEN) -> str:
        """A token of the first key's organisation, for everything unless `scopes` are named; its profile."""
        body = {"token": token, "scopes": list(scopes)} if scopes else {"token": token}
        profile_id: str = self.control("POST", "access-tokens", body)["profiles"][0]
        return profile_id

    def revoke_token(self, token: str = TOKEN) -> None:
        self.control("DELETE", f"access-tokens/{token}")

    def set_fee(self, basis_points: int, fixed_cents: int, *, refund_cents: int = 0, chargeback_cents: int = 0) -> None:
        """What the provider keeps from now on; 180 and 25 are a European card's."""
        fee = {"basisPoints": basis_points, "fixedCents": fixed_cents}
        self.control("POST", "fee", {**fee, "refundCents": refund_cents, "chargebackCents": chargeback_cents})

    def pay_out(self) -> str:
        """The provider pays the first key's organisation what is available; the settlement's id."""
        settlement_id: str = self.control("POST", "settlements", {})["id"]
        return settlement_id

    def advance_clock(self, seconds: float) -> None:
        self.control("POST", "clock", {"advance_seconds": seconds})

    def plan_fault(self, match: str, action: str, **details: object) -> None:
        """The next call like `match` ("POST /v2/payments") goes wrong; see the sandbox's faults module."""
        self.control("POST", "faults", {"match": match, "action": action, **details})

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def charge_back(self, payment_id: str, value: str) -> str:
        """The resident's bank takes "12.50" back; the chargeback's id."""
        answer = self.control(
            "POST", f"payments/{payment_id}/chargeback", {"amount": {"currency": "EUR", "value": value}}
        )
        chargeback_id: str = answer["id"]
        return chargeback_id

    def reverse_chargeback(self, chargeback_id: str) -> None:
        self.control("POST", f"chargebacks/{chargeback_id}/reverse")

    def fail_refund(self, refund_id: str) -> None:
        self.control("POST", f"refunds/{refund_id}/fail")

    def flush_webhooks(self) -> None:
        """When this returns every call-back that is due has been made."""
        self.control("POST", "webhooks/flush")

    def book(self) -> Any:
        return self.control("GET", "book")

    def control(self, method: str, path: str, json: object = None) -> Any:
        answer = self.http.request(method, f"{self.url}/_sandbox/{path}", json=json, timeout=60)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running_sandbox(
    *,
    book: Path | None = None,
    copied_from: Path | None = None,
    keys: tuple[str, ...] = (KEY, STRANGERS_KEY),
    **options: Any,
) -> Iterator[Sandbox]:
    """A sandbox in a thread of this process, on a free port, with a book of its own unless `book` is given.

    It begins with what is in the closed book `copied_from`. `options` are further Options.
    """
    with tempfile.TemporaryDirectory(prefix="sandbox") as folder:
        options.setdefault("application", APPLICATION)
        own = Path(folder) / "book.sqlite"
        if copied_from is not None:
            shutil.copyfile(copied_from, own)
        app = _app_over(Options(book or own, keys=keys, **options))
        server = Server(app, port=0)
        thread = threading.Thread(target=server.serve, name="sandbox", daemon=True)
        thread.start()
        try:
            yield Sandbox(server.url)
        finally:
            server.shutdown()
            thread.join()
            if options.get("public_url") is None:
                _at_rest.append(app)


#: Applications whose server has stopped: to build one takes half as long as the test that it is for.
_at_rest: list[Flask] = []


def _app_over(options: Options) -> Flask:
    if options.public_url is not None or not _at_rest:
        return create_sandbox(options)
    app = _at_rest.pop()
    app.extensions["sandbox"] = open_book(options)
    return app


class SandboxProcess:
    """The sandbox as `make demo` runs it: a process of its own, to be killed and started again on its book."""

    def __init__(self, book: Path, *options: str) -> None:
        """`options` are further words of the command line."""
        self._book = book
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Sandbox:
        """Start it on a free port; returns once it says that it is ready."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SANDBOX_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "marketplace.payments.sandbox", "--port", "0", "--book", str(self._book)]
            + list(self._options),
            cwd=Path(__file__).parent.parent,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._process = process
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready.startswith("Payment sandbox ready on "), ready
        return Sandbox(ready.split()[4])

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """Ask it to end, as a supervisor does; its exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.send_signal(how)
        process.communicate(timeout=30)
        return process.returncode


class Shop:
    """A shop's webhook: it notes the ids that it is told, and answers as it is ordered to (200, then `answers`)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[str] = []
        self.methods: list[str] = []
        self.answers: list[int] = []
        self.location = ""
        self.called = threading.Event()


@contextmanager
def listening_shop() -> Iterator[Shop]:
    """A shop that listens for call-backs on a free port."""
    shop = Shop("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            shop.told += parse_qs(body).get("id", [])
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            shop.methods.append(self.command)
            shop.called.set()
            status = shop.answers.pop(0) if shop.answers else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", shop.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests read what was told, not a log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}/webhook"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def quiet_sandbox() -> Iterator[Sandbox]:
    """One sandbox for the tests of a module that leave nothing behind in it."""
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Import this into a conftest to have a fresh sandbox for each test."""
    with running_sandbox() as running:
        yield running
