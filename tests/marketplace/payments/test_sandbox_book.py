"""The sandbox's own book under any course of events: nothing is lost, nothing appears (mollie.md 6, I2)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.marketplace.payments.sandbox_bodies import euros, payment_body, refund_body, route_body
from tests.sandbox_server import TOKEN, Sandbox, running_sandbox

ORGANIZATIONS = ("org_12345", "org_67890")
HOURS_S = 3600

CENTS = st.integers(min_value=1, max_value=2_000)
EVENT = st.one_of(
    st.tuples(st.just("pay"), CENTS, st.just(0)),
    st.tuples(st.just("pay upfront"), CENTS, st.integers(0, 3)),
    st.tuples(st.just("leave open"), CENTS, st.just(0)),
    st.tuples(st.just("route"), CENTS, st.integers(0, 1)),
    st.tuples(st.just("refund"), CENTS, st.just(0)),
    st.tuples(st.just("refund with reversal"), CENTS, st.integers(0, 1)),
    st.tuples(st.just("refund all"), st.just(1), st.just(0)),
    st.tuples(st.just("fail refund"), st.just(1), st.integers(0, 5)),
    st.tuples(st.just("cancel refund"), st.just(1), st.integers(0, 5)),
    st.tuples(st.just("charge back"), CENTS, st.just(0)),
    st.tuples(st.just("win dispute"), st.just(1), st.integers(0, 5)),
    st.tuples(st.just("pay out"), st.just(1), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([2, 30, 24 * 91]), st.just(0)),
)


def value(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for all courses: what one leaves behind is the next one's past, and the sums still hold."""
    book: Path = tmp_path_factory.mktemp("book") / "book.sqlite"
    with running_sandbox(book=book, access_tokens=(TOKEN,)) as running:
        running.set_fee(180, 25)
        for organization_id in ORGANIZATIONS:
            running.register_organization(organization_id)
        yield running


