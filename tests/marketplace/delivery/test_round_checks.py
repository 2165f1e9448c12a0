"""The self-check sees what the tables' own constraints cannot."""

from __future__ import annotations

from sqlalchemy import text

from marketplace.clock import FixedClock
from marketplace.delivery.checks import RULES, broken_rules
from marketplace.hall import Hall
from tests.marketplace.delivery.district import District, book, hand_out_round

_EMPTY_ROUND = "UPDATE round SET taken_grams = 0, taken_ml = 0, taken_cold_ml = 0"

#: Rule → the fault, as statements that no use case would make: of a round that rides with one household.
FAULTS: dict[str, tuple[str, ...]] = {
    "I03 a slot whose taken places are not its bookings": ("UPDATE slot SET taken_stops = taken_stops + 1",),
    "I03 a slot with more places taken than there are": (
        "ALTER TABLE slot DROP CONSTRAINT ck_slot_stops_within_capacity",
        "UPDATE slot SET capacity_stops = 0",
    ),
    "I03 a round whose load is not what is booked": ("UPDATE round SET taken_cold_ml = 500",),
    "I03 a round that is loaded with more than it can carry": (
        "ALTER TABLE round DROP CONSTRAINT ck_round_grams_within_capacity",
        "UPDATE round SET capacity_grams = 0",
    ),
    "I17 a stop for a booking of another round": (
        "INSERT INTO round (zone_id, state, on_date, cut_off_at, collect_from_at, collect_until_at, back_by_at,"
        " capacity_grams, capacity_ml, capacity_cold_ml, taken_grams, taken_ml, taken_cold_ml)"
        " SELECT zone_id, 'open', on_date, cut_off_at, collect_from_at + interval '1 minute', collect_until_at,"
        " back_by_at, capacity_grams, capacity_ml, capacity_cold_ml, taken_grams, taken_ml, taken_cold_ml FROM round",
        "UPDATE slot SET round_id = (SELECT max(id) FROM round)",
        f"{_EMPTY_ROUND} WHERE id = (SELECT min(id) FROM round)",
    ),
    "I17 a stop for a booking that has no place": (
        "UPDATE booking SET state = 'released'",
        "UPDATE slot SET taken_stops = 0",
        _EMPTY_ROUND,
    ),
    "I17 a parcel that is not both collected and handed over": (
        "DELETE FROM handling WHERE act = 'collect' AND parcel_id = (SELECT min(id) FROM parcel)",
    ),
    "I17 a booking whose parcels are with several couriers": (
        "INSERT INTO shift (round_id, courier_id, vehicle_id, starts_at, ends_at, distance_m)"
        " SELECT round_id, v.courier_id, v.id, starts_at, ends_at, 0 FROM shift h, vehicle v"
        " WHERE v.id <> h.vehicle_id LIMIT 1",
        "UPDATE stop SET shift_id = (SELECT max(id) FROM shift) WHERE kind = 'home'",
    ),
    "I17 brought home by a round that has not left": (
        "UPDATE booking SET state = 'delivered'",
        "UPDATE round SET state = 'planned'",
    ),
    "I17 a round that is done with stops ahead": ("UPDATE round SET state = 'done'",),
}


def test_each_fault_is_found_and_nothing_else(hall: Hall, district: District, clock: FixedClock) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, shops=(0, 1))
    hand_out_round(hall, district)
    with hall.database.reading() as session:
        assert list(broken_rules(session)) == []
    assert set(FAULTS) == {rule for rule, _ in RULES}
    for rule, statements in FAULTS.items():
        with hall.database.reading() as session:
            for statement in statements:
                session.execute(text(statement))
            assert {sentence.split(":")[0] for sentence in broken_rules(session)} == {rule}


def test_a_round_that_is_done_with_its_stops_over_is_well(hall: Hall, district: District, clock: FixedClock) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, shops=(0, 1))
    hand_out_round(hall, district)
    with hall.database.reading() as session:
        session.execute(text("UPDATE round SET state = 'done'"))
        session.execute(text("UPDATE stop SET state = 'failed', outcome = 'absent'"))
        assert list(broken_rules(session)) == []
