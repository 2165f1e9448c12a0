"""Letters about orders, through a real mail server: one for all shops, the same figures everywhere, sent once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest
from flask import Flask
from sqlalchemy import select, text, update

from basket import handlers, orders
from basket.models import Order, OrderLine
from basket.shortages import report_shortage
from marketplace.clock import FixedClock
from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.jobs import publish
from marketplace.mail import Mailer
from marketplace.mail_models import SentLetter
from marketplace.payments import service as payments
from tests.apps import app_over
from tests.basket.counter import Paid, part_of
from tests.sandbox_server import Sandbox, running_sandbox
from tests.smtp_server import MailServer, html_of, running_mail_server, text_of
from tests.walk import Town, open_payment, place, register_merchants, work

SUMS = re.compile(r"\d[\d\u202f]*,\d\d\u00a0€")
ENGLISH_SUMS = re.compile(r"€[\d,]+\.\d\d")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here: they only pay."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture
def hall(hall: Hall, mail_server: MailServer) -> Hall:
    return replace(hall, mailer=Mailer(host="127.0.0.1", port=mail_server.port, sender=hall.settings.mail_from))


def _register(hall: Hall) -> dict[str, SentLetter]:
    with hall.database.reading() as session:
        return {letter.key: letter for letter in session.scalars(select(SentLetter))}


def _only(letters: list[EmailMessage]) -> EmailMessage:
    assert len(letters) == 1
    return letters[0]


def test_one_letter_confirms_the_whole_order(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["L1", "F1", "C1"])
    work(hall)
    letter = _only(mail_server.to("jeanne@example.org"))
    code = " ".join(re.findall("..", placed.code))
    assert letter["Subject"] == f"Votre commande {code} est confirmée"
    assert letter["Message-ID"] == f"<confirmed.{placed.code}@halles.example.org>"
    body = text_of(letter)
    # 18.00 + 9.96 + 12.00 + 4.50 for the one delivery, 3.00 of them the law's floor for new books.
    assert SUMS.findall(body) == [
        *["18,00\xa0€"] * 2,
        *["9,96\xa0€"] * 2,
        *["12,00\xa0€"] * 2,
        *["18,00\xa0€", "9,96\xa0€", "12,00\xa0€", "4,50\xa0€", "3,00\xa0€", "44,46\xa0€"],
    ]
    assert SUMS.findall(html_of(letter)) == SUMS.findall(body)
    for said in (
        "mardi 24 novembre, entre 16 h et 18 h, 12 rue de Montmoreau, Angoulême",
        f"http://127.0.0.1:5000/commande/{placed.code}/{placed.token}",
        "SARL Fromagerie des Halles, professionnel",
        "SIREN 000000034",
        "Renoncer au contrat ici",
        "http://127.0.0.1:5000/",
        "05 36 49 00 00",
        "Pas de droit de rétractation pour ce produit.",
        "Allergènes : lait",
        "14 jours",
    ):
        assert said in body.replace("\xa0", " "), said
        assert said in _words_of(html_of(letter)).replace("\xa0", " "), said


def test_the_letter_names_shops_and_goods_as_the_order_page_does(
    app: Flask, hall: Hall, paid: Paid, mail_server: MailServer
) -> None:
    placed = paid(["C1", "F1", "L1"])
    work(hall)
    page = _words_of(app.test_client().get(f"/commande/{placed.code}/{placed.token}").get_data(as_text=True))
    page = page[page.index("Commande ") :]
    body = text_of(_only(mail_server.to("jeanne@example.org")))
    names = ("Librairie du Rempart", "Fromagerie des Halles", "Cave du Minage", "1 × L’Assommoir", "Sous-total")
    assert sorted(names, key=body.index) == sorted(names, key=page.index)
    assert SUMS.findall(body)[-1] == SUMS.findall(page)[-1] == "44,46\xa0€"


def test_a_collection_has_each_shops_code(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["F1", "C1"], delivered=False)
    work(hall)
    body = text_of(_only(mail_server.to("jeanne@example.org"))).replace("\xa0", " ")
    for slug in ("fromagerie", "cave"):
        code = part_of(hall, placed, slug).collection_code
        assert f"Votre code de retrait : {code[:2]} {code[2:]}" in body
    assert "Livraison" not in body
    assert "mardi 24 novembre à 10 h 30" in body


def test_an_english_order_gets_english_figures(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["F1"])
    _set(hall, placed, language="en")
    work(hall)
    letter = _only(mail_server.to("jeanne@example.org"))
    assert ENGLISH_SUMS.findall(text_of(letter))[-1] == "€14.46"
    assert '<html lang="en">' in html_of(letter)
    assert '<html lang="fr">' in html_of(_only(mail_server.to("fromagerie@example.org")))


def test_what_people_typed_stays_text(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["F1"])
    _set(hall, placed, name="<script>alert(1)</script> & Cie")
    work(hall)
    letter = _only(mail_server.to("jeanne@example.org"))
    assert "<script>alert(1)</script> & Cie" in text_of(letter)
    assert "<script" not in html_of(letter)
    assert "&lt;script&gt;" in html_of(letter)


def test_nothing_in_a_letter_is_loaded_from_anywhere(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    paid(["F1", "L1"])
    work(hall)
    assert len(mail_server.letters) == 3
    for letter in mail_server.letters:
        assert re.findall(r"<(?:img|link|script|style|iframe)\b|\ssrc=|url\(", html_of(letter)) == []
        assert len(letter["Subject"]) <= 60


def test_each_merchant_learns_its_own_part_only(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["L1", "F1", "C1"])
    work(hall)
    letter = _only(mail_server.to("fromagerie@example.org"))
    part = part_of(hall, placed, "fromagerie")
    for body in (text_of(letter), _words_of(html_of(letter))):
        assert "1 × Tomme fermière (F1), au froid" in body
        assert "Pour Jeanne M., commande" in body
        assert "mardi 24 novembre à 15\xa0h" in body
        assert f"http://127.0.0.1:5000/boutique/commandes/{part.id}" in body
        for canary in ("Librairie", "Assommoir", "Cave", "Martin", "Montmoreau", "+33639981234", "jeanne@"):
            assert canary not in body
    assert len(mail_server.to("librairie@example.org")) == len(mail_server.to("cave@example.org")) == 1


def test_a_repeated_job_sends_no_second_letter(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["F1"])
    work(hall)
    with hall.database.transaction() as session:
        publish(session, "order.confirmed", order_id=placed.order_id)
    work(hall)
    assert len(mail_server.letters) == 2
    assert {key: letter.sent_at is not None for key, letter in _register(hall).items()} == {
        f"confirmed:{placed.code}": True,
        f"merchant_order:{placed.code}:fromagerie": True,
    }


def test_an_answer_lost_on_the_way_is_one_letter_to_the_reader(
    app: Flask, hall: Hall, paid: Paid, mail_server: MailServer
) -> None:
    placed = paid(["F1"])
    mail_server.lost_answers_qty = 1
    with app.app_context():
        with pytest.raises(GatewayError):
            handlers.confirm_by_letter(hall, placed.order_id)
        handlers.confirm_by_letter(hall, placed.order_id)
    assert [letter["Message-ID"] for letter in mail_server.to("jeanne@example.org")] == [
        f"<confirmed.{placed.code}@halles.example.org>"
    ] * 2


def test_an_address_that_is_refused_for_good_is_not_tried_again(
    hall: Hall, paid: Paid, mail_server: MailServer
) -> None:
    placed = paid(["F1"])
    mail_server.refusals["jeanne@example.org"] = "550 No such person"
    work(hall)
    letter = _register(hall)[f"confirmed:{placed.code}"]
    assert letter.sent_at is None
    assert letter.failed_reason == "jeanne@example.org refused: 550 No such person"
    assert _waiting_jobs(hall) == []
    mail_server.refusals.clear()
    with hall.database.transaction() as session:
        publish(session, "order.confirmed", order_id=placed.order_id)
    work(hall)
    assert mail_server.to("jeanne@example.org") == []


def test_a_mail_server_that_is_busy_is_asked_again_later(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["F1"])
    mail_server.refusals["jeanne@example.org"] = "451 Come back later"
    work(hall)
    letter = _register(hall)[f"confirmed:{placed.code}"]
    assert (letter.sent_at, letter.failed_reason) == (None, None)
    assert _waiting_jobs(hall) == ["basket.handlers.confirm_by_letter"]
    assert len(mail_server.to("fromagerie@example.org")) == 1, "the shop does not wait for the resident's mail server"
    mail_server.refusals.clear()
    _make_due(hall)
    work(hall)
    assert len(mail_server.to("jeanne@example.org")) == 1
    assert _register(hall)[f"confirmed:{placed.code}"].sent_at == hall.clock.now()


def test_a_mail_server_that_is_away_is_asked_again_later(hall: Hall, paid: Paid) -> None:
    placed = paid(["F1"])
    away = replace(hall, mailer=Mailer(host="127.0.0.1", port=9, sender=hall.settings.mail_from))
    work(away)
    assert _register(hall)[f"confirmed:{placed.code}"].failed_reason is None
    assert _waiting_jobs(hall) == ["basket.handlers.confirm_by_letter", "basket.handlers.tell_shop"]


def test_late_money_that_goes_back_is_told(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, mail_server: MailServer
) -> None:
    placed = place(hall.database, town, ["F2"], clock=hall.clock)
    provider_id = open_payment(hall, placed)
    clock.advance(timedelta(minutes=16))
    with hall.database.transaction() as session:
        orders.lapse(session, order_id=placed.order_id, now=clock.now())
    place(hall.database, town, ["F2"], clock=hall.clock)
    sandbox.conclude(provider_id, "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    work(hall)
    letter = _only(mail_server.letters)
    assert letter["To"] == "jeanne@example.org"
    assert letter["Message-ID"] == f"<refunded.{placed.code}@halles.example.org>"
    # 5.00 of jam and 4.50 of delivery.
    assert SUMS.findall(text_of(letter)) == SUMS.findall(html_of(letter)) == ["9,50\xa0€"]


def test_what_a_shop_could_not_find_is_told(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    placed = paid(["L1", "L1", "C1"])
    part = part_of(hall, placed, "librairie")
    work(hall)
    mail_server.letters.clear()
    with hall.database.transaction() as session:
        line_id = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()
        report_shortage(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}),
            available={line_id: 1},
            actor="member:1",
            now=hall.clock.now(),
        )
    work(hall)
    letter = _only(mail_server.letters)
    assert letter["To"] == "jeanne@example.org"
    assert letter["Subject"].replace("\xa0", " ").endswith(" : il manque un produit")
    for said in (text_of(letter), html_of(letter)):
        assert "Librairie du Rempart n’a pas trouvé tout ce que vous avez commandé." in said
        assert "1 × L’Assommoir" in said.replace("&#39;", "’")
        assert SUMS.findall(said) == ["18,00\xa0€", "18,00\xa0€"]


def test_letters_in_two_languages_at_once_keep_theirs(hall: Hall, paid: Paid, mail_server: MailServer) -> None:
    """Handlers share a process: each works in an application context of its own."""
    placed = [paid(["L2"], delivered=False) for _ in range(4)]
    for order in placed[::2]:
        _set(hall, order, language="en")
    _in_threads(
        app_over(hall, "app"), [lambda o=order: handlers.confirm_by_letter(hall, o.order_id) for order in placed]
    )
    symbols = {letter["Message-ID"]: "€6.50" in text_of(letter) for letter in mail_server.letters}
    expected = {
        f"<confirmed.{order.code}@halles.example.org>": is_english
        for order, is_english in zip(placed, (True, False, True, False), strict=True)
    }
    assert symbols == expected


def _in_threads(app: Flask, calls: list[Callable[[], None]]) -> None:
    def run(call: Callable[[], None]) -> None:
        with app.app_context():
            call()

    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(run, call) for call in calls]:
            done.result()


def _set(hall: Hall, placed: orders.PlacedOrder, **values: str) -> None:
    with hall.database.transaction() as session:
        session.execute(update(Order).where(Order.id == placed.order_id).values(**values))


def _waiting_jobs(hall: Hall) -> list[str]:
    with hall.database.reading() as session:
        rows = session.execute(text("SELECT task_name FROM procrastinate_jobs WHERE status = 'todo' ORDER BY 1"))
        return [row[0] for row in rows]


def _make_due(hall: Hall) -> None:
    with hall.database.transaction() as session:
        session.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'"))


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.words += [value for name, value in attrs if name == "href" and value]


def _words_of(html: str) -> str:
    """What a reader sees of a page, and where its links lead; runs of spaces are one."""
    parser = _Words()
    parser.feed(html)
    return re.sub(r"[ \n]+", " ", " ".join(parser.words))
