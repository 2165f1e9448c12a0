"""Two languages, whole: every French sentence is plain and typeset, and has its English."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select
from werkzeug.test import TestResponse

from basket import checkout
from basket.models import Basket
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.hall import Hall
from marketplace.language import speaking
from marketplace.money import Money
from marketplace.web import filters
from marketplace.web.sentences import TEMPLATE, sentence
from merchants.models import Product
from merchants.search.index import index_products
from tests.factories import quiet_hall
from tests.walk import HOME, SHELF, SHOPS, Town, arrange_town

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = ROOT / "marketplace" / "translations" / "en" / "LC_MESSAGES" / "messages.po"

PLACEHOLDER = re.compile(r"%\((\w+)\)s")
#: What no French sentence says to the people of this town, and why (residents.md A6, B10, K59).
NOT_SAID = {
    "invalide": "blames; say what to write",
    "veuillez": "stiff; the imperative is polite enough",
    "désolé": "no use to anybody",
    "oups": "no use to anybody",
    "erreur est survenue": "says nothing",
    "cliquez": "says where the hand goes, not what happens; many tap or press",
    "champ requis": "say what to write",
    "e-mail": "courriel",
    "email": "courriel",
    "mail": "courriel",
    "shopping": "achats",
    "login": "connexion",
    "saisir": "écrire",
    "renseigner": "écrire",
    "effectuer": "faire",
    "afin de": "pour",
    "livraisons groupées": "livraison commune",
    "code de collecte": "code de retrait",
    "code de récupération": "code de retrait",
}
WORDS_PER_SENTENCE = 20
#: A French word of these in an English page is a sentence that nobody translated.
FRENCH = re.compile(
    r"\b(le|la|les|des|du|une|et|est|sont|vous|votre|vos|nous|notre|pour|dans|avec|tournée|retrait|acheter|choisissez"
    r"|étape|novembre|décembre|entre|(panier|commande|boutique|livraison|produit|obligatoire|facultatif|lundi|mardi"
    r"|mercredi|jeudi|vendredi|samedi|dimanche)s?)\b",
    re.IGNORECASE,
)
#: Names that stay French in English sentences, and those of the tests' town.
NAMES = (
    "place des Halles",
    "Défenseur des droits",
    "Libre réponse",
    "place de Fontenoy",
    "Les Halles d’Angoulême",
    *(name for _, name, _ in SHOPS),
    *(goods[1] for shelf in SHELF.values() for goods in shelf),
)


@cache
def said_now() -> dict[str, tuple[str, ...]]:
    """What the sources say today: the key, and all its forms."""
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = extract_from_dir(
        str(ROOT),
        methods,
        options,
        keywords={**DEFAULT_KEYWORDS, "lazy_gettext": None},
        directory_filter=lambda folder: not Path(folder).name.startswith("."),
    )
    forms = [message if isinstance(message, tuple) else (message,) for _, _, message, _, _ in found]
    return {said[0]: said for said in forms}


@cache
def catalogue() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en")


@cache
def messages() -> list[Message]:
    return [message for message in catalogue() if message.id]


def forms_of(text: object) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)  # type: ignore[arg-type]  # Babel: a str, or a tuple of them


def french() -> list[str]:
    return [form for said in said_now().values() for form in said]


def english() -> list[str]:
    return [form for message in messages() for form in forms_of(message.string)]


def test_every_sentence_of_the_house_is_in_the_catalogue() -> None:
    assert len(said_now()) > 900
    known = {forms_of(message.id) for message in messages()}
    assert [said for said in said_now().values() if said not in known] == [], "sh tools/sentences.sh, then translate"


def test_the_catalogue_keeps_nothing_that_nobody_says() -> None:
    assert [message.id for message in messages() if forms_of(message.id)[0] not in said_now()] == []
    assert dict(catalogue().obsolete) == {}


def test_every_sentence_has_its_english_and_none_is_a_guess() -> None:
    empty = [message.id for message in messages() if not all(forms_of(message.string))]
    fuzzy = [message.id for message in messages() if message.fuzzy]
    assert (empty, fuzzy) == ([], [])


def test_a_quantity_has_one_and_many_in_both_languages() -> None:
    counted = [message for message in messages() if message.pluralizable]
    assert len(counted) > 20
    assert [message.id for message in counted if (len(message.id), len(forms_of(message.string))) != (2, 2)] == []


def test_both_languages_fill_in_the_same_blanks() -> None:
    differing = []
    for message in messages():
        one, *many = forms_of(message.id)
        for form in forms_of(message.string):
            # "Choose from the shop" names no number where the others do.
            if set(PLACEHOLDER.findall(form)) not in [set(PLACEHOLDER.findall(said)) for said in (one, *many)]:
                differing.append(message.id)
    assert differing == []
    half_blanks = [form for form in french() + english() if PLACEHOLDER.sub("", form).count("%")]
    assert half_blanks == []


def test_no_french_is_left_in_the_english() -> None:
    assert [form for form in english() if FRENCH.search(_without_names(form))] == []


def test_english_is_typeset_as_english() -> None:
    assert [form for form in english() if re.search(r"[\u00a0\u202f«»]|\w [;?!]|['\"]", form)] == []


def test_french_is_typeset_as_french() -> None:
    """No-break spaces, so that no line begins with a question mark; curly apostrophes."""
    broken = [form for form in french() if re.search(r" [:;?!»]|« |\w[;?!»]|«\w|\w'\w", form)]
    assert broken == []
    assert [form for form in french() if re.search(r"\w:(?!//)", form)] == [
        "Envoyez du JSON (Content-Type: application/json)."
    ], "only the header's name is written as programs write it"


def test_french_is_plain() -> None:
    """At most twenty words to a sentence; no word that blames, stiffens or comes from offices and abroad."""
    long = [
        part
        for form in french()
        for part in re.split(r"(?<=[.!?])\s+", form)
        if len(re.findall(r"\S*\w\S*", part)) > WORDS_PER_SENTENCE
    ]
    assert long == []
    banned = re.compile(rf"\b({'|'.join(map(re.escape, NOT_SAID))})\w{{0,2}}\b", re.IGNORECASE)
    assert [form for form in french() if banned.search(PLACEHOLDER.sub("", form))] == []


def test_one_thing_has_one_name_in_english() -> None:
    other_names = re.compile(
        r"\b(cart|store|stores|pick-up point|click and collect|shipping|e-mail|postal code|zip)\b", re.I
    )
    assert [form for form in english() if other_names.search(form)] == []


@pytest.fixture
def hall(empty_database: Database, clock: FixedClock, tmp_path: Path) -> Hall:
    return quiet_hall(empty_database, clock, tmp_path)


@pytest.fixture
def town(hall: Hall) -> Town:
    with hall.database.transaction() as session:
        return arrange_town(session)


class Guest:
    """A visitor who reads English, in a browser without a window."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        answer = self.post("/langue", {"language": "en", "next": "/"})
        assert answer.status_code == 303

    def post(self, address: str, form: dict[str, str]) -> TestResponse:
        field = LexborHTMLParser(self.client.get("/aide").text).css_first("[name=csrf_token]")
        assert field is not None
        return self.client.post(address, data={**form, "csrf_token": field.attributes["value"] or ""})

    def refused(self, address: str, form: dict[str, str]) -> str:
        answer = self.post(address, form)
        assert answer.status_code == 422, f"{address}: {answer.status_code}"
        return answer.text

    def read(self, address: str, status: int = 200) -> str:
        answer = self.client.get(address)
        assert answer.status_code == status, f"{address}: {answer.status_code} {answer.headers.get('Location')}"
        return answer.text


