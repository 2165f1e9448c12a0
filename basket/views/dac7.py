"""The yearly report about the sellers, for the treasurer: by quarter, and what is missing in whose file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from io import BytesIO

from flask import Blueprint, current_app, render_template, request, send_file
from flask.typing import ResponseReturnValue

from basket.dac7 import Quarter, SellerYear, sellers_year
from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.hall import the_hall
from marketplace.legal import legal_number
from marketplace.money import Money
from marketplace.spreadsheets import Cell, csv_file
from marketplace.web.access import open_to, role
from marketplace.web.headers import keep_nothing

blueprint = Blueprint("dac7", __name__, url_prefix="/tresorerie/dac7")

_treasurer = role("treasurer")

#: From the year in which platforms first reported.
FIRST_YEAR = 2023


@blueprint.get("")
@open_to(_treasurer)
def home() -> ResponseReturnValue:
    year, today = _asked_year(), local_day(the_hall().clock.now())
    last_day = date(year, 12, 31)
    return render_template(
        "basket/dac7/home.html",
        rows=_read(year),
        year=year,
        this_year=today.year,
        usual_year=_usual_year(),
        first_year=FIRST_YEAR,
        last_day=last_day,
        due_on=date(year + 1, 1, 31),
        least_qty=legal_number("dac7.excluded_below_operations_qty", last_day),
        least_sum=Money(legal_number("dac7.excluded_up_to_cents", last_day)),
    )


@blueprint.get("/csv")
@open_to(_treasurer)
def table() -> ResponseReturnValue:
    year = _asked_year()
    words = paper_words()
    content = BytesIO(b"".join(csv_file(_rows(_read(year), words))))
    name = words["file"] % {"year": year}
    return keep_nothing(send_file(content, "text/csv; charset=utf-8", as_attachment=True, download_name=name))


def paper_words() -> Mapping[str, str]:
    """The words of the table, French whatever the page's language."""
    template = current_app.jinja_env.get_template("basket/dac7/words.html")
    words: Mapping[str, str] = vars(template.module)["words"]
    return words


def _read(year: int) -> tuple[SellerYear, ...]:
    hall = the_hall()
    with hall.database.reading() as session:
        return sellers_year(session, year=year, provider_env=hall.settings.mollie_env)


def _usual_year() -> int:
    """In January the year that has just ended: it is due."""
    today = local_day(the_hall().clock.now())
    return today.year - 1 if today.month == 1 else today.year


def _asked_year() -> int:
    asked = request.args.get("annee", "")
    if not asked:
        return _usual_year()
    year = int(asked) if asked.isascii() and asked.isdigit() and len(asked) == 4 else 0
    if not FIRST_YEAR <= year <= local_day(the_hall().clock.now()).year:
        raise NotFound()
    return year


def _rows(sellers: Sequence[SellerYear], words: Mapping[str, str]) -> Iterator[Sequence[Cell]]:
    of_quarters = [
        words[name] % {"quarter": quarter} for quarter in (1, 2, 3, 4) for name in ("consideration", "qty", "fees")
    ]
    yield [
        *(words[name] for name in ("name", "legal_form", "siren", "vat_number", "registration", "born_on")),
        *(words[name] for name in ("street", "postcode", "city", "country", "account")),
        *of_quarters,
        *(words[name] for name in ("year_consideration", "year_qty", "year_fees", "is_reported", "missing")),
    ]
    for one in sellers:
        seller = one.seller
        yield [
            seller.legal_name,
            seller.legal_form,
            seller.siren,
            seller.as_party.vat_number,
            seller.registration,
            seller.born_on or "",
            seller.street,
            seller.postcode,
            seller.city,
            "FR",
            one.account_id,
            *(cell for quarter in (*one.quarters, one.year) for cell in _cells(quarter)),
            words["yes" if one.is_reported else "no"],
            ", ".join(words[f"missing_{word}"] for word in one.missing),
        ]


def _cells(quarter: Quarter) -> tuple[Cell, ...]:
    return quarter.consideration, quarter.operations_qty, quarter.fees
