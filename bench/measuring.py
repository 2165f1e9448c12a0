"""CPU per call: this thread's and the database backend's, so that a busy machine changes little."""

from __future__ import annotations

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


def alternated(
    works: dict[str, tuple[Work, int]], *, calls: int, rounds: int = 3, warm_up: int = 12
) -> dict[str, Cost]:
    """Median over `rounds` rounds of each work's mean cost; within a round all take turns, call by call.

    A busy minute then weighs on all alike. The warm-up is longer than psycopg and PostgreSQL take to change their
    plans (ten uses).
    """
    for work, _ in works.values():
        for _ in range(warm_up):
            work()
    seen: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(rounds):
        spent = {name: [0, 0] for name in works}
        for _ in range(calls):
            for name, (work, pid) in works.items():
                database_before, server_before = backend_ns(pid), time.thread_time_ns()
                work()
                spent[name][0] += time.thread_time_ns() - server_before
                spent[name][1] += backend_ns(pid) - database_before
        for name, (server, database) in spent.items():
            seen[name].append(Cost(server / calls / 1e6, database / calls / 1e6))
    return {name: _median(costs) for name, costs in seen.items()}


def _median(costs: Sequence[Cost]) -> Cost:
    return sorted(costs, key=lambda cost: cost.total_ms)[len(costs) // 2]
