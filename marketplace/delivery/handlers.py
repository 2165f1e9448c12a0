"""What the worker does about rounds."""

from __future__ import annotations

from datetime import timedelta

from marketplace.delivery import bookings, planning, rounds
from marketplace.hall import Hall
from marketplace.jobs import periodic, subscribe


@subscribe("round.plan")
def plan_round(hall: Hall, round_id: int, number: int) -> None:
    planning.plan_round(hall, round_id=round_id, number=number)


@periodic("* * * * *")
def close_due_rounds(hall: Hall) -> None:
    with hall.database.transaction() as session:
        rounds.close_due_rounds(session, now=hall.clock.now())


@periodic("27 3 * * *")
def forget_access_notes(hall: Hall) -> None:
    """Door codes are for one evening (domain D6)."""
    with hall.database.transaction() as session:
        bookings.forget_access_notes(session, before=hall.clock.now() - timedelta(days=1))
