"""A small town for tests, arranged through the real use cases, and the steps of a resident's walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket import baskets, orders
from marketplace.clock import Clock, FixedClock
from marketplace.db import Database
from marketplace.delivery.models import Round, Slot, Zone
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.jobs import work_until_idle
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments.models import MerchantAccount, Payment
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import CommissionRate, Merchant, Product, Shop, Variant
from tests.apps import app_over
from tests.sandbox_server import Sandbox

#: A Tuesday, ten in the morning in Angoulême.
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

#: (slug, name, trade): the cast. Their organisations are org_<slug>.
SHOPS = (
    ("librairie", "Librairie du Rempart", "books"),
    ("fromagerie", "Fromagerie des Halles", "cheese"),
    ("cave", "Cave du Minage", "wine"),
)

#: Their numbers, with keys that hold; the register has none so low.
SIRENS = ("000000026", "000000034", "000000042")

#: slug → (reference, name, kind, price in cents, on hand).
SHELF = {
    "librairie": (("L1", "L’Assommoir", "livre-neuf", 1800, 5), ("L2", "Carnet bleu", "maison", 650, 9)),
    "fromagerie": (("F1", "Tomme fermière", "fromage", 996, 8), ("F2", "Confiture de figues", "epicerie", 500, 1)),
    "cave": (("C1", "Rouge des coteaux", "alcool", 1200, 12),),
}

HOME = orders.Address("12 rue de Montmoreau", "16000", "Angoulême", 45.6412, 0.1612, "2e étage")


@dataclass(frozen=True)
class Town:
    """Ids of what `arrange_town` made."""

    variants: dict[str, int]
    slots: tuple[int, ...]
    round_id: int
    zone_id: int

    def variant(self, reference: str) -> int:
        return self.variants[reference]


def arrange_town(session: Session, *, now: datetime = NOW, env: str = "sandbox", capacity_stops: int = 10) -> Town:
    """Three shops with five products, all able to be paid, and one round this evening with two slots."""
    for n, (slug, name, trade) in enumerate(SHOPS):
        merchant = Merchant(
            key=slug,
            legal_name=f"SARL {name}",
            registration=f"SIREN {SIRENS[n]}",
            street=f"{n + 1} rue de Beaulieu",
            postcode="16000",
            city="Angoulême",
            phone="05 36 49 00 01",
            email=f"{slug}@example.org",
            created_at=now,
        )
        session.add(merchant)
        session.flush()
        session.add(
            CommissionRate(merchant_id=merchant.id, permille=80, valid_from=date(2026, 1, 1), set_at=now, actor="test")
        )
        shop = Shop(
            merchant_id=merchant.id,
            slug=slug,
            name=name,
            sort_name=slug,
            trade=trade,
            street=f"{n + 1} rue de Beaulieu",
            postcode="16000",
            city="Angoulême",
            lat=45.6489 + n / 2000,
            lon=0.1560 + n / 2000,
            opening_hours="Tu-Sa 10:00-19:00",
            phone="05 36 49 00 01",
            preparation_minutes=30,
            sells_books=trade == "books",
            awning=n,
            state="open",
        )
        session.add(shop)
        session.add(
            MerchantAccount(
                party=f"merchant:{slug}",
                provider_env=env,
                organization_id=f"org_{slug}",
                can_receive_payments=True,
                checked_at=now,
            )
        )
        session.flush()
        for reference, product_name, kind, cents, on_hand in SHELF[slug]:
            put_product(
                session,
                shop_id=shop.id,
                draft=ProductDraft(
                    reference=reference,
                    name=product_name,
                    kind=kind,
                    brand="",
                    description=f"{product_name}, choisi par {name}.",
                    drawing="parcel",
                    allergens=("lait",) if kind == "fromage" else None,
                    variants=(VariantDraft(reference, "", Money(cents), on_hand, weight_grams=400, volume_ml=800),),
                ),
                actor="test",
                now=now,
            )
    zone = Zone(
        key="ville",
        name="Angoulême",
        postcodes=["16000", "16800"],
        hub_name="Le local",
        hub_lat=45.6486,
        hub_lon=0.1562,
        radius_m=6000,
        fee=Money(450),
    )
    session.add(zone)
    session.flush()
    round_ = add_round(session, zone_id=zone.id, cut_off_at=now + timedelta(hours=5), capacity_stops=capacity_stops)
    variants = {row.reference: row.id for row in session.execute(select(Variant.reference, Variant.id))}
    slots = session.scalars(select(Slot.id).where(Slot.round_id == round_.id).order_by(Slot.starts_at)).all()
    return Town(variants, tuple(slots), round_.id, zone.id)


def add_round(session: Session, *, zone_id: int, cut_off_at: datetime, capacity_stops: int = 10) -> Round:
    """A round that collects for three hours from its cut-off on, with two slots of two hours."""
    round_ = Round(
        zone_id=zone_id,
        state="open",
        on_date=cut_off_at.date(),
        cut_off_at=cut_off_at,
        collect_from_at=cut_off_at,
        collect_until_at=cut_off_at + timedelta(hours=3),
        back_by_at=cut_off_at + timedelta(hours=6),
        capacity_grams=200_000,
        capacity_ml=500_000,
        capacity_cold_ml=60_000,
    )
    session.add(round_)
    session.flush()
    for hours in (1, 2):
        start = cut_off_at + timedelta(hours=hours)
        session.add(
            Slot(
                round_id=round_.id,
                starts_at=start,
                ends_at=start + timedelta(hours=2),
                capacity_stops=capacity_stops,
            )
        )
    session.flush()
    return round_


def register_merchants(sandbox: Sandbox) -> None:
    """The sandbox knows the town's merchants."""
    for slug, name, _trade in SHOPS:
        sandbox.register_organization(f"org_{slug}", name)


