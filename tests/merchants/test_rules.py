from __future__ import annotations

import pytest

from marketplace.money import Money
from merchants.aisles import AISLES, KIND_OF_TRADE, SIGNS, TRADES, trade_position
from merchants.kinds import kind_keys
from merchants.rules import UnitPrice, unit_price


@pytest.mark.parametrize(
    ("kind", "cents", "net", "expected"),
    [
        ("fromage", 996, (400, "g"), UnitPrice(Money(2490), "kg")),
        ("alcool", 1350, (750, "ml"), UnitPrice(Money(1800), "L")),
        ("epicerie", 100, (300, "g"), UnitPrice(Money(333), "kg")),
        ("epicerie", 1, (16, "g"), UnitPrice(Money(63), "kg")),  # 62.5 goes up
        ("hygiene-scelle", 650, (100, "g"), UnitPrice(Money(650), "100 g")),
        ("hygiene-scelle", 1290, (50, "ml"), UnitPrice(Money(2580), "100 ml")),
        ("maison", 1200, (200, "g"), None),
        ("pain", 120, (6, "piece"), None),
        ("pain", 120, (None, None), None),
        ("pain", 120, (0, "g"), None),
        ("pain", 0, (250, "g"), UnitPrice(Money(0), "kg")),
    ],
)
def test_food_is_compared_by_kilogram_or_litre(
    kind: str, cents: int, net: tuple[int | None, str | None], expected: UnitPrice | None
) -> None:
    assert unit_price(kind, Money(cents), *net) == expected


def test_every_kind_stands_in_exactly_one_aisle() -> None:
    placed = [kind for kinds in AISLES.values() for kind in kinds]
    assert sorted(placed) == sorted(kind_keys())
    assert SIGNS.keys() == AISLES.keys()


def test_what_a_trade_sells_is_known_or_left_open() -> None:
    assert KIND_OF_TRADE.keys() | {"florist", "books", "optician"} == set(TRADES)
    assert set(KIND_OF_TRADE.values()) <= set(kind_keys())


def test_a_trade_that_nobody_foresaw_comes_last() -> None:
    assert trade_position("bakery") == 0
    assert trade_position("circus") == len(TRADES)
