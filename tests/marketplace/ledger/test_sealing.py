"""Every posting gets its number, its day and its hash, without a gap, whoever commits when."""

from __future__ import annotations

import hashlib
import json
from datetime import date

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.models import Posting, Seal, Unsealed
from marketplace.ledger.sealing import seal
from marketplace.ledger.service import post
from marketplace.money import Money
from tests.marketplace.ledger.book import seal_and_close, tamper, utc, write, write_at_once


def _sealed(database: Database) -> list[tuple[int, str, date]]:
    """Number, key and day of each."""
    with database.reading() as session:
        rows = session.execute(
            select(Seal.number, Posting.key, Seal.booked_on)
            .join(Posting, Posting.id == Seal.posting_id)
            .order_by(Seal.number)
        )
        return [(row[0], row[1], row[2]) for row in rows]


def test_postings_are_numbered_by_their_instants_as_they_come_to_light(empty_database: Database) -> None:
    write_at_once(empty_database, ("b", utc(24, 10), 1), ("a", utc(24, 9), 2))
    with empty_database.transaction() as session:
        assert seal(session, now=utc(24, 11)) == 2
    write_at_once(empty_database, ("c", utc(24, 9, 30), 3))
    with empty_database.transaction() as session:
        assert seal(session, now=utc(24, 11)) == 1
        assert seal(session, now=utc(24, 11)) == 0
        assert session.scalars(select(Unsealed)).all() == []
    day = date(2026, 11, 24)
    assert _sealed(empty_database) == [(1, "a", day), (2, "b", day), (3, "c", day)]


def test_a_transaction_that_commits_late_is_sealed_later_and_leaves_no_gap(empty_database: Database) -> None:
    with empty_database.transaction() as late:
        write(late, "late", utc(24, 9))
        write_at_once(empty_database, ("quick", utc(24, 10), 100))
        seal_and_close(empty_database, utc(24, 11))
        assert [key for _, key, _ in _sealed(empty_database)] == ["quick"]
    seal_and_close(empty_database, utc(24, 12))
    assert [(number, key) for number, key, _ in _sealed(empty_database)] == [(1, "quick"), (2, "late")]


def test_what_is_rolled_back_leaves_no_gap(empty_database: Database) -> None:
    for key in ("one", "two"):
        with pytest.raises(ZeroDivisionError), empty_database.transaction() as session:
            write(session, f"not {key}", utc(24))
            raise ZeroDivisionError
        write_at_once(empty_database, (key, utc(24), 100))
    seal_and_close(empty_database, utc(24))
    assert [(number, key) for number, key, _ in _sealed(empty_database)] == [(1, "one"), (2, "two")]


def test_only_so_many_are_sealed_at_once(empty_database: Database) -> None:
    write_at_once(empty_database, *((f"p{n}", utc(24, 9, n), 100) for n in range(5)))
    with empty_database.transaction() as session:
        assert [seal(session, now=utc(24), most=2) for _ in range(4)] == [2, 2, 1, 0]
    assert [key for _, key, _ in _sealed(empty_database)] == ["p0", "p1", "p2", "p3", "p4"]


def test_two_never_seal_at_the_same_time(empty_database: Database) -> None:
    write_at_once(empty_database, ("a", utc(24), 100))
    with empty_database.transaction() as one:
        assert seal(one, now=utc(24)) == 1
        with empty_database.transaction() as other:
            assert seal(other, now=utc(24)) == 0
    assert [number for number, _, _ in _sealed(empty_database)] == [1]


def test_posting_does_not_wait_for_the_sealing(empty_database: Database) -> None:
    write_at_once(empty_database, ("a", utc(24), 100))
    with empty_database.transaction() as session:
        seal(session, now=utc(24))
        write_at_once(empty_database, ("b", utc(24), 100))
    assert [key for _, key, _ in _sealed(empty_database)] == ["a"]


def test_a_late_posting_counts_for_the_first_day_that_is_open(empty_database: Database) -> None:
    write_at_once(empty_database, ("on monday", utc(23), 100))
    seal_and_close(empty_database, utc(24, 9))
    write_at_once(empty_database, ("late", utc(23, 10), 100), ("on tuesday", utc(24, 8), 100))
    seal_and_close(empty_database, utc(24, 10))
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    assert _sealed(empty_database) == [(1, "on monday", monday), (2, "late", tuesday), (3, "on tuesday", tuesday)]


