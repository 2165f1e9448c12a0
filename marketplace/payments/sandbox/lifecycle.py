"""What the passing of time does to the book."""

from __future__ import annotations

import sqlite3

from marketplace.payments.sandbox import payments, refunds
from marketplace.payments.sandbox.book import now_in


def catch_up(db: sqlite3.Connection, time_factor: float) -> None:
    """The book is as the sandbox's clock wants it: sessions expired, refunds moved on, call-backs queued."""
    now = now_in(db)
    payments.expire_due(db, now)
    refunds.move_due(db, now, time_factor)
