"""How much a first view costs somebody with a cheap phone and a small plan (K15)."""

from __future__ import annotations

import gzip
from collections import defaultdict

import brotli
import pytest
from playwright.sync_api import Browser

from tests.browser.crawl import Snapshot
from tests.browser.live import LiveTown
from tests.browser.screen import PHONE, open_screen

pytestmark = pytest.mark.browser

#: The proxy that stands before the site sends text compressed; pictures and fonts are as small as they get.
TEXT = ("text/", "javascript", "json", "svg")
FIRST_VIEWS = (
    "home",
    "listing",
    "listing, page 2",
    "search without accents",
    "shops",
    "shop: largest",
    "product: word",
    "basket of one",
    "basket of four shops",
    "where",
    "when",
    "who",
    "check: delivery",
    "order: confirmed",
    "shop: to pack",
    "round: open",
    "courier: first stop",
)


@pytest.mark.parametrize("label", FIRST_VIEWS)
def test_a_first_view_is_light(label: str, chromium: Browser, gallery: LiveTown, pages: list[Snapshot]) -> None:
    page = next(page for page in pages if page.label == label and page.language == "fr")
    answers: dict[str, str] = {}
    bodies: dict[str, bytes] = {}
    with open_screen(chromium, gallery, PHONE) as screen:
        screen.page.on("response", lambda r: answers.setdefault(r.url, r.headers.get("content-type", "")))
        screen.page.on("requestfinished", lambda request: bodies.setdefault(request.url, request.response().body()))
        screen.show(page)
        screen.page.wait_for_load_state("networkidle")
        # A browser with a quick line fetches some of the lazy pictures ahead; they weigh, but nobody waits for them.
        ahead_qty = screen.page.evaluate(
            """() => [...document.querySelectorAll("img[loading=lazy]")].filter((image) =>
            image.complete && image.getBoundingClientRect().top > innerHeight).length"""
        )
    weights: dict[str, int] = defaultdict(int)
    for url, kind in answers.items():
        body = bodies.get(url, b"")
        weights[kind.split(";")[0]] += len(gzip.compress(body, 6)) if any(word in kind for word in TEXT) else len(body)
    assert sum(weights.values()) <= 150_000, dict(weights)
    assert len(answers) - ahead_qty <= 20, sorted(answers)
    assert weights["font/woff2"] <= 32_000
    css = b"".join(body for url, body in bodies.items() if "/css/" in url)
    assert len(brotli.compress(css)) <= 10_000