def test_days_never_go_back_as_numbers_go_on(empty_database: Database) -> None:
    """Monday is not closed yet, but Tuesday has begun in the journal."""
    write_at_once(empty_database, ("on tuesday", utc(23, 23, 1), 100))
    with empty_database.transaction() as session:
        seal(session, now=utc(23, 23, 2))
    write_at_once(empty_database, ("on monday", utc(23, 22, 59), 100))
    with empty_database.transaction() as session:
        seal(session, now=utc(23, 23, 3))
    tuesday = date(2026, 11, 24)
    assert _sealed(empty_database) == [(1, "on tuesday", tuesday), (2, "on monday", tuesday)]


def test_the_hash_is_the_one_that_anybody_can_take_from_the_written_form(session: Session) -> None:
    """Nasty names included; accounts in the order of their code points."""
    entries = {"merchant:é": Money(-5), "merchant:Z": Money(-7), "merchant:a": Money(2), accounts.HOLDING: Money(10)}
    now = utc(24).replace(microsecond=120)
    post(session, key='k"\\', kind="test", reference="a\tb", entries=entries, actor="Zoé\x7f€😀", now=now)
    post(session, key="empty", kind="test", reference="", entries={}, actor="test", now=utc(24, 10))
    seal(session, now=utc(24, 11))
    ids = session.scalars(select(Posting.id).order_by(Posting.id)).all()
    first = (
        f'[1, "2026-11-24", "2026-11-24T11:00:00.000000Z", {ids[0]}, "k\\"\\\\", "test", "a\\tb",'
        ' "2026-11-24T09:00:00.000120Z", "Zoé\x7f€😀",'
        ' [["holding", 10], ["merchant:Z", -7], ["merchant:a", 2], ["merchant:é", -5]]]'
    )
    assert json.dumps(json.loads(first), ensure_ascii=False) == first
    second = (
        f'[2, "2026-11-24", "2026-11-24T11:00:00.000000Z", {ids[1]}, "empty", "test", "",'
        ' "2026-11-24T10:00:00.000000Z", "test", null]'
    )
    hash_first = hashlib.sha256(bytes(32) + first.encode()).digest()
    hash_second = hashlib.sha256(hash_first + second.encode()).digest()
    assert session.scalars(select(Seal.hash).order_by(Seal.number)).all() == [hash_first, hash_second]


def test_the_hash_is_the_same_in_whatever_zone_the_session_lives(session: Session) -> None:
    write(session, "a", utc(24))
    session.execute(text("SET LOCAL timezone = 'Pacific/Auckland'"))
    seal(session, now=utc(24))
    posting_id = session.scalars(select(Posting.id)).one()
    content = (
        f'[1, "2026-11-24", "2026-11-24T09:00:00.000000Z", {posting_id}, "a", "test", "AB12",'
        ' "2026-11-24T09:00:00.000000Z", "test", [["holding", 100], ["residents:unmatched", -100]]]'
    )
    assert session.scalars(select(Seal.hash)).one() == hashlib.sha256(bytes(32) + content.encode()).digest()


def test_control_two_who_read_the_last_number_want_the_same_next_one(empty_database: Database) -> None:
    """What the lock spares us, and the wall behind it."""
    write_at_once(empty_database, ("a", utc(24), 100), ("b", utc(24), 100))
    numbered = insert(Seal).values(number=1, booked_on=date(2026, 11, 24), sealed_at=utc(24), hash=bytes(32))
    with pytest.raises(IntegrityError, match="pk_ledger_seal"), empty_database.reading() as session:
        session.execute(numbered.values(posting_id=1))
        session.execute(numbered.values(posting_id=2))


@pytest.mark.parametrize(
    ("fault", "refusal"),
    [
        ("INSERT INTO ledger_unsealed SELECT id, at FROM ledger_posting", "uq_ledger_seal_posting_id"),
        ("INSERT INTO ledger_unsealed VALUES (99, '2026-11-24 09:00Z')", "fk_ledger_seal_posting_id"),
    ],
)
def test_a_fault_in_the_queue_stops_the_sealing(session: Session, fault: str, refusal: str) -> None:
    write(session, "a", utc(24))
    seal(session, now=utc(24))
    tamper(session, fault, "SET LOCAL session_replication_role = origin")
    with pytest.raises(IntegrityError, match=refusal):
        seal(session, now=utc(24))
