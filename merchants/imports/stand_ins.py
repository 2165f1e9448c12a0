"""Which drawing stands in for a product whose file names none (look.md: a shop with three photos looks like a shop)."""

from __future__ import annotations

from marketplace.drawings.catalogue import FALLBACK

DRAWING_OF_KIND = {
    "livre-neuf": "book",
    "livre-occasion": "book",
    "presse": "magazine",
    "viande": "steak",
    "charcuterie": "ham",
    "plat-prepare": "ready-dish",
    "fromage": "cheese-wedge",
    "pain": "bread",
    "epicerie": "tin",
    "confiserie": "candy",
    "chocolat": "chocolate-bar",
    "alcool": "wine-red",
    "bouquet": "bouquet",
    "composition-florale": "arrangement",
    "plante": "plant",
    "vetement": "shirt",
    "hygiene-scelle": "soap",
    "sur-mesure": "needles",
    "jouet": "blocks",
    "lunettes-soleil": "sunglasses",
    "bijou": "ring",
    "electrique": "lamp",
    "bon-achat": "voucher",
    "prestation": "workshop",
    "maison": "vase",
}


def drawing_of_kind(kind: str) -> str:
    return DRAWING_OF_KIND.get(kind, FALLBACK)
