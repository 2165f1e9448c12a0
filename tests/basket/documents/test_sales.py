"""What is handed over gets its papers, once; what is given back is told by them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import func, select, text

from basket import orders, shortages
from basket.documents import handlers, own_notes, to_write
from basket.documents.models import DocumentedRefund
from basket.giving_back import Returned, give_back, lines_of
from basket.models import Order, OrderLine, OrderRefund, SubOrder
from marketplace.clock import FixedClock, local_day
from marketplace.hall import Hall
from marketplace.invoices.freezing import from_kept
from marketplace.invoices.mandates import end_mandate, sign_mandate
from marketplace.invoices.models import IssuedDocument, VatStatus
from marketplace.invoices.rules import Document
from marketplace.money import Money
from tests.apps import app_over
from tests.basket.counter import Keeper
from tests.sandbox_server import Sandbox, running_sandbox
from tests.staff import browser_of
from tests.walk import Town, pay, place, register_merchants, work


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


def _sign(hall: Hall, slug: str) -> None:
    with hall.database.transaction() as session:
        now = hall.clock.now()
        sign_mandate(session, seller=f"merchant:{slug}", signed_on=local_day(now), signed_by="Rose Breuil", now=now)


def _bring(hall: Hall, placed: orders.PlacedOrder, *slugs: str) -> None:
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset(slugs), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
    work(hall)


def _give_back(hall: Hall, placed: orders.PlacedOrder, cents: int, *, liable: str = "merchant", fee: int = 0) -> int:
    """So many cents of the order's first line go back after the hand-over, and of the fee; the refund's id."""
    with hall.database.transaction() as session:
        order = session.get_one(Order, placed.order_id, with_for_update=True)
        part = session.scalars(select(SubOrder).where(SubOrder.order_id == order.id).order_by(SubOrder.id)).first()
        assert part is not None
        given = give_back(
            session,
            order,
            part,
            reason="complaint",
            liable=liable,
            returned=[Returned(lines_of(session, part.id)[0].id, 0, Money(cents))],
            delivery=Money(fee),
            actor="treasurer",
            now=hall.clock.now(),
        )
        refund_id = given.id
    work(hall)
    return refund_id


def _papers(hall: Hall) -> list[Document]:
    """All that was issued, in order."""
    with hall.database.reading() as session:
        return [from_kept(kept) for kept in session.scalars(select(IssuedDocument.content).order_by(IssuedDocument.id))]


def _told(papers: list[Document]) -> list[tuple[str, str, str]]:
    return sorted((paper.seller.name, paper.number, str(paper.total)) for paper in papers)


def test_each_seller_gets_its_own_paper_when_the_goods_are_handed_over(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    """The cheese shop has signed, the wine shop has not; the round is the association's own sale."""
    _sign(hall, "fromagerie")
    placed = place(hall.database, town, ("F1", "C1"), clock=hall.clock)
    pay(hall, sandbox, placed)
    assert _papers(hall) == []
    _bring(hall, placed, "fromagerie", "cave")
    papers = _papers(hall)
    assert _told(papers) == [
        ("Les Halles d’Angoulême", "F2026-00001", "4.50"),
        ("SARL Cave du Minage", "R2026-00001", "12.00"),
        ("SARL Fromagerie des Halles", "M1-F2026-00001", "9.96"),
    ]
    invoice = next(paper for paper in papers if paper.number == "M1-F2026-00001")
    assert invoice.issuer is not None
    assert (invoice.issuer.siren, invoice.reference, invoice.is_fictitious) == ("000000018", placed.code, True)
    assert (invoice.buyer.name, invoice.buyer.address and invoice.buyer.address.city) == ("Jeanne Martin", "Angoulême")
    assert [(line.text, line.qty, str(line.unit_price), line.vat_bp) for line in invoice.lines] == [
        ("Tomme fermière", 1, "9.96", 550)
    ]
    assert invoice.seller.vat_number == "FR17000000034"
    fee = next(paper for paper in papers if paper.number == "F2026-00001")
    assert [(total.vat_bp, str(total.base), str(total.vat)) for total in fee.vat_totals] == [(2000, "3.75", "0.75")]


