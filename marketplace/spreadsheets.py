"""Tables as files that French spreadsheets open at once: UTF-8 with its mark, semicolons, decimal commas."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from io import StringIO

from marketplace.money import Money

Cell = str | int | Money | date | None

#: What a spreadsheet takes for the beginning of a formula, whatever stands behind it (OWASP, "CSV injection").
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

#: Rows that travel together: one at a time, a large file is mostly overhead.
_CHUNK_QTY = 500


def csv_file(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The rows as they are read, in pieces. Text that a spreadsheet would run as a formula begins with an apostrophe;
    numbers stay numbers."""
    written = StringIO()
    writer = csv.writer(written, delimiter=";", lineterminator="\r\n")
    yield "\ufeff".encode()
    for qty, row in enumerate(rows, 1):
        writer.writerow([_written(cell) for cell in row])
        if qty % _CHUNK_QTY == 0:
            yield _taken(written)
    yield _taken(written)


def decimal_comma(amount: Money) -> str:
    """-1234,50: no currency, no gaps, as programs and spreadsheets read it."""
    return str(amount).replace(".", ",")


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Money):
        return decimal_comma(cell)
    if isinstance(cell, date):
        return f"{cell:%d/%m/%Y}"
    if isinstance(cell, int):
        return str(cell)
    return f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell


def _taken(written: StringIO) -> bytes:
    piece = written.getvalue().encode()
    written.seek(0)
    written.truncate()
    return piece
