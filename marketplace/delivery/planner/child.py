"""The planner in a process of its own, that can be killed: engines crash, hold the GIL and overrun their limits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Literal

from .checker import violations
from .instance import InstanceUnreadable, plan_from_json, problem_to_json
from .problem import Plan, Problem

#: Wall seconds for a CPU second: a worker shares its core with the web, a demo machine with everything else.
WALL_PER_CPU_S = 3
#: Wall seconds for starting an interpreter and its imports on a busy machine.
WALL_START_S = 20
#: What of the child's complaint goes into a log line.
DETAIL_CHARS = 500

Reason = Literal["too_slow", "crashed", "broken"]


class PlannerFailed(Exception):
    """No plan came back; the last plan stands, and `plan_plainly` makes one for a person to start from.

    `reason`: `too_slow` killed at the wall limit, `crashed` ended by itself (detail says how), `broken` its answer is
    no plan or breaks a rule.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def plan_in_child(
    problem: Problem, *, seconds: float, seed: int, spent_s: float = 0.0, wall_s: float | None = None
) -> Plan:
    """The planner's plan within `seconds` of CPU, `spent_s` of them used by the caller already; PlannerFailed if none.

    The same problem, seconds and seed give the same plan, unless the machine is so slow that the clock ends the
    search. Blocks for at most `wall_s` (by default a multiple of `seconds`), then the child and its children are gone.
    The plan has passed the checker here, in the calling process.
    """
    limit_s = seconds * WALL_PER_CPU_S + WALL_START_S if wall_s is None else wall_s
    command = [sys.executable, "-m", "marketplace.delivery.planner"]
    arguments = ["--seconds", str(seconds), "--spent", str(spent_s), "--seed", str(seed)]
    child = subprocess.Popen(  # noqa: S603 - our own module and numbers, no shell
        [*command, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # One thread: the budget is CPU seconds, and a linear algebra pool would only cost memory.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        answer, complaint = child.communicate(problem_to_json(problem), timeout=limit_s)
    except subprocess.TimeoutExpired as expired:
        raise PlannerFailed("too_slow", f"killed after {limit_s:.0f} s") from expired
    finally:
        _end(child)
    if child.returncode != 0:
        raise PlannerFailed("crashed", f"exit {child.returncode}: {complaint.strip()[-DETAIL_CHARS:]}")
    try:
        plan = plan_from_json(answer, problem)
    except InstanceUnreadable as unreadable:
        raise PlannerFailed("broken", str(unreadable)) from unreadable
    broken = violations(problem, plan)
    if broken:
        raise PlannerFailed("broken", f"{len(broken)} rules broken, first {broken[0]}")
    return plan


def _end(child: subprocess.Popen[str]) -> None:
    """Nothing of the child's process group is left, whatever happened here (a signal to the worker included)."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
