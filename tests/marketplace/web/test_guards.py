"""The web's guards, tried at every address that there is: a rule without a row in these tables fails."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count, product
from urllib.parse import quote, urljoin, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from basket import orders, withdrawing
from basket.documents.models import CommissionRun
from basket.models import Basket, Checkout, OrderLine, OrderRefund, SubOrder, Withdrawal
from marketplace.accounts.models import SignIn, User
from marketplace.accounts.people import grant_role, open_account
from marketplace.app import create_app
from marketplace.clock import local_day
from marketplace.db import Base, Database
from marketplace.delivery.calendar_rules import RulePlan, add_rule
from marketplace.delivery.models import Booking, Zone
from marketplace.delivery.recurrence import Recurrence
from marketplace.delivery.timetable import FIRST_TIMETABLE
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.invoices.issuing import issue_for_seller, issue_own
from marketplace.invoices.mandates import end_mandate, sign_mandate
from marketplace.invoices.rules import RECEIPT, Line
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments.book_models import Difference
from marketplace.payments.differing import note
from marketplace.payments.models import Share
from marketplace.payments.reconciling import Found
from marketplace.settings import Settings
from marketplace.web.access import access_of, check_all_declared, everyone, open_to
from marketplace.web.csrf import csrf_token
from merchants.models import Member, Merchant, Shop
from merchants.sellers import seller_by_key
from tests.marketplace.delivery.district import NOON_FORM, RULE_FORM
from tests.marketplace.invoices.cast import ASSOCIATION, sale
from tests.reserving import open_till, reserve
from tests.sandbox_server import Sandbox
from tests.walk import Town, fill_basket, open_payment, place

PASSWORD = "une phrase assez longue"
EMAIL = "claire@example.org"

#: Who may come in, by the name of the declared check. An endpoint that is not here, or elsewhere, fails.
DOORS = {
    "everyone": """
        accounts.sign_in accounts.sign_in_submit api.openapi
        basket.add basket.change basket.go_on basket.show
        basket_api.add_line_json basket_api.change_line_json basket_api.list_slots_json basket_api.open_basket_json
        basket_api.place_order_json basket_api.remove_line_json basket_api.show_basket_json basket_api.show_order_json
        catalogue.home catalogue.listing catalogue.picture catalogue.product catalogue.product_by_number
        catalogue.sellers catalogue.shop catalogue.shops
        reservation_api.cancel_reservation_json reservation_api.reserve_json reservation_api.show_reservation_json
        catalogue_api.list_products_json catalogue_api.list_shops_json catalogue_api.show_product_json
        checkout.check checkout.contact checkout.contact_submit checkout.order checkout.place checkout.place_submit
        checkout.slot checkout.slot_submit documents.pdf documents.show
        language.choose orders.find orders.find_submit orders.give_up orders.pay orders.show
        reservations.cancel reservations.cancel_form reservations.form reservations.show reservations.submit
        pages.accessibility pages.help pages.legal pages.privacy pages.ranking pages.terms pages.withdrawal
        payments.notice plan.move plan.show static tracking.show
        withdrawals.declare withdrawals.form withdrawals.receipt withdrawals.went_back
    """,
    "signed_in": "accounts.home accounts.sign_out",
    "merchant_member": """
        merchant.note_written merchant.own_note merchant.take_note_back merchant.to_write_csv merchant.to_write_list
        merchant.goods_back merchant.nothing_back merchant.report_weight merchant.returns merchant.weigh
        merchant.documents merchant.mandate merchant.sign_mandate merchant.decline_mandate merchant.end_mandate
        merchant.connect_account merchant.connection_return merchant.leave merchant.leave_form merchant.look_again
        merchant.payouts
        merchant.act merchant.count merchant.cancel merchant.do_cancel merchant.home
        merchant.lack merchant.price merchant.report_lack merchant.shelf
        merchant.slip merchant.sub_order
        merchant.statement merchant.statement_csv merchant.statement_list merchant.statement_pdf
        merchant.reservation merchant.reservation_act merchant.reservation_cancel merchant.reservation_cancel_form
        merchant.reservation_slip
    """,
    "role_coordinator": """
        coordinator.close coordinator.hand_out coordinator.home coordinator.open_rounds coordinator.opening_form
        coordinator.plan coordinator.reopen coordinator.sheet coordinator.show coordinator.withdraw
        calendar.add calendar.change calendar.home calendar.new calendar.pause calendar.resume calendar.show
    """,
    "role_treasurer": """
        attention.settle attention.open_again
        order_money.cancel order_money.lose_dispute
        order_money.cancel_form order_money.give order_money.give_form order_money.give_gesture
        order_money.gesture_form
        treasury.home treasury.differences treasury.claim_paid treasury.claim_waived treasury.make_up treasury.settle
        commissions.home commissions.show commissions.change
        delivery_terms.change delivery_terms.home delivery_terms.show
        accounting.fec accounting.home accounting.journal vat_status.change vat_status.show dac7.home dac7.table
        to_write.home to_write.table
        commission_runs.again commission_runs.home commission_runs.show commission_runs.start
        merchant_files.mend merchant_files.show
    """,
    "_staff": """
        kept.home
        attention.give_back attention.home attention.refund_again connections.home
        order_money.find order_money.show
        telephone_withdrawals.declare telephone_withdrawals.form telephone_withdrawals.receipt
        telephone_withdrawals.settle telephone_withdrawals.went_back telephone_withdrawals.told
    """,
    "role_courier": "courier.absent courier.again courier.collect courier.deliver courier.home courier.stop",
}
WHO = {endpoint: who for who, endpoints in DOORS.items() for endpoint in endpoints.split()}

#: Callers that carry no cookie of ours, and so need no token against forged forms: the provider and programs.
OF_PROGRAMS = ("api.", "basket_api.", "reservation_api.")
WITHOUT_TOKEN = {"payments.notice", *(endpoint for endpoint in WHO if endpoint.startswith(OF_PROGRAMS))} | {
    "catalogue_api.list_products_json",
    "catalogue_api.list_shops_json",
    "catalogue_api.show_product_json",
}

#: Every form, and what a person sends with it when all is well.
FORMS: dict[str, dict[str, str]] = {
    "accounts.sign_in_submit": {"email": EMAIL, "password": PASSWORD, "next": "/espace"},
    "accounts.sign_out": {},
    "commission_runs.start": {},
    "commission_runs.again": {},
    "merchant_files.mend": {
        "registration": "RCS Angoulême 000 000 026",
        "street": "12 rue de Beaulieu",
        "postcode": "16000",
        "city": "Angoulême",
    },
    "basket.add": {"variant_id": "1", "qty": "1", "back": "/panier"},
    "basket.change": {"qty": "1", "step": "0", "remove": "0"},
    "basket.go_on": {},
    "checkout.contact_submit": {
        "name": "Jeanne Martin",
        "phone": "06 39 98 12 34",
        "email": "jeanne@example.org",
        "shortage": "refund",
    },
    "checkout.order": {
        "checkout_key": "k" * 20,
        "seen_total_cents": "650",
        "accepts_terms": "1",
        "is_adult": "1",
    },
    "checkout.place_submit": {
        "mode": "delivery",
        "street": "12 rue de Montmoreau",
        "postcode": "16000",
        "city": "Angoulême",
        "access_note": "",
        "pin": "",
        "on_plan": "",
    },
    "checkout.slot_submit": {"slot_id": "1"},
    "commissions.change": {"rate": "8,5", "valid_from": "2026-12-24"},
    "delivery_terms.change": {
        "cost": "7,50",
        "fee": "4,50",
        "free_from": "",
        "merchants_rate": "2",
        "per_parcel": "0",
        "valid_from": "2026-12-24",
        "act": "save",
    },
    "coordinator.close": {},
    "coordinator.hand_out": {},
    "coordinator.open_rounds": {"key": "once", "day": "2026-12-01", **NOON_FORM, "other_day": "2026-12-24"},
    "coordinator.plan": {"vehicle": "1"},
    "coordinator.reopen": {},
    "coordinator.withdraw": {},
    "calendar.add": {"key": "once", **RULE_FORM},
    "calendar.change": {"key": "", **RULE_FORM},
    "calendar.pause": {},
    "calendar.resume": {},
    "courier.absent": {},
    "courier.again": {},
    "courier.collect": {"parcel": "1", "without_rest": "0"},
    "courier.deliver": {"code": "1234", "receiver": "Paul", "is_adult": "yes"},
    "language.choose": {"language": "fr", "next": "/"},
    "merchant.act": {"event": "accept", "collection_code": ""},
    "merchant.connect_account": {"way": "consent"},
    "merchant.count": {"qty": "5", "seen_qty": "5", "step": "0"},
    "merchant.decline_mandate": {},
    "merchant.end_mandate": {"ended_on": "31/12/2030"},
    "merchant.leave": {},
    "merchant.look_again": {},
    "merchant.sign_mandate": {"legal_form": "SARL", "vat": "charged", "signed_by": "Rose Breuil", "agrees": "1"},
    "merchant.price": {"price": "18,00"},
    "attention.give_back": {},
    "attention.refund_again": {},
    "attention.settle": {},
    "attention.open_again": {},
    "vat_status.change": {"vat": "exempt", "valid_from": "2027-01-01"},
    "merchant.do_cancel": {},
    "merchant.report_lack": {"available-1": "1"},
    "merchant.goods_back": {"basis": "goods"},
    "merchant.nothing_back": {},
    "merchant.note_written": {"number": "AV-2026-014", "written_on": "25/11/2026"},
    "merchant.take_note_back": {},
    "telephone_withdrawals.settle": {"basis": "goods"},
    "telephone_withdrawals.went_back": {"proof": "Rapporté jeudi"},
    "telephone_withdrawals.told": {},
    "telephone_withdrawals.declare": {
        "step": "look",
        "form_key": "k" * 20,
        "name": "Jeanne Martin",
        "email": "",
        "qty-1": "1",
    },
    "withdrawals.went_back": {"proof": "Rapporté mardi."},
    "merchant.report_weight": {"grams-1": "380", "ticket": "12"},
    "withdrawals.declare": {
        "step": "look",
        "form_key": "k" * 20,
        "name": "Jeanne Martin",
        "email": "jeanne@example.org",
        "qty-1": "1",
    },
    "merchant.reservation_act": {"event": "ready", "collection_code": "", "is_adult": ""},
    "merchant.reservation_cancel": {"reason": "missing"},
    "treasury.make_up": {},
    "treasury.claim_paid": {},
    "treasury.claim_waived": {},
    "treasury.settle": {"note": "Un essai."},
    "order_money.lose_dispute": {},
    "order_money.cancel": {"step": "look", "liable": "merchant", "note": "Rien.", "seen_refund_id": "0"},
    "order_money.give": {
        "step": "do",
        "qty-1": "1",
        "amount-1": "1,00",
        "delivery": "1,00",
        "gesture": "0,10",
        "reason": "complaint",
        "liable": "shared",
        "note": "Un pot cassé.",
        "seen_refund_id": "0",
    },
    "order_money.give_gesture": {
        "step": "do",
        "delivery": "1,00",
        "gesture": "0,10",
        "note": "En retard.",
        "seen_refund_id": "0",
    },
    "orders.find_submit": {"code": "XXXX", "phone_end": "1234"},
    "orders.give_up": {},
    "orders.pay": {},
    "payments.notice": {"id": "tr_abcdef"},
    "reservations.cancel": {},
    "reservations.submit": {
        "request_key": "k" * 20,
        "seen_goods_cents": "650",
        "name": "Jeanne Martin",
        "phone": "06 39 98 12 34",
        "email": "jeanne@example.org",
    },
    "plan.move": {
        "lat": "45.648600",
        "lon": "0.156200",
        "zoom": "2",
        "move": "north",
        "here_lat": "",
        "here_lon": "",
        "small.x": "144",
        "small.y": "160",
        "large.x": "320",
        "large.y": "240",
    },
}

#: Fields that hold a whole number: nothing of JUNK is one.
COUNTS = {
    ("basket.add", "variant_id"),
    ("basket.add", "qty"),
    ("checkout.slot_submit", "slot_id"),
    ("coordinator.open_rounds", "window_1_places"),
    ("coordinator.open_rounds", "kilograms"),
    ("coordinator.open_rounds", "litres"),
    ("coordinator.open_rounds", "cold_litres"),
    ("calendar.add", "ahead_days"),
    ("merchant.count", "qty"),
    ("merchant.count", "seen_qty"),
}

#: What a field gets instead, percent-encoded as it goes over the wire; None leaves the field out.
JUNK: tuple[str | None, ...] = (
    None,
    "",
    "%00",
    "%ED%A0%80",  # a lone surrogate
    "1000000000",
    quote("１"),
    "-1",
    "1.5",
    "9" * 5_000,
    "x" * 100_000,
    quote("\u202e'; DROP TABLE orders; -- <script>alert(1)</script>"),
)


class People:
    """The town's people, each with a browser; and the values that stand in the addresses."""

    def __init__(self, app: Flask, hall: Hall, town: Town, placed: orders.PlacedOrder) -> None:
        self.app, self.hall = app, hall
        self._callers = count(1)
        with hall.database.transaction() as session:
            now = hall.clock.now()
            claire = open_account(session, email=EMAIL, name="Claire", password=PASSWORD, now=now)
            for role in ("coordinator", "courier", "treasurer"):
                person = User(email=f"{role}@example.org", name=role, created_at=now)
                session.add(person)
                session.flush()
                grant_role(session, user_id=person.id, role=role, actor="test", now=now)
            session.add_all(
                Member(user_id=claire.id, merchant_id=merchant_id, role="owner")
                for merchant_id in session.scalars(select(Merchant.id)).all()
            )
            stranger = User(email="stranger@example.org", name="Personne", created_at=now)
            session.add(stranger)
            session.flush()
            self._ids = {row.email: row.id for row in session.execute(select(User.email, User.id))}
            basket_id = fill_basket(session, {town.variant("L2"): 1}, now=now)
            self.basket_token = session.scalars(select(Basket.token).where(Basket.id == basket_id)).one()
            line_id = session.scalar(text("SELECT id FROM basket_line WHERE basket_id = :id"), {"id": basket_id})
            shop_id = session.scalars(select(Shop.id).where(Shop.slug == "librairie")).one()
            unread = Found("balance", "", "", Money(0), Money(1))
            note(session, provider_env=hall.settings.mollie_env, found=[unread], now=now)
            self.values = {
                "slug": "librairie",
                "product_id": 1,
                "word": "l-assommoir",
                "key": "parcel",
                "colourway": 1,
                "filename": "css/tokens.css",
                "round_id": town.round_id,
                "zone_id": session.scalars(select(Zone.id)).one(),
                "stop_id": 1,
                "month": "2026-10",
                "merchant_id": session.scalars(select(Shop.merchant_id).where(Shop.slug == "cave")).one(),
                "part_id": 1,
                "sub_order_id": session.scalars(select(SubOrder.id).where(SubOrder.shop_id == shop_id)).one(),
                "period": "2026-11",
                "payment_id": placed.payment_id,
                "share_id": session.scalars(select(Share.id).order_by(Share.id)).first(),
                "difference_id": session.scalars(select(Difference.id)).one(),
                "withdrawal_id": session.scalars(select(Withdrawal.id)).one(),
                "variant_id": town.variant("L1"),
                "line_id": line_id,
                "basket_id": self.basket_token,
                "code": placed.code,
                "token": placed.token,
            }
            yearly = Recurrence("dates", date(2027, 7, 14), dates=frozenset({date(2027, 7, 14)}), on_holidays="ride")
            rule = RulePlan("Le 14 juillet", yearly, FIRST_TIMETABLE, ahead_days=1)
            kept = add_rule(session, zone_id=int(self.values["zone_id"]), plan=rule, form_key="g", actor="t", now=now)
            self.values["rule_id"] = kept.rule_id
            self._tracking_token = session.scalars(select(Booking.token)).one()
            session.add(CommissionRun(month=date(2026, 10, 1), started_at=now, started_by="test"))
            receipt = sale(kind=RECEIPT)
            self._document_token = issue_own(session, key="guards", draft=receipt, now=now).token
            self.values["refund_id"] = _owed_credit_note(session, now)
        # The bookshop's till opens again: only then has the visitor's basket something to order.
        open_till(hall.database, "librairie", is_open=False)
        (self._kept,) = reserve(hall.database, town, ("L1",), clock=hall.clock)
        open_till(hall.database, "librairie", is_open=True)
        self.values["reservation_id"] = self._kept.id

    def browser(self, who: str) -> FlaskClient:
        """A fresh browser of the person who plays that part; with a basket, for what wants one."""
        email = {
            "signed_in": EMAIL,
            "merchant_member": EMAIL,
            "role_coordinator": "coordinator@example.org",
            "_staff": "coordinator@example.org",
            "role_treasurer": "treasurer@example.org",
            "role_courier": "courier@example.org",
            "stranger": "stranger@example.org",
        }.get(who)
        client = self.app.test_client()
        if email is not None:
            token, now = new_token(), self.hall.clock.now()
            with self.hall.database.transaction() as session:
                session.add(SignIn(token=token, user_id=self._ids[email], signed_in_at=now, seen_at=now))
            with client.session_transaction() as cookie:
                cookie["_user_id"], cookie["_fresh"] = token, True
        return client

    def visitor(self) -> FlaskClient:
        """Somebody without an account who has a basket."""
        client = self.app.test_client()
        with client.session_transaction() as cookie:
            cookie["basket"] = self.basket_token
        return client

    def address(self, rule: Rule) -> str:
        values = self.values
        if rule.endpoint == "tracking.show":
            values = {**values, "token": self._tracking_token}
        if rule.endpoint.startswith("documents."):
            values = {**values, "token": self._document_token}
        if rule.endpoint.startswith("reservations."):
            values = {**values, "code": self._kept.code, "token": self._kept.token}
        with self.app.test_request_context():
            built = rule.build({name: values[name] for name in rule.arguments})
        assert built is not None
        return built[1]

    def form_token(self, client: FlaskClient) -> str:
        """What this browser's last page had in its form."""
        with client.session_transaction() as cookie:
            user = cookie.get("_user_id", "")
        with self.app.test_request_context() as context:
            context.session["_user_id"] = user
            return csrf_token()

    def send(
        self, client: FlaskClient, rule: Rule, body: str = "", *, method: str = "POST", **headers: str
    ) -> TestResponse:
        """A form as it goes over the wire, each from an address of its own: floods are another test's matter."""
        caller = next(self._callers)
        return client.open(
            self.address(rule),
            method=method,
            data=body,
            content_type="application/x-www-form-urlencoded",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            environ_overrides={"REMOTE_ADDR": f"10.{caller >> 16}.{caller >> 8 & 255}.{caller & 255}"},
        )


