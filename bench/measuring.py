"""CPU per call: this thread's and the database backend's, so that a busy machine changes little."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import text

from marketplace.db import Database

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU milliseconds per call."""

    server_ms: float
    database_ms: float

    @property
    def total_ms(self) -> float:
        return self.server_ms + self.database_ms

    def __str__(self) -> str:
        return f"{self.server_ms:6.2f} + {self.database_ms:5.2f}"


def backend_ns(pid: int) -> int:
    """Nanoseconds that a backend has spent on a processor."""
    schedstat = Path(f"/proc/{pid}/schedstat")
    if schedstat.exists():
        return int(schedstat.read_text().split()[0])
    times = psutil.Process(pid).cpu_times()  # elsewhere than Linux: in hundredths of a second
    return int((times.user + times.system) * 1e9)


def backend_pid(database: Database) -> int:
    """The one backend of a database whose pool holds a single connection."""
    with database.reading() as session:
        return int(session.execute(text("SELECT pg_backend_pid()")).scalar_one())


def cost_of(work: Work, *, pid: int, calls: int) -> Cost:
    """The mean over `calls` calls."""
    database_before, server_before = backend_ns(pid), time.thread_time_ns()
    for _ in range(calls):
        work()
    server = time.thread_time_ns() - server_before
    database = backend_ns(pid) - database_before
    return Cost(server / calls / 1e6, database / calls / 1e6)


def alternated(
    works: dict[str, tuple[Work, int]], *, calls: int, rounds: int = 3, warm_up: int = 12
) -> dict[str, Cost]:
    """Median cost of each work over `rounds` rounds, in which all take turns.

    The warm-up is longer than psycopg's and PostgreSQL's own before they change plans (ten uses).
    """
    for work, _ in works.values():
        for _ in range(warm_up):
            work()
    seen: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, (work, pid) in works.items():
            seen[name].append(cost_of(work, pid=pid, calls=calls))
    return {name: _median(costs) for name, costs in seen.items()}


def _median(costs: Sequence[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.total_ms)[len(costs) // 2]


def median_ratio(one: Sequence[float], other: Sequence[float]) -> float:
    return statistics.median(one) / statistics.median(other)