def fill_basket(session: Session, wanted: dict[int, int], *, now: datetime = NOW) -> int:
    """A basket with variant id → quantity; its id."""
    basket = baskets.open_basket(session, now)
    for variant_id, qty in wanted.items():
        baskets.add_line(session, basket_id=basket.id, variant_id=variant_id, qty=qty, now=now)
    return basket.id


def order_command(
    basket_id: int,
    *,
    slot_id: int | None = None,
    key: str | None = None,
    env: str = "sandbox",
    name: str = "Jeanne Martin",
    address: orders.Address = HOME,
) -> orders.PlaceOrder:
    """What Jeanne decides: a delivery when a slot is given, else collection in the shops."""
    return orders.PlaceOrder(
        basket_id=basket_id,
        checkout_key=key or new_token(),
        mode="delivery" if slot_id is not None else "collection",
        name=name,
        phone="+33639981234",
        email="jeanne@example.org",
        shortage="refund",
        language="fr",
        site_url="http://127.0.0.1:5000",
        provider_env=env,
        address=address if slot_id is not None else None,
        slot_id=slot_id,
    )


def place(
    database: Database, town: Town, references: Sequence[str], *, clock: Clock, delivered: bool = True
) -> orders.PlacedOrder:
    """An order of one piece for each time a reference is named, waiting for its payment."""
    with database.transaction() as session:
        basket_id = fill_basket(session, {town.variant(r): references.count(r) for r in references}, now=clock.now())
        command = order_command(basket_id, slot_id=town.slots[0] if delivered else None)
        return orders.place_order(session, command, clock=clock)


def open_payment(hall: Hall, placed: orders.PlacedOrder) -> str:
    """The payment exists at the provider; its id there."""
    payments.open_at_provider(hall, placed.payment_id)
    with hall.database.reading() as session:
        provider_id = session.get_one(Payment, placed.payment_id).provider_id
    assert provider_id is not None
    return provider_id


def pay(hall: Hall, sandbox: Sandbox, placed: orders.PlacedOrder) -> None:
    """The resident pays; no notice comes, somebody looks, and the order is confirmed."""
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    work(hall)


def late_money(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> orders.PlacedOrder:
    """Money of an order whose only piece somebody else has bought meanwhile; nobody has looked at it yet."""
    placed = place(hall.database, town, ("F2",), clock=clock)
    provider_id = open_payment(hall, placed)
    clock.advance(timedelta(minutes=16))
    with hall.database.transaction() as session:
        orders.lapse(session, order_id=placed.order_id, now=clock.now())
    pay(hall, sandbox, place(hall.database, town, ("F2",), clock=clock))
    sandbox.conclude(provider_id, "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    return placed


def work(hall: Hall) -> None:
    """The worker does all that is due."""
    work_until_idle(app_over(hall, "worker"))


def book_payments(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Every payment in the provider's own book, with its routes and refunds."""
    return [payment for profile in sandbox.book()["profiles"] for payment in profile["payments"]]


def product_id_of(session: Session, name: str) -> int:
    return session.scalars(select(Product.id).where(Product.name == name)).one()


__all__ = [
    "HOME",
    "NOW",
    "FixedClock",
    "Town",
    "add_round",
    "arrange_town",
    "book_payments",
    "fill_basket",
    "open_payment",
    "order_command",
    "pay",
    "place",
    "product_id_of",
    "register_merchants",
    "work",
]
