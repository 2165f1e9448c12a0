from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketplace.db import Database
from merchants.models import Merchant, Shop

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


@pytest.fixture
def pottery(empty_database: Database) -> int:
    """The id of an open shop with empty shelves, "poterie-du-port"."""
    with empty_database.transaction() as session:
        merchant = Merchant(
            key="claire",
            legal_name="Claire Aubertin EI",
            registration="000 001 073",
            street="14 rue de Beaulieu",
            postcode="16000",
            city="Angoulême",
            phone="",
            email="claire@example.org",
            created_at=NOW,
        )
        session.add(merchant)
        session.flush()
        shop = Shop(
            merchant_id=merchant.id,
            slug="poterie-du-port",
            name="Poterie du Port",
            sort_name="poterie du port",
            trade="crafts",
            street="14 rue de Beaulieu",
            postcode="16000",
            city="Angoulême",
            lat=45.6496,
            lon=0.1551,
            opening_hours="Tu-Sa 10:00-19:00",
            phone="",
            preparation_minutes=45,
            awning=0,
        )
        session.add(shop)
        session.flush()
        return shop.id
