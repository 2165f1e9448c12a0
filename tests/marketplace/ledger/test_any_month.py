"""Late or early, sealed at once or after days: the journal, its closings and the balances agree with the rows."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.db import Database
from marketplace.ledger.closing import close_due
from marketplace.ledger.proof import everything_broken, newly_broken
from marketplace.ledger.queries import balances_until
from marketplace.ledger.sealing import seal
from marketplace.ledger.service import balances
from tests.marketplace.ledger.book import M1, M2, utc, write

#: A step: hours that pass, then a posting so many hours before or after now, or a seal, or a closing.
STEPS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.one_of(
            st.tuples(st.just("post"), st.integers(-60, 5), st.integers(-500, 500), st.sampled_from([M1, M2])),
            st.tuples(st.just("seal"), st.integers(1, 5)),
            st.tuples(st.just("close")),
        ),
    ),
    min_size=12,  # shorter ones rarely get as far as a closing
    max_size=30,
)

_BY_ROWS = text(
    "SELECT s.booked_on, e.account, e.amount FROM ledger_seal s JOIN ledger_entry e ON e.posting_id = s.posting_id"
)
_CLOSED = text(
    "SELECT * FROM ledger_closing JOIN ledger_closing_total ON number = closing_number ORDER BY number, account"
)


def _held_by_rows(session: Session, day: date) -> dict[str, int]:
    held: Counter[str] = Counter()
    for booked_on, account, cents in session.execute(_BY_ROWS):
        if booked_on <= day:
            held[account] += cents
    return {account: cents for account, cents in held.items() if cents}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_book_agrees_with_itself_whatever_comes_when(
    empty_database: Database, steps: list[tuple[int, tuple[Any, ...]]]
) -> None:
    now = utc(24, month=10)
    with empty_database.reading() as session:
        told: list[tuple[Any, ...]] = []
        for n, (hours, (what, *how)) in enumerate(steps):
            now += timedelta(hours=hours)
            if what == "post":
                hours_off, cents, to = how
                write(session, f"p{n}", now + timedelta(hours=hours_off), cents, to=to)
            elif what == "seal":
                seal(session, now=now, most=how[0])
            else:
                close_due(session, now=now)
            closed = [tuple(row) for row in session.execute(_CLOSED)]
            assert closed[: len(told)] == told, "a closing was changed"
            told = closed
        assert list(everything_broken(session)) == []
        assert list(newly_broken(session)) == []
        assert balances_until(session) == balances(session)
        for days in range(-4, 2):
            day = local_day(now) + timedelta(days=days)
            held = {account: total.cents for account, total in balances_until(session, day).items() if total}
            assert held == _held_by_rows(session, day)
