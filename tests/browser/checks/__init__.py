"""The machine-checkable list: one function per promise, each named by its number (K01, K02, …).

A check looks at one page, or at all of them, and yields one item for each thing that it looked at: None when that
thing is right, a sentence when it is not. So a check that never had anything to look at is seen as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tests.browser.crawl import Snapshot

Said = Iterator[str | None]
PageCheck = Callable[[Snapshot], Said]
SiteCheck = Callable[[list[Snapshot]], Said]


@dataclass
class Findings:
    """What the checks said: `cases` counts what was looked at, `faults` maps a sentence to the pages it was said of."""

    cases: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)

    def add(self, check: str, said: Iterable[str | None], where: str = "") -> None:
        for one in said:
            self.cases[check] += 1
            if one is not None:
                self.faults.setdefault(f"{check}: {one}", []).append(where)

    @property
    def report(self) -> str:
        """Each fault once, with the first page that has it and how many others have."""
        lines = [
            f"{said}\n      {pages[0]}" + (f" and {len(pages) - 1} more" if len(pages) > 1 else "")
            for said, pages in sorted(self.faults.items())
        ]
        return "\n".join(lines)


def name_of(check: Callable[..., object]) -> str:
    """K27 of `k27_fields_have_labels`."""
    return check.__name__.split("_", 1)[0].upper()
