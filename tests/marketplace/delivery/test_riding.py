"""What a courier does, and what it does to parcels, bookings and the round."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from marketplace.clock import FixedClock
from marketplace.delivery import riding
from marketplace.delivery.models import Booking, Parcel, Round, RoundEvent, Stop
from marketplace.delivery.queries import collected_at, delivered_sources, find_courier_round
from marketplace.errors import FieldError, NotFound
from marketplace.hall import Hall
from tests.marketplace.delivery.district import District, book, hand_out_round, parcel_ids_at, stops_of


@dataclass(frozen=True, slots=True)
class Ride:
    """One courier with one household, two shops, and its four digits."""

    hall: Hall
    clock: FixedClock
    courier_id: int
    shop_ids: tuple[int, ...]
    home_id: int
    booking_id: int
    code: str

    def collect(self, stop_id: int, *, missing: bool = False) -> bool:
        with self.hall.database.transaction() as session:
            return riding.collect(
                session,
                stop_id=stop_id,
                courier_id=self.courier_id,
                parcel_ids=frozenset() if missing else parcel_ids_at(session, stop_id),
                without_rest=missing,
                now=self.clock.now(),
            )

    def deliver(self, *, code: str = "", receiver: str = "", is_adult: bool | None = None) -> bool:
        with self.hall.database.transaction() as session:
            return riding.deliver(
                session,
                stop_id=self.home_id,
                courier_id=self.courier_id,
                code=code,
                receiver=receiver,
                is_adult=is_adult,
                now=self.clock.now(),
            )

    def leave(self) -> bool:
        with self.hall.database.transaction() as session:
            return riding.leave_absent(session, stop_id=self.home_id, courier_id=self.courier_id, now=self.clock.now())

    def try_again(self) -> bool:
        with self.hall.database.transaction() as session:
            return riding.try_again(session, stop_id=self.home_id, courier_id=self.courier_id, now=self.clock.now())

    def home(self) -> Stop:
        with self.hall.database.reading() as session:
            return session.get_one(Stop, self.home_id)

    def states(self) -> tuple[str, list[str], str]:
        """Of the booking, of its parcels, of the round."""
        with self.hall.database.reading() as session:
            booking = session.get_one(Booking, self.booking_id)
            parcels = session.scalars(select(Parcel.state).order_by(Parcel.number)).all()
            return booking.state, list(parcels), session.scalars(select(Round.state)).one()

    def facts(self) -> list[str]:
        """Names of the subscribers whose jobs wait."""
        with self.hall.database.reading() as session:
            rows = session.execute(text("SELECT task_name FROM procrastinate_jobs ORDER BY id"))
            return [name.rsplit(".", 1)[1] for (name,) in rows]


def start(hall: Hall, district: District, clock: FixedClock, *, needs_age_check: bool = False) -> Ride:
    with hall.database.transaction() as session:
        booking = book(session, district, "10000001", clock, shops=(0, 1), needs_age_check=needs_age_check)
    hand_out_round(hall, district, district.vehicle_ids[0])
    courier_id = district.courier_ids[0]
    with hall.database.reading() as session:
        return Ride(
            hall,
            clock,
            courier_id,
            tuple(stop.id for stop in stops_of(session, courier_id, "shop")),
            stops_of(session, courier_id, "home")[0].id,
            booking.id,
            booking.handover_code,
        )


@pytest.fixture
def ride(hall: Hall, district: District, clock: FixedClock) -> Ride:
    return start(hall, district, clock)


@pytest.fixture
def ride_with_wine(hall: Hall, district: District, clock: FixedClock) -> Ride:
    return start(hall, district, clock, needs_age_check=True)


def test_collected_and_shown_its_code_a_household_has_its_parcels_and_the_round_is_done(ride: Ride) -> None:
    for stop_id in ride.shop_ids:
        assert ride.collect(stop_id)
    assert ride.states() == ("confirmed", ["collected", "collected"], "riding")
    assert ride.deliver(code=ride.code)
    assert ride.states() == ("delivered", ["delivered", "delivered"], "done")
    home = ride.home()
    assert (home.state, home.outcome, home.received_by, home.done_by) == (
        "done",
        "delivered",
        None,
        f"user:{ride.courier_id}",
    )
    assert home.done_at == ride.clock.now()
    with ride.hall.database.reading() as session:
        events = session.execute(select(RoundEvent.event, RoundEvent.detail).order_by(RoundEvent.id)).all()
        assert [tuple(row) for row in events[-4:]] == [
            ("collected", ""),
            ("collected", ""),
            ("delivered", "code"),
            ("finish", ""),
        ]
        assert collected_at(session, ride.shop_ids[0]).keys() == {"10000001"}
        assert delivered_sources(session, ride.booking_id) == {"fromagerie", "librairie"}


def test_an_act_that_is_sent_three_times_has_one_effect(ride: Ride) -> None:
    assert [ride.collect(ride.shop_ids[0]) for _ in range(3)] == [True, False, False]
    ride.collect(ride.shop_ids[1])
    assert [ride.deliver(code=ride.code) for _ in range(3)] == [True, False, False]
    with ride.hall.database.reading() as session:
        acts = session.scalars(select(RoundEvent.event).where(RoundEvent.stop_id.is_not(None))).all()
    assert sorted(acts) == ["collected", "collected", "delivered"]


def test_a_parcel_is_either_ticked_or_said_to_be_missing(ride: Ride) -> None:
    stop_id = ride.shop_ids[0]
    with ride.hall.database.transaction() as session:
        for parcel_ids, code in ((frozenset(), "parcels_unticked"), (frozenset({999}), "not_a_choice")):
            with pytest.raises(FieldError) as refusal:
                riding.collect(
                    session,
                    stop_id=stop_id,
                    courier_id=ride.courier_id,
                    parcel_ids=parcel_ids,
                    without_rest=False,
                    now=ride.clock.now(),
                )
            assert (refusal.value.field, refusal.value.code) == ("parcel", code)
    assert ride.states()[1] == ["expected", "expected"]


def test_a_household_gets_what_there_is_when_one_parcel_is_missing(ride: Ride) -> None:
    ride.collect(ride.shop_ids[0], missing=True)
    ride.collect(ride.shop_ids[1])
    assert ride.deliver(code=ride.code)
    booking, parcels, round_state = ride.states()
    assert (booking, sorted(parcels), round_state) == ("delivered", ["delivered", "missing"], "done")
    with ride.hall.database.reading() as session:
        assert len(delivered_sources(session, ride.booking_id)) == 1
        assert collected_at(session, ride.shop_ids[0]) == {}


def test_nobody_rings_where_every_parcel_is_missing(ride: Ride) -> None:
    for stop_id in ride.shop_ids:
        ride.collect(stop_id, missing=True)
    assert ride.states() == ("returned", ["missing", "missing"], "done")
    assert (ride.home().state, ride.home().outcome) == ("failed", "nothing")
    assert ride.facts() == ["plan_round"], "nothing was collected, nothing delivered"


def test_a_home_waits_until_its_parcels_are_on_board(ride: Ride) -> None:
    ride.collect(ride.shop_ids[0])
    with pytest.raises(riding.ParcelsNotOnBoard):
        ride.deliver(code=ride.code)
    with pytest.raises(riding.ParcelsNotOnBoard):
        ride.leave()


def test_a_wrong_code_or_no_proof_hands_nothing_over_and_a_name_does(ride: Ride) -> None:
    for stop_id in ride.shop_ids:
        ride.collect(stop_id)
    wrong = f"{(int(ride.code) + 1) % 10_000:04d}"
    for code, receiver, said in ((wrong, "", "handover_code_wrong"), (wrong, "Paul", "handover_code_wrong")):
        with pytest.raises(FieldError) as refusal:
            ride.deliver(code=code, receiver=receiver)
        assert (refusal.value.field, refusal.value.code) == ("code", said)
    with pytest.raises(FieldError) as refusal:
        ride.deliver()
    assert refusal.value.code == "code_or_name"
    assert ride.states()[0] == "confirmed"
    assert ride.deliver(receiver="Paul Lambert")
    assert ride.home().received_by == "Paul Lambert"


def test_alcohol_goes_to_nobody_whose_age_was_not_looked_at(ride_with_wine: Ride) -> None:
    ride = ride_with_wine
    for stop_id in ride.shop_ids:
        ride.collect(stop_id)
    with pytest.raises(FieldError) as refusal:
        ride.deliver(code=ride.code)
    assert (refusal.value.field, refusal.value.code) == ("is_adult", "look_at_age")
    assert ride.deliver(code=ride.code, is_adult=True)
    assert ride.home().is_adult is True


def test_without_proof_of_age_the_parcels_go_back_even_with_the_right_code(ride_with_wine: Ride) -> None:
    ride = ride_with_wine
    for stop_id in ride.shop_ids:
        ride.collect(stop_id)
    assert ride.deliver(code=ride.code, is_adult=False)
    assert ride.states() == ("returned", ["returned", "returned"], "done")
    assert (ride.home().state, ride.home().outcome, ride.home().is_adult) == ("failed", "not_adult", False)
    assert "hand_over" not in ride.facts()


def test_who_was_absent_can_be_tried_again_within_two_hours(ride: Ride) -> None:
    for stop_id in ride.shop_ids:
        ride.collect(stop_id)
    assert ride.leave()
    assert not ride.leave()
    assert ride.states() == ("returned", ["returned", "returned"], "done")
    ride.clock.advance(timedelta(hours=1, minutes=59))
    assert ride.try_again()
    assert not ride.try_again()
    assert ride.states() == ("confirmed", ["collected", "collected"], "riding")
    assert ride.deliver(code=ride.code)
    assert ride.states() == ("delivered", ["delivered", "delivered"], "done")


def test_two_hours_later_the_parcels_are_back_at_the_shops(ride: Ride) -> None:
    for stop_id in ride.shop_ids:
        ride.collect(stop_id)
    ride.leave()
    ride.clock.advance(timedelta(hours=2))
    with pytest.raises(riding.TooLateToTryAgain):
        ride.try_again()


def test_what_was_delivered_stays_delivered(ride: Ride) -> None:
    for stop_id in ride.shop_ids:
        ride.collect(stop_id)
    ride.deliver(code=ride.code)
    assert not ride.leave()
    assert not ride.try_again()
    assert ride.states()[0] == "delivered"


def test_a_stop_is_absent_for_the_other_courier_and_as_another_kind_of_stop(ride: Ride, district: District) -> None:
    other = district.courier_ids[1]
    with ride.hall.database.transaction() as session:
        with pytest.raises(NotFound):
            riding.leave_absent(session, stop_id=ride.home_id, courier_id=other, now=ride.clock.now())
        with pytest.raises(NotFound):
            riding.leave_absent(session, stop_id=ride.shop_ids[0], courier_id=ride.courier_id, now=ride.clock.now())
        with pytest.raises(NotFound):
            riding.leave_absent(session, stop_id=9999, courier_id=ride.courier_id, now=ride.clock.now())
        assert find_courier_round(session, courier_id=other, now=ride.clock.now()) is None


def test_twelve_hours_after_the_round_its_addresses_are_put_away(ride: Ride) -> None:
    with ride.hall.database.reading() as session:
        back_by_at = session.scalars(select(Round.back_by_at)).one()
        assert find_courier_round(session, courier_id=ride.courier_id, now=back_by_at + timedelta(hours=11))
        assert find_courier_round(session, courier_id=ride.courier_id, now=back_by_at + timedelta(hours=12)) is None
    ride.clock.at = back_by_at + timedelta(hours=12)
    with pytest.raises(NotFound):
        ride.collect(ride.shop_ids[0])
