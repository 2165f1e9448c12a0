"""The API is held to its own description, with requests that follow it and requests that do not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from marketplace.app import create_app
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from tests.buyer import CONTACT, Buyer, order_of
from tests.reserving import open_till
from tests.walk import Town

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
]
#: Enough to meet every field with every kind of nonsense, little enough for every test run.
EXAMPLES = {GenerationMode.POSITIVE: 15, GenerationMode.NEGATIVE: 25}
#: Operations that ask for nothing, or for a text that may be any: no request of theirs can break the description.
NOTHING_TO_GET_WRONG = {
    GenerationMode.POSITIVE: set(),
    GenerationMode.NEGATIVE: {"GET /api/v1/shops", "GET /api/v1/baskets/{basket_id}"},
}


@pytest.fixture
def described(hall: Hall, town: Town, geocoder: Geocoder) -> Iterator[tuple[Any, dict[str, object]]]:
    """The API by its own description, and real ids for the places where a guess would always be a 404."""
    app = create_app(replace(hall, geocoder=geocoder, settings=replace(hall.settings, rate_limits=False)))
    buyer = Buyer(app.test_client())
    basket_id = buyer.fill(town.variant("L2"), town.variant("F1"))
    placed = buyer.order(order_of(buyer.fill(town.variant("L1"))))
    real: dict[str, object] = {
        "basket_id": basket_id,
        "basket": basket_id,
        "product_id": 3,
        "variant_id": town.variant("F1"),
        "line_id": 1,
        "slot_id": town.slots[0],
        "code": placed["code"],
        "token": placed["token"],
        "contact": CONTACT,
    }
    open_till(hall.database, "cave", is_open=False)
    sent = {"basket": buyer.fill(town.variant("C1")), "contact": CONTACT}
    (made,) = buyer.call("POST", "reservations", sent, 201)["items"]
    basket_id = buyer.fill(town.variant("C1"))
    real |= {"reservations": {"basket": basket_id, "code": made["code"], "token": made["token"]}}
    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app), real


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_sent_the_answer_is_the_one_described(
    mode: GenerationMode, described: tuple[Any, dict[str, object]]
) -> None:
    api, real = described
    sent_qty: dict[str, int] = {}
    for operation in (found.ok() for found in api.get_all_operations()):
        sent_qty[operation.label] = 0

        @settings(
            max_examples=EXAMPLES[mode],
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), is_real=st.booleans())
        def send(case: Case, is_real: bool) -> None:
            if is_real and mode is GenerationMode.POSITIVE:
                kept = real["reservations"] if "/reservations" in case.operation.path else {}
                assert isinstance(kept, dict)
                for part in (case.path_parameters, case.query, case.body):
                    if isinstance(part, dict):
                        part |= {name: value for name, value in (real | kept).items() if name in part}
            case.call_and_validate(checks=CHECKS)
            sent_qty[case.operation.label] += 1

        with suppress(Unsatisfiable):
            send()
    silent = {label for label, qty in sent_qty.items() if qty == 0}
    assert silent == NOTHING_TO_GET_WRONG[mode]
    assert len(sent_qty) == 14
