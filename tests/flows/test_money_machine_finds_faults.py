"""A machine that finds nothing proves nothing: every planted fault is found, by the sentence that is there for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from marketplace.db import Database
from tests.caretaker import Caretaker
from tests.flows.money_faults import FAULTS, Fault, live
from tests.flows.money_house import MoneyHouse
from tests.flows.money_machine import MoneyMachine


@pytest.fixture(scope="module")
def machine(
    database: Database, caretaker: Caretaker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[type[MoneyMachine]]:
    house = MoneyHouse(database, tmp_path_factory.mktemp("house"))
    logging.disable(logging.ERROR)
    try:
        yield MoneyMachine.of(house)
    finally:
        logging.disable(logging.NOTSET)
        house.close()
        caretaker.empty()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: Fault, machine: type[MoneyMachine], monkeypatch: pytest.MonkeyPatch) -> None:
    live(machine(), fault.life)
    fault.plant(monkeypatch)
    with pytest.raises(AssertionError) as found:
        live(machine(), fault.life)
    assert any(line.startswith(fault.says) for line in str(found.value).splitlines()), found.value


def test_the_faults_that_the_project_promises_to_find_are_planted() -> None:
    assert {fault.name for fault in FAULTS if fault.is_named} == {
        "oversell",
        "double webhook",
        "refund twice",
        "split off by one cent",
        "late payment confirmed",
        "chargeback routed anyway",
    }
