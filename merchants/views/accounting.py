"""The book for the association's accountant: closed months as the tax office's file, and as a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta

from flask import Blueprint, Flask, Response, current_app, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.invoices.vat_status import vat_history
from marketplace.ledger import accounts
from marketplace.ledger.chart import chart, chart_account
from marketplace.ledger.fec import fec_file, file_name
from marketplace.ledger.periods import ClosedPeriod, closed_months, closed_period, lines_of
from marketplace.ledger.queries import JournalLine
from marketplace.money import ZERO
from marketplace.spreadsheets import Cell, csv_file
from marketplace.web.access import open_to, role
from marketplace.web.headers import keep_nothing
from merchants.models import Merchant

blueprint = Blueprint("accounting", __name__, url_prefix="/tresorerie/comptabilite")

_treasurer = role("treasurer")


@blueprint.get("")
@open_to(_treasurer)
def home() -> ResponseReturnValue:
    """What is closed, what a period holds, and the accountant's numbers."""
    return _page(None)


@blueprint.get("/fec")
@open_to(_treasurer)
def fec() -> ResponseReturnValue:
    """The tax office's file of the months that the address names; the question, where it names none."""
    if not request.args:
        return _page(None)
    hall = the_hall()
    try:
        with hall.database.reading() as session:
            period, names = _asked_period(session), _merchant_names(session)
            history = vat_history(session, hall.settings.association)
    except FieldError as refused:
        return _page(refused)
    pieces = fec_file(
        lines_of(hall.database, period),
        validated=period.validated,
        names=names,
        words=paper_words(),
        charges_vat=history.charges_on,
    )
    name = file_name(hall.settings.association.siren, period.until_on - timedelta(days=1))
    return _file(pieces, "text/plain; charset=utf-8", name)


@blueprint.get("/journal")
@open_to(_treasurer)
def journal() -> ResponseReturnValue:
    """The ledger's own lines, with the accountant's numbers beside them."""
    if not request.args:
        return _page(None)
    hall = the_hall()
    try:
        with hall.database.reading() as session:
            period = _asked_period(session)
    except FieldError as refused:
        return _page(refused)
    words = paper_words()
    first, last = period.from_on, period.until_on - timedelta(days=1)
    name = words["journal_file"] % {"first": f"{first:%Y-%m}", "last": f"{last:%Y-%m}"}
    return _file(csv_file(_rows(lines_of(hall.database, period), words)), "text/csv; charset=utf-8", name)


def _rows(lines: Iterable[JournalLine], words: Mapping[str, str]) -> Iterator[Sequence[Cell]]:
    yield [
        words[name]
        for name in (
            "number",
            "day",
            "at",
            "kind",
            "reference",
            "key",
            "account",
            "chart_number",
            "chart_name",
            "debit",
            "credit",
            "actor",
        )
    ]
    for line in lines:
        account = chart_account(line.account, line.booked_on)
        yield [
            line.number,
            line.booked_on,
            f"{line.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            words.get(line.kind, words["other"]),
            line.reference,
            line.key,
            line.account,
            account.number,
            account.name,
            max(line.amount, ZERO),
            max(-line.amount, ZERO),
            line.actor,
        ]


def paper_words() -> Mapping[str, str]:
    """The words of the files, French whatever the page's language."""
    template = current_app.jinja_env.get_template("marketplace/ledger/words.html")
    words: Mapping[str, str] = vars(template.module)["words"]
    return words


def _asked_period(session: Session) -> ClosedPeriod:
    """The months that the address names; FieldError that says which one cannot be."""
    return closed_period(session, first=_month("du"), last=_month("au"))


#: 11/2026 as people write a month, 2026-11 as addresses do.
_MONTH = re.compile(r"(?:(?P<month>[0-9]{1,2})/(?P<year>20[0-9]{2})|(?P<iso_year>20[0-9]{2})-(?P<iso_month>[0-9]{2}))")


def _month(field: str) -> date:
    found = _MONTH.fullmatch(request.args.get(field, "").strip())
    if found is None:
        raise FieldError(field, "choose_month")
    try:
        return date(int(found["year"] or found["iso_year"]), int(found["month"] or found["iso_month"]), 1)
    except ValueError:
        raise FieldError(field, "choose_month") from None


def _as_people_write(field: str) -> str:
    """11/2026 for the 2026-11 of an address; what is no month stays as it was typed."""
    typed = request.args.get(field, "")
    try:
        return f"{_month(field):%m/%Y}"
    except FieldError:
        return typed


def _merchant_names(session: Session) -> dict[str, str]:
    return {accounts.merchant(key): name for key, name in session.execute(select(Merchant.key, Merchant.legal_name))}


def _page(refused: FieldError | None) -> ResponseReturnValue:
    with the_hall().database.reading() as session:
        months, names = closed_months(session), _merchant_names(session)
        period = None
        if request.args and refused is None:
            try:
                period = _asked_period(session)
            except FieldError as no:
                refused = no
    body = render_template(
        "merchants/accounting/home.html",
        months=months,
        period=period,
        chart=chart(),
        number_of=chart_account,
        names=names,
        asked=request.args,
        typed={field: _as_people_write(field) for field in ("du", "au")},
        codes={refused.field: [refused.code]} if refused else {},
        details=refused.details if refused else {},
    )
    return body, refused.status if refused else 200


def _file(pieces: Iterable[bytes], mimetype: str, name: str) -> Response:
    """Sent as it is read: a year of a busy town fits in no memory."""
    response = Response(pieces, mimetype=mimetype)
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return keep_nothing(response)


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
