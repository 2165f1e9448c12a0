"""Documents by their link, and the shopkeeper's list of them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from threading import BoundedSemaphore
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from pypdf import PdfReader
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import select

from marketplace.accounts.models import SignIn, User
from marketplace.hall import Hall
from marketplace.invoices import printing, views
from marketplace.invoices.issuing import CommissionLine, Issued, issue_commission_invoice, issue_for_seller
from marketplace.invoices.mandates import sign_mandate
from marketplace.money import Money
from merchants.models import Member, Merchant
from tests.marketplace.invoices.cast import ASSOCIATION, CHEESE, NOW, TODAY, sale
from tests.walk import Town


def _sell(hall: Hall, key: str = "sale") -> Issued:
    draft = replace(sale(), is_fictitious=True)
    with hall.database.transaction() as session:
        return issue_for_seller(session, key=key, draft=draft, issuer=ASSOCIATION, now=NOW)


def _words(html: str) -> str:
    root = LexborHTMLParser(html).css_first("main")
    assert root is not None
    return " ".join(root.text(separator=" ").split())


def test_whoever_has_the_link_reads_the_document(client: FlaskClient, hall: Hall) -> None:
    receipt = _sell(hall)
    answer = client.get(f"/documents/{receipt.token}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    said = _words(answer.text)
    assert "Reçu n° R2026-00001" in said
    assert "Ce reçu n’est pas une facture." in said
    assert "Document de démonstration : ce vendeur et cette vente sont inventés." in said
    assert "Panier de légumes 1 12,90 € 5,5 % 12,23 € 12,90 €" in said
    assert "noindex" in answer.text


def test_without_the_link_there_is_nothing(client: FlaskClient, hall: Hall) -> None:
    token = _sell(hall).token
    for address in (f"/documents/{token}x", f"/documents/{token[:-1]}/pdf", "/documents/1", "/documents/"):
        assert client.get(address).status_code == 404, address


def test_the_paper_is_a_file_with_a_name(client: FlaskClient, hall: Hall) -> None:
    with hall.database.transaction() as session:
        sign_mandate(session, seller=CHEESE.key, signed_on=TODAY, signed_by="Rose Breuil", now=NOW)
    invoice, receipt = _sell(hall), replace(sale(), kind="receipt")
    answer = client.get(f"/documents/{invoice.token}/pdf")
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == "attachment; filename=Facture-M1-F2026-00001.pdf"
    reader = PdfReader(BytesIO(answer.data))
    assert "Total TTC 28,44" in reader.pages[0].extract_text()
    assert list(reader.attachments) == ["factur-x.xml"]
    assert b"Document de d\xc3\xa9monstration" in reader.attachments["factur-x.xml"][0]
    with hall.database.transaction() as session:
        paid = issue_for_seller(session, key="receipt", draft=receipt, issuer=ASSOCIATION, now=NOW)
    answer = client.get(f"/documents/{paid.token}/pdf")
    assert "Reçu-R2026-00001.pdf" in unquote(answer.headers["Content-Disposition"])
    assert PdfReader(BytesIO(answer.data)).attachments == {}


@pytest.fixture
def shopkeeper(client: FlaskClient, hall: Hall, town: Town) -> FlaskClient:
    """Signed in, works for the merchant that the cast's sales are about."""
    with hall.database.transaction() as session:
        user = User(email="rose@example.org", name="Rose", created_at=NOW)
        session.add(user)
        session.flush()
        merchant = session.scalars(select(Merchant).where(Merchant.key == CHEESE.key.removeprefix("merchant:"))).one()
        session.add(Member(user_id=user.id, merchant_id=merchant.id, role="owner"))
        session.add(SignIn(token="rose", user_id=user.id, signed_in_at=NOW, seen_at=NOW))
    with client.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = "rose", True
    return client


def test_a_shopkeeper_finds_their_own_papers_and_no_others(shopkeeper: FlaskClient, hall: Hall) -> None:
    assert "Nous ne vous avons pas encore envoyé de facture de commission." in shopkeeper.get("/boutique/factures").text
    own = _sell(hall)
    with hall.database.transaction() as session:
        other = replace(CHEESE, key="merchant:other")
        stranger = issue_for_seller(session, key="other", draft=sale(other), issuer=ASSOCIATION, now=NOW)
        (fee,), (others_fee,) = (
            issue_commission_invoice(
                session,
                association=ASSOCIATION,
                merchant=merchant,
                month=TODAY,
                lines=[CommissionLine("Commande", Money(160))],
                reason="",
                now=NOW,
            )
            for merchant in (CHEESE, other)
        )
    page = shopkeeper.get("/boutique/factures").text
    said = _words(page)
    assert "Vous ne nous avez pas donné mandat" in said
    assert "F2026-00001 Facture 24 novembre 2026 2026-11 1,60 €" in said
    assert "R2026-00001 Reçu 24 novembre 2026 12345678 28,44 €" in said
    assert [issued.token in page for issued in (own, fee, stranger, others_fee)] == [True, True, False, False]
    with hall.database.transaction() as session:
        sign_mandate(session, seller=CHEESE.key, signed_on=TODAY, signed_by="Rose Breuil", now=NOW)
    assert "Depuis votre mandat du 24 novembre 2026, nous" in shopkeeper.get("/boutique/factures").text


def test_a_paper_is_printed_once_and_stays_the_same(
    client: FlaskClient, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"/documents/{_sell(hall).token}/pdf"
    first = client.get(address)
    monkeypatch.setattr(printing.sys, "executable", "/nowhere/python")
    again = client.get(address)
    assert (again.status_code, again.data) == (200, first.data)
    assert again.headers["ETag"] == f'"{sha256(first.data).hexdigest()}"'


def test_whoever_finds_every_press_busy_hears_of_a_crowd(
    client: FlaskClient, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "_PRESSES", BoundedSemaphore(1))
    monkeypatch.setattr(printing, "QUEUE_S", 0)
    address = f"/documents/{_sell(hall).token}/pdf"
    with printing._PRESSES:
        assert client.get(address).status_code == 503
    assert client.get(address).status_code == 200


def test_a_machine_that_asks_for_every_paper_is_slowed_down(
    client: FlaskClient, hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PRINTED_MOST", "1 per minute")
    first, second = (f"/documents/{_sell(hall, key).token}/pdf" for key in ("one", "two"))
    assert [client.get(address).status_code for address in (first, first, second)] == [200, 200, 429]