class Course:
    """One course of events; whatever the sandbox refuses does not happen."""

    def __init__(self, town: Sandbox) -> None:
        self.town = town
        self.payments: list[str] = []
        self.refunds: list[tuple[str, str]] = []
        self.chargebacks: list[str] = []

    def do(self, name: str, number: int, which: int) -> None:
        if name in ("pay", "pay upfront", "leave open"):
            self._pay(name, number, which)
        elif name == "wait":
            self.town.advance_clock(number * HOURS_S)
        elif name == "pay out":
            self._control("settlements", {})
        elif name == "fail refund" and self.refunds:
            self._control(f"refunds/{self.refunds[which % len(self.refunds)][1]}/fail", {})
        elif name == "cancel refund" and self.refunds:
            payment_id, refund_id = self.refunds[which % len(self.refunds)]
            self.town.call("DELETE", f"payments/{payment_id}/refunds/{refund_id}")
        elif name == "win dispute" and self.chargebacks:
            self._control(f"chargebacks/{self.chargebacks[which % len(self.chargebacks)]}/reverse", {})
        elif self.payments:
            self._touch(self.payments[-1], name, number, which)

    def _pay(self, name: str, cents: int, which: int) -> None:
        body = payment_body(value(cents))
        if name == "pay upfront":
            release_on = (self._now() + timedelta(days=which)).date().isoformat()
            share = route_body(value(max(1, cents // 3)))
            body["routing"] = [share, {**share, "destination": {**share["destination"], "organizationId": "org_67890"}}]
            if which > 0:
                body["routing"][0] = {**share, "releaseDate": release_on}
        answer = self.town.call("POST", "payments", body)
        if answer.status_code == 201:
            self.payments.append(answer.json()["id"])
            if name != "leave open":
                self.town.pay(self.payments[-1], notify=False)

    def _touch(self, payment_id: str, name: str, cents: int, which: int) -> None:
        if name == "route":
            self.town.call("POST", f"payments/{payment_id}/routes", route_body(value(cents), ORGANIZATIONS[which]))
        elif name == "charge back":
            answer = self._control(f"payments/{payment_id}/chargeback", {"amount": euros(value(cents))})
            if "id" in answer:
                self.chargebacks.append(answer["id"])
        else:
            self._refund(payment_id, name, cents, which)

    def _refund(self, payment_id: str, name: str, cents: int, which: int) -> None:
        body = refund_body(value(cents))
        if name == "refund with reversal":
            body = refund_body(value(cents), (ORGANIZATIONS[which], value(max(1, cents // 2))))
        elif name == "refund all":
            whole = self.town.call("GET", f"payments/{payment_id}").json()["amount"]
            body = {**body, "amount": whole, "reverseRouting": True}
        answer = self.town.call("POST", f"payments/{payment_id}/refunds", body)
        if answer.status_code == 201:
            self.refunds.append((payment_id, answer.json()["id"]))

    def _control(self, path: str, body: Any) -> Any:
        return self.town.http.post(f"{self.town.url}/_sandbox/{path}", json=body, timeout=20).json()

    def _now(self) -> datetime:
        return datetime.fromisoformat(self.town.book()["now"]).astimezone(UTC)


def assert_adds_up(town: Sandbox) -> None:
    """What all organisations have is what residents paid, less what went back to them, fees, and what was paid out."""
    book = town.book()
    payments = [payment for profile in book["profiles"] for payment in profile["payments"]]
    paid = [payment for payment in payments if payment["status"] == "paid"]
    gone = sum(
        refund["amount_cents"]
        for payment in paid
        for refund in payment["refunds"]
        if refund["status"] in ("pending", "processing", "refunded")
    )
    disputed = sum(
        chargeback["amount_cents"]
        for payment in paid
        for chargeback in payment["chargebacks"]
        if not chargeback["is_reversed"]
    )
    fees = sum((2 * payment["amount_cents"] * 180 + 10_000) // 20_000 + 25 for payment in paid)
    settled = town.call("GET", "settlements?limit=250", key=TOKEN).json()["_embedded"]["settlements"]
    paid_out = sum(int(item["amount"]["value"].replace(".", "")) for item in settled)
    merchants = sum(organization["balance_cents"] for organization in book["organizations"])
    platform = sum(profile["balances_cents"]["EUR"] for profile in book["profiles"])
    assert merchants + platform == sum(payment["amount_cents"] for payment in paid) - gone - disputed - fees - paid_out
    assert all(payment["reversed_cents"] <= payment["routed_cents"] <= payment["amount_cents"] for payment in paid)
    assert all(
        0 <= organization["held_cents"] <= organization["balance_cents"] for organization in book["organizations"]
    )


@seed(20261122)
@settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events=st.lists(EVENT, min_size=5, max_size=15))
def test_nothing_is_lost_and_nothing_appears(town: Sandbox, events: list[tuple[str, int, int]]) -> None:
    course = Course(town)
    for event in events:
        course.do(*event)
    assert_adds_up(town)


def test_a_line_of_one_cent_too_many_is_noticed(tmp_path: Path) -> None:
    """A control: the sums above are no tautology."""
    path = tmp_path / "book.sqlite"
    with running_sandbox(book=path, access_tokens=(TOKEN,)) as running:
        running.set_fee(180, 25)
        course = Course(running)
        course.do("pay", 1000, 0)
        assert_adds_up(running)
        with sqlite3.connect(path) as db:
            db.execute(
                "INSERT INTO balance_transactions (id, organization_id, currency, type, amount_cents, held_cents,"
                " created_at) SELECT 'baltr_planted', organization_id, currency, type, 1, 0, created_at"
                " FROM balance_transactions LIMIT 1"
            )
        db.close()
        with pytest.raises(AssertionError):
            assert_adds_up(running)


def test_a_book_from_before_there_were_lines_is_gone_through_once(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite"
    with running_sandbox(book=path, access_tokens=(TOKEN,)) as running:
        running.register_organization("org_12345")
        course = Course(running)
        for event in [
            ("pay", 1000, 0),
            ("route", 600, 0),
            ("refund with reversal", 200, 0),
            ("charge back", 300, 0),
            ("win dispute", 1, 0),
            ("charge back", 100, 0),
        ]:
            course.do(*event)
        before = running.book()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE balance_transactions")
        db.execute("DROP TABLE holds")
    db.close()
    for _ in range(2):
        with running_sandbox(book=path, access_tokens=(TOKEN,)) as running:
            after = running.book()
            assert after["organizations"] == before["organizations"]
            assert after["profiles"] == before["profiles"]
            balance = running.call("GET", "balances/primary?testmode=true", key=TOKEN).json()
            assert balance["pendingAmount"] == euros("2.00")
