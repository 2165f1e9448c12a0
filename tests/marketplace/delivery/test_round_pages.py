"""The pages of the round: each one tried by the right person and by strangers, then walked from end to end."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from marketplace.clock import FixedClock
from marketplace.delivery.bookings import release_place
from marketplace.delivery.models import Booking, Round, Stop
from marketplace.delivery.planning import plan_round
from marketplace.delivery.rounds import close_round
from marketplace.hall import Hall
from tests.marketplace.delivery.conftest import SignedIn
from tests.marketplace.delivery.district import District, book, hand_out_round, parcel_ids_at, stops_of


def press(client: FlaskClient, page: str, action: str, **fields: object) -> TestResponse:
    """Send a form as a browser does, with the token of the page that it stands on."""
    token = LexborHTMLParser(client.get(page).text).css_first("[name=csrf_token]").attributes["value"]
    return client.post(action, data=MultiDict({"csrf_token": token, **fields}))


def main_text(response: TestResponse) -> str:
    """What `main` says, in single spaces."""
    text = LexborHTMLParser(response.text).css_first("main").text()
    return " ".join(text.replace("\u00a0", " ").replace("\u202f", " ").split())


@pytest.fixture
def riding(hall: Hall, district: District, clock: FixedClock) -> District:
    """The first courier rides with two households; the second one has no line."""
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, home=0, shops=(0, 1))
        book(session, district, "10000002", clock, home=1, shops=(1,), needs_age_check=True)
    hand_out_round(hall, district, district.vehicle_ids[0])
    return district


# --- Who may come in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "coordinator", "courier", "other_courier", "nobody"),
    [
        ("/tournees", 200, 403, 403, 303),
        ("/tournees/ouvrir", 200, 403, 403, 303),
        ("/tournees/1", 200, 403, 403, 303),
        ("/tournees/1/feuille", 200, 403, 403, 303),
        ("/tournees/99", 404, 403, 403, 303),
        ("/ma-tournee", 403, 200, 200, 303),
        ("/ma-tournee/arret/1", 403, 200, 404, 303),
        ("/ma-tournee/arret/99", 403, 404, 404, 303),
        ("/suivre/nobody-knows-this", 404, 404, 404, 404),
    ],
)
def test_a_page_opens_for_whom_it_is_meant(
    riding: District,
    app: Flask,
    signed_in: SignedIn,
    path: str,
    coordinator: int,
    courier: int,
    other_courier: int,
    nobody: int,
) -> None:
    clients = [signed_in(riding.coordinator_id), *(signed_in(who) for who in riding.courier_ids), app.test_client()]
    assert [client.get(path).status_code for client in clients] == [coordinator, courier, other_courier, nobody]


@pytest.mark.parametrize(
    ("path", "coordinator", "courier", "other_courier"),
    [
        ("/tournees/ouvrir/1", 422, 403, 403),
        ("/tournees/1/retirer", 303, 403, 403),
        ("/tournees/99/retirer", 404, 403, 403),
        ("/tournees/1/fermer", 303, 403, 403),
        ("/tournees/1/rouvrir", 303, 403, 403),
        ("/tournees/1/preparer", 303, 403, 403),
        ("/tournees/1/confier", 303, 403, 403),
        ("/tournees/99/fermer", 404, 403, 403),
        ("/ma-tournee/arret/1/collecte", 403, 422, 404),
        ("/ma-tournee/arret/1/remise", 403, 404, 404),
        ("/ma-tournee/arret/1/absent", 403, 404, 404),
        ("/ma-tournee/arret/1/encore", 403, 404, 404),
        ("/ma-tournee/arret/3/remise", 403, 409, 404),
        ("/ma-tournee/arret/3/absent", 403, 409, 404),
    ],
)
def test_an_act_is_done_by_whom_it_is_meant(
    riding: District, signed_in: SignedIn, path: str, coordinator: int, courier: int, other_courier: int
) -> None:
    found = []
    for who, page in zip(
        (riding.coordinator_id, *riding.courier_ids), ("/tournees", "/ma-tournee", "/ma-tournee"), strict=True
    ):
        found.append(press(signed_in(who), page, path).status_code)
    assert found == [coordinator, courier, other_courier]


def test_a_form_of_another_site_does_nothing(riding: District, signed_in: SignedIn, hall: Hall) -> None:
    client = signed_in(riding.courier_ids[0])
    assert client.post("/ma-tournee/arret/1/collecte", data={"without_rest": "1"}).status_code == 400
    with hall.database.reading() as session:
        assert session.get_one(Stop, 1).state == "planned"


# --- The walk --------------------------------------------------------------------------------------------------


def test_a_coordinator_closes_plans_and_hands_out(
    hall: Hall, district: District, clock: FixedClock, signed_in: SignedIn
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, home=0, shops=(0, 1))
        book(session, district, "10000002", clock, home=1, paid=False)
    client = signed_in(district.coordinator_id)
    page = "/tournees/1"
    assert "Jeanne M., 12 rue de Périgueux, Angoulême" in main_text(client.get(page))
    assert "2 places prises sur 12" in main_text(client.get("/tournees"))
    assert press(client, page, "/tournees/1/fermer").status_code == 303
    assert "plus aucune commande n’entre" in main_text(client.get(page))
    asked = press(client, page, "/tournees/1/preparer", vehicle="1")
    assert (asked.status_code, asked.location) == (303, "/tournees/1")
    assert "Préparation en cours" in main_text(client.get(page))
    assert press(client, page, "/tournees/1/preparer", vehicle="1").status_code == 303
    plan_round(hall, round_id=1, number=1)
    text = main_text(client.get(page))
    assert "Confier la tournée aux livreurs" in text
    assert "vélo cargo" in text and "2 boutiques, 1 livraison" in text
    assert press(client, page, "/tournees/1/confier").status_code == 303
    assert "Amine Roux : 0 arrêts faits sur 3" in main_text(client.get(page))
    sheet = main_text(client.get("/tournees/1/feuille"))
    assert "Colis 1 sur 2 pour Jeanne M." in sheet
    assert "Portail vert, 2e étage" in sheet


def test_an_act_on_a_round_that_has_moved_shows_where_it_is(riding: District, signed_in: SignedIn, hall: Hall) -> None:
    client = signed_in(riding.coordinator_id)
    assert press(client, "/tournees/1", "/tournees/1/preparer", vehicle="1").status_code == 303
    assert "La tournée a changé entre-temps" in main_text(client.get("/tournees/1"))
    with hall.database.reading() as session:
        assert session.get_one(Round, 1).state == "riding"


@pytest.mark.parametrize("chosen", ["0", "-1", "1.5", "１", "un", "9" * 30, "99"])
def test_a_courier_that_does_not_exist_is_refused_at_the_field(
    hall: Hall, district: District, clock: FixedClock, signed_in: SignedIn, chosen: str
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock)
        close_round(session, round_id=1, actor="user:1", now=clock.now())
    client = signed_in(district.coordinator_id)
    refused = press(client, "/tournees/1", "/tournees/1/preparer", vehicle=chosen)
    assert refused.status_code == 422
    assert "Choisissez une des réponses proposées." in main_text(refused)


def test_a_plan_without_a_courier_or_a_delivery_says_what_to_do(
    hall: Hall, district: District, clock: FixedClock, signed_in: SignedIn
) -> None:
    with hall.database.transaction() as session:
        close_round(session, round_id=1, actor="user:1", now=clock.now())
    client = signed_in(district.coordinator_id)
    nobody = press(client, "/tournees/1", "/tournees/1/preparer")
    assert (nobody.status_code, "Cochez au moins une personne qui roule." in main_text(nobody)) == (422, True)
    nothing = press(client, "/tournees/1", "/tournees/1/preparer", vehicle="1")
    assert (nothing.status_code, "Aucune livraison payée" in main_text(nothing)) == (422, True)


def test_a_courier_walks_the_line_to_its_end(
    hall: Hall, riding: District, signed_in: SignedIn, clock: FixedClock
) -> None:
    client = signed_in(riding.courier_ids[0])
    with hall.database.reading() as session:
        shops = stops_of(session, riding.courier_ids[0], "shop")
        homes = stops_of(session, riding.courier_ids[0], "home")
        bookings = {booking.id: booking for booking in session.scalars(select(Booking))}
        parcels = {stop.id: parcel_ids_at(session, stop.id) for stop in shops}
    for stop in shops:
        page = main_text(client.get("/ma-tournee"))
        assert f"Arrêt {stop.position} sur 4" in page
        ticked = [str(parcel_id) for parcel_id in parcels[stop.id]]
        assert press(client, "/ma-tournee", f"/ma-tournee/arret/{stop.id}/collecte", parcel=ticked).status_code == 303
    for stop in homes:
        assert stop.booking_id is not None
        booking = bookings[stop.booking_id]
        page = main_text(client.get("/ma-tournee"))
        assert booking.recipient in page and booking.street in page
        assert booking.handover_code not in client.get("/ma-tournee").text, "the courier has to ask for it"
        fields = {"is_adult": "yes"} if booking.needs_age_check else {}
        done = press(
            client,
            "/ma-tournee",
            f"/ma-tournee/arret/{stop.id}/remise",
            code=f" {booking.handover_code[:2]} {booking.handover_code[2:]}",
            **fields,
        )
        assert done.status_code == 303
    assert "Tout est fait, merci !" in main_text(client.get("/ma-tournee"))
    with hall.database.reading() as session:
        assert session.get_one(Round, 1).state == "done"


def test_the_coordinator_finds_whom_to_call_when_a_door_stays_shut(
    hall: Hall, riding: District, signed_in: SignedIn
) -> None:
    coordinator, courier = signed_in(riding.coordinator_id), signed_in(riding.courier_ids[0])
    with hall.database.reading() as session:
        shops = [
            (stop.id, parcel_ids_at(session, stop.id)) for stop in stops_of(session, riding.courier_ids[0], "shop")
        ]
        homes = stops_of(session, riding.courier_ids[0], "home")
    for stop_id, parcels in shops:
        press(courier, "/ma-tournee", f"/ma-tournee/arret/{stop_id}/collecte", parcel=[str(p) for p in parcels])
    assert "À suivre »." in main_text(coordinator.get("/tournees/1"))
    for stop in homes:
        press(courier, "/ma-tournee", f"/ma-tournee/arret/{stop.id}/absent")
    page = LexborHTMLParser(coordinator.get("/tournees/1").text)
    followed = page.css_first("[aria-labelledby=suivi]")
    assert "Appelez ces personnes" in followed.text()
    assert [link.attributes["href"] for link in followed.css("a")] == ["tel:+33639980101"] * 2
    assert "06 39 98 01 01" in main_text(coordinator.get("/tournees/1"))
    assert "Il reste des personnes à appeler" in main_text(coordinator.get("/tournees/1"))


def test_the_coordinator_finds_whom_to_call_when_a_parcel_is_missing(
    hall: Hall, riding: District, signed_in: SignedIn
) -> None:
    press(signed_in(riding.courier_ids[0]), "/ma-tournee", "/ma-tournee/arret/1/collecte", without_rest="1")
    page = LexborHTMLParser(signed_in(riding.coordinator_id).get("/tournees/1").text)
    followed = page.css_first("[aria-labelledby=suivi]")
    assert "manque" in followed.text()
    assert {link.attributes["href"] for link in followed.css("a")} == {"tel:+33639980101"}


def test_the_two_rounds_of_a_day_have_names_of_their_own(hall: Hall, riding: District, signed_in: SignedIn) -> None:
    client = signed_in(riding.coordinator_id)
    name = "samedi 28 novembre, 17 h à 20 h"
    assert name in main_text(client.get("/tournees"))
    assert f"Tournée du {name}" in main_text(client.get("/tournees/1"))
    assert f"Amine Roux, {name}" in main_text(client.get("/tournees/1/feuille"))
    title = LexborHTMLParser(client.get("/tournees/1").text).css_first("title").text()
    assert title.replace("\u00a0", " ").startswith(f"Tournée du {name}")


def test_the_paper_has_a_line_to_sign_for_each_home_that_is_ahead(
    hall: Hall, riding: District, signed_in: SignedIn
) -> None:
    sheet = LexborHTMLParser(signed_in(riding.coordinator_id).get("/tournees/1/feuille").text)
    assert len(sheet.css(".sign-line")) == 2
    assert "639980101" not in sheet.css_first("main").text(), "paper gets lost: the help's number is on it, no other"


def test_the_way_in_is_gone_from_the_phone_once_somebody_has_been_there(
    hall: Hall, riding: District, signed_in: SignedIn
) -> None:
    client = signed_in(riding.courier_ids[0])
    with hall.database.reading() as session:
        shops = [
            (stop.id, parcel_ids_at(session, stop.id)) for stop in stops_of(session, riding.courier_ids[0], "shop")
        ]
        mine = session.scalars(select(Booking).where(Booking.recipient == "Jeanne M.")).one()
        home = session.scalars(select(Stop).where(Stop.booking_id == mine.id)).one()
    for stop_id, parcels in shops:
        press(client, "/ma-tournee", f"/ma-tournee/arret/{stop_id}/collecte", parcel=[str(p) for p in parcels])
    page = f"/ma-tournee/arret/{home.id}"
    assert "Portail vert" in main_text(client.get(page))
    press(client, page, f"{page}/absent")
    assert "Portail vert" in main_text(client.get(page)), "who may ring once more needs it once more"
    press(client, page, f"{page}/encore")
    press(client, page, f"{page}/remise", code=mine.handover_code)
    assert "Portail vert" not in main_text(client.get(page))


def test_an_unticked_parcel_keeps_what_was_ticked_and_asks_once_more(
    riding: District, signed_in: SignedIn, hall: Hall
) -> None:
    client = signed_in(riding.courier_ids[0])
    with hall.database.reading() as session:
        stop = next(
            s for s in stops_of(session, riding.courier_ids[0], "shop") if len(parcel_ids_at(session, s.id)) == 2
        )
        first, second = sorted(parcel_ids_at(session, stop.id))
    action = f"/ma-tournee/arret/{stop.id}/collecte"
    refused = press(client, "/ma-tournee", action, parcel=str(first))
    assert refused.status_code == 422
    page = LexborHTMLParser(refused.text)
    boxes = {box.attributes["value"]: "checked" in box.attributes for box in page.css("[name=parcel]")}
    assert boxes == {str(first): True, str(second): False}
    assert page.css_first("[name=without_rest]") is not None
    assert press(client, "/ma-tournee", action, parcel=str(first), without_rest="1").status_code == 303
    assert "Colis pris en partie" in main_text(client.get(f"/ma-tournee/arret/{stop.id}"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"code": "12"}, "Écrivez les quatre chiffres que la personne vous montre."),
        ({"code": "１２３４"}, "Écrivez les quatre chiffres que la personne vous montre."),
        ({"code": "12345"}, "Écrivez les quatre chiffres que la personne vous montre."),
        ({"receiver": "x" * 81}, "Raccourcissez « Nom de la personne qui reçoit »."),
        ({"receiver": "Paul\x00"}, "Retirez les signes invisibles"),
        ({}, "Écrivez les quatre chiffres, ou le nom de la personne qui reçoit."),
        ({"code": "1234", "surprise": "1"}, "Ce champ n’est pas attendu ici."),
    ],
)
def test_a_proof_that_cannot_be_one_is_said_at_the_field_and_kept(
    hall: Hall,
    district: District,
    clock: FixedClock,
    signed_in: SignedIn,
    fields: dict[str, str],
    said: str,
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock)
    hand_out_round(hall, district, 1)
    client = signed_in(district.courier_ids[0])
    press(client, "/ma-tournee", "/ma-tournee/arret/1/collecte", parcel="1")
    refused = press(client, "/ma-tournee", "/ma-tournee/arret/2/remise", **fields)
    assert refused.status_code == 422
    assert said in main_text(refused)
    kept = LexborHTMLParser(refused.text).css_first("#code").attributes["value"]
    assert kept == fields.get("code", "")


def test_the_courier_sees_no_price_no_content_and_no_mail(riding: District, signed_in: SignedIn) -> None:
    client = signed_in(riding.courier_ids[0])
    for path in ("/ma-tournee", "/ma-tournee/arret/1", "/ma-tournee/arret/3"):
        text = main_text(client.get(path))
        assert "€" not in text and "@" not in text


def test_the_phone_shows_a_call_button_and_a_plan_of_its_own(riding: District, signed_in: SignedIn) -> None:
    page = LexborHTMLParser(signed_in(riding.courier_ids[0]).get("/ma-tournee/arret/3").text).css_first("main")
    links = [link.attributes["href"] or "" for link in page.css("a.button")]
    assert any(link.startswith("geo:45.") for link in links)
    assert "tel:+33639980101" in links
    assert "639980101" not in page.text()


# --- The resident ----------------------------------------------------------------------------------------------


def test_a_resident_sees_their_own_bead_and_no_other(
    hall: Hall, district: District, clock: FixedClock, app: Flask, signed_in: SignedIn
) -> None:
    with hall.database.transaction() as session:
        mine = book(session, district, "10000001", clock, home=0)
        book(session, district, "10000002", clock, home=1, shops=(1,))
    link = f"/suivre/{mine.token}"
    visitor = app.test_client()
    page = visitor.get(link)
    assert page.headers["Cache-Control"] == "no-store"
    before = main_text(page)
    assert "samedi 28 novembre, entre 17 h et 19 h" in before
    assert "Place réservée" in before and f"{mine.handover_code[:2]} {mine.handover_code[2:]}" in before
    hand_out_round(hall, district, 1)
    coming = main_text(visitor.get(link))
    assert "Votre arrêt est le" in coming and "vers 1" in coming
    assert "Le livreur passe d’abord dans" in coming
    assert "En route" not in coming and "la prochaine livraison" not in coming
    assert "Karim" not in coming and "Bordeaux" not in coming
    courier = signed_in(district.courier_ids[0])
    with hall.database.reading() as session:
        home = session.scalars(select(Stop).where(Stop.booking_id == mine.id)).one()
        shops = [(stop.id, parcel_ids_at(session, stop.id)) for stop in stops_of(session, 2, "shop")]
    for stop_id, parcels in shops:
        press(courier, "/ma-tournee", f"/ma-tournee/arret/{stop_id}/collecte", parcel=[str(p) for p in parcels])
    loaded = main_text(visitor.get(link))
    assert "En route" in loaded and "passe d’abord" not in loaded
    press(courier, "/ma-tournee", f"/ma-tournee/arret/{home.id}/remise", receiver="Paul Lambert")
    after = main_text(visitor.get(link))
    assert "Remise" in after and "à Paul Lambert" in after
    assert mine.handover_code not in after.replace(" ", "")


def test_an_unpaid_place_and_one_given_back_have_no_page(
    hall: Hall, district: District, clock: FixedClock, app: Flask
) -> None:
    with hall.database.transaction() as session:
        held = book(session, district, "10000001", clock, paid=False)
        given_back = book(session, district, "10000002", clock)
        release_place(session, reference="10000002")
    for booking in (held, given_back):
        assert app.test_client().get(f"/suivre/{booking.token}").status_code == 404
