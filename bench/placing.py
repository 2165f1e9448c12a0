"""(b) Placing an order over three shops against the bare guarded transaction that no order can do without."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.orm import Session

from basket import baskets, orders
from basket.models import Line, Order, OrderEvent, OrderLine, SubOrder
from bench.measuring import alternated, backend_pid
from bench.reporting import Report
from bench.town import NOW
from marketplace.delivery.models import Booking, Parcel, Round, Slot, Zone
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.money import Money
from marketplace.payments.models import Payment, Share
from merchants.models import StockHold, Variant

CALLS = 40
HOME = orders.Address("12 rue de Montmoreau", "16000", "Angoulême", 45.6412, 0.1612)


def make_round(hall: Hall) -> int:
    """A round with more room than the measurement needs; its slot."""
    with hall.database.transaction() as session:
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


def place_barely(connection: Connection, basket_id: int, slot_id: int, n: int) -> None:
    """The same rows in the same tables behind the same guards, in SQLAlchemy Core with everything known beforehand:
    no quote, no book floor, no commission, no address, no second click, no cut-off, no state table."""
    lines = connection.execute(
        select(Line.variant_id, Line.qty, Variant.price, Variant.shop_id)
        .join(Variant, Line.variant_id == Variant.id)
        .where(Line.basket_id == basket_id)
        .order_by(Line.variant_id)
    ).all()
    code, token, later = f"b{n:07d}", f"bare{n}", NOW + timedelta(minutes=15)
    order_id = connection.execute(
        insert(Order.__table__).returning(Order.__table__.c.id),
        {
            "code": code,
            "token": token,
            "checkout_key": token,
            "request_hash": "",
            "state": "awaiting_payment",
            "mode": "delivery",
            "language": "fr",
            "name": "Jeanne Martin",
            "phone": "+33639981234",
            "email": "jeanne@example.org",
            "shortage": "refund",
            "delivery_fee": Money(450),
            "book_floor": Money(0),
            "placed_at": NOW,
            "hold_until_at": later,
        },
    ).scalar_one()
    part_ids = connection.scalars(
        insert(SubOrder.__table__).returning(SubOrder.__table__.c.id),
        [
            {
                "order_id": order_id,
                "shop_id": line.shop_id,
                "position": position,
                "state": "awaiting_payment",
                "shop_name": "Boutique",
                "shop_awning": 1,
                "party": f"merchant:m{position}",
                "seller_name": "SARL",
                "seller_registration": "SIREN",
                "seller_address": "1 rue",
                "seller_contact": "05",
                "goods": line.price,
                "commission_permille": 80,
                "commission": Money(0),
                "ready_by_at": NOW,
                "collection_code": "1234",
            }
            for position, line in enumerate(lines)
        ],
    ).all()
    connection.execute(
        insert(OrderLine.__table__),
        [
            {
                "sub_order_id": part_id,
                "variant_id": line.variant_id,
                "position": 0,
                "reference": "r",
                "name": "Produit",
                "label": "",
                "kind": "maison",
                "drawing": "parcel",
                "unit_price": line.price,
                "qty": line.qty,
                "vat_bp": 2000,
                "commission": Money(0),
            }
            for part_id, line in zip(part_ids, lines, strict=True)
        ],
    )
    for line in lines:
        taken = connection.execute(
            update(Variant.__table__)
            .where(Variant.id == line.variant_id, Variant.on_hand_qty - Variant.held_qty >= line.qty)
            .values(held_qty=Variant.held_qty + line.qty)
        )
        assert taken.rowcount == 1
    connection.execute(
        insert(StockHold.__table__),
        [
            {"variant_id": line.variant_id, "reference": code, "qty": line.qty, "state": "held", "until_at": later}
            for line in lines
        ],
    )
    placed = connection.execute(
        update(Slot.__table__)
        .where(Slot.id == slot_id, Slot.taken_stops < Slot.capacity_stops)
        .values(taken_stops=Slot.taken_stops + 1)
    )
    loaded = connection.execute(
        update(Round.__table__)
        .where(Round.id == 1, Round.taken_grams + 900 <= Round.capacity_grams)
        .values(taken_grams=Round.taken_grams + 900)
    )
    assert placed.rowcount == loaded.rowcount == 1
    booking_id = connection.execute(
        insert(Booking.__table__).returning(Booking.__table__.c.id),
        {
            "slot_id": slot_id,
            "reference": code,
            "state": "held",
            "until_at": later,
            "grams": 900,
            "ml": 1500,
            "cold_ml": 0,
            "recipient": "Jeanne M.",
            "phone": "05",
            "street": HOME.street,
            "postcode": HOME.postcode,
            "city": HOME.city,
            "lat": HOME.lat,
            "lon": HOME.lon,
            "handover_code": "1234",
            "token": token,
        },
    ).scalar_one()
    connection.execute(
        insert(Parcel.__table__),
        [
            {
                "booking_id": booking_id,
                "number": number,
                "source": f"s{line.shop_id}",
                "source_name": "Boutique",
                "source_street": "1 rue",
                "source_lat": 45.6,
                "source_lon": 0.15,
                "source_awning": 1,
                "ready_from_at": NOW,
                "ready_until_at": later,
                "grams": 300,
                "ml": 500,
                "cold_ml": 0,
            }
            for number, line in enumerate(lines, start=1)
        ],
    )
    payment_id = connection.execute(
        insert(Payment.__table__).returning(Payment.__table__.c.id),
        {
            "token": token,
            "reference": code,
            "attempt": 1,
            "amount": Money(1000),
            "description": code,
            "state": "creating",
            "provider_env": "sandbox",
            "idempotency_key": token,
            "redirect_url": "",
            "created_at": NOW,
        },
    ).scalar_one()
    parties = [(f"merchant:m{n}", "goods", "planned") for n in range(3)]
    parties += [("association", "commission", "kept"), ("association", "delivery", "kept")]
    connection.execute(
        insert(Share.__table__),
        [
            {"payment_id": payment_id, "party": party, "kind": kind, "amount": Money(200), "state": state}
            for party, kind, state in parties
        ],
    )
    connection.execute(
        insert(OrderEvent.__table__),
        {
            "order_id": order_id,
            "at": NOW,
            "actor": "bench",
            "event": "place",
            "from_state": "",
            "to_state": "awaiting_payment",
        },
    )


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
        with hall.database.engine.begin() as connection:
            place_barely(connection, basket_ids[0], slot_id, next(numbers))

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
