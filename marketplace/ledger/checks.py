"""I08: the book balances, and is the one that was written. The cheap half, for every ten minutes."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from marketplace.ledger.proof import newly_broken


def broken_rules(session: Session) -> Iterator[str]:
    for sentence in newly_broken(session):
        yield f"I08 {sentence}"
