"""What residents see when they look around, and what they must never see."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser, LexborNode
from sqlalchemy import update

from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.hall import Hall
from marketplace.money import Money
from merchants.catalogue import VariantDraft, withdraw_product
from merchants.models import Shop
from merchants.search.index import index_products
from merchants.views.catalogue import product_url
from tests.factories import open_shop, put_goods, quiet_hall


@pytest.fixture
def hall(empty_database: Database, clock: FixedClock, tmp_path: Path) -> Hall:
    return quiet_hall(empty_database, clock, tmp_path)


def page_of(client: FlaskClient, address: str, status: int = 200) -> LexborHTMLParser:
    answer = client.get(address)
    assert answer.status_code == status
    return LexborHTMLParser(answer.text)


def names_on(page: LexborHTMLParser) -> list[str]:
    return [link.text() for link in page.css(".product :is(h2, h3) a")]


def text_of(page: LexborHTMLParser, selector: str = "main") -> str:
    return said(page.css_first(selector))


def said(node: LexborNode | None) -> str:
    """The words of a part of a page, every space alike."""
    assert node is not None
    return " ".join(node.text().split())


def shelve(hall: Hall, name: str, shop: str = "Au Panier", **more: object) -> int:
    """One product in a shop of its own; the product's id."""
    with hall.database.transaction() as session:
        slug = re.sub(r"\W+", "-", f"{shop} {name}".lower()).strip("-")[:60]
        return put_goods(session, open_shop(session, slug, shop), name, **more)  # type: ignore[arg-type]  # put_goods' own


def fill(hall: Hall, qty: int, *, shop: str = "au-panier") -> None:
    """A shop with so many products."""
    with hall.database.transaction() as session:
        shop_id = open_shop(session, shop, shop)
        for number in range(qty):
            put_goods(session, shop_id, f"Vase {number}")


def test_an_empty_market_opens_its_pages(client: FlaskClient) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/boutiques").status_code == 200
    assert "rien à vendre en ce moment" in text_of(page_of(client, "/produits"))


def test_following_the_pages_meets_every_product_once_and_leads_back(hall: Hall, client: FlaskClient) -> None:
    fill(hall, 50)
    met, address, pages = [], "/produits", 0
    while address:
        page = page_of(client, address)
        met += names_on(page)
        pages += 1
        link = page.css_first("a[rel=next]")
        address = link.attributes["href"] if link else None
    assert pages == 3
    assert sorted(met) == sorted(f"Vase {number}" for number in range(50))
    back = page.css_first("a[rel=prev]").attributes["href"]
    second = page_of(client, back)
    assert names_on(second) == met[24:48]
    first = page_of(client, second.css_first("a[rel=prev]").attributes["href"])
    assert names_on(first) == met[:24]
    assert first.css_first("a[rel=prev]") is None
    assert [text_of(page, "h1") for page in (first, second)] == ["Tous les produits", "Tous les produits, page 2"]


def test_a_damaged_address_starts_the_list_anew(hall: Hall, client: FlaskClient) -> None:
    fill(hall, 30)
    start = names_on(page_of(client, "/produits"))
    for damage in ("apres=x", "apres=1", "apres=-", "apres=１-２", "page=0", "page=-1", "page=1.5", "avant=%00"):
        assert names_on(page_of(client, f"/produits?{damage}")) == start
    assert client.get(f"/produits?apres={'9' * 40}-{'9' * 40}").status_code == 200


def test_a_list_keeps_to_one_kind_and_to_one_shop(hall: Hall, client: FlaskClient) -> None:
    with hall.database.transaction() as session:
        cheesery = open_shop(session, "fromagerie", "Fromagerie", trade="cheese")
        put_goods(session, cheesery, "Tomme", kind="fromage")
        put_goods(session, cheesery, "Planche", kind="maison")
        put_goods(session, open_shop(session, "bazar", "Bazar"), "Cloche", kind="maison")
    assert names_on(page_of(client, "/produits?genre=fromage")) == ["Tomme"]
    assert sorted(names_on(page_of(client, "/produits?boutique=fromagerie"))) == ["Planche", "Tomme"]
    assert names_on(page_of(client, "/produits?boutique=fromagerie&genre=maison")) == ["Planche"]
    assert sorted(names_on(page_of(client, "/boutiques/fromagerie"))) == ["Planche", "Tomme"]


