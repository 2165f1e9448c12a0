"""A check that catches nothing is worth nothing: every seeded fault is caught by the check that is there for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.checks import Findings, Said, documents, forms, shown, things
from tests.browser.crawl import Snapshot
from tests.browser.live import LiveTown
from tests.browser.mutants import IN_HTML, ON_SCREEN, STYLE, Mutant
from tests.browser.screen import PHONE, Screen, open_screen
from tests.browser.test_pages import PAGE_CHECKS
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
        yield from shown.k01_axe_finds_nothing(screen, only=("color-contrast", "button-name"))
    elif check == "K08":
        yield from shown.k08_fits_a_phone(screen)
    elif check == "K08 low":
        screen.resize(WIDE_AND_LOW)
        yield from shown.k08_nothing_sticks(screen)
    elif check in ("K09", "K10"):
        with shown.style(screen, (shown.SPACING if check == "K09" else shown.DOUBLE) + STYLE):
            yield from shown.k08_fits_a_phone(screen)
    elif check == "K14":
        screen.page.wait_for_timeout(100)  # the browser tells of a refusal a moment later
        yield from shown.k14_no_complaints(screen)
    elif check == "K24":
        yield from shown.k24_targets_are_large(screen, 44)
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


def test_every_check_of_one_page_has_a_fault_to_catch() -> None:
    checks = {function.__name__.split("_", 1)[0].upper() for function in PAGE_CHECKS}
    tried = {mutant.check for mutant in IN_HTML}
    assert checks - tried == {"K64"}  # cookies stand in no HTML: tests of the walk put them there
    assert documents and forms and things
