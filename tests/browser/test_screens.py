"""What only a browser sees on the pages of the crawl: phone and desk, day and night, the keyboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from heapq import heapify, heappop, heappush

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


def that_show_every_part(pages: list[Snapshot]) -> list[Snapshot]:
    """So few pages that each part of the site is on one of them, within each part that it is found in."""
    chosen, seen = [], set[tuple[str, str]]()
    # The page with the most parts that none before it has. Their number only falls: it is counted again for the page
    # that is on top, and for the others when they come there.
    waiting = [(-len(page.parts), place) for place, page in enumerate(pages)]
    heapify(waiting)
    while waiting:
        _, place = heappop(waiting)
        turn = -len(pages[place].parts - seen), place
        if waiting and turn > waiting[0]:
            heappush(waiting, turn)
        elif turn[0]:
            seen |= pages[place].parts
            chosen.append(pages[place])
    return chosen


def one_of_each_route(pages: list[Snapshot]) -> list[Snapshot]:
    """The pages that show every part; of the other routes one page, and one refusal."""
    chosen = that_show_every_part(pages)
    met = {(page.endpoint, page.status == 200) for page in chosen}
    for page in pages:
        if (page.endpoint, page.status == 200) not in met:
            met.add((page.endpoint, page.status == 200))
            chosen.append(page)
    return chosen


def in_french(pages: list[Snapshot]) -> list[Snapshot]:
    return [page for page in pages if page.language == "fr"]


@pytest.fixture(scope="module")
def phone(chromium: Browser, gallery: LiveTown) -> Iterator[Screen]:
    with open_screen(chromium, gallery, PHONE) as screen:
        yield screen


@pytest.mark.parametrize("part", range(PARTS))
def test_a_page_of_each_route(part: int, pages: list[Snapshot], phone: Screen) -> None:
    """What is slow to look at: each route on a phone; each part with the keyboard, at night and on a desk as well."""
    findings = Findings()
    french = in_french(pages)
    show_all = {id(page) for page in that_show_every_part(french)}
    for page in one_of_each_route(french)[part::PARTS]:
        phone.resize(PHONE)
        phone.show(page)
        look_at_layout(phone, page, findings)
        findings.add("K01", shown.k01_axe_finds_nothing(phone.page), str(page))
        if id(page) in show_all:
            look_closely(phone, page, findings)
        findings.add("K14", shown.k14_no_complaints(phone), str(page))
    assert not findings.faults, f"\n{findings.report}"
    assert {"K01", "K05", "K08", "K09", "K10", "K14", "K17", "K18", "K19", "K24"} <= set(findings.cases)


def look_closely(screen: Screen, page: Snapshot, findings: Findings) -> None:
    """The way through the page with the keyboard; then what changes with the colours and the width of the window."""
    where = str(page)
    screen.page.emulate_media(color_scheme="dark")
    findings.add("K01", shown.k01_axe_finds_nothing(screen.page, only=("color-contrast",)), f"{where}, dark")
    for check, said in shown.keyboard(screen).items():
        findings.add(check, said, f"{where}, dark")
    screen.page.emulate_media(color_scheme="light")
    screen.resize(DESK)
    for check, said in shown.rings(screen).items():
        findings.add(check, said, f"{where}, wide")
    findings.add("K01", shown.k01_axe_finds_nothing(screen.page, only=shown.DEPEND_ON_SIZE), f"{where}, wide")
    screen.resize(WIDE_AND_LOW)
    findings.add("K08", shown.k08_nothing_sticks(screen), where)


def look_at_layout(screen: Screen, page: Snapshot, findings: Findings) -> None:
    where = str(page)
    findings.add("K31", shown.k31_the_summary_has_the_focus(screen), where)
    for check, said in shown.fit(screen, 44 if page.endpoint.startswith(LARGE_TARGETS) else 24).items():
        findings.add(check, said, where)


def that_stretch_a_part(pages: list[Snapshot], further_than: list[Snapshot]) -> list[Snapshot]:
    """The pages with a longer word in some part, or more parts within one, than any page before them."""
    widest: Counter[object] = Counter()
    for page in further_than:
        widest |= page.sizes
    chosen = []
    for page in sorted(pages, key=lambda page: -len(page.sizes - widest)):
        if page.sizes - widest:
            widest |= page.sizes
            chosen.append(page)
    return chosen


def test_the_longest_words_fit_a_phone(pages: list[Snapshot], phone: Screen) -> None:
    """Names and languages of any length: of the pages not looked at above, those that could break the layout."""
    looked_at = one_of_each_route(in_french(pages))
    known = {id(page) for page in looked_at}
    findings = Findings()
    for page in that_stretch_a_part([page for page in pages if id(page) not in known], looked_at):
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
        for page in one_of_each_route([p for p in in_french(pages) if p.visitor == "a passer-by" and p.is_plain]):
            screen.page.goto(f"{gallery.url}{page.path}")
            findings.add("K64", shown.k64_nothing_is_kept_in_the_browser(screen), str(page))
    assert not findings.faults, f"\n{findings.report}"
    assert findings.cases["K64"] > 10