def test_however_often_it_is_told_there_is_one_paper(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    with hall.database.reading() as session:
        part_id = session.scalars(select(SubOrder.id)).one()
    for _ in range(2):
        with app_over(hall, "worker").app_context():
            handlers.document_sale(hall, part_id)
            handlers.document_delivery(hall, part_id)
    assert [paper.number for paper in _papers(hall)] == ["R2026-00001", "F2026-00001"]


def test_what_was_handed_over_without_a_job_is_found_again(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset({"cave"}), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
        session.execute(text("DELETE FROM procrastinate_jobs WHERE task_name LIKE 'basket.documents.%'"))
    handlers.document_what_was_missed(hall)
    handlers.document_what_was_missed(hall)
    with hall.database.reading() as session:
        waiting = (
            "SELECT count(*) FROM procrastinate_jobs WHERE task_name LIKE 'basket.documents.%' AND status = 'todo'"
        )
        assert session.scalar(text(waiting)) == 2
    work(hall)
    assert len(_papers(hall)) == 2


def test_what_is_missing_before_the_hand_over_is_not_on_the_invoice(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    _sign(hall, "librairie")
    placed = place(hall.database, town, ("L1", "L1", "L2"), clock=hall.clock)
    pay(hall, sandbox, placed)
    with hall.database.transaction() as session:
        part = session.scalars(select(SubOrder)).one()
        lines = {row.reference: row.id for row in session.execute(select(OrderLine.reference, OrderLine.id))}
        shortages.report_shortage(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}),
            available={lines["L1"]: 1, lines["L2"]: 0},
            actor="member:1",
            now=hall.clock.now(),
        )
    work(hall)
    assert _papers(hall) == []
    _bring(hall, placed, "librairie")
    invoice = next(paper for paper in _papers(hall) if paper.number.startswith("M1"))
    assert [(line.qty, str(line.amount)) for line in invoice.lines] == [(1, "18.00")]
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(DocumentedRefund)) == 1