@pytest.fixture
def people(app: Flask, hall: Hall, town: Town, sandbox: Sandbox) -> People:
    """A confirmed order in the book, so that every page has something to show."""
    placed = place(hall.database, town, ("L1", "F1", "C1"), clock=hall.clock)
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    with hall.database.transaction() as session:
        orders.take_payment(session, payment_id=placed.payment_id, clock=hall.clock)
    _renounce(hall, placed)
    return People(app, hall, town, placed)


def _renounce(hall: Hall, placed: orders.PlacedOrder) -> None:
    """The wine is not wanted any more."""
    with hall.database.transaction() as session:
        part_id, line_id = session.execute(
            select(SubOrder.id, OrderLine.id).join(OrderLine).where(SubOrder.party == "merchant:cave")
        ).one()
        withdrawing.declare(
            session,
            code=placed.code,
            token=placed.token,
            sub_order_id=part_id,
            pieces={line_id: 1},
            name="Jeanne",
            email="jeanne@example.org",
            form_key=new_token(),
            now=hall.clock.now(),
        )


def _owed_credit_note(session: Session, now: datetime) -> int:
    """The wine was invoiced under a mandate that had ended when it was renounced; the refund."""
    refund_id, part_id = session.execute(select(OrderRefund.id, OrderRefund.sub_order_id)).one()
    party, before = "merchant:cave", now - timedelta(days=2)
    sign_mandate(session, seller=party, signed_on=local_day(before), signed_by="Rose", now=before)
    bottle = (Line("Rouge des coteaux", 1, Money(1200), 2000),)
    draft = replace(sale(), seller=seller_by_key(session, "cave").as_party, lines=bottle, is_fictitious=True)
    issue_for_seller(session, key=f"sale:{part_id}", draft=draft, issuer=ASSOCIATION, now=before)
    end_mandate(session, seller=party, ended_on=local_day(before) + timedelta(days=1))
    return refund_id


