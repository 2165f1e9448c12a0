"""Whatever happens to money, in whatever order: every cent is accounted for after every step, and none is lost."""

from __future__ import annotations

import logging
import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from marketplace.db import Database
from tests.flows.money_house import MoneyHouse
from tests.flows.money_machine import STEPS_QTY, MoneyMachine

#: Always the same ones, unless MONEY_LIVES asks for so many others, drawn anew each time.
LIVES_QTY = 150


def test_every_cent_is_accounted_for_whatever_happens(
    empty_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    wanted = os.environ.get("MONEY_LIVES")
    lives_qty = int(wanted or LIVES_QTY)
    house = MoneyHouse(empty_database, tmp_path_factory.mktemp("house"))
    machine = MoneyMachine.of(house)
    logging.disable(logging.ERROR)  # ten thousand lines of what the provider refuses
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=lives_qty,
                stateful_step_count=STEPS_QTY,
                derandomize=wanted is None,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        logging.disable(logging.NOTSET)
        house.close()
    assert machine.count["whole lives"] >= lives_qty // 3, machine.count
