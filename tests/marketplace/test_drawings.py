"""The drawn stand-ins: light, safe, always the same, painted from the paint box only."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from importlib.resources import files
from xml.etree import ElementTree

import pytest

from marketplace import drawings
from marketplace.drawings import COLOURWAYS_QTY, KEYS, catalogue, colourway_for, drawing, palette

WEIGHT_LIMIT_BYTES = 2500
SVG = "{http://www.w3.org/2000/svg}"
COLOURWAYS = range(6)

PROMISE = """
book comic magazine dress shirt coat trousers sweater scarf hat gloves shoe boot sneaker slipper handbag belt
wallet suitcase cheese-wedge cheese-round goat-cheese butter yogurt milk eggs steak roast sausage ham pate-jar
chicken ready-dish wine-red wine-white wine-rose champagne beer cider spirits bread baguette croissant brioche
cake tart macaron chocolate-bar chocolate-box candy ice-cream tea coffee jam honey oil vinegar spice tin pasta
biscuit fruit vegetable salt bouquet arrangement plant orchid wreath bear train board-game puzzle doll blocks
card-game sunglasses glasses-case ring necklace earrings watch soap cream perfume brush candle vase lamp
cushion mug plate frame blanket yarn needles fabric record turntable bike bike-light helmet pump pen notebook paper
saucepan knife teapot board pet-bowl leash pet-toy gift-box voucher workshop parcel
"""
PROMISED_KEYS = PROMISE.split()


def luminance(colour: str) -> float:
    """Relative luminance of an "#rrggbb" colour, 0 black to 1 white (WCAG 2.2)."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_promised_kind_has_a_drawing() -> None:
    assert list(KEYS) == PROMISED_KEYS


def test_every_shape_file_belongs_to_a_kind() -> None:
    stems = {entry.name.removesuffix(".svg") for entry in files(drawings).joinpath("shapes").iterdir()}
    assert stems == set(PROMISED_KEYS)


def test_kinds_laid_flat_are_kinds() -> None:
    assert set(PROMISED_KEYS) >= catalogue.LIES


@pytest.mark.parametrize("key", KEYS)
def test_a_picture_is_a_light_and_harmless_svg(key: str) -> None:
    for text in [drawing(key, colourway) for colourway in COLOURWAYS]:
        root = ElementTree.fromstring(text)
        assert len(text.encode()) <= WEIGHT_LIMIT_BYTES
        assert root.tag == f"{SVG}svg"
        assert root.get("viewBox") == "0 0 240 240"
        assert {node.tag for node in root.iter()} == {f"{SVG}svg", f"{SVG}g", f"{SVG}path"}
        assert {name for node in root.iter() for name in node.attrib} <= {
            *("width", "height", "viewBox", "d", "fill", "stroke", "stroke-width"),
            *("stroke-linecap", "stroke-linejoin", "transform"),
        }
        assert not re.search(r"script|style|href|url\(|<text|<!", text)


@pytest.mark.parametrize("key", KEYS)
def test_a_picture_takes_every_colour_from_the_paint_box(key: str) -> None:
    for colourway in COLOURWAYS:
        painted = set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawing(key, colourway))) - {"none"}
        assert painted <= set(palette.PIGMENTS.values()) | set(palette.GROUNDS[colourway]), colourway


@pytest.mark.parametrize("key", KEYS)
def test_a_picture_covers_its_whole_square_with_its_own_ground(key: str) -> None:
    for colourway in COLOURWAYS:
        first = ElementTree.fromstring(drawing(key, colourway))[0]
        assert first.attrib == {"fill": palette.GROUNDS[colourway].ground, "d": "M0 0H240V240H0Z"}, colourway


@pytest.mark.parametrize("key", KEYS)
def test_six_colourways_are_six_pictures(key: str) -> None:
    assert len({drawing(key, colourway) for colourway in range(6)}) == 6


def test_two_kinds_never_share_a_picture() -> None:
    assert len({drawing(key, 0) for key in KEYS}) == 117


def test_colourways_count_round() -> None:
    assert drawing("book", 7) == drawing("book", 1)
    assert drawing("book", -1) == drawing("book", 5)


@pytest.mark.parametrize("key", ["", "unicorn", "Book", "../palette", "book.svg"])
def test_an_unknown_kind_shows_the_parcel(key: str) -> None:
    assert drawing(key, 2) == drawing("parcel", 2)


def test_a_product_keeps_its_colourway() -> None:
    assert [colourway_for(seed) for seed in ("1", "2", "comté-18-mois", "")] == [3, 3, 2, 0]


def test_another_process_picks_the_same_colourway_and_draws_the_same_picture() -> None:
    program = (
        "from marketplace.drawings import colourway_for, drawing\n"
        "print(colourway_for('comté-18-mois'), drawing('cheese-wedge', 3), end='')"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "1", "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout
    assert elsewhere == f"{colourway_for('comté-18-mois')} {drawing('cheese-wedge', 3)}"


def test_25_products_of_one_kind_show_all_colourways() -> None:
    shown = Counter(colourway_for(f"product-{number}") for number in range(25))
    assert sorted(shown) == [0, 1, 2, 3, 4, 5]


def test_products_spread_evenly_over_the_colourways() -> None:
    shown = Counter(colourway_for(str(number)) for number in range(6000))
    assert all(850 <= shown[colourway] <= 1150 for colourway in range(COLOURWAYS_QTY))


def test_food_never_turns_blue() -> None:
    cold = {"slate", "sky", "plum", "aubergine", "moss", "basil", "bottle", "leaf"}
    for name in ("cheese", "rind", "baked"):
        assert not cold & {pigment for accents in palette.RANGES[name] for pigment in accents}


def test_red_wine_is_red_in_every_colourway() -> None:
    assert all('fill="#7c1f3e"' in drawing("wine-red", colourway) for colourway in range(6))


@pytest.mark.parametrize("name", palette.RANGES)
def test_a_range_has_one_row_per_ground(name: str) -> None:
    assert len(palette.RANGES[name]) == 6


def test_grounds_are_light_and_no_pigment_is_black() -> None:
    assert all(luminance(tint.ground) > 0.75 for tint in palette.GROUNDS)
    assert min(luminance(colour) for colour in palette.PIGMENTS.values()) > 0.03
