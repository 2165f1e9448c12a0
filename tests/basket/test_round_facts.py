"""What the courier does reaches the orders, whatever the order in which the worker learns of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import select, text

from basket.models import Order, OrderEvent, SubOrder
from marketplace.clock import FixedClock
from marketplace.delivery import riding
from marketplace.delivery.models import Booking
from marketplace.hall import Hall
from marketplace.jobs import work_until_idle
from marketplace.payments.models import Share
from tests.basket.counter import Paid
from tests.marketplace.delivery.district import (
    District,
    add_person,
    add_vehicle,
    hand_out_round,
    parcel_ids_at,
    stops_of,
)
from tests.walk import Town


@dataclass(frozen=True, slots=True)
class Ride:
    hall: Hall
    clock: FixedClock
    courier_id: int

    def collect(self, *, missing: str = "") -> None:
        """Every shop of the line hands its parcels over, but that one."""
        with self.hall.database.transaction() as session:
            for stop in stops_of(session, self.courier_id, "shop"):
                is_missing = stop.source == missing
                assert riding.collect(
                    session,
                    stop_id=stop.id,
                    courier_id=self.courier_id,
                    parcel_ids=frozenset() if is_missing else parcel_ids_at(session, stop.id),
                    without_rest=is_missing,
                    now=self.clock.now(),
                )

    def deliver(self) -> None:
        with self.hall.database.transaction() as session:
            (home,) = stops_of(session, self.courier_id, "home")
            booking = session.get_one(Booking, home.booking_id)
            assert riding.deliver(
                session,
                stop_id=home.id,
                courier_id=self.courier_id,
                code=booking.handover_code,
                receiver="",
                is_adult=True if booking.needs_age_check else None,
                now=self.clock.now(),
            )

    def states(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """Of the order, of each shop's part, of each share of the goods."""
        with self.hall.database.reading() as session:
            parts = {row.party: row.state for row in session.execute(select(SubOrder.party, SubOrder.state))}
            shares = session.execute(select(Share.party, Share.state).where(Share.kind == "goods"))
            return session.scalars(select(Order.state)).one(), parts, {row.party: row.state for row in shares}


@pytest.fixture
def ride(hall: Hall, town: Town, paid: Paid, clock: FixedClock) -> Ride:
    """An order over two shops, paid and on its courier's phone."""
    paid(["F1", "L1"])
    with hall.database.transaction() as session:
        courier = add_person(session, "amine@halles.example", "Amine Roux", "courier")
        vehicle = add_vehicle(session, courier, kilograms=80)
    hand_out_round(hall, District(town.zone_id, town.round_id, town.slots, 0, (courier.id,), (vehicle.id,)))
    return Ride(hall, clock, courier.id)


def test_what_is_on_board_travels_and_what_is_handed_over_may_be_paid_out(ride: Ride, app: Flask) -> None:
    ride.collect()
    work_until_idle(app)
    order, parts, shares = ride.states()
    assert (order, set(parts.values()), set(shares.values())) == ("confirmed", {"handed_over"}, {"planned"})
    ride.deliver()
    work_until_idle(app)
    order, parts, shares = ride.states()
    assert (order, set(parts.values())) == ("completed", {"delivered"})
    assert "planned" not in shares.values()


def test_learning_of_the_handover_before_the_collection_loses_nothing(ride: Ride, app: Flask) -> None:
    ride.collect()
    ride.deliver()
    with ride.hall.database.transaction() as session:
        session.execute(
            text(
                "UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 hour'"
                " WHERE task_name LIKE '%take_along'"
            )
        )
    work_until_idle(app)
    assert ride.states()[:2] == ("completed", {"merchant:fromagerie": "delivered", "merchant:librairie": "delivered"})
    with ride.hall.database.transaction() as session:
        session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = NULL"))
        events_before = len(session.scalars(select(OrderEvent.id)).all())
    work_until_idle(app)
    with ride.hall.database.reading() as session:
        assert len(session.scalars(select(OrderEvent.id)).all()) == events_before


def test_a_shop_whose_parcel_was_missing_is_not_paid_out(ride: Ride, app: Flask) -> None:
    ride.collect(missing="librairie")
    ride.deliver()
    work_until_idle(app)
    order, parts, shares = ride.states()
    assert order == "confirmed", "a person has to look at it"
    assert parts == {"merchant:fromagerie": "delivered", "merchant:librairie": "received"}
    assert shares["merchant:librairie"] == "planned" != shares["merchant:fromagerie"]
