from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from marketplace.delivery.planner import PlannerFailed, plan_in_child, violations
from tests.marketplace.delivery.planner.street import STREET
from tests.marketplace.delivery.planner.town import town


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def engine_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine installed before the real one, in the child only: importing it is all it needs to do harm."""
    (folder / "vroom.py").write_text(f"import os, sys, time\n{does}\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_the_calling_process_never_imports_an_engine() -> None:
    question = (
        "import sys, marketplace.delivery.planner; print({'vroom', 'pyvrp', 'numpy', 'pandas'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", question], capture_output=True, text=True, check=True)
    assert answer.stdout == "set()\n"


def test_the_same_seed_gives_the_same_plan_and_keeps_the_budget() -> None:
    problem = town(1, order_qty=30)
    before_s = children_cpu_s()
    first = plan_in_child(problem, seconds=2, seed=3)
    # The engines' last calls obey no clock: 0.5 s is theirs.
    assert children_cpu_s() - before_s < 2.5
    assert first.unserved == ()
    assert violations(problem, first) == ()
    assert plan_in_child(problem, seconds=2, seed=3) == first


def test_what_the_caller_has_used_up_is_taken_off_the_budget() -> None:
    before_s = children_cpu_s()
    plan_in_child(town(1, order_qty=30), seconds=30, spent_s=29, seed=1)
    assert children_cpu_s() - before_s < 3


def test_a_child_over_the_wall_limit_is_killed_and_nothing_of_it_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grandchild = "import subprocess; p = subprocess.Popen(['sleep', '60']); open('pid', 'w').write(str(p.pid))"
    monkeypatch.chdir(tmp_path)
    engine_that(f"{grandchild}; time.sleep(60)", tmp_path, monkeypatch)
    begun = time.monotonic()
    with pytest.raises(PlannerFailed) as failure:
        plan_in_child(STREET, seconds=1, seed=1, wall_s=3)
    assert failure.value.reason == "too_slow"
    assert time.monotonic() - begun < 10
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


def test_a_killed_child_is_a_failure_that_names_the_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_that("os.kill(os.getpid(), 9)", tmp_path, monkeypatch)
    with pytest.raises(PlannerFailed) as failure:
        plan_in_child(STREET, seconds=1, seed=1)
    assert (failure.value.reason, failure.value.detail) == ("crashed", "exit -9: ")


def test_a_crash_keeps_the_end_of_the_complaint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_that("raise ValueError('the engine is out of order')", tmp_path, monkeypatch)
    with pytest.raises(PlannerFailed) as failure:
        plan_in_child(STREET, seconds=1, seed=1)
    assert failure.value.reason == "crashed"
    assert failure.value.detail.endswith("ValueError: the engine is out of order")


@pytest.mark.parametrize(
    "answer",
    [
        "garbage",
        '{"routes": {}}',
        '{"routes": {"7": []}, "unserved": ["A", "B"]}',
        '{"routes": {}, "unserved": ["A"]}',
        '{"routes": {"0": [["pickup", "B", 0, 32490]]}, "unserved": ["A", "B"]}',
    ],
)
def test_an_answer_that_is_no_right_plan_is_never_returned(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_that(f"print({answer!r}, flush=True); os._exit(0)", tmp_path, monkeypatch)
    with pytest.raises(PlannerFailed) as failure:
        plan_in_child(STREET, seconds=1, seed=1)
    assert failure.value.reason == "broken"


def test_a_long_round_of_names_in_any_alphabet_comes_back_as_it_went() -> None:
    problem = replace(STREET, orders=tuple(replace(order, id=f"№ {order.id} é 漢") for order in STREET.orders))
    plan = plan_in_child(problem, seconds=1, seed=1)
    assert plan.unserved == ()
    assert {step.order_id for step in plan.routes[0] + plan.routes[1]} == {"№ A é 漢", "№ B é 漢"}