def _rules(app: Flask, *methods: str) -> Iterator[Rule]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        if set(methods) & (rule.methods or set()):
            yield rule


def _pages(app: Flask) -> Iterator[Rule]:
    """Every address that is read."""
    return _rules(app, "GET")


def _posts(app: Flask) -> Iterator[Rule]:
    """Every address that changes something, but the JSON API's: tests/basket/test_api.py speaks to that."""
    return (rule for rule in _rules(app, "POST", "PUT", "PATCH", "DELETE") if not rule.rule.startswith("/api/"))


# --- Tables ----------------------------------------------------------------------------------------------------


def test_every_address_has_its_door(app: Flask) -> None:
    with app.app_context():
        declared = {rule.endpoint: access_of(rule.endpoint) for rule in app.url_map.iter_rules()}
    assert {endpoint: access.check.__name__ for endpoint, access in declared.items() if access is not None} == WHO
    assert {endpoint for endpoint, access in declared.items() if access is None or not access.csrf} == WITHOUT_TOKEN


def test_every_form_is_known(app: Flask) -> None:
    assert {rule.endpoint for rule in _posts(app)} == set(FORMS)


def test_a_view_that_does_not_say_who_may_come_in_stops_the_start(own_app: Flask) -> None:
    own_app.add_url_rule("/rogue", "rogue", lambda: "open to all")
    with pytest.raises(RuntimeError, match="rogue"):
        check_all_declared(own_app)
    assert own_app.test_client().get("/rogue").status_code == 403, "and were it served, it would be closed"


