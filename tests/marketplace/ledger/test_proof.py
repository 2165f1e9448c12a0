"""Whatever somebody with a console changes in the book is found, and the sentence says where."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from marketplace.db import Database
from marketplace.ledger import proof
from marketplace.ledger.proof import everything_broken, newly_broken
from marketplace.ledger.sealing import seal
from tests.marketplace.ledger.book import M1, M2, seal_and_close, tamper, utc, write, write_at_once

#: What was done → the statements, and what the proof says of it.
CHANGES: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "an amount, on both sides": (
        ("UPDATE ledger_entry SET amount = amount * 2 WHERE posting_id = 2",),
        [
            "number 2: posting two or its seal is not what was sealed",
            "closing 1 (day of 2026-11-23): holding has 3.00 debited and 0.00 credited until then;"
            " with its rows it would have 5.00 debited and 0.00 credited until then",
            "closing 1 (day of 2026-11-23): merchant:m1 has 0.00 debited and 3.00 credited until then;"
            " with its rows it would have 0.00 debited and 5.00 credited until then",
        ],
    ),
    "an amount, on one side": (
        ("UPDATE ledger_entry SET amount = 101 WHERE posting_id = 3 AND amount = 100",),
        [
            "number 3: posting three or its seal is not what was sealed",
            "number 3: posting three is off by 1 cents",
        ],
    ),
    "the account": (
        ("UPDATE ledger_entry SET account = 'merchant:m2' WHERE posting_id = 3 AND amount < 0",),
        ["number 3: posting three or its seal is not what was sealed"],
    ),
    "the instant": (
        ("UPDATE ledger_posting SET at = at + interval '1 microsecond' WHERE id = 3",),
        ["number 3: posting three or its seal is not what was sealed"],
    ),
    "who did it": (
        ("UPDATE ledger_posting SET actor = 'nobody' WHERE id = 1",),
        ["number 1: posting one or its seal is not what was sealed"],
    ),
    "the day it counts for": (
        ("UPDATE ledger_seal SET booked_on = '2026-11-22' WHERE number = 3",),
        [
            "number 3: posting three or its seal is not what was sealed",
            "number 3 counts for 2026-11-22, and the number before it for 2026-11-23",
            "closing 1 (day of 2026-11-23) leaves out number 3, which counts for 2026-11-22",
        ],
    ),
    "an entry taken out": (
        ("DELETE FROM ledger_entry WHERE posting_id = 3 AND amount > 0",),
        [
            "number 3: posting three or its seal is not what was sealed",
            "number 3: posting three is off by -100 cents",
        ],
    ),
    "a pair of entries put in": (
        ("INSERT INTO ledger_entry (posting_id, account, amount) VALUES (3, 'a', 5), (3, 'b', -5)",),
        ["number 3: posting three or its seal is not what was sealed"],
    ),
    "a posting taken out": (
        ("DELETE FROM ledger_entry WHERE posting_id = 3", "DELETE FROM ledger_posting WHERE id = 3"),
        ["number 3: posting 3 is gone"],
    ),
    "a posting taken out, its entries left": (
        ("DELETE FROM ledger_posting WHERE id = 3",),
        [
            "entry of a posting that is gone: 5, holding, 100",
            "entry of a posting that is gone: 6, merchant:m1, -100",
            "number 3: posting 3 is gone",
        ],
    ),
    "a posting and its seal taken out": (
        (
            "DELETE FROM ledger_entry WHERE posting_id = 3",
            "DELETE FROM ledger_posting WHERE id = 3",
            "DELETE FROM ledger_seal WHERE number = 3",
        ),
        ["numbers 3 to 3 are missing", "number 4: posting four or its seal is not what was sealed"],
    ),
    "a posting put in": (
        (
            "INSERT INTO ledger_posting (key, kind, reference, at, actor) VALUES ('x', 'k', 'r', '2026-11-23', 'x')",
            "INSERT INTO ledger_entry (posting_id, account, amount) SELECT max(id), 'a', 5 FROM ledger_posting",
            "INSERT INTO ledger_entry (posting_id, account, amount) SELECT max(id), 'b', -5 FROM ledger_posting",
        ),
        ["posting is neither sealed nor waiting for it: it was put in behind the book's back: x"],
    ),
    "two that changed places": (
        (
            "ALTER TABLE ledger_seal DROP CONSTRAINT uq_ledger_seal_posting_id",
            "UPDATE ledger_seal SET posting_id = 7 - posting_id WHERE number IN (3, 4)",
        ),
        [
            "number 3: posting four or its seal is not what was sealed",
            "number 4: posting three or its seal is not what was sealed",
        ],
    ),
    "a seal's own hash": (
        ("UPDATE ledger_seal SET hash = sha256('x') WHERE number = 3",),
        [
            "number 3: posting three or its seal is not what was sealed",
            "number 4: posting four or its seal is not what was sealed",
        ],
    ),
    "the hash that a closing ends with": (
        ("UPDATE ledger_seal SET hash = sha256('x') WHERE number = 2",),
        [
            "number 2: posting two or its seal is not what was sealed",
            "number 3: posting three or its seal is not what was sealed",
            "closing 1 (day of 2026-11-23) ends with a hash that number 2 does not have",
        ],
    ),
    "the newest seals and postings, all of them, before the last closing": (
        (
            "DELETE FROM ledger_entry WHERE posting_id >= 2",
            "DELETE FROM ledger_posting WHERE id >= 2",
            "DELETE FROM ledger_seal WHERE number >= 2",
            "DELETE FROM ledger_unsealed",
        ),
        [
            "closing 1 (day of 2026-11-23) ends with a hash that number 2 does not have",
            "closing 1 (day of 2026-11-23): holding has 3.00 debited and 0.00 credited until then;"
            " with its rows it would have 1.00 debited and 0.00 credited until then",
            "closing 1 (day of 2026-11-23): merchant:m1 has 0.00 debited and 3.00 credited until then;"
            " with its rows it would have 0.00 debited and 1.00 credited until then",
        ],
    ),
    "the sums of a closing": (
        ("UPDATE ledger_closing_total SET debit = 301, ever_debit = 301 WHERE account = 'holding'",),
        [
            "closing 1 (day of 2026-11-23) or its sums are not what was closed",
            "closing 1 (day of 2026-11-23): holding has 3.01 debited and 0.00 credited until then;"
            " with its rows it would have 3.00 debited and 0.00 credited until then",
        ],
    ),
    "the period's sum alone": (
        ("UPDATE ledger_closing_total SET debit = 299 WHERE account = 'holding'",),
        [
            "closing 1 (day of 2026-11-23) or its sums are not what was closed",
            "closing 1 (day of 2026-11-23): its sums and those until the day before are not those until its end",
        ],
    ),
    "the end of a closing": (
        ("UPDATE ledger_closing SET last_number = 3",),
        [
            "closing 1 (day of 2026-11-23) or its sums are not what was closed",
            "closing 1 (day of 2026-11-23) ends with a hash that number 3 does not have",
            "closing 1 (day of 2026-11-23) ends with number 3, which counts for 2026-11-24",
            "closing 1 (day of 2026-11-23): holding has 3.00 debited and 0.00 credited until then;"
            " with its rows it would have 4.00 debited and 0.00 credited until then",
            "closing 1 (day of 2026-11-23): merchant:m1 has 0.00 debited and 3.00 credited until then;"
            " with its rows it would have 0.00 debited and 4.00 credited until then",
        ],
    ),
    "a closing's number": (
        ("UPDATE ledger_closing SET number = 2", "UPDATE ledger_closing_total SET closing_number = 2"),
        ["closing 2 (day of 2026-11-23) stands where number 1, the day of 2026-11-23, is expected"],
    ),
    "one that waits": (
        ("UPDATE ledger_entry SET amount = 101 WHERE posting_id = 5 AND amount = 100",),
        ["posting is off by so many cents: five, 1"],
    ),
    "one that waits, taken out": (
        ("DELETE FROM ledger_entry WHERE posting_id = 5", "DELETE FROM ledger_posting WHERE id = 5"),
        ["posting waits for a seal and is gone, or has one: 5"],
    ),
    "one that was sealed, queued again": (
        ("INSERT INTO ledger_unsealed SELECT id, at FROM ledger_posting WHERE id = 1",),
        ["posting waits for a seal and is gone, or has one: 1"],
    ),
}


@pytest.fixture
def book(empty_database: Database) -> Database:
    """Two postings of a closed day, two of the next, and one that waits for its seal."""
    with empty_database.transaction() as session:
        write(session, "one", utc(23, 9), 100, to=M1)
        write(session, "two", utc(23, 10), 200, to=M1)
    seal_and_close(empty_database, utc(24, 9))
    with empty_database.transaction() as session:
        write(session, "three", utc(24, 10), 100, to=M1)
        write(session, "four", utc(24, 11), 400, to=M2)
    seal_and_close(empty_database, utc(24, 12))
    write_at_once(empty_database, ("five", utc(24, 13), 100))
    return empty_database


def test_a_book_that_nobody_touched_is_right(book: Database) -> None:
    with book.reading() as session:
        assert (list(everything_broken(session)), list(newly_broken(session))) == ([], [])


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_found(book: Database, change: str) -> None:
    statements, said = CHANGES[change]
    with book.reading() as session:
        tamper(session, *statements)
        assert list(everything_broken(session)) == said


#: What the look of every ten minutes leaves to the nightly one: it reads nothing before the newest closing, and not
#: all the rows in search of strays.
LEFT_TO_THE_NIGHT = {
    "an amount, on both sides",
    "who did it",
    "a posting put in",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_cheap_look_finds_what_was_changed_since_the_newest_closing_and_in_the_closings(
    book: Database, change: str
) -> None:
    with book.reading() as session:
        tamper(session, *CHANGES[change][0])
        assert (list(newly_broken(session)) == []) == (change in LEFT_TO_THE_NIGHT)


def test_a_closing_taken_out_is_missed_by_the_one_after_it(book: Database) -> None:
    seal_and_close(book, utc(26))
    with book.reading() as session:
        tamper(session, "DELETE FROM ledger_closing WHERE number = 2")
        expected = "closing 3 (day of 2026-11-25) stands where number 2, the day of 2026-11-24, is expected"
        assert expected in list(everything_broken(session))
        assert expected in list(newly_broken(session))


def test_a_change_is_found_wherever_the_steps_of_the_proof_begin_and_end(
    book: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "STEP_QTY", 1)
    with book.reading() as session:
        assert list(everything_broken(session)) == []
        tamper(
            session,
            "DELETE FROM ledger_entry WHERE posting_id IN (2, 3)",
            "DELETE FROM ledger_posting WHERE id IN (2, 3)",
            "DELETE FROM ledger_seal WHERE number IN (2, 3)",
        )
        said = list(everything_broken(session))
    assert said[:2] == ["numbers 2 to 3 are missing", "number 4: posting four or its seal is not what was sealed"]


def test_the_progress_adds_up_to_all_the_work(book: Database) -> None:
    steps: list[int] = []
    with book.reading() as session:
        assert list(everything_broken(session, advance=steps.append)) == []
        assert proof.work_qty(session) == 6
    assert steps == [4, 2]


def test_a_forger_of_everything_is_found_by_the_hash_that_was_kept_elsewhere(book: Database) -> None:
    """Whoever writes all the seals anew has a book without a fault, but not the one whose last hash was printed."""
    with book.reading() as session:
        kept = session.scalar(text("SELECT hash FROM ledger_seal WHERE number = 4"))
        tamper(
            session,
            "UPDATE ledger_entry SET amount = amount * 2 WHERE posting_id = 2",
            "INSERT INTO ledger_unsealed SELECT id, at FROM ledger_posting WHERE id < 5",
            "DELETE FROM ledger_closing_total",
            "DELETE FROM ledger_closing",
            "DELETE FROM ledger_seal",
        )
        seal(session, now=utc(24, 12))
        assert list(everything_broken(session)) == []
        assert session.scalar(text("SELECT hash FROM ledger_seal WHERE number = 4")) != kept
