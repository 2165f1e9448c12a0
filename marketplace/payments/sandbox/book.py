"""The sandbox's book: who paid what, to whom it was routed, what went back. One SQLite file, one writer at a time."""

from __future__ import annotations

import secrets
import sqlite3
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from marketplace.clock import Clock, SystemClock
from marketplace.payments.sandbox.money_tables import MONEY_TABLES

# Amounts are whole cents; instants are ISO 8601 in UTC with microseconds, so that text order is time order.
SCHEMA = """
CREATE TABLE IF NOT EXISTS clock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    ahead_s REAL NOT NULL
);
INSERT OR IGNORE INTO clock VALUES (1, 0);

CREATE TABLE IF NOT EXISTS organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    can_receive_payments INTEGER NOT NULL CHECK (can_receive_payments IN (0, 1))
);

CREATE TABLE IF NOT EXISTS payments (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    profile_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'failed', 'canceled', 'expired')),
    currency TEXT NOT NULL,
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    request TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    ended_at TEXT,
    CHECK ((status = 'open') = (ended_at IS NULL))
);
CREATE INDEX IF NOT EXISTS payments_to_expire ON payments (expires_at) WHERE status = 'open';

CREATE TABLE IF NOT EXISTS routes (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    description TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS routes_of_payment ON routes (payment_id);

CREATE TABLE IF NOT EXISTS refunds (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('queued', 'pending', 'processing', 'refunded', 'failed', 'canceled')),
    created_at TEXT NOT NULL,
    moves_at TEXT
);
CREATE INDEX IF NOT EXISTS refunds_of_payment ON refunds (payment_id);
CREATE INDEX IF NOT EXISTS refunds_queued ON refunds (position) WHERE status = 'queued';
CREATE INDEX IF NOT EXISTS refunds_to_move ON refunds (moves_at) WHERE moves_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS reversals (
    refund_id TEXT NOT NULL REFERENCES refunds (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    PRIMARY KEY (refund_id, organization_id)
);

CREATE TABLE IF NOT EXISTS chargebacks (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
    created_at TEXT NOT NULL,
    reversed_at TEXT
);
CREATE INDEX IF NOT EXISTS chargebacks_of_payment ON chargebacks (payment_id);

CREATE TABLE IF NOT EXISTS webhooks (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    payment_id TEXT NOT NULL REFERENCES payments (id),
    url TEXT NOT NULL,
    cause TEXT NOT NULL,
    first_at TEXT NOT NULL,
    next_at TEXT,
    tries_qty INTEGER NOT NULL DEFAULT 0,
    last_answer TEXT NOT NULL DEFAULT '',
    delivered INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS answers (
    api_key TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (api_key, idempotency_key)
);

CREATE TABLE IF NOT EXISTS accounts (
    organization_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    registration TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('needs-data', 'in-review', 'completed')),
    can_receive_payments INTEGER NOT NULL CHECK (can_receive_payments IN (0, 1)),
    can_receive_settlements INTEGER NOT NULL CHECK (can_receive_settlements IN (0, 1)),
    signed_up_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS oauth_codes (
    code TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES accounts (organization_id),
    redirect_uri TEXT NOT NULL,
    scope TEXT NOT NULL,
    until_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS oauth_grants (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    refresh_token TEXT NOT NULL UNIQUE,
    organization_id TEXT NOT NULL REFERENCES accounts (organization_id),
    scope TEXT NOT NULL,
    granted_at TEXT NOT NULL,
    revoked_at TEXT
);

CREATE TABLE IF NOT EXISTS oauth_access (
    token TEXT PRIMARY KEY,
    grant_position INTEGER NOT NULL REFERENCES oauth_grants (position),
    until_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS client_links (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    registration TEXT NOT NULL,
    until_at TEXT NOT NULL,
    organization_id TEXT REFERENCES accounts (organization_id)
);

CREATE TABLE IF NOT EXISTS unknown_calls (
    call TEXT PRIMARY KEY,
    calls_qty INTEGER NOT NULL
);
"""

_ALPHANUMERIC = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """`prefix` and 22 random letters and digits, the longer of the two forms that Mollie uses."""
    return prefix + "".join(secrets.choice(_ALPHANUMERIC) for _ in range(22))


def stamp(at: datetime) -> str:
    """An instant as the book writes it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


class Book:
    """The file at `path`, created with its tables when absent; one connection, used by one thread at a time."""

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        """`clock` stands in the place of the machine's."""
        path.parent.mkdir(parents=True, exist_ok=True)
        # Threads queue at this lock: SQLite's own way of waiting is to sleep and to look again.
        self._turn = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        clock = clock or SystemClock()
        self._db.create_function("clock_time", 0, lambda: stamp(clock.now()))
        self._db.execute("PRAGMA foreign_keys = ON")
        # WAL survives kill -9 whole. synchronous=NORMAL could lose the last answers in a power cut only, which
        # play money bears; FULL would cost a disk flush for each call.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.executescript(SCHEMA + MONEY_TABLES)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The book to ourselves until the block ends: kept when it returns, untouched when it raises."""
        with self._turn:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Nobody uses the book any more."""
        with self._turn:
            self._db.close()


def now_in(db: sqlite3.Connection) -> datetime:
    """The sandbox's time: its clock's, plus what tests added."""
    clock_time, ahead_s = db.execute("SELECT clock_time(), ahead_s FROM clock").fetchone()
    return datetime.fromisoformat(clock_time) + timedelta(seconds=ahead_s)


def advance_clock(db: sqlite3.Connection, seconds: float) -> None:
    """Move the sandbox's time on; it never goes back, as what has expired stays expired."""
    db.execute("UPDATE clock SET ahead_s = ahead_s + ?", (seconds,))
