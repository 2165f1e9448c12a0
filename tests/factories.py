"""Shops and shelves for tests of the catalogue, made with the real use cases; search knows them at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from marketplace.clock import Clock
from marketplace.db import Database
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.mail import Mailer
from marketplace.money import Money
from marketplace.payments.gateway import Gateway
from marketplace.payments.models import MerchantAccount
from marketplace.settings import Settings
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import CommissionRate, Merchant, Shop
from merchants.search.index import index_products

#: Where nobody listens.
NOWHERE = "http://127.0.0.1:9"
LONG_AGO = datetime(2026, 11, 1, 9, tzinfo=UTC)


def quiet_hall(database: Database, clock: Clock, folder: Path) -> Hall:
    """A hall for pages that call nobody outside: no payments, no addresses, no mail."""
    settings = Settings.from_env({"SECRET_KEY": "t" * 40, "INSTANCE_DIR": str(folder)})
    return Hall(
        settings=settings,
        database=database,
        clock=clock,
        gateway=Gateway(endpoint=NOWHERE, api_key="test_nowhere"),
        geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
        mailer=Mailer(host="127.0.0.1", port=9, sender=settings.mail_from),
    )


def open_shop(
    session: Session,
    slug: str,
    name: str,
    *,
    trade: str = "deco",
    opening_hours: str = "Tu-Sa 10:00-19:00",
    tagline: str = "",
    description: str = "",
    state: str = "open",
    awning: int = 0,
) -> int:
    """A merchant with this one shop; the shop's id."""
    known_qty = session.scalar(select(func.count(Merchant.id))) or 0
    merchant = Merchant(
        key=slug,
        legal_name=f"SARL {name}",
        registration=f"SIREN {1000 * known_qty:09d}",
        street="1 rue de Beaulieu",
        postcode="16000",
        city="Angoulême",
        phone="05 36 49 00 01",
        email=f"{slug}@example.org",
        created_at=LONG_AGO,
    )
    session.add(merchant)
    session.flush()
    session.add(
        CommissionRate(merchant_id=merchant.id, permille=80, valid_from=LONG_AGO.date(), set_at=LONG_AGO, actor="test")
    )
    shop = Shop(
        merchant_id=merchant.id,
        slug=slug,
        name=name,
        sort_name=name.lower(),
        trade=trade,
        tagline=tagline,
        description=description,
        street="1 rue de Beaulieu",
        postcode="16000",
        city="Angoulême",
        lat=45.6489,
        lon=0.1560,
        opening_hours=opening_hours,
        phone="05 36 49 00 02",
        preparation_minutes=30,
        awning=awning,
        state=state,
    )
    session.add(shop)
    session.add(
        MerchantAccount(
            party=f"merchant:{slug}",
            provider_env="sandbox",
            organization_id=f"org_{slug}",
            can_receive_payments=True,
            checked_at=LONG_AGO,
        )
    )
    session.flush()
    return shop.id


def put_goods(
    session: Session,
    shop_id: int,
    name: str,
    *,
    cents: int = 1000,
    kind: str = "maison",
    on_hand_qty: int = 5,
    net: tuple[int, str] | None = None,
    variants: Sequence[VariantDraft] = (),
    allergens: tuple[str, ...] | None = None,
    details: dict[str, str] | None = None,
    description: str = "",
    drawing: str = "vase",
) -> int:
    """A product on a shop's shelf, with one variant unless told which; its id."""
    only = VariantDraft(
        name,
        "",
        Money(cents),
        on_hand_qty,
        net_amount=net[0] if net else None,
        net_unit=net[1] if net else None,
    )
    product_id = put_product(
        session,
        shop_id=shop_id,
        draft=ProductDraft(
            reference=name,
            name=name,
            kind=kind,
            brand="",
            description=description,
            drawing=drawing,
            allergens=allergens,
            details=details or {},
            variants=tuple(variants) or (only,),
        ),
        actor="test",
        now=LONG_AGO,
    )
    index_products(session, [product_id])
    return product_id