def test_a_view_that_does_is_let_in(own_app: Flask) -> None:
    own_app.add_url_rule("/declared", "declared", open_to(everyone)(lambda: "open to all"))
    check_all_declared(own_app)
    assert own_app.test_client().get("/declared").text == "open to all"


# --- Who may come in -------------------------------------------------------------------------------------------


def test_each_page_opens_to_those_it_is_for_and_to_nobody_else(app: Flask, people: People) -> None:
    wrong = {}
    for rule in _pages(app):
        who, url = WHO[rule.endpoint], people.address(rule)
        if who == "everyone":
            client = people.visitor() if rule.endpoint.startswith("checkout.") else people.browser("everyone")
            answers = [client.get(url)]
            # What is not answered yet leads to the question; a product has one address; programs must say more.
            asks_more = {"basket_api.list_slots_json": 422}
            asks_more |= dict.fromkeys(("basket_api.show_order_json", "reservation_api.show_reservation_json"), 401)
            fine = answers[0].status_code in (200, 301, 303, asks_more.get(rule.endpoint)) and (
                "/connexion" not in (answers[0].location or "")
            )
        else:
            answers = [people.browser(person).get(url) for person in (who, "everyone", "stranger")]
            statuses = [answer.status_code for answer in answers]
            # Who plays one part is led on to it; the stranger plays none.
            is_welcome = {"signed_in": [303, 303, 200], "role_courier": [404, 303, 403]}
            expected = is_welcome.get(who if rule.endpoint != "courier.home" else "", [200, 303, 403])
            fine = statuses == expected and str(answers[1].location).startswith("/connexion?next=")
        if not fine:
            wrong[rule.endpoint] = [(answer.status_code, answer.location) for answer in answers]
    assert wrong == {}


