"""An account that the provider has closed: known at once, tried once an hour, and all follows when it opens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from basket import orders
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.mail import Mailer
from marketplace.payments.handlers import send_what_waits
from marketplace.payments.models import ConnectionEvent, Share
from marketplace.payments.reading import read_book
from marketplace.payments.service import payable_parties
from tests.sandbox_server import Sandbox
from tests.smtp_server import html_of, running_mail_server, text_of
from tests.staff import browser_of
from tests.walk import Town, pay, place, work


def _states(hall: Hall) -> list[str]:
    with hall.database.reading() as session:
        return list(session.scalars(select(Share.state).where(Share.party == "merchant:cave").order_by(Share.id)))


def _sells(hall: Hall) -> bool:
    with hall.database.reading() as session:
        return "merchant:cave" in payable_parties(session, "sandbox")


def test_a_closed_account_is_known_tried_once_an_hour_and_paid_when_it_opens(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    bought = [place(hall.database, town, ("C1",), clock=clock) for _ in range(3)]
    for placed in bought:
        pay(hall, sandbox, placed)
    read_book(hall)
    with hall.database.transaction() as session:
        now = clock.now()
        for code in [placed.code for placed in bought]:
            orders.mark_travelling(session, code=code, shop_slugs=frozenset({"cave"}), actor="courier", now=now)
            orders.mark_delivered(session, code=code, actor="courier", now=now)
    sandbox.register_organization("org_cave", "Cave", can_receive_payments=False)

    def asked_qty() -> int:
        return sum("refused by the provider" in record.getMessage() for record in caplog.records)

    with running_mail_server() as post:
        work(replace(hall, mailer=Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from)))
        (letter,) = [one for one in post.to("cave@example.org") if "Mollie refuse" in text_of(one)]
        assert "vos clients les réservent" in html_of(letter)
    assert (_states(hall), asked_qty(), _sells(hall)) == (["refused", "due", "due"], 1, False)
    for hours in (2, 3):
        send_what_waits(hall)
        work(hall)
        assert (_states(hall), asked_qty()) == (["refused", "due", "due"], hours)
    assert "Mollie refuse d’y verser" in browser_of(app, hall, role="treasurer").get("/a-regarder").text
    assert "Mollie refuse de verser" in browser_of(app, hall, works_for="cave").get("/boutique/encaissement").text
    with hall.database.transaction() as session:  # two were under way at once when it closed
        newest = select(func.max(Share.id)).where(Share.party == "merchant:cave").scalar_subquery()
        session.execute(update(Share).where(Share.id == newest).values(state="refused"))
    sandbox.register_organization("org_cave", "Cave")
    send_what_waits(hall)
    work(hall)
    assert (_states(hall), asked_qty(), _sells(hall)) == (["routed", "routed", "routed"], 3, True)
    with hall.database.reading() as session:
        assert list(session.scalars(select(ConnectionEvent.kind).order_by(ConnectionEvent.id))) == ["shut", "open"]
