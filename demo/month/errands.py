"""What the residents of the month mean to do, and what will befall them: all drawn from one seed beforehand."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from basket.orders import Address, PlacedOrder
from marketplace.clock import local_instant

#: What can befall an order, and how often among a hundred troubles or so. Every kind comes once before any does twice.
TROUBLES: dict[str, int] = {
    # The resident and the bank.
    "payment failed": 8,
    "payment cancelled": 6,
    "payment expired": 3,
    "never paid": 5,
    "given up": 3,
    "paid late, still there": 3,
    "paid late, gone": 3,
    "paid twice": 3,
    "amount differs": 2,
    # The provider's notices.
    "notice lost": 4,
    "notice repeated": 4,
    "notices out of order": 3,
    "notice a day late": 2,
    # The line to the provider.
    "creation unanswered": 3,
    "creation unheard": 2,
    "creation refused for now": 3,
    "creation answered by a proxy": 2,
    "route unanswered": 3,
    "route refused for now": 2,
    "route answered half": 2,
    "route refused": 3,
    "key not taken": 2,
    "refund unanswered": 3,
    "refund refused for now": 2,
    # The shops.
    "lines missing": 9,
    "part cancelled": 5,
    "order cancelled": 3,
    "merchant away": 2,
    # The money afterwards.
    "complaint": 3,
    "lighter weight": 3,
    "withdrawal": 3,
    "gesture": 2,
    "too small to be shared": 2,
    "refund failed": 3,
    "chargeback lost": 3,
    "chargeback won": 3,
    # The round and the post.
    "nobody at home": 3,
    "never at home": 2,
    "parcel missing": 2,
    "mail server away": 2,
}

#: What only a delivery can meet.
OF_THE_ROUND = frozenset({"nobody at home", "never at home", "parcel missing"})
#: These want a refund on its way: something will be missing.
WITH_REFUND = frozenset({"lines missing", "refund unanswered", "refund refused for now", "refund failed"})

FIRST_NAMES = ("Jeanne", "Lucien", "Amina", "Rémi", "Odette", "Paul", "Solène", "Karim", "Berthe", "Noé", "Inès", "Guy")
LAST_NAMES = ("Martin", "Petit", "Lagarde", "Diallo", "Roy", "Texier", "Faure", "Moreau", "Bonnin", "Geoffroy")
STREETS = ("rue de Montmoreau", "rue de Périgueux", "avenue de Cognac", "rue des Acacias", "chemin de Halage")
CENTRE = (45.6486, 0.1562)
#: Homes lie within so many degrees of the centre: some two kilometres.
SPREAD = (0.018, 0.026)


@dataclass
class Errand:
    """One resident's order from the wish to its end; `draw` is its own luck, so that no other's changes it."""

    number: int
    at: datetime
    mode: str
    trouble: str | None
    name: str
    address: Address
    draw: random.Random = field(repr=False)
    placed: PlacedOrder | None = None
    #: The payment that it was placed with, at the provider.
    provider_id: str = ""
    #: Why it could not be ordered, if it could not: the code of the last refusal.
    refused: str = ""

    @property
    def has_met(self) -> str | None:
        """The trouble that has befallen it indeed."""
        is_meant = self.trouble == "too small to be shared" and self.refused == "order_too_small"
        return self.trouble if self.placed is not None or is_meant else None

    @property
    def code(self) -> str:
        assert self.placed is not None, "placed before anything else happens to it"
        return self.placed.code


def draw_errands(
    *,
    seed: int,
    orders_qty: int,
    first_day: date,
    days: int,
    trouble_percent: int,
    troubles: Mapping[str, int] = TROUBLES,
) -> list[Errand]:
    """Everybody's errands, soonest first; exactly `trouble_percent` of them have something going wrong."""
    draw = random.Random(f"month {seed}")  # noqa: S311  # a simulated month, not a secret
    fates: list[str | None] = [None] * orders_qty
    for place, trouble in zip(
        draw.sample(range(orders_qty), orders_qty * trouble_percent // 100),
        _dealt(draw, troubles, orders_qty * trouble_percent // 100),
        strict=True,
    ):
        fates[place] = trouble
    instants = sorted(
        local_instant(first_day + timedelta(days=draw.randrange(days)), time(8, 0))
        + timedelta(seconds=draw.randrange(13 * 3600))
        for _ in range(orders_qty)
    )
    return [
        _errand(number, at, trouble, random.Random(f"errand {seed} {number}"))  # noqa: S311  # a play that can be repeated
        for number, (at, trouble) in enumerate(zip(instants, fates, strict=True))
    ]


def _dealt(draw: random.Random, troubles: Mapping[str, int], qty: int) -> Sequence[str]:
    """So many troubles: each kind once, then by their weights."""
    each = list(troubles)
    draw.shuffle(each)
    more = draw.choices(list(troubles), weights=list(troubles.values()), k=max(0, qty - len(each)))
    dealt = (each + more)[:qty]
    draw.shuffle(dealt)
    return dealt


def _errand(number: int, at: datetime, trouble: str | None, draw: random.Random) -> Errand:
    mode = "delivery" if draw.random() < 0.6 else "collection"
    if trouble in OF_THE_ROUND:
        mode = "delivery"
    elif trouble == "too small to be shared":
        mode = "collection"
    name = f"{draw.choice(FIRST_NAMES)} {draw.choice(LAST_NAMES)}"
    address = Address(
        f"{draw.randrange(1, 90)} {draw.choice(STREETS)}",
        "16000",
        "Angoulême",
        CENTRE[0] + draw.uniform(-SPREAD[0], SPREAD[0]),
        CENTRE[1] + draw.uniform(-SPREAD[1], SPREAD[1]),
    )
    return Errand(number, at, mode, trouble, name, address, draw)
