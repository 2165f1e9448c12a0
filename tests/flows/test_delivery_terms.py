"""Who pays what of a delivery: set for the days to come, frozen into the order, kept from the shops to the cent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from basket import orders
from basket.fulfilment_queries import get_sheet
from basket.models import Order, OrderLine
from basket.part_money import money_of
from basket.shortages import report_shortage
from basket.statements import days_of
from marketplace.clock import FixedClock
from marketplace.delivery.policies import cheapest_terms, get_zone_terms, set_policy, terms_of
from marketplace.delivery.pricing import DeliveryTerms
from marketplace.errors import FieldError
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.mail import Mailer
from marketplace.money import Money
from merchants import treasury
from merchants.models import Merchant
from tests.apps import app_over
from tests.basket.counter import part_of
from tests.sandbox_server import Sandbox
from tests.smtp_server import MailServer, running_mail_server, text_of
from tests.staff import browser_of
from tests.walk import Town, book_payments, pay, place, work

TODAY, TOMORROW, IN_15_DAYS = date(2026, 11, 24), date(2026, 11, 25), date(2026, 12, 9)
#: Of a delivery of 8.00 the resident pays 4.50, nothing from 30.00 on; a shop 2 % of its goods and 0.30.
SHARED = DeliveryTerms(Money(800), Money(450), Money(3000), 20, Money(30))


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


def _set(hall: Hall, town: Town, terms: DeliveryTerms, valid_from: date) -> None:
    with hall.database.transaction() as session:
        set_policy(
            session, zone_id=town.zone_id, terms=terms, valid_from=valid_from, actor="test", now=hall.clock.now()
        )


@pytest.fixture
def shared(hall: Hall, town: Town, clock: FixedClock) -> Town:
    """The terms above count, and the round of the town has not left."""
    clock.advance(-timedelta(days=16))
    _set(hall, town, SHARED, TODAY)
    work(hall)
    clock.advance(timedelta(days=16))
    return town


def _balances(hall: Hall) -> dict[str, int]:
    with hall.database.reading() as session:
        return {account: total.cents for account, total in balances(session).items() if total}


def _order(hall: Hall, placed: orders.PlacedOrder) -> Order:
    with hall.database.reading() as session:
        return session.get_one(Order, placed.order_id)


# --- From when -------------------------------------------------------------------------------------------------


def test_before_the_first_policy_the_zones_own_fee_is_all_there_is(hall: Hall, town: Town) -> None:
    with hall.database.reading() as session:
        assert terms_of(session, zone_id=town.zone_id, on=TODAY) == DeliveryTerms(Money(450), Money(450))
        assert cheapest_terms(session, on=TODAY) == DeliveryTerms(Money(450), Money(450))


def test_no_basket_of_today_changes_and_shops_have_their_notice(hall: Hall, town: Town) -> None:
    with pytest.raises(FieldError) as today:
        _set(hall, town, DeliveryTerms(Money(500), Money(500)), TODAY)
    assert (today.value.code, today.value.details) == ("rate_too_soon", {"earliest": TOMORROW})
    with pytest.raises(FieldError) as shops:
        _set(hall, town, SHARED, TOMORROW)
    assert shops.value.details == {"earliest": IN_15_DAYS}
    _set(hall, town, SHARED, IN_15_DAYS)
    with pytest.raises(FieldError) as again:
        _set(hall, town, SHARED, IN_15_DAYS)
    assert (again.value.field, again.value.code) == ("fee", "terms_unchanged")
    with hall.database.reading() as session:
        found = get_zone_terms(session, town.zone_id, on=TODAY)
    assert [(one.valid_from, one.standing) for one in found.history] == [(IN_15_DAYS, "coming"), (None, "current")]


def test_an_order_keeps_the_terms_of_its_day(hall: Hall, town: Town, clock: FixedClock) -> None:
    before = place(hall.database, town, ("F1", "C1"), clock=clock)
    _set(hall, town, DeliveryTerms(Money(600), Money(600)), TOMORROW)
    assert (_order(hall, before).delivery_fee, _order(hall, before).book_floor) == (Money(450), Money(0))
    with hall.database.reading() as session:
        assert terms_of(session, zone_id=town.zone_id, on=TOMORROW).fee == Money(600)


# --- Who pays what ---------------------------------------------------------------------------------------------


def test_each_shop_bears_its_part_of_the_rest_to_the_cent(
    hall: Hall, shared: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """9.96 of cheese and 12.00 of wine: 4.50 from the resident, 0.50 and 0.54 from the shops, 2.46 are left."""
    placed = place(hall.database, shared, ("F1", "C1"), clock=clock)
    pay(hall, sandbox, placed)
    assert [part_of(hall, placed, slug).contribution for slug in ("fromagerie", "cave")] == [Money(50), Money(54)]
    assert _balances(hall) == {
        "holding": 2646,
        "merchant:fromagerie": -(996 - 80 - 50),
        "merchant:cave": -(1200 - 96 - 54),
        "association:commission": -176,
        "association:delivery": -450,
        "association:contributions": -104,
    }
    with hall.database.transaction() as session:
        slugs = frozenset({"fromagerie", "cave"})
        orders.mark_travelling(session, code=placed.code, shop_slugs=slugs, actor="courier", now=clock.now())
        orders.mark_delivered(session, code=placed.code, actor="courier", now=clock.now())
    work(hall)
    (payment,) = book_payments(sandbox)
    assert sorted(route["amount_cents"] for route in payment["routes"]) == [866, 1050]
    with hall.database.reading() as session:
        seen = treasury.look(session, clock.now())
    assert (seen.contributions, seen.associations_own, seen.unexplained) == (Money(104), Money(730), Money(0))


def test_what_is_given_back_takes_its_part_of_the_delivery_along(
    hall: Hall, shared: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """Three cheeses at 29.88: one is missing, then another; the shop bears 0.90, then 0.60, then 0.30."""
    placed = place(hall.database, shared, ("F1", "F1", "F1"), clock=clock)
    pay(hall, sandbox, placed)
    part = part_of(hall, placed, "fromagerie")
    assert (part.goods, part.commission, part.contribution) == (Money(2988), Money(239), Money(90))
    with hall.database.reading() as session:
        line_id = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()
    shares = []
    for available in (2, 1):
        with hall.database.transaction() as session:
            shop_ids = frozenset({part.shop_id})
            report_shortage(
                session,
                sub_order_id=part.id,
                shop_ids=shop_ids,
                available={line_id: available},
                actor="test",
                now=clock.now(),
            )
            sheet = get_sheet(session, sub_order_id=part.id, shop_ids=shop_ids)
            shares.append((sheet.contribution_back, sheet.commission_back, sheet.shops_share))
    assert shares == [
        (Money(30), Money(80), Money(2988 - 239 - 90 - (996 - 80 - 30))),
        (Money(60), Money(159), Money(2988 - 239 - 90 - (1992 - 159 - 60))),
    ]
    work(hall)
    left = _balances(hall)
    assert (left["merchant:fromagerie"], left["association:contributions"]) == (-886, -30)


def test_the_shops_statement_says_what_it_bears(hall: Hall, shared: Town, sandbox: Sandbox, clock: FixedClock) -> None:
    """29.88 of cheese, of which 9.96 were missing; 0.90 of the delivery, of which 0.30 went back."""
    placed = place(hall.database, shared, ("F1", "F1", "F1"), clock=clock)
    pay(hall, sandbox, placed)
    part = part_of(hall, placed, "fromagerie")
    with hall.database.transaction() as session:
        line_id = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()
        report_shortage(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}),
            available={line_id: 2},
            actor="test",
            now=clock.now(),
        )
    with hall.database.reading() as session:
        month = days_of(session, party="merchant:fromagerie", month=TODAY, charges_vat=lambda on: True)
        merchant_id = session.scalars(select(Merchant.id).where(Merchant.key == "fromagerie")).one()
        where = money_of(session, party="merchant:fromagerie", codes=[placed.code])[placed.code]
    sums = month.whole.sums
    assert (sums.sold, sums.commission, sums.commission_back) == (Money(2988), Money(239), Money(80))
    assert (sums.refunded, sums.contribution, sums.other) == (Money(996), Money(60), Money(0))
    assert month.whole.after == Money(2988 - 239 - 60 - 996 + 80)
    assert (where.amount, where.refunded) == (Money(1773), Money(996))
    browser = browser_of(app_over(hall, "app"), hall, works_for="fromagerie")
    for kind in ("", "/csv", "/pdf"):
        assert browser.get(f"/boutique/releves/{merchant_id}/2026-11{kind}").status_code == 200, kind
    assert "Votre part des livraisons" in browser.get(f"/boutique/releves/{merchant_id}/2026-11").text


def test_a_large_basket_travels_for_nothing_and_the_shops_still_bear_their_part(
    hall: Hall, shared: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, shared, ("F1", "F1", "C1"), clock=clock)
    pay(hall, sandbox, placed)
    assert _order(hall, placed).delivery_fee == Money(0)
    assert _balances(hall)["holding"] == 3192
    assert "association:delivery" not in _balances(hall)
    assert _balances(hall)["association:contributions"] == -(40 + 30 + 24 + 30)


def test_new_books_never_travel_for_nothing(hall: Hall, shared: Town, sandbox: Sandbox, clock: FixedClock) -> None:
    """Domain B7: 18.00 of books in a basket of 39.92 pay the law's 3.00; two books of 36.00 pay a cent."""
    mixed = place(hall.database, shared, ("L1", "F1", "C1"), clock=clock)
    assert (_order(hall, mixed).delivery_fee, _order(hall, mixed).book_floor) == (Money(300), Money(300))
    books = place(hall.database, shared, ("L1", "L1"), clock=clock)
    assert (_order(hall, books).delivery_fee, _order(hall, books).book_floor) == (Money(1), Money(1))
    # Of 5.00 and of 7.99 that are left of the cost the shops bear their parts.
    assert part_of(hall, mixed, "librairie").contribution == Money(66)
    assert part_of(hall, books, "librairie").contribution == Money(102)


