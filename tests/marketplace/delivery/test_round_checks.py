"""The self-check sees what the tables' own constraints cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from marketplace.clock import FixedClock
from marketplace.delivery.checks import broken_rules
from marketplace.delivery.models import Booking, Handling, Round, Slot, Stop
from marketplace.hall import Hall
from tests.marketplace.delivery.district import District, book, hand_out_round


@pytest.fixture
def broken(hall: Hall, district: District, clock: FixedClock) -> Iterator[Session]:
    """A transaction on a round that rides with one household; undone afterwards."""
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, shops=(0, 1))
    hand_out_round(hall, district)
    with hall.database.reading() as session:
        assert list(broken_rules(session)) == []
        yield session


def rules_of(session: Session) -> set[str]:
    session.flush()
    return {sentence.split(":")[0] for sentence in broken_rules(session)}


def test_a_place_that_nobody_holds_is_found(broken: Session, district: District) -> None:
    broken.execute(update(Slot).where(Slot.id == district.slot_ids[1]).values(taken_stops=1))
    assert rules_of(broken) == {f"I03 slot {district.slot_ids[1]}"}


def test_a_load_that_nobody_booked_is_found(broken: Session, district: District) -> None:
    broken.execute(update(Round).values(taken_cold_ml=500))
    assert rules_of(broken) == {f"I03 round {district.round_id}"}


def test_a_stop_for_a_released_booking_is_found(broken: Session) -> None:
    broken.execute(update(Booking).values(state="released"))
    broken.execute(update(Slot).values(taken_stops=0))
    broken.execute(update(Round).values(taken_grams=0, taken_ml=0, taken_cold_ml=0))
    assert len(rules_of(broken)) == 1
    assert next(iter(rules_of(broken))).startswith("I17 stop")


def test_a_parcel_that_nobody_collects_is_found(broken: Session) -> None:
    some = broken.query(Handling).filter(Handling.act == "collect").first()
    assert some is not None
    broken.execute(delete(Handling).where(Handling.stop_id == some.stop_id))
    assert rules_of(broken) == {"I17 booking 1"}


def test_a_round_that_is_done_with_stops_ahead_is_found(broken: Session, district: District) -> None:
    broken.execute(update(Round).values(state="done"))
    assert rules_of(broken) == {f"I17 round {district.round_id}"}
    broken.execute(update(Stop).values(state="failed", outcome="absent"))
    assert rules_of(broken) == set()
