"""The design's promises that a machine can read from the files: contrast, weight, letters, one home for colours."""

from __future__ import annotations

import re
from pathlib import Path

import brotli
import pytest
from fontTools.ttLib import TTFont

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "marketplace" / "static"
TEMPLATES = ROOT / "templates"
TOKENS = (STATIC / "css" / "tokens.css").read_text(encoding="utf-8")
HALL = (STATIC / "css" / "hall.css").read_text(encoding="utf-8")

#: WCAG 2.2: 4.5 for text (1.4.3); 3 for borders, rings and signs that carry meaning (1.4.11).
TEXT, SIGN = 4.5, 3.0
PAIRS = [
    ("ink", "ground", 7.0),
    ("ink", "card", 7.0),
    ("ink", "shade", 7.0),
    ("soft", "ground", TEXT),
    ("soft", "card", TEXT),
    ("soft", "shade", TEXT),
    ("link", "ground", TEXT),
    ("link", "card", TEXT),
    ("link", "shade", TEXT),
    ("on-main", "main", TEXT),
    ("on-main", "main-hover", TEXT),
    ("on-look", "look", TEXT),
    ("error", "ground", TEXT),
    ("error", "card", TEXT),
    ("error", "error-field", TEXT),
    ("done", "done-field", TEXT),
    ("news", "news-field", TEXT),
    ("ink", "done-field", TEXT),
    ("ink", "error-field", TEXT),
    ("ink", "look-field", TEXT),
    ("ink", "news-field", TEXT),
    ("link", "done-field", TEXT),
    ("link", "error-field", TEXT),
    ("link", "look-field", TEXT),
    ("link", "news-field", TEXT),
    ("line", "ground", SIGN),
    ("line", "card", SIGN),
    ("ring", "ground", SIGN),
    ("ring", "card", SIGN),
    ("ring", "shade", SIGN),
    ("done", "ground", SIGN),
    ("done", "card", SIGN),
    ("error", "shade", SIGN),
    ("news", "ground", SIGN),
]
#: The button's own field need not stand out on paper, where its border and its words do.
SCREEN_PAIRS = [("main", "ground", SIGN), ("main", "card", SIGN)]


def colours_of(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))


def schemes() -> dict[str, dict[str, str]]:
    """The colours of each scheme; dark and print only write down what they change."""
    light, _, rest = TOKENS.partition("@media (prefers-color-scheme: dark)")
    dark, _, paper = rest.partition("@media print")
    paper, _, _ = paper.partition(".awning-0")
    base = colours_of(light)
    return {"light": base, "dark": base | colours_of(dark), "print": base | colours_of(paper)}


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_formula_gives_the_known_extremes() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#f4b400", "#fff9f0") == pytest.approx(1.76, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_pair_that_meets_on_a_page_reaches_its_contrast(scheme: str) -> None:
    colours = schemes()[scheme]
    pairs = PAIRS if scheme == "print" else PAIRS + SCREEN_PAIRS
    too_faint = {
        (front, ground): round(contrast(colours[front], colours[ground]), 2)
        for front, ground, least in pairs
        if contrast(colours[front], colours[ground]) < least
    }
    assert too_faint == {}


def test_the_dark_scheme_and_paper_set_every_colour_that_light_sets() -> None:
    light, _, rest = TOKENS.partition("@media (prefers-color-scheme: dark)")
    dark, _, paper = rest.partition("@media print")
    paper, _, _ = paper.partition(".awning-0")
    assert colours_of(dark).keys() == colours_of(light).keys()
    assert colours_of(paper).keys() == colours_of(light).keys()


def test_paper_has_a_white_ground_and_no_field_of_colour() -> None:
    paper = schemes()["print"]
    fields = {name: colour for name, colour in paper.items() if name.endswith(("field", "ground", "card", "shade"))}
    assert set(fields.values()) == {"#ffffff"}
    assert all(len(set(re.findall("..", colour[1:]))) == 1 for colour in paper.values())


def test_there_are_24_awnings_whose_stripes_can_be_told_apart() -> None:
    awnings = re.findall(r"\.awning-(\d+) \{ --a: (#[0-9a-f]{6}); --b: (#[0-9a-f]{6}); \}", TOKENS)
    assert [int(number) for number, _, _ in awnings] == list(range(24))
    assert len({(a, b) for _, a, b in awnings}) == 24
    assert [number for number, a, b in awnings if contrast(a, b) < 3] == []


