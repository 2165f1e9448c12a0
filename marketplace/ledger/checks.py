"""I08: the book balances."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from marketplace.ledger.service import broken_postings


def broken_rules(session: Session) -> Iterator[str]:
    for sentence in broken_postings(session):
        yield f"I08 {sentence}"
