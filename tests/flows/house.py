"""The house as it runs in production: web, worker and payment sandbox as processes of their own, to be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import procrastinate
import requests
from flask import Flask
from sqlalchemy import URL, text

from marketplace.app import create_app
from marketplace.hall import Hall
from marketplace.settings import Settings
from marketplace.web.csrf import csrf_token
from tests.flows.processes import SECRET_KEY, until
from tests.sandbox_server import Sandbox, SandboxProcess

ROOT = Path(__file__).parent.parent.parent

#: A killed worker's job runs again after so long: short, because nobody's page waits here for a slow machine.
LEASE_S = 2


class Process:
    """A command with its children, and what it said."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path) -> None:
        self._command, self._env, self._log = command, env, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9, the children too, and wait until they are gone."""
        if self._process is not None and self.is_alive:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)

    def said(self) -> str:
        return self._log.read_text(errors="replace")[-4000:]


class House:
    """Everything between a resident's browser and the provider's book; `hall` is a door to the same database."""

    def __init__(self, database_url: URL, folder: Path) -> None:
        web_port, sandbox_port = _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{web_port}"
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", str(folder)),
            "DATABASE_URL": database_url.render_as_string(hide_password=False),
            "SECRET_KEY": SECRET_KEY,
            "INSTANCE_DIR": str(folder),
            "SITE_URL": self.url,
            "MOLLIE_API_ENDPOINT": f"http://127.0.0.1:{sandbox_port}",
            # Nobody answers there: letters wait, and nothing else waits for them.
            "SMTP_PORT": "9",
            "GEOCODER_URL": "http://127.0.0.1:9",
        }
        self.hall = Hall.open(Settings.from_env(self._env))
        self.app: Flask = create_app(self.hall)
        python = [sys.executable, "-m"]
        gunicorn = ["gunicorn", "--bind", f"127.0.0.1:{web_port}", "--workers", "1", "--threads", "4"]
        self.web = Process([*python, *gunicorn, "marketplace.app:create_app()"], self._env, folder / "web.log")
        worker = ["flask", "--app", "marketplace.app", "worker", "--lease", str(LEASE_S)]
        self.worker = Process([*python, *worker], self._env, folder / "worker.log")
        self._sandbox = SandboxProcess(folder / "book.sqlite", "--port", str(sandbox_port))
        self._queue = procrastinate.App(
            connector=procrastinate.SyncPsycopgConnector(conninfo=self.hall.database.conninfo())
        )

    def start(self) -> Sandbox:
        """All three run; the hand that plays the resident's bank."""
        self.web.start()
        self.worker.start()
        sandbox = self.start_sandbox()
        self.wait_for_web()
        return sandbox

    def start_sandbox(self) -> Sandbox:
        return self._sandbox.start()

    def kill_sandbox(self) -> None:
        self._sandbox.kill()

    def restart_worker(self) -> None:
        """kill -9, and what a supervisor does then."""
        self.worker.kill()
        self.worker.start()

    def wait_for_web(self) -> None:
        def answers() -> bool:
            assert self.web.is_alive, self.web.said()
            try:
                return self.browse().get(f"{self.url}/panier", timeout=10).ok
            except (requests.ConnectionError, requests.Timeout):
                return False  # gunicorn listens before its worker has read the house

        until("the web answers", answers)

    def browse(self, *, basket_token: str | None = None) -> requests.Session:
        """A browser; with the cookie of somebody who has a basket."""
        browser = requests.Session()
        browser.trust_env = False
        if basket_token is not None:
            serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]  # Flask's own cookie sessions
            browser.cookies.set("session", serializer.dumps({"basket": basket_token}))
        return browser

    def form_token(self) -> str:
        """What a visitor's form carries."""
        with self.app.test_request_context():
            return csrf_token()

    def strike(self, task: str) -> None:
        """The minute strikes for a periodic task."""
        with self._queue.open():
            self._queue.configure_task(task).defer(timestamp=0)

    def terminate_connections(self, *, but: int) -> int:
        """Every connection of the database but one ends, as in a restart of the server; how many there were."""
        with self.hall.database.engine.connect() as connection:
            terminate = text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid NOT IN (pg_backend_pid(), :but)"
            )
            return int(connection.scalar(terminate, {"but": but}) or 0)

    def close(self) -> None:
        self.web.kill()
        self.worker.kill()
        self._sandbox.kill()
        self.hall.database.close()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