def test_components_take_their_colours_from_the_tokens_alone() -> None:
    without_stripes = re.sub(r"\.awning \{.*?\n(?=\.)", "", HALL, flags=re.DOTALL)
    paper = without_stripes.index("@media print")
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", without_stripes[:paper].replace("#annonce", "")) == []
    assert re.findall(r"\b(?:rgb|hsl)a?\(", without_stripes) == []


def test_every_property_that_a_component_uses_exists() -> None:
    used = set(re.findall(r"var\(--([a-z0-9-]+)", HALL))
    defined = set(re.findall(r"--([a-z0-9-]+):", TOKENS + HALL))
    assert used - defined == set()


def test_the_style_sheets_of_a_page_weigh_at_most_10_kb() -> None:
    # Every page carries the frame's two sheets and at most one of its own (residents.md K15 counts a first view).
    weights = {path.name: len(brotli.compress(path.read_bytes())) for path in (STATIC / "css").glob("*.css")}
    frame = weights.pop("tokens.css") + weights.pop("hall.css")
    assert frame + max(weights.values()) <= 10_000


def test_a_page_links_at_most_one_sheet_of_its_own() -> None:
    pages = [path for path in TEMPLATES.rglob("*.html") if path.name != "layout.html"]
    counts = {path.name: path.read_text(encoding="utf-8").count('rel="stylesheet"') for path in pages}
    assert {name: qty for name, qty in counts.items() if qty > 1} == {}
    assert sum(counts.values()) > 0


def test_the_fonts_weigh_at_most_32_kb_and_bring_their_licences() -> None:
    fonts = STATIC / "fonts"
    assert sum(path.stat().st_size for path in fonts.glob("*.woff2")) <= 32_000
    assert "SIL OPEN FONT LICENSE" in (fonts / "OFL-Fraunces.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE" in (fonts / "OFL-Atkinson-Hyperlegible-Next.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["fraunces-600", "atkinson-400", "atkinson-700"])
def test_the_fonts_can_write_french(name: str) -> None:
    signs = TTFont(STATIC / "fonts" / f"{name}.woff2").getBestCmap()
    wanted = "ÀÂÆÇÈÉÊËÎÏÔŒÙÛÜŸàâæçèéêëîïôœùûüÿ«»’…–°€\u00a0\u202f\u2011"
    if name == "fraunces-600":  # headings only: no price, so no euro
        wanted = wanted.replace("€", "")
    assert [sign for sign in wanted if ord(sign) not in signs] == []


@pytest.mark.parametrize("name", ["atkinson-400", "atkinson-700"])
def test_figures_of_a_column_of_prices_stand_under_each_other(name: str) -> None:
    font = TTFont(STATIC / "fonts" / f"{name}.woff2")
    assert "tnum" in {record.FeatureTag for record in font["GSUB"].table.FeatureList.FeatureRecord}
    even = next(
        lookup.mapping
        for feature in font["GSUB"].table.FeatureList.FeatureRecord
        if feature.FeatureTag == "tnum"
        for index in feature.Feature.LookupListIndex
        for lookup in font["GSUB"].table.LookupList.Lookup[index].SubTable
    )
    signs = font.getBestCmap()
    widths = {font["hmtx"][even.get(signs[ord(digit)], signs[ord(digit)])][0] for digit in "0123456789"}
    assert len(widths) == 1


def test_nothing_in_the_shared_templates_needs_an_inline_style_or_script() -> None:
    shared = ROOT / "templates" / "marketplace"
    pages = [shared / "layout.html", *(shared / "_macros").glob("*.html"), *(shared / "errors").glob("*.html")]
    assert len(pages) >= 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:|\|\s*safe\b", text), page.name
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), page.name


def test_every_icon_that_the_templates_name_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([a-z-]+)"', (STATIC / "icons.svg").read_text(encoding="utf-8")))
    shared = (ROOT / "templates" / "marketplace").rglob("*.html")
    named = {name for page in shared for name in re.findall(r"icon\('([a-z-]+)'\)", page.read_text(encoding="utf-8"))}
    assert named - {"state-"} <= drawn
    assert {f"state-{kind}" for kind in ("wait", "going", "done", "look", "stop", "news")} <= drawn
