"""What the worker does about the ledger."""

from __future__ import annotations

import logging

from marketplace.hall import Hall
from marketplace.jobs import periodic
from marketplace.ledger.closing import close_due
from marketplace.ledger.proof import everything_broken
from marketplace.ledger.sealing import seal

log = logging.getLogger(__name__)


@periodic("* * * * *")
def seal_and_close(hall: Hall) -> None:
    """A transaction for each batch: whatever was missed is caught up, and a worker that dies loses one batch."""
    for work in (seal, close_due):
        while True:
            with hall.database.transaction() as session:
                if not work(session, now=hall.clock.now()):
                    break


@periodic("23 2 * * *")
def prove_the_book(hall: Hall) -> None:
    """Once a night all of it, as `ledger check` does; the self-check looks at the newest only."""
    with hall.database.reading() as session:
        for sentence in everything_broken(session):
            log.error("ledger: %s", sentence)
