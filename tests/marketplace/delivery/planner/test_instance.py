from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from marketplace.delivery.planner import (
    InstanceUnreadable,
    Load,
    Place,
    Window,
    plan_from_json,
    plan_to_json,
    problem_from_json,
    problem_to_json,
)
from tests.marketplace.delivery.planner.street import FITTING, STREET
from tests.marketplace.delivery.planner.town import odd_town, town, town_document, town_json

Document = dict[str, Any]


def test_a_document_is_read_in_its_own_units() -> None:
    document = town_document(1, shop_qty=2, order_qty=1, vehicle_qty=1)
    document["pts"] = [[45, 0], [45, 0.1], [45.1, 0], [46, 0]]
    document["orders"][0] = {
        "id": "A7",
        "loc": 3,
        "tw": [54_000, 61_200],
        "parcels": [{"shop": 1, "load": [12, 3, 1]}],
        "chilled": 1,
    }
    problem = problem_from_json(json.dumps(document))
    assert problem.places[3] == Place(46.0, 0.0)
    (order,) = problem.orders
    assert (order.id, order.window, order.parcels[0].load) == ("A7", Window(54_000, 61_200), Load(12, 3, 1))
    assert (problem.vehicles[0].kind, problem.vehicles[0].capacity) == ("cargo", Load(1800, 900, 120))
    # A degree of latitude is 111,195 m on the mean earth, times 1.35, at 15 km/h.
    assert problem.distance_m[0][3] == 150_113
    assert problem.duration_s[0][3] == 36_027


def test_street_times_in_the_document_replace_the_great_circle() -> None:
    document = town_document(1, shop_qty=1, order_qty=1, vehicle_qty=1)
    document["distance_m"] = [[0, 5, 9], [6, 0, 4], [8, 3, 0]]
    document["duration_s"] = [[0, 50, 90], [60, 0, 40], [80, 30, 0]]
    problem = problem_from_json(json.dumps(document))
    assert problem.distance_m[0][2] == 9
    assert problem.duration_s[2][0] == 80


@pytest.mark.parametrize("problem", [STREET, town(1), odd_town(2)])
def test_a_problem_survives_the_way_to_the_child(problem: Any) -> None:
    assert problem_from_json(problem_to_json(problem)) == problem


def test_a_plan_survives_the_way_back() -> None:
    assert plan_from_json(plan_to_json(FITTING), STREET) == FITTING


def test_a_solution_names_riding_vehicles_only() -> None:
    assert json.loads(plan_to_json(FITTING))["routes"].keys() == {"0"}


def at(*path: str | int) -> Callable[[Document, Any], None]:
    def put(document: Document, value: Any) -> None:
        target: Any = document
        for key in path[:-1]:
            target = target[key]
        if value is MISSING:
            del target[path[-1]]
        else:
            target[path[-1]] = value

    return put


MISSING = object()

MALFORMED: list[tuple[Callable[[Document, Any], None], Any, str]] = [
    (at("pts"), MISSING, "document: “pts” is missing."),
    (at("pts"), [], "pts: at least one place was expected."),
    (at("pts", 0), [45], "pts[0]: [latitude, longitude] was expected."),
    (at("pts", 0), [95, 0], "pts[0]: degrees of latitude (to 90) and longitude (to 180) were expected."),
    (at("pts", 0), [float("nan"), 0], "pts[0]: degrees of latitude (to 90) and longitude (to 180) were expected."),
    (at("pts", 0), ["45", 0], "pts[0]: degrees of latitude (to 90) and longitude (to 180) were expected."),
    (at("shops"), {}, "document.shops: a list was expected."),
    (at("shops", 0), 7, "shops[0]: “loc” is missing."),
    (at("shops", 0, "loc"), 99, "shops[0].loc: 99 is no index into “pts”, which has 5."),
    (at("shops", 0, "loc"), -1, "shops[0].loc: -1 is no index into “pts”, which has 5."),
    (at("shops", 0, "loc"), True, "shops[0].loc: a whole number was expected."),
    (at("shops", 0, "open"), [2, 1], "shops[0].open: the window ends before it begins."),
    (at("orders", 0, "id"), MISSING, "orders[0]: “id” is missing."),
    (at("orders", 0, "id"), 1.5, "orders[0].id: a whole number or a text was expected."),
    (at("orders", 0, "id"), 101, "orders: every id must be there once, and one is there twice."),
    (at("orders", 0, "tw"), [1], "orders[0].tw: a list of 2 whole numbers was expected."),
    (at("orders", 0, "tw"), [0, 1e9], "orders[0].tw: a whole number from 0 to 172800 was expected."),
    (at("orders", 0, "parcels"), [], "orders[0].parcels: at least one parcel was expected."),
    (at("orders", 0, "parcels", 0, "shop"), 2, "orders[0].parcels[0].shop: 2 is no index into “shops”, which has 2."),
    (
        at("orders", 0, "parcels", 0, "load"),
        [1, 2],
        "orders[0].parcels[0].load: a list of 3 whole numbers was expected.",
    ),
    (
        at("orders", 0, "parcels", 0, "load"),
        [1, 2, -3],
        "orders[0].parcels[0].load: a whole number from 0 to 1000000 was expected.",
    ),
    (at("vehicles", 0, "kind"), 3, "vehicles[0].kind: a text was expected."),
    (at("vehicles", 0, "cap"), "big", "vehicles[0].cap: a list was expected."),
    (at("setup_shop"), "60", "document.setup_shop: a whole number was expected."),
    (at("chill_max"), -1, "chill_max: a whole number from 0 to 172800 was expected."),
    (at("distance_m"), [[0]], "distance_m: a row for each of the 5 places was expected."),
    (at("duration_s"), [], "document: “distance_m” is missing."),
]


@pytest.mark.parametrize(("put", "value", "sentence"), MALFORMED, ids=[row[2] for row in MALFORMED])
def test_a_malformed_document_gets_one_sentence_that_says_where(
    put: Callable[[Document, Any], None], value: Any, sentence: str
) -> None:
    document = copy.deepcopy(town_document(1, shop_qty=2, order_qty=2, vehicle_qty=1))
    put(document, value)
    with pytest.raises(InstanceUnreadable) as refusal:
        problem_from_json(json.dumps(document))
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "[" * 100_000, "\x00"])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(InstanceUnreadable):
        problem_from_json(text)


def test_a_matrix_row_with_a_hole_is_refused() -> None:
    document = json.loads(problem_to_json(town(1, shop_qty=1, order_qty=1, vehicle_qty=1)))
    document["duration_s"][1][2] = None
    with pytest.raises(InstanceUnreadable) as refusal:
        problem_from_json(json.dumps(document))
    assert str(refusal.value) == "duration_s[1]: a whole number from 0 to 172800 was expected."


def test_keys_that_the_planner_does_not_need_are_left_alone() -> None:
    document = json.loads(town_json(1)) | {"name": "s12_o24", "hub": 0}
    assert problem_from_json(json.dumps(document)) == town(1)
