from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.jobs import publish, subscribe
from marketplace.ledger.models import Entry, Posting
from marketplace.money import Money

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def _posting(session: Session, *amounts: int) -> Posting:
    posting = Posting(key="t:1", kind="test", reference="r", at=NOW, actor="test")
    session.add(posting)
    session.flush()
    session.add_all(Entry(posting_id=posting.id, account=f"a{i}", amount=Money(a)) for i, a in enumerate(amounts))
    return posting


def test_a_transaction_commits_on_return_and_rolls_back_on_error(empty_database: Database) -> None:
    with empty_database.transaction() as session:
        _posting(session, 100, -100)
    with pytest.raises(ZeroDivisionError), empty_database.transaction() as session:
        session.add(Posting(key="t:2", kind="test", reference="r", at=NOW, actor="test"))
        session.flush()
        raise ZeroDivisionError
    with empty_database.reading() as session:
        assert session.execute(text("SELECT key FROM ledger_posting")).scalars().all() == ["t:1"]


def test_a_posting_that_does_not_sum_to_zero_cannot_commit(empty_database: Database) -> None:
    with pytest.raises(DBAPIError, match="does not sum to zero"), empty_database.transaction() as session:
        _posting(session, 100, -99)


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger_entry SET amount = 1", "DELETE FROM ledger_entry", "TRUNCATE ledger_entry CASCADE"]
)
def test_the_ledger_is_append_only(empty_database: Database, statement: str) -> None:
    with empty_database.transaction() as session:
        _posting(session, 100, -100)
    with pytest.raises(DBAPIError, match="append-only"), empty_database.transaction() as session:
        session.execute(text(statement))


def test_a_fact_is_published_only_if_its_transaction_commits(empty_database: Database) -> None:
    subscribe("test.fact")(_listener)
    with empty_database.transaction() as session:
        publish(session, "test.fact", thing_id=7)
    with pytest.raises(ZeroDivisionError), empty_database.transaction() as session:
        publish(session, "test.fact", thing_id=8)
        raise ZeroDivisionError
    with empty_database.reading() as session:
        jobs = session.execute(text("SELECT task_name, args FROM procrastinate_jobs")).all()
    assert [(name.rpartition(".")[2], args) for name, args in jobs] == [("_listener", {"thing_id": 7})]


def _listener(hall: object, thing_id: int) -> None:
    """Only registered here; the worker's tests run handlers."""


def test_a_session_gives_up_on_locks_and_idle_transactions(session: Session) -> None:
    shown = {
        name: session.execute(text(f"SHOW {name}")).scalar_one()
        for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "jit")
    }
    assert shown == {
        "lock_timeout": "3s",
        "statement_timeout": "15s",
        "idle_in_transaction_session_timeout": "10s",
        "jit": "off",
    }


def test_an_error_of_the_database_does_not_tell_what_was_written(empty_database: Database) -> None:
    """Its text goes into the log, and what is written are names, addresses and tokens."""
    with pytest.raises(DBAPIError, match="division by zero") as error, empty_database.reading() as session:
        session.execute(text("SELECT 1 / 0 WHERE :typed <> ''"), {"typed": "12 rue de Montmoreau"})
    assert "Montmoreau" not in str(error.value)
