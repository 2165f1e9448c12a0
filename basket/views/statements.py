"""What a merchant's people read of its money: years, months and days, on screen, on paper and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from io import BytesIO

from flask import Response, current_app, render_template, request, send_file
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from basket import statements
from basket.part_money import money_of
from basket.statement_papers import lay_out, rows_of
from basket.statements import Statement
from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.hall import the_hall
from marketplace.invoices.parties import association_party
from marketplace.invoices.printing import print_in_child
from marketplace.invoices.vat_status import vat_history
from marketplace.spreadsheets import csv_file
from marketplace.web.access import open_to
from marketplace.web.headers import keep_nothing
from merchants.access import merchant_member
from merchants.sellers import SellerFile, get_seller, sellers_of
from merchants.views.counter import blueprint

#: Years that can have a statement; what lies outside is a mistyped address.
YEARS = range(2020, 2101)
#: Orders of which money is kept, on the first page; the sum counts all of them.
HELD_MOST = 50


@blueprint.get("/releves")
@open_to(merchant_member)
def statement_list() -> ResponseReturnValue:
    """For each merchant that the person works for: what is kept for it, and the months of a year."""
    hall = the_hall()
    today = local_day(hall.clock.now())
    asked = request.args.get("annee", "")
    year = int(asked) if asked.isascii() and asked.isdigit() and len(asked) == 4 else today.year
    if year not in YEARS:
        raise NotFound()
    folders = []
    with _as_of_now() as session:
        for seller in sellers_of(session, current_user.id):
            held = statements.held_of(session, party=seller.party)
            codes = [one.code for one in held[:HELD_MOST]]
            first = statements.first_day_of(session, party=seller.party)
            folders.append(
                {
                    "seller": seller,
                    "kept": statements.owed(held),
                    "held": held[:HELD_MOST],
                    "is_more": len(held) > HELD_MOST,
                    "where": money_of(session, party=seller.party, codes=codes),
                    "parts": statements.parts_of(session, party=seller.party, codes=codes),
                    "year": statements.months_of(
                        session, party=seller.party, year=year, charges_vat=_charges_vat(session)
                    ),
                    "years": range(first.year, today.year + 1) if first else (),
                }
            )
    return render_template("basket/statements/list.html", folders=folders, asked_year=year, this_year=today.year)


@blueprint.get("/releves/<int:merchant_id>/<period>")
@open_to(merchant_member)
def statement(merchant_id: int, period: str) -> ResponseReturnValue:
    """A month (2026-11) by its days, or a day (2026-11-24) by its entries."""
    with _as_of_now() as session:
        seller, found = _read(session, merchant_id, period)
        codes = {move.code for move in found.moves} if _is_day(period) else set()
        where = money_of(session, party=seller.party, codes=codes)
    return render_template(
        "basket/statements/day.html" if _is_day(period) else "basket/statements/month.html",
        seller=seller,
        statement=found,
        period=period,
        where=where,
        this_year=local_day(the_hall().clock.now()).year,
    )


@blueprint.get("/releves/<int:merchant_id>/<period>/csv")
@open_to(merchant_member)
def statement_csv(merchant_id: int, period: str) -> ResponseReturnValue:
    """Every entry, as a table."""
    with _as_of_now() as session:
        seller, found = _read(session, merchant_id, period)
    words = paper_words()
    table = BytesIO(b"".join(csv_file(rows_of(found, words))))
    return _file(table, "text/csv; charset=utf-8", _name(seller, period, "csv"))


@blueprint.get("/releves/<int:merchant_id>/<period>/pdf")
@open_to(merchant_member)
def statement_pdf(merchant_id: int, period: str) -> ResponseReturnValue:
    """The statement on paper."""
    hall = the_hall()
    with _as_of_now() as session:
        seller, found = _read(session, merchant_id, period)
        history = vat_history(session, hall.settings.association)
    now = hall.clock.now()
    sheet = lay_out(
        found,
        seller,
        paper_words(),
        association=association_party(
            hall.settings.association, vat_number=history.number_on(found.whole.until_on - timedelta(days=1))
        ),
        today=local_day(now),
        is_fictitious=hall.settings.demo,
    )
    paper = BytesIO(print_in_child(sheet, issued_at=now, xml=None))
    return _file(paper, "application/pdf", _name(seller, period, "pdf"))


def paper_words() -> Mapping[str, str]:
    """The words of the files, French whatever the page's language."""
    template = current_app.jinja_env.get_template("basket/statements/words.html")
    words: Mapping[str, str] = vars(template.module)["words"]
    return words


@contextmanager
def _as_of_now() -> Iterator[Session]:
    """Balances, entries and shares as of one instant: a payment in between would look like a difference."""
    with the_hall().database.reading() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def _read(session: Session, merchant_id: int, period: str) -> tuple[SellerFile, Statement]:
    """NotFound for another's merchant, and for what is no month and no day."""
    try:
        first = date.fromisoformat(period if _is_day(period) else f"{period}-01")
    except ValueError:
        raise NotFound() from None
    if f"{first}"[: len(period)] != period or first.year not in YEARS:
        raise NotFound()
    seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
    if _is_day(period):
        return seller, statements.day_of(session, party=seller.party, on=first, charges_vat=_charges_vat(session))
    return seller, statements.days_of(session, party=seller.party, month=first, charges_vat=_charges_vat(session))


def _charges_vat(session: Session) -> statements.ChargesVat:
    return vat_history(session, the_hall().settings.association).charges_on


def _file(content: BytesIO, mimetype: str, name: str) -> Response:
    return keep_nothing(send_file(content, mimetype, as_attachment=True, download_name=name))


def _is_day(period: str) -> bool:
    return len(period) > len("2026-11")


def _name(seller: SellerFile, period: str, ending: str) -> str:
    return f"{paper_words()['file'] % {'merchant': seller.key, 'period': period}}.{ending}"