def test_each_act_of_the_staff_is_closed_to_visitors_and_to_other_parts(app: Flask, people: People) -> None:
    wrong = {}
    for rule in _posts(app):
        who = WHO[rule.endpoint]
        if who in ("everyone", "signed_in"):
            continue
        for person in ("everyone", "stranger"):
            client = people.browser(person)
            status = people.send(client, rule, f"csrf_token={people.form_token(client)}").status_code
            if status != 403:
                wrong[rule.endpoint, person] = status
    assert wrong == {}


def test_a_sign_in_ends_at_sign_out_even_for_a_copied_cookie(app: Flask, people: People) -> None:
    client, thief = app.test_client(), app.test_client()
    form = {"email": EMAIL, "password": PASSWORD, "next": "", "csrf_token": people.form_token(client)}
    assert client.post("/connexion", data=form).location == "/espace"
    cookie = client.get_cookie("session")
    assert cookie is not None
    thief.set_cookie("session", cookie.value)
    assert thief.get("/espace").location == "/boutique"
    client.post("/deconnexion", data={"csrf_token": people.form_token(client)})
    assert (thief.get("/espace").status_code, thief.get("/espace").location) == (303, "/connexion?next=/espace")


# --- Forged requests -------------------------------------------------------------------------------------------


def _right_browser(people: People, rule: Rule) -> FlaskClient:
    return people.browser(WHO[rule.endpoint]) if WHO[rule.endpoint] != "everyone" else people.visitor()


