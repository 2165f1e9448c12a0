"""Three ways to use the site: with a mouse, with the keyboard alone, and without script."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.screen import script

#: No page of the walk has more controls before the one that is wanted.
MOST_TABS = 160


class Mouse:
    """Clicks and fills, as most do; also what somebody does whose browser runs no script."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        target.click()

    def choose(self, target: Locator) -> None:
        """A box or a radio button, by its label: the whole card is its target."""
        self.page.locator(f"label[for='{target.get_attribute('id')}']").click()
        expect(target).to_be_checked()

    def write(self, target: Locator, text: str) -> None:
        target.fill(text)

    def search(self, text: str) -> None:
        self.write(self.page.get_by_role("searchbox"), text)
        self.press(self.page.get_by_role("button", name="Chercher"))

    def button(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.locator("main").get_by_role("button", name=name)

    def link(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.locator("main").get_by_role("link", name=name)

    def field(self, label: str) -> Locator:
        return self.page.locator("main").get_by_label(label)

    def open(self, url: str) -> None:
        self.page.goto(url)

    def title_is(self, pattern: str) -> None:
        expect(self.page).to_have_title(re.compile(pattern))


class Keyboard(Mouse):
    """Tab, Enter, Space and letters; nothing else."""

    def press(self, target: Locator) -> None:
        self._reach(target)
        self.page.keyboard.press("Enter")

    def choose(self, target: Locator) -> None:
        """A box, or a radio button: Tab leads to the group, the arrows to the one that is wanted."""
        if target.get_attribute("type") == "radio":
            first = self.page.locator(f"input[type=radio][name='{target.get_attribute('name')}']").first
            self._reach(first)
            self.page.keyboard.press("Space")
            for _ in range(20):
                if target.is_checked():
                    return
                self.page.keyboard.press("ArrowDown")
        else:
            self._reach(target)
            self.page.keyboard.press("Space")
        expect(target).to_be_checked()

    def write(self, target: Locator, text: str) -> None:
        self._reach(target)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)

    def search(self, text: str) -> None:
        self.write(self.page.get_by_role("searchbox"), text)
        self.page.keyboard.press("Enter")

    def _reach(self, target: Locator) -> None:
        """Tab is held down over as many controls as lie between; then it is pressed until the target has the focus."""
        expect(target).to_be_visible()
        self.page.evaluate(script("tabbable"))
        for _ in range(target.evaluate(script("tabs_between"))):
            self.page.keyboard.down("Tab")
        self.page.keyboard.up("Tab")
        for _ in range(MOST_TABS):
            if target.evaluate("(el) => el === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {target}")
