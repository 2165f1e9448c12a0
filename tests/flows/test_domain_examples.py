"""Worked examples of domain.md 9c, as far as they speak of money: every sum is the example's own."""

from __future__ import annotations

from sqlalchemy import select, update

from basket import orders
from basket.giving_back import Returned, give_back
from basket.models import Order, OrderLine, SubOrder
from marketplace.clock import FixedClock
from marketplace.delivery.models import Zone
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import Money, vat_in
from marketplace.payments.models import Payment
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import Shop, Variant
from tests.sandbox_server import Sandbox
from tests.walk import NOW, Town, book_payments, fill_basket, order_command, pay, work

#: (shop, reference, kind, cents).
Sale = tuple[str, str, str, int]


def _order(hall: Hall, town: Town, *sales: Sale) -> orders.PlacedOrder:
    """One piece of each, brought home at the fee that the law leaves: the association gives the delivery away."""
    with hall.database.transaction() as session:
        session.execute(update(Zone).values(fee=Money(0)))
        for slug, reference, kind, cents in sales:
            put_product(
                session,
                shop_id=session.scalars(select(Shop.id).where(Shop.slug == slug)).one(),
                draft=ProductDraft(
                    reference=reference,
                    name=reference,
                    kind=kind,
                    brand="",
                    description="",
                    drawing="parcel",
                    allergens=None,
                    variants=(VariantDraft(reference, "", Money(cents), 3),),
                ),
                actor="test",
                now=NOW,
            )
        rows = session.execute(select(Variant.reference, Variant.id)).all()
        variants = {row.reference: row.id for row in rows}
        basket_id = fill_basket(session, {variants[sale[1]]: 1 for sale in sales})
        return orders.place_order(session, order_command(basket_id, slot_id=town.slots[0]), clock=hall.clock)


def _asked(hall: Hall, placed: orders.PlacedOrder) -> tuple[int, int]:
    """(what the resident pays, what of it is the delivery)."""
    with hall.database.reading() as session:
        payment = session.get_one(Payment, placed.payment_id)
        return payment.amount.cents, session.get_one(Order, placed.order_id).delivery_fee.cents


def _bring_home(hall: Hall, placed: orders.PlacedOrder, *slugs: str) -> None:
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset(slugs), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
    work(hall)


def _give_back(hall: Hall, placed: orders.PlacedOrder, reference: str, *, qty: int, cents: int, reason: str) -> None:
    with hall.database.transaction() as session:
        order = session.get_one(Order, placed.order_id, with_for_update=True)
        line = session.scalars(
            select(OrderLine)
            .join(SubOrder)
            .where(SubOrder.order_id == placed.order_id, OrderLine.reference == reference)
        ).one()
        give_back(
            session,
            order,
            session.get_one(SubOrder, line.sub_order_id, with_for_update=True),
            reason=reason,
            liable="merchant",
            returned=[Returned(line.id, qty, Money(cents))],
            actor="test",
            now=hall.clock.now(),
        )
    work(hall)


def test_1_what_was_lighter_than_promised_goes_back_and_the_free_delivery_keeps_the_legal_three_euros(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """Book 18.00, cheese at its ceiling 10.96, wine 12.00, tea 5.00: 48.96 is held, 48.76 paid after weighing."""
    placed = _order(
        hall,
        town,
        ("librairie", "B", "livre-neuf", 1800),
        ("fromagerie", "F", "fromage", 1096),
        ("cave", "W", "alcool", 1200),
        ("fromagerie", "T", "epicerie", 500),
    )
    assert _asked(hall, placed) == (4896, 300)
    pay(hall, sandbox, placed)
    _give_back(hall, placed, "F", qty=0, cents=20, reason="weight")
    _bring_home(hall, placed, "librairie", "fromagerie", "cave")
    (payment,) = book_payments(sandbox)
    assert payment["amount_cents"] - payment["refunded_cents"] == 4876
    # 8 % of 15.96 is 1.28; of the 0.20 that go back, 0.02 are the association's: 15.96 - 1.28 - 0.18.
    assert {route["organization_id"]: route["amount_cents"] for route in payment["routes"]} == {
        "org_librairie": 1656,
        "org_fromagerie": 1450,
        "org_cave": 1104,
    }


def test_2_who_withdraws_from_the_wine_of_a_box_gets_the_wine_back_and_nothing_else(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """A box of three sellers, 10 % off what is no book: 22.00 + 13.50 + 12.60 = 48.10, and at least 3.00."""
    placed = _order(
        hall,
        town,
        ("librairie", "B", "livre-neuf", 2200),
        ("cave", "W", "alcool", 1350),
        ("fromagerie", "C", "chocolat", 1260),
    )
    assert _asked(hall, placed) == (4810 + 300, 300)
    with hall.database.reading() as session:
        lines = session.scalars(select(OrderLine)).all()
        assert {line.reference: (line.vat_bp, vat_in(line.total, line.vat_bp).cents) for line in lines} == {
            "B": (550, 115),
            "W": (2000, 225),
            "C": (550, 66),
        }
    pay(hall, sandbox, placed)
    _bring_home(hall, placed, "librairie", "cave", "fromagerie")
    _give_back(hall, placed, "W", qty=1, cents=1350, reason="withdrawal")
    (payment,) = book_payments(sandbox)
    # The wine's merchant had got 13.50 less 8 %: it gives that back, the association its 1.08.
    assert [(refund["amount_cents"], refund["reversals_cents"]) for refund in payment["refunds"]] == [
        (1350, {"org_cave": 1242})
    ]
    with hall.database.reading() as session:
        owed = {account: -total.cents for account, total in balances(session).items() if total}
    assert owed == {
        "holding": -(176 + 101 + 300 + 1350),
        "association:commission": 176 + 101,
        "association:delivery": 300,
        "residents:refunds": 1350,
    }
