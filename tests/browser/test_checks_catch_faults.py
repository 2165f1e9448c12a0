"""A check that catches nothing is worth nothing: every seeded fault is caught by the check that is there for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser

from tests.browser.checks import Findings, Said, shown
from tests.browser.crawl import Snapshot
from tests.browser.live import LiveTown
from tests.browser.mutants import AMONG_PAGES, COOKIES, IN_HTML, ON_SCREEN, STYLE, Mutant
from tests.browser.screen import PHONE, Screen, open_screen
from tests.browser.test_pages import PAGE_CHECKS, SITE_CHECKS
from tests.browser.test_screens import WIDE_AND_LOW


def named(pages: list[Snapshot], label: str) -> Snapshot:
    return next(page for page in pages if page.label == label and page.language == "fr")


def faults(page: Snapshot, check: str) -> list[str]:
    findings = Findings()
    for function in PAGE_CHECKS:
        if function.__name__.startswith(f"{check.lower()}_"):
            findings.add(check, function(page))  # type: ignore[arg-type]  # each check says: Said
    assert findings.cases[check] > 0, f"{check} looked at nothing"
    return list(findings.faults)


@pytest.mark.parametrize("mutant", IN_HTML, ids=lambda mutant: f"{mutant.check} {mutant.fault}")
def test_a_fault_in_the_html_is_caught(mutant: Mutant, pages: list[Snapshot]) -> None:
    page = named(pages, mutant.page)
    assert faults(page, mutant.check) == []
    assert faults(page.changed(mutant.change(page.html)), mutant.check) != []


@pytest.fixture(scope="module")
def screen(chromium: Browser, gallery: LiveTown) -> Iterator[Screen]:
    with open_screen(chromium, gallery, PHONE) as opened:
        yield opened


def said_of(screen: Screen, page: Snapshot, check: str) -> Said:
    screen.resize(PHONE)
    screen.show(page)
    shown.add_style(screen, STYLE)
    if check == "K01":
        yield from shown.k01_axe_finds_nothing(screen.page, only=("color-contrast", "button-name"))
    elif check in ("K08", "K09", "K10", "K24"):
        yield from shown.fit(screen, 44)[check]
    elif check == "K08 low":
        screen.resize(WIDE_AND_LOW)
        yield from shown.k08_nothing_sticks(screen)
    elif check == "K14":
        screen.page.wait_for_timeout(100)  # the browser tells of a refusal a moment later
        yield from shown.k14_no_complaints(screen)
    elif check == "K31":
        yield from shown.k31_the_summary_has_the_focus(screen)
    else:
        yield from shown.keyboard(screen)[check]


@pytest.mark.browser
@pytest.mark.parametrize("mutant", ON_SCREEN, ids=lambda mutant: f"{mutant.check} {mutant.fault}")
def test_a_fault_on_the_screen_is_caught(mutant: Mutant, pages: list[Snapshot], screen: Screen) -> None:
    page = named(pages, mutant.page)
    assert [one for one in said_of(screen, page, mutant.check) if one] == []
    changed = page.changed(mutant.change(page.html))
    assert [one for one in said_of(screen, changed, mutant.check) if one] != []


@pytest.mark.parametrize("mutant", AMONG_PAGES, ids=lambda mutant: f"{mutant.check} {mutant.fault}")
def test_a_fault_among_the_pages_is_caught(mutant: Mutant, pages: list[Snapshot]) -> None:
    check = next(check for check in SITE_CHECKS if check.__name__ == mutant.check)
    page = named(pages, mutant.page)
    changed = page.changed(mutant.change(page.html))
    before = {one for one in check(pages) if one}  # type: ignore[attr-defined]  # each check says: Said
    after = {one for one in check([changed if one is page else one for one in pages]) if one}  # type: ignore[attr-defined]  # as above
    assert after - before != set()


@pytest.mark.parametrize("cookie", COOKIES)
def test_a_cookie_that_is_not_ours_or_not_shut_in_is_caught(cookie: str, pages: list[Snapshot]) -> None:
    """K64, on the page of somebody who has a basket and may have a cookie."""
    page = named(pages, "basket of one")
    assert faults(page, "K64") == []
    assert faults(replace(page, headers=(*page.headers, ("Set-Cookie", cookie))), "K64") != []


def test_a_cookie_for_who_only_reads_is_caught(pages: list[Snapshot]) -> None:
    page = named(pages, "home")
    ours = ("Set-Cookie", "session=1; HttpOnly; Path=/; SameSite=Lax")
    assert faults(page, "K64") == []
    assert faults(replace(page, headers=(*page.headers, ours)), "K64") != []


def test_every_check_has_a_fault_to_catch() -> None:
    checks = {function.__name__.split("_", 1)[0].upper() for function in PAGE_CHECKS}
    tried = {mutant.check for mutant in IN_HTML}
    assert checks - tried == {"K64"}  # cookies stand in no HTML, see above
    assert {check.__name__ for check in SITE_CHECKS} == {mutant.check for mutant in AMONG_PAGES}
