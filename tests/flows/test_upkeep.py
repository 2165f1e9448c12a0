"""What the house does by itself at night."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from basket.handlers import forget_access_notes as forget_in_orders
from basket.models import Order
from marketplace.clock import FixedClock
from marketplace.delivery.handlers import forget_access_notes as forget_on_rounds
from marketplace.delivery.models import Booking
from marketplace.hall import Hall
from marketplace.jobs import publish
from marketplace.upkeep import check_the_house, forget_done_jobs
from merchants.models import Variant
from tests.walk import Town, place


def _notes(hall: Hall) -> tuple[str, str]:
    with hall.database.reading() as session:
        return session.scalars(select(Booking.access_note)).one(), session.scalars(select(Order.access_note)).one()


def test_door_codes_are_erased_the_day_after(hall: Hall, town: Town, clock: FixedClock) -> None:
    place(hall.database, town, ("L1",), clock=clock)
    forget_on_rounds(hall)
    forget_in_orders(hall)
    assert _notes(hall) == ("2e étage", "2e étage")
    clock.advance(timedelta(days=2))
    forget_on_rounds(hall)
    forget_in_orders(hall)
    assert _notes(hall) == ("", "")


def test_what_is_broken_is_said_in_the_log(hall: Hall, town: Town, caplog: pytest.LogCaptureFixture) -> None:
    with hall.database.transaction() as session:
        session.execute(update(Variant).where(Variant.id == town.variant("L1")).values(held_qty=1))
    check_the_house(hall)
    assert "I01 held is not the sum of the live holds" in caplog.text
    with hall.database.transaction() as session:
        session.execute(update(Variant).where(Variant.id == town.variant("L1")).values(held_qty=0))


def test_only_old_done_jobs_are_forgotten(hall: Hall, town: Town) -> None:
    for _ in range(2):
        with hall.database.transaction() as session:
            publish(session, "payment.hinted", payment_id=999)
    with hall.database.transaction() as session:
        session.execute(text("UPDATE procrastinate_jobs SET status = 'succeeded'"))
        session.execute(text("UPDATE procrastinate_events SET at = at - interval '40 days' WHERE job_id = 1"))
    forget_done_jobs(hall)
    with hall.database.reading() as session:
        assert session.execute(text("SELECT id FROM procrastinate_jobs")).scalars().all() == [2]
