"""The treasurer's own page: does it explain every cent, with nothing else at hand than what stands on it?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser

from demo.month.house import House
from marketplace.accounts.people import grant_role, open_account
from marketplace.money import ZERO, Money

EMAIL, PASSWORD = "month@example.org", "treasurer-of-a-simulated-month"  # noqa: S105  # of a town that is thrown away

#: What the page calls its tables.
HOLDING, OWN, BOOKS, MERCHANTS = (
    "Chez le prestataire de paiement",
    "À l’association",
    "Les deux livres",
    "Ce qui n’est pas encore chez lui",
)
#: What it says when something is not as it should be.
ALARMS = ("Sans explication", "Différence", "écart attend", "écarts attendent")

_SUM = re.compile(r"(-?)([\d\u202f]+),(\d\d)\u00a0€")
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')

#: A row of a table: what it is called, and its sums from left to right.
Row = tuple[str, list[Money]]


class Page(HTMLParser):
    """The rows of a page's tables, by the tables' captions; and all its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[Row]] = {}
        self.words = ""
        self._said = ""
        self._rows: list[Row] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in ("caption", "th", "td", "strong"):
            self._said = ""

    def handle_data(self, data: str) -> None:
        self.words += data
        self._said += data

    def handle_endtag(self, tag: str) -> None:
        said = self._said.strip()
        if tag == "caption":
            self._rows = self.tables.setdefault(said, [])
        elif tag == "th":
            self._rows.append((said, []))
        elif tag in ("td", "strong") and (found := _SUM.fullmatch(said)):
            self._rows[-1][1].append(_money(*found.groups()))
            self._said = ""


def _money(sign: str, euros: str, cents: str) -> Money:
    return Money(int(f"{sign}{euros.replace(chr(0x202F), '')}{cents}"))


class Treasurer:
    """Somebody of the association, with the role."""

    def __init__(self, house: House) -> None:
        self._house = house
        with house.hall.database.transaction() as session:
            person = open_account(session, email=EMAIL, name="Trésor", password=PASSWORD, now=house.now)
            grant_role(session, user_id=person.id, role="treasurer", actor="month", now=house.now)

    def page(self) -> str:
        """As it shows to whoever signs in now."""
        client = self._house.app.test_client()
        token = _TOKEN.search(client.get("/connexion").text)
        assert token is not None, "every form of the house carries its token"
        words = {"email": EMAIL, "password": PASSWORD, "csrf_token": token.group(1)}
        assert client.post("/connexion", data=words).status_code == 303
        answer = client.get("/tresorerie")
        assert answer.status_code == 200, answer.text
        return answer.text


def faults_on(html: str, *, provider_holds: Money) -> Iterator[str]:
    """What does not add up on the page, and what it cries itself; nothing when it explains every cent.

    `provider_holds` is what the provider's own book says.
    """
    page = Page(html)
    yield from (f"the treasurer's page says {alarm!r}" for alarm in ALARMS if alarm in page.words)
    for caption in (HOLDING, OWN, BOOKS):
        rows = page.tables.get(caption, [])
        if not rows or any(len(sums) != 1 for _, sums in rows):
            yield f"the treasurer's page does not show {caption!r}"
            return
    for caption in (HOLDING, OWN):
        *parts, total = page.tables[caption]
        yield from _if_not(f"{caption!r} of the treasurer's page", _sum(parts), _sum([total]))
    *ours, subtotal, theirs = page.tables[BOOKS]
    yield from _if_not("our book on the treasurer's page", _sum(ours), _sum([subtotal]))
    yield from _if_not("the provider's book on the treasurer's page", _sum([subtotal]), _sum([theirs]))
    yield from _if_not("the provider's book itself", provider_holds, _sum([theirs]))
    yield from _if_not("what the page says that we hold", _sum(page.tables[HOLDING][-1:]), _sum(ours[:1]))
    yield from _if_not("the association's own", _sum(page.tables[HOLDING][-2:-1]), _sum(page.tables[OWN][-1:]))
    owed = ZERO
    for name, sums in page.tables.get(MERCHANTS, []):
        if sums:  # the head of the table has none
            yield from _if_not(f"what {name} is owed", Money.total(sums[:-1]), sums[-1])
            owed += sums[-1]
    yield from _if_not("what merchants are owed", owed, _sum(page.tables[HOLDING][:1]))


def _sum(rows: Sequence[Row]) -> Money:
    return Money.total([amount for _, sums in rows for amount in sums])


def _if_not(what: str, first: Money, second: Money) -> Iterator[str]:
    if first != second:
        yield f"{what}: {first.cents} cents by its parts, {second.cents} in the sum"
