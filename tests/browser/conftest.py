"""A live demo town and a Chromium to look at it with."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import URL

from tests.browser.crawl import Snapshot, pages_without_visit
from tests.browser.live import LiveTown, copy_database, open_town, seed_template
from tests.browser.scenes import crawl_everything
from tests.chromium import executable

TOWN_TEMPLATE = "market_demo_template"

#: Quiet on a machine without display, sound or net: nothing but the page is asked for.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker begins with the crawl, on which most tests here wait; the others walk meanwhile. Long ones first."""
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(Path(__file__).parent)]
    for place, item in zip(places, sorted((items[place] for place in places), key=_turn), strict=True):
        items[place] = item


def _turn(item: pytest.Item) -> int:
    if item.name == "test_the_crawl_meets_every_page":
        return 0
    if "crawled" not in getattr(item, "fixturenames", ()):
        return 1
    return 2 if item.path.name == "test_screens.py" else 3


@pytest.fixture(scope="session")
def seeded(template_url: URL, tmp_path_factory: pytest.TempPathFactory) -> tuple[URL, Path]:
    """The database with the demo town that every live town is copied from, and the folder of its people's words."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    instance_dir = shared / "demo-town"
    with FileLock(shared / "demo-town.lock"):
        done = shared / "demo-town.done"
        if not done.exists():
            instance_dir.mkdir()
            seed_template(template_url, TOWN_TEMPLATE, str(template_url.database), instance_dir)
            done.touch()
    return template_url.set(database=TOWN_TEMPLATE), instance_dir


@pytest.fixture(scope="session")
def crawled(
    seeded: tuple[URL, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Snapshot], list[str], set[str]]:
    """Every page of the demo town, the addresses that they name in vain, and the routes that nobody met.

    The first worker crawls, the others read what it kept.
    """
    template, instance_dir = seeded
    shared = instance_dir.parent
    kept = shared / "crawl.pickle"
    with FileLock(shared / "crawl.lock"):
        if not kept.exists():
            copy_database(template, TOWN_TEMPLATE, "market_crawl")
            with open_town(template.set(database="market_crawl"), instance_dir, shared / "crawl.sqlite") as live:
                # In a thread of its own: a browser that was opened earlier has this one's event loop.
                with ThreadPoolExecutor(1) as pool:
                    crawl = pool.submit(crawl_everything, live).result()
                in_vain = crawl.dead_links() + crawl.missing_parts()
                found = crawl.snapshots, in_vain, pages_without_visit(live, crawl.snapshots)
            kept.write_bytes(pickle.dumps(found))
    answer: tuple[list[Snapshot], list[str], set[str]] = pickle.loads(kept.read_bytes())
    return answer


@pytest.fixture(scope="session")
def pages(crawled: tuple[list[Snapshot], list[str], set[str]]) -> list[Snapshot]:
    return crawled[0]


@pytest.fixture(scope="session")
def gallery(seeded: tuple[URL, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveTown]:
    """A town that shows kept pages to this worker's browser."""
    template, instance_dir = seeded
    name = f"market_gallery_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    copy_database(template, TOWN_TEMPLATE, name)
    letters = tmp_path_factory.mktemp("gallery") / "letters.sqlite"
    with open_town(template.set(database=name), instance_dir, letters) as live:
        yield live


@pytest.fixture
def town(seeded: tuple[URL, Path], tmp_path: Path) -> Iterator[LiveTown]:
    """A live town for one test alone, on a Tuesday at ten."""
    template, instance_dir = seeded
    name = f"market_walk_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    copy_database(template, TOWN_TEMPLATE, name)
    with open_town(template.set(database=name), instance_dir, tmp_path / "letters.sqlite") as live:
        yield live


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        yield browser
        browser.close()
