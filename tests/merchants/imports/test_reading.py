"""A stranger's file is read safely, or refused with what it looks like."""

from __future__ import annotations

import pytest

from merchants.imports.formats import detect
from merchants.imports.reading import Sheet, UnreadableFile, read_sheet, repair_mojibake

HEADER = "reference;nom;genre;prix\n"
ROWS = "r1;Pâté de campagne;charcuterie;6,50\nr2;Crème brûlée;plat-prepare;3,20\n"


def read(content: bytes | str) -> Sheet:
    return read_sheet(content.encode() if isinstance(content, str) else content, detect)


def refusal(content: bytes | str) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read(content)
    return caught.value


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "mac_roman", "cp850"]
)
def test_the_encodings_of_french_shops_are_read(encoding: str) -> None:
    sheet = read((HEADER + ROWS).encode(encoding))
    assert [row.cells[1] for row in sheet.rows] == ["Pâté de campagne", "Crème brûlée"]


def test_the_euro_sign_and_oe_of_windows_are_read() -> None:
    sheet = read((HEADER + "r1;Œufs de ferme;epicerie;3,20 €\n").encode("cp1252"))
    assert sheet.rows[0].cells == ("r1", "Œufs de ferme", "epicerie", "3,20 €")


def test_a_file_that_two_programs_wrote_into_keeps_both_their_accents() -> None:
    content = (HEADER + "r1;Pâté;charcuterie;6,50\n").encode() + "r2;Crème;fromage;3,20\n".encode("cp1252")
    assert [row.cells[1] for row in read(content).rows] == ["Pâté", "Crème"]


def test_utf8_that_was_saved_as_windows_text_is_put_right_and_said() -> None:
    broken = (HEADER + "r1;Café d'Algérie — 5 €;epicerie;6,50\n").encode().decode("cp1252")
    sheet = read(broken)
    assert sheet.rows[0].cells[1] == "Café d'Algérie — 5 €"
    assert [(note.line, note.code) for note in sheet.notes] == [(2, "mojibake_repaired")]


def test_only_the_damaged_lines_are_named() -> None:
    rows = "r1;Pâté;charcuterie;6,50\nr2;CrÃ¨me;fromage;3,20\nr3;Pain;pain;1,00\nr4;BÃ»che;fromage;4,00\n"
    sheet = read(HEADER + rows)
    assert [row.cells[1] for row in sheet.rows] == ["Pâté", "Crème", "Pain", "Bûche"]
    assert [note.line for note in sheet.notes] == [3, 5]


@pytest.mark.parametrize(
    ("line", "better"),
    [
        ("AlgÃ©rie", "Algérie"),
        ("Ã\xa0 la carte", "à la carte"),
        ("AlgÃƒÂ©rie", "Algérie"),
        ("Algérie", "Algérie"),
        ("São Tomé", "São Tomé"),
        ("AlgÃ©rie et Algérie", "AlgÃ©rie et Algérie"),
    ],
)
def test_only_certain_damage_is_repaired(line: str, better: str) -> None:
    assert repair_mojibake(line) == better


def test_letters_of_two_parts_become_one() -> None:
    assert read(HEADER + "r1;Cafe\u0301;epicerie;1,00\n").rows[0].cells[1] == "Café"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_the_header_tells_the_delimiter(delimiter: str) -> None:
    content = (HEADER + "r1;Pain;pain;3.20\n").replace(";", delimiter)
    assert read(content).rows[0].cells == ("r1", "Pain", "pain", "3.20")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_known(end: str) -> None:
    sheet = read((HEADER + ROWS).replace("\n", end))
    assert [row.line for row in sheet.rows] == [2, 3]


def test_excels_separator_line_is_skipped_and_counted() -> None:
    assert read("sep=;\r\n" + HEADER + ROWS).rows[0].line == 3


def test_lines_are_counted_through_cells_of_several_lines_and_empty_rows() -> None:
    sheet = read(HEADER + 'r1;"Pain\nde\nseigle";pain;3,20\n;;;\n\nr2;Brioche;pain;4,00\n')
    assert [(row.line, row.cells[0]) for row in sheet.rows] == [(2, "r1"), (7, "r2")]


def test_a_delimiter_at_the_end_of_every_line_is_no_column() -> None:
    sheet = read("reference;nom;genre;prix;\nr1;Pain;pain;3,20;\n")
    assert (sheet.header, sheet.rows[0].cells) == (
        ("reference", "nom", "genre", "prix"),
        ("r1", "Pain", "pain", "3,20"),
    )


def test_ragged_rows_are_named_by_their_line_and_the_others_read() -> None:
    sheet = read(HEADER + "r1;Pain;pain\nr2;Brioche;pain;4,00;oups\nr3;Fougasse;pain;3,00\n")
    assert [(p.line, p.code, p.value) for p in sheet.problems] == [
        (2, "too_few_cells", "3/4"),
        (3, "too_many_cells", "5/4"),
    ]
    assert [row.cells[0] for row in sheet.rows] == ["r3"]


