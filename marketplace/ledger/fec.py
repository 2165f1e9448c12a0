"""The book as the tax office reads it: fichier des écritures comptables (article A47 A-1 du livre des procédures
fiscales): eighteen fields in their order, tabs between them, one number for each entry, debits equal to credits.

One journal holds everything, so that its numbers are those of the seals, which have no gap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby

from marketplace.clock import local_day
from marketplace.ledger.chart import VAT, ChartAccount, chart_account
from marketplace.ledger.queries import JournalLine
from marketplace.legal import legal_number
from marketplace.money import ZERO, Money, vat_in

FIELDS = (
    "JournalCode",
    "JournalLib",
    "EcritureNum",
    "EcritureDate",
    "CompteNum",
    "CompteLib",
    "CompAuxNum",
    "CompAuxLib",
    "PieceRef",
    "PieceDate",
    "EcritureLib",
    "Debit",
    "Credit",
    "EcritureLet",
    "DateLet",
    "ValidDate",
    "Montantdevise",
    "Idevise",
)

#: Lines that travel together.
_CHUNK_QTY = 500

#: What separates fields and lines may stand in none of them.
_SEPARATORS = re.compile(r"[\t\r\n|]+")


def file_name(siren: str, last_day: date) -> str:
    """123456789FEC20261130.txt: the SIREN and the last day of the period."""
    return f"{siren}FEC{last_day:%Y%m%d}.txt"


def fec_file(
    lines: Iterable[JournalLine],
    *,
    validated: Mapping[date, date],
    names: Mapping[str, str],
    words: Mapping[str, str],
    charges_vat: Callable[[date], bool],
) -> Iterator[bytes]:
    """The file in pieces, as the journal's lines are read (numbers together, whole months).

    `charges_vat`: whether the association did, on a day. `validated`: booked day → the day on which it was closed.
    `names`: the ledger's word for a merchant → its name.
    LookupError for an account that the chart does not have: ask `accounts` of the period first.
    """
    waiting = [_line(FIELDS)]
    inside = _VatInside(charges_vat)
    for number, its in groupby(lines, key=lambda line: line.number):
        for line in its:
            for account, amount in inside.taken_apart(line):
                waiting.append(_line(_fields(line, number, account, amount, validated, names, words)))
        if len(waiting) > _CHUNK_QTY:
            yield "".join(waiting).encode()
            waiting = []
    yield "".join(waiting).encode()


class _VatInside:
    """The ledger's incomes contain their VAT; here it stands on its own account. It is reckoned on each month's sum so
    far: the entries of a month sum to the VAT of its whole income to the cent."""

    def __init__(self, charges_vat: Callable[[date], bool]) -> None:
        self._charges_vat = charges_vat
        self._so_far: dict[tuple[int, int, str, int], Money] = {}

    def taken_apart(self, line: JournalLine) -> Iterator[tuple[ChartAccount, Money]]:
        account = chart_account(line.account, line.booked_on)
        if not (account.vat and self._charges_vat(line.booked_on)):
            yield account, line.amount
            return
        rate_bp = legal_number(account.vat, line.booked_on)
        key = (line.booked_on.year, line.booked_on.month, line.account, rate_bp)
        before = self._so_far.get(key, ZERO)
        after = self._so_far[key] = before + line.amount
        vat = vat_in(after, rate_bp) - vat_in(before, rate_bp)
        for its_account, amount in ((account, line.amount - vat), (chart_account(VAT, line.booked_on), vat)):
            if amount:
                yield its_account, amount


def _fields(
    line: JournalLine,
    number: int,
    account: ChartAccount,
    amount: Money,
    validated: Mapping[date, date],
    names: Mapping[str, str],
    words: Mapping[str, str],
) -> tuple[str, ...]:
    auxiliary = line.account.partition(":")[2] if account.account.endswith("*") else ""
    return (
        words["journal_code"],
        words["journal"],
        str(number),
        f"{line.booked_on:%Y%m%d}",
        account.number,
        account.name,
        auxiliary,
        names.get(line.account, auxiliary) if auxiliary else "",
        line.reference or line.key,
        f"{local_day(line.at):%Y%m%d}",
        f"{words.get(line.kind, words['other'])} {line.reference}".strip(),
        _comma(max(amount, ZERO)),
        _comma(max(-amount, ZERO)),
        "",
        "",
        f"{validated[line.booked_on]:%Y%m%d}",
        "",
        "",
    )


def _comma(amount: Money) -> str:
    return str(amount).replace(".", ",")


def _line(values: Iterable[str]) -> str:
    return "\t".join(_SEPARATORS.sub(" ", value) for value in values) + "\r\n"
