"""What merchants without a mandate write themselves: their own list at the counter, and the treasurer's of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO

from flask import Blueprint, Response, render_template, send_file
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from basket.documents import to_write
from basket.documents.handlers import words
from marketplace.clock import local_day
from marketplace.hall import the_hall
from marketplace.invoices.mandates import standing_of
from marketplace.money import Money
from marketplace.spreadsheets import Cell, csv_file, decimal_comma
from marketplace.web.access import open_to, role
from marketplace.web.headers import keep_nothing
from merchants.access import merchant_member
from merchants.sellers import SellerFile, all_sellers, get_seller, get_seller_by_id, sellers_of
from merchants.views.counter import blueprint as counter

blueprint = Blueprint("to_write", __name__, url_prefix="/tresorerie/a-ecrire")


@counter.get("/factures/a-ecrire")
@open_to(merchant_member)
def to_write_list() -> ResponseReturnValue:
    """For each merchant that the person works for: the credit notes that it owes, and its sales without an invoice."""
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        folders = [
            {
                "seller": seller,
                "mandate": standing_of(session, seller=seller.party, on=today),
                "owed": to_write.credit_notes_owed(session, party=seller.party, today=today),
                "sales_qty": to_write.qty_without_invoice(session, party=seller.party),
            }
            for seller in sellers_of(session, current_user.id)
        ]
    return render_template("basket/documents/to_write.html", folders=folders)


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
    """Merchants whose mandate has ended, and the credit notes that they owe their customers."""
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        owing = to_write.owing_parties(session, today)
        folders = [
            {"seller": seller, "owed": to_write.credit_notes_owed(session, party=seller.party, today=today)}
            for seller in all_sellers(session)
            if seller.party in owing
        ]
    return render_template("basket/documents/owing.html", folders=folders)


@blueprint.get("/<int:merchant_id>/csv")
@open_to(role("treasurer"))
def table(merchant_id: int) -> ResponseReturnValue:
    with the_hall().database.reading() as session:
        return _table(session, get_seller_by_id(session, merchant_id))


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
