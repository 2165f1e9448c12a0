"""The crowd of the race tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.hall import Hall
from tests.flows.processes import Crowd, FileClock, Surroundings
from tests.sandbox_server import Sandbox


@pytest.fixture(scope="session")
def _everybody() -> Iterator[Crowd]:
    crowd = Crowd()
    yield crowd
    crowd.go_home()


@pytest.fixture
def crowd(_everybody: Crowd, hall: Hall, sandbox: Sandbox, tmp_path: Path) -> Crowd:
    """Processes around the test's own database and sandbox; their clock stands where the hall's does."""
    clock_path = tmp_path / "clock"
    FileClock(clock_path).set(hall.clock.now())
    _everybody.gather(Surroundings(hall.database.url.render_as_string(hide_password=False), sandbox.url, clock_path))
    return _everybody
