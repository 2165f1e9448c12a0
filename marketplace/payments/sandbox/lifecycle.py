"""What the passing of time does to the book."""

from __future__ import annotations

import sqlite3

from marketplace.payments.sandbox import payments, refunds, transactions
from marketplace.payments.sandbox.book import now_in


def catch_up(db: sqlite3.Connection, time_factor: float) -> None:
    """The book is as the clock wants it: sessions expired, held money released, refunds moved on, call-backs queued."""
    now = now_in(db)
    payments.expire_due(db, now)
    transactions.release_due(db, now)
    refunds.move_due(db, now, time_factor)
