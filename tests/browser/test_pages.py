"""What can be seen in the HTML of every page that a crawl of the demo town meets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.browser.checks import Findings, documents, forms, things
from tests.browser.checks.reading import attribute, fields
from tests.browser.crawl import Snapshot
from tests.browser.scenes import HOSTILE

#: The crawl brings these about; any other page that breaks is a fault.
MEANT_TO_FAIL = {"error 500", "error 503"}


def checks_of(*modules: ModuleType) -> list[Callable[..., object]]:
    return [check for module in modules for name, check in vars(module).items() if re.match(r"k\d\d_", name)]


PAGE_CHECKS = [check for check in checks_of(documents, forms, things) if "page" in check.__annotations__]
SITE_CHECKS = [check for check in checks_of(documents, forms, things) if "pages" in check.__annotations__]


def test_the_crawl_meets_every_page(crawled: tuple[list[Snapshot], list[str], set[str]]) -> None:
    _pages, dead_links, never_met = crawled
    assert never_met == set()
    assert dead_links == []


def test_no_page_breaks(pages: list[Snapshot]) -> None:
    broken = [str(page) for page in pages if page.status >= 500 and page.label not in MEANT_TO_FAIL]
    assert broken == []
    assert len(pages) > 200


def test_every_form_is_sent_empty_hostile_and_too_long(pages: list[Snapshot]) -> None:
    """K31 looks at what was refused; this sees to it that each form was."""
    asked: dict[str, set[str]] = defaultdict(set)
    typed: set[str] = set()
    for page in pages:
        for form in page.tree.css("form[method=post]"):
            for field in fields(page, form):
                action = _kind_of(attribute(form, "action") or page.path)
                asked[action].add(attribute(field, "name"))
                if attribute(field, "type") not in ("radio", "checkbox"):
                    typed.add(action)
    refused: set[tuple[str, str]] = set()
    for page in pages:
        if page.method == "POST" and page.status == 422:
            action = _kind_of(page.path)
            sent = [value for name, value in page.form if name in asked[action]]
            is_hostile = any(value == HOSTILE for _name, value in page.form)
            refused.add((action, "hostile" if is_hostile else "" if any(sent) else "empty"))
            if any(len(value) >= 200 for value in sent):
                refused.add((action, "too long"))
    wanted = {(action, kind) for action in asked for kind in ("empty", "hostile")}
    wanted |= {(action, "too long") for action in typed}
    assert sorted(wanted - refused) == []
    assert len(asked) > 12


def _kind_of(path: str) -> str:
    """The address without the numbers and keys that tell one thing from another."""
    return re.sub(r"\d+|[\w-]{20,}", "*", path.partition("?")[0])


@pytest.mark.parametrize("check", PAGE_CHECKS, ids=lambda check: check.__name__)
def test_each_page(check: Callable[[Snapshot], object], pages: list[Snapshot]) -> None:
    findings = Findings()
    for page in pages:
        findings.add(check.__name__, check(page), str(page))  # type: ignore[arg-type]  # each check says: Said
    assert findings.cases[check.__name__] > 0, "it never had anything to look at"
    assert not findings.faults, f"\n{findings.report}"


@pytest.mark.parametrize("check", SITE_CHECKS, ids=lambda check: check.__name__)
def test_all_pages_together(check: Callable[[list[Snapshot]], object], pages: list[Snapshot]) -> None:
    findings = Findings()
    findings.add(check.__name__, check(pages))  # type: ignore[arg-type]  # as above
    assert findings.cases[check.__name__] > 0, "it never had anything to look at"
    assert not findings.faults, f"\n{findings.report}"
