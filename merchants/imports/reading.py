"""From bytes to rows: what a stranger's file may do to us ends here.

Limits come before work, the encoding is found before anything is split, and a file that is not a table of
products is refused with what it looks like. Comma-separated text needs no child process: every step below is
linear in a size that was checked first (reliability.md M16, F42).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from charset_normalizer import from_bytes

from marketplace.errors import MarketplaceError
from merchants.imports.parsed import Problem

#: A shop of 20,000 articles with long descriptions stays under 10 MB; beyond, somebody sends the wrong file.
MAX_BYTES = 10_000_000
MAX_ROWS = 20_000
#: Twenty lines of description each; more are line ends and nothing else.
MAX_LINES = 400_000
#: An export with every plug-in's own columns was seen with 227; 100,000 is an attack.
MAX_COLUMNS = 500
#: Longer than any product description; an unclosed quote reaches it first.
MAX_CELL_CHARS = 20_000

DELIMITERS = (";", ",", "\t", "|")

#: French shops' old encodings: Windows, old Macs, DOS tills.
CODE_PAGES = ["cp1252", "mac_roman", "cp850"]

Detect = Callable[[Sequence[str]], str | None]


class UnreadableFile(MarketplaceError):
    """Nothing of the file can be used; `code` says why, the details where and what it looks like."""

    status = 422

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        super().__init__(**details)


@dataclass(frozen=True, slots=True)
class Row:
    """One row with as many cells as the header; `line` is where it begins, the header being on line 1."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file of a known format. Rows with a wrong number of cells are in `problems`, empty rows nowhere."""

    format: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]


