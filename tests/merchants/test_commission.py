"""What the association keeps: set for the days to come, told to the merchant, frozen into what is sold."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select, text

from basket import orders
from basket.models import SubOrder
from basket.quoting import quote_basket
from marketplace.clock import FixedClock
from marketplace.errors import FieldError
from marketplace.hall import Hall
from marketplace.mail import Mailer
from merchants.commission import first_day, get_commission, set_rate
from merchants.models import CommissionRate, Merchant
from merchants.search.index import index_products
from tests.apps import app_over
from tests.basket.counter import part_of
from tests.smtp_server import MailServer, running_mail_server, text_of
from tests.staff import browser_of
from tests.walk import Town, fill_basket, order_command, place, product_id_of, work

TODAY = date(2026, 11, 24)
TOMORROW, IN_TWO_WEEKS, IN_15_DAYS = date(2026, 11, 25), date(2026, 12, 8), date(2026, 12, 9)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


def _merchant_id(hall: Hall, slug: str = "fromagerie") -> int:
    with hall.database.reading() as session:
        return session.scalars(select(Merchant.id).where(Merchant.key == slug)).one()


def _set(hall: Hall, permille: int, valid_from: date, slug: str = "fromagerie") -> None:
    with hall.database.transaction() as session:
        set_rate(
            session,
            merchant_id=session.scalars(select(Merchant.id).where(Merchant.key == slug)).one(),
            permille=permille,
            valid_from=valid_from,
            actor="test",
            now=hall.clock.now(),
        )


def _told(hall: Hall, on: date = TODAY) -> list[tuple[int, date, str]]:
    with hall.database.reading() as session:
        rates = get_commission(session, _merchant_id(hall), on=on).rates
    return [(rate.permille, rate.valid_from, rate.standing) for rate in rates]


def _forget_rates(hall: Hall, slug: str = "fromagerie") -> None:
    with hall.database.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))  # or the database refuses
        session.execute(delete(CommissionRate).where(CommissionRate.merchant_id == _merchant_id(hall, slug)))


# --- From when -------------------------------------------------------------------------------------------------


def test_the_first_rate_counts_at_once_a_lower_one_tomorrow_a_higher_one_after_its_notice() -> None:
    assert first_day(None, 80, today=TODAY) == TODAY
    assert first_day(80, 60, today=TODAY) == TOMORROW
    assert first_day(80, 81, today=TODAY) == IN_15_DAYS


def test_no_basket_of_today_changes(hall: Hall, town: Town) -> None:
    with pytest.raises(FieldError) as refused:
        _set(hall, 60, TODAY)
    assert (refused.value.code, refused.value.details) == ("rate_too_soon", {"earliest": TOMORROW})
    _set(hall, 60, TOMORROW)


def test_a_dearer_rate_is_announced_fifteen_days_before(hall: Hall, town: Town) -> None:
    with pytest.raises(FieldError) as refused:
        _set(hall, 100, IN_TWO_WEEKS)
    assert refused.value.details == {"earliest": IN_15_DAYS}
    _set(hall, 100, IN_15_DAYS)
    # Cheaper than what it would have been that day, though dearer than today.
    _set(hall, 90, IN_15_DAYS)
    # What was taken back needs its notice again.
    _set(hall, 80, IN_15_DAYS)
    with pytest.raises(FieldError):
        _set(hall, 100, IN_15_DAYS - timedelta(days=1))
    assert _told(hall) == [
        (80, IN_15_DAYS, "coming"),
        (90, IN_15_DAYS, "replaced"),
        (100, IN_15_DAYS, "replaced"),
        (80, date(2026, 1, 1), "current"),
    ]


def test_a_rate_that_counts_already_and_a_day_years_away_are_slips(hall: Hall, town: Town) -> None:
    with pytest.raises(FieldError) as unchanged:
        _set(hall, 80, TOMORROW)
    assert (unchanged.value.field, unchanged.value.code) == ("rate", "rate_unchanged")
    with pytest.raises(FieldError) as far:
        _set(hall, 60, date(2226, 11, 25))
    assert (far.value.field, far.value.code) == ("valid_from", "day_too_far")


def test_two_presses_set_one_rate(hall: Hall, town: Town) -> None:
    def press(_: int) -> bool:
        try:
            _set(hall, 60, TOMORROW)
        except FieldError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(press, range(4))) == [False, False, False, True]


# --- What is sold ----------------------------------------------------------------------------------------------


def test_what_is_sold_keeps_its_rate(hall: Hall, town: Town, clock: FixedClock) -> None:
    before = place(hall.database, town, ("F1", "C1"), clock=clock, delivered=False)
    _set(hall, 55, TOMORROW)
    today = place(hall.database, town, ("F1",), clock=clock, delivered=False)
    clock.advance(timedelta(days=1))
    after = place(hall.database, town, ("F1", "C1"), clock=clock, delivered=False)
    rates = [(part.commission_permille, part.commission.cents) for part in (_cheese(hall, p) for p in (before, today))]
    assert rates == [(80, 80), (80, 80)]
    assert (_cheese(hall, after).commission_permille, _cheese(hall, after).commission.cents) == (55, 55)
    assert part_of(hall, after, "cave").commission_permille == 80


def _cheese(hall: Hall, placed: orders.PlacedOrder) -> SubOrder:
    return part_of(hall, placed, "fromagerie")


def test_a_merchant_without_a_rate_is_not_sold(hall: Hall, town: Town, clock: FixedClock) -> None:
    _forget_rates(hall)
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("F1"): 1, town.variant("C1"): 1}, now=clock.now())
        payable = frozenset({"merchant:fromagerie", "merchant:cave"})
        quote = quote_basket(session, basket_id=basket_id, payable=payable, now=clock.now())
        assert [(group.shop.slug, group.is_payable) for group in quote.groups] == [
            ("fromagerie", False),
            ("cave", True),
        ]
        with pytest.raises(orders.BasketChanged):
            orders.place_order(session, order_command(basket_id), clock=clock)
    _set(hall, 80, TODAY)
    with hall.database.transaction() as session:
        orders.place_order(session, order_command(basket_id), clock=clock)


# --- Pages and letter ------------------------------------------------------------------------------------------


def test_the_treasurer_sets_a_rate_and_the_merchant_is_told(hall: Hall, town: Town, mail_server: MailServer) -> None:
    mailer = Mailer(host="127.0.0.1", port=mail_server.port, sender=hall.settings.mail_from)
    hall = replace(hall, mailer=mailer)
    app = app_over(hall, "app")
    treasurer = browser_of(app, hall, role="treasurer")
    address = f"/commissions/{_merchant_id(hall)}"
    answer = treasurer.post(address, rate="9,5 %", valid_from="9/12/2026")
    assert answer.location == address
    page = treasurer.get(address).text
    assert "C’est noté\u00a0: 9,5\u00a0% à partir du 9 décembre 2026." in page
    assert "le 24 novembre 2026 par Odile Ferrand" in page
    work(hall)
    (letter,) = mail_server.to("fromagerie@example.org")
    assert letter["Subject"] == "Votre commission : 9,5 % à partir du 9 décembre 2026"
    assert "Jusque-là, elle garde 8\u00a0%." in text_of(letter)
    # The merchant sees both on its own page.
    own = browser_of(app, hall, works_for="fromagerie").get("/boutique/encaissement").text
    assert "8\u00a0% du prix de vos produits, depuis le 1er janvier 2026" in own
    assert "9,5\u00a0% à partir du 9 décembre 2026" in own
    assert "9,5" not in browser_of(app, hall, works_for="cave").get("/boutique/encaissement").text


def test_a_slip_is_said_at_its_field(app: Flask, hall: Hall, town: Town) -> None:
    treasurer = browser_of(app, hall, role="treasurer")
    address = f"/commissions/{_merchant_id(hall)}"
    for rate, day, said in (
        (
            "douze",
            "2026-12-24",
            "Écrivez un taux de 0 à 50 pour cent, avec un seul chiffre après la virgule, par exemple 8,5.",
        ),
        (
            "50,1",
            "2026-12-24",
            "Écrivez un taux de 0 à 50 pour cent, avec un seul chiffre après la virgule, par exemple 8,5.",
        ),
        (
            "8,25",
            "2026-12-24",
            "Écrivez un taux de 0 à 50 pour cent, avec un seul chiffre après la virgule, par exemple 8,5.",
        ),
        ("6", "demain", "Écrivez un jour du calendrier, par exemple 28/11/2026."),
        ("6", "2026-11-24", "Choisissez un jour à partir du 25 novembre 2026."),
        ("12", "2026-11-25", "Choisissez un jour à partir du 9 décembre 2026."),
        ("8", "2026-12-24", "Écrivez un autre taux\u00a0: celui-ci compte déjà le 24 décembre 2026."),
    ):
        answer = treasurer.post(address, rate=rate, valid_from=day)
        assert answer.status_code == 422
        assert answer.text.count(said) == 2, (rate, day)
        assert f'value="{rate}"' in answer.text
    assert _told(hall) == [(80, date(2026, 1, 1), "current")]


def test_who_has_no_rate_stands_first_and_its_goods_say_so(app: Flask, hall: Hall, town: Town) -> None:
    _forget_rates(hall, "librairie")
    with hall.database.transaction() as session:
        product_id = product_id_of(session, "L’Assommoir")
        index_products(session, [product_id])
    page = browser_of(app, hall, role="treasurer").get("/commissions").text
    assert "1 commerce sans taux" in page
    assert page.index("SARL Librairie du Rempart") < page.index("SARL Cave du Minage")
    product = app.test_client().get(f"/produits/{product_id}-l-assommoir").text
    assert "Réserver" in product and "Ajouter au panier" not in product
    own = browser_of(app, hall, works_for="librairie").get("/boutique/encaissement").text
    assert "pas encore fixée" in own
