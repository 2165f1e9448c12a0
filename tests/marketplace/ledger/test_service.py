"""The book: what is written once stays, and sums to nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.models import Entry, Posting
from marketplace.ledger.proof import everything_broken
from marketplace.ledger.service import balance, balances, post
from marketplace.money import Money, divide

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
M1, M2 = accounts.merchant("m1"), accounts.merchant("m2")


def _post(session: Session, key: str, entries: dict[str, int]) -> bool:
    return post(
        session,
        key=key,
        kind="test",
        reference="AB12",
        entries={account: Money(cents) for account, cents in entries.items()},
        actor="test",
        now=NOW,
    )


def test_an_event_is_posted_once(session: Session) -> None:
    assert _post(session, "paid:1", {accounts.HOLDING: 4429, accounts.UNMATCHED: -4429}) is True
    assert _post(session, "paid:1", {accounts.HOLDING: 9999, accounts.UNMATCHED: -9999}) is False
    assert balance(session, accounts.HOLDING) == Money(4429)


def test_entries_that_do_not_sum_to_zero_are_refused_before_anything_is_written(session: Session) -> None:
    with pytest.raises(ValueError, match="does not sum to zero"):
        _post(session, "paid:1", {accounts.HOLDING: 4429, accounts.UNMATCHED: -4428})
    assert session.scalars(select(Posting.key)).all() == []


def test_an_account_that_gets_nothing_has_no_row(session: Session) -> None:
    _post(session, "allocated:1", {accounts.UNMATCHED: 500, M1: -500, accounts.DELIVERY: 0})
    assert session.scalars(select(Entry.account).order_by(Entry.account)).all() == [M1, accounts.UNMATCHED]


def test_balances_are_debits_less_credits(session: Session) -> None:
    """The worked example, paid, shared and partly routed."""
    _post(session, "paid:1", {accounts.HOLDING: 4429, accounts.UNMATCHED: -4429})
    _post(
        session,
        "allocated:1",
        {accounts.UNMATCHED: 4429, M1: -1835, M2: -1788, accounts.COMMISSION: -316, accounts.DELIVERY: -490},
    )
    _post(session, "routed:1", {M1: 1835, accounts.HOLDING: -1835})
    assert {account: total.cents for account, total in balances(session).items()} == {
        "association:commission": -316,
        "association:delivery": -490,
        "holding": 2594,
        "merchant:m1": 0,
        "merchant:m2": -1788,
        "residents:unmatched": 0,
    }
    assert balance(session, "merchant:nobody") == Money(0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    amount_cents=st.integers(1, 10**9),
    weights=st.lists(st.integers(1, 10**6), min_size=1, max_size=10),
)
def test_whatever_is_shared_the_book_sums_to_zero(
    empty_database: Database, amount_cents: int, weights: list[int]
) -> None:
    with empty_database.reading() as session:
        shares = divide(Money(-amount_cents), weights)
        entries = {f"merchant:{number}": share.cents for number, share in enumerate(shares)}
        _post(session, "allocated:1", {accounts.UNMATCHED: amount_cents, **entries})
        assert sum(total.cents for total in balances(session).values()) == 0
        assert list(everything_broken(session)) == []
