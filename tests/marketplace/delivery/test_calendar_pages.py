"""The coordinator's calendar: a rule is looked at, kept, changed, paused; refusals stand at their fields."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from marketplace.delivery.models import Round, RoundRule
from marketplace.hall import Hall
from tests.marketplace.delivery.conftest import SignedIn
from tests.marketplace.delivery.district import RULE_FORM, District
from tests.marketplace.delivery.test_round_pages import main_text, press

HOME = "/tournees/calendrier"


def _send(client: FlaskClient, url: str, page: str, **changed: str | list[str]) -> TestResponse:
    return press(client, page, url, **{**RULE_FORM, "key": "k", **changed})


@pytest.fixture
def desk(district: District, signed_in: SignedIn) -> FlaskClient:
    return signed_in(district.coordinator_id)


def test_a_rule_is_looked_at_then_kept_and_its_rounds_are_open(
    hall: Hall, district: District, desk: FlaskClient
) -> None:
    assert "Aucune règle" in main_text(desk.get(HOME))
    new = f"{HOME}/nouvelle"
    add = f"{new}/{district.zone_id}"
    look = _send(desk, add, new, step="look", weekday=["4"], on_holidays="eve")
    said = main_text(look)
    assert "jeudi 24 décembre" in said and "Rien n’est encore enregistré." in said
    assert "la tournée roule la veille : vendredi 25 décembre, vendredi 1er janvier." in said
    assert 'value="4" checked' in look.text
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(RoundRule)) == 0
    assert _send(desk, add, new, weekday=["1", "4"]).location == HOME
    listed = main_text(desk.get(HOME))
    assert "La règle est enregistrée. 6 tournées s’ouvrent." in listed
    assert "Chaque semaine : mardi et vendredi." in listed
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Round)) == 7
    assert _send(desk, add, new, weekday=["1", "4"]).location == HOME
    assert desk.get(HOME).text.count("<article") == 1


def test_a_rule_is_changed_paused_and_goes_on(hall: Hall, district: District, desk: FlaskClient) -> None:
    new = f"{HOME}/nouvelle"
    _send(desk, f"{new}/{district.zone_id}", new)
    with hall.database.reading() as session:
        rule_id = session.scalars(select(RoundRule.id)).one()
    page = f"{HOME}/{rule_id}"
    shown = desk.get(page).text
    assert 'name="rule_name" type="text"' in shown and 'value="Le midi"' in shown and 'value="1" checked' in shown
    assert _send(desk, page, page, rule_name="Le midi d’hiver", window_1_places="3").location == HOME
    listed = main_text(desk.get(HOME))
    assert "3 tournées changent d’heures." in listed and "Le midi d’hiver" in listed
    press(desk, HOME, f"{page}/suspendre")
    assert "Suspendue" in main_text(desk.get(HOME))
    press(desk, HOME, f"{page}/reprendre")
    assert "En cours" in main_text(desk.get(HOME))
    assert desk.get(f"{HOME}/99").status_code == 404
    assert press(desk, HOME, f"{HOME}/99/suspendre").status_code == 404


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weekday": []}, "Cochez au moins un jour."),
        ({"pattern": "monthly"}, "Cochez au moins un rang, par exemple premier."),
        ({"pattern": "dates"}, "Écrivez au moins une date, par exemple 13/12/2026."),
        ({"pattern": "dates", "dates": "13/12/2026, demain"}, "Écrivez des jours du calendrier, un par ligne"),
        ({"pattern": "dates", "dates": "13/12/2020"}, "cette règle n’a aucune tournée dans l’année qui vient"),
        ({"except_on": "\n".join(["13/12/2026"] * 61)}, "Écrivez soixante jours au plus"),
        ({"last_on": "2026-11-01"}, "Choisissez un dernier jour après le premier."),
        ({"first_on": "9999-06-01"}, "Écrivez un jour du calendrier"),
        ({"ahead_days": "91"}, "Écrivez un nombre de jours, de 1 à 90."),
        ({"every_weeks": "9"}, "Écrivez un nombre de 1 à 8."),
        ({"weekday": ["7"]}, "weekday"),
        ({"back_by": "12:00"}, "Choisissez une heure de retour après la fin"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    hall: Hall, district: District, desk: FlaskClient, changed: dict[str, str | list[str]], said: str
) -> None:
    new = f"{HOME}/nouvelle"
    refused = _send(desk, f"{new}/{district.zone_id}", new, **changed)
    assert refused.status_code == 422
    assert said in refused.text.replace("\xa0", " ")
    assert 'value="Le midi"' in refused.text
