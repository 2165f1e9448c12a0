"""Real processes for races and kills: a crowd that acts at once, gates that hold it, and a house to be killed.

A race is made sure of, not hoped for (reliability.md 2.2): a gate holds a row while everybody comes to wait for it,
and then lets them go together.
"""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from marketplace.clock import Clock
from marketplace.db import Database
from marketplace.errors import MarketplaceError
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.mail import Mailer
from marketplace.payments.gateway import Gateway
from marketplace.settings import Settings
from tests.sandbox_server import KEY

#: Long enough for a machine with ten other things to do; only a test that has failed waits so long.
PATIENCE_S = 180.0

SECRET_KEY = "t" * 40

#: Waiting at a gate is what the crowd is for: only the running house gives up after three seconds.
PATIENT = (
    f"SET lock_timeout = '{PATIENCE_S:.0f}s'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"
)


def until(what: str, is_so: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Return as soon as `is_so`; AssertionError that says `what` never came."""
    end = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < end, f"{what}: not within {patience_s} s"
        time.sleep(0.01)


class FileClock:
    """A clock for several processes: it stands where the file says."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        return datetime.fromisoformat(self._path.read_text())

    def set(self, at: datetime) -> None:
        draft = self._path.with_suffix(".next")
        draft.write_text(at.isoformat())
        draft.rename(self._path)


@dataclass(frozen=True)
class Surroundings:
    """What a process needs to open a hall of its own around a test's database and sandbox."""

    database_url: str
    sandbox_url: str
    clock_path: Path


@lru_cache(maxsize=1)
def _database(url: str) -> Database:
    database = Database(url, pool_size=4)
    event.listen(database.engine, "connect", _make_patient)
    return database


def _hall(surroundings: Surroundings) -> Hall:
    clock: Clock = FileClock(surroundings.clock_path)
    settings = Settings.from_env({"SECRET_KEY": SECRET_KEY, "INSTANCE_DIR": str(surroundings.clock_path.parent)})
    return Hall(
        settings=settings,
        database=_database(surroundings.database_url),
        clock=clock,
        gateway=Gateway(endpoint=surroundings.sandbox_url, api_key=KEY, timeout_s=(PATIENCE_S, PATIENCE_S)),
        geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
        mailer=Mailer(host="127.0.0.1", port=9, sender=settings.mail_from),
    )


def _make_patient(connection: Any, _record: Any) -> None:
    connection.autocommit = True
    connection.execute(PATIENT)
    connection.autocommit = False


@dataclass(frozen=True)
class Outcome:
    """What became of one process's act: its value, or the code of its refusal."""

    value: Any = None
    refused: str | None = None


#: What a process does in its own hall: a function of a module, or a `partial` of one, so that it can be sent.
Act = Callable[[Hall], Any]


class Crowd:
    """Operating-system processes, each with its own hall and its own connections, that act at the same time."""

    def __init__(self) -> None:
        self._everybody: list[Somebody] = []
        self._surroundings: Surroundings | None = None

    def gather(self, surroundings: Surroundings) -> None:
        """From now on they act around this database and this sandbox."""
        self._surroundings = surroundings

    @property
    def clock(self) -> FileClock:
        """The one clock of them all."""
        assert self._surroundings is not None
        return FileClock(self._surroundings.clock_path)

    def start(self, acts: Sequence[Act]) -> Sequence[Somebody]:
        """Every act has a process of its own, and begins when all of them stand ready; does not wait for the end."""
        assert self._surroundings is not None
        while sum(somebody.is_free for somebody in self._everybody) < len(acts):
            self._everybody.append(Somebody())
        chosen = [somebody for somebody in self._everybody if somebody.is_free][: len(acts)]
        for somebody, act in zip(chosen, acts, strict=True):
            somebody.prepare(self._surroundings, act)
        for somebody in chosen:
            somebody.begin()
        return chosen

    def act(self, acts: Sequence[Act]) -> list[Outcome]:
        """Start them together, wait for all; the outcomes in the order of the acts."""
        return [somebody.outcome() for somebody in self.start(acts)]

    def go_home(self) -> None:
        for somebody in self._everybody:
            somebody.stop()


class Somebody:
    """One process, and our end of the line to it."""

    def __init__(self) -> None:
        # A fork of pytest itself would share its connections and its threads' locks; a server that has imported the
        # house once forks clean processes in milliseconds.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.flows.test_races"])
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.is_free = True

    def prepare(self, surroundings: Surroundings, act: Act) -> None:
        self.is_free = False
        self._line.send((surroundings, act))

    def begin(self) -> None:
        assert self._hear() == "ready"
        self._line.send("go")

    def end(self) -> Outcome | str:
        """What became of the act; the trace if it crashed."""
        heard: Outcome | str = self._hear()
        self.is_free = True
        return heard

    def outcome(self) -> Outcome:
        """What became of the act; AssertionError with the trace if it crashed."""
        end = self.end()
        assert isinstance(end, Outcome), end
        return end

    def _hear(self) -> Any:
        assert self._line.poll(PATIENCE_S * 2), "a process of the crowd does not answer"
        return self._line.recv()

    def stop(self) -> None:
        self._line.close()
        self._process.kill()
        self._process.join()


def _live(line: Connection) -> None:
    """Do what comes over the line, until it is closed."""
    while True:
        try:
            surroundings, act = line.recv()
        except EOFError:
            return
        hall = _hall(surroundings)
        with hall.database.reading() as session:
            session.execute(text("SELECT 1"))  # a connection is open before anybody begins
        line.send("ready")
        assert line.recv() == "go"
        try:
            line.send(Outcome(value=act(hall)))
        except MarketplaceError as refusal:
            line.send(Outcome(refused=refusal.code))
        except Exception:  # whatever it was: the test shows it
            line.send(traceback.format_exc())


def wait_for_queue(database: Database, waiting_qty: int) -> None:
    """Return when so many connections of the test's database wait for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )

    def count() -> int:
        with database.engine.connect() as connection:
            return int(connection.scalar(waiting) or 0)

    until(f"{waiting_qty} wait for a lock", lambda: count() == waiting_qty)


@contextmanager
def gate(database: Database, statement: str, **values: object) -> Iterator[int]:
    """Hold what `statement` locks until the block ends; the process id of the connection that holds it.

    A row is held with FOR NO KEY UPDATE, as our own updates hold it: foreign keys pass.
    """
    with database.engine.connect() as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        connection.execute(text(statement), values)
        yield int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
        connection.rollback()
