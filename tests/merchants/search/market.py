"""A catalogue to search in: rows written directly, because search reads tables and no rule of the shops matters."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy.orm import Session

from marketplace.money import Money
from merchants.models import Merchant, PriceChange, Product, Shop, StockMove, Variant
from merchants.search.find import Found, find_products
from merchants.search.index import index_products

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
DAY = date(2026, 11, 21)


class Market:
    """A town of shops whose shelves a test fills. `put` indexes at once, as every product write does."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.shops: dict[str, int] = {}
        self.merchant = Merchant(
            key="halles", legal_name="Halles", registration="demo", street="1 place des Halles", postcode="16000",
            city="Angoulême", phone="05 36 49 00 00", email="halles@example.org", created_at=AT,
        )  # fmt: skip
        session.add(self.merchant)
        session.flush()

    def shop(self, name: str, *, trade: str = "deco") -> int:
        if name not in self.shops:
            shop = Shop(
                merchant_id=self.merchant.id, slug=f"shop-{len(self.shops)}", name=name, sort_name=name.lower(),
                trade=trade, street="1 place des Halles", postcode="16000", city="Angoulême", lat=45.65, lon=0.16,
                opening_hours="Tu-Sa 09:00-18:00", phone="05 36 49 00 00", preparation_minutes=60, awning=0,
            )  # fmt: skip
            self.session.add(shop)
            self.session.flush()
            self.shops[name] = shop.id
        return self.shops[name]

    def shelve(
        self, name: str, *, shop: str = "Au Panier", brand: str = "", kind: str = "maison", description: str = "",
        ean: str = "", trade: str = "deco", is_published: bool = True,
    ) -> Product:  # fmt: skip
        """A product that search does not know yet."""
        shop_id = self.shop(shop, trade=trade)
        product = Product(
            shop_id=shop_id, reference=f"{name}-{id(name)}-{len(self.session.identity_map)}", name=name, brand=brand,
            kind=kind, description=description, drawing="box", is_published=is_published, created_at=AT, updated_at=AT,
        )  # fmt: skip
        self.session.add(product)
        self.session.flush()
        variant = Variant(
            product_id=product.id,
            shop_id=shop_id,
            reference=f"v{product.id}",
            price=Money(500),
            ean=ean,
            on_hand_qty=3,
            net_amount=None,
            net_unit=None,
        )
        self.session.add(variant)
        self.session.flush()
        self.session.add(PriceChange(variant_id=variant.id, price=variant.price, at=AT, actor="test"))
        self.session.add(StockMove(variant_id=variant.id, qty=3, reason="opening", at=AT, actor="test"))
        self.session.flush()
        return product

    def put(self, name: str, **more: str) -> int:
        product = self.shelve(name, **more)  # type: ignore[arg-type]  # only texts are passed on
        index_products(self.session, [product.id])
        return product.id

    def find(self, query: str, **more: int | str) -> Found:
        return find_products(self.session, query=query, on=DAY, **more)  # type: ignore[arg-type]  # page, shop, kind

    def titles(self, query: str, **more: int | str) -> list[str]:
        """The titles of the first page for `query`, best first."""
        found = self.find(query, **more).product_ids
        return [self.session.get_one(Product, id_).name for id_ in found]
