"""`python -m demo.run`, better known as `make demo`: the whole demo town under one supervisor."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click
from honcho.environ import parse_procfile

from demo.database import stop_server
from demo.leftovers import end_leftovers, note_pids, only_demo
from demo.supervising import Command, Supervisor
from demo.surroundings import DEFAULT_PORT, Ports, free_ports
from demo.surroundings import environment as environment_of
from demo.welcome import welcome

ROOT = Path(__file__).resolve().parent.parent
#: A first start on a slow machine compiles every module; nobody should wait longer without a word.
OPENING_S = 90

one_at_a_time = threading.Lock()
# Ignores the proxies of the environment: the site is on this machine.
local_web = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@click.command()
@click.option("--port", type=click.IntRange(1024, 65532), envvar="PORT", help="The site's; three more follow it.")
def main(port: int | None) -> None:
    """Prepare the demo town and keep it running until Ctrl-C."""
    assert isinstance(sys.stdout, io.TextIOWrapper)
    sys.stdout.reconfigure(errors="replace", line_buffering=True)
    instance_dir = Path(os.environ.get("INSTANCE_DIR") or ROOT / "instance").absolute()
    with only_demo(instance_dir) as is_only_one:
        if not is_only_one:
            sys.exit("The demo already runs from this folder. Stop it with Ctrl-C where it runs.")
        for name in end_leftovers(instance_dir):
            print(f"Stopped {name}, left over from a demo that was killed")
        over = threading.Event()
        for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(asked, lambda signum, frame: over.set())
        open_town(choose_ports(port), instance_dir, over)


def choose_ports(asked: int | None) -> Ports:
    """The ports that were asked for, or free ones; ends with a sentence when there are none."""
    if asked is not None:
        ports = Ports(asked)
        if taken := ports.taken():
            numbers = ", ".join(map(str, taken))
            sys.exit(f"Taken by another program: port {numbers}. Choose others: make demo PORT={asked + 100}")
        return ports
    found = free_ports()
    if found is None:
        sys.exit(f"No free ports from {DEFAULT_PORT} on. Choose others: make demo PORT=6000")
    if found.web != DEFAULT_PORT:
        print(f"Port {DEFAULT_PORT} or one of the next three is taken; using {found.web} instead.")
    return found


def open_town(ports: Ports, instance_dir: Path, over: threading.Event) -> None:
    """Prepare the town, run it until `over`, stop it. PostgreSQL starts first and stops last."""
    env = environment_of(ports, instance_dir, os.environ)
    postgres = None if env.get("DATABASE_URL") else instance_dir / "postgres"
    try:
        for command, purpose in (("migrate", "Database"), ("seed", "Demo town")):
            print(f"{purpose} …")
            prepare(command, env, over)
            if over.is_set():
                return
        Opening(ports, env["SITE_URL"], instance_dir, over).start()
        Supervisor(
            commands(with_database=postgres is not None),
            cwd=ROOT,
            env=env,
            say=lambda name, line: show(f"{name:<9} | {line}"),
            note=partial(note_pids, instance_dir),
        ).run(over)
    finally:
        if postgres is not None:
            stop_server(postgres)  # when its own process could not: killed, or the demo never came so far


def commands(*, with_database: bool) -> list[Command]:
    """Those of Procfile.dev from the last to the first: the site opens last and closes first."""
    lines = parse_procfile((ROOT / "Procfile.dev").read_text()).processes
    town = [Command(name, line) for name, line in reversed(lines.items())]
    return [Command("database", "python -m demo.database"), *town] if with_database else town


def prepare(command: str, env: Mapping[str, str], over: threading.Event) -> None:
    """Run one of the application's own commands to its end; ends with a sentence when it fails."""
    line = [sys.executable, "-m", "flask", "--app", "marketplace.app", command]
    with subprocess.Popen(line, cwd=ROOT, env=env, start_new_session=True) as process:  # noqa: S603  # our own words
        while process.poll() is None:
            if over.wait(0.1):
                process.terminate()
                process.wait()
        if process.returncode and not over.is_set():
            sys.exit(f"The demo cannot start: `flask --app marketplace.app {command}` failed (see above).")


class Opening(threading.Thread):
    """Prints the welcome once the site answers."""

    def __init__(self, ports: Ports, site_url: str, instance_dir: Path, over: threading.Event) -> None:
        super().__init__(daemon=True)
        self._ports, self._site_url, self._instance_dir, self._over = ports, site_url, instance_dir, over

    def run(self) -> None:
        for _ in range(OPENING_S * 4):
            if self._over.wait(0.25):
                return
            if answers(self._ports.site_url):
                password = (self._instance_dir / "demo_password").read_text().strip()
                show(welcome(self._ports, site_url=self._site_url, password=password))
                return
        show(f"The site has not answered for {OPENING_S} s: the lines above may say why. Ctrl-C stops everything.")


def show(text: str) -> None:
    """Print whole lines, whoever else prints; a terminal that was closed must not keep anything from stopping."""
    with one_at_a_time, contextlib.suppress(OSError):
        print(text)


def answers(url: str) -> bool:
    """Whether a page can be had there."""
    try:
        with local_web.open(url, timeout=5) as answer:
            return bool(answer.status < 500)
    except urllib.error.HTTPError as refusal:
        return refusal.code < 500
    except OSError:
        return False


if __name__ == "__main__":
    main()