def test_who_collects_pays_no_delivery_and_no_shop_bears_one(
    hall: Hall, shared: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, shared, ("F1",), clock=clock, delivered=False)
    assert (_order(hall, placed).delivery_fee, part_of(hall, placed, "fromagerie").contribution) == (
        Money(0),
        Money(0),
    )


# --- Pages and letters -----------------------------------------------------------------------------------------

FORM = {
    "cost": "8",
    "fee": "4,50 €",
    "free_from": "30,00",
    "merchants_rate": "2",
    "per_parcel": "0,30",
    "valid_from": "2026-12-09",
}


def test_the_treasurer_tries_prices_out_before_they_count(hall: Hall, town: Town, mail_server: MailServer) -> None:
    hall = replace(hall, mailer=Mailer(host="127.0.0.1", port=mail_server.port, sender=hall.settings.mail_from))
    app = app_over(hall, "app")
    treasurer = browser_of(app, hall, role="treasurer")
    address = f"/prix-des-livraisons/{town.zone_id}"
    look = treasurer.post(address, **FORM, act="look")
    assert look.status_code == 303
    page = treasurer.get(look.location).text
    assert "Rien n’est encore enregistré. Ces prix peuvent compter à partir du 9 décembre 2026." in page
    # 35 € from two shops: free for the resident, 1,30 € from the shops, 6,70 € from the association.
    row = page[page.index("Ce que ces prix donneraient") :].partition("dans 2 boutiques")[2].partition("</tr>")[0]
    assert [sum_ in row for sum_ in ("0,00\u00a0€", "1,30\u00a0€", "6,70\u00a0€")] == [True, True, True]
    with hall.database.reading() as session:
        assert terms_of(session, zone_id=town.zone_id, on=IN_15_DAYS).fee == Money(450)
        assert get_zone_terms(session, town.zone_id, on=TODAY).coming is None
    assert treasurer.post(address, **FORM, act="save").location == address
    assert "C’est noté\u00a0: ces prix comptent à partir du 9 décembre 2026." in treasurer.get(address).text
    work(hall)
    (letter,) = mail_server.to("cave@example.org")
    said = text_of(letter)
    assert "2\u00a0% du prix des produits et 0,30\u00a0€ par colis" in said
    assert "Jusque-là, vous portez\u00a0: rien." in said
    assert len(mail_server.to("librairie@example.org")) == len(mail_server.to("fromagerie@example.org")) == 1
    own = browser_of(app, hall, works_for="cave").get("/boutique/encaissement").text
    assert "0,30\u00a0€ par colis à partir du 9 décembre 2026" in own