def read_sheet(content: bytes, detect: Detect) -> Sheet:
    """The rows of a catalogue file. `detect` names the format that a header belongs to, or None.

    Text comes back in Unicode's composed form (NFC), so that "é" typed on a Mac and "é" typed elsewhere are
    one reference. UnreadableFile: too_big, too_many_rows, too_many_columns, cell_too_long, empty, wrong_type,
    not_a_catalogue, no_rows, quotes_broken, encoding_unknown, nul_character, lone_surrogate, truncated.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableFile("too_big", limit_bytes=MAX_BYTES)
    if not content.strip(b"\0 \t\r\n"):
        raise UnreadableFile("empty")
    if content.count(b"\n") + content.count(b"\r") > 2 * MAX_LINES:
        raise UnreadableFile("too_many_rows", limit_qty=MAX_ROWS)
    if kind := binary_kind(content):
        raise UnreadableFile("wrong_type", looks_like=kind)
    text, repaired_lines = decode(content)
    if "\0" in text:
        raise UnreadableFile("nul_character", line=text.count("\n", 0, text.index("\0")) + 1)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    text, lines_before = _without_separator_line(text)
    delimiter, form = _vote(text, detect)
    header, rows, problems = _split(text, delimiter, lines_before)
    notes = [Problem(line, "", "mojibake_repaired") for line in repaired_lines]
    if not rows and not problems:
        raise UnreadableFile("no_rows")
    return Sheet(form, header, tuple(rows), tuple(problems), tuple(notes))


_MAGIC = (
    (b"%PDF", "pdf"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"\xd0\xcf\x11\xe0", "old_excel"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf", "archive"),
    (b"Rar!", "archive"),
    (b"{\\rtf", "word"),
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
)


def binary_kind(content: bytes) -> str | None:
    """What a file is that can be told by its first bytes, or None: it may be text."""
    if content.startswith(b"PK\x03\x04"):
        head = content[:4000]
        if b"opendocument.spreadsheet" in head:
            return "opendocument"
        if b"word/" in head:
            return "word"
        return "excel" if b"xl/" in head or b"[Content_Types].xml" in head else "archive"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)


def text_kind(text: str) -> str:
    """What a text is that is no catalogue we know: html, xml, json, javascript, no_header or other_table."""
    head = text[:5000].lstrip("\ufeff \t\r\n").casefold()
    if head.startswith(("<!doctype html", "<html", "<head", "<body", "<script")):
        return "html"
    if head.startswith("<?xml") or (head.startswith("<") and "</" in head):
        return "xml"
    if head.startswith(("{", "[")):
        return "json"
    if re.search(r"^\s*(?:import |export |const |let |var |function\b|//|/\*|['\"]use strict)", head) and re.search(
        r"=>|\)\s*\{|;\s*$|\brequire\(", head, re.MULTILINE
    ):
        return "javascript"
    first_line = head.split("\n", 1)[0]
    # A price or a barcode among the first line's cells: the titles of the columns are missing.
    if re.search(r"(?:^|[;,\t|])\s*\"?(?:\d+[.,]\d{1,2}(?:\s*€)?|\d{8,14})\"?\s*(?:$|[;,\t|])", first_line):
        return "no_header"
    return "other_table" if re.search(r"[;,\t|]", first_line) else "plain_text"


def decode(content: bytes) -> tuple[str, tuple[int, ...]]:
    """The text of a file, and the lines in which doubly encoded letters ("Ã©") were put right.

    UTF-16 by its mark or its pattern of zeros; else UTF-8; else line by line, UTF-8 where that is valid and
    one 8-bit code page elsewhere, because files that two programs wrote into hold both.
    """
    wide = _utf16_name(content)
    if wide:
        try:
            text = content.decode(wide)
        except UnicodeDecodeError as error:
            code = "truncated" if error.end >= len(content) else "lone_surrogate"
            raise UnreadableFile(code) from error
        return text.removeprefix("\ufeff"), ()
    if b"\0" in content:
        raise UnreadableFile("nul_character", line=content.count(b"\n", 0, content.index(b"\0")) + 1)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = _decode_mixed(content, error)
    return _repair_lines(text)


#: How é, œ or € begin when their UTF-8 was read as Windows text.
_SUSPECT = re.compile("[\u00c2-\u00c5\u00e2]")


def _repair_lines(text: str) -> tuple[str, tuple[int, ...]]:
    parts: list[str] = []
    repaired: list[int] = []
    done, line = 0, 1
    suspect = _SUSPECT.search(text)
    while suspect:
        start = text.rfind("\n", 0, suspect.start()) + 1
        end = text.find("\n", suspect.start())
        end = len(text) if end < 0 else end
        line += text.count("\n", done, start)
        better = repair_mojibake(text[start:end])
        if better != text[start:end]:
            repaired.append(line)
        parts += (text[done:start], better)
        done = end
        suspect = _SUSPECT.search(text, end)
    return ("".join([*parts, text[done:]]), tuple(repaired)) if repaired else (text, ())


def _utf16_name(content: bytes) -> str | None:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = content[:2000]
    if head.count(b"\0") * 3 < len(head):
        return None
    # Western text in UTF-16 has a zero in every second byte.
    return "utf-16-le" if head[1::2].count(b"\0") > head[0::2].count(b"\0") else "utf-16-be"


def _decode_mixed(content: bytes, error: UnicodeDecodeError) -> str:
    if error.reason == "unexpected end of data" and error.end >= len(content) - 1:
        raise UnreadableFile("truncated") from error
    lines: list[str | None] = []
    strange: list[bytes] = []
    raw_lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for raw in raw_lines:
        try:
            lines.append(raw.decode("utf-8"))
        except UnicodeDecodeError:
            if _is_surrogate(raw):
                raise UnreadableFile("lone_surrogate", line=len(lines) + 1) from error
            lines.append(None)
            strange.append(raw)
    page = _code_page(b"\n".join(strange))
    return "\n".join(raw.decode(page) if line is None else line for raw, line in zip(raw_lines, lines, strict=True))


def _is_surrogate(raw: bytes) -> bool:
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _code_page(sample: bytes) -> str:
    """The 8-bit code page that makes the best French of `sample`; cp1252 in doubt."""
    # 30,000 characters of accented lines tell three pages apart; the whole file would take seconds.
    guess = from_bytes(sample[:30_000], cp_isolation=CODE_PAGES).best()
    for page in (guess.encoding if guess else "cp1252", "cp1252", "mac_roman"):
        try:
            sample.decode(page)
        except UnicodeDecodeError:  # cp1252 has five holes; the next page has none
            continue
        return page
    raise UnreadableFile("encoding_unknown")


def _cp1252_bytes() -> dict[int, int]:
    """Character → byte, as Windows reads: the five holes of cp1252, and latin-1's controls, stay themselves."""
    table = {code: code for code in range(256)}
    for code in range(0x80, 0xA0):
        try:
            table[ord(bytes([code]).decode("cp1252"))] = code
        except UnicodeDecodeError:
            continue
    return table


_BYTE_OF = _cp1252_bytes()


