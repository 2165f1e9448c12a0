"""What the worker does about the ledger by itself."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from marketplace.hall import Hall
from marketplace.ledger import handlers
from marketplace.ledger.models import Closing, Seal, Unsealed
from marketplace.ledger.proof import everything_broken
from tests.marketplace.ledger.book import tamper, utc, write_at_once


def test_whatever_waits_is_sealed_and_whatever_is_due_closed(hall: Hall) -> None:
    """Twelve weeks without a worker: more days than are closed in one transaction."""
    write_at_once(hall.database, *((f"p{n}", utc(1, 9, n, month=9), 100) for n in range(5)))
    handlers.seal_and_close(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(Seal.number).order_by(Seal.number)).all() == [1, 2, 3, 4, 5]
        assert session.scalars(select(Unsealed)).all() == []
        assert session.scalars(select(Closing.period)).all().count("day") == 84
        assert list(everything_broken(session)) == []


def test_a_change_of_long_ago_is_said_in_the_log_at_night(hall: Hall, caplog: pytest.LogCaptureFixture) -> None:
    write_at_once(hall.database, ("a", utc(1), 100))
    handlers.seal_and_close(hall)
    handlers.prove_the_book(hall)
    assert caplog.records == []
    for actor in ("nobody", "test"):
        with hall.database.transaction() as session:
            tamper(session, f"UPDATE ledger_posting SET actor = '{actor}'")
        handlers.prove_the_book(hall)
    assert [record.getMessage() for record in caplog.records] == [
        "ledger: number 1: posting a or its seal is not what was sealed"
    ]
