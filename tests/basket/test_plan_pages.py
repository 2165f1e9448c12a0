"""An address that the geocoder does not know, shown on the plan: the pages, without script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from basket.models import Checkout
from marketplace.delivery.models import Booking, Zone
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.web import csrf
from tests.apps import app_over
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import Town, register_merchants

WHERE, PLAN = "/commande/livraison", "/commande/livraison/plan"
NEW_HOUSE = {"mode": "delivery", "street": "3 chemin des Nouvelles Maisons", "postcode": "16000", "city": "Angoulême"}
DOOR = {"lat": "45.648858", "lon": "0.158446", "zoom": "3"}
UNREADABLE = "Montrez l’endroit encore une fois"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


class Resident:
    """A browser without script, with one thing in the basket."""

    def __init__(self, client: FlaskClient, variant_id: int) -> None:
        self.client = client
        assert self.post("/panier/lignes", {"variant_id": str(variant_id), "qty": "1", "back": "/"}).status_code == 303

    def post(self, path: str, form: dict[str, str]) -> TestResponse:
        field = LexborHTMLParser(self.client.get("/aide").text).css_first("[name=csrf_token]")
        assert field is not None
        return self.client.post(path, data={**form, csrf.FIELD: field.attributes["value"] or ""})

    def to_plan(self, **typed: str) -> LexborHTMLParser:
        answer = self.post(WHERE, NEW_HOUSE | {"on_plan": "1"} | typed)
        assert (answer.status_code, answer.location) == (303, PLAN)
        return self.plan()

    def plan(self) -> LexborHTMLParser:
        answer = self.client.get(PLAN)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return LexborHTMLParser(answer.text)

    def move(self, anchor: str = "pin", **form: str) -> LexborHTMLParser:
        answer = self.post(PLAN, DOOR | form)
        assert (answer.status_code, answer.location) == (303, f"{PLAN}#{anchor}")
        return self.plan()

    def refused(self, form: dict[str, str]) -> LexborHTMLParser:
        answer = self.post(PLAN, form)
        assert answer.status_code == 422
        return LexborHTMLParser(answer.text)


@pytest.fixture
def lost(hall: Hall, town: Town) -> Resident:
    """Somebody whose hall has a geocoder that does not answer."""
    return Resident(app_over(hall, "resident").test_client(), town.variant("L1"))


@pytest.fixture
def resident(hall: Hall, town: Town, geocoder: Geocoder) -> Resident:
    return Resident(app_over(replace(hall, geocoder=geocoder), "resident").test_client(), town.variant("L1"))


def sheet(hall: Hall) -> Checkout:
    with hall.database.reading() as session:
        return session.scalars(select(Checkout)).one()


def words(page: LexborHTMLParser, selector: str) -> str:
    node = page.css_first(selector)
    assert node is not None, selector
    return " ".join(node.text().split())


def pin_of(page: LexborHTMLParser) -> tuple[str, ...]:
    fields = [page.css_first(f"form.plan-page [name={name}]") for name in ("lat", "lon", "zoom")]
    return tuple(field.attributes["value"] or "" for field in fields if field is not None)


def test_an_unknown_address_can_be_shown_on_the_plan(resident: Resident) -> None:
    answer = resident.post(WHERE, NEW_HOUSE)
    assert answer.status_code == 422
    page = LexborHTMLParser(answer.text)
    assert "nous ne trouvons pas cette adresse" in words(page, "#street-erreur")
    assert words(page, "main [name=on_plan]") == "Montrer l’endroit sur le plan"


def test_the_plan_stands_beside_the_places_that_may_be_meant(resident: Resident) -> None:
    answer = resident.post(WHERE, NEW_HOUSE | {"street": "rue de Montmoreau", "postcode": "16160"})
    page = LexborHTMLParser(answer.text)
    assert len(page.css("main input[name=pin]")) >= 1
    assert page.css_first("main [name=on_plan]") is not None


def test_enter_in_a_field_never_leads_to_the_plan(lost: Resident) -> None:
    page = LexborHTMLParser(lost.post(WHERE, NEW_HOUSE).text)
    first = page.css_first("main form[action='/commande/livraison'] button")
    assert first is not None
    assert "name" not in first.attributes
    assert page.css_first("main [name=on_plan]") is not None


def test_a_first_visit_offers_no_plan(resident: Resident) -> None:
    assert "on_plan" not in resident.client.get(WHERE).text


def test_to_the_plan_an_address_must_be_typed(resident: Resident) -> None:
    answer = resident.post(WHERE, NEW_HOUSE | {"street": "", "on_plan": "1"})
    assert answer.status_code == 422
    assert "Remplissez « Numéro et rue »" in answer.text.replace("\xa0", " ")


def test_to_the_plan_the_postcode_must_be_served(resident: Resident, hall: Hall) -> None:
    answer = resident.post(WHERE, NEW_HOUSE | {"postcode": "75001", "on_plan": "1"})
    assert answer.status_code == 422
    assert "Nos tournées ne vont pas à cette adresse" in words(LexborHTMLParser(answer.text), "#postcode-erreur")
    assert resident.client.get(PLAN).location == WHERE


def test_what_was_typed_is_kept_and_the_town_is_shown(resident: Resident, hall: Hall) -> None:
    page = resident.to_plan(access_note="derrière la grange")
    assert "3 chemin des Nouvelles Maisons, 16000 Angoulême" in words(page, "main")
    # Shops in one street are one dot from here.
    assert len(page.css("main svg circle.plan-dot")) == 2 * 1
    # The commune is known, the street is not.
    assert pin_of(page)[2] == "1"
    written = sheet(hall)
    assert (written.street, written.access_note, written.lat) == (
        "3 chemin des Nouvelles Maisons",
        "derrière la grange",
        None,
    )


def test_a_street_that_may_be_meant_is_where_the_pin_starts(resident: Resident) -> None:
    page = resident.to_plan(street="900 rue Hergé")
    assert pin_of(page)[2] == "2"
    assert "Rue Hergé" in [node.text() for node in page.css("main svg text")]


def test_a_spot_of_the_plan_moves_the_pin_there_and_comes_closer(resident: Resident) -> None:
    resident.to_plan()
    page = resident.move(zoom="2", **{"small.x": "144", "small.y": "60"})
    assert pin_of(page) == ("45.652605", "0.158446", "3")
    page = resident.move(zoom="2", **{"large.x": "320", "large.y": "90"})
    assert pin_of(page) == ("45.652230", "0.158446", "3")


def test_a_keyboard_on_the_picture_sends_its_corner_and_only_comes_closer(resident: Resident) -> None:
    resident.to_plan()
    assert pin_of(resident.move(zoom="1", **{"small.x": "0", "small.y": "0"})) == ("45.648858", "0.158446", "2")


@pytest.mark.parametrize(
    ("move", "there"),
    [
        ("north", ("45.649027", "0.158446", "3")),
        ("east", ("45.648858", "0.158687", "3")),
        ("closer", ("45.648858", "0.158446", "3")),
        ("wider", ("45.648858", "0.158446", "2")),
    ],
)
def test_a_button_does_the_same_and_keeps_the_focus(resident: Resident, move: str, there: tuple[str, ...]) -> None:
    resident.to_plan()
    page = resident.move(anchor=move, move=move)
    assert pin_of(page) == there
    assert page.css_first(f"button#{move}") is not None


def test_a_device_may_say_where_it_is(resident: Resident) -> None:
    resident.to_plan()
    assert pin_of(resident.move(move="here", here_lat="45.65", here_lon="0.16")) == ("45.650000", "0.160000", "2")
    assert pin_of(resident.move(move="here")) == ("45.648858", "0.158446", "3")


def test_the_pin_is_named_by_what_is_near(resident: Resident) -> None:
    resident.to_plan()
    page = resident.move(anchor="closer", move="closer")
    assert words(page, "#pin") == "Le repère est près de : 14 Rue Hergé, 16000 Angoulême"
    assert "14 Rue Hergé" in [node.text() for node in page.css("main svg text")]
    page = resident.move(anchor="north", move="north", lat="45.6488")
    assert "m)" not in words(page, "#pin")


def test_without_a_geocoder_the_plan_works_and_says_so(lost: Resident, hall: Hall) -> None:
    answer = lost.post(WHERE, NEW_HOUSE)
    assert "Notre annuaire des adresses ne répond pas" in answer.text
    page = lost.to_plan()
    assert words(page, "#pin") == "Notre annuaire des adresses ne répond pas. Le plan marche quand même."
    assert pin_of(page) == ("45.648600", "0.156200", "0")
    lost.move(anchor="closer", move="closer")
    assert lost.post(PLAN, DOOR | {"move": "confirm"}).location == "/commande/creneau"
    assert (sheet(hall).lat, sheet(hall).lon) == (45.648858, 0.158446)


def test_confirming_keeps_the_address_as_typed_with_the_place_of_the_pin(resident: Resident, hall: Hall) -> None:
    resident.to_plan(access_note="portail vert")
    answer = resident.post(PLAN, DOOR | {"move": "confirm"})
    assert (answer.status_code, answer.location) == (303, "/commande/creneau")
    written = sheet(hall)
    assert (written.street, written.postcode, written.city) == ("3 chemin des Nouvelles Maisons", "16000", "Angoulême")
    assert (written.lat, written.lon, written.is_pinned) == (45.648858, 0.158446, True)
    assert written.access_note == "portail vert"
    assert "<title>Quand recevoir vos achats" in resident.client.get("/commande/creneau").text


def test_a_pin_from_afar_is_only_a_guess(resident: Resident, hall: Hall) -> None:
    resident.to_plan()
    page = resident.refused(DOOR | {"zoom": "1", "move": "confirm"})
    assert "Montrez l’endroit de plus près" in words(page, "#erreurs")
    assert "Montrez l’endroit de plus près" in words(page, "#pin-erreur")
    assert pin_of(page) == ("45.648858", "0.158446", "1")
    assert sheet(hall).lat is None


def test_a_pin_outside_the_rounds_is_refused_with_what_to_do(resident: Resident, hall: Hall) -> None:
    resident.to_plan()
    far = {"lat": "45.800000", "lon": "0.158446", "zoom": "3"}
    page = resident.move(anchor="closer", move="closer", **far)
    assert words(page, "#pin") == "Le repère est hors de nos tournées."
    page = resident.refused(far | {"move": "confirm"})
    assert "Posez le repère dans la zone des tournées, choisissez le retrait en boutique" in words(page, "#erreurs")
    assert pin_of(page) == ("45.800000", "0.158446", "3")
    assert sheet(hall).lat is None


BAD = [
    {},
    {"lat": "45.6"},
    DOOR | {"lat": "nan"},
    DOOR | {"lat": "inf"},
    DOOR | {"lat": "90.000001"},
    DOOR | {"lon": "-180.5"},
    DOOR | {"lat": "４５.６"},
    DOOR | {"lat": "1e1"},
    DOOR | {"lat": "4_5"},
    DOOR | {"lat": ""},
    DOOR | {"lat": "45,6"},
    DOOR | {"lat": "4" * 5_000},
    DOOR | {"lat": "\0"},
    DOOR | {"zoom": "4"},
    DOOR | {"zoom": "-1"},
    DOOR | {"zoom": "１"},
    DOOR | {"zoom": "1.5"},
    DOOR | {"zoom": ""},
    DOOR | {"move": "up"},
    DOOR | {"move": "confirm", "zoom": "x"},
    DOOR | {"small.x": "289", "small.y": "1"},
    DOOR | {"small.x": "-1", "small.y": "1"},
    DOOR | {"small.x": "１", "small.y": "1"},
    DOOR | {"large.x": "1", "large.y": "481"},
    DOOR | {"huge.x": "1", "huge.y": "1"},
    DOOR | {"small_x": "1", "small_y": "1"},
    DOOR | {"here_lat": "x"},
    DOOR | {"here_lat": "91", "here_lon": "0", "move": "here"},
]


@pytest.mark.parametrize("form", BAD, ids=lambda form: str(form)[:60])
def test_what_is_no_place_gives_a_sentence(lost: Resident, hall: Hall, form: dict[str, str]) -> None:
    lost.to_plan()
    page = lost.refused(form)
    assert UNREADABLE in words(page, "#erreurs")
    assert UNREADABLE in words(page, "#pin-erreur")
    assert page.css_first("input[type=image]") is not None
    assert (sheet(hall).pin_lat, sheet(hall).lat) == (None, None)


@pytest.mark.parametrize("pole", [{"lat": "90", "lon": "180"}, {"lat": "-90", "lon": "-180"}])
def test_at_the_ends_of_the_world_the_plan_still_stands(lost: Resident, pole: dict[str, str]) -> None:
    lost.to_plan()
    for move in ("north", "south", "east", "west", "wider"):
        page = lost.move(anchor=move, move=move, **pole)
        assert words(page, "#pin") == "Le repère est hors de nos tournées."
    lost.move(**pole, **{"small.x": "288", "small.y": "1"})


def test_half_a_spot_moves_nothing(lost: Resident) -> None:
    lost.to_plan()
    assert pin_of(lost.move(**{"small.x": "10"})) == ("45.648858", "0.158446", "3")


def test_without_a_basket_or_an_address_there_is_nothing_to_show(hall: Hall, town: Town) -> None:
    client = app_over(hall, "resident").test_client()
    assert client.get(PLAN).location == WHERE
    resident = Resident(client, town.variant("L1"))
    assert client.get(PLAN).location == WHERE
    assert resident.post(PLAN, DOOR | {"move": "north"}).location == WHERE
    assert resident.post(WHERE, {"mode": "collection"}).status_code == 303
    assert client.get(PLAN).location == WHERE


def test_a_zone_that_was_closed_meanwhile_has_no_plan(resident: Resident, hall: Hall) -> None:
    resident.to_plan()
    with hall.database.transaction() as session:
        session.execute(update(Zone).values(postcodes=["16800"]))
    assert resident.post(PLAN, DOOR | {"move": "confirm"}).location == WHERE


def test_the_same_address_needs_no_second_pin(resident: Resident, hall: Hall) -> None:
    resident.to_plan()
    resident.post(PLAN, DOOR | {"move": "confirm"})
    page = resident.client.get(WHERE).text
    assert "Votre repère est posé à la main." in page
    answer = resident.post(WHERE, NEW_HOUSE | {"access_note": "sonner deux fois"})
    assert (answer.status_code, answer.location) == (303, "/commande/creneau")
    assert (sheet(hall).is_pinned, sheet(hall).access_note) == (True, "sonner deux fois")
    assert pin_of(resident.to_plan()) == ("45.648858", "0.158446", "3")
    assert sheet(hall).lat == 45.648858


def test_another_address_takes_the_pin_away(resident: Resident, hall: Hall) -> None:
    resident.to_plan()
    resident.post(PLAN, DOOR | {"move": "confirm"})
    answer = resident.post(WHERE, NEW_HOUSE | {"street": "14 rue Hergé"})
    assert answer.location == "/commande/creneau"
    assert (sheet(hall).is_pinned, sheet(hall).pin_lat, sheet(hall).pin_zoom) == (False, None, None)
    resident.post(PLAN, DOOR | {"move": "confirm"})
    resident.to_plan(street="5 chemin des Nouvelles Maisons")
    assert (sheet(hall).lat, sheet(hall).is_pinned, sheet(hall).pin_lat) == (None, False, None)


def test_the_courier_is_told_to_follow_the_pin(resident: Resident, hall: Hall, town: Town) -> None:
    resident.to_plan()
    resident.post(PLAN, DOOR | {"move": "confirm"})
    resident.post("/commande/creneau", {"slot_id": str(town.slots[0])})
    person = {"name": "Jeanne Martin", "phone": "06 39 98 12 34", "email": "j@example.org", "shortage": "refund"}
    resident.post("/commande/vous", person)
    check = LexborHTMLParser(resident.client.get("/commande/verifier").text)
    assert "Porte montrée sur le plan." in words(check, "main")
    hidden = {
        node.attributes["name"] or "": node.attributes["value"] or ""
        for node in check.css("form[action='/commande/verifier'] [type=hidden]")
    }
    assert resident.post("/commande/verifier", hidden | {"accepts_terms": "1"}).status_code == 303
    with hall.database.reading() as session:
        booking = session.scalars(select(Booking)).one()
    assert (booking.street, booking.lat, booking.lon, booking.is_pinned) == (
        "3 chemin des Nouvelles Maisons",
        45.648858,
        0.158446,
        True,
    )
