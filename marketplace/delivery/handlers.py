"""What the worker does about rounds."""

from __future__ import annotations

from datetime import timedelta

from marketplace.delivery import bookings, calendar_rules, planning, rounds
from marketplace.hall import Hall
from marketplace.jobs import periodic, subscribe


@subscribe("round.plan")
def plan_round(hall: Hall, round_id: int, number: int) -> None:
    planning.plan_round(hall, round_id=round_id, number=number)


@periodic("* * * * *")
def close_due_rounds(hall: Hall) -> None:
    with hall.database.transaction() as session:
        rounds.close_due_rounds(session, now=hall.clock.now())


@periodic("7 * * * *")
def open_rounds_of_rules(hall: Hall) -> None:
    """Each rule in a transaction of its own: one that is being changed holds up no other."""
    with hall.database.reading() as session:
        rule_ids = calendar_rules.standing_rules(session)
    for rule_id in rule_ids:
        with hall.database.transaction() as session:
            calendar_rules.open_due_rounds(session, rule_id=rule_id, now=hall.clock.now())


@periodic("27 3 * * *")
def forget_access_notes(hall: Hall) -> None:
    """Door codes are for one evening (domain D6)."""
    with hall.database.transaction() as session:
        bookings.forget_access_notes(session, before=hall.clock.now() - timedelta(days=1))
