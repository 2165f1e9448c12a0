"""A shopkeeper's browser, and a look at a shop's part of an order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from basket import orders
from basket.models import Order, SubOrder
from marketplace.hall import Hall
from merchants.models import Shop


@dataclass(frozen=True)
class Browser:
    """A browser that sends the token of its last page with every form."""

    client: FlaskClient

    def get(self, url: str) -> TestResponse:
        return self.client.get(url)

    def post(self, url: str, **form: object) -> TestResponse:
        page = self.client.get("/panier").get_data(as_text=True)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found is not None
        return self.client.post(url, data={"csrf_token": found[1], **form})


Keeper = Callable[..., Browser]
Paid = Callable[..., orders.PlacedOrder]


def part_of(hall: Hall, placed: orders.PlacedOrder, slug: str) -> SubOrder:
    """One shop's part of an order, as it stands."""
    with hall.database.reading() as session:
        return session.scalars(
            select(SubOrder).join(Shop).join(Order).where(Order.id == placed.order_id, Shop.slug == slug)
        ).one()
