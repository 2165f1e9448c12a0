"""What merchants without a mandate write themselves: their own list at the counter, and the treasurer's of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO

from flask import Blueprint, Response, flash, redirect, render_template, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from basket.documents import own_notes, to_write
from basket.documents.handlers import words
from basket.documents.schemas import OwnNote
from marketplace.clock import local_day
from marketplace.delivery.schemas import DayField
from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.invoices.mandates import open_terms, standing_of
from marketplace.money import Money
from marketplace.schemas import FormErrors, load_form
from marketplace.spreadsheets import Cell, csv_file, decimal_comma
from marketplace.web.access import open_to, role
from marketplace.web.headers import keep_nothing
from marketplace.web.sentences import sentence
from merchants.access import merchant_member
from merchants.rules import names_another_siren
from merchants.sellers import SellerFile, all_sellers, get_seller, get_seller_by_id, sellers_of
from merchants.views.counter import blueprint as counter

blueprint = Blueprint("to_write", __name__, url_prefix="/tresorerie/a-ecrire")


@counter.get("/factures/a-ecrire")
@open_to(merchant_member)
def to_write_list() -> ResponseReturnValue:
    """For each merchant that the person works for: the credit notes that it owes, those that it says it has written,
    and its sales without an invoice."""
    hall = the_hall()
    now = hall.clock.now()
    today = local_day(now)
    with hall.database.reading() as session:
        folders = [
            {
                "seller": seller,
                "mandate": standing_of(session, seller=seller.party, on=today),
                "owed": to_write.credit_notes_owed(session, party=seller.party, today=today),
                "written": to_write.credit_notes_written(session, party=seller.party, now=now),
                "sales_qty": to_write.qty_without_invoice(session, party=seller.party),
            }
            for seller in sellers_of(session, current_user.id)
        ]
    return render_template("basket/documents/to_write.html", folders=folders)


@counter.get("/factures/a-ecrire/<int:merchant_id>/<int:refund_id>")
@open_to(merchant_member)
def own_note(merchant_id: int, refund_id: int) -> ResponseReturnValue:
    """One credit note that is owed: all that it must say, and the form for its number once it is written."""
    return _note_page(merchant_id, refund_id, {}, {})


@counter.post("/factures/a-ecrire/<int:merchant_id>/<int:refund_id>")
@open_to(merchant_member, rate="60 per minute")
def note_written(merchant_id: int, refund_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        said = load_form(OwnNote(), request.form)
        with hall.database.transaction() as session:
            seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
            own_notes.note_written(
                session,
                party=seller.party,
                order_refund_id=refund_id,
                number=said["number"],
                written_on=said["written_on"],
                actor=_actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _note_page(merchant_id, refund_id, refused.errors, {})
    except FieldError as refused:
        return _note_page(merchant_id, refund_id, {refused.field: [refused.code]}, refused.details)
    flash(sentence("own_note_kept"))
    return redirect(url_for("merchant.to_write_list"), 303)


@counter.post("/factures/a-ecrire/<int:merchant_id>/<int:refund_id>/reprendre")
@open_to(merchant_member, rate="60 per minute")
def take_note_back(merchant_id: int, refund_id: int) -> ResponseReturnValue:
    """Not written after all, or noted at the wrong line: it is owed once more."""
    hall = the_hall()
    try:
        with hall.database.transaction() as session:
            seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
            own_notes.take_back(
                session, party=seller.party, order_refund_id=refund_id, actor=_actor(), now=hall.clock.now()
            )
    except own_notes.TooLateToUndo as refused:
        flash(sentence(refused.code))
    else:
        flash(sentence("own_note_taken_back"))
    return redirect(url_for("merchant.to_write_list"), 303)


@counter.get("/factures/a-ecrire/<int:merchant_id>/csv")
@open_to(merchant_member)
def to_write_csv(merchant_id: int) -> ResponseReturnValue:
    """Both lists as one table, a row for each rate of VAT."""
    with the_hall().database.reading() as session:
        seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
        return _table(session, seller)


@blueprint.get("")
@open_to(role("treasurer"))
def home() -> ResponseReturnValue:
    """Merchants whose mandate has ended, with the credit notes that they owe their customers; and those whose mandate
    names a SIREN that was corrected since."""
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        owing = to_write.owing_parties(session, today)
        sellers, terms = all_sellers(session), open_terms(session)
        folders = [
            {"seller": seller, "owed": to_write.credit_notes_owed(session, party=seller.party, today=today)}
            for seller in sellers
            if seller.party in owing
        ]
    outdated = [seller for seller in sellers if names_another_siren(terms.get(seller.party, ""), seller.siren)]
    return render_template("basket/documents/owing.html", folders=folders, outdated=outdated)


@blueprint.get("/<int:merchant_id>/csv")
@open_to(role("treasurer"))
def table(merchant_id: int) -> ResponseReturnValue:
    with the_hall().database.reading() as session:
        return _table(session, get_seller_by_id(session, merchant_id))


def _actor() -> str:
    return f"member:{current_user.id}"


def _note_page(
    merchant_id: int, refund_id: int, codes: Mapping[str, Sequence[str]], details: Mapping[str, object]
) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
        paper = to_write.get_credit_note_owed(
            session, party=seller.party, order_refund_id=refund_id, today=local_day(hall.clock.now())
        )
    page = render_template(
        "basket/documents/own_note.html",
        seller=seller,
        paper=paper,
        codes=codes,
        details=details,
        typed=request.form,
        shows_day=DayField.is_shown(request.form.get("written_on", "")),
    )
    return page, 422 if codes else 200


def _table(session: Session, seller: SellerFile) -> Response:
    owed = to_write.credit_notes_owed(session, party=seller.party, today=local_day(the_hall().clock.now()))
    said = words()
    rows = [one for paper in owed for one in _rows(paper, said)]
    sales = (row for paper in to_write.sales_without_invoice(session, party=seller.party) for row in _rows(paper, said))
    content = BytesIO(b"".join(csv_file(_with_titles(rows, sales, said))))
    name = said["to_write_file"] % {"merchant": seller.key}
    return keep_nothing(send_file(content, "text/csv; charset=utf-8", as_attachment=True, download_name=name))


def _with_titles(
    owed: Sequence[Sequence[Cell]], sales: Iterator[Sequence[Cell]], said: Mapping[str, str]
) -> Iterator[Sequence[Cell]]:
    names = ("what", "day", "order", "number", "buyer", "reason", "vat_rate", "net", "vat", "amount")
    yield [said[f"to_write_{name}"] for name in names]
    yield from owed
    yield from sales


def _rows(paper: to_write.ToWrite, said: Mapping[str, str]) -> Iterator[Sequence[Cell]]:
    sign = 1 if paper.kind == "receipt" else -1
    for one in paper.vat:
        yield [
            said[f"to_write_{paper.kind}"],
            paper.on,
            paper.code,
            paper.number,
            paper.buyer,
            said.get(f"reason_{paper.reason}", paper.reason),
            decimal_comma(Money(one.vat_bp)),
            one.base * sign,
            one.vat * sign,
            one.total * sign,
        ]
