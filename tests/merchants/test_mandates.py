"""The mandate's pages: read, signed, declined, ended; by its owner and nobody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select, update

from marketplace.accounts.models import SignIn, User
from marketplace.clock import FixedClock, local_day
from marketplace.hall import Hall
from marketplace.invoices.issuing import issue_for_seller
from marketplace.invoices.mandates import Standing, standing_of
from marketplace.invoices.models import InvoicingMandate
from marketplace.mail import Mailer
from merchants.models import FileChange, Member, Merchant
from merchants.rules import siren_of, vat_number_of
from merchants.sellers import SellerFile, seller_by_key
from tests.marketplace.invoices.cast import ASSOCIATION, sale
from tests.smtp_server import html_of, running_mail_server, text_of
from tests.walk import Town, work

CAVE = "merchant:cave"
SIGNATURE = {"legal_form": "SARL", "vat": "charged", "signed_by": "Rose Breuil", "agrees": "1"}


@pytest.fixture
def owner(client: FlaskClient, hall: Hall, town: Town) -> FlaskClient:
    return _sign_in(client, hall, "owner")


def _sign_in(client: FlaskClient, hall: Hall, role: str) -> FlaskClient:
    now = hall.clock.now()
    with hall.database.transaction() as session:
        user = User(email=f"{role}@example.org", name="Rose", created_at=now)
        session.add(user)
        session.flush()
        merchant_id = session.scalars(select(Merchant.id).where(Merchant.key == "cave")).one()
        session.add(Member(user_id=user.id, merchant_id=merchant_id, role=role))
        session.add(SignIn(token=role, user_id=user.id, signed_in_at=now, seen_at=now))
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = role, True
    return client


def _seller(hall: Hall) -> SellerFile:
    with hall.database.reading() as session:
        return seller_by_key(session, "cave")


def _standing(hall: Hall, day: date | None = None) -> Standing:
    with hall.database.reading() as session:
        return standing_of(session, seller=CAVE, on=day or local_day(hall.clock.now()))


def _words(html: str) -> str:
    root = LexborHTMLParser(html).css_first("main")
    assert root is not None
    return " ".join(root.text(separator=" ").split())


def _send(client: FlaskClient, hall: Hall, act: str, form: dict[str, str]) -> tuple[int, str]:
    page = f"/boutique/factures/mandat/{_seller(hall).id}"
    token = LexborHTMLParser(client.get(page).text).css_first("[name=csrf_token]")
    sent = {**form, "csrf_token": token.attributes["value"] or "" if token else ""}
    answer = client.post(f"{page}/{act}", data=sent)
    return answer.status_code, _words(answer.text) if answer.status_code != 303 else ""


def test_a_merchant_reads_signs_and_finds_what_was_signed(owner: FlaskClient, hall: Hall) -> None:
    assert "Nous laisser écrire vos factures" in owner.get("/boutique/factures").text
    said = _words(owner.get(f"/boutique/factures/mandat/{_seller(hall).id}").text)
    assert "Pas encore de réponse" in said
    assert "la TVA reste votre affaire" in said
    assert _send(owner, hall, "signer", SIGNATURE) == (303, "")
    with hall.database.reading() as session:
        kept = session.scalars(select(InvoicingMandate)).one()
    assert (kept.seller, kept.ordinal, kept.signed_on, kept.signed_by) == (CAVE, 1, date(2026, 11, 24), "Rose Breuil")
    assert "sous le numéro FR41000000042" in kept.terms
    assert kept.terms.endswith("Signé en ligne par Rose Breuil (compte owner@example.org), le 24 novembre 2026.")
    with running_mail_server() as post:
        work(replace(hall, mailer=Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from)))
        for address, whose in (
            ("cave@example.org", "votre exemplaire"),
            (hall.settings.site_email, "de l’association"),
        ):
            (copy,) = post.to(address)
            for body in (text_of(copy), html_of(copy)):
                assert whose in body and "Signé en ligne par Rose Breuil" in body
                assert "sous le numéro FR41000000042" in " ".join(body.split())
    assert (_seller(hall).legal_form, _seller(hall).is_vat_exempt) == ("SARL", False)
    said = _words(owner.get(f"/boutique/factures/mandat/{_seller(hall).id}").text)
    assert "signé le 24 novembre 2026 par Rose Breuil." in said
    assert "Signé en ligne par Rose Breuil" in said
    assert _send(owner, hall, "signer", SIGNATURE)[0] == 409


def test_a_mandate_with_a_siren_that_was_corrected_is_signed_anew(
    owner: FlaskClient, hall: Hall, clock: FixedClock
) -> None:
    assert _send(owner, hall, "signer", SIGNATURE)[0] == 303
    with hall.database.transaction() as session:
        issue_for_seller(session, key="s", draft=sale(_seller(hall).as_party), issuer=ASSOCIATION, now=clock.now())
        session.execute(update(Merchant).where(Merchant.key == "cave").values(registration="SIREN 000000059"))
    page = f"/boutique/factures/mandat/{_seller(hall).id}"
    said = _words(owner.get(page).text)
    assert "Signez ce mandat de nouveau" in said and "SIREN 000000059" in said and "Ou refuser" not in said
    assert "À signer de nouveau" in owner.get("/boutique/factures").text
    status, said = _send(owner, hall, "signer", SIGNATURE)
    assert status == 409 and "Revenez signer demain." in said
    clock.advance(timedelta(days=1))
    assert _send(owner, hall, "signer", SIGNATURE)[0] == 303
    said = _words(owner.get(page).text)
    assert "Signez ce mandat de nouveau" not in said and "signé le 25 novembre 2026" in said
    with hall.database.reading() as session:
        mandates = session.execute(
            select(InvoicingMandate.ordinal, InvoicingMandate.ended_on).order_by(InvoicingMandate.ordinal)
        ).all()
        (change,) = session.scalars(select(FileChange)).all()
    assert [tuple(one) for one in mandates] == [(1, date(2026, 11, 25)), (2, None)]
    # What the merchant said of itself when it signed is in its file's history.
    assert (change.actor.partition(":")[0], change.changed) == ("member", {"legal_form": ["", "SARL"]})
    assert _send(owner, hall, "signer", SIGNATURE)[0] == 409


def test_whoever_is_under_the_franchise_says_so_when_signing(owner: FlaskClient, hall: Hall) -> None:
    assert _send(owner, hall, "signer", {**SIGNATURE, "vat": "exempt"})[0] == 303
    assert "ne facture pas la TVA (franchise en base)" in _standing(hall).terms
    assert (_seller(hall).is_vat_exempt, _seller(hall).as_party.vat_number) == (True, "")


def test_an_answer_that_is_not_whole_is_refused_at_its_field(owner: FlaskClient, hall: Hall) -> None:
    status, said = _send(owner, hall, "signer", {"legal_form": "SARL", "vat": "charged", "signed_by": ""})
    assert status == 422
    assert "Remplissez « Votre nom »." in said
    assert "Cochez la case si vous êtes d’accord" in said
    with hall.database.transaction() as session:
        session.execute(update(Merchant).where(Merchant.key == "cave").values(registration="en cours"))
    status, said = _send(owner, hall, "signer", SIGNATURE)
    assert status == 422
    assert "n’a pas encore de numéro SIREN" in said
    assert _standing(hall).state == "unasked"
    assert _seller(hall).legal_form == ""


def test_a_merchant_declines_and_may_change_its_mind(owner: FlaskClient, hall: Hall, clock: FixedClock) -> None:
    assert _send(owner, hall, "refuser", {})[0] == 303
    assert _standing(hall) == Standing("declined", declined_on=date(2026, 11, 24), declined_by="Rose")
    assert "Changer d’avis sur le mandat" in owner.get("/boutique/factures").text
    clock.advance(timedelta(minutes=1))
    assert _send(owner, hall, "signer", SIGNATURE)[0] == 303
    assert _standing(hall).state == "in_force"
    assert _send(owner, hall, "refuser", {})[0] == 409


def test_a_mandate_ends_on_a_day_to_come(owner: FlaskClient, hall: Hall) -> None:
    assert _send(owner, hall, "signer", SIGNATURE)[0] == 303
    with hall.database.transaction() as session:
        seller = seller_by_key(session, "cave").as_party
        issue_for_seller(session, key="s", draft=sale(seller), issuer=ASSOCIATION, now=hall.clock.now())
    for day in ("24/11/2026", "31/02/2027", "demain"):
        status, said = _send(owner, hall, "terminer", {"ended_on": day})
        assert status == 422, day
    assert "Écrivez un jour du calendrier" in said
    assert _send(owner, hall, "terminer", {"ended_on": "1/12/2026"})[0] == 303
    assert "Il prend fin le 1er décembre 2026." in owner.get("/boutique/factures").text
    assert [_standing(hall, date(2026, *day)).state for day in ((11, 30), (12, 1))] == ["in_force", "ended"]
    assert _standing(hall).ended_by == "Rose"


def test_only_an_owner_answers(client: FlaskClient, hall: Hall, town: Town) -> None:
    staff = _sign_in(client, hall, "staff")
    page = f"/boutique/factures/mandat/{_seller(hall).id}"
    assert "Seule la personne qui dirige ce commerce peut répondre." in _words(staff.get(page).text)
    with hall.database.reading() as session:
        others = session.scalars(select(Merchant.id).where(Merchant.key == "librairie")).one()
    assert staff.get(f"/boutique/factures/mandat/{others}").status_code == 404
    for act, form in (("signer", SIGNATURE), ("refuser", {}), ("terminer", {})):
        assert _send(staff, hall, act, form)[0] == 403, act
    assert _standing(hall).state == "unasked"


@pytest.mark.parametrize(
    ("registration", "siren", "vat_number"),
    [
        ("RCS Angoulême 732 829 320", "732829320", "FR44732829320"),
        ("SIRET 732 829 320 00074", "732829320", "FR44732829320"),
        ("SIREN 000000000 (démonstration)", "000000000", "FR12000000000"),
        ("RNA W161000000", "", ""),
        ("", "", ""),
    ],
)
def test_the_vat_number_follows_from_the_siren(registration: str, siren: str, vat_number: str) -> None:
    assert (siren_of(registration), vat_number_of(siren_of(registration))) == (siren, vat_number)
