"""Which kind an online shop's category names, if it names exactly one.

VAT, cold chain and age follow from the kind, so a doubt stays a doubt: "fleurs" (bouquet at 10 %, composition at
20 %) or "livres" (new or second-hand) name no kind, and the shopkeeper is asked.
"""

from __future__ import annotations

import re

from merchants.imports.cells import fold

#: Kind → words and phrases of categories, French then English, singular; a plural s or x is understood.
WORDS = {
    "livre-neuf": ("livre neuf",),
    "livre-occasion": ("livre d'occasion", "livre ancien"),
    "presse": ("presse", "journal", "journaux", "magazine"),
    "viande": ("viande", "boucherie", "volaille", "meat"),
    "charcuterie": ("charcuterie",),
    "plat-prepare": ("plat prepare", "traiteur"),
    "fromage": ("fromage", "fromagerie", "cheese"),
    "pain": ("pain", "boulangerie", "viennoiserie", "bread", "bakery"),
    "epicerie": ("epicerie", "epicerie fine", "conserve", "thes", "cafe", "epice", "miel", "confiture", "grocery"),
    "confiserie": ("confiserie", "bonbon", "candy"),
    "chocolat": ("chocolat", "bonbon de chocolat", "chocolate"),
    "alcool": ("alcool", "vin", "biere", "champagne", "spiritueux", "whisky", "rhum", "wine", "beer", "spirit"),
    "bouquet": ("bouquet", "bouquet simple"),
    "composition-florale": ("composition florale",),
    "plante": ("plante", "plante verte", "plante en pot"),
    "vetement": (
        "vetement", "habillement", "robe", "pull", "chemise", "pantalon", "veste", "manteau", "chaussure", "t-shirt",
        "tshirt", "clothing", "apparel", "shirt", "dress", "shoe", "hoodie", "jacket",
    ),
    "hygiene-scelle": ("cosmetique", "lingerie", "boucle d'oreille", "maquillage", "cosmetic"),
    "sur-mesure": ("sur mesure", "retouche", "gravure"),
    "jouet": ("jouet", "jeu de societe", "jeux de societe", "peluche", "puzzle", "toy"),
    "lunettes-soleil": ("lunettes de soleil", "sunglasses"),
    "bijou": ("bijou", "bijouterie", "montre", "jewelry", "jewellery"),
    "electrique": ("electromenager", "lampe", "luminaire"),
    "bon-achat": ("bon d'achat", "carte cadeau", "bon cadeau"),
    "prestation": ("atelier", "prestation", "rendez-vous", "workshop"),
    "maison": ("decoration", "vaisselle", "bougie", "papeterie", "meuble", "decor", "furniture"),
}  # fmt: skip


#: Words that change nothing about the kind.
_HARMLESS = frozenset({
    "et", "and", "&", "de", "des", "du", "d'", "la", "le", "les", "l'", "a", "au", "aux", "nos", "notre",
    "en", "pour", "tous", "toutes", "produits", "produit", "bio", "local", "locaux", "artisanal",
    "artisanaux", "artisanales", "frais", "fraiche", "fraiches", "fin", "fine", "fins", "fines", "rouge",
    "rouges", "blanc", "blancs", "blanche", "rose", "roses", "homme", "hommes", "femme", "femmes", "enfant",
    "enfants", "men", "women", "kids", "lait", "chevre", "brebis", "vache",
})  # fmt: skip


def _pattern(phrase: str) -> re.Pattern[str]:
    words = (re.escape(word) + "[sx]?" for word in phrase.split())
    return re.compile(r"(?<![a-z0-9-])" + r"\s+".join(words) + r"(?![a-z0-9-])")


#: Longest phrase first: "bonbons de chocolat" are chocolate (5.5 %), not sweets (20 %).
_PATTERNS = sorted(
    ((_pattern(phrase), kind) for kind, phrases in WORDS.items() for phrase in phrases),
    key=lambda entry: -len(entry[0].pattern),
)


def kinds_named(category: str) -> frozenset[str]:
    """The kinds that one category names, nothing else being said: "Tasses à café" is no coffee."""
    rest, found = fold(category)[:200], set()
    for pattern, kind in _PATTERNS:
        rest, hits = pattern.subn(" ", rest)
        if hits:
            found.add(kind)
    others = re.findall(r"[^\s,]+", rest.replace("'", "' "))
    return frozenset(found) if all(word in _HARMLESS for word in others) else frozenset()


def kinds_of_paths(paths: list[str]) -> frozenset[str]:
    """The kinds that category paths ("A > B") name; the deepest category of each path speaks for it.

    Exactly one kind: that is it. None, or several: a person has to say.
    """
    return frozenset().union(*(kinds_named(path.rsplit(">", 1)[-1]) for path in paths))