@pytest.mark.parametrize(
    ("forgery", "with_token", "headers"),
    [
        ("no token", False, {}),
        ("another site's page", True, {"Origin": "https://evil.example"}),
        ("a page that hides where it is", True, {"Origin": "null"}),
        ("a place that is no place", True, {"Origin": "http://["}),
        ("a request across sites", True, {"Sec_Fetch_Site": "cross-site"}),
        ("a request from a neighbour", True, {"Sec_Fetch_Site": "same-site"}),
    ],
)
def test_no_form_of_another_site_is_taken(
    app: Flask, people: People, forgery: str, with_token: bool, headers: dict[str, str]
) -> None:
    taken = {}
    for rule in _posts(app):
        if rule.endpoint in WITHOUT_TOKEN:
            continue
        client = _right_browser(people, rule)
        body = f"csrf_token={people.form_token(client)}" if with_token else ""
        status = people.send(client, rule, body, **headers).status_code
        if status != 400:
            taken[rule.endpoint] = status
    assert taken == {}, forgery


def test_the_token_of_somebody_else_is_refused(app: Flask, people: People) -> None:
    mine, other = people.browser("role_coordinator"), people.browser("role_courier")
    rule = next(rule for rule in _posts(app) if rule.endpoint == "coordinator.close")
    assert people.send(mine, rule, f"csrf_token={people.form_token(other)}").status_code == 400
    assert people.send(mine, rule, f"csrf_token={people.form_token(app.test_client())}").status_code == 400
    assert people.send(mine, rule, f"csrf_token={people.form_token(mine)}").status_code == 303


def test_a_page_does_not_hold_the_sign_in_of_its_reader(app: Flask, people: People) -> None:
    """A page may be printed, sent or saved; what it holds must not be what the cookie holds."""
    client = people.browser("role_coordinator")
    with client.session_transaction() as cookie:
        token = cookie["_user_id"]
    form_token = client.get("/espace").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    held = base64.urlsafe_b64decode(form_token.partition(".")[0] + "==").decode()
    assert len(held) == 18 and token not in held


# --- Cookies and headers ---------------------------------------------------------------------------------------


def test_reading_sets_no_cookie(app: Flask, people: People) -> None:
    greedy = {}
    for rule in _pages(app):
        answer = app.test_client().get(people.address(rule))
        if "Set-Cookie" in answer.headers:
            greedy[rule.endpoint] = answer.headers["Set-Cookie"]
    assert greedy == {}


