from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from marketplace.hall import Hall
from marketplace.web.limits import caller
from tests.walk import Town, place

SAME = {
    "203.0.113.7": "203.0.113.7",
    "::ffff:203.0.113.7": "203.0.113.7",
    "2001:db8:1:2::1": "2001:db8:1:2::/64",
    "2001:db8:1:2:ffff:ffff:ffff:ffff": "2001:db8:1:2::/64",
    "2001:db8:1:3::1": "2001:db8:1:3::/64",
    "": "",
    "unknown": "unknown",
}


@pytest.mark.parametrize("address", SAME)
def test_a_limit_counts_households(address: str) -> None:
    assert caller(address) == SAME[address]


def test_nobody_gets_more_tries_by_changing_the_address_within_a_household(client: FlaskClient, town: Town) -> None:
    def ask(address: str) -> int:
        form = {"code": "12 34 56 78", "phone_end": "0000", "csrf_token": token}
        return client.post("/ma-commande", data=form, environ_overrides={"REMOTE_ADDR": address}).status_code

    token = client.get("/aide").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    assert [ask(f"2001:db8:a:b::{n}") for n in range(1, 12)] == [422] * 10 + [429]
    assert ask("2001:db8:a:c::1") == 422


def test_the_four_digits_of_an_order_cannot_be_tried_one_after_another(
    client: FlaskClient, hall: Hall, town: Town
) -> None:
    """Its number stands on the parcel; what is left to guess are four digits, from as many places as one likes."""
    placed = place(hall.database, town, ("F1",), clock=hall.clock)
    other = place(hall.database, town, ("L1",), clock=hall.clock)
    token = client.get("/aide").text.partition('name="csrf_token" value="')[2].partition('"')[0]

    def ask(number: int, code: str, digits: str) -> TestResponse:
        form = {"code": code, "phone_end": digits, "csrf_token": token}
        return client.post("/ma-commande", data=form, environ_overrides={"REMOTE_ADDR": f"203.0.113.{number}"})

    for number in range(10):
        assert ask(number, placed.code, f"000{number}").status_code == 422
    answer = ask(10, " ".join(placed.code), "1234")
    assert (answer.status_code, answer.headers["Retry-After"].isdigit()) == (429, True)
    assert "Réessayez dans une heure" in answer.text
    assert ask(11, other.code, "1234").location == f"/commande/{other.code}/{other.token}"
    assert [ask(12 + number, "12345678", "1234").status_code for number in range(12)] == [422] * 12
