"""The demo's world outside, through the hall's own doors: geopy and smtplib over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from geopy.geocoders import BANFrance

from demo.townsfolk.letterbox import Letterbox
from demo.townsfolk.server import Townsfolk
from marketplace.errors import GatewayError
from marketplace.geo import FoundAddress, Geocoder, distance_m
from marketplace.mail import Letter, Mailer


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    return tmp_path / "letters.sqlite"


@pytest.fixture
def townsfolk(letters: Path) -> Iterator[Townsfolk]:
    running = Townsfolk(letters=letters, http_port=0, smtp_port=0)
    thread = threading.Thread(target=running.serve)
    thread.start()
    yield running
    running.shutdown()
    thread.join()


@pytest.fixture
def geocoder(townsfolk: Townsfolk) -> Geocoder:
    return Geocoder(scheme="http", domain=f"{townsfolk.url.removeprefix('http://')}/geocodage")


@pytest.fixture
def mailer(townsfolk: Townsfolk) -> Mailer:
    return Mailer(host="127.0.0.1", port=townsfolk.smtp_port, sender="Les Halles <bonjour@halles.example.org>")


LETTER = Letter(
    key="order:confirmed:17",
    to="josiane@example.org",
    subject="Votre commande est confirmée",
    text="Bonjour,\nvoici votre commande : http://127.0.0.1:5000/commandes/AB12\n",
    html="<html><head><title>x</title></head><body><p>Bonjour <script>alert(1)</script></p></body></html>",
)


def box(townsfolk: Townsfolk, **params: str) -> list[dict[str, object]]:
    items: list[dict[str, object]] = get(townsfolk, "/boite.json", **params).json()["items"]
    return items


def get(townsfolk: Townsfolk, path: str, **params: str) -> requests.Response:
    return requests.get(townsfolk.url + path, params=params, timeout=10)


def labels(found: list[FoundAddress]) -> list[str]:
    return [one.label for one in found]


def test_an_address_of_the_town_is_found_and_believed(geocoder: Geocoder) -> None:
    [best, *_] = geocoder.find("14 rue Hergé", "16000", "Angoulême")
    assert best.label == "14 Rue Hergé 16000 Angoulême"
    assert (best.street, best.postcode, best.city) == ("14 Rue Hergé", "16000", "Angoulême")
    assert (best.lat, best.lon) == pytest.approx((45.648858, 0.158446), abs=1e-6)
    assert (best.score, best.precision, best.is_sure) == (0.97, "housenumber", True)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("14 rue herge", "14 Rue Hergé 16000 Angoulême"),
        ("14, r. Hergé", "14 Rue Hergé 16000 Angoulême"),
        ("Rue Hergé 14", "14 Rue Hergé 16000 Angoulême"),
        ("Appt 3, 14 rue Hergé", "14 Rue Hergé 16000 Angoulême"),
        ("0012 bis RUE DE PERIGEUX", "12bis Rue de Périgueux 16000 Angoulême"),
        ("3 bd Denfert Rochereau", "3 Boulevard Denfert-Rochereau 16000 Angoulême"),
        ("8 pl st martial", "8 Place Saint-Martial 16000 Angoulême"),
        ("5 av. du Mal de Lattre de Tassigny", "5 Avenue du Maréchal-de-Lattre-de-Tassigny 16000 Angoulême"),
    ],
)
def test_accents_abbreviations_and_slips_do_not_matter(geocoder: Geocoder, typed: str, meant: str) -> None:
    assert labels(geocoder.find(typed, "16000", "Angouleme Cedex"))[0] == meant


def test_a_street_of_two_communes_gives_both(geocoder: Geocoder) -> None:
    found = geocoder.find("12 rue Jean Jaurès", "", "")
    assert labels(found)[:2] == ["12 Rue Jean-Jaurès 16800 Soyaux", "12 Rue Jean-Jaurès 16160 Gond-Pontouvre"]
    assert found[0].score == found[1].score == 0.87


def test_the_named_commune_comes_first(geocoder: Geocoder) -> None:
    found = geocoder.find("12 rue Jean Jaurès", "16160", "Gond Pontouvre")
    assert labels(found)[0] == "12 Rue Jean-Jaurès 16160 Gond-Pontouvre"
    assert [one.is_sure for one in found] == [True, False]


def test_a_house_beyond_the_end_of_the_street_is_only_its_street(geocoder: Geocoder) -> None:
    [best, *_] = geocoder.find("900 rue Hergé", "16000", "Angoulême")
    assert (best.label, best.precision, best.is_sure) == ("Rue Hergé 16000 Angoulême", "street", False)


@pytest.mark.parametrize(
    ("street", "postcode", "city"),
    [
        ("14 rue des Nuages", "16000", "Angoulême"),
        ("14 rue Hergé", "75001", "Paris"),
        ("x", "", "y"),
        ("🙂🙂🙂", "", ""),
        ("12 rue", "", ""),
    ],
)
def test_an_unknown_address_is_not_guessed(geocoder: Geocoder, street: str, postcode: str, city: str) -> None:
    assert geocoder.find(street, postcode, city) == []


def test_a_street_of_the_town_in_another_town_is_not_believed(geocoder: Geocoder) -> None:
    found = geocoder.find("10 rue Marengo", "16100", "Cognac")
    assert found == [] or not found[0].is_sure


def test_a_commune_is_found_by_name_and_by_postcode(geocoder: Geocoder) -> None:
    by_name = geocoder.find("", "", "l'isle d'espagnac")
    assert [(one.label, one.precision) for one in by_name] == [("L'Isle-d'Espagnac", "municipality")]
    assert labels(geocoder.find("", "16730", "")) == ["Fléac", "Linars", "Trois-Palis"]


def test_answers_have_the_national_geocoders_shape(townsfolk: Townsfolk) -> None:
    answer = get(townsfolk, "/geocodage/search", q="14 rue hergé 16000 angoulême", limit="1").json()
    assert answer == {
        "type": "FeatureCollection",
        "version": "draft",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [0.158446, 45.648858]},
                "properties": {
                    "label": "14 Rue Hergé 16000 Angoulême",
                    "score": 0.97,
                    "housenumber": "14",
                    "id": "16015_0047_00014",
                    "type": "housenumber",
                    "name": "14 Rue Hergé",
                    "postcode": "16000",
                    "citycode": "16015",
                    "city": "Angoulême",
                    "context": "16, Charente, Nouvelle-Aquitaine",
                    "importance": 0.5,
                    "street": "Rue Hergé",
                },
            }
        ],
        "attribution": "demo",
        "licence": "AGPL-3.0-or-later",
        "query": "14 rue hergé 16000 angoulême",
        "limit": 1,
    }


def test_a_point_on_the_map_has_an_address(townsfolk: Townsfolk) -> None:
    service = BANFrance(domain=f"{townsfolk.url.removeprefix('http://')}/geocodage", scheme="http")
    location = service.reverse((45.648858, 0.158446))
    assert location.address == "14 Rue Hergé 16000 Angoulême"
    assert service.reverse((48.85, 2.35)) is None


def test_a_pin_is_named_by_the_house_beside_it(geocoder: Geocoder) -> None:
    near = geocoder.near(45.64886, 0.15844)
    assert near is not None
    assert (near.label, near.precision) == ("14 Rue Hergé 16000 Angoulême", "housenumber")
    assert (near.street, near.postcode, near.city) == ("14 Rue Hergé", "16000", "Angoulême")
    assert distance_m((near.lat, near.lon), (45.64886, 0.15844)) == pytest.approx(0.5, abs=0.1)


def test_far_from_every_street_a_pin_has_no_name(geocoder: Geocoder) -> None:
    assert geocoder.near(48.85, 2.35) is None
    assert geocoder.near(-90, 180) is None


def test_a_point_answers_in_the_national_geocoders_shape(townsfolk: Townsfolk) -> None:
    answer = get(townsfolk, "/geocodage/reverse/", lat="45.64886", lon="0.15844").json()
    assert answer == {
        "type": "FeatureCollection",
        "version": "draft",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [0.158446, 45.648858]},
                "properties": {
                    "label": "14 Rue Hergé 16000 Angoulême",
                    "score": 0.999474,
                    "housenumber": "14",
                    "id": "16015_0047_00014",
                    "type": "housenumber",
                    "name": "14 Rue Hergé",
                    "postcode": "16000",
                    "citycode": "16015",
                    "city": "Angoulême",
                    "context": "16, Charente, Nouvelle-Aquitaine",
                    "importance": 0.5,
                    "street": "Rue Hergé",
                    "distance": 1,
                },
            }
        ],
        "attribution": "demo",
        "licence": "AGPL-3.0-or-later",
        "limit": 1,
    }


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/geocodage/search", {}),
        ("/geocodage/search", {"q": "ab"}),
        ("/geocodage/search", {"q": "a" * 201}),
        ("/geocodage/reverse", {"lat": "45"}),
        ("/geocodage/reverse", {"lat": "nan", "lon": "inf"}),
        ("/geocodage/reverse", {"lat": "91", "lon": "0"}),
        ("/geocodage/reverse", {"lat": "x", "lon": ""}),
    ],
)
def test_half_a_question_is_refused_in_words(townsfolk: Townsfolk, path: str, params: dict[str, str]) -> None:
    answer = get(townsfolk, path, **params)
    assert answer.status_code == 400
    assert answer.json()["code"] == 400


def test_a_letter_arrives_whole(townsfolk: Townsfolk, mailer: Mailer) -> None:
    mailer.send(LETTER)
    [letter] = box(townsfolk)
    assert letter["subject"] == "Votre commande est confirmée"
    assert letter["to"] == ["josiane@example.org"]
    assert letter["sender"] == "bonjour@halles.example.org"
    assert "voici votre commande : http://127.0.0.1:5000/commandes/AB12" in str(letter["text"])
    assert "<p>Bonjour" in str(letter["html"])
    assert letter["copies_qty"] == 1


def test_a_letter_sent_twice_is_one_letter_that_says_so(townsfolk: Townsfolk, mailer: Mailer) -> None:
    mailer.send(LETTER)
    mailer.send(LETTER)
    [letter] = box(townsfolk)
    assert letter["copies_qty"] == 2
    assert "arrivée 2 fois" in get(townsfolk, f"/boite/{letter['id']}").text


def test_letters_outlive_the_process(letters: Path, townsfolk: Townsfolk, mailer: Mailer) -> None:
    mailer.send(LETTER)
    another = Townsfolk(letters=letters, http_port=0, smtp_port=0)
    thread = threading.Thread(target=another.serve)
    thread.start()
    try:
        assert [letter["subject"] for letter in box(another)] == ["Votre commande est confirmée"]
    finally:
        another.shutdown()
        thread.join()


def test_the_box_shows_the_newest_letter_first_and_one_persons_own(townsfolk: Townsfolk, mailer: Mailer) -> None:
    for number, to in enumerate(["a@example.org", "b@example.org", "a@example.org"]):
        mailer.send(Letter(f"letter:{number}", to, f"Lettre {number}", "texte", "<p>texte</p>"))
    assert [one["subject"] for one in box(townsfolk)] == ["Lettre 2", "Lettre 1", "Lettre 0"]
    assert [one["subject"] for one in box(townsfolk, a="a@example.org")] == ["Lettre 2", "Lettre 0"]
    page = get(townsfolk, "/boite").text
    assert page.index("Lettre 2") < page.index("Lettre 1") < page.index("Lettre 0")
    assert page.count("<h1>") == 1
    assert '<html lang="fr">' in page


def test_the_box_pages_back(townsfolk: Townsfolk, letters: Path) -> None:
    for number in range(51):
        raw = f"Subject: Lettre no {number}.\n\ntexte\n".encode()
        arrived_at = datetime(2026, 11, 21, 9, 0, number, tzinfo=UTC)
        Letterbox(letters).keep(raw, sender="x@example.org", recipients=["a@example.org"], arrived_at=arrived_at)
    first = get(townsfolk, "/boite").text
    assert "Lettre no 50." in first
    assert "samedi 21 novembre 2026 à 10 h 00" in first
    assert "Lettre no 0." not in first
    assert "Lettre no 0." in get(townsfolk, "/boite", avant="2").text


def test_a_letters_html_is_shut_in(townsfolk: Townsfolk, mailer: Mailer) -> None:
    mailer.send(LETTER)
    page = get(townsfolk, "/boite/1")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    assert "<script>" not in page.text
    framed = get(townsfolk, "/boite/1/html")
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert '<head><base target="_blank">' in framed.text


def test_addresses_in_a_text_are_links(townsfolk: Townsfolk, mailer: Mailer) -> None:
    mailer.send(LETTER)
    assert 'href="http://127.0.0.1:5000/commandes/AB12"' in get(townsfolk, "/boite/1").text


def test_an_empty_box_says_how_to_begin(townsfolk: Townsfolk) -> None:
    assert "Passez une commande" in get(townsfolk, "/boite").text


@pytest.mark.parametrize("path", ["/boite/1", "/boite/99999999999999999999999", "/boite/1/html", "/boite/x"])
def test_a_letter_that_is_not_there_is_404(townsfolk: Townsfolk, path: str) -> None:
    assert get(townsfolk, path).status_code == 404


def test_a_taken_port_is_refused_at_once(townsfolk: Townsfolk, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Townsfolk(letters=tmp_path / "other.sqlite", http_port=0, smtp_port=townsfolk.smtp_port)


def test_without_townsfolk_the_hall_says_that_nobody_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = Townsfolk(letters=tmp_path / "letters.sqlite", http_port=0, smtp_port=0)
    thread = threading.Thread(target=gone.serve)
    thread.start()
    gone.shutdown()
    thread.join()
    with pytest.raises(GatewayError):
        Mailer(host="127.0.0.1", port=gone.smtp_port, sender="a@example.org").send(LETTER)
    nobody = Geocoder(scheme="http", domain=f"{gone.url.removeprefix('http://')}/geocodage")
    with pytest.raises(GatewayError) as searched:
        nobody.find("14 rue Hergé", "", "")
    with pytest.raises(GatewayError) as asked:
        nobody.near(45.64886, 0.15844)
    # Nobody's home belongs into a log, where an error's text may end as well.
    written = f"{searched.value} {asked.value} {caplog.text}"
    assert "Herg" not in written
    assert "45.64" not in written