def test_the_one_cookie_is_out_of_reach_of_scripts_and_other_sites(app: Flask, people: People) -> None:
    client = app.test_client()
    form = {"variant_id": people.values["variant_id"], "qty": "1", "csrf_token": people.form_token(client)}
    (cookie,) = client.post("/panier/lignes", data=form).headers.getlist("Set-Cookie")
    words = cookie.split("; ")
    assert words[0].startswith("session=")
    assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(words)
    assert not any(word.startswith("Domain") for word in words)


def test_over_https_the_cookie_and_every_answer_insist_on_it(hall: Hall, town: Town) -> None:
    env = {"SECRET_KEY": "t" * 40, "INSTANCE_DIR": str(hall.settings.instance_dir), "SITE_URL": "https://halles.test"}
    app = create_app(replace(hall, settings=Settings.from_env(env)))
    client = app.test_client()
    with app.test_request_context():
        form = {"variant_id": town.variant("L1"), "qty": "1", "csrf_token": csrf_token()}
    answer = client.post("/panier/lignes", data=form, base_url="https://halles.test")
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    for path in ("/", "/nulle-part", "/static/css/tokens.css", "/api/v1/shops"):
        answer = client.get(path, base_url="https://halles.test")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", path


def test_programs_get_the_towns_own_addresses_whatever_host_they_name(hall: Hall, town: Town) -> None:
    settings = replace(hall.settings, production=True, site_url="https://halles.test")
    client = create_app(replace(hall, settings=settings)).test_client()
    shops = client.get("/api/v1/shops", base_url="https://evil.test").json["items"]
    assert {shop["url"].partition("/boutiques")[0] for shop in shops} == {"https://halles.test"}


def test_every_answer_says_what_the_browser_may_do_with_it(app: Flask, people: People) -> None:
    silent = {}
    urls = [people.address(rule) for rule in _pages(app)]
    for url in [*urls, "/nulle-part", "/panier/suite", "/boutique"]:
        headers = app.test_client().get(url).headers
        expected = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
        missing = {name: headers.get(name) for name, value in expected.items() if headers.get(name) != value}
        policy = headers.get("Content-Security-Policy", "")
        if headers.get("Content-Type", "").startswith("text/html"):
            wanted = ("default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'")
            missing |= {word: policy for word in wanted if word not in policy.split("; ")}
        if "unsafe" in policy or headers.get("Access-Control-Allow-Origin") is not None:
            missing["open"] = policy
        if missing:
            silent[url] = missing
    assert silent == {}


def test_what_staff_see_is_kept_nowhere(app: Flask, people: People) -> None:
    kept = {}
    for rule in _pages(app):
        who = WHO[rule.endpoint]
        if who != "everyone":
            header = people.browser(who).get(people.address(rule)).headers["Cache-Control"]
            if "no-store" not in header:
                kept[rule.endpoint] = header
    assert kept == {}


# --- Ways out --------------------------------------------------------------------------------------------------

ELSEWHERE = (
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    " //evil.example",
    "http:evil.example",
    "https:/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "//evil.example@localhost/",
    "http://localhost@evil.example/",
    "//evil%E3%80%82example",
    "/%09/evil.example",
    "/..//evil.example",
    "/.//evil.example",
    "evil.example",
    "?next=//evil.example",
    "http://[",
    "//[::1",
    "/aide\r\nSet-Cookie: session=x",
    "/" + "x" * 100_000,
)


def _as_a_browser_reads(location: str) -> str:
    """Where a browser goes: it drops tabs and line ends, and takes a backslash for a slash."""
    plain = "".join(c for c in location.strip() if c not in "\t\r\n").replace("\\", "/")
    assert len(plain) < 4_000, "longer than a browser takes"
    return urlsplit(urljoin("http://localhost/connexion", plain)).netloc


def test_no_way_of_ours_leads_to_another_site(app: Flask, people: People) -> None:
    away = {}
    for target in ELSEWHERE:
        ways = {
            "accounts.sign_in_submit": {"email": EMAIL, "password": PASSWORD, "next": target},
            "language.choose": {"language": "fr", "next": target},
            "basket.add": {"variant_id": str(people.values["variant_id"]), "qty": "1", "back": target},
        }
        for rule in _posts(app):
            if rule.endpoint in ways:
                client = app.test_client()
                form = {"csrf_token": people.form_token(client), **ways[rule.endpoint]}
                answer = people.send(client, rule, "&".join(f"{name}={quote(value)}" for name, value in form.items()))
                # A line end is no part of an address, and ours are shorter: such a field may be refused.
                is_refused = answer.status_code == 422 and ("\n" in target or len(target) > 500)
                leads_home = answer.status_code == 303 and _as_a_browser_reads(str(answer.location)) == "localhost"
                if not is_refused and not leads_home:
                    away[rule.endpoint, target] = (answer.status_code, answer.location)
    assert away == {}