@pytest.mark.parametrize(
    "address",
    ["/produits?genre=licorne", "/produits?boutique=nulle-part", "/boutiques/nulle-part", "/produits/999-rien",
     "/produits/999", f"/produits/{10**30}-rien", "/dessins/licorne-1.svg", "/dessins/book-6.svg"],
)  # fmt: skip
def test_what_does_not_exist_is_said_so(client: FlaskClient, address: str) -> None:
    assert client.get(address).status_code == 404


def test_food_shows_its_price_by_the_kilogram_and_the_litre(hall: Hall, client: FlaskClient) -> None:
    tomme = shelve(hall, "Tomme", kind="fromage", cents=996, net=(400, "g"), allergens=("lait",))
    cards = text_of(page_of(client, "/produits"))
    assert "9,96 €" in cards
    assert "24,90 €/kg" in cards
    page = text_of(page_of(client, f"/produits/{tomme}-tomme"))
    assert "24,90 €/kg" in page
    assert "400 g" in page
    assert "Allergènes lait" in page


def test_several_prices_are_announced_from_the_lowest_that_is_left(hall: Hall, client: FlaskClient) -> None:
    variants = (
        VariantDraft("s", "Petit", Money(800), 0),
        VariantDraft("m", "Moyen", Money(1200), 3),
        VariantDraft("l", "Grand", Money(1500), 3),
    )
    vase = shelve(hall, "Vase", variants=variants)
    assert "dès 12,00 €" in text_of(page_of(client, "/produits"))
    page = page_of(client, f"/produits/{vase}-vase")
    assert [radio.attributes.get("checked", "no") for radio in page.css("input[type=radio]")] == ["no", "no"]
    assert "Petit Épuisé" in text_of(page)


def test_one_variant_goes_into_the_basket_without_a_choice(hall: Hall, client: FlaskClient) -> None:
    book = shelve(hall, "Livre", kind="livre-neuf", cents=1800)
    page = page_of(client, f"/produits/{book}-livre")
    form = page.css_first("main form")
    assert form.attributes["action"] == "/panier/lignes"
    assert {field.attributes["name"] for field in form.css("input")} == {
        "csrf_token",
        "back",
        "product_id",
        "variant_id",
        "qty",
    }
    assert said(form.css_first("button[type=submit]")) == "Ajouter au panier Livre"
    assert page.css("input[type=radio]") == []


def test_what_is_sold_out_cannot_be_put_into_the_basket(hall: Hall, client: FlaskClient) -> None:
    vase = shelve(hall, "Vase", on_hand_qty=0)
    assert "Épuisé" in text_of(page_of(client, "/produits"))
    page = page_of(client, f"/produits/{vase}-vase")
    assert "Épuisé" in text_of(page)
    assert page.css("main form") == []


def test_a_product_moves_to_the_address_of_its_name(hall: Hall, client: FlaskClient) -> None:
    vase = shelve(hall, "Pâté d’oie, 200 g")
    for address in (f"/produits/{vase}", f"/produits/{vase}-autre"):
        answer = client.get(address)
        assert answer.status_code == 301
        assert answer.headers["Location"] == f"/produits/{vase}-pate-d-oie-200-g"


def test_the_short_way_to_a_products_address_says_what_the_route_says(app: Flask) -> None:
    with app.test_request_context():
        assert product_url(7, "Thé") == url_for("catalogue.product", product_id=7, word="the")


def test_who_sells_is_named_before_the_sale(hall: Hall, client: FlaskClient) -> None:
    vase = shelve(hall, "Vase", shop="Au Panier")
    for address in (f"/produits/{vase}-vase", "/boutiques/au-panier-vase", "/vendeurs"):
        words = text_of(page_of(client, address))
        assert "Vendu par SARL Au Panier, professionnel" in words
        assert "1 rue de Beaulieu, 16000 Angoulême" in words
        assert "SIREN 000000000" in words


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("livre-neuf", "Vous avez 14 jours après la livraison pour le rendre."),
        ("fromage", "Pas de droit de rétractation : produit périssable."),
        ("presse", "Pas de droit de rétractation : journal ou magazine."),
        ("sur-mesure", "Pas de droit de rétractation : fait sur mesure pour vous."),
        ("hygiene-scelle", "Vous avez 14 jours pour le rendre, s’il est encore fermé."),
    ],
)
def test_the_right_to_change_ones_mind_is_said_for_each_kind(
    hall: Hall, client: FlaskClient, kind: str, sentence: str
) -> None:
    product = shelve(hall, "Chose", kind=kind)
    assert sentence in text_of(page_of(client, f"/produits/{product}-chose"))


