"""What a demo leaves behind when its supervisor is killed, and the lock that tells whether one still runs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

LOCK = "demo.lock"
PIDS = "demo.pids"


@contextmanager
def only_demo(instance_dir: Path) -> Iterator[bool]:
    """True when no other demo runs on this folder; then none can start before the block ends.

    The lock dies with the process that holds it, however it dies.
    """
    instance_dir.mkdir(parents=True, exist_ok=True)
    with (instance_dir / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def note_pids(instance_dir: Path, pids: Mapping[str, int]) -> None:
    """Remember the children that run now, with their birthdays: a pid alone may come back as somebody else."""
    born = {}
    for name, pid in pids.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            born[name] = [pid, psutil.Process(pid).create_time()]
    draft = instance_dir / f"{PIDS}.new"
    draft.write_text(json.dumps(born))
    draft.replace(instance_dir / PIDS)


def end_leftovers(instance_dir: Path) -> list[str]:
    """End the children of a demo whose supervisor is gone; their names. Call it only as the `only_demo`."""
    path = instance_dir / PIDS
    if not path.exists():
        return []
    ended = []
    for name, (pid, born_at) in reversed(json.loads(path.read_text()).items()):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if abs(process.create_time() - born_at) > 1:
                continue
            process.terminate()
            with contextlib.suppress(psutil.TimeoutExpired):
                process.wait(10)
            ended.append(name)
        # Each child leads a process group of its own; a worker of it may still hold the port.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    path.unlink()
    return ended
