"""A household's place on a round, one household at a time; tests/flows/test_races.py lets twenty in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from marketplace.clock import FixedClock
from marketplace.delivery import bookings
from marketplace.delivery.bookings import CutOffPassed, DropOff, NotServed, OpenSlot, PickUp, SlotFull
from marketplace.delivery.models import Booking, Parcel, Round, Slot
from marketplace.delivery.rules import Load
from tests.walk import HOME, NOW, Town, arrange_town

CUT_OFF = NOW + timedelta(hours=5)

HOUSEHOLD = DropOff(
    recipient="Jeanne M.",
    phone="+33639981234",
    street=HOME.street,
    postcode=HOME.postcode,
    city=HOME.city,
    lat=HOME.lat,
    lon=HOME.lon,
    access_note="2e étage",
    needs_age_check=False,
)


@pytest.fixture
def district(session: Session) -> Town:
    return arrange_town(session, capacity_stops=2)


def _pick_up(source: str = "librairie", load: Load = Load(400, 800, 0)) -> PickUp:  # noqa: B008  # frozen
    return PickUp(source, source.title(), "1 rue de Beaulieu", 45.6489, 0.1560, 0, load)


def _hold(
    session: Session,
    town: Town,
    reference: str,
    *,
    slot: int = 0,
    drop_off: DropOff = HOUSEHOLD,
    pick_ups: Sequence[PickUp] | None = None,
    clock: FixedClock | None = None,
) -> OpenSlot:
    return bookings.hold_place(
        session,
        slot_id=town.slots[slot],
        reference=reference,
        drop_off=drop_off,
        pick_ups=[_pick_up()] if pick_ups is None else pick_ups,
        until_at=NOW + timedelta(minutes=15),
        clock=clock or FixedClock(NOW),
    )


def _taken(session: Session, town: Town) -> tuple[int, int, int, int]:
    slot = session.scalar(select(Slot.taken_stops).where(Slot.id == town.slots[0]))
    load = session.execute(
        select(Round.taken_grams, Round.taken_ml, Round.taken_cold_ml).where(Round.id == town.round_id)
    ).one()
    assert slot is not None
    return slot, load.taken_grams, load.taken_ml, load.taken_cold_ml


def test_a_place_is_held_with_its_parcels(session: Session, district: Town) -> None:
    window = _hold(
        session, district, "A", pick_ups=[_pick_up("librairie"), _pick_up("fromagerie", Load(500, 900, 900))]
    )
    assert (window.starts_at, window.ends_at, window.zone_id) == (
        NOW + timedelta(hours=6),
        NOW + timedelta(hours=8),
        district.zone_id,
    )
    assert _taken(session, district) == (1, 900, 1700, 900)
    parcels = session.execute(select(Parcel.number, Parcel.source).order_by(Parcel.number)).all()
    assert [tuple(parcel) for parcel in parcels] == [(1, "librairie"), (2, "fromagerie")]


def test_a_full_slot_refuses_and_the_next_one_does_not(session: Session, district: Town) -> None:
    _hold(session, district, "A")
    _hold(session, district, "B")
    with pytest.raises(SlotFull), session.begin_nested():
        _hold(session, district, "C")
    _hold(session, district, "C", slot=1)
    assert _taken(session, district)[0] == 2


@pytest.mark.parametrize("too_much", [Load(200_001, 0, 0), Load(0, 500_001, 0), Load(0, 0, 60_001)])
def test_a_household_that_the_bikes_cannot_carry_is_refused(session: Session, district: Town, too_much: Load) -> None:
    with pytest.raises(SlotFull), session.begin_nested():
        _hold(session, district, "A", pick_ups=[_pick_up(load=too_much)])
    assert _taken(session, district) == (0, 0, 0, 0)


def test_exactly_what_the_bikes_carry_is_taken(session: Session, district: Town) -> None:
    _hold(session, district, "A", pick_ups=[_pick_up(load=Load(200_000, 500_000, 60_000))])
    with pytest.raises(SlotFull), session.begin_nested():
        _hold(session, district, "B", pick_ups=[_pick_up(load=Load(1, 0, 0))])


def test_an_order_is_taken_until_the_cut_off_and_not_at_it(session: Session, district: Town) -> None:
    _hold(session, district, "A", clock=FixedClock(CUT_OFF - timedelta(microseconds=1)))
    with pytest.raises(CutOffPassed):
        _hold(session, district, "B", clock=FixedClock(CUT_OFF))
    assert bookings.find_slot(session, slot_id=district.slots[0], now=CUT_OFF) is None
    assert bookings.slots_of(session, zone_id=district.zone_id, now=CUT_OFF) == []


def test_a_round_that_was_closed_since_it_was_read_takes_nothing(session: Session, district: Town) -> None:
    seen = session.get_one(Round, district.round_id)
    session.execute(update(Round).values(state="closed").execution_options(synchronize_session=False))
    assert seen.state == "open"
    with pytest.raises(CutOffPassed):
        _hold(session, district, "A")


def test_a_closed_round_and_a_slot_of_nowhere_take_nothing(session: Session, district: Town) -> None:
    with pytest.raises(CutOffPassed):
        bookings.hold_place(
            session,
            slot_id=999_999,
            reference="A",
            drop_off=HOUSEHOLD,
            pick_ups=[],
            until_at=NOW,
            clock=FixedClock(NOW),
        )
    session.execute(update(Round).values(state="closed"))
    with pytest.raises(CutOffPassed):
        _hold(session, district, "A")


@pytest.mark.parametrize("elsewhere", [replace(HOUSEHOLD, postcode="33000"), replace(HOUSEHOLD, lat=45.75)])
def test_a_home_that_the_round_does_not_reach_is_refused(session: Session, district: Town, elsewhere: DropOff) -> None:
    with pytest.raises(NotServed):
        _hold(session, district, "A", drop_off=elsewhere)


def test_a_place_is_given_back_once(session: Session, district: Town) -> None:
    _hold(session, district, "A")
    assert bookings.release_place(session, reference="A") is True
    assert bookings.release_place(session, reference="A") is False
    assert bookings.release_place(session, reference="nobody") is False
    assert _taken(session, district) == (0, 0, 0, 0)


def test_a_confirmed_place_is_confirmed_once_and_can_still_be_given_back(session: Session, district: Town) -> None:
    _hold(session, district, "A")
    assert bookings.confirm_place(session, reference="A") is True
    assert bookings.confirm_place(session, reference="A") is False
    assert bookings.release_place(session, reference="A") is True
    assert bookings.confirm_place(session, reference="A") is False
    assert _taken(session, district) == (0, 0, 0, 0)


def test_a_household_takes_its_place_again_as_it_was(session: Session, district: Town) -> None:
    _hold(session, district, "A", pick_ups=[_pick_up("librairie"), _pick_up("cave")])
    bookings.release_place(session, reference="A")
    bookings.hold_place_again(session, reference="A", until_at=NOW + timedelta(hours=1), clock=FixedClock(NOW))
    assert _taken(session, district) == (1, 800, 1600, 0)
    again = session.scalars(select(Booking).where(Booking.state == "held")).one()
    assert (again.recipient, again.street, again.access_note) == ("Jeanne M.", HOME.street, "2e étage")
    sources = session.scalars(select(Parcel.source).where(Parcel.booking_id == again.id).order_by(Parcel.number))
    assert sources.all() == ["librairie", "cave"]


def test_a_household_whose_place_has_gone_is_refused(session: Session, district: Town) -> None:
    _hold(session, district, "A")
    bookings.release_place(session, reference="A")
    _hold(session, district, "B")
    _hold(session, district, "C")
    with pytest.raises(SlotFull), session.begin_nested():
        bookings.hold_place_again(session, reference="A", until_at=NOW, clock=FixedClock(NOW))


def test_full_windows_are_shown_as_full(session: Session, district: Town) -> None:
    _hold(session, district, "A")
    _hold(session, district, "B")
    windows = bookings.slots_of(session, zone_id=district.zone_id, now=NOW)
    assert [(window.places_left, window.is_full) for window in windows] == [(0, True), (2, False)]
    heavy = bookings.slots_of(session, zone_id=district.zone_id, now=NOW, load=Load(199_300, 0, 0))
    assert [window.is_full for window in heavy] == [True, True]


@pytest.mark.parametrize("values", [{"taken_stops": 3}, {"taken_stops": -1}])
def test_the_table_itself_refuses_more_places_than_there_are(
    session: Session, district: Town, values: dict[str, int]
) -> None:
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(update(Slot).values(**values))


def test_one_household_has_one_live_place(session: Session, district: Town) -> None:
    _hold(session, district, "A")
    with pytest.raises(IntegrityError), session.begin_nested():
        _hold(session, district, "A")