@pytest.mark.parametrize(
    "row",
    [
        'r1;"Pain;pain;3,20\nr2;Brioche;pain;4,00\n',
        'r1;"Pain;pain;3,20\nr2;"Brioche";pain;4,00\n',
        'r1;"Pain;pain;3,20\nr2;Brioche;pain;4,00"\nr3;a;pain;1,00\n',
        'r1;"Pain;pain;3,20\nr2;x;pain;4,00\nr3;";pain;1,00\n',
        'r1;"Pain" noir;pain;3,20\n',
    ],
)
def test_a_quote_that_is_not_closed_is_found_at_the_line_where_it_opens(row: str) -> None:
    error = refusal(HEADER + "r0;Miche;pain;3,00\n" + row)
    assert (error.code, error.details["line"]) == ("quotes_broken", 3)


def test_inches_inside_a_name_are_no_quotes() -> None:
    assert read(HEADER + 'r1;Écran 27" plat;electrique;199,00\n').rows[0].cells[1] == 'Écran 27" plat'


def test_the_apostrophe_that_disarms_a_formula_is_not_the_text() -> None:
    assert read(HEADER + "r1;'=1+1;jouet;3,00\n").rows[0].cells[1] == "=1+1"


@pytest.mark.parametrize(
    ("content", "code", "looks_like"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "wrong_type", "pdf"),
        (b"\x89PNG\r\n\x1a\n\0\0", "wrong_type", "image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "wrong_type", "image"),
        (b"PK\x03\x04\x14\0[Content_Types].xml xl/workbook.xml", "wrong_type", "excel"),
        (b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "wrong_type", "opendocument"),
        (b"PK\x03\x04photos/1.jpg", "wrong_type", "archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "wrong_type", "old_excel"),
        (b"<!DOCTYPE html><html><body>Mes produits</body></html>", "not_a_catalogue", "html"),
        (b'<?xml version="1.0"?><produits/>', "not_a_catalogue", "xml"),
        (b'{"products": [{"id": 1}]}', "not_a_catalogue", "json"),
        (b"const produits = [];\nfunction a() { return 1; }\n", "not_a_catalogue", "javascript"),
        ("r1;Pain de seigle;3,20 €;12\n".encode(), "not_a_catalogue", "no_header"),
        (b"id;couleur;taille\n1;bleu;M\n", "not_a_catalogue", "other_table"),
        (b"Bonjour, voici ma liste", "not_a_catalogue", "other_table"),
        (b"Bonjour", "not_a_catalogue", "plain_text"),
    ],
)
def test_what_is_no_catalogue_is_refused_with_what_it_looks_like(content: bytes, code: str, looks_like: str) -> None:
    error = refusal(content)
    assert (error.code, error.details["looks_like"]) == (code, looks_like)


def test_an_unknown_table_is_refused_with_its_titles() -> None:
    assert refusal("id;couleur;taille\n1;bleu;M\n").details["columns"] == ["id", "couleur", "taille"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b" \r\n\t\n", "empty"),
        (b"\xef\xbb\xbf", "not_a_catalogue"),
        (HEADER.encode(), "no_rows"),
        ((HEADER + ROWS).encode()[:-1] + b"\0\n", "nul_character"),
        ((HEADER + "r1;Pain\0;pain;1,00\n").encode("utf-16"), "nul_character"),
        ((HEADER + "r1;Pa").encode() + b"\xed\xa0\x80t;pain;1,00\n", "lone_surrogate"),
        ((HEADER + "r1;Pa").encode("utf-16") + b"\x00\xd8" + "t".encode("utf-16-le"), "lone_surrogate"),
        ((HEADER + "r1;Pâté").encode()[:-1], "truncated"),
        ((HEADER + "r1;Pâté").encode("utf-16")[:-1], "truncated"),
        ((HEADER + "r1;" + "x" * 20_001 + ";pain;1,00\n").encode(), "cell_too_long"),
        ((HEADER + "r1;" + "x" * 1_000_000 + ";pain;1,00\n").encode(), "cell_too_long"),
        ((";".join(f"c{n}" for n in range(100_000)) + "\n").encode(), "too_many_columns"),
        ((HEADER + "r;n;pain;1\n" * 20_001).encode(), "too_many_rows"),
        ((HEADER + ";;;\n" * 20_001).encode(), "too_many_rows"),
        (b"\n" * 800_001 + b"x", "too_many_rows"),
        (b"x" * 10_000_001, "too_big"),
    ],
)
def test_what_would_break_the_database_or_the_machine_is_refused(content: bytes, code: str) -> None:
    assert refusal(content).code == code
