"""An order's money on one page, and what a treasurer gives back by hand: looked at first, then once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select

from basket.models import Order, OrderLine, OrderRefund, SubOrder
from marketplace.accounts.models import SignIn, User
from marketplace.accounts.people import grant_role
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.money import Money
from marketplace.payments.models import Payment, Refund, RefundPart
from marketplace.payments.service import look_for_chargebacks
from tests.basket.counter import Browser, Paid, part_of
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import register_merchants, work


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


def _person(app: Flask, hall: Hall, role: str, name: str) -> Browser:
    now, token = hall.clock.now(), new_token()
    with hall.database.transaction() as session:
        user = User(email=f"{token}@example.org".lower(), name=name, created_at=now)
        session.add(user)
        session.flush()
        grant_role(session, user_id=user.id, role=role, actor="test", now=now)
        session.add(SignIn(token=token, user_id=user.id, signed_in_at=now, seen_at=now))
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    return Browser(client)


@pytest.fixture
def treasurer(app: Flask, hall: Hall) -> Browser:
    return _person(app, hall, "treasurer", "Marion Petit")


def _line(hall: Hall, part: SubOrder) -> int:
    with hall.database.reading() as session:
        return session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()


def _said(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text.partition("<main")[2])).replace("\u202f", " ")


def _refunds(hall: Hall) -> list[Money]:
    with hall.database.reading() as session:
        return list(session.scalars(select(Refund.amount).order_by(Refund.id)))


WHY = {"reason": "complaint", "liable": "shared", "note": "Un pot cassé.", "seen_refund_id": "0"}


def test_what_is_looked_at_is_what_goes_back(hall: Hall, paid: Paid, treasurer: Browser) -> None:
    """Tomme of 9.96, commission 0.80: 4.98 of it is shared; half of 4.98 - 0.40 is the merchant's, 0.20 commission."""
    placed = paid(["F1", "C1"])
    part = part_of(hall, placed, "fromagerie")
    line = _line(hall, part)
    url = f"/tresorerie/commandes/{placed.code}"
    assert "Rien n’a été rendu." in treasurer.get(url).text
    form = {**WHY, f"amount-{line}": "4,98", "gesture": "", "delivery": "1,00"}
    look = treasurer.post(f"{url}/rendre/{part.id}", step="look", **form)
    assert look.status_code == 200
    for said in (
        "SARL Fromagerie des Halles ses produits, retenu sur son versement 2,29 €",
        "L’association commission 0,20 €",
        "L’association livraison 1,00 €",
        "L’association geste 2,49 €",
        "Le client reçoit 5,98 €",
        "« Un pot cassé. »",
    ):
        assert said in _said(look.text).replace("\xa0", " "), said
    assert _refunds(hall) == [], "looking asks nobody for anything"
    done = treasurer.post(f"{url}/rendre/{part.id}", step="do", **form)
    assert (done.status_code, done.location) == (303, f"{url}#rendu")
    work(hall)
    with hall.database.reading() as session:
        (given,) = session.scalars(select(OrderRefund)).all()
        assert (given.reason, given.liable, given.note, given.delivery) == (
            "complaint",
            "shared",
            "Un pot cassé.",
            Money(100),
        )
        parts = session.execute(select(RefundPart.kind, RefundPart.amount))
        assert {row.kind: row.amount.cents for row in parts} == {
            "goods": 229,
            "commission": 20,
            "delivery": 100,
            "gesture": 249,
        }
    page = _said(treasurer.get(url).text).replace("\xa0", " ")
    assert "par Marion Petit : une réclamation. À la charge de : les deux, moitié-moitié." in page
    assert "reste 4,98 €" in page
    assert "Payé par le client 26,46 € Rendu, ou en route -5,98 € Reste 20,48 €" in page


def test_pieces_go_back_at_their_price_and_what_was_typed_can_be_corrected(
    hall: Hall, paid: Paid, treasurer: Browser
) -> None:
    placed = paid(["L1", "L1"])
    part = part_of(hall, placed, "librairie")
    line = _line(hall, part)
    url = f"/tresorerie/commandes/{placed.code}/rendre/{part.id}"
    form = {**WHY, "liable": "merchant", f"qty-{line}": "1"}
    assert "18,00\xa0€" in treasurer.post(url, step="look", **form).text
    again = treasurer.post(url, step="change", **form)
    assert f'name="qty-{line}" type="text" class="short" value="1"' in again.text
    treasurer.post(url, step="do", **form)
    with hall.database.reading() as session:
        assert session.scalars(select(OrderRefund.reason)).one() == "complaint"
    assert _refunds(hall) == [Money(1800)]


