"""The plan of the market: which kinds of products stand in which aisle, and which trades in which street."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

#: Aisle → kinds, in the order of the walk. Every kind of kinds.csv stands in exactly one.
AISLES: dict[str, tuple[str, ...]] = {
    "manger": (
        "pain", "fromage", "viande", "charcuterie", "plat-prepare", "epicerie", "chocolat", "confiserie", "alcool",
    ),
    "fleurir": ("bouquet", "composition-florale", "plante"),
    "lire": ("livre-neuf", "livre-occasion", "presse"),
    "porter": ("vetement", "bijou", "lunettes-soleil", "hygiene-scelle"),
    "vivre": ("maison", "electrique", "jouet"),
    "offrir": ("bon-achat", "prestation", "sur-mesure"),
}  # fmt: skip

#: The drawings that stand for an aisle on the plan.
SIGNS: dict[str, tuple[str, str, str]] = {
    "manger": ("cheese-wedge", "bread", "wine-red"),
    "fleurir": ("bouquet", "plant", "orchid"),
    "lire": ("book", "comic", "magazine"),
    "porter": ("dress", "sunglasses", "ring"),
    "vivre": ("vase", "bear", "lamp"),
    "offrir": ("gift-box", "voucher", "workshop"),
}

#: Trades of shops in the order of the same walk; a trade that is not here comes last.
TRADES: tuple[str, ...] = (
    "bakery", "cheese", "butcher", "grocery", "chocolate", "wine", "florist", "books", "comics", "press", "records",
    "clothes", "shoes", "leather", "jeweller", "optician", "beauty", "wool", "deco", "kitchen", "stationery", "toys",
    "bike", "pets",
)  # fmt: skip


#: What most things on a trade's shelves are. None where the next thing may be taxed otherwise: a florist's bouquet and
#: composition, a bookseller's new and second-hand books, an optician's frames.
KIND_OF_TRADE = {
    "bakery": "pain", "cheese": "fromage", "butcher": "viande", "grocery": "epicerie", "chocolate": "chocolat",
    "wine": "alcool", "comics": "livre-neuf", "press": "presse", "records": "maison", "clothes": "vetement",
    "shoes": "vetement", "leather": "maison", "jeweller": "bijou", "beauty": "hygiene-scelle", "wool": "maison",
    "deco": "maison", "kitchen": "maison", "stationery": "maison", "toys": "jouet", "bike": "maison", "pets": "maison",
}  # fmt: skip

#: The trade whose every page carries the notice on alcohol (domain A2).
ALCOHOL_TRADE = "wine"


class HasTrade(Protocol):
    @property
    def trade(self) -> str: ...


Stall = TypeVar("Stall", bound=HasTrade)


def by_trade(shops: Iterable[Stall]) -> dict[str, list[Stall]]:
    """The shops of each trade, trades in the order of the walk, shops in the order given."""
    groups: dict[str, list[Stall]] = {}
    for shop in shops:
        groups.setdefault(shop.trade, []).append(shop)
    return dict(sorted(groups.items(), key=lambda group: trade_position(group[0])))


def trade_position(trade: str) -> int:
    return TRADES.index(trade) if trade in TRADES else len(TRADES)
