"""The demo's supervisor, with real processes: who is killed comes back, and they stop in order."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from demo.database import running_server, stop_server
from demo.leftovers import end_leftovers, note_pids, only_demo
from demo.run import commands
from demo.supervising import Command, Supervisor
from demo.surroundings import Ports, environment, free_ports, is_taken
from demo.welcome import welcome
from marketplace.db import start_embedded
from marketplace.settings import Settings

#: A machine that does ten other things is slow; who waits this long has waited for nothing.
PATIENCE_S = 60
#: Says its pid, then waits for ever.
PATIENT = "sh -c 'echo pid $$; exec sleep 1000'"
#: Says its pid, ignores that it should stop, and has a child that says nothing.
STUBBORN = "sh -c 'trap \"\" TERM; sleep 1000 & echo pid $$ $!; wait; wait; sleep 1000'"


class Watched:
    """A supervisor in a thread, and what it says."""

    def __init__(self, *commands: Command, grace_s: float = 20, cwd: Path = Path("/")) -> None:
        self.over = threading.Event()
        self.pids: list[Mapping[str, int]] = []
        self._said: list[tuple[str, str]] = []
        self._news = threading.Condition()
        supervisor = Supervisor(
            commands, cwd=cwd, env=os.environ, say=self._hear, note=self.pids.append, grace_s=grace_s
        )
        self.thread = threading.Thread(target=supervisor.run, args=(self.over,))

    def _hear(self, name: str, line: str) -> None:
        with self._news:
            self._said.append((name, line))
            self._news.notify_all()

    def wait_for(self, name: str, start: str) -> str:
        """The first line of `name` that starts so and was not waited for before."""

        def find() -> tuple[str, str] | None:
            return next((said for said in self._said if said[0] == name and said[1].startswith(start)), None)

        with self._news:
            found = self._news.wait_for(find, timeout=PATIENCE_S)
            assert found, f"{name} never said {start!r}, only {self._said}"
            self._said.remove(found)
        return found[1]

    def rest(self) -> list[tuple[str, str]]:
        """What was said and not waited for."""
        return list(self._said)


@contextmanager
def watching(*commands: Command, grace_s: float = 20) -> Iterator[Watched]:
    watched = Watched(*commands, grace_s=grace_s)
    watched.thread.start()
    try:
        yield watched
    finally:
        watched.over.set()
        watched.thread.join()


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def eventually(claim: Callable[[], bool]) -> bool:
    """Whether the claim comes true at last; the kernel ends processes in its own time."""
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not claim() and time.monotonic() < deadline:
        pause.wait(0.02)
    return claim()


def test_a_killed_process_comes_back_and_the_others_stay() -> None:
    with watching(Command("worker", PATIENT), Command("web", PATIENT)) as watched:
        worker, web = watched.wait_for("worker", "pid"), watched.wait_for("web", "pid")
        os.kill(int(web.split()[1]), signal.SIGKILL)
        watched.wait_for("web", "was ended by signal 9; starting it again in 0.5 s")
        assert watched.wait_for("web", "pid") != web
        assert is_alive(int(worker.split()[1]))
        assert eventually(lambda: len(watched.pids) == 2)
        assert watched.pids[0]["worker"] == watched.pids[1]["worker"]
        assert watched.pids[0]["web"] != watched.pids[1]["web"]


def test_a_process_that_cannot_start_is_tried_less_and_less_often() -> None:
    with watching(Command("web", "sh -c 'exit 3'")) as watched:
        watched.wait_for("web", "ended with code 3; starting it again in 0.5 s")
        watched.wait_for("web", "ended with code 3; starting it again in 1 s")
        watched.wait_for("web", "ended with code 3; starting it again in 2 s")


def test_a_killed_process_takes_its_own_children_along() -> None:
    with watching(Command("web", STUBBORN)) as watched:
        parent, child = map(int, watched.wait_for("web", "pid").split()[1:])
        os.kill(parent, signal.SIGKILL)
        watched.wait_for("web", "was ended by signal 9")
        assert eventually(lambda: not is_alive(child))


def test_processes_stop_in_the_opposite_order() -> None:
    names = ["database", "townsfolk", "payments", "worker", "web"]
    with watching(*(Command(name, PATIENT) for name in names)) as watched:
        pids = [int(watched.wait_for(name, "pid").split()[1]) for name in names[-1:]]
    assert [name for name, line in watched.rest() if line == "stopped"] == names[::-1]
    assert not any(map(is_alive, pids))
    assert watched.pids[-1] == {}


def test_who_does_not_stop_in_time_is_ended() -> None:
    with watching(Command("web", STUBBORN), grace_s=0.3) as watched:
        parent, child = map(int, watched.wait_for("web", "pid").split()[1:])
    assert watched.rest() == [("web", "did not stop within 0.3 s; ending it"), ("web", "stopped")]
    assert eventually(lambda: not is_alive(parent) and not is_alive(child))


def test_leftovers_of_a_killed_supervisor_are_ended(tmp_path: Path) -> None:
    orphan = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        note_pids(tmp_path, {"web": orphan.pid, "worker": stranger.pid})
        # The pid of a process that ended may be given to somebody else, who was born later.
        noted = (tmp_path / "demo.pids").read_text()
        born_at = psutil.Process(stranger.pid).create_time()
        (tmp_path / "demo.pids").write_text(noted.replace(f"[{stranger.pid}, {born_at}", f"[{stranger.pid}, 12345.0"))
        assert end_leftovers(tmp_path) == ["web"]
        assert not is_alive(orphan.pid)
        assert is_alive(stranger.pid)
        assert end_leftovers(tmp_path) == []
    finally:
        for process in (orphan, stranger):
            process.kill()
            process.wait()


def test_only_one_demo_runs_from_a_folder(tmp_path: Path) -> None:
    with only_demo(tmp_path / "instance") as first, only_demo(tmp_path / "instance") as second:
        assert (first, second) == (True, False)
    with only_demo(tmp_path / "instance") as third:
        assert third is True


def test_a_taken_port_is_noticed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert is_taken(port)
        assert port in Ports(port - 1).taken()
    assert not is_taken(port)


def test_a_demo_on_a_taken_port_ends_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        asked = subprocess.run(
            [sys.executable, "-m", "demo.run", "--port", str(port)],
            env={**os.environ, "INSTANCE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert asked.returncode == 1
    # The demo takes a few ports in a row; others of them may be taken by chance.
    said = rf"Taken by another program: port {port}(, \d+)*\. Choose others: make demo PORT={port + 100}\n"
    assert re.search(said, asked.stderr)


def test_without_a_wish_free_ports_are_found() -> None:
    ports = free_ports()
    assert ports is not None
    assert ports.taken() == []


def test_all_processes_point_at_each_other(tmp_path: Path) -> None:
    env = environment(Ports(6100), tmp_path, {"PATH": "/usr/bin", "SANDBOX_PORT": "1", "MOLLIE_API_ENDPOINT": "x"})
    settings = Settings.from_env(env)
    assert settings.demo
    assert settings.site_url == "http://127.0.0.1:6100"
    assert settings.mollie_endpoint == "http://127.0.0.1:6101"
    assert settings.webhook_base == "http://127.0.0.1:6100"
    assert (settings.geocoder_scheme, settings.geocoder_domain) == ("http", "127.0.0.1:6102/geocodage")
    assert (settings.smtp_host, settings.smtp_port) == ("127.0.0.1", 6103)
    assert settings.instance_dir == tmp_path
    assert env["PATH"].split(":")[0] == str(Path(sys.executable).parent)


def test_what_a_person_set_on_purpose_stays(tmp_path: Path) -> None:
    outer = {
        "DATABASE_URL": "postgresql://elsewhere/market",
        "GEOCODER_URL": "https://data.geopf.fr/geocodage",
        "MOLLIE_ENV": "test",
        "MOLLIE_API_KEY": "test_mine",
        "NO_PROXY": "example.org",
    }
    env = environment(Ports(6100), tmp_path, outer)
    settings = Settings.from_env(env)
    assert settings.database_url == "postgresql://elsewhere/market"
    assert settings.geocoder_domain == "data.geopf.fr/geocodage"
    assert (settings.mollie_endpoint, settings.mollie_api_key) == ("https://api.mollie.com", "test_mine")
    assert env["NO_PROXY"] == "example.org,127.0.0.1,localhost"


def test_the_site_opens_last_and_closes_first() -> None:
    assert [one.name for one in commands(with_database=True)] == ["database", "townsfolk", "payments", "worker", "web"]
    assert [one.name for one in commands(with_database=False)] == ["townsfolk", "payments", "worker", "web"]


def test_the_welcome_names_the_address_the_password_and_everybody() -> None:
    frame = welcome(Ports(6100), site_url="http://127.0.0.1:6100", password="panier-velo-12")
    assert "http://127.0.0.1:6100\n" in frame
    assert "http://127.0.0.1:6102/boite" in frame
    assert "panier-velo-12" in frame
    for person in ("coordination@example.org", "tresorerie@example.org", "samia.coursiere@example.org"):
        assert person in frame
    assert max(map(len, frame.splitlines())) <= 80


@pytest.mark.processes
def test_postgresql_comes_back_after_a_kill_and_stops_when_asked(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    line = f"env INSTANCE_DIR={tmp_path} {sys.executable} -m demo.database"
    watched = Watched(Command("database", line), cwd=Path(__file__).parents[2])
    watched.thread.start()
    try:
        watched.wait_for("database", f"PostgreSQL runs in {folder}")
        first = running_server(folder)
        assert first is not None
        first.kill()
        watched.wait_for("database", "PostgreSQL is gone")
        watched.wait_for("database", f"PostgreSQL runs in {folder}")
        second = running_server(folder)
        assert second is not None
        assert second.pid != first.pid
    finally:
        watched.over.set()
        watched.thread.join()
    assert running_server(folder) is None


@pytest.mark.processes
def test_a_stopped_postgresql_needs_no_recovery(tmp_path: Path) -> None:
    folder = tmp_path / "postgres"
    start_embedded(folder)
    try:
        assert running_server(folder) is not None
    finally:
        stop_server(folder)
    assert running_server(folder) is None
    assert "database system is shut down" in (folder / "log").read_text().splitlines()[-1]
    with contextlib.suppress(FileNotFoundError):
        stop_server(tmp_path / "never-was")