def test_alcohol_is_never_shown_without_the_laws_words(hall: Hall, client: FlaskClient) -> None:
    book = shelve(hall, "Livre", shop="Librairie", kind="livre-neuf")
    wine = shelve(hall, "Rouge", shop="Cave", kind="alcool")
    words = "La vente d’alcool est interdite aux mineurs de moins de 18 ans."
    for address in ("/", "/produits", "/produits?genre=alcool", "/produits?q=rouge", "/boutiques/cave-rouge"):
        assert words in text_of(page_of(client, address)), address
    assert words in text_of(page_of(client, f"/produits/{wine}-rouge"))
    assert words not in text_of(page_of(client, f"/produits/{book}-livre"))


def test_a_search_finds_whatever_the_accents(hall: Hall, client: FlaskClient) -> None:
    shelve(hall, "Pâté de campagne", kind="charcuterie")
    shelve(hall, "Vase bleu")
    assert names_on(page_of(client, "/produits?q=patés")) == ["Pâté de campagne"]


def test_a_corrected_search_says_so_and_lets_people_insist(hall: Hall, client: FlaskClient) -> None:
    shelve(hall, "Sécateur de poche")
    page = page_of(client, "/produits?q=sekateur")
    assert names_on(page) == ["Sécateur de poche"]
    assert text_of(page, "h1") == "Résultats pour « sécateur »"
    insist = next(link for link in page.css("main a") if said(link) == "Chercher « sekateur » quand même")
    exactly = page_of(client, insist.attributes["href"])
    assert names_on(exactly) == []
    assert text_of(exactly, "h1") == "Rien pour « sekateur »"


def test_a_search_without_an_answer_shows_ways_on(client: FlaskClient) -> None:
    page = page_of(client, "/produits?q=xyzzyx")
    ways = [link.attributes["href"] for link in page.css("main a")]
    assert {"/produits", "/boutiques", "tel:0536490000"} <= set(ways)


def test_a_search_that_is_too_long_says_what_to_do_and_keeps_what_was_typed(client: FlaskClient) -> None:
    typed = "a" * 201
    page = page_of(client, f"/produits?q={typed}", status=422)
    assert text_of(page, "title").startswith("Erreur : ")
    link = page.css_first("#erreurs a")
    assert link.attributes["href"] == "#chercher"
    assert link.text() == "Raccourcissez «\u00a0Votre recherche\u00a0»."
    assert page.css_first("#chercher").attributes["value"] == typed


@pytest.mark.parametrize("typed", ["%00", "%F0%9F%92%A9", "%22%3E%3Cscript%3E", "'", "&amp;", "((|&!:*", "١٢٣"])
def test_no_search_breaks_the_page(hall: Hall, client: FlaskClient, typed: str) -> None:
    shelve(hall, "Vase")
    assert client.get(f"/produits?q={typed}").status_code in (200, 422)


def test_what_a_shop_writes_stays_text(hall: Hall, client: FlaskClient) -> None:
    vase = shelve(hall, "<b>Vase</b>", description="<script>alert(1)</script>\nDeuxième", details={"lieu": "<i>"})
    page = page_of(client, f"/produits/{vase}-b-vase-b")
    assert text_of(page, "h1") == "<b>Vase</b>"
    assert "<script>alert(1)</script>" in text_of(page, ".offer-words")
    assert page.css("main script, main b, main i") == []


def test_a_withdrawn_product_is_said_to_be_gone_and_leads_to_its_shop(hall: Hall, client: FlaskClient) -> None:
    with hall.database.transaction() as session:
        shop_id = open_shop(session, "bazar", "Bazar")
        gone = put_goods(session, shop_id, "Vase")
        put_goods(session, shop_id, "Cloche")
        withdraw_product(session, product_id=gone, now=datetime(2026, 11, 20, tzinfo=UTC))
        index_products(session, [gone])
    page = page_of(client, f"/produits/{gone}-vase", status=404)
    assert text_of(page, "h1") == "Vase n’est plus en vente"
    assert names_on(page) == ["Cloche"]
    assert names_on(page_of(client, "/produits")) == ["Cloche"]
    assert names_on(page_of(client, "/produits?q=vase")) == []


