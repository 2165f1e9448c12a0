"""`python -m demo.database`: the embedded PostgreSQL as a process of the demo: started, watched, stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import psutil

from marketplace.db import start_embedded, stop_embedded
from marketplace.settings import Settings

#: Writing everything in memory to a slow disk may take this long; a stop without it means recovery at the next start.
STOP_S = 30


def running_server(folder: Path) -> psutil.Process | None:
    """The PostgreSQL that runs in `folder`; None when there is none, whatever an old pid file says."""
    try:
        server = psutil.Process(int((folder / "postmaster.pid").read_text().split("\n", 1)[0]))
        return server if server.name().startswith("postgres") and server.is_running() else None
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return None


def stop_server(folder: Path) -> None:
    """No PostgreSQL runs in `folder` afterwards, and its next start needs no recovery."""
    # An old pid file may name a stranger by now: look before the signal is sent.
    server = running_server(folder)
    if server is not None:
        stop_embedded(folder, patience_s=STOP_S)
        server.wait(STOP_S)  # it writes its last words after its pid file is gone


def main() -> None:
    over = threading.Event()
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, lambda signum, frame: over.set())
    folder = Settings.from_env(os.environ).instance_dir / "postgres"
    start_embedded(folder)
    print(f"PostgreSQL runs in {folder}", flush=True)
    while not over.wait(0.5):
        if running_server(folder) is None:
            sys.exit("PostgreSQL is gone")
    stop_server(folder)


if __name__ == "__main__":
    main()
