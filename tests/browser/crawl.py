"""Every page that the demo town can show: followed from link to link, and brought about where no link leads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from urllib.parse import urljoin, urlsplit

from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser, LexborNode
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect
from werkzeug.test import TestResponse

from basket.models import Basket, Line, Order, Reservation
from marketplace.accounts.models import SignIn
from marketplace.delivery.models import Booking
from marketplace.payments.models import Payment
from tests.browser.live import LiveTown

#: How many pages of one route a visitor opens by following links; those that matter are brought about by name.
PER_ROUTE_QTY = 3


@dataclass(frozen=True)
class Snapshot:
    """One answer of the site, and how it came about. `form` is what was sent, for an answer to a POST."""

    label: str
    visitor: str
    language: str
    endpoint: str
    method: str
    path: str
    status: int
    headers: tuple[tuple[str, str], ...]
    html: str
    form: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.label} ({self.visitor}, {self.language}, {self.method} {self.path} {self.status})"

    @cached_property
    def tree(self) -> LexborHTMLParser:
        return LexborHTMLParser(self.html)

    @cached_property
    def parts(self) -> frozenset[tuple[str, str]]:
        """What the page is made of, each part with the one around it; pages of the same parts differ in words only."""
        body = self.tree.body
        assert body is not None
        return frozenset((_kind(node.parent), _kind(node)) for node in body.css("*") if node.parent is not None)

    @cached_property
    def sizes(self) -> Counter[object]:
        """How long the longest word of each part is, and how much stands within each kind of it."""
        sizes: Counter[object] = Counter()
        body = self.tree.body
        assert body is not None
        for node in body.css("*"):
            words = re.split(r"[ \t\n-]+", node.text(deep=False))
            within, kind = (node.parent and _kind(node.parent), _kind(node)), _kind(node)
            sizes[within] = max(sizes[within], *map(len, words))
            sizes[kind] = max(sizes[kind], sum(1 for _ in node.iter()))
        return sizes

    def __getstate__(self) -> dict[str, object]:
        """Parsed pages cannot be written down; they are parsed again where they are read."""
        return {name: value for name, value in self.__dict__.items() if name not in ("tree", "parts", "sizes")}

    @property
    def is_plain(self) -> bool:
        """An ordinary page, reached by its address alone."""
        return self.method == "GET" and self.status == 200

    def changed(self, html: str) -> Snapshot:
        return replace(self, html=html)


def _kind(node: LexborNode) -> str:
    # Whose awning it is (awning-17) makes no other part.
    return re.sub(r"\d+", "", f"{node.tag}.{node.attributes.get('class')}.{node.attributes.get('type')}")


class Visitor:
    """A browser without a window: keeps its cookie, sends our token with each form."""

    def __init__(self, town: LiveTown, name: str, number: int) -> None:
        self.name = name
        self.language = "fr"
        self.town = town
        self.client: FlaskClient = town.app.test_client()
        self._tokens: dict[tuple[str, date], str] = {}
        # A place of one's own on the net: nobody waits because another visitor was quick.
        self.where = {"REMOTE_ADDR": f"10.0.{number // 250}.{number % 250 + 1}"}

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, base_url=self.town.url, environ_overrides=self.where)

    def post(self, path: str, form: Mapping[str, str | list[str]]) -> TestResponse:
        return self.client.post(
            path, data={**form, "csrf_token": self.token()}, base_url=self.town.url, environ_overrides=self.where
        )

    def token(self) -> str:
        """What the forms of a page have that was opened since this visitor came in, and today."""
        with self.client.session_transaction(base_url=self.town.url) as cookie:
            since = cookie.get("_user_id", ""), self.town.clock.now().date()
        if since not in self._tokens:
            field = LexborHTMLParser(self.get("/aide").text).css_first("[name=csrf_token]")
            assert field is not None, "every page has the language's form"
            self._tokens[since] = field.attributes["value"] or ""
        return self._tokens[since]

    def speak(self, language: str) -> None:
        assert self.post("/langue", {"language": language}).status_code == 303
        self.language = language


class Crawl:
    """The pages kept so far, and ways to come by more."""

    def __init__(self, town: LiveTown) -> None:
        self.town = town
        self.snapshots: list[Snapshot] = []
        self.visitors: list[Visitor] = []

    def visitor(self, name: str) -> Visitor:
        self.visitors.append(Visitor(self.town, name, len(self.visitors)))
        return self.visitors[-1]

    def visit(self, who: Visitor, path: str, label: str = "") -> Snapshot:
        """Open an address, follow where it leads, keep the page."""
        answer = who.get(path)
        for _ in range(4):
            if not 300 <= answer.status_code < 400:
                break
            path = _local(answer.location)
            answer = who.get(path)
        return self._keep(who, answer, "GET", path, label)

    def send(self, who: Visitor, path: str, form: Mapping[str, str | list[str]], label: str = "") -> Snapshot:
        """Send a form; keep the answer, or the page that it leads to."""
        answer = who.post(path, form)
        if 300 <= answer.status_code < 400:
            return self.visit(who, _local(answer.location), label)
        return self._keep(who, answer, "POST", path, label, form)

    def refused(self, who: Visitor, path: str, form: Mapping[str, str | list[str]], label: str) -> Snapshot:
        """Send a form that must be refused with a page, and leave nothing behind."""
        with self.nothing_stored(label):
            page = self.send(who, path, form, label)
        assert page.method == "POST", f"{label}: was not refused"
        return page

    @contextmanager
    def nothing_stored(self, label: str) -> Iterator[None]:
        with self.town.hall.database.reading() as session:
            before = _row_counts(session)
        yield
        with self.town.hall.database.reading() as session:
            assert _row_counts(session) == before, f"{label}: something was stored"

    def wander(self, who: Visitor, start: str, *, within: tuple[str, ...] = ("",)) -> None:
        """Follow every link from `start` on, at most PER_ROUTE_QTY pages of one route, to endpoints that begin so."""
        met = {page.path for page in self.snapshots if page.visitor == who.name} - {start}
        opened: Counter[str] = Counter()
        waiting = [start]
        while waiting:
            path = waiting.pop(0)
            endpoint = self.endpoint_of(path)
            if path in met or endpoint is None or endpoint in NO_PAGES or not endpoint.startswith(within):
                continue
            if opened[endpoint] >= PER_ROUTE_QTY:
                continue
            met.add(path)
            opened[endpoint] += 1
            page = self.visit(who, path)
            met.add(page.path)
            waiting += links_of(page)

    def endpoint_of(self, path: str, method: str = "GET") -> str | None:
        """The view that answers an address; None for an address that we do not have."""
        try:
            endpoint, _arguments = self.town.app.url_map.bind("").match(urlsplit(path).path, method=method)
        except RequestRedirect:
            return None
        except (HTTPException, MethodNotAllowed):
            return None
        return str(endpoint)

    def once_more_in(self, language: str) -> list[Snapshot]:
        """Every page again in another language; a page that has been used up since is left out."""
        earlier = list(self.snapshots)
        for who in self.visitors:
            who.speak(language)
        known = {who.name: who for who in self.visitors}
        for page in earlier:
            who = known.get(page.visitor)
            is_used_up = page.method == "POST" and page.endpoint.startswith(("merchant.", "coordinator.", "courier."))
            if who is None or page.status not in (200, 404, 422) or is_used_up:
                continue
            if page.method == "GET":
                again = who.get(page.path)
            else:
                again = who.post(page.path, {name: _values(page.form, name) for name, _ in page.form})
            if again.status_code == page.status:
                self._keep(who, again, page.method, page.path, page.label, page.form)
        return self.snapshots[len(earlier) :]

    def dead_links(self) -> list[str]:
        """The links that lead to no page of ours, each with a page that has it."""
        dead = {}
        for page in self.snapshots:
            for path in links_of(page):
                if path not in dead and self.endpoint_of(path) is None:
                    dead[path] = page.label
        return [f"{path} on {label}" for path, label in sorted(dead.items())]

    def missing_parts(self) -> list[str]:
        """The pictures, sheets and scripts that pages ask for in vain; a browser would not ask for those far below."""
        parts: dict[str, str] = {}
        for page in self.snapshots:
            for node in page.tree.css("img[src], script[src], link[href], use[href], source[srcset]"):
                source = (
                    node.attributes.get("src") or node.attributes.get("href") or node.attributes.get("srcset") or ""
                )
                parts.setdefault(source.partition("#")[0], page.label)
        client = self.town.app.test_client()
        statuses = {path: client.get(path, base_url=self.town.url).status_code for path in parts if path}
        return [f"{path} on {parts[path]}" for path, status in sorted(statuses.items()) if status != 200]

    def keep_answer(self, who: Visitor, answer: TestResponse, path: str, label: str) -> Snapshot:
        return self._keep(who, answer, "GET", path, label)

    def _keep(
        self,
        who: Visitor,
        answer: TestResponse,
        method: str,
        path: str,
        label: str,
        form: Mapping[str, str | list[str]] | tuple[tuple[str, str], ...] = (),
    ) -> Snapshot:
        sent = form if isinstance(form, tuple) else _pairs(form)
        endpoint = self.endpoint_of(path, method) or ""
        page = Snapshot(
            label=label or endpoint or path,
            visitor=who.name,
            language=who.language,
            endpoint=endpoint,
            method=method,
            path=path,
            status=answer.status_code,
            headers=tuple((name, value) for name, value in answer.headers if name != "Content-Length"),
            html=answer.text,
            form=sent,
        )
        self.snapshots.append(page)
        return page


#: Endpoints that answer something else than a page; each with the reason why no visitor looks at it.
NO_PAGES = {
    "static": "files",
    "catalogue.picture": "drawings",
    "catalogue.product_by_number": "leads to the product's page",
    "documents.pdf": "papers to keep",
    "accounting.fec": "files for programs",
    "accounting.journal": "tables to keep",
    "dac7.table": "tables to keep",
    "to_write.table": "tables to keep",
    "merchant.to_write_csv": "tables to keep",
    "merchant.statement_csv": "tables to keep",
    "merchant.statement_pdf": "papers to keep",
}


def pages_without_visit(town: LiveTown, snapshots: list[Snapshot]) -> set[str]:
    """Endpoints that answer GET with a page and that no snapshot shows."""
    rules = town.app.url_map.iter_rules()
    pages = {rule.endpoint for rule in rules if "GET" in (rule.methods or ()) and not rule.rule.startswith("/api/")}
    return pages - {page.endpoint for page in snapshots if page.method == "GET"} - set(NO_PAGES)


def links_of(page: Snapshot) -> list[str]:
    """The addresses on this site that a page leads to, without fragments."""
    found = []
    for link in page.tree.css("a[href]:not([href^='#'])"):
        url = urlsplit(urljoin(f"http://here{page.path}", link.attributes["href"] or ""))
        if url.netloc == "here" and url.scheme == "http":
            found.append(f"{url.path}?{url.query}" if url.query else url.path)
    return found


def _local(location: str) -> str:
    url = urlsplit(location)
    return f"{url.path}?{url.query}" if url.query else url.path


def _pairs(form: Mapping[str, str | list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((k, one) for k, v in form.items() for one in (v if isinstance(v, list) else [v]))


def _values(form: tuple[tuple[str, str], ...], name: str) -> str | list[str]:
    values = [value for key, value in form if key == name]
    return values[0] if len(values) == 1 else values


def _row_counts(session: Session) -> list[int]:
    tables = (Basket, Line, Order, Payment, Booking, Reservation, SignIn)
    return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def past_every_round() -> timedelta:
    """How long until every round that the demo has opened is over."""
    return timedelta(days=30)
