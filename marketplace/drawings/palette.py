"""The paint box: every colour a drawing may show, by name.

A shape file names its colours. Five of the names are slots that change with the colourway
(`ground`, `shade`, `main`, `second`, `detail`); all others are pigments and stay what they are:
leaves are green and red wine is red in every colourway.
"""

from __future__ import annotations

from typing import NamedTuple

PIGMENTS = {
    "aubergine": "#43294f",
    "basil": "#2f7a4c",
    "bottle": "#2c4a3c",
    "butter": "#f8d978",
    "clay": "#bf6a45",
    "cocoa": "#57342b",
    "cream": "#fff8ea",
    "crust": "#c9873f",
    "ham": "#ec9d94",
    "honey": "#e39b22",
    "iron": "#5c6973",
    "leaf": "#7aa65a",
    "meat": "#b23a3f",
    "moss": "#38573b",
    "peach": "#f4b68c",
    "plum": "#84508a",
    "rose": "#e48a98",
    "saffron": "#f2b22c",
    "sand": "#d9bd94",
    "sky": "#86b7d1",
    "slate": "#3f5f92",
    "steel": "#a3b0b8",
    "straw": "#ecc67f",
    "toast": "#8f5428",
    "tomato": "#c9412f",
    "wine": "#7c1f3e",
}


class Ground(NamedTuple):
    """A light tint, and the same tint one step deeper for the table or cloth."""

    ground: str
    shade: str


GROUNDS = (
    Ground("#fbeed6", "#f3d6a8"),
    Ground("#fae0d6", "#f0c2b1"),
    Ground("#e4edd8", "#c5d7b1"),
    Ground("#dee9ed", "#b9d0db"),
    Ground("#ece2ed", "#d3bfd8"),
    Ground("#fcecbb", "#f4d17a"),
)


class Accents(NamedTuple):
    """Pigment names for the three slots that a colourway fills."""

    main: str
    second: str
    detail: str


# One row per ground, in the order of GROUNDS, so that each trio is chosen against its own tint.
RANGES: dict[str, tuple[Accents, ...]] = {
    # Made things: any colour of the market.
    "stall": (
        Accents("tomato", "saffron", "aubergine"),
        Accents("slate", "cream", "tomato"),
        Accents("aubergine", "rose", "saffron"),
        Accents("saffron", "tomato", "aubergine"),
        Accents("basil", "butter", "aubergine"),
        Accents("rose", "cream", "aubergine"),
    ),
    # Made things with cream surfaces: as above, but nothing cream is laid on the cream.
    "paper": (
        Accents("tomato", "saffron", "aubergine"),
        Accents("slate", "honey", "tomato"),
        Accents("aubergine", "rose", "saffron"),
        Accents("saffron", "tomato", "aubergine"),
        Accents("basil", "butter", "aubergine"),
        Accents("tomato", "sky", "aubergine"),
    ),
    # Leather, from natural to dyed.
    "leather": (
        Accents("clay", "toast", "saffron"),
        Accents("cocoa", "clay", "saffron"),
        Accents("tomato", "wine", "cream"),
        Accents("toast", "cocoa", "straw"),
        Accents("aubergine", "plum", "saffron"),
        Accents("moss", "bottle", "straw"),
    ),
    # Pressed cheese: paste, rind, holes and cuts.
    "cheese": (
        Accents("saffron", "tomato", "honey"),
        Accents("butter", "crust", "honey"),
        Accents("straw", "toast", "crust"),
        Accents("butter", "honey", "saffron"),
        Accents("saffron", "crust", "honey"),
        Accents("cream", "clay", "straw"),
    ),
    # White and grey rinds: paste, rind, cuts.
    "rind": (
        Accents("butter", "cream", "sand"),
        Accents("straw", "cream", "crust"),
        Accents("cream", "sand", "honey"),
        Accents("butter", "cream", "straw"),
        Accents("straw", "cream", "sand"),
        Accents("cream", "steel", "iron"),
    ),
    # Baked: crust, crumb or glaze, deep crust.
    "baked": (
        Accents("crust", "straw", "toast"),
        Accents("crust", "butter", "toast"),
        Accents("clay", "straw", "cocoa"),
        Accents("crust", "straw", "toast"),
        Accents("toast", "straw", "cocoa"),
        Accents("clay", "butter", "toast"),
    ),
    # Pastry and ice: sponge or first scoop, glaze or second scoop, berries.
    "sweet": (
        Accents("rose", "tomato", "wine"),
        Accents("cocoa", "rose", "tomato"),
        Accents("rose", "cream", "tomato"),
        Accents("crust", "cocoa", "tomato"),
        Accents("straw", "plum", "wine"),
        Accents("tomato", "cream", "wine"),
    ),
    # Orchard and garden: apple or tomato, orange or peach, grapes.
    "orchard": (
        Accents("tomato", "saffron", "wine"),
        Accents("leaf", "honey", "plum"),
        Accents("tomato", "peach", "wine"),
        Accents("saffron", "tomato", "plum"),
        Accents("tomato", "leaf", "wine"),
        Accents("wine", "tomato", "leaf"),
    ),
    # Chocolate: dark or milk, its wrapper, the ridges.
    "chocolate": (
        Accents("cocoa", "tomato", "toast"),
        Accents("toast", "basil", "cocoa"),
        Accents("cocoa", "saffron", "toast"),
        Accents("cocoa", "clay", "toast"),
        Accents("toast", "plum", "cocoa"),
        Accents("cocoa", "slate", "toast"),
    ),
    # Wooden boards, handles and frames: wood, its edge, its light.
    "wood": (
        Accents("clay", "toast", "straw"),
        Accents("crust", "toast", "straw"),
        Accents("toast", "cocoa", "crust"),
        Accents("crust", "clay", "straw"),
        Accents("clay", "cocoa", "straw"),
        Accents("toast", "cocoa", "straw"),
    ),
    # Flowers: petal, heart, centre.
    "bloom": (
        Accents("tomato", "saffron", "wine"),
        Accents("plum", "saffron", "aubergine"),
        Accents("rose", "saffron", "tomato"),
        Accents("saffron", "clay", "honey"),
        Accents("tomato", "cream", "wine"),
        Accents("rose", "cream", "plum"),
    ),
    # Gold and silver with a stone: metal, stone, shadow of the metal.
    "jewel": (
        Accents("honey", "tomato", "toast"),
        Accents("honey", "slate", "toast"),
        Accents("honey", "aubergine", "toast"),
        Accents("honey", "basil", "toast"),
        Accents("steel", "plum", "iron"),
        Accents("steel", "rose", "iron"),
    ),
    # Fleece and plush.
    "plush": (
        Accents("clay", "straw", "cocoa"),
        Accents("toast", "peach", "cocoa"),
        Accents("crust", "cream", "cocoa"),
        Accents("clay", "cream", "aubergine"),
        Accents("toast", "straw", "aubergine"),
        Accents("crust", "butter", "cocoa"),
    ),
}
