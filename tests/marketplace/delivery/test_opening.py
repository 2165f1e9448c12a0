"""New rounds: opened on several days at once, once, or not at all; and taken back while nobody is on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from threading import Barrier

import pytest
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from marketplace.clock import FixedClock
from marketplace.delivery.bookings import CutOffPassed, release_place, slots_of
from marketplace.delivery.models import Round, RoundEvent, Slot, Zone
from marketplace.delivery.opening import get_opening_page
from marketplace.delivery.rounds import RoundBooked, RoundsRefused, close_round, open_timetable, withdraw_round
from marketplace.delivery.rules import Load
from marketplace.delivery.schemas import OpenRoundsForm
from marketplace.delivery.timetable import FIRST_TIMETABLE, Fault, Timetable, Window
from marketplace.errors import NotFound
from marketplace.hall import Hall
from marketplace.money import Money
from tests.marketplace.delivery.conftest import SignedIn
from tests.marketplace.delivery.district import NOON_FORM, NOW, District, book
from tests.marketplace.delivery.test_round_pages import main_text, press

SUNDAY, MONDAY = date(2026, 11, 29), date(2026, 11, 30)

NOON = Timetable(
    cut_off=time(18),
    is_cut_off_on_eve=True,
    collect_from=time(11),
    collect_until=time(12, 30),
    back_by=time(15),
    windows=(Window(1, time(12, 30), time(14, 30), 8),),
    capacity=Load(80_000, 300_000, 60_000),
)


def open_noon(hall: Hall, district: District, *days: date, key: str = "k1", timetable: Timetable = NOON) -> list[int]:
    with hall.database.transaction() as session:
        return list(
            open_timetable(
                session,
                zone_id=district.zone_id,
                days=days,
                timetable=timetable,
                form_key=key,
                actor="user:1",
                now=hall.clock.now(),
            )
        )


def rounds_qty(hall: Hall) -> int:
    with hall.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Round)) or 0


# --- The use case ----------------------------------------------------------------------------------------------


def test_one_timetable_opens_on_several_days_with_its_windows_and_its_room(hall: Hall, district: District) -> None:
    ids = open_noon(hall, district, SUNDAY, MONDAY)
    with hall.database.reading() as session:
        rounds = [session.get_one(Round, round_id) for round_id in ids]
        assert [(r.on_date, r.state) for r in rounds] == [(SUNDAY, "open"), (MONDAY, "open")]
        assert rounds[0].cut_off_at == datetime(2026, 11, 28, 17, 0, tzinfo=UTC)
        assert rounds[0].collect_from_at == datetime(2026, 11, 29, 10, 0, tzinfo=UTC)
        assert rounds[0].back_by_at == datetime(2026, 11, 29, 14, 0, tzinfo=UTC)
        assert (rounds[0].capacity_grams, rounds[0].capacity_ml, rounds[0].capacity_cold_ml) == (
            80_000,
            300_000,
            60_000,
        )
        offered = [slot for slot in slots_of(session, zone_id=district.zone_id, now=NOW) if slot.places_left == 8]
        assert len(offered) == 2
        actors = session.scalars(select(RoundEvent.actor).where(RoundEvent.round_id.in_(ids))).all()
        assert actors == ["user:1", "user:1"]


def test_the_same_form_sent_twice_opens_once(hall: Hall, district: District) -> None:
    first = open_noon(hall, district, SUNDAY, MONDAY)
    assert open_noon(hall, district, SUNDAY, MONDAY) == first
    assert rounds_qty(hall) == 3


def test_the_same_form_with_one_more_day_opens_that_day(hall: Hall, district: District) -> None:
    first = open_noon(hall, district, SUNDAY)
    assert open_noon(hall, district, SUNDAY, MONDAY)[0] == first[0]
    assert rounds_qty(hall) == 3


@pytest.mark.parametrize(("key", "places"), [("k2", 8), ("", 8), ("k1", 9)])
def test_another_round_at_the_same_collecting_time_is_refused_whole(
    hall: Hall, district: District, key: str, places: int
) -> None:
    open_noon(hall, district, MONDAY)
    other = Timetable(
        **{**{f: getattr(NOON, f) for f in NOON.__slots__}, "windows": (Window(1, time(12, 30), time(14, 30), places),)}
    )
    with pytest.raises(RoundsRefused) as refused:
        open_noon(hall, district, SUNDAY, MONDAY, key=key, timetable=other)
    assert refused.value.faults == (Fault("day", "round_stands", MONDAY),)
    assert rounds_qty(hall) == 2


def test_one_bad_day_opens_none(hall: Hall, district: District) -> None:
    with pytest.raises(RoundsRefused) as refused:
        open_noon(hall, district, SUNDAY, date(2026, 11, 28))
    assert refused.value.faults == (Fault("day", "day_past_cut_off", date(2026, 11, 28)),)
    assert rounds_qty(hall) == 1


def test_a_zone_that_is_not_there_is_not_found(hall: Hall, district: District) -> None:
    with pytest.raises(NotFound), hall.database.transaction() as session:
        open_timetable(
            session, zone_id=99, days=[SUNDAY], timetable=NOON, form_key="k", actor="user:1", now=hall.clock.now()
        )


@pytest.mark.parametrize("keys", [("k1", "k1"), ("k1", "k2")])
def test_two_who_open_at_once_open_one_round(hall: Hall, district: District, keys: tuple[str, str]) -> None:
    barrier = Barrier(2)

    def open_at_once(key: str) -> object:
        barrier.wait()
        try:
            return open_noon(hall, district, SUNDAY, key=key)
        except RoundsRefused as refused:
            return refused.faults[0].code

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(open_at_once, keys))
    assert rounds_qty(hall) == 2
    if keys[0] == keys[1]:
        assert found[0] == found[1]
    else:
        assert "round_stands" in found


def test_the_form_begins_with_the_zones_last_hours_and_says_which_days_have_a_round(
    hall: Hall, district: District
) -> None:
    open_noon(hall, district, MONDAY)
    with hall.database.reading() as session:
        page = get_opening_page(session, zone_id=None, like_id=None, now=NOW)
        like = get_opening_page(session, zone_id=None, like_id=district.round_id, now=NOW)
    assert page.model is not None
    assert (page.timetable, page.model.on_date) == (NOON, MONDAY)
    assert like.timetable.collect_from == time(16)
    assert [window.places_qty for window in like.timetable.windows] == [6, 6]
    assert [choice.day.day for choice in page.days] == [28, 29, 30, *range(1, 12)]
    assert page.days[2].collecting_at == (datetime(2026, 11, 30, 10, 0, tzinfo=UTC),)
    assert page.days[1].collecting_at == ()
    assert page.fleet == Load(140_000, 600_000, 120_000)


def test_a_new_zone_begins_with_a_proposal(hall: Hall, district: District) -> None:
    with hall.database.transaction() as session:
        zone = Zone(
            key="basse-ville", name="Basse ville", postcodes=["16000"], hub_name="Gare", hub_lat=45.65,
            hub_lon=0.16, radius_m=4000, fee=Money(450),
        )  # fmt: skip
        session.add(zone)
        session.flush()
        page = get_opening_page(session, zone_id=zone.id, like_id=None, now=NOW)
        assert [choice.name for choice in page.zones] == ["Basse ville", "Plateau"]
        with pytest.raises(NotFound):
            get_opening_page(session, zone_id=99, like_id=None, now=NOW)
        with pytest.raises(NotFound):
            get_opening_page(session, zone_id=None, like_id=99, now=NOW)
    assert (page.timetable, page.model) == (FIRST_TIMETABLE, None)


# --- Taken back ------------------------------------------------------------------------------------------------


def test_an_empty_round_is_taken_back_and_another_may_stand_at_its_hour(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    (round_id,) = open_noon(hall, district, MONDAY)
    with hall.database.transaction() as session:
        assert withdraw_round(session, round_id=round_id, actor="user:1", now=NOW)
        assert not withdraw_round(session, round_id=round_id, actor="user:1", now=NOW)
    with hall.database.reading() as session:
        assert len(slots_of(session, zone_id=district.zone_id, now=NOW)) == 2
        events = session.scalars(select(RoundEvent.event).where(RoundEvent.round_id == round_id)).all()
        assert events == ["open", "withdraw"]
    assert open_noon(hall, district, MONDAY) != [round_id]


def test_a_round_with_a_place_on_it_is_not_taken_back_until_the_place_is_free(
    hall: Hall, district: District, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock, paid=False)
    with pytest.raises(RoundBooked), hall.database.transaction() as session:
        withdraw_round(session, round_id=district.round_id, actor="user:1", now=NOW)
    with hall.database.transaction() as session:
        assert release_place(session, reference="10000001")
        assert withdraw_round(session, round_id=district.round_id, actor="user:1", now=NOW)
        with pytest.raises(CutOffPassed):
            book(session, district, "10000002", clock)


# --- The page --------------------------------------------------------------------------------------------------


def send(client: FlaskClient, page: str = "/tournees/ouvrir", **changed: object) -> TestResponse:
    """The form as the page gave it, with these answers."""
    key = LexborHTMLParser(client.get(page).text).css_first("[name=key]").attributes["value"]
    return press(client, page, "/tournees/ouvrir/1", **{**NOON_FORM, "key": key, **changed})


def test_a_coordinator_opens_rounds_and_takes_one_back(hall: Hall, district: District, signed_in: SignedIn) -> None:
    client = signed_in(district.coordinator_id)
    assert 'href="/tournees/ouvrir"' in client.get("/tournees").text
    several = send(client, day=["2026-11-29", "2026-11-30"], other_day="2026-12-24")
    assert (several.status_code, several.location) == (303, "/tournees")
    text = main_text(client.get("/tournees"))
    assert "C’est ouvert : 3 tournées prennent les commandes." in text
    assert "jeudi 24 décembre, 12 h 30 à 14 h 30" in text
    one = send(client, day="2026-12-01")
    assert (one.status_code, one.location) == (303, "/tournees/5")
    page = main_text(client.get("/tournees/5"))
    assert "C’est ouvert : 1 tournée prend les commandes." in page
    assert "Retirer cette tournée" in page
    gone = press(client, "/tournees/5", "/tournees/5/retirer")
    assert (gone.status_code, gone.location) == (303, "/tournees")
    text = main_text(client.get("/tournees"))
    assert "La tournée est retirée" in text
    assert "mardi 1er décembre" not in text
    assert "Cette tournée n’a pas lieu" in main_text(client.get("/tournees/5"))


def test_a_town_without_rounds_says_how_to_begin(hall: Hall, district: District, signed_in: SignedIn) -> None:
    client = signed_in(district.coordinator_id)
    press(client, "/tournees/1", "/tournees/1/retirer")
    page = client.get("/tournees")
    assert "Ouvrez-en une" in main_text(page)
    assert 'href="/tournees/ouvrir"' in page.text


def test_a_round_that_somebody_booked_meanwhile_stays(
    hall: Hall, district: District, clock: FixedClock, signed_in: SignedIn
) -> None:
    client = signed_in(district.coordinator_id)
    page = client.get("/tournees/1").text
    token = LexborHTMLParser(page).css_first("[name=csrf_token]").attributes["value"]
    with hall.database.transaction() as session:
        book(session, district, "10000001", clock)
    answer = client.post("/tournees/1/retirer", data={"csrf_token": token})
    assert (answer.status_code, answer.location) == (303, "/tournees/1")
    text = main_text(client.get("/tournees/1"))
    assert "Quelqu’un a une place dans cette tournée." in text
    assert "Retirer cette tournée" not in text


def test_a_second_press_opens_nothing_more(hall: Hall, district: District, signed_in: SignedIn) -> None:
    client = signed_in(district.coordinator_id)
    assert [send(client, day="2026-11-30", key="same").status_code for _ in range(2)] == [303, 303]
    assert rounds_qty(hall) == 2


REFUSED: list[tuple[dict[str, object], str, str]] = [
    ({}, "day", "Cochez au moins un jour."),
    ({"day": "2026-11-27"}, "day", "vendredi 27 novembre est passé."),
    ({"day": "2026-11-28"}, "day", "Décochez samedi 28 novembre : l’heure limite des commandes y est déjà passée."),
    ({"other_day": "2020-01-01"}, "other_day", "est passé."),
    ({"other_day": "2036-01-01"}, "other_day", "Choisissez un jour plus proche"),
    ({"other_day": "31/02/2027"}, "other_day", "Écrivez un jour du calendrier"),
    ({"day": "2026-11-31"}, "day", "Choisissez une des réponses proposées."),
    ({"day": ["2026-11-30"] * 61}, "day", "Choisissez une des réponses proposées."),
    ({"day": "2026-11-28", "collect_from": "16:00", "collect_until": "17:00", "cut_off": "15:00",
      "cut_off_on": "day", "window_1_from": "17:00", "window_1_until": "19:00", "back_by": "20:00"},
     "day", "Décochez samedi 28 novembre : une tournée commence déjà à cette heure."),
    ({"day": "2026-11-30", "cut_off_on": "day"}, "cut_off", "Choisissez une heure limite avant le début"),
    ({"day": "2026-11-30", "cut_off": "25:00"}, "cut_off", "Écrivez une heure de la journée"),
    ({"day": "2026-11-30", "cut_off": ""}, "cut_off", "Remplissez « Heure limite des commandes »."),
    ({"day": "2026-11-30", "cut_off_on": "x"}, "cut_off_on", "Choisissez une des réponses"),
    ({"day": "2026-11-30", "collect_until": "10:00"}, "collect_until", "Choisissez une fin de collecte"),
    ({"day": "2026-11-30", "window_1_from": "", "window_1_until": "", "window_1_places": ""},
     "window_1_from", "Écrivez au moins un créneau"),
    ({"day": "2026-11-30", "window_1_until": "12:00"}, "window_1_until", "Choisissez une fin de créneau"),
    ({"day": "2026-11-30", "window_1_from": "10:00"}, "window_1_from", "Choisissez un début de créneau"),
    ({"day": "2026-11-30", "window_2_from": "13:00", "window_2_until": "14:00", "window_2_places": "3"},
     "window_2_from", "se recouvrent en entier"),
    ({"day": "2026-11-30", "window_3_from": "13:00"}, "window_3_places", "Remplissez « Places du créneau 3 »."),
    ({"day": "2026-11-30", "back_by": "14:29"}, "back_by", "Choisissez une heure de retour"),
    ({"day": "2026-11-30", "window_1_places": "0"}, "window_1_places", "Écrivez entre 1 et 300 places."),
    ({"day": "2026-11-30", "window_1_places": "１"}, "window_1_places", "Écrivez entre 1 et 300 places."),
    ({"day": "2026-11-30", "kilograms": "1000000000"}, "kilograms", "Écrivez entre 1 et 5 000 kilos."),
    ({"day": "2026-11-30", "kilograms": "1.5"}, "kilograms", "Écrivez entre 1 et 5 000 kilos."),
    ({"day": "2026-11-30", "litres": "-1"}, "litres", "Écrivez entre 1 et 20 000 litres."),
    ({"day": "2026-11-30", "cold_litres": "301"}, "cold_litres", "Écrivez un froid plus petit"),
    ({"other_day": "2027-03-28", "collect_from": "02:30", "collect_until": "04:00"},
     "collect_from", "dimanche 28 mars, la nuit change d’heure et saute celle-ci."),
    ({"other_day": "2027-10-31", "collect_from": "02:30", "collect_until": "04:00"},
     "collect_from", "passe deux fois par celle-ci."),
    ({"day": "2026-11-30", "surprise": "1"}, "surprise", "Ce champ n’est pas attendu ici."),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "field", "said"), REFUSED)
def test_a_form_that_cannot_be_opened_says_where_and_keeps_what_was_typed(
    hall: Hall, district: District, signed_in: SignedIn, changed: dict[str, object], field: str, said: str
) -> None:
    client = signed_in(district.coordinator_id)
    answer = send(client, **changed)
    assert answer.status_code == 422
    page = LexborHTMLParser(answer.text)
    assert said in plain(page.css_first(f"#erreurs a[href='#{field}']").text())
    if field != "surprise":
        assert said in plain(page.css_first(f"#{field}-erreur").text())
    typed = {**NOON_FORM, **changed}
    for name in ("cut_off", "collect_from", "window_1_from", "window_1_places", "kilograms", "other_day"):
        value = page.css_first(f"input[name={name}]").attributes["value"] or ""
        assert value.strip() == str(typed[name]).strip()
    ticked = {box.attributes["value"] for box in page.css("[name=day][checked]")}
    assert ticked <= set(MultiDict(typed).getlist("day"))
    assert rounds_qty(hall) == 1


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_what_no_browsers_field_can_show_stands_in_a_plain_one(
    hall: Hall, district: District, signed_in: SignedIn
) -> None:
    page = LexborHTMLParser(
        send(signed_in(district.coordinator_id), cut_off="18 h", back_by="soon", other_day="24/12/2026").text
    )
    kinds = {
        name: page.css_first(f"input[name={name}]").attributes["type"] for name in (*NOON_FORM,) if "_on" not in name
    }
    assert {name for name, kind in kinds.items() if kind == "time"} == {
        "collect_from",
        "collect_until",
        "window_1_from",
        "window_1_until",
        "window_2_from",
        "window_2_until",
    }
    assert (kinds["cut_off"], kinds["back_by"], kinds["other_day"]) == ("text", "text", "text")


def test_the_form_says_which_round_or_zone_it_begins_with(hall: Hall, district: District, signed_in: SignedIn) -> None:
    client = signed_in(district.coordinator_id)
    text = main_text(client.get("/tournees/ouvrir?comme=1"))
    assert "Ouvrir une tournée aux heures du samedi 28 novembre, 17 h à 20 h" in text
    with hall.database.transaction() as session:
        session.add(
            Zone(
                key="basse-ville", name="Basse ville", postcodes=["16000"], hub_name="Gare", hub_lat=45.65,
                hub_lon=0.16, radius_m=4000, fee=Money(450),
            )
        )  # fmt: skip
    assert "Ouvrir une tournée, Basse ville" in main_text(client.get("/tournees/ouvrir?zone=2"))
    assert "C’est la première tournée ici" in main_text(client.get("/tournees/ouvrir?zone=2"))
    assert "samedi 28 novembre, 17 h à 20 h, Plateau" in main_text(client.get("/tournees"))


def test_hours_and_days_are_understood_as_people_type_them() -> None:
    read: Callable[[dict[str, object]], dict[str, object]] = OpenRoundsForm().load
    form = {name: value for name, value in NOON_FORM.items() if value.strip()}
    typed = read({**form, "cut_off": "18 h", "collect_from": "11h00", "back_by": "15.00", "other_day": "24/12/2026"})
    assert (typed["cut_off"], typed["collect_from"], typed["back_by"]) == (time(18), time(11), time(15))
    assert typed["other_day"] == date(2026, 12, 24)
    assert read({**form, "day": ["2026-12-24"], "cut_off": "07:05:00"})["cut_off"] == time(7, 5)


@pytest.mark.parametrize("path", ["/tournees/ouvrir?zone=99", "/tournees/ouvrir?comme=99", "/tournees/ouvrir?zone=x"])
def test_a_form_for_what_does_not_exist_is_not_found(
    hall: Hall, district: District, signed_in: SignedIn, path: str
) -> None:
    client = signed_in(district.coordinator_id)
    assert client.get(path).status_code == 404
    assert client.get("/tournees/ouvrir?zone=1&utm=x").status_code == 200
    assert press(client, "/tournees/ouvrir", "/tournees/ouvrir/99", **NOON_FORM, day="2026-11-30").status_code == 404


def test_closed_rounds_are_not_taken_back(hall: Hall, district: District, signed_in: SignedIn) -> None:
    client = signed_in(district.coordinator_id)
    with hall.database.transaction() as session:
        close_round(session, round_id=district.round_id, actor="user:1", now=NOW)
    answer = press(client, "/tournees/ouvrir", "/tournees/1/retirer")
    assert (answer.status_code, answer.location) == (303, "/tournees/1")
    assert "La tournée a changé entre-temps" in main_text(client.get("/tournees/1"))
    with hall.database.reading() as session:
        assert session.get_one(Round, 1).state == "closed"
        assert session.scalar(select(func.count()).select_from(Slot)) == 2
