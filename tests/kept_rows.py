"""Rows that many tests begin with, written once a run and copied in: use cases take ten times longer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import psycopg
from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.db import Base

#: The tables of the jobs, which are no models of ours; all are numbered.
QUEUE = dict.fromkeys(
    ("procrastinate_jobs", "procrastinate_workers", "procrastinate_periodic_defers", "procrastinate_events"), True
)


@dataclass(frozen=True)
class KeptRows:
    """Whole tables as COPY writes them, and the last number that each has given out."""

    tables: dict[str, bytes]
    numbers: dict[str, int]

    @classmethod
    def of(cls, session: Session) -> KeptRows:
        """All that the database holds; `session` sees it, so it need not be committed."""
        session.flush()
        tables, numbers = {}, {}
        cursor = cursor_of(session)
        for table, sequence in session.execute(text(touched())).all():
            with cursor.copy(f"COPY {table} TO STDOUT") as copy:
                tables[table] = b"".join(bytes(block) for block in copy)
            if sequence is not None:
                numbers[sequence] = session.scalar(text(f"SELECT last_value FROM {sequence}")) or 1
        return cls(tables, numbers)

    def put_into(self, session: Session) -> None:
        """Into tables without such rows; in replica mode, for no trigger has anything to add."""
        cursor = cursor_of(session)
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table, rows in self.tables.items():
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                copy.write(rows)
        given_out = ", ".join(f"setval('{sequence}', {last})" for sequence, last in self.numbers.items())
        cursor.execute(f"SELECT {given_out}")
        cursor.execute("SET LOCAL session_replication_role = origin")


@cache
def touched() -> str:
    """A query for (table, its sequence) of every table that has rows or has given out a number."""
    numbered = {table.name: any(c.identity is not None for c in table.columns) for table in Base.metadata.sorted_tables}
    looks = []
    for name, has_numbers in {**numbered, **QUEUE}.items():
        sequence, was_called = "NULL", "false"
        if has_numbers:
            sequence, was_called = f"'{name}_id_seq'", f"(SELECT is_called FROM {name}_id_seq)"
        looks.append(f"SELECT '{name}', {sequence} WHERE EXISTS (SELECT FROM {name}) OR {was_called}")
    return " UNION ALL ".join(looks)


def cursor_of(session: Session) -> psycopg.Cursor[tuple[object, ...]]:
    """The driver's own, which copies, and takes several statements at once."""
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver.cursor()
