"""Who looks after the database behind each test: does what was left hold together, and away with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.selfcheck import self_check
from tests.kept_rows import cursor_of, touched


class Caretaker:
    """Asks the same two hundred questions two thousand times: planned once, for that takes longer than the answers.

    The driver forgets what is planned at every rollback, so there is no transaction to roll back.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._engine = create_engine(
            database.url,
            pool_size=1,
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            connect_args={"prepare_threshold": 0},
        )

    def broken(self) -> list[str]:
        """What self_check says of the rows that are there."""
        with Session(self._engine) as session:
            return self_check(session)

    @contextmanager
    def undoing(self) -> Iterator[Session]:
        """A transaction on the same connection, undone afterwards: to see that `broken` would find a fault."""
        with Session(self._engine.execution_options(isolation_level="READ COMMITTED")) as session:
            yield session

    def empty(self) -> None:
        """Forget every row, and count from one again.

        Replica mode, because the append-only tables refuse to be emptied by anybody else; on another connection, for
        it makes one forget its plans. Row by row, and only where something was written: to truncate all tables takes
        a tenth of a second, after every test.
        """
        with Session(self._engine) as session:
            found = session.execute(text(touched())).all()
        if not found:
            return
        acts = [f"DELETE FROM {table}" for table, _ in found]
        acts += [f"SELECT setval('{sequence}', 1, false)" for _, sequence in found if sequence is not None]
        with self._database.transaction() as session:
            cursor_of(session).execute("; ".join(("SET LOCAL session_replication_role = replica", *acts)))

    def close(self) -> None:
        self._engine.dispose()