def words_for_the_reader(html: str) -> str:
    """The page's words, labels and titles, without what is marked as French and without names."""
    tree = LexborHTMLParser(html)
    root = tree.css_first("html")
    assert root is not None
    assert root.attributes["lang"] == "en"
    for node in tree.css("[lang=fr], script, style"):
        node.decompose()
    labels = [
        node.attributes.get(name) or "" for name in ("aria-label", "title", "alt") for node in tree.css(f"[{name}]")
    ]
    return _without_names(" ".join([root.text(separator=" "), *labels]))


def _without_names(text: str) -> str:
    for name in NAMES:
        text = text.replace(name, "")
    return text


def french_left_on(html: str) -> list[str]:
    return [found.group(0) for found in FRENCH.finditer(words_for_the_reader(html))]


PAGES = [
    "/",
    "/produits",
    "/produits?q=tomme",
    "/produits?q=tommme",
    "/produits?q=zzzzzz",
    "/produits?genre=fromage",
    "/boutiques",
    "/boutiques/fromagerie",
    "/vendeurs",
    "/panier",
    "/connexion",
    "/ma-commande",
    "/aide",
    "/ordre-des-produits",
    "/mentions-legales",
    "/vos-donnees",
    "/accessibilite",
    "/conditions-de-vente",
    "/renvoyer-un-achat",
]


