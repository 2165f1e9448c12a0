"""The database itself refuses to change the book, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import URL, create_engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.models import Posting, Unsealed
from marketplace.ledger.proof import everything_broken
from marketplace.ledger.service import post
from marketplace.migrating import migrate
from marketplace.money import Money
from tests.conftest import fresh_database
from tests.marketplace.ledger.book import seal_and_close, utc, write, write_at_once

TABLES = {
    "ledger_posting": "actor = 'x'",
    "ledger_entry": "amount = 1",
    "ledger_seal": "number = 9",
    "ledger_closing": "number = 9",
    "ledger_closing_total": "debit = 1",
}

#: Not of the book, and guarded like it.
BESIDE = ("commission_rate", "connection_event", "delivery_policy", "file_change")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("operation", ["UPDATE", "DELETE", "TRUNCATE"])
def test_nothing_in_the_book_is_changed_or_deleted(empty_database: Database, table: str, operation: str) -> None:
    write_at_once(empty_database, ("a", utc(24), 100))
    seal_and_close(empty_database, utc(25))
    statement = {
        "UPDATE": f"UPDATE {table} SET {TABLES[table]}",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }[operation]
    # What the statement names, or, for TRUNCATE, what it takes along first.
    refusal = f"ledger_\\w+ is append-only: {operation} is refused, a correction is a new row"
    with pytest.raises(DBAPIError, match=refusal), empty_database.transaction() as session:
        session.execute(text(statement))


def test_nothing_is_added_to_a_posting_of_an_earlier_transaction(empty_database: Database) -> None:
    write_at_once(empty_database, ("a", utc(24), 100))
    refusal = "was written by an earlier transaction: nothing is added to it"
    with pytest.raises(DBAPIError, match=refusal), empty_database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO ledger_entry (posting_id, account, amount)"
                " SELECT id, unnest(ARRAY['holding', 'merchant:m1']), unnest(ARRAY[5, -5]) FROM ledger_posting"
            )
        )


def test_a_posting_may_be_written_inside_a_savepoint(empty_database: Database) -> None:
    with empty_database.transaction() as session:
        with session.begin_nested():
            session.execute(
                text("INSERT INTO ledger_posting (key, kind, reference, at, actor) VALUES ('a', 'k', 'r', :at, 'x')"),
                {"at": utc(24)},
            )
        posting_id = session.scalars(select(Posting.id)).one()
        session.execute(
            text("INSERT INTO ledger_entry (posting_id, account, amount) VALUES (:id, 'a', 5), (:id, 'b', -5)"),
            {"id": posting_id},
        )


def test_whoever_posts_queues_the_posting_for_its_seal(session: Session) -> None:
    write(session, "a", utc(24))
    write(session, "a", utc(24))
    session.execute(
        text("INSERT INTO ledger_posting (key, kind, reference, at, actor) VALUES ('b', 'k', 'r', :at, 'x')"),
        {"at": utc(24)},
    )
    keys = select(Posting.key).join(Unsealed, Unsealed.posting_id == Posting.id).order_by(Posting.key)
    assert session.scalars(keys).all() == ["a", "b"]


@pytest.fixture
def house_of_before(server_url: URL) -> Iterator[Database]:
    """A database as it was before the seals, to another role of which everything was granted."""
    url = fresh_database(server_url, "market_before_seals", "template0")
    migrate(url, "0007")
    database = Database(url, pool_size=1)
    with database.transaction() as session:
        session.execute(text("DROP ROLE IF EXISTS market_app"))  # of a run that was killed
        session.execute(text("CREATE ROLE market_app"))
        session.execute(text("GRANT ALL ON ALL TABLES IN SCHEMA public TO market_app"))
        session.execute(text("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO market_app"))
        session.execute(
            text(
                "WITH p AS (INSERT INTO ledger_posting (key, kind, reference, at, actor)"
                " VALUES ('old', 'k', 'r', :at, 'x') RETURNING id)"
                " INSERT INTO ledger_entry (posting_id, account, amount)"
                " SELECT id, unnest(ARRAY['holding', 'merchant:m1']), unnest(ARRAY[5, -5]) FROM p"
            ),
            {"at": utc(20)},
        )
    yield database
    database.close()
    engine = create_engine(server_url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE market_before_seals WITH (FORCE)"))
        connection.execute(text("DROP ROLE market_app"))
    engine.dispose()


def test_the_book_of_before_is_sealed_and_another_role_may_only_read_and_add(house_of_before: Database) -> None:
    migrate(house_of_before.url)
    with house_of_before.reading() as session:
        held = session.execute(
            text(
                "SELECT t, has_table_privilege('market_app', t, 'SELECT, INSERT'),"
                " has_table_privilege('market_app', t, 'UPDATE, DELETE, TRUNCATE')"
                " FROM unnest(CAST(:tables AS text[])) t ORDER BY t"
            ),
            {"tables": [*TABLES, *BESIDE]},
        ).all()
    assert [tuple(row) for row in held] == [(table, True, False) for table in sorted([*TABLES, *BESIDE])]
    with house_of_before.transaction() as session:
        session.execute(text("SET LOCAL ROLE market_app"))
        entries = {accounts.HOLDING: Money(7), accounts.UNMATCHED: Money(-7)}
        post(session, key="new", kind="k", reference="r", entries=entries, actor="x", now=utc(20, 10))
    seal_and_close(house_of_before, utc(21))
    with house_of_before.reading() as session:
        assert list(everything_broken(session)) == []
        keys = "SELECT p.key FROM ledger_seal s JOIN ledger_posting p ON p.id = s.posting_id ORDER BY s.number"
        assert session.scalars(text(keys)).all() == ["old", "new"]
        session.execute(text("SET LOCAL ROLE market_app"))
        # What the settings said of the association's VAT was taken over, from the beginning on.
        statuses = session.execute(text("SELECT valid_from, vat_number, actor FROM vat_status")).all()
        assert [tuple(row) for row in statuses] == [(date(2000, 1, 1), "FR66000000018", "settings")]
        with pytest.raises(DBAPIError, match="permission denied for table ledger_entry"):
            session.execute(text("UPDATE ledger_entry SET amount = 1"))
