"""The house's plain pages, and the choice of language."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser

from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.hall import Hall
from tests.factories import quiet_hall

PAGES = {
    "/aide": "Comment ça marche",
    "/ordre-des-produits": "Dans quel ordre nous montrons les produits",
    "/mentions-legales": "Mentions légales",
    "/vos-donnees": "Vos données",
    "/accessibilite": "Accessibilité : partiellement conforme",
    "/conditions-de-vente": "Conditions de vente",
    "/renvoyer-un-achat": "Renvoyer un achat",
}


@pytest.fixture
def hall(empty_database: Database, clock: FixedClock, tmp_path: Path) -> Hall:
    return quiet_hall(empty_database, clock, tmp_path)


def page_of(client: FlaskClient, address: str) -> LexborHTMLParser:
    answer = client.get(address)
    assert answer.status_code == 200
    return LexborHTMLParser(answer.text)


@pytest.mark.parametrize(("address", "title"), PAGES.items())
def test_each_page_is_headed_by_its_subject_and_sets_no_cookie(client: FlaskClient, address: str, title: str) -> None:
    answer = client.get(address)
    headings = [" ".join(h1.text().split()) for h1 in LexborHTMLParser(answer.text).css("h1")]
    assert headings == [title]
    assert "Set-Cookie" not in answer.headers


def test_every_page_leads_to_every_other_in_one_step(client: FlaskClient) -> None:
    for address in PAGES:
        links = {link.attributes.get("href") for link in page_of(client, address).css("footer a")}
        assert links >= {*PAGES, "/vendeurs"}


def test_the_days_to_change_ones_mind_come_from_the_law_table(client: FlaskClient) -> None:
    assert "Vous avez 14 jours pour changer d’avis" in page_of(client, "/renvoyer-un-achat").text()


def _choose(client: FlaskClient, language: str, way_back: str) -> tuple[int, str]:
    token = page_of(client, "/aide").css_first("footer input[name=csrf_token]").attributes["value"]
    answer = client.post("/langue", data={"csrf_token": token, "language": language, "next": way_back})
    return answer.status_code, answer.headers.get("Location", "")


def test_a_visitor_reads_on_in_the_language_they_chose(client: FlaskClient) -> None:
    assert _choose(client, "en", "/boutiques?x=1") == (303, "/boutiques?x=1")
    assert page_of(client, "/aide").css_first("html").attributes["lang"] == "en"
    assert _choose(client, "fr", "/aide") == (303, "/aide")
    assert page_of(client, "/aide").css_first("html").attributes["lang"] == "fr"


def test_an_unknown_language_changes_nothing(client: FlaskClient) -> None:
    assert _choose(client, "tlh", "/aide") == (303, "/aide")
    assert page_of(client, "/aide").css_first("html").attributes["lang"] == "fr"


@pytest.mark.parametrize(
    "elsewhere", ["https://example.org/", "//example.org", "javascript:alert(1)", "\\\\example.org"]
)
def test_choosing_a_language_leads_nowhere_else(client: FlaskClient, elsewhere: str) -> None:
    assert _choose(client, "en", elsewhere) == (303, "/")


def test_another_site_cannot_choose_the_language(client: FlaskClient) -> None:
    assert client.post("/langue", data={"language": "en"}).status_code == 400
