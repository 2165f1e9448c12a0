"""Whatever is sent, the answer is a catalogue, problems, or a refusal with a code; never a crash."""

from __future__ import annotations

from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from merchants.imports.formats import parse_catalogue
from merchants.imports.own import COLUMNS
from merchants.imports.reading import UnreadableFile
from tests.merchants.imports import test_shopify, test_woocommerce

ON = date(2026, 11, 21)
HEADERS = [list(COLUMNS), test_woocommerce.TITLES, test_shopify.TITLES]

HOSTILE = [
    "=HYPERLINK(1)", "@SUM(1)", "<script>alert(1)</script>", "<![if x", "\u202egepj", "\u200f", "a\u0301", "\x07",
    '"', ";", "\n", "'", "1e999", "-0", "９", "NaN", "8.0E+12", "1 299,00 €", "🧀", "\ufeff", "id:", "id:1", "variable",
    "variation", "simple", "Default Title", "true", "0", "1", "-1", "fromage", "Vaisselle", "aucun", "400 g", "a=b|c",
    "12,50", "9782070368228",
]  # fmt: skip
CELLS = st.sampled_from(HOSTILE) | st.text(max_size=12)


def holds(content: bytes, default_kind: str | None) -> None:
    try:
        catalogue = parse_catalogue(content, on=ON, default_kind=default_kind)
    except UnreadableFile as refusal:
        assert refusal.code.isidentifier()
        assert refusal.status == 422
        return
    assert catalogue.products or catalogue.problems or catalogue.notes
    references = [variant.reference for product in catalogue.products for variant in product.variants]
    assert len(references) == len(set(references))
    for product in catalogue.products:
        assert product.name
        assert product.variants
        for variant in product.variants:
            assert variant.reference
            assert variant.price.cents > 0
            (variant.reference + variant.label + product.name).encode("utf-8")


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_answered(content: bytes) -> None:
    holds(content, None)


@given(
    st.sampled_from(HEADERS),
    st.sampled_from([";", ",", "\t"]),
    st.lists(st.lists(CELLS, min_size=1, max_size=30), max_size=6),
    st.booleans(),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
)
@settings(max_examples=300, deadline=None)
def test_any_cells_under_a_known_header_are_answered(
    header: list[str], delimiter: str, rows: list[list[str]], is_quoted: bool, encoding: str
) -> None:
    lines = [delimiter.join(f'"{title}"' for title in header)]
    for row in rows:
        cells = (row * len(header))[: len(header)]
        lines.append(delimiter.join('"' + c.replace('"', '""') + '"' if is_quoted else c for c in cells))
    holds("\n".join(lines).encode(encoding, "replace"), "maison")


@given(st.sampled_from(HEADERS), st.lists(CELLS, min_size=1, max_size=40), st.integers(0, 2000))
@settings(max_examples=200, deadline=None)
def test_a_file_cut_anywhere_is_answered(header: list[str], cells: list[str], cut: int) -> None:
    row = ",".join('"' + c.replace('"', '""') + '"' for c in (cells * len(header))[: len(header)])
    holds("\n".join([",".join(f'"{t}"' for t in header), row, row]).encode("utf-8", "replace")[:cut], "maison")
