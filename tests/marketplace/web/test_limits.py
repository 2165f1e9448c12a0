from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from marketplace.web.limits import caller
from tests.walk import Town

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
