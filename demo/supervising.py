"""Keep a handful of commands alive, show what they say, and stop them in order.

honcho, which reads the Procfile for us, stops everything when one process ends; a demo in which any process may be
killed in the middle of a purchase needs the opposite.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The worker finishes the jobs in hand within 20 s of being told to stop (marketplace.jobs); nobody needs longer.
GRACE_S = 25.0
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 8.0
#: Who lived this long was well: its next end is news, not the same trouble again.
WELL_AFTER_S = 10.0

Say = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Command:
    """A line for the shell under a short name, as in a Procfile."""

    name: str
    line: str


class Child:
    """One command, alive or about to be again. It leads a process group, so that nothing it started is left over."""

    def __init__(self, command: Command, *, cwd: Path, env: Mapping[str, str], say: Say) -> None:
        self.name = command.name
        self._line = command.line
        self._cwd, self._env, self._say = cwd, env, say
        self._process: subprocess.Popen[str] | None = None
        self._started_at = self._start_again_at = 0.0
        self._wait_s = FIRST_WAIT_S

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # the line comes from our own Procfile
            ["/bin/sh", "-c", f"exec {self._line}"],
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Ctrl-C in the terminal reaches the supervisor alone, which then stops the others in order.
            start_new_session=True,
        )
        self._started_at = time.monotonic()
        threading.Thread(target=self._repeat, args=(self._process,), daemon=True).start()

    def look(self) -> bool:
        """Notice its end, and start it again when its wait is over; True when it was started."""
        if self._process is not None and self._process.poll() is not None:
            how = self._process.returncode
            self._sweep()
            if time.monotonic() - self._started_at >= WELL_AFTER_S:
                self._wait_s = FIRST_WAIT_S
            ended = f"was ended by signal {-how}" if how < 0 else f"ended with code {how}"
            self._say(self.name, f"{ended}; starting it again in {self._wait_s:g} s")
            self._start_again_at = time.monotonic() + self._wait_s
            self._wait_s = min(LONGEST_WAIT_S, 2 * self._wait_s)
            self._process = None
        if self._process is None and time.monotonic() >= self._start_again_at:
            self.start()
            return True
        return False

    def stop(self, grace_s: float) -> None:
        """Ask it to end; after the grace it is ended. Nothing of it runs afterwards."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._say(self.name, f"did not stop within {grace_s:g} s; ending it")
            self._process.kill()
            self._process.wait()
        self._sweep()
        self._process = None
        self._say(self.name, "stopped")

    def _sweep(self) -> None:
        """End what the child itself had started, gunicorn's workers for one: they hold its port."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _repeat(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._say(self.name, line.rstrip())


class Supervisor:
    """Runs commands in the order given and stops them in the opposite one.

    `say(name, line)` is told what they print and what happens to them, from any thread. `note` is told the pids of
    all children whenever one of them is new.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        cwd: Path,
        env: Mapping[str, str],
        say: Say,
        note: Callable[[Mapping[str, int]], None] = lambda pids: None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._children = [Child(command, cwd=cwd, env=env, say=say) for command in commands]
        self._note = note
        self._grace_s = grace_s

    def run(self, over: threading.Event) -> None:
        """Keep the commands alive until `over` is set."""
        try:
            for child in self._children:
                child.start()
            self._note(self._pids())
            while not over.wait(0.1):
                started = [child for child in self._children if child.look()]
                if started:
                    self._note(self._pids())
        finally:
            for child in reversed(self._children):
                child.stop(self._grace_s)
            self._note({})

    def _pids(self) -> dict[str, int]:
        return {child.name: child.pid for child in self._children if child.pid is not None}
