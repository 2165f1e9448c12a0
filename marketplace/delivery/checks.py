"""What must hold of rounds at every commit (I03, I17); tests and the running house ask the same questions.

That a home has at most one stop, and a parcel at most one handling of a kind, the tables' own indices keep.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from marketplace.selfcheck import sentences

RULES = (
    (
        "I03 a slot whose taken places are not its bookings",
        "SELECT s.id, s.taken_stops, count(b.id) FROM slot s "
        "LEFT JOIN booking b ON b.slot_id = s.id AND b.state <> 'released' "
        "GROUP BY s.id HAVING s.taken_stops <> count(b.id)",
    ),
    (
        "I03 a slot with more places taken than there are",
        "SELECT id, taken_stops, capacity_stops FROM slot WHERE taken_stops > capacity_stops",
    ),
    (
        "I03 a round whose load is not what is booked",
        "SELECT r.id, r.taken_grams, coalesce(sum(b.grams), 0), r.taken_ml, coalesce(sum(b.ml), 0), "
        "r.taken_cold_ml, coalesce(sum(b.cold_ml), 0) "
        "FROM round r LEFT JOIN (slot s JOIN booking b ON b.slot_id = s.id "
        "AND b.state <> 'released') ON s.round_id = r.id GROUP BY r.id "
        "HAVING (r.taken_grams, r.taken_ml, r.taken_cold_ml) "
        "<> (coalesce(sum(b.grams), 0), coalesce(sum(b.ml), 0), coalesce(sum(b.cold_ml), 0))",
    ),
    (
        "I03 a round that is loaded with more than it can carry",
        "SELECT id FROM round WHERE taken_grams > capacity_grams OR taken_ml > capacity_ml "
        "OR taken_cold_ml > capacity_cold_ml",
    ),
    (
        "I17 a stop for a booking of another round",
        "SELECT t.id, b.id FROM stop t JOIN booking b ON b.id = t.booking_id JOIN slot s ON s.id = b.slot_id "
        "JOIN shift h ON h.id = t.shift_id WHERE s.round_id <> h.round_id",
    ),
    (
        "I17 a stop for a booking that has no place",
        "SELECT t.id, b.state FROM stop t JOIN booking b ON b.id = t.booking_id WHERE b.state IN ('held', 'released')",
    ),
    (
        "I17 a parcel that is not both collected and handed over",
        "SELECT p.booking_id, p.id FROM stop t JOIN parcel p ON p.booking_id = t.booking_id "
        "LEFT JOIN handling h ON h.parcel_id = p.id GROUP BY p.id HAVING count(h.parcel_id) <> 2",
    ),
    (
        "I17 a booking whose parcels are with several couriers",
        "SELECT p.booking_id, count(DISTINCT t.shift_id) FROM parcel p JOIN handling h ON h.parcel_id = p.id "
        "JOIN stop t ON t.id = h.stop_id GROUP BY p.booking_id HAVING count(DISTINCT t.shift_id) > 1",
    ),
    (
        "I17 brought home by a round that has not left",
        "SELECT b.id, b.state, r.state FROM booking b JOIN slot s ON s.id = b.slot_id "
        "JOIN round r ON r.id = s.round_id "
        "WHERE b.state IN ('delivered', 'returned') AND r.state NOT IN ('riding', 'done')",
    ),
    (
        "I17 a round that is done with stops ahead",
        "SELECT DISTINCT r.id FROM round r JOIN shift h ON h.round_id = r.id JOIN stop t ON t.shift_id = h.id "
        "WHERE r.state = 'done' AND t.state = 'planned'",
    ),
)


def broken_rules(session: Session) -> Iterator[str]:
    yield from sentences(session, RULES)
