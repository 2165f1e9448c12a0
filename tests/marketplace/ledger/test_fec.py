"""The book leaves the house as the tax office reads it: parsed back, every entry balances, and nothing is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.ledger import accounts
from marketplace.ledger.chart import chart, chart_account
from marketplace.ledger.fec import FIELDS, fec_file, file_name
from marketplace.ledger.periods import (
    AccountWithoutNumber,
    ClosedPeriod,
    PeriodNotClosed,
    PeriodReversed,
    closed_months,
    closed_period,
    lines_of,
)
from marketplace.ledger.queries import JournalLine
from marketplace.ledger.service import post
from marketplace.money import Money
from tests.conftest import TEMPLATE, fresh_database
from tests.marketplace.ledger.book import M1, seal_and_close, utc

NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
WORDS = {"journal_code": "MEL", "journal": "Marché en ligne", "paid": "Paiement reçu", "other": "Écriture"}
NAMES = {M1: "SARL Un\tet\r\nDeux|Trois"}


def _sell(session: Session, key: str, at: datetime, *, goods: int, commission: int, delivery: int) -> None:
    paid = goods + commission + delivery
    entries = {accounts.HOLDING: Money(paid), accounts.UNMATCHED: Money(-paid)}
    post(session, key=f"paid:{key}", kind="paid", reference=key, entries=entries, actor="test", now=at)
    split = {
        accounts.UNMATCHED: Money(paid),
        M1: Money(-goods),
        accounts.COMMISSION: Money(-commission),
        accounts.DELIVERY: Money(-delivery),
    }
    post(session, key=f"allocated:{key}", kind="allocated", reference=key, entries=split, actor="test", now=at)


@pytest.fixture(scope="module")
def book(database: Database, worker_id: str) -> Iterator[Database]:
    """Forty sales in November and one in December; both months are closed. A database of its own, only read."""
    own = Database(fresh_database(database.url, f"fec_{worker_id}", TEMPLATE), pool_size=2)
    with own.transaction() as session:
        for n in range(40):
            _sell(session, f"N{n}", utc(1 + n % 28), goods=1001 + n, commission=80 + n % 3, delivery=450 * (n % 2))
        _sell(session, "D1", utc(3, month=12), goods=1000, commission=81, delivery=0)
    # A day's worth of closing at a time, as the worker does.
    for _ in range(3):
        seal_and_close(own, datetime(2027, 1, 1, 6, tzinfo=UTC))
    yield own
    own.close()


def _period(book: Database, first: date = NOVEMBER, last: date = NOVEMBER) -> ClosedPeriod:
    with book.reading() as session:
        return closed_period(session, first=first, last=last)


def _rows(book: Database, period: ClosedPeriod, *, charges_vat: bool = True) -> list[dict[str, str]]:
    file = b"".join(
        fec_file(
            lines_of(book, period),
            validated=period.validated,
            names=NAMES,
            words=WORDS,
            charges_vat=lambda on: charges_vat,
        )
    ).decode("utf-8")
    head, *lines = file.removesuffix("\r\n").split("\r\n")
    assert head.split("\t") == list(FIELDS) and len(FIELDS) == 18
    return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in lines]


def _cents(amount: str) -> int:
    euros, cents = amount.split(",")
    assert len(cents) == 2 and not amount.startswith("-")
    return int(euros) * 100 + int(cents)


def test_every_entry_balances_and_the_numbers_have_no_gap(book: Database) -> None:
    rows = _rows(book, _period(book))
    sums: defaultdict[int, int] = defaultdict(int)
    for row in rows:
        debit, credit = _cents(row["Debit"]), _cents(row["Credit"])
        assert (debit == 0) != (credit == 0)
        sums[int(row["EcritureNum"])] += debit - credit
    assert list(sums) == list(range(1, 81))
    assert set(sums.values()) == {0}
    assert {row["JournalCode"] for row in rows} == {"MEL"}


def test_the_file_says_what_the_closing_says(book: Database) -> None:
    period = _period(book, NOVEMBER, DECEMBER)
    totals: defaultdict[str, int] = defaultdict(int)
    for row in _rows(book, period, charges_vat=False):
        totals[row["CompteNum"]] += _cents(row["Debit"])
        totals[row["CompteNum"]] -= _cents(row["Credit"])
    assert dict(totals) == {
        chart_account(one.account, NOVEMBER).number: one.debit.cents - one.credit.cents for one in period.turnovers
    }
    assert (period.entries_qty, period.total) == (82, Money(108_280))


def test_the_vat_stands_on_its_own_account_and_sums_to_that_of_the_month(book: Database) -> None:
    """32.39 of commission and 90.00 of deliveries in November: 5.40 and 15.00 of VAT are within."""
    totals: defaultdict[str, int] = defaultdict(int)
    for row in _rows(book, _period(book)):
        totals[row["CompteNum"]] += _cents(row["Credit"]) - _cents(row["Debit"])
    assert (totals["706100"], totals["706200"], totals["445710"]) == (2699, 7500, 540 + 1500)
    assert totals["467100"] == 40 * 1001 + 780


def test_a_line_of_the_file(book: Database) -> None:
    first, second, *_ = _rows(book, _period(book, DECEMBER, DECEMBER))
    assert list(first.values()) == [
        "MEL", "Marché en ligne", "81", "20261203", "517000", "Fonds chez le prestataire de paiement", "", "", "D1",
        "20261203", "Paiement reçu D1", "10,81", "0,00", "", "", "20270101", "", "",
    ]  # fmt: skip
    assert (second["CompteNum"], second["Credit"]) == ("471000", "10,81")
    merchant = next(row for row in _rows(book, _period(book)) if row["CompteNum"] == "467100")
    assert (merchant["CompAuxNum"], merchant["CompAuxLib"]) == ("m1", "SARL Un et Deux Trois")
    assert file_name("000000018", date(2026, 12, 31)) == "000000018FEC20261231.txt"


def test_open_months_and_reversed_periods_are_refused(book: Database) -> None:
    with book.reading() as session:
        assert closed_months(session) == (DECEMBER, NOVEMBER)
    for first, last in ((NOVEMBER, date(2027, 1, 1)), (date(2026, 10, 1), NOVEMBER), (date(2027, 1, 1),) * 2):
        with pytest.raises(PeriodNotClosed):
            _period(book, first, last)
    with pytest.raises(PeriodReversed):
        _period(book, DECEMBER, NOVEMBER)


def test_an_account_without_a_number_is_refused_before_the_first_line(empty_database: Database) -> None:
    with empty_database.transaction() as session:
        entries = {"elsewhere": Money(100), accounts.HOLDING: Money(-100)}
        post(session, key="x", kind="test", reference="X", entries=entries, actor="test", now=utc(2))
    seal_and_close(empty_database, datetime(2026, 12, 1, 6, tzinfo=UTC))
    with pytest.raises(AccountWithoutNumber) as refused:
        _period(empty_database)
    assert refused.value.details == {"account": "elsewhere"}


def test_short_readings_say_what_one_long_one_would(book: Database) -> None:
    period = _period(book, NOVEMBER, DECEMBER)
    whole = list(lines_of(book, period))
    assert len(whole) == 2 * 41 + 20 * 4 + 21 * 3
    assert list(lines_of(book, period, batch_qty=7)) == whole


def test_every_word_of_the_ledger_has_a_number() -> None:
    words = [word for name, word in vars(accounts).items() if name.isupper()]
    assert len(words) >= 7
    for word in (*words, accounts.merchant("cave")):
        assert chart_account(word, NOVEMBER).number.isdigit()
    numbers = [one.number for one in chart() if one.valid_to is None]
    assert len(set(numbers)) == len(numbers)


def test_the_file_begins_before_the_last_line_is_read(book: Database) -> None:
    """A hundred thousand orders are never all in memory: the file goes out as the journal comes in."""
    read = 0

    def endless() -> Iterator[JournalLine]:
        nonlocal read
        while True:
            read += 1
            for account, cents in ((accounts.HOLDING, 100), (accounts.UNMATCHED, -100)):
                yield JournalLine(read, NOVEMBER, utc(1), f"paid:{read}", "paid", "N", "test", account, Money(cents))

    file = fec_file(endless(), validated={NOVEMBER: DECEMBER}, names={}, words=WORDS, charges_vat=lambda on: True)
    assert next(file).count(b"\r\n") == 1 + 500
    assert read <= 252
