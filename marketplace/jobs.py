"""The one door to background work: publish a fact, subscribe to it, run periodic work.

A fact ("payment.paid") is published inside the caller's transaction: its jobs exist if and only if that
transaction commits (the outbox, reliability.md M12). Every subscriber gets a job of its own, with its own retries,
so that one that fails does not repeat the others. Handlers carry ids, and are idempotent on their effect.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import procrastinate
from procrastinate import JobContext, RetryStrategy
from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from marketplace.hall import Hall

log = logging.getLogger(__name__)

#: Ten tries over about two hours: longer than a provider's bad quarter of an hour, short enough that a person
#: sees the failed job the same day (the `failed` list is theirs).
RETRIES = RetryStrategy(max_attempts=10, wait=2, exponential_wait=3)

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


def publish(session: Session, fact: str, *, delay_s: int = 0, **ids: int | str) -> None:
    """Write the jobs of `fact`'s subscribers on the session's own connection; `delay_s` postpones them."""
    connection = session.connection().connection.driver_connection
    for subscriber in _subscribers[fact]:
        _deferring.configure_task(
            subscriber.name,
            connection=connection,
            schedule_in={"seconds": delay_s} if delay_s else None,
        ).defer(**ids)


def create_worker(hall: Hall) -> procrastinate.App:
    """The procrastinate application that knows every handler; the worker process runs it."""
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=hall.database.conninfo(), max_size=6))

    def as_task(handler: Handler) -> Callable[..., None]:
        def run(**ids: Any) -> None:
            handler(hall, **ids)

        return run

    for subscriber in (one for ones in _subscribers.values() for one in ones):
        app.task(name=subscriber.name, retry=RETRIES)(as_task(subscriber.handler))

    def as_tick(handler: Handler) -> Callable[..., None]:
        def tick(timestamp: int) -> None:
            handler(hall)

        return tick

    for work in _periodics:
        # The queueing lock keeps a second worker, or a slow run, from piling up the same work.
        task = app.task(name=work.name, queueing_lock=work.name)(as_tick(work.handler))
        app.periodic(cron=work.cron)(task)

    @app.periodic(cron="* * * * *")
    @app.task(name="jobs.retry_stalled", queueing_lock="jobs.retry_stalled", pass_context=True)
    async def retry_stalled(context: JobContext, timestamp: int) -> None:
        # A worker killed with -9 leaves its job 'doing' for ever unless somebody looks (reliability.md 1.9).
        for job in await context.app.job_manager.get_stalled_jobs():
            log.warning("job %s (%s) lost its worker; it runs again", job.id, job.task_name)
            await context.app.job_manager.retry_job(job)

    return app


def run_worker(hall: Hall, *, until_idle: bool = False) -> None:
    """Work on jobs until told to stop; `until_idle` returns when nothing is due (tests, scripts)."""
    create_worker(hall).run_worker(
        wait=not until_idle,
        install_signal_handlers=not until_idle,
        listen_notify=not until_idle,
        fetch_job_polling_interval=2.0,
        update_heartbeat_interval=5.0,
        stalled_worker_timeout=15.0,
        concurrency=1 if until_idle else 4,
        shutdown_graceful_timeout=20,
        name="worker",
    )


__all__ = ["create_worker", "periodic", "publish", "run_worker", "subscribe"]
