"""What residents can take from the shelves, and the merchants' mornings: they count, and put out what has gone."""

from __future__ import annotations

import random

from sqlalchemy import select

from demo.month.house import House
from marketplace.money import Money
from marketplace.payments.service import payable_parties
from merchants import stock
from merchants.models import Merchant, Product, Shop, Variant

#: Nobody sends a bicycle for a wedding ring: what costs more stays in the window.
DEAREST = Money(45_00)
#: Below some five euros that nobody delivers the commission does not bear the provider's fee, and the order is refused
#: (I7). Residents mean to buy more than that.
LEAST = Money(6_00)
LOW_QTY, FULL_QTY = 8, 40
ACTOR = "month"


class Market:
    def __init__(self, house: House) -> None:
        self._house = house
        with house.hall.database.reading() as session:
            payable = payable_parties(session, house.settings.mollie_env)
            rows = session.execute(
                select(Variant.id, Variant.shop_id, Variant.price, Merchant.key)
                .join(Product, Variant.product_id == Product.id)
                .join(Shop, Variant.shop_id == Shop.id)
                .join(Merchant, Shop.merchant_id == Merchant.id)
                .where(
                    ("merchant:" + Merchant.key).in_(payable),
                    Variant.is_offered,
                    Product.is_published,
                    Shop.state == "open",
                    Variant.price.between(Money(1), DEAREST),
                )
                .order_by(Variant.id)
            ).all()
        self._of_shop: dict[int, list[int]] = {}
        self._party_of: dict[int, str] = {}
        for variant_id, shop_id, _price, key in rows:
            self._of_shop.setdefault(shop_id, []).append(variant_id)
            self._party_of[shop_id] = f"merchant:{key}"
        self._prices = {variant_id: price for variant_id, _shop_id, price, _key in rows}
        assert self._of_shop, "the town has shops with something to sell"

    def fill(self, draw: random.Random, *, doubles: bool) -> dict[int, int]:
        """Variant → pieces, from one to four shops; with `doubles` at least two of everything."""
        open_shops = self._selling()
        shops_qty = min(draw.choice((1, 2, 2, 3, 4)), len(open_shops))
        wanted: dict[int, int] = {}
        for shop_id in draw.sample(open_shops, shops_qty):
            shelf = self._of_shop[shop_id]
            for variant_id in draw.sample(shelf, min(draw.choice((1, 1, 2, 3)), len(shelf))):
                wanted[variant_id] = draw.choice((2, 2, 3) if doubles else (1, 1, 1, 2))
        while sum(self._prices[variant_id].cents * qty for variant_id, qty in wanted.items()) < LEAST.cents:
            wanted[max(wanted)] += 1
        return wanted

    def least(self) -> dict[int, int]:
        """One piece of the cheapest thing in town."""
        shelves = [variant_id for shop_id in self._selling() for variant_id in self._of_shop[shop_id]]
        return {min(shelves, key=lambda variant_id: (self._prices[variant_id].cents, variant_id)): 1}

    def _selling(self) -> list[int]:
        """The shops that say on their pages that they sell online today: whose merchant's account takes money."""
        with self._house.hall.database.reading() as session:
            payable = payable_parties(session, self._house.settings.mollie_env)
        return [shop_id for shop_id in sorted(self._of_shop) if self._party_of[shop_id] in payable]

    def put_out(self) -> None:
        """Every shelf that is nearly empty is full again."""
        with self._house.hall.database.transaction() as session:
            low = session.scalars(
                select(Variant.id)
                .where(
                    Variant.id.in_([v for ids in self._of_shop.values() for v in ids]),
                    Variant.on_hand_qty - Variant.held_qty < LOW_QTY,
                )
                .order_by(Variant.id)
            ).all()
            for variant_id in low:
                stock.count(session, variant_id=variant_id, on_hand_qty=FULL_QTY, actor=ACTOR, now=self._house.now)

    def sell_out(self, variant_id: int) -> None:
        """Somebody has bought the rest in the shop."""
        with self._house.hall.database.transaction() as session:
            held_qty = session.get_one(Variant, variant_id).held_qty
            stock.count(session, variant_id=variant_id, on_hand_qty=held_qty, actor=ACTOR, now=self._house.now)
