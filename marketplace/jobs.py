"""The one door to background work: publish a fact, subscribe to it, run periodic work.

A fact ("payment.paid") is published inside the caller's transaction: its jobs exist if and only if that
transaction commits (the outbox, reliability.md M12). Every subscriber gets a job of its own, with its own retries,
so that one that fails does not repeat the others. Handlers carry ids, and are idempotent on their effect.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import procrastinate
import psycopg
from flask import Flask
from procrastinate import RetryStrategy
from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.hall import Hall

log = logging.getLogger(__name__)

#: A first try and ten more, after 5 s, 11 s, 29 s … 5 h, 16 h: one day in all. Longer than any night in which a
#: provider is away, for what moves money; then the job stands on the list for people (`attention`).
RETRIES = RetryStrategy(max_attempts=10, wait=2, exponential_wait=3)

#: A worker that has not been heard for so long is taken for dead, and its jobs run again. Three heartbeats: one that
#: is late under load is no death. The longest outside call ends before (13 s).
LEASE_S = 15.0

#: Before a worker that lost the database asks for it again.
PAUSE_S = 1.0

Handler = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Subscriber:
    name: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Periodic:
    name: str
    cron: str
    handler: Handler


_subscribers: defaultdict[str, list[Subscriber]] = defaultdict(list)
_periodics: list[Periodic] = []
_deferring = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())


def subscribe(fact: str) -> Callable[[Handler], Handler]:
    """Run the function `(hall, **ids)` in the worker for every `fact` that is published."""

    def register(handler: Handler) -> Handler:
        _subscribers[fact].append(Subscriber(f"{handler.__module__}.{handler.__name__}", handler))
        return handler

    return register


def periodic(cron: str) -> Callable[[Handler], Handler]:
    """Run the function `(hall)` on the cron schedule, once per period however many workers there are."""

    def register(handler: Handler) -> Handler:
        _periodics.append(Periodic(f"{handler.__module__}.{handler.__name__}", cron, handler))
        return handler

    return register


def publish(session: Session, fact: str, **ids: int | str) -> None:
    """Write the jobs of `fact`'s subscribers on the session's own connection.

    AssertionError for a fact that nobody subscribes to: a slip of the pen would lose it without a word.
    """
    assert fact in _subscribers, f"nobody subscribes to {fact}"
    connection = session.connection().connection.driver_connection
    for subscriber in _subscribers[fact]:
        _deferring.configure_task(subscriber.name, connection=connection).defer(**ids)


def without_job(session: Session, fact: str, name: str, ids: Sequence[int]) -> list[int]:
    """Those of `ids` for which no job of `fact` waits or runs with that id as its argument `name`."""
    tasks = [subscriber.name for subscriber in _subscribers[fact]]
    has_job = session.scalars(
        text(
            "SELECT CAST(args->>:name AS bigint) FROM procrastinate_jobs"
            " WHERE task_name = ANY(:tasks) AND status IN ('todo', 'doing')"
        ),
        {"name": name, "tasks": tasks},
    )
    return sorted(set(ids).difference(has_job))


def subscribers() -> Mapping[str, Handler]:
    """Every handler of a fact by its task's name, for who works by another clock than the database's."""
    return {one.name: one.handler for ones in _subscribers.values() for one in ones}


def periodics() -> Sequence[Periodic]:
    """All periodic work."""
    return tuple(_periodics)


def create_worker(app: Flask, *, strikes: bool = True) -> procrastinate.App:
    """The procrastinate application that knows every handler; the worker process runs it.

    With `strikes` the clock starts the periodic work.

    Handlers run in threads of the worker, each inside an application context of its own, as a page does.
    """
    hall: Hall = app.extensions["hall"]
    # One connection, and more of them while there is more to say at once.
    connector = procrastinate.PsycopgConnector(conninfo=hall.database.conninfo(), min_size=1, max_size=6)
    worker = procrastinate.App(connector=connector)

    def as_task(handler: Handler) -> Callable[..., None]:
        def run(**ids: Any) -> None:
            with app.app_context():
                handler(hall, **ids)

        return run

    for subscriber in (one for ones in _subscribers.values() for one in ones):
        worker.task(name=subscriber.name, retry=RETRIES)(as_task(subscriber.handler))

    def as_tick(handler: Handler) -> Callable[..., None]:
        def tick(timestamp: int) -> None:
            with app.app_context():
                handler(hall)

        return tick

    for work in _periodics:
        # The queueing lock keeps a second worker, or a slow run, from piling up the same work.
        task = worker.task(name=work.name, queueing_lock=work.name)(as_tick(work.handler))
        if strikes:
            worker.periodic(cron=work.cron)(task)

    return worker


def run_worker(app: Flask, *, lease_s: float = LEASE_S) -> None:
    """Work on jobs until told to stop. A job whose worker has not been heard for `lease_s` is run again."""
    asyncio.run(_work_until_told(create_worker(app), lease_s))


def work_until_idle(app: Flask) -> None:
    """Work on the jobs that wait until nothing is due (tests, scripts); what the clock starts is not among them, or
    what happens would depend on the minute."""
    worker = create_worker(app, strikes=False)
    work = partial(worker.run_worker, wait=False, install_signal_handlers=False, listen_notify=False, concurrency=1)
    # In a thread of its own: the caller's may have an event loop already, as with a browser that playwright drives.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work, name="idle").result()


async def _work_until_told(worker: procrastinate.App, lease_s: float) -> None:
    """Work until SIGINT or SIGTERM, then end what was begun. A database that restarts only interrupts the work."""
    told_to_stop = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, told_to_stop.set)
    waiting = asyncio.create_task(told_to_stop.wait())
    while not told_to_stop.is_set():
        try:
            async with worker.open_async():
                await _work(worker, waiting, lease_s)
        except (procrastinate.exceptions.ConnectorException, psycopg.OperationalError) as lost:
            log.warning("the worker lost the database: %s", lost)
        if not told_to_stop.is_set():
            log.warning("the worker starts again in %s s", PAUSE_S)
            await asyncio.wait((waiting,), timeout=PAUSE_S)


async def _work(worker: procrastinate.App, told_to_stop: asyncio.Task[Any], lease_s: float) -> None:
    """Work until told to stop, or until the library gives up, as it does when its listening connection breaks."""
    running = asyncio.create_task(
        worker.run_worker_async(
            install_signal_handlers=False,
            fetch_job_polling_interval=2.0,
            update_heartbeat_interval=lease_s / 3,
            stalled_worker_timeout=lease_s,
            concurrency=4,
            shutdown_graceful_timeout=20,
            name="worker",
        )
    )
    watching = asyncio.create_task(_retry_stalled_jobs(worker, lease_s))
    await asyncio.wait((running, watching, told_to_stop), return_when=asyncio.FIRST_COMPLETED)
    for task in (watching, running):
        task.cancel()
    results = await asyncio.gather(running, watching, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _retry_stalled_jobs(worker: procrastinate.App, lease_s: float) -> None:
    """Without this a worker killed with -9 leaves its jobs 'doing' for ever (reliability.md 1.9).

    Asked at the start too: a worker that the supervisor has started again takes up what it was killed in. Should two
    workers ask in the same instant, a job may run beside itself, which handlers bear: they are idempotent.
    """
    while True:
        for job in await worker.job_manager.get_stalled_jobs(seconds_since_heartbeat=lease_s):
            log.warning("job %s (%s) lost its worker; it runs again", job.id, job.task_name)
            with suppress(procrastinate.exceptions.ConnectorException):  # another worker was quicker
                await worker.job_manager.retry_job(job)
        await asyncio.sleep(lease_s / 3)


__all__ = [
    "create_worker",
    "periodic",
    "periodics",
    "publish",
    "run_worker",
    "subscribe",
    "subscribers",
    "without_job",
    "work_until_idle",
]
