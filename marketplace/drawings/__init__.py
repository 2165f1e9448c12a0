"""Drawn stand-ins for products without a photo: one drawing per kind, six colourways each.

A shape file holds a drawing once, with names in place of colours; `drawing` puts it before its
backdrop and fills the names in from the paint box (palette.py). Pages show the result as an <img>,
which carries its own ground and therefore looks the same in the light and the dark scheme.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.resources import files

from marketplace.drawings.backdrops import LAID, STANDING
from marketplace.drawings.catalogue import FALLBACK, LIES, RANGE_OF
from marketplace.drawings.palette import GROUNDS, PIGMENTS, RANGES

KEYS: tuple[str, ...] = tuple(RANGE_OF)
COLOURWAYS_QTY = len(GROUNDS)

_FRAME = '<svg xmlns="http://www.w3.org/2000/svg" width="240" height="240" viewBox="0 0 240 240">'
_PAINT = re.compile(r'(fill|stroke)="([a-z]+)"')


def colourway_for(seed: str) -> int:
    """The colourway of a product, always the same for the same seed (its id, say), on every machine.

    Python's own hash() is salted per process, so two workers would colour one product differently.
    """
    digest = hashlib.blake2s(seed.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % COLOURWAYS_QTY


def drawing(key: str, colourway: int) -> str:
    """The finished SVG text of a kind in a colourway.

    Colourways count round, so any whole number is one. An unknown key shows the parcel: a kind
    that nobody has drawn yet must not leave a hole in a page.
    """
    return _painted(key if key in RANGE_OF else FALLBACK, colourway % COLOURWAYS_QTY)


# Cached behind the two corrections above, so that made-up keys in an address cannot fill the memory:
# at most 117 kinds x 6 colourways, about 1.5 MB.
@cache
def _painted(kind: str, turn: int) -> str:
    paint = _paint(kind, turn)
    backdrop = (LAID if kind in LIES else STANDING)[turn]
    template = f'<path fill="ground" d="M0 0H240V240H0Z"/>\n{backdrop}\n{_shapes(kind)}'
    coloured = _PAINT.sub(lambda found: f'{found[1]}="{paint[found[2]]}"', template)
    return f"{_FRAME}\n{coloured}</svg>\n"


def _paint(kind: str, turn: int) -> dict[str, str]:
    accents = RANGES[RANGE_OF[kind]][turn]
    slots = {slot: PIGMENTS[pigment] for slot, pigment in accents._asdict().items()}
    return PIGMENTS | GROUNDS[turn]._asdict() | slots | {"none": "none"}


@cache
def _shapes(kind: str) -> str:
    return files(__name__).joinpath("shapes", f"{kind}.svg").read_text(encoding="utf-8")