def repair_mojibake(line: str) -> str:
    """`line` with UTF-8 that was read as Windows text put right ("AlgÃ©rie" → "Algérie"), if that is certain.

    Certain: every accented sign of the line is part of a valid UTF-8 sequence when taken as a byte. No French
    sentence is built like that by chance. Damage done twice is undone twice.
    """
    for _ in range(2):
        if line.isascii():
            return line
        try:
            better = bytes(_BYTE_OF[ord(char)] for char in line).decode("utf-8")
        except (KeyError, UnicodeDecodeError):
            return line
        line = better
    return line


def _without_separator_line(text: str) -> tuple[str, int]:
    """Excel's own first line "sep=;" is for Excel; the vote finds the separator by itself."""
    match = re.match(r'"?sep=.?"?[ \t]*(?:\r\n|\r|\n)', text, re.IGNORECASE)
    return (text[match.end() :], 1) if match else (text, 0)


def _vote(text: str, detect: Detect) -> tuple[str, str]:
    """The delimiter under which the first row is a known header, and that format; the extension is no help."""
    widest = 0
    for delimiter in DELIMITERS:
        header = _first_row(text, delimiter)
        widest = max(widest, len(header))
        if len(header) <= MAX_COLUMNS and (form := detect(header)):
            return delimiter, form
    if widest > MAX_COLUMNS:
        raise UnreadableFile("too_many_columns", columns_qty=widest, limit_qty=MAX_COLUMNS)
    looks_like = text_kind(text)
    columns = _first_row(text, _likeliest(text))[:8] if looks_like == "other_table" else []
    raise UnreadableFile("not_a_catalogue", looks_like=looks_like, columns=[cell[:40] for cell in columns])


def _likeliest(text: str) -> str:
    return max(DELIMITERS, key=lambda delimiter: len(_first_row(text, delimiter)))


def _first_row(text: str, delimiter: str) -> list[str]:
    # A header is one row of titles; 200,000 characters leave room for 500 long ones.
    try:
        for cells in csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=delimiter):
            if any(cell.strip() for cell in cells):
                return cells
    except csv.Error:
        return []
    return []


def _split(text: str, delimiter: str, lines_before: int) -> tuple[tuple[str, ...], list[Row], list[Problem]]:
    """Header, rows and ragged rows.

    csv itself reports an unclosed quote only in strict mode; without it the rest of the file silently becomes
    one cell (reliability.md 2.12).
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: tuple[str, ...] = ()
    rows: list[Row] = []
    problems: list[Problem] = []
    empty_qty = 0
    while True:
        line = lines_before + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return header, rows, problems
        except csv.Error as error:
            # The module names its own limit of 131,072 characters this way; every other message is about quotes.
            code = "cell_too_long" if str(error).startswith("field larger") else "quotes_broken"
            raise UnreadableFile(code, line=line) from error
        if not any(cell.strip() for cell in cells):
            empty_qty += 1
            if empty_qty > MAX_ROWS:  # a sheet saved with all its unused rows
                raise UnreadableFile("too_many_rows", limit_qty=MAX_ROWS)
            continue
        if max(map(len, cells)) > MAX_CELL_CHARS:
            raise UnreadableFile("cell_too_long", line=line, limit_chars=MAX_CELL_CHARS)
        if not header:
            header = tuple(cell.strip() for cell in cells)
            while header and not header[-1]:  # a delimiter at the end of every line is no column
                header = header[:-1]
            continue
        if any(_swallows_rows(cell, delimiter, len(header)) for cell in cells):
            raise UnreadableFile("quotes_broken", line=line)
        if any(cell.strip() for cell in cells[len(header) :]):
            problems.append(Problem(line, "", "too_many_cells", f"{len(cells)}/{len(header)}"))
        elif len(cells) < len(header):
            problems.append(Problem(line, "", "too_few_cells", f"{len(cells)}/{len(header)}"))
        else:
            rows.append(Row(line, tuple(_unescaped(cell.strip()) for cell in cells[: len(header)])))
        if len(rows) + len(problems) > MAX_ROWS:
            raise UnreadableFile("too_many_rows", limit_qty=MAX_ROWS)


def _unescaped(cell: str) -> str:
    """Exports put an apostrophe before what a spreadsheet would take for a formula (S33); it is not the text."""
    return cell[1:] if cell.startswith("'") and cell[1:2] in tuple("=+-@\t\r＝＋－＠") else cell


def _swallows_rows(cell: str, delimiter: str, columns_qty: int) -> bool:
    """A cell that holds a whole row: a quote opened by mistake and closed by the next one."""
    if "\n" not in cell and "\r" not in cell:
        return False
    return any(line.count(delimiter) >= max(columns_qty - 1, 3) for line in re.split(r"[\r\n]+", cell))