def test_two_treasurers_at_once_and_a_double_press_give_back_once(
    app: Flask, hall: Hall, paid: Paid, treasurer: Browser
) -> None:
    placed = paid(["F1", "C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part)
    url = f"/tresorerie/commandes/{placed.code}"
    people = [treasurer, _person(app, hall, "treasurer", "Paul Roux")]
    ready = Barrier(4)

    def give(n: int) -> int:
        ready.wait()
        form = {**WHY, "liable": "merchant", f"amount-{line}": f"{n + 1},00"}
        return people[n % 2].post(f"{url}/rendre/{part.id}", step="do", **form).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(give, range(4))) == [303] * 4
    assert len(_refunds(hall)) == 1
    late = {**WHY, "liable": "merchant", f"amount-{line}": "2,00"}
    assert people[1].post(f"{url}/rendre/{part.id}", step="look", **late).location == f"{url}#rendu"
    page = people[1].get(url).text
    assert "Rien de plus n’a été rendu" in page
    assert "une réclamation" in page


def test_a_whole_part_is_cancelled_at_the_associations_expense(hall: Hall, paid: Paid, treasurer: Browser) -> None:
    """Jam of 5.00 and wine: shared, the fromagerie gives 2.30 and the association 2.70, with 1.32 of delivery."""
    placed = paid(["F2", "C1"])
    part = part_of(hall, placed, "fromagerie")
    url = f"/tresorerie/commandes/{placed.code}/annuler/{part.id}"
    assert "Voir qui donne quoi" in treasurer.get(url).text
    form = {"liable": "shared", "note": "Cageot tombé.", "seen_refund_id": "0"}
    look = _said(treasurer.post(url, step="look", **form).text).replace("\xa0", " ")
    assert "Le client reçoit 6,32 €" in look
    with hall.database.reading() as session:
        assert session.get_one(SubOrder, part.id).state == "received"
    assert treasurer.post(url, step="do", **form).status_code == 303
    assert _refunds(hall) == [Money(632)]
    with hall.database.reading() as session:
        assert session.get_one(SubOrder, part.id).state == "cancelled"
        assert session.scalars(select(OrderRefund.note)).one() == "Cageot tombé."
    assert "C’est fait" in treasurer.get(url).text
    assert treasurer.post(url, step="do", **form).status_code == 303, "a second press is told what the first did"
    assert len(_refunds(hall)) == 1


def test_a_refusal_says_at_its_field_what_to_do(hall: Hall, paid: Paid, treasurer: Browser) -> None:
    placed = paid(["L1", "L1"])
    part = part_of(hall, placed, "librairie")
    line = _line(hall, part)
    refusals: tuple[tuple[dict[str, str], str], ...] = (
        ({}, "Choisissez ce que vous rendez"),
        ({f"qty-{line}": "3"}, "Écrivez au plus 2 pièces"),
        ({f"amount-{line}": "36,01"}, "Écrivez au plus 36,00 €"),
        ({f"amount-{line}": "beaucoup"}, "Écrivez une somme en euros"),
        ({"delivery": "4,51"}, "Écrivez au plus 4,50 €"),
        ({"gesture": "2000"}, "il ne reste pas assez"),
        ({"gesture": "30"}, "D’ici là, elle n’a de ce paiement que"),
        ({"liable": ""}, "Choisissez une réponse à « À la charge de »"),
        ({"note": ""}, "Remplissez « Ce qui s’est passé »"),
        ({"seen_refund_id": ""}, "Cette page était ouverte depuis trop longtemps"),
    )
    for form, said in refusals:
        answer = treasurer.post(
            f"/tresorerie/commandes/{placed.code}/rendre/{part.id}", step="do", **{**WHY, "liable": "merchant", **form}
        )
        assert answer.status_code == 422, form
        assert said in answer.text.replace("\xa0", " "), form
    assert _refunds(hall) == []


def test_what_a_bank_has_taken_is_not_given_a_second_time(
    hall: Hall, paid: Paid, sandbox: Sandbox, treasurer: Browser
) -> None:
    placed = paid(["C1"])
    with hall.database.reading() as session:
        provider_id = session.scalars(select(Payment.provider_id)).one()
    sandbox.charge_back(provider_id or "", "16.50")
    look_for_chargebacks(hall)
    work(hall)
    url = f"/tresorerie/commandes/{placed.code}"
    answer = treasurer.post(f"{url}/rendre", step="do", gesture="1,00", note="x1", seen_refund_id="0")
    assert answer.status_code == 422
    assert "la banque du client a repris cet argent" in answer.text
    assert "Repris par sa banque" in treasurer.get(url).text


def test_an_order_is_found_by_its_number(app: Flask, hall: Hall, paid: Paid, treasurer: Browser) -> None:
    placed = paid(["C1"])
    spoken = " ".join(re.findall("..", placed.code))
    url = f"/tresorerie/commandes/{placed.code}"
    assert treasurer.get(f"/tresorerie/commandes?code={spoken}").location == url
    assert "ne vont pas ensemble" in treasurer.get("/tresorerie/commandes?code=12345678").text
    assert treasurer.get("/tresorerie/commandes/99999999").status_code == 404
    coordinator = _person(app, hall, "coordinator", "Anne")
    page = coordinator.get(url).text
    assert "C’est la trésorerie qui rend l’argent." in page and "/rendre" not in page
    part = part_of(hall, placed, "cave")
    assert coordinator.get(f"{url}/rendre/{part.id}").status_code == 403
    other = part_of(hall, paid(["F1"]), "fromagerie")
    assert treasurer.get(f"{url}/rendre/{other.id}").status_code == 404


def test_an_unpaid_order_gives_nothing_back(hall: Hall, paid: Paid, treasurer: Browser) -> None:
    placed = paid(["C1"])
    with hall.database.transaction() as session:
        order = session.get_one(Order, placed.order_id)
        code, payment_id = order.code, order.payment_id
        order.payment_id = None
    url = f"/tresorerie/commandes/{code}/rendre"
    assert treasurer.get(url).status_code == 404
    assert treasurer.post(url, step="do", gesture="1,00", note="x1", seen_refund_id="0").status_code == 404
    with hall.database.transaction() as session:
        session.get_one(Order, placed.order_id).payment_id = payment_id
