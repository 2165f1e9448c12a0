"""Idempotency keys: the same call twice is done once (mollie.md 1.6)."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from marketplace.payments.sandbox.bodies import Body
from marketplace.payments.sandbox.book import now_in, stamp
from marketplace.payments.sandbox.refusals import ApiRefusal

WINDOW = timedelta(hours=1)


class Turns:
    """The calls with a key that are being worked on, in this process: a crash leaves none behind."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[tuple[str, str]] = set()

    @contextmanager
    def take(self, api_key: str, idempotency_key: str) -> Iterator[None]:
        """Hold the key until the block ends; 409 while another call holds it. An empty key is never held."""
        turn = (api_key, idempotency_key)
        if not idempotency_key:
            yield
            return
        with self._lock:
            if turn in self._taken:
                raise ApiRefusal(409, "A call with this idempotency key is still being worked on.")
            self._taken.add(turn)
        try:
            yield
        finally:
            with self._lock:
                self._taken.discard(turn)


def fingerprint_of(method: str, path: str, body: Body) -> str:
    """Equal for equal calls."""
    text = json.dumps([method, path, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def recall(db: sqlite3.Connection, api_key: str, idempotency_key: str, fingerprint: str) -> tuple[int, str] | None:
    """(status, body) that the key brought within the last hour; 400 if that was another call."""
    row = db.execute(
        "SELECT * FROM answers WHERE api_key = ? AND idempotency_key = ? AND created_at > ?",
        (api_key, idempotency_key, stamp(now_in(db) - WINDOW)),
    ).fetchone()
    if row is None:
        return None
    if row["fingerprint"] != fingerprint:
        raise ApiRefusal(400, "This idempotency key belongs to another call.")
    return row["status"], row["body"]


def remember(
    db: sqlite3.Connection, api_key: str, idempotency_key: str, fingerprint: str, status: int, body: str
) -> None:
    """Keep the answer in the transaction that did the work, so that both exist or neither."""
    now = now_in(db)
    db.execute("DELETE FROM answers WHERE created_at <= ?", (stamp(now - WINDOW),))
    db.execute(
        "INSERT INTO answers (api_key, idempotency_key, fingerprint, status, body, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (api_key, idempotency_key, fingerprint, status, body, stamp(now)),
    )