def test_credits_in_small_steps_give_back_the_vat_of_the_whole(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    """12.00 of wine hold 2.00 of VAT, given back at once or in four steps."""
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    for cents in (333, 333, 333, 201):
        _give_back(hall, placed, cents)
    notes = [paper for paper in _papers(hall) if paper.kind == "credit_note"]
    assert [str(note.vat) for note in notes] == ["0.56", "0.55", "0.56", "0.33"]
    assert str(Money.total([note.vat for note in notes])) == "2.00"
    assert [note.number for note in notes] == [f"M1-A2026-0000{n}" for n in (1, 2, 3, 4)]


def test_the_order_page_leads_to_its_papers(hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    page = f"/commande/{placed.code}/{placed.token}"
    assert "Vous les trouverez ici quand la commande vous aura été remise." in client.get(page).text
    _bring(hall, placed, "cave")
    main = LexborHTMLParser(client.get(page).text).css_first("main")
    assert main is not None
    links = {
        " ".join(link.text().split()): link.attributes["href"] or "" for link in main.css("a[href^='/documents/']")
    }
    assert links.keys() == {"Reçu R2026-00001, SARL Cave du Minage", "Facture F2026-00001, Les Halles d’Angoulême"}
    assert "Pour une facture, demandez-la à la boutique." in main.text()
    assert "Rouge des coteaux" in client.get(links["Reçu R2026-00001, SARL Cave du Minage"]).text


def test_a_refund_that_the_provider_refuses_leaves_its_credit_note(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    """The sale is undone, and the money is still owed: sending it again makes no second note."""
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    refund_id = _give_back(hall, placed, 200)
    with hall.database.transaction() as session:
        refund = session.get_one(OrderRefund, refund_id).refund_id
        session.execute(text("UPDATE refund SET state = 'pending' WHERE id = :id"), {"id": refund})
    with app_over(hall, "worker").app_context():
        handlers.credit_refund(hall, refund_id)
    notes = [paper for paper in _papers(hall) if paper.kind == "credit_note"]
    assert [(note.number, str(note.total), note.reason) for note in notes] == [
        ("M1-A2026-00001", "2.00", "Réclamation")
    ]


def test_the_delivery_that_goes_back_is_credited_by_the_association(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    _give_back(hall, placed, 200, fee=150)
    (note,) = [paper for paper in _papers(hall) if paper.kind == "credit_note"]
    assert (note.number, str(note.total), note.corrects and note.corrects.number) == (
        "A2026-00001",
        "1.50",
        "F2026-00001",
    )


def test_a_delivery_has_the_vat_of_the_day_of_its_order(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = [place(hall.database, town, ("C1",), clock=hall.clock) for _ in range(2)]
    for begins_on, order in zip((date(2026, 12, 1), date(2026, 11, 1)), placed, strict=True):
        with hall.database.transaction() as session:
            session.add(VatStatus(valid_from=begins_on, vat_number="", set_at=hall.clock.now(), actor="test"))
        pay(hall, sandbox, order)
        _bring(hall, order, "cave")
    first, second = (paper for paper in _papers(hall) if paper.seller.key == "association")
    assert (str(first.vat), first.seller.vat_number) == ("0.75", "FR66000000018")
    assert (str(second.vat), second.seller.vat_number) == ("0.00", "")


def test_what_the_association_gives_is_no_credit_of_the_merchant(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",) * 2, clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    _give_back(hall, placed, 200, liable="association")
    assert [paper.kind for paper in _papers(hall)] == ["invoice", "invoice"]
    _give_back(hall, placed, 200, liable="shared")
    (note,) = [paper for paper in _papers(hall) if paper.kind == "credit_note"]
    # The merchant gives half of 1.84, the association half of its 0.16: the rest is a gesture.
    assert str(note.total) == "1.00"


def test_after_the_mandate_the_merchant_writes_its_own_credit_note(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    clock.advance(timedelta(days=1))
    with hall.database.transaction() as session:
        end_mandate(session, seller="merchant:cave", ended_on=local_day(clock.now()))
    _give_back(hall, placed, 200)
    _give_back(hall, placed, 100, liable="association")
    _give_back(hall, placed, 300)
    assert [paper.kind for paper in _papers(hall)] == ["invoice", "invoice"]
    with hall.database.reading() as session:
        today = local_day(clock.now())
        assert to_write.owing_parties(session, today) == {"merchant:cave": 2}
        owed = to_write.credit_notes_owed(session, party="merchant:cave", today=today)
        assert to_write.credit_notes_owed(session, party="merchant:librairie", today=today) == ()
    # 0.33 of 2.00, then 0.83 of 5.00 less it.
    assert [(one.number, str(one.total), str(one.vat[0].vat)) for one in owed] == [
        ("M1-F2026-00001", "2.00", "0.33"),
        ("M1-F2026-00001", "3.00", "0.50"),
    ]


def test_a_credit_note_that_was_not_written_before_the_mandate_ended_is_owed_too(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    today, tomorrow = local_day(clock.now()), local_day(clock.now()) + timedelta(days=1)
    with hall.database.transaction() as session:
        end_mandate(session, seller="merchant:cave", ended_on=tomorrow)
        order = session.get_one(Order, placed.order_id)
        part = session.scalars(select(SubOrder).where(SubOrder.order_id == order.id)).one()
        (line,) = lines_of(session, part.id)
        returned = (Returned(line.id, 0, Money(200)),)
        asked = {"reason": "complaint", "liable": "merchant", "actor": "test", "now": clock.now()}
        give_back(session, order, part, returned=returned, **asked)
    with hall.database.reading() as session:
        assert to_write.owing_parties(session, today) == {}, "the job may still write it"
        assert to_write.owing_parties(session, tomorrow) == {"merchant:cave": 1}
    clock.advance(timedelta(days=1))
    work(hall)
    assert [paper.kind for paper in _papers(hall)] == ["invoice", "invoice"]


def test_the_merchant_and_the_treasurer_find_what_is_to_be_written(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, keeper: Keeper, app: Flask
) -> None:
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    clock.advance(timedelta(days=1))
    with hall.database.transaction() as session:
        end_mandate(session, seller="merchant:cave", ended_on=local_day(clock.now()))
    _give_back(hall, placed, 200)
    cellar = keeper("cave")
    assert 'href="/boutique/factures/a-ecrire"' in cellar.get("/boutique/factures").text
    page = cellar.get("/boutique/factures/a-ecrire").text
    assert "M1-F2026-00001" in page and "2,00" in page and "0,33" in page
    (table,) = re.findall(r'href="(/boutique/factures/a-ecrire/[0-9]+/csv)"', page)
    rows = cellar.get(table).data.decode("utf-8-sig").splitlines()
    assert rows[1].split(";")[3:] == [
        "M1-F2026-00001",
        "Jeanne Martin",
        "Réclamation",
        "20,00",
        "-1,67",
        "-0,33",
        "-2,00",
    ]
    (form,) = re.findall(r'href="(/boutique/factures/a-ecrire/[0-9]+/[0-9]+)"', page)
    bookseller, said = keeper("librairie"), {"number": "AV-2026-014", "written_on": "25/11/2026"}
    assert bookseller.get(table).status_code == bookseller.get(form).status_code == 404
    assert bookseller.post(form, **said).status_code == 404
    assert "M1-F2026-00001" in cellar.get(form).text
    assert "Remplissez « Numéro de votre avoir »" in cellar.post(form).text.replace("\xa0", " ")
    early = cellar.post(form, number="AV-2026-014", written_on="24/11/2026")
    assert early.status_code == 422 and "Écrivez un jour entre le 25" in early.text
    assert cellar.post(form, **said).status_code == cellar.post(form, **said).status_code == 303
    page = cellar.get("/boutique/factures/a-ecrire").text
    assert "Aucun avoir à écrire" in page and "AV-2026-014" in page
    assert cellar.get(form).status_code == 404
    assert bookseller.post(f"{form}/reprendre").status_code == 404
    assert cellar.post(f"{form}/reprendre").status_code == 303
    assert "AV-2026-014" not in cellar.get("/boutique/factures/a-ecrire").text
    assert cellar.get(form).status_code == 200
    treasurer = browser_of(app, hall, role="treasurer")
    assert "M1-F2026-00001" in treasurer.get("/tresorerie/a-ecrire").text
    assert (
        treasurer.get(table.replace("/boutique/factures", "/tresorerie")).data.decode("utf-8-sig").splitlines() == rows
    )


def test_a_mandate_signed_anew_leaves_what_was_owed_before_and_its_way(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, keeper: Keeper
) -> None:
    """What the merchant has written stays written: a job that comes late writes no second one (I19 after the test)."""
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    clock.advance(timedelta(days=1))
    with hall.database.transaction() as session:
        end_mandate(session, seller="merchant:cave", ended_on=local_day(clock.now()))
    refunds = [_give_back(hall, placed, cents) for cents in (200, 100)]
    clock.advance(timedelta(days=1))
    _sign(hall, "cave")
    cellar = keeper("cave")
    assert 'href="/boutique/factures/a-ecrire"' in cellar.get("/boutique/factures").text
    page = cellar.get("/boutique/factures/a-ecrire").text
    assert "Votre mandat du 26 novembre 2026 ne change rien" in page and page.count("C’est écrit") == 2
    asked = {"party": "merchant:cave", "order_refund_id": refunds[0], "actor": "test"}
    with hall.database.transaction() as session:
        own_notes.note_written(session, number="AV-1", written_on=None, now=clock.now(), **asked)
    with app_over(hall, "worker").app_context():
        handlers.credit_refund(hall, refunds[0])
    assert [paper.kind for paper in _papers(hall)] == ["invoice", "invoice"]
    clock.advance(timedelta(days=30))
    with pytest.raises(own_notes.TooLateToUndo), hall.database.transaction() as session:
        own_notes.take_back(session, now=clock.now(), **asked)
    assert "Noté depuis plus d’un mois" in keeper("cave").get("/boutique/factures/a-ecrire").text


def test_a_refund_of_what_has_a_receipt_is_on_paper_too(
    hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient
) -> None:
    """No mandate: 12.00 on a receipt, 2.00 back; one whose job was lost is told within the hour, and written once."""
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    _give_back(hall, placed, 200)
    with hall.database.transaction() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("DELETE FROM documented_refund"))
        session.execute(text("DELETE FROM issued_line WHERE credits_line_id IS NOT NULL"))
        session.execute(text("DELETE FROM issued_document WHERE kind = 'refund_receipt'"))
        session.execute(text("UPDATE invoice_series SET last_ordinal = 0 WHERE kind = 'refund_receipt'"))
    for _ in range(2):
        handlers.document_what_was_missed(hall)
        work(hall)
    back = [paper for paper in _papers(hall) if paper.kind == "refund_receipt"]
    assert [(paper.number, str(paper.total), str(paper.vat)) for paper in back] == [("RR2026-00001", "2.00", "0.33")]
    assert back[0].corrects is not None
    assert back[0].corrects.number == "R2026-00001"
    page = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "Reçu de remboursement" in page and "−2,00" in page
    paper = client.get(re.findall(r'href="(/documents/[^"]+)"', page)[-1]).text.replace("\xa0", " ")
    for said in ("Reçu de remboursement n° RR2026-00001", "reçu n° R2026-00001 du", "Ce reçu n’est pas un avoir"):
        assert said in paper, said


def test_a_merchant_without_vat_sells_and_is_written_without(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    with hall.database.transaction() as session:
        session.execute(text("UPDATE merchant SET is_vat_exempt = true WHERE key = 'cave'"))
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _sign(hall, "cave")
    _bring(hall, placed, "cave")
    invoice = next(paper for paper in _papers(hall) if paper.number.startswith("M1"))
    assert (str(invoice.total), str(invoice.vat), invoice.seller.vat_number) == ("12.00", "0.00", "")
    assert [mention.code for mention in invoice.mentions] == ["mandate", "franchise"]


def test_a_merchant_who_cannot_be_named_on_an_invoice_gets_receipts(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    with hall.database.transaction() as session:
        session.execute(text("UPDATE merchant SET registration = 'en cours' WHERE key = 'cave'"))
    _sign(hall, "cave")
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring(hall, placed, "cave")
    receipt = next(paper for paper in _papers(hall) if paper.seller.key == "merchant:cave")
    assert (receipt.kind, str(receipt.vat), receipt.mentions) == ("receipt", "2.00", ())