def test_a_paused_shop_sells_and_shows_nothing(hall: Hall, client: FlaskClient) -> None:
    with hall.database.transaction() as session:
        shop_id = open_shop(session, "bazar", "Bazar")
        vase = put_goods(session, shop_id, "Vase")
        session.execute(update(Shop).where(Shop.id == shop_id).values(state="paused"))
    assert text_of(page_of(client, "/boutiques/bazar", status=404), "h1") == "Bazar fait une pause"
    assert client.get(f"/produits/{vase}-vase").status_code == 404
    assert names_on(page_of(client, "/produits")) == []
    assert names_on(page_of(client, "/produits?q=vase")) == []
    assert "Bazar" not in text_of(page_of(client, "/boutiques"))


def test_opening_hours_are_said_as_people_say_them(hall: Hall, client: FlaskClient) -> None:
    with hall.database.transaction() as session:
        open_shop(session, "bazar", "Bazar", opening_hours="Mo 14:00-19:00; Tu-Sa 09:30-12:30,14:00-19:00; PH off")
    hours = text_of(page_of(client, "/boutiques/bazar"))
    # The test's clock stands at ten on a Tuesday morning.
    assert "Ouvert jusqu’à 12 h 30" in hours
    assert "Lundi 14 h à 19 h" in hours
    assert "Du mardi au samedi 9 h 30 à 12 h 30 et 14 h à 19 h" in hours
    assert "Dimanche fermé" in hours
    assert "Jours fériés fermé" in hours


def test_hours_that_nobody_can_read_do_not_break_a_page(hall: Hall, client: FlaskClient) -> None:
    with hall.database.transaction() as session:
        open_shop(session, "bazar", "Bazar", opening_hours="quand il fait beau")
    assert client.get("/boutiques/bazar").status_code == 200
    assert client.get("/boutiques").status_code == 200
    assert client.get("/").status_code == 200


def test_a_drawing_may_be_kept_for_a_year_and_tells_nothing_of_its_reader(client: FlaskClient) -> None:
    answer = client.get("/dessins/cheese-wedge-3.svg?v=1")
    assert answer.mimetype == "image/svg+xml"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "Set-Cookie" not in answer.headers


def test_an_unknown_drawing_shows_the_parcel(hall: Hall, client: FlaskClient) -> None:
    shelve(hall, "Chose", drawing="licorne")
    assert page_of(client, "/produits").css_first(".product img").attributes["src"].startswith("/dessins/parcel-")


def test_looking_around_sets_no_cookie(hall: Hall, client: FlaskClient) -> None:
    vase = shelve(hall, "Vase")
    for address in ("/", "/produits", "/produits?q=vase", "/boutiques", f"/produits/{vase}-vase"):
        assert "Set-Cookie" not in client.get(address).headers


def test_at_most_eight_pictures_of_a_list_are_loaded_at_once(hall: Hall, client: FlaskClient) -> None:
    fill(hall, 12)
    pictures = page_of(client, "/produits").css(".product img")
    assert [picture.attributes.get("loading") for picture in pictures] == [None] * 8 + ["lazy"] * 4
    assert {picture.attributes.get("alt") for picture in pictures} == {""}


def test_the_home_page_lays_its_stall_from_different_shops(hall: Hall, client: FlaskClient) -> None:
    for number, kind in enumerate(("fromage", "pain", "livre-neuf", "maison", "jouet", "bouquet", "bijou", "plante")):
        shelve(hall, f"Chose {number}", shop=f"Boutique {number}", kind=kind)
    page = page_of(client, "/")
    stall = [link.attributes["href"] for link in page.css(".welcome-stall a")]
    assert len(set(stall)) == 6
    assert len(page.css("main .stall")) == 6
    assert {link.attributes["href"] for link in page.css(".plan a")} >= {"/produits?genre=fromage"}


def test_the_stall_of_the_day_is_the_same_for_all_and_another_one_tomorrow(
    hall: Hall, client: FlaskClient, clock: FixedClock
) -> None:
    fill(hall, 3)
    for number in range(60):
        shelve(hall, f"Chose {number}", shop=f"Boutique {number}")

    def stall() -> list[str]:
        return [link.attributes["href"] for link in page_of(client, "/").css(".welcome-stall a, main .stall a")]

    today = stall()
    assert stall() == today
    clock.at = datetime(2026, 11, 25, 9, tzinfo=UTC)
    assert stall() != today


def test_every_catalogue_page_names_the_one_delivery(hall: Hall, client: FlaskClient) -> None:
    vase = shelve(hall, "Vase", shop="Bazar")
    for address in ("/", "/produits", "/produits?q=vase", "/boutiques/bazar-vase", f"/produits/{vase}-vase"):
        assert "même avec plusieurs boutiques" in text_of(page_of(client, address)), address
