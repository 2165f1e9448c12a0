"""What only a browser sees on the pages of the crawl: phone and desk, day and night, the keyboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.checks import Findings, shown
from tests.browser.crawl import Snapshot
from tests.browser.live import LiveTown
from tests.browser.screen import DESK, PHONE, Screen, open_screen

pytestmark = pytest.mark.browser

#: So that several workers share them; odd, because pages come in pairs.
PARTS = 5
WIDE_AND_LOW = {"width": 1280, "height": 256}

#: Where a slip costs money or time at a door: large targets. Everywhere else axe asks for 24 px.
LARGE_TARGETS = (
    "catalogue.product",
    "basket.",
    "checkout.",
    "plan.",
    "orders.",
    "reservations.",
    "merchant.",
    "counter.",
    "shelf.",
    "courier.",
)


#: A third make of one route has been the same parts in another order; the quick checks see it all the same.
MAKES_PER_ROUTE = 2


def one_of_each_make(pages: list[Snapshot]) -> list[Snapshot]:
    """The slow checks look at one page of each make, at most MAKES_PER_ROUTE of a route; the quick ones at all."""
    makes: dict[object, Snapshot] = {}
    routes: Counter[tuple[str, bool]] = Counter()
    for page in pages:
        route = page.endpoint, page.status == 200
        if page.make not in makes and routes[route] < MAKES_PER_ROUTE:
            makes[page.make] = page
            routes[route] += 1
    return list(makes.values())


def in_french(pages: list[Snapshot]) -> list[Snapshot]:
    return [page for page in pages if page.language == "fr"]


@pytest.fixture(scope="module")
def phone(chromium: Browser, gallery: LiveTown) -> Iterator[Screen]:
    with open_screen(chromium, gallery, PHONE) as screen:
        yield screen


@pytest.mark.parametrize("part", range(PARTS))
def test_pages_of_each_make(part: int, pages: list[Snapshot], phone: Screen) -> None:
    findings = Findings()
    chosen = one_of_each_make(in_french(pages))
    first_of_route = {page.endpoint: page for page in reversed(chosen)}
    for page in chosen[part::PARTS]:
        phone.resize(PHONE)
        phone.show(page)
        look(phone, page, findings)
        if page is first_of_route[page.endpoint]:
            look_on_a_desk(phone, page, findings)
        findings.add("K14", shown.k14_no_complaints(phone), str(page))
    assert not findings.faults, f"\n{findings.report}"
    assert {"K01", "K05", "K08", "K09", "K10", "K14", "K17", "K18", "K19", "K24"} <= set(findings.cases)


def look(screen: Screen, page: Snapshot, findings: Findings) -> None:
    """Every check that a page shown on a phone can be put to."""
    where = str(page)
    look_at_layout(screen, page, findings)
    findings.add("K01", shown.k01_axe_finds_nothing(screen.page), where)
    screen.page.emulate_media(color_scheme="dark")
    findings.add("K01", shown.k01_axe_finds_nothing(screen.page, only=("color-contrast",)), f"{where}, dark")
    for check, said in shown.keyboard(screen).items():
        findings.add(check, said, f"{where}, dark")
    screen.page.emulate_media(color_scheme="light")
    for check, said in shown.rings(screen).items():
        findings.add(check, said, where)


def look_on_a_desk(screen: Screen, page: Snapshot, findings: Findings) -> None:
    """What changes with the width of the window, by day."""
    where = f"{page}, wide"
    screen.resize(DESK)
    for check, said in shown.rings(screen).items():
        findings.add(check, said, where)
    findings.add("K01", shown.k01_axe_finds_nothing(screen.page, only=shown.DEPEND_ON_SIZE), where)
    screen.resize(WIDE_AND_LOW)
    findings.add("K08", shown.k08_nothing_sticks(screen), where)


def look_at_layout(screen: Screen, page: Snapshot, findings: Findings) -> None:
    where = str(page)
    findings.add("K31", shown.k31_the_summary_has_the_focus(screen), where)
    for check, said in shown.fit(screen, 44 if page.endpoint.startswith(LARGE_TARGETS) else 24).items():
        findings.add(check, said, where)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_fits_a_phone(part: int, pages: list[Snapshot], phone: Screen) -> None:
    """Names and languages of any length: the layout of every page in French, and of each make in English."""
    french, english = in_french(pages), [page for page in pages if page.language == "en"]
    looked_at = one_of_each_make(french)
    findings = Findings()
    for page in [*(page for page in french if page not in looked_at), *one_of_each_make(english)][part::PARTS]:
        phone.resize(PHONE)
        phone.show(page)
        look_at_layout(phone, page, findings)
        findings.add("K14", shown.k14_no_complaints(phone), str(page))
    assert not findings.faults, f"\n{findings.report}"
    assert findings.cases["K08"] > 0


def test_what_script_would_change_holds_without_it(chromium: Browser, gallery: LiveTown, pages: list[Snapshot]) -> None:
    """Our script replaces templates and nothing else: only there does a page without script look different."""
    findings = Findings()
    with open_screen(chromium, gallery, PHONE, script=False) as screen:
        for page in [page for page in pages if page.tree.css_first("template")]:
            screen.show(page)
            assert screen.page.locator("template").count() > 0, "script ran"
            look_at_layout(screen, page, findings)
            findings.add("K14", shown.k14_no_complaints(screen), str(page))
    assert not findings.faults, f"\n{findings.report}"
    assert findings.cases["K24"] > 20


def test_who_only_reads_leaves_no_trace(chromium: Browser, gallery: LiveTown, pages: list[Snapshot]) -> None:
    findings = Findings()
    with open_screen(chromium, gallery, PHONE) as screen:
        for page in one_of_each_make([p for p in pages if p.visitor == "a passer-by" and p.is_plain]):
            if page.language == "fr":
                screen.page.goto(f"{gallery.url}{page.path}")
                findings.add("K64", shown.k64_nothing_is_kept_in_the_browser(screen), str(page))
    assert not findings.faults, f"\n{findings.report}"
    assert findings.cases["K64"] > 10