# --- Bad input -------------------------------------------------------------------------------------------------


def test_nothing_that_is_typed_breaks_a_form(app: Flask, people: People, hall: Hall) -> None:
    """Every field of every form gets every sort of nonsense, the other fields being right: never a 5xx."""
    wrong = {}
    for rule in _posts(app):
        good = FORMS[rule.endpoint]
        for name in [*good, "unknown"]:
            client = _right_browser(people, rule)
            for junk in JUNK if name in good else ("x",):
                if rule.endpoint == "accounts.sign_out":
                    client = _right_browser(people, rule)
                fields = {key: quote(value) for key, value in good.items() if key != name}
                if junk is not None:
                    fields[name] = junk
                fields["csrf_token"] = people.form_token(client)
                body = "&".join(f"{key}={value}" for key, value in fields.items())
                status = people.send(client, rule, body).status_code
                is_refused = 400 <= status < 500
                optional = junk in (None, "") and (rule.endpoint, name) == ("basket.add", "qty")
                if status >= 500 or ((rule.endpoint, name) in COUNTS and not is_refused and not optional):
                    wrong[rule.endpoint, name, (junk or "missing")[:20]] = status
    assert wrong == {}


def test_a_body_that_is_no_form_breaks_nothing(app: Flask, people: People) -> None:
    broken = {}
    for rule in _posts(app):
        for body in ("%", "=", "&&&&", "csrf_token=%FF", "x=" + "y" * 300_000, "[]=1&[]=2"):
            client = _right_browser(people, rule)
            bare = people.send(client, rule, body).status_code
            signed = people.send(client, rule, body, X_CSRF_Token=people.form_token(client)).status_code
            if max(bare, signed) >= 500:
                broken[rule.endpoint, body[:20]] = (bare, signed)
    assert broken == {}


def test_nothing_in_an_address_breaks_a_page(app: Flask, people: People) -> None:
    wrong = {}
    junks = ("0", "-1", "99999999999999999999", "%00", "%ED%A0%80", "x" * 5_000, "%F0%9F%A5%96")
    for rule in _rules(app, "GET", "POST", "PATCH", "DELETE"):
        client = _right_browser(people, rule)
        for name, junk in product(rule.arguments, junks):
            kept = people.values[name]
            has_own_token = rule.endpoint.startswith(("documents.", "tracking."))
            marked = rule.rule.replace("<token>", "7777") if has_own_token else people.address(rule)
            url = marked.replace("7777" if has_own_token else str(kept), junk)
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                headers = {"X-CSRF-Token": people.form_token(client)}
                status = client.open(url, method=method, headers=headers).status_code
                if status >= 500:
                    wrong[rule.endpoint, name, junk[:20], method] = status
    assert wrong == {}


def test_nobody_orders_before_the_questions_are_answered(app: Flask, people: People, hall: Hall) -> None:
    rule = next(rule for rule in _posts(app) if rule.endpoint == "checkout.order")
    client = people.visitor()
    body = "&".join(f"{name}={value}" for name, value in FORMS["checkout.order"].items())
    answer = people.send(client, rule, f"{body}&csrf_token={people.form_token(client)}")
    assert (answer.status_code, answer.location) == (303, "/commande/livraison")
    with hall.database.reading() as session:
        assert session.scalars(select(Checkout.basket_id)).all() == []


# --- Reading changes nothing -----------------------------------------------------------------------------------


def _everything(database: Database) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a digest of them."""
    digests = {}
    with database.reading() as session:
        for table in [*(table.name for table in Base.metadata.sorted_tables), "procrastinate_jobs"]:
            rows = session.scalars(text(f"SELECT t::text FROM {table} t ORDER BY 1")).all()
            digests[table] = (len(rows), hashlib.sha256(json.dumps(rows).encode()).hexdigest())
    return digests


def test_reading_changes_nothing(app: Flask, people: People, hall: Hall) -> None:
    """Neither a visitor with a basket and an order that is paid, nor the person whom the page is for."""
    pages = [(rule, [people.visitor(), _right_browser(people, rule)]) for rule in _pages(app)]
    # A paper is made once, by whoever opens it first, and then kept as it was handed out.
    people.visitor().get(next(people.address(rule) for rule, _ in pages if rule.endpoint == "documents.pdf"))
    before = _everything(hall.database)
    assert before["orders"][0] == before["checkout"][0] + 1 == 1
    for rule, browsers in pages:
        for client in browsers:
            client.get(people.address(rule))
    after = _everything(hall.database)
    assert {table for table in before if before[table] != after[table]} == set()