def test_a_slip_is_said_at_its_field(app: Flask, hall: Hall, town: Town) -> None:
    treasurer = browser_of(app, hall, role="treasurer")
    address = f"/prix-des-livraisons/{town.zone_id}"
    sum_said = "Écrivez une somme en euros, par exemple 4,50."
    for name, typed, said in (
        ("cost", "huit", sum_said),
        ("fee", "-1", sum_said),
        ("fee", "4,505", sum_said),
        ("free_from", "99999", sum_said),
        ("merchants_rate", "51", "Écrivez un taux de 0 à 50 pour cent"),
        ("valid_from", "2026-12-08", "Choisissez un jour à partir du 9 décembre 2026."),
    ):
        answer = treasurer.post(address, **{**FORM, name: typed}, act="save")
        assert (answer.status_code, answer.text.count(said)) == (422, 2), (name, typed)
        assert f'value="{typed}"' in answer.text
    assert treasurer.get(f"{address}?cost=x&fee=").status_code == 200


def test_the_resident_sees_the_price_and_why_before_paying(app: Flask, hall: Hall, shared: Town) -> None:
    client = app.test_client()
    browser = browser_of(app, hall)
    assert "Offerte à partir de 30,00\u00a0€ de produits, sauf pour des livres neufs." in client.get("/").text
    browser.post("/panier/lignes", variant_id=shared.variant("F1"), qty="1", back="/panier")
    assert "Encore 20,04\u00a0€ de produits, et elle est offerte." in browser.get("/panier").text
    browser.post("/panier/lignes", variant_id=shared.variant("C1"), qty="2", back="/panier")
    assert "Offerte pour ce panier, même avec plusieurs boutiques." in browser.get("/panier").text
    browser.post("/panier/lignes", variant_id=shared.variant("L1"), qty="1", back="/panier")
    page = browser.get("/panier").text
    assert "C’est le prix que la loi fixe pour livrer vos livres neufs." in page
    assert "elle est offerte" not in page


def test_a_shop_sees_what_it_bears_of_an_order(
    app: Flask, hall: Hall, shared: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, shared, ("F1", "C1"), clock=clock)
    pay(hall, sandbox, placed)
    part = part_of(hall, placed, "cave")
    page = browser_of(app, hall, works_for="cave").get(f"/boutique/commandes/{part.id}").text
    receipt = page[page.index("Votre part de la livraison") :]
    assert "-0,54\u00a0€" in receipt
    assert "10,50\u00a0€" in receipt
