"""The worker by the simulated clock: the same handlers, with the same retries, at the instants of the month.

The real worker goes by the database's clock: a month of it would take a month.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from croniter import croniter
from flask import Flask
from sqlalchemy import text

from marketplace.delivery import planning
from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.jobs import RETRIES, Handler, Periodic, periodics, subscribers
from marketplace.upkeep import check_the_house

_DUE = text(
    "SELECT id, task_name, args::text, attempts FROM procrastinate_jobs WHERE status = 'todo'"
    " AND (scheduled_at IS NULL OR scheduled_at <= :now) ORDER BY priority DESC, id LIMIT 50"
)
_END = text("UPDATE procrastinate_jobs SET status = CAST(:status AS procrastinate_job_status) WHERE id = ANY(:ids)")
_AGAIN = text("UPDATE procrastinate_jobs SET scheduled_at = :at, attempts = attempts + 1 WHERE id = :id")

#: Said in the log every ten minutes in a real house; the month asks the same question itself, and is loud.
NOT_STRUCK = frozenset({f"{check_the_house.__module__}.{check_the_house.__name__}"})


class Worker:
    """Works on what the house's transactions have published, and on what is due by the clock."""

    def __init__(self, app: Flask, hall: Hall) -> None:
        self._app, self._hall = app, hall
        self._handlers: Mapping[str, Handler] = {
            **subscribers(),
            "marketplace.delivery.handlers.plan_round": _plan_plainly,
        }
        self._strikes: list[tuple[Periodic, croniter]] = []
        self._next_at: list[datetime] = []
        for work in periodics():
            if work.name not in NOT_STRUCK:
                strikes = croniter(work.cron, hall.clock.now())
                self._strikes.append((work, strikes))
                self._next_at.append(strikes.get_next(datetime))
        self.jobs: Counter[str] = Counter()
        #: What a handler fell over that was no trouble outside: a fault of ours, whatever becomes of the job.
        self.surprises: list[str] = []

    def strike(self, survive: Callable[[Callable[[], None]], None]) -> None:
        """Every periodic work whose time has come since the last strike is done once."""
        now = self._hall.clock.now()
        for i, (work, strikes) in enumerate(self._strikes):
            if self._next_at[i] <= now:
                strikes.set_current(now, force=True)
                self._next_at[i] = strikes.get_next(datetime)
                with self._app.app_context():
                    survive(lambda work=work: work.handler(self._hall))  # type: ignore[misc]  # bound at once

    def work(self, survive: Callable[[Callable[[], None]], None]) -> None:
        """Work until nothing is due. `survive` does an act again as often as its process is killed in it."""
        while True:
            with self._hall.database.glance() as session:
                due = session.execute(_DUE, {"now": self._hall.clock.now()}).all()
            if not due:
                return
            again: dict[int, datetime] = {}
            ends: dict[str, list[int]] = {"succeeded": [], "failed": []}
            for job_id, name, args, attempts in due:
                wait = self._run(name, json.loads(args), attempts, survive)
                if wait is None or not wait:
                    ends["succeeded" if wait is None else "failed"].append(job_id)
                else:
                    again[job_id] = self._hall.clock.now() + wait
            with self._hall.database.transaction() as session:
                for status, ids in ends.items():
                    if ids:
                        session.execute(_END, {"status": status, "ids": ids})
                for job_id, at in again.items():
                    session.execute(_AGAIN, {"id": job_id, "at": at})

    def _run(
        self, name: str, ids: dict[str, int | str], attempts: int, survive: Callable[..., None]
    ) -> timedelta | None:
        """How long to wait until the job is tried again; nothing of it for one that is given up, None when done."""
        handler = self._handlers[name]
        self.jobs[name.rpartition(".")[2]] += 1
        try:
            with self._app.app_context():
                survive(lambda: handler(self._hall, **ids))
        except Exception as trouble:  # as the real worker: whatever it was, the job comes back or is given up
            if not isinstance(trouble, GatewayError):
                self.surprises.append(f"job {name} {ids}: {trouble!r}")
            assert RETRIES.max_attempts is not None
            if attempts >= RETRIES.max_attempts:
                return timedelta(0)
            return timedelta(seconds=RETRIES.wait + RETRIES.exponential_wait ** (attempts + 1))
        return None


def _plan_plainly(hall: Hall, round_id: int, number: int) -> None:
    planning.plan_round(hall, round_id=round_id, number=number, plainly=True)
