"""(b) Placing an order over three shops against the bare guarded transaction that no order can do without."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from sqlalchemy import text
from sqlalchemy.orm import Session

from basket import baskets, orders
from bench.measuring import alternated, backend_pid
from bench.reporting import Report
from bench.town import NOW
from marketplace.delivery.models import Round, Slot, Zone
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.money import Money

CALLS = 40
HOME = orders.Address("12 rue de Montmoreau", "16000", "Angoulême", 45.6412, 0.1612)

#: Order, three parts, three lines, three holds, one place, one payment with its shares: each row and each guard
#: that the promise needs, and nothing else.
BARE_INSERT = text("INSERT INTO bare (kind, body) SELECT 'row', repeat('x', 200) FROM generate_series(1, :rows)")
BARE_HOLD = text(
    "UPDATE variant SET held_qty = held_qty + 1 WHERE id = :id AND on_hand_qty - held_qty >= 1 RETURNING id"
)
BARE_PLACE = text(
    "UPDATE slot SET taken_stops = taken_stops + 1 WHERE id = :id AND taken_stops < capacity_stops RETURNING round_id"
)
BARE_LOAD = text(
    "UPDATE round SET taken_grams = taken_grams + 1 WHERE id = :id AND taken_grams < capacity_grams RETURNING id"
)


def make_round(hall: Hall) -> int:
    """A round with more room than the measurement needs; its slot."""
    with hall.database.transaction() as session:
        session.execute(text("CREATE TABLE bare (id bigserial PRIMARY KEY, kind text, body text)"))
        zone = Zone(
            key="bench",
            name="Banc",
            postcodes=["16000"],
            hub_name="Local",
            hub_lat=45.6486,
            hub_lon=0.1562,
            radius_m=9000,
            fee=Money(450),
        )
        session.add(zone)
        session.flush()
        round_ = Round(
            zone_id=zone.id,
            state="open",
            on_date=NOW.date(),
            cut_off_at=NOW + timedelta(hours=5),
            collect_from_at=NOW + timedelta(hours=5),
            collect_until_at=NOW + timedelta(hours=8),
            back_by_at=NOW + timedelta(hours=11),
            capacity_grams=2_000_000_000,
            capacity_ml=2_000_000_000,
            capacity_cold_ml=2_000_000_000,
        )
        session.add(round_)
        session.flush()
        slot = Slot(
            round_id=round_.id,
            starts_at=NOW + timedelta(hours=6),
            ends_at=NOW + timedelta(hours=8),
            capacity_stops=32_000,
        )
        session.add(slot)
        session.flush()
        return slot.id


def measure_placing(hall: Hall, report: Report) -> None:
    slot_id = make_round(hall)
    numbers = count(1)
    with hall.database.transaction() as session:
        basket_ids = [_basket(session, hall) for _ in range(12 + 3 * CALLS + 5)]
    waiting = iter(basket_ids)

    def place() -> None:
        with hall.database.transaction() as session:
            orders.place_order(session, _command(next(waiting), slot_id, hall), clock=hall.clock)

    def bare() -> None:
        n = next(numbers)
        with hall.database.engine.begin() as connection:
            for variant_id in (5000 + n, 6000 + n, 7000 + n):
                assert connection.execute(BARE_HOLD, {"id": variant_id}).one()
            round_id = connection.execute(BARE_PLACE, {"id": slot_id}).scalar_one()
            assert connection.execute(BARE_LOAD, {"id": round_id}).one()
            # order, parts, lines, holds, booking, parcels, payment, shares, event: one INSERT for each kind of row
            for rows in (1, 3, 3, 3, 1, 3, 1, 5, 1):
                connection.execute(BARE_INSERT, {"rows": rows})

    pid = backend_pid(hall.database)
    costs = alternated({"place": (place, pid), "bare": (bare, pid)}, calls=CALLS)
    report.say("(b) placing an order over three shops with delivery, CPU ms (server + database)")
    ratio = costs["place"].total_ms / costs["bare"].total_ms
    report.at_most("placing / bare guarded transaction", ratio, 4.0, f"{costs['place']} against {costs['bare']}")


def _basket(session: Session, hall: Hall) -> int:
    now = hall.clock.now()
    basket = baskets.open_basket(session, now)
    for variant_id in (1, 2, 3):
        baskets.add_line(session, basket_id=basket.id, variant_id=variant_id, qty=1, now=now)
    return basket.id


def _command(basket_id: int, slot_id: int, hall: Hall) -> orders.PlaceOrder:
    return orders.PlaceOrder(
        basket_id=basket_id,
        checkout_key=new_token(),
        mode="delivery",
        name="Jeanne Martin",
        phone="+33639981234",
        email="jeanne@example.org",
        shortage="refund",
        language="fr",
        site_url=hall.settings.site_url,
        provider_env=hall.settings.mollie_env,
        address=HOME,
        slot_id=slot_id,
    )
