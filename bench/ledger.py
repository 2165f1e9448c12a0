"""(e) The ledger of a year: 100,000 orders sealed, closed and proved; seconds of this process and its database."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime

import psutil
from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.measuring import backend_ns, backend_pid
from bench.reporting import Report
from bench.town import NOW
from marketplace.db import Database
from marketplace.ledger.closing import close_due
from marketplace.ledger.fec import fec_file
from marketplace.ledger.periods import closed_months, closed_period, lines_of
from marketplace.ledger.proof import everything_broken, newly_broken
from marketplace.ledger.queries import balances_until, journal
from marketplace.ledger.sealing import seal

ORDERS_QTY = 100_000

#: Each order is paid, shared between three of sixty merchants, and two of them have their part already: four postings
#: and twelve entries, spread over the year before `now`. Three statements, past the triggers of each row, which would
#: take minutes.
WRITTEN = (
    """
    INSERT INTO ledger_posting (key, kind, reference, at, actor)
    SELECT k.event || ':' || o, split_part(k.event, '-', 1), 'R' || o,
      CAST(:now AS timestamptz) - (:qty - o) * (interval '365 days' / :qty) - k.before, 'bench'
    FROM generate_series(1, :qty) o, (VALUES
      ('paid', interval '240 min'), ('allocated', interval '239 min'),
      ('routed-1', interval '120 min'), ('routed-2', interval '60 min')
    ) AS k (event, before)
    ORDER BY o, k.before DESC
    """,
    """
    INSERT INTO ledger_entry (posting_id, account, amount)
    SELECT p.id, e.account, e.amount
    FROM ledger_posting p
    CROSS JOIN LATERAL (SELECT substr(p.reference, 2)::int AS o) AS placed
    CROSS JOIN LATERAL (
      SELECT 1000 + o % 997 AS goods, 'merchant:m' || o % 60 AS a, 'merchant:m' || (o + 7) % 60 AS b,
        'merchant:m' || (o + 13) % 60 AS c
    ) AS bought
    CROSS JOIN LATERAL (VALUES
      ('paid', 'holding', 3 * goods + 730), ('paid', 'residents:unmatched', -3 * goods - 730),
      ('allocated', 'residents:unmatched', 3 * goods + 730), ('allocated', a, -goods), ('allocated', b, -goods),
      ('allocated', c, -goods), ('allocated', 'association:commission', -240),
      ('allocated', 'association:delivery', -490),
      ('routed-1', a, goods), ('routed-1', 'holding', -goods),
      ('routed-2', b, goods), ('routed-2', 'holding', -goods)
    ) AS e (event, account, amount)
    WHERE e.event = split_part(p.key, ':', 1)
    ORDER BY p.id
    """,
    "INSERT INTO ledger_unsealed (posting_id, at) SELECT id, at FROM ledger_posting",
)


A_DAY, NEXT = date(2026, 5, 1), date(2026, 6, 1)


def write_orders(database: Database, orders_qty: int, now: datetime = NOW) -> None:
    """The postings of a year's orders into an empty book, as they stand before the first seal."""
    with database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in WRITTEN:
            statement = statement.replace(":qty", str(orders_qty)).replace(":now", f"'{now.isoformat()}'")
            session.execute(text(statement))
    tidy(database)


def tidy(database: Database) -> None:
    """What PostgreSQL does by itself within a minute or two."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("RESET statement_timeout"))


def measure_ledger(database: Database, report: Report) -> None:
    """`database` has no posting yet, and a pool of one connection."""
    report.say(f"(e) the ledger of {ORDERS_QTY:,} orders: seconds of Python + PostgreSQL")
    write_orders(database, ORDERS_QTY)
    pid = backend_pid(database)

    def all_of(work: Callable[..., int]) -> int:
        done_qty = 0
        while True:
            with database.transaction() as session:
                qty = work(session, now=NOW)
            if not qty:
                return done_qty
            done_qty += qty

    def reading(work: Callable[[Session], int]) -> Callable[[], int]:
        def read() -> int:
            with database.reading() as session:
                return work(session)

        return read

    #: What is done → how, what it must answer, and seconds at most.
    works: dict[str, tuple[Callable[[], int], int, float]] = {
        "sealing every posting": (lambda: all_of(seal), 4 * ORDERS_QTY, 30),
        "closing every day": (lambda: all_of(close_due), 365, 15),
        "ledger check": (reading(lambda session: _qty(everything_broken(session))), 0, 15),
        "the self-check's part of it": (reading(lambda session: _qty(newly_broken(session))), 0, 0.5),
        "balances of now": (reading(lambda session: len(balances_until(session))), 64, 0.05),
        "balances at the end of a day": (reading(lambda session: len(balances_until(session, A_DAY))), 64, 0.05),
        "the journal of a month": (
            reading(lambda session: _qty(journal(session, from_on=A_DAY, until_on=NEXT))),
            101_918,
            3,
        ),
    }
    for name, (work, answer, bar_s) in works.items():
        database_before, server_before = backend_ns(pid), time.thread_time_ns()
        result = work()
        server_s, database_s = (time.thread_time_ns() - server_before) / 1e9, (backend_ns(pid) - database_before) / 1e9
        report.at_most(name, server_s + database_s, bar_s, f"{server_s:.2f} + {database_s:.2f}")
        report.exactly(f"{name}: answer", result, answer)
        tidy(database)
    _measure_fec(database, pid, report)


def _measure_fec(database: Database, pid: int, report: Report) -> None:
    """The closed months of the year as the tax office's file, read as a slow line would: a piece at a time."""
    with database.reading() as session:
        months = closed_months(session)
        period = closed_period(session, first=min(months), last=max(months))
    process = psutil.Process()
    least = process.memory_info().rss
    database_before, server_before = backend_ns(pid), time.thread_time_ns()
    most, size, lines_qty = least, 0, 0
    pieces = fec_file(
        lines_of(database, period),
        validated=period.validated,
        names={},
        words=defaultdict(str),
        charges_vat=lambda on: True,
    )
    for qty, piece in enumerate(pieces):
        size, lines_qty = size + len(piece), lines_qty + piece.count(b"\r\n")
        if qty % 50 == 0:
            most = max(most, process.memory_info().rss)
    server_s, database_s = (time.thread_time_ns() - server_before) / 1e9, (backend_ns(pid) - database_before) / 1e9
    report.say(f"the FEC of {len(months)} months: {lines_qty:,} lines, {size / 1e6:.0f} MB")
    report.at_most("the FEC of the closed months", server_s + database_s, 120, f"{server_s:.2f} + {database_s:.2f}")
    report.at_most("megabytes that it grows by", (most - least) / 1e6, 32, f"{most / 1e6:.0f} at most")


def _qty(things: Iterable[object]) -> int:
    return sum(1 for _ in things)
