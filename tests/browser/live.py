"""The demo town with its doors open: site, payment sandbox, geocoder and post, each a real server on a free port."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from flask import Flask
from sqlalchemy import URL, create_engine, text
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.serving import make_server

from demo.seed import demo_password, seed_town
from demo.townsfolk.server import Townsfolk
from marketplace.app import create_app
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.jobs import work_until_idle
from marketplace.mail import Mailer
from marketplace.payments.gateway import Gateway
from marketplace.settings import Settings
from tests.sandbox_server import APPLICATION, KEY, Sandbox, running_sandbox
from tests.walk import NOW

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"


class Gallery:
    """Shows a page that was kept instead of today's, to a browser that asks for a page with its number.

    So a browser sees refusals and passing states exactly as they were answered, policy and all, and faults that a
    test has put into them; style sheets, scripts and pictures come from the site itself.
    """

    HEADER = "X-Kept-Page"

    def __init__(self, site: WSGIApplication) -> None:
        self._site = site
        self._kept: list[tuple[int, list[tuple[str, str]], bytes]] = []

    def keep(self, status: int, headers: list[tuple[str, str]], body: bytes) -> str:
        """The number to ask with."""
        self._kept.append((status, headers, body))
        return str(len(self._kept) - 1)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        number = environ.get("HTTP_X_KEPT_PAGE")
        if number is None:
            return self._site(environ, start_response)
        if environ.get("HTTP_SEC_FETCH_DEST") != "document":
            return self._site(environ, _to_be_kept(start_response))
        status, headers, body = self._kept[int(number)]
        start_response(f"{status} {HTTP_STATUS_CODES[status]}", [*headers, ("Content-Length", str(len(body)))])
        return [body]


def _to_be_kept(start_response: StartResponse) -> StartResponse:
    """Sheets, scripts and drawings do not change during a test run: a window that has them asks for them no more."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        if status.startswith("200"):
            headers = [(name, value) for name, value in headers if name.lower() != "cache-control"]
            headers.append(("Cache-Control", "max-age=3600"))
        return start_response(status, headers, *rest)

    return start


@dataclass(frozen=True)
class LiveTown:
    """A town of its own: what happens in it stays in it."""

    url: str
    hall: Hall
    app: Flask
    gallery: Gallery
    clock: FixedClock
    sandbox: Sandbox
    townsfolk_url: str

    def work(self) -> None:
        """The worker does all that is due."""
        work_until_idle(self.app)

    def letters_to(self, address: str) -> list[dict[str, Any]]:
        """What the post brought to an address, newest first."""
        answer = requests.get(f"{self.townsfolk_url}/boite.json", params={"a": address}, timeout=10)
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    @property
    def password(self) -> str:
        """The demo people's."""
        return demo_password(self.hall)


def seed_template(server: URL, name: str, empty: str, instance_dir: Path) -> None:
    """The demo town is in the database `name`, copied from the database `empty` and then filled."""
    copy_database(server, empty, name)
    database = Database(server.set(database=name), pool_size=2)
    settings = Settings.from_env(
        {"SECRET_KEY": "t" * 40, "INSTANCE_DIR": str(instance_dir), "MARKET_ENV": "demo", "PORT": "5000"}
    )
    nobody = Geocoder(scheme="http", domain=f"{HOST}:9"), Mailer(host=HOST, port=9, sender=settings.mail_from)
    gateway = Gateway(endpoint=f"http://{HOST}:9", api_key=KEY)
    seed_town(Hall(settings, database, FixedClock(NOW), gateway, *nobody), log=False)
    database.close()


def copy_database(server: URL, template: str, name: str) -> None:
    """The database `name` is a fresh copy of `template`, whatever it was before."""
    engine = create_engine(server.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()


@contextmanager
def open_town(database_url: URL, instance_dir: Path, letters: Path) -> Iterator[LiveTown]:
    """The seeded town of that database, open until the block ends."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    townsfolk = Townsfolk(letters=letters, http_port=0, smtp_port=0)
    # The address must be known before the application is made: its payments lead back to it.
    door = socket.create_server((HOST, 0), backlog=64)
    url = f"http://{HOST}:{door.getsockname()[1]}"
    database = Database(database_url, pool_size=20)
    with running_sandbox() as sandbox:
        for organization in json.loads((instance_dir / "sandbox_organizations.json").read_text()):
            sandbox.register_organization(organization["id"], organization["name"])
        settings = Settings.from_env(
            {
                "SECRET_KEY": "t" * 40,
                "INSTANCE_DIR": str(instance_dir),
                "MARKET_ENV": "demo",
                "SITE_URL": url,
                "MOLLIE_API_ENDPOINT": sandbox.url,
                "MOLLIE_CLIENT_ID": APPLICATION.client_id,
                "MOLLIE_CLIENT_SECRET": APPLICATION.client_secret,
                "MOLLIE_ACCESS_TOKEN": "access_live",
                "GEOCODER_URL": f"{townsfolk.url}/geocodage",
                "SMTP_PORT": str(townsfolk.smtp_port),
            }
        )
        clock = FixedClock(NOW)
        hall = Hall(
            settings=settings,
            database=database,
            clock=clock,
            gateway=Gateway(endpoint=settings.mollie_endpoint, api_key=settings.mollie_api_key),
            geocoder=Geocoder(scheme=settings.geocoder_scheme, domain=settings.geocoder_domain),
            mailer=Mailer(host=settings.smtp_host, port=settings.smtp_port, sender=settings.mail_from),
        )
        app = create_app(hall)
        gallery = Gallery(app)
        site = make_server(HOST, 0, gallery, threaded=True, fd=door.fileno())
        people = threading.Thread(target=townsfolk.serve, name="townsfolk", daemon=True)
        visitors = threading.Thread(target=site.serve_forever, args=(0.05,), name="site", daemon=True)
        people.start()
        visitors.start()
        try:
            yield LiveTown(url, hall, app, gallery, clock, sandbox, townsfolk.url)
        finally:
            site.shutdown()
            townsfolk.shutdown()
            visitors.join()
            people.join()
            site.server_close()
            door.close()
            database.close()