def test_a_guest_finds_no_french_on_their_way_around(client: FlaskClient, town: Town, hall: Hall) -> None:
    with hall.database.transaction() as session:
        index_products(session, list(session.scalars(select(Product.id))))
    guest = Guest(client)
    shown = {page: guest.read(page) for page in PAGES}
    product = LexborHTMLParser(shown["/produits"]).css_first(".product h2 a")
    assert product is not None
    shown["a product"] = guest.read(product.attributes["href"] or "")
    shown["a page that is not there"] = guest.read("/nulle-part", 404)
    shown["a search that is too long"] = guest.read(f"/produits?q={'a' * 201}", 422)
    assert {page: french_left_on(html) for page, html in shown.items() if french_left_on(html)} == {}


def test_a_guest_finds_no_french_on_the_way_to_the_payment(client: FlaskClient, town: Town, hall: Hall) -> None:
    guest = Guest(client)
    for reference in ("L1", "F1", "C1"):
        guest.post("/panier/lignes", {"variant_id": str(town.variant(reference)), "qty": "1", "back": "/"})
    shown = {"the basket": guest.read("/panier"), "where": guest.read("/commande/livraison")}
    shown["no answer to where"] = guest.refused("/commande/livraison", {})
    shown["no address"] = guest.refused("/commande/livraison", {"mode": "delivery"})
    with hall.database.transaction() as session:
        basket_id = session.scalars(select(Basket.id)).one()
        checkout.set_place(session, basket_id=basket_id, address=HOME)
    shown["when"] = guest.read("/commande/creneau")
    shown["no answer to when"] = guest.refused("/commande/creneau", {})
    assert guest.post("/commande/creneau", {"slot_id": str(town.slots[0])}).status_code == 303
    shown["who"] = guest.read("/commande/vous")
    shown["no answer to who"] = guest.refused("/commande/vous", {"email": "jeanne", "phone": "12"})
    answers = {"name": "Joan Smith", "phone": "06 39 98 12 34", "email": "joan@example.org", "shortage": "refund"}
    assert guest.post("/commande/vous", answers).status_code == 303
    shown["the check"] = guest.read("/commande/verifier")
    shown["no consent"] = guest.refused("/commande/verifier", {})
    assert {page: french_left_on(html) for page, html in shown.items() if french_left_on(html)} == {}
    words = " ".join(words_for_the_reader(shown["the check"]).split())
    assert "Tuesday 24 November, between " in words
    assert "€44.46" in words
    assert "Order with obligation to pay" in words


def test_money_days_and_hours_are_written_as_english_people_write_them() -> None:
    at = datetime(2026, 12, 1, 16, 30, tzinfo=UTC)
    with speaking("en"):
        assert filters.money(Money(123450)) == "€1,234.50"
        assert filters.money(Money(-5)) == "-€0.05"
        assert filters.when(at) == "Tuesday 1 December at 17:30"
        assert filters.slot((at, at + timedelta(hours=2))) == "Tuesday 1 December, between 17:30 and 19:30"
        assert filters.km(3210) == "3.2\u00a0km"


def test_money_days_and_hours_are_written_as_people_here_write_them() -> None:
    at = datetime(2026, 12, 1, 16, 30, tzinfo=UTC)
    with speaking("fr"):
        assert filters.money(Money(123450)) == "1\u202f234,50\u00a0€"
        assert filters.when(at) == "mardi 1er décembre à 17\u00a0h\u00a030"
        assert (
            filters.slot((at, at + timedelta(minutes=90))) == "mardi 1er décembre, entre 17\u00a0h\u00a030 et 19\u00a0h"
        )
        assert filters.km(3210) == "3,2\u00a0km"


def test_shop_hours_keep_the_capitals_of_english_days(client: FlaskClient, town: Town) -> None:
    assert "Tuesday to Saturday" in " ".join(words_for_the_reader(Guest(client).read("/boutiques/cave")).split())


def test_every_refusal_at_a_field_says_what_to_do(app: Flask) -> None:
    """residents.md K33: an act in the imperative, for each code that stands beside a field."""
    with app.test_request_context():
        module = app.jinja_env.get_template(TEMPLATE).module
        macros = {code: macro for code, macro in vars(module).items() if callable(macro)}
        at_fields = {code: sentence(code) for code, macro in macros.items() if "label" in macro.arguments}
        assert len(at_fields) > 40
        assert [said for said in at_fields.values() if not re.search(r"\b(\w{3,}ez|Dites)\b", said)] == []
        with speaking("en"):
            assert [sentence(code) for code in macros if FRENCH.search(sentence(code))] == []
