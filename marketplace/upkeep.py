"""Work that keeps the house in order by itself."""

from __future__ import annotations

import logging

from sqlalchemy import text

from marketplace.hall import Hall
from marketplace.jobs import periodic
from marketplace.selfcheck import self_check

log = logging.getLogger(__name__)

#: Done jobs are kept for looking back; after a month nobody does. Failed ones stay until a person has seen to them.
#: Counted by the database's clock, with which procrastinate stamps its events.
JOBS_KEPT = "30 days"


@periodic("*/10 * * * *")
def check_the_house(hall: Hall) -> None:
    """What is broken is said in the log, as an error that monitoring sees."""
    with hall.database.reading() as session:
        for sentence in self_check(session):
            log.error("self-check: %s", sentence)


@periodic("47 3 * * *")
def forget_done_jobs(hall: Hall) -> None:
    with hall.database.transaction() as session:
        session.execute(
            text(
                "DELETE FROM procrastinate_jobs j WHERE j.status = 'succeeded' AND NOT EXISTS (SELECT 1 FROM"
                " procrastinate_events e WHERE e.job_id = j.id AND e.at > now() - CAST(:kept AS interval))"
            ),
            {"kept": JOBS_KEPT},
        )
