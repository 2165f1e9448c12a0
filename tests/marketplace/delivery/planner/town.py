"""Seeded towns for the planner's tests: shops close together in the middle, homes around, one afternoon."""

from __future__ import annotations

import json
import math
import random
from typing import Any

from marketplace.delivery.planner import Problem, problem_from_json

#: Angoulême's town hall.
MIDDLE_LAT, MIDDLE_LON = 45.6488, 0.1562
SLOTS = ((15, 17), (16, 18), (18, 20), (15, 20.5))
FLEET = (
    ("cargo", [1800, 900, 120]),
    ("van", [5000, 2500, 200]),
    ("bike", [600, 250, 0]),
    ("cargo", [1800, 900, 60]),
)


def town(seed: int, *, shop_qty: int = 12, order_qty: int = 24, vehicle_qty: int = 2) -> Problem:
    return problem_from_json(town_json(seed, shop_qty=shop_qty, order_qty=order_qty, vehicle_qty=vehicle_qty))


def town_json(seed: int, *, shop_qty: int = 12, order_qty: int = 24, vehicle_qty: int = 2) -> str:
    return json.dumps(town_document(seed, shop_qty=shop_qty, order_qty=order_qty, vehicle_qty=vehicle_qty))


def town_document(seed: int, *, shop_qty: int = 12, order_qty: int = 24, vehicle_qty: int = 2) -> dict[str, Any]:
    chance = random.Random(seed)
    shops = [
        {"loc": 1 + shop, "open": [hour(14), hour(chance.choice((18, 18.5, 19)))], "cold": shop % 3 == 0}
        for shop in range(shop_qty)
    ]
    orders = []
    for number in range(order_qty):
        slot = chance.choice(SLOTS)
        parcels = []
        for shop in chance.sample(range(shop_qty), min(shop_qty, chance.choice((1, 1, 2, 2, 3, 4)))):
            chilled = 2 if slot[1] - slot[0] <= 2 and shop % 3 == 0 and chance.random() < 0.4 else 0
            parcels.append({"shop": shop, "load": [chance.randint(3, 40), chance.randint(1, 12), chilled]})
        orders.append(
            {"id": 100 + number, "loc": 1 + shop_qty + number, "tw": [hour(slot[0]), hour(slot[1])], "parcels": parcels}
        )
    return {
        "pts": [[MIDDLE_LAT, MIDDLE_LON]]
        + [around(chance, 0.0, 0.3) for _ in shops]
        + [around(chance, 0.35, 4.0) for _ in orders],
        "shops": shops,
        "orders": orders,
        "vehicles": [
            {"start": 0, "end": 0, "kind": kind, "cap": cap, "tw": [hour(14), hour(21)]}
            for kind, cap in FLEET[:vehicle_qty]
        ],
        "setup_shop": 60,
        "svc_shop": 15,
        "setup_home": 90,
        "svc_home": 10,
        "chill_max": 9000,
    }


def odd_town(seed: int) -> Problem:
    """What a real town throws in: a home above a shop, a block of flats, one-way streets, hopeless orders."""
    chance = random.Random(seed)
    document = town_document(seed, shop_qty=chance.randint(1, 6), order_qty=chance.randint(1, 16), vehicle_qty=3)
    orders, size = document["orders"], len(document["pts"])
    for order in orders:
        match chance.randrange(12):
            case 0:
                order["loc"] = document["shops"][order["parcels"][0]["shop"]]["loc"]
            case 1:
                order["loc"] = orders[0]["loc"]
            case 2:
                order["tw"] = [hour(14), hour(14.1)]
            case 3:
                order["parcels"][0]["load"] = [9000, 10, 0]
            case 4:
                order["parcels"][0]["load"] = [5, 5, 5]
            case 5:
                order["parcels"].append(dict(order["parcels"][0]))
            case 6:
                order["id"] = f"commande-{order['id']}"
    document["vehicles"][0]["end"] = size - 1
    document["vehicles"][1]["tw"] = [hour(14), hour(chance.choice((14, 16, 21)))]
    document["distance_m"] = [[0 if a == b else chance.randint(50, 4000) for b in range(size)] for a in range(size)]
    document["duration_s"] = [
        [round(metres * chance.uniform(0.2, 0.4)) for metres in row] for row in document["distance_m"]
    ]
    return problem_from_json(json.dumps(document))


def hour(of_day: float) -> int:
    return round(of_day * 3600)


def around(chance: random.Random, nearest_km: float, farthest_km: float) -> list[float]:
    """A point in a ring around the middle, even by area."""
    km = math.sqrt(chance.uniform(nearest_km**2, farthest_km**2))
    angle = chance.uniform(0, 2 * math.pi)
    north, east = km * math.sin(angle), km * math.cos(angle)
    return [MIDDLE_LAT + north / 111.2, MIDDLE_LON + east / (111.2 * math.cos(math.radians(MIDDLE_LAT)))]
