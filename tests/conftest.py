"""What every test shares: a real PostgreSQL, a clean database for each test, and the self-check after it."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from filelock import FileLock
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.orm import Session

from marketplace.accounts import passwords
from marketplace.app import create_app
from marketplace.clock import Clock, FixedClock
from marketplace.db import Database, start_embedded, stop_embedded
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.mail import Mailer
from marketplace.migrating import migrate
from marketplace.payments.gateway import Gateway
from marketplace.settings import Settings
from tests.apps import app_over
from tests.caretaker import Caretaker
from tests.kept_rows import KeptRows, touched
from tests.sandbox_server import CARD_FEE, KEY, TOKEN, Sandbox, running_sandbox
from tests.walk import NOW, Town, arrange_town, register_merchants

TEMPLATE = "market_template"


def pytest_collection_finish() -> None:
    """What was imported stays: to look through it again for rubbish takes a twentieth of the whole run."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each test makes its own application; the templates they share are compiled once for the whole run."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "compiled-templates"
    folder.mkdir(exist_ok=True)
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": FileSystemBytecodeCache(str(folder))}


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """Passwords are hashed as ever, and not for a sixth of a second, a hundred times a run; the house's own way is."""
    assert (passwords._hasher.time_cost, passwords._hasher.memory_cost) >= (3, 65_536), "as the library advises"
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A PostgreSQL server for this test run: TEST_DATABASE_URL's, or an embedded one of its own.

    The workers of one run share it; whoever comes first starts it and migrates the template that each worker's
    database is copied from.
    """
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield make_url(given).set(drivername="postgresql+psycopg")
        return
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = Path(tempfile.gettempdir()) / f"market-tests-{shared.name}-{os.getuid()}"
    users = shared / "postgres-users"
    with FileLock(shared / "postgres.lock"):
        url = make_url(start_embedded(folder)).set(drivername="postgresql+psycopg")
        users.write_text(str(int(users.read_text()) + 1 if users.exists() else 1))
    yield url
    with FileLock(shared / "postgres.lock"):
        left = int(users.read_text()) - 1
        users.write_text(str(left))
        if left == 0:
            stop_embedded(folder)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template_url(server_url: URL, tmp_path_factory: pytest.TempPathFactory) -> URL:
    """The migrated, empty database that others are copied from."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "template.lock"):
        done = shared / "template.done"
        if not done.exists():
            url = fresh_database(server_url, TEMPLATE, "template0")
            migrate(url)
            _forget_settings(url)
            done.touch()
    return server_url.set(database=TEMPLATE)


def _forget_settings(url: URL) -> None:
    """The one row that the migrations take over from the settings: an empty database reads them as they are."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("TRUNCATE vat_status RESTART IDENTITY"))
    engine.dispose()


@pytest.fixture(scope="session")
def database(template_url: URL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """This worker's own database."""
    name = f"market_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    database = Database(fresh_database(template_url, name, TEMPLATE), pool_size=20)
    # Wires the packages, so that `self_check` asks all of them even where a test needs no application.
    create_app(
        _hall_over(database, Gateway(endpoint="http://127.0.0.1:9", api_key=KEY), tmp_path_factory.mktemp("house"))
    )
    yield database
    database.close()


def fresh_database(server: URL, name: str, template: str) -> URL:
    """A database `name` on the server, copied from `template`, in the place of any that was there."""
    engine = create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Durability is for towns, not for tests: a killed test run starts again from nothing.
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("ALTER SYSTEM SET max_connections = 200"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return server.set(database=name)


@pytest.fixture(scope="session")
def caretaker(database: Database) -> Iterator[Caretaker]:
    caretaker = Caretaker(database)
    yield caretaker
    caretaker.close()


@pytest.fixture
def empty_database(database: Database, caretaker: Caretaker) -> Iterator[Database]:
    """A database without a row. What a test leaves behind must still hold together (self_check)."""
    yield database
    try:
        assert caretaker.broken() == []
    finally:
        caretaker.empty()


@pytest.fixture
def session(empty_database: Database) -> Iterator[Session]:
    """A transaction on the empty database, undone at the end of the test."""
    with empty_database.reading() as session:
        yield session


@pytest.fixture(scope="session")
def first_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The book of a payment sandbox that knows the town's merchants and nothing else yet."""
    book = tmp_path_factory.mktemp("sandbox") / "book.sqlite"
    with running_sandbox(book=book, access_tokens=(TOKEN,), fee=CARD_FEE) as sandbox:
        register_merchants(sandbox)
    return book


@pytest.fixture
def sandbox(first_book: Path) -> Iterator[Sandbox]:
    """A payment sandbox of this test's own, that knows the town's merchants and costs what a European card costs."""
    with running_sandbox(copied_from=first_book, access_tokens=(TOKEN,), fee=CARD_FEE) as sandbox:
        yield sandbox


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def hall(empty_database: Database, sandbox: Sandbox, clock: FixedClock, tmp_path: Path) -> Hall:
    """A hall over the empty database, the sandbox and a clock that stands; nobody answers mail or addresses."""
    return _hall_over(empty_database, sandbox.gateway(access_token=TOKEN), tmp_path, clock)


def _hall_over(database: Database, gateway: Gateway, folder: Path, clock: Clock | None = None) -> Hall:
    settings = Settings.from_env({"SECRET_KEY": "t" * 40, "INSTANCE_DIR": str(folder)})
    return Hall(
        settings=settings,
        database=database,
        clock=clock or FixedClock(NOW),
        gateway=gateway,
        geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
        mailer=Mailer(host="127.0.0.1", port=9, sender=settings.mail_from),
    )


@pytest.fixture(scope="session")
def first_town(database: Database, caretaker: Caretaker) -> tuple[Town, KeptRows]:
    """The town as it was arranged once, in a database without any other row."""
    with database.reading() as session:
        assert session.execute(text(touched())).all() == []
        town = arrange_town(session)
        kept = town, KeptRows.of(session)
    caretaker.empty()
    return kept


@pytest.fixture
def town(hall: Hall, first_town: tuple[Town, KeptRows]) -> Town:
    town, rows = first_town
    with hall.database.transaction() as session:
        rows.put_into(session)
    return town


@pytest.fixture
def app(hall: Hall) -> Flask:
    return app_over(hall, "app")


@pytest.fixture
def own_app(hall: Hall) -> Flask:
    """One that this test alone has, and may change."""
    return create_app(hall)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
