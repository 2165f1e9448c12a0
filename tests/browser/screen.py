"""One window of a Chromium that shows kept pages, and what its pages complained about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from tests.browser.crawl import Snapshot
from tests.browser.live import LiveTown

PHONE = {"width": 320, "height": 640}
DESK = {"width": 1280, "height": 800}


class Screen:
    """A page of the browser; `troubles` is what went wrong since the last `show`.

    Nothing is asked of another host than the town's; where a walk goes to pay, `hosts` names the payment page's too.
    """

    def __init__(self, town: LiveTown, context: BrowserContext, *, hosts: tuple[str, ...] = ()) -> None:
        self.town = town
        self.hosts = tuple(f"{host}/" for host in (town.url, *hosts))
        self.context = context
        self.page: Page = context.new_page()
        self.troubles: list[str] = []
        self.requests_qty = 0
        self._documents: set[str] = set()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._response)
        self.page.on("request", self._request)

    def show(self, snapshot: Snapshot) -> Page:
        """The page as it was answered, loaded whole."""
        number = self.town.gallery.keep(snapshot.status, list(snapshot.headers), snapshot.html.encode())
        self.troubles.clear()
        self.requests_qty = 0
        self.page.set_extra_http_headers({"X-Kept-Page": number})
        self.page.goto(f"{self.town.url}{snapshot.path}", wait_until="load")
        return self.page

    def resize(self, size: dict[str, int]) -> None:
        if self.page.viewport_size != size:
            self.page.set_viewport_size({"width": size["width"], "height": size["height"]})

    def _console(self, message: ConsoleMessage) -> None:
        # A page's own status is no trouble: refusals are meant to be 422.
        is_own_status = message.location.get("url") in self._documents and "status of" in message.text
        if message.type in ("error", "warning") and not is_own_status:
            self.troubles.append(f"console: {message.text[:200]}")

    def _failed(self, request: Request) -> None:
        # Aborted: the next page was opened before this one's last picture had come.
        if request.failure != "net::ERR_ABORTED":
            self.troubles.append(f"failed: {_path(request.url)}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.troubles.append(f"{response.status}: {_path(response.url)}")

    def _request(self, request: Request) -> None:
        self.requests_qty += 1
        if request.is_navigation_request():
            self._documents.add(request.url)
        if not request.url.startswith((*self.hosts, "data:")):
            self.troubles.append(f"asks another host: {request.url[:100]}")


@contextmanager
def open_screen(
    browser: Browser, town: LiveTown, size: dict[str, int], *, script: bool = True, hosts: tuple[str, ...] = ()
) -> Iterator[Screen]:
    context = browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        locale="fr-FR",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    context.set_default_timeout(15_000)
    try:
        yield Screen(town, context, hosts=hosts)
    finally:
        context.close()


def script(name: str) -> str:
    """One of the readings that are made in the page."""
    return (Path(__file__).parent / "checks" / "in_page" / f"{name}.js").read_text()


def _path(url: str) -> str:
    return urlsplit(url).path
