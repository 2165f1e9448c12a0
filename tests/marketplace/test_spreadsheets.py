"""Tables that leave the house: open at once in a French spreadsheet, and run nothing there."""

from __future__ import annotations

from datetime import date

from marketplace.money import Money
from marketplace.spreadsheets import csv_file


def _file(*rows: list[str | int | Money | date | None]) -> str:
    return b"".join(csv_file(rows)).decode("utf-8")


def test_semicolons_decimal_commas_french_days_and_the_mark_of_utf_8() -> None:
    assert _file(["Jour", "Somme"], [date(2026, 11, 24), Money(-123450), 3, None]) == (
        "\ufeffJour;Somme\r\n24/11/2026;-1234,50;3;\r\n"
    )


def test_no_text_becomes_a_formula() -> None:
    for sign in ("=", "+", "-", "@", "\t", "\r", "＝"):
        assert _file([f"{sign}HYPERLINK(1)"]).lstrip('\ufeff"').startswith(f"'{sign}"), sign
    assert _file(["fil; à couper", 'le "beau"']) == '\ufeff"fil; à couper";"le ""beau"""\r\n'


def test_a_negative_sum_stays_a_number() -> None:
    assert _file([Money(-5)]) == "\ufeff-0,05\r\n"


def test_a_large_table_comes_in_pieces() -> None:
    pieces = list(csv_file([n] for n in range(1_200)))
    assert len(pieces) == 4
    assert b"".join(pieces).count(b"\r\n") == 1_200
