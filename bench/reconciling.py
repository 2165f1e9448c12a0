"""(f) The nightly comparison with the provider's book, after a year of 100,000 orders; seconds, as in (e)."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter
from sqlalchemy import text
from urllib3 import HTTPResponse

from bench.ledger import tidy
from bench.measuring import backend_ns, backend_pid
from bench.reporting import Report
from bench.town import NOW
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.hall import Hall
from marketplace.payments import nightly
from marketplace.payments.gateway import Gateway
from marketplace.payments.rules import RECONCILED

ORDERS_QTY = 100_000
ENDPOINT = "http://127.0.0.1:9"
DAY = timedelta(days=1)

#: Each order is 44.29 for three of sixty merchants, who have their 12.00 already; the provider kept 1.05. Both books
#: were compared last night: of the last day the provider's is still to be read, and the ledger knows no fee.
_IS_READ = "p.paid_at < CAST(:now AS timestamptz) - interval '1 day'"
WRITTEN = (
    """
    INSERT INTO payment (token, reference, attempt, amount, description, state, provider_env, provider_id,
      idempotency_key, redirect_url, created_at, paid_at)
    SELECT 't' || n, 'R' || n, 1, 4429, '', 'paid', 'sandbox', 'tr_' || lpad(n::text, 8, '0'), 'k' || n, '', at, at
    FROM (SELECT n, CAST(:now AS timestamptz) - interval '2 hours' - (:qty - n) * (interval '365 days' / :qty) AS at
      FROM generate_series(1, :qty) n) paid
    """,
    """
    INSERT INTO payment_share (payment_id, party, kind, amount, state, idempotency_key, routed_amount, organization_id,
      provider_route_id, routed_at)
    SELECT p.id, 'merchant:m' || (p.id * 3 + k) % 60, 'goods', 1200, 'routed', 's' || p.id || '-' || k, 1200,
      'org_' || 1000 + (p.id * 3 + k) % 60, 'crt_' || p.id || k, p.paid_at FROM payment p, generate_series(0, 2) k
    UNION ALL SELECT p.id, 'association', 'commission', 829, 'kept', NULL, NULL, NULL, NULL, NULL FROM payment p
    """,
    """
    INSERT INTO ledger_posting (key, kind, reference, at, actor)
    SELECT e.kind || ':' || p.id, e.kind, p.reference, p.paid_at, 'bench'
    FROM payment p, (VALUES ('paid'), ('allocated')) AS e (kind)
    UNION ALL SELECT 'routed:' || s.id, 'routed', p.reference, p.paid_at, 'bench'
    FROM payment_share s JOIN payment p ON p.id = s.payment_id WHERE s.state = 'routed'
    """,
    """
    INSERT INTO ledger_entry (posting_id, account, amount)
    SELECT l.id, e.account, e.amount FROM ledger_posting l JOIN (VALUES
      ('paid', 'holding', 4429), ('paid', 'residents:unmatched', -4429),
      ('allocated', 'residents:unmatched', 4429), ('allocated', 'association:commission', -829),
      ('routed', 'holding', -1200)) AS e (kind, account, amount) ON e.kind = l.kind
    UNION ALL SELECT l.id, s.party, e.sign * s.amount FROM payment_share s, ledger_posting l,
      (VALUES ('allocated', -1), ('routed', 1)) AS e (kind, sign)
    WHERE s.state = 'routed' AND l.key = CASE e.kind WHEN 'routed' THEN 'routed:' || s.id
      ELSE 'allocated:' || s.payment_id END
    """,
    f"""
    INSERT INTO provider_line (provider_env, provider_id, kind, amount, fee, payment_provider_id, created_at, read_at,
      is_booked)
    SELECT 'sandbox', 'baltr_' || lpad(p.id::text, 8, '0') || e.n, e.kind, e.amount, 0, p.provider_id, p.paid_at,
      p.paid_at, true
    FROM payment p, (VALUES (0, 'payment', 4429), (1, 'payment-fee', -105), (2, 'post-payment-split-payment', -1200),
      (3, 'post-payment-split-payment', -1200), (4, 'post-payment-split-payment', -1200)) AS e (n, kind, amount)
    WHERE {_IS_READ} ORDER BY p.id, e.n
    """,  # noqa: S608  # our own words
    """
    INSERT INTO ledger_posting (key, kind, reference, at, actor)
    SELECT 'fee:' || id, 'fee', payment_provider_id, created_at, 'bench' FROM provider_line WHERE kind = 'payment-fee'
    """,
    """
    INSERT INTO ledger_entry (posting_id, account, amount)
    SELECT id, 'holding', -105 FROM ledger_posting WHERE kind = 'fee'
    UNION ALL SELECT id, 'association:fees', 105 FROM ledger_posting WHERE kind = 'fee'
    """,
    "INSERT INTO ledger_unsealed (posting_id, at) SELECT id, at FROM ledger_posting",
    """
    INSERT INTO book_reading (provider_env, complete_id, read_at)
    SELECT 'sandbox', max(provider_id), max(read_at) FROM provider_line
    """,
)


class _Provider(BaseAdapter):
    """Answers at once: what is measured is our work, and not the way to Amsterdam."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        with database.reading() as session:
            rows = session.execute(
                text("SELECT provider_id, paid_at FROM payment WHERE paid_at > :since ORDER BY id"),
                {"since": NOW - RECONCILED * 1.1},
            ).all()
            shares = session.execute(
                text(
                    "SELECT p.provider_id, s.organization_id FROM payment_share s "
                    "JOIN payment p ON p.id = s.payment_id "
                    "WHERE s.routed_at > :since AND s.state = 'routed' ORDER BY s.id"
                ),
                {"since": NOW - RECONCILED},
            ).all()
        self.payments = [_payment(provider_id, paid_at.isoformat()) for provider_id, paid_at in rows]
        self.routes: dict[str, list[dict[str, Any]]] = {}
        for provider_id, organization_id in shares:
            self.routes.setdefault(provider_id, []).append(_route(provider_id, organization_id))
        self.lines = [
            _line(provider_id, n, kind, value, paid_at.isoformat())
            for provider_id, paid_at in reversed(rows)
            for n, kind, value in _OF_AN_ORDER
            if paid_at > NOW - 2 * DAY
        ]

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        path, query = url.path.removeprefix("/v2/"), {key: values[0] for key, values in parse_qs(url.query).items()}
        if path == "balances/primary":
            money = {"currency": "EUR", "value": str(ORDERS_QTY * (4429 - 3600 - 105) // 100) + ".00"}
            body: dict[str, Any] = {"availableAmount": money, "pendingAmount": {"currency": "EUR", "value": "0.00"}}
        elif path.endswith("/routes"):
            body = {"_embedded": {"routes": self.routes[path.split("/")[1]]}, "_links": {}}
        else:
            name = {"balances/primary/transactions": "balance_transactions"}.get(path, path)
            body = _page(name, {"payments": self.payments, "balance_transactions": self.lines}.get(name, []), query)
        response = requests.Response()
        response.status_code, response.request, response.encoding = 200, request, "utf-8"
        response.headers["Content-Type"] = "application/hal+json"
        response.raw = HTTPResponse(BytesIO(json.dumps(body).encode()), preload_content=False)
        return response

    def close(self) -> None:
        """There is nothing to close."""


_OF_AN_ORDER = (
    *((n, "post-payment-split-payment", "-12.00") for n in (4, 3, 2)),
    (1, "payment-fee", "-1.05"),
    (0, "payment", "44.29"),
)


def _page(name: str, items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    ids = [item["id"] for item in items]
    begin = ids.index(query["from"]) if query.get("from") in ids else 0
    end = begin + int(query["limit"])
    links = {"next": {"href": f"{ENDPOINT}/v2/{name}?from={ids[end]}"}} if end < len(ids) else {"next": None}
    return {"_embedded": {name: items[begin:end]}, "_links": links}


def _payment(provider_id: str, at: str) -> dict[str, Any]:
    return {
        "id": provider_id,
        "status": "paid",
        "mode": "test",
        "amount": {"currency": "EUR", "value": "44.29"},
        "createdAt": at,
        "paidAt": at,
        "_links": {},
    }


def _route(provider_id: str, organization_id: str) -> dict[str, Any]:
    return {
        "id": f"crt_{provider_id}{organization_id}",
        "paymentId": provider_id,
        "amount": {"currency": "EUR", "value": "12.00"},
        "destination": {"type": "organization", "organizationId": organization_id},
        "createdAt": NOW.isoformat(),
    }


def _line(provider_id: str, n: int, kind: str, value: str, at: str) -> dict[str, Any]:
    return {
        "id": f"baltr_{provider_id.removeprefix('tr_')}{n}",
        "type": kind,
        "resultAmount": {"currency": "EUR", "value": value},
        "context": {"paymentId": provider_id},
        "createdAt": at,
    }


def measure_reconciling(hall: Hall, report: Report) -> None:
    """The hall's database is empty, its pool holds one connection."""
    report.say(f"(f) `payments reconcile` after {ORDERS_QTY:,} orders: seconds of Python + PostgreSQL")
    with hall.database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in WRITTEN:
            statement = statement.replace(":qty", str(ORDERS_QTY)).replace(":now", f"'{NOW.isoformat()}'")
            session.execute(text(statement))
    tidy(hall.database)
    provider = _Provider(hall.database)
    gateway = Gateway(endpoint=ENDPOINT, api_key="test_bench", access_token="access_bench", transport=provider)
    hall = replace(hall, gateway=gateway, clock=FixedClock(NOW))
    pid = backend_pid(hall.database)
    database_before, server_before = backend_ns(pid), time.thread_time_ns()
    seen: dict[str, int] = {}

    def advance(what: str, qty: int) -> None:
        seen[what] = seen.get(what, 0) + qty

    outcome = nightly.reconcile(hall, advance=advance)
    server_s, database_s = (time.thread_time_ns() - server_before) / 1e9, (backend_ns(pid) - database_before) / 1e9
    told = ", ".join(f"{qty} {what}" for what, qty in sorted(seen.items()))
    report.at_most(
        "the nightly comparison", server_s + database_s, 20, f"{server_s:.2f} + {database_s:.2f}; asked for {told}"
    )
    report.exactly("the nightly comparison: differences", len(outcome.found), 0)
