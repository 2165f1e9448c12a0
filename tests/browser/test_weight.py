"""How much a first view costs somebody with a cheap phone and a small plan (K15)."""

from __future__ import annotations

import gzip
from collections import defaultdict
from functools import cache

import brotli
import pytest
from playwright.sync_api import Browser, Response

from tests.browser.checks import Findings, Said
from tests.browser.crawl import Snapshot
from tests.browser.live import LiveTown
from tests.browser.mutants import HEAVY, Mutant
from tests.browser.screen import PHONE, open_screen

pytestmark = pytest.mark.browser

#: The proxy that stands before the site sends text compressed; pictures and fonts are as small as they get.
TEXT = ("text/", "javascript", "json", "svg")

#: All that is seen has come: a lazy picture is asked for only when it is near.
SEEN = """() => document.fonts.status === "loaded" && [...document.images].every((image) =>
    image.complete || image.getBoundingClientRect().top > innerHeight)"""
#: A browser with a quick line fetches some of the lazy pictures ahead; they weigh, but nobody waits for them.
AHEAD = """() => [...document.querySelectorAll("img[loading=lazy]")].filter((image) =>
    image.getBoundingClientRect().top > innerHeight).map((image) => image.src)"""


def k15_a_first_view_is_light(chromium: Browser, gallery: LiveTown, page: Snapshot) -> Said:
    """In a window that has seen nothing of the site yet."""
    answers: dict[str, Response] = {}
    with open_screen(chromium, gallery, PHONE) as screen:
        screen.page.on("response", lambda answer: answers.setdefault(answer.url, answer))
        screen.show(page)
        screen.page.wait_for_function(SEEN)
        ahead = set(screen.page.evaluate(AHEAD))
        weights: dict[str, int] = defaultdict(int)
        css = b""
        come = list(answers.items())
        for url, answer in come:
            body, kind = answer.body(), answer.headers.get("content-type", "").split(";")[0]
            weights[kind] += len(gzip.compress(body, 6)) if any(word in kind for word in TEXT) else len(body)
            css += body if "/css/" in url else b""
    whole, css_bytes = sum(weights.values()), _pressed(css)
    yield None if whole <= 150_000 else f"{whole} bytes: {dict(weights)}"
    asked_qty = sum(url not in ahead for url, _ in come)
    yield None if asked_qty <= 20 else f"{asked_qty} requests"
    yield None if weights["font/woff2"] <= 32_000 else f"{weights['font/woff2']} bytes of fonts"
    yield None if 0 < css_bytes <= 10_000 else f"{css_bytes} bytes of style sheets"


@cache
def _pressed(css: bytes) -> int:
    return len(brotli.compress(css))


@pytest.mark.parametrize("part", range(3))
def test_the_first_page_of_each_route_is_light(
    part: int, chromium: Browser, gallery: LiveTown, pages: list[Snapshot]
) -> None:
    """Whichever page somebody comes upon first; and the richest ones."""
    first = {page.endpoint: page for page in reversed(pages) if page.is_plain and page.language == "fr"}
    rich = [page for page in pages if page.label in RICH and page.language == "fr"]
    assert len({page.label for page in rich}) == len(RICH)
    findings = Findings()
    for page in [*first.values(), *rich][part::3]:
        findings.add("K15", k15_a_first_view_is_light(chromium, gallery, page), str(page))
    assert not findings.faults, f"\n{findings.report}"
    assert findings.cases["K15"] > 20


#: More of everything than on the first page of the same route.
RICH = {
    "listing, page 2",
    "search without accents",
    "shop: largest",
    "product: word",
    "basket of one",
    "basket of four shops",
    "order: confirmed",
    "shop: to pack",
    "round: open",
    "courier: first stop",
}


@pytest.mark.parametrize("mutant", HEAVY, ids=lambda mutant: mutant.fault)
def test_a_heavy_page_is_caught(mutant: Mutant, chromium: Browser, gallery: LiveTown, pages: list[Snapshot]) -> None:
    page = next(page for page in pages if page.label == mutant.page and page.language == "fr")
    said = [one for one in k15_a_first_view_is_light(chromium, gallery, page.changed(mutant.change(page.html))) if one]
    assert said != []
