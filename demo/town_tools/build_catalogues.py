"""Writes demo/town/catalogues/<slug>.csv from demo/town_tools/stalls/<slug>.txt.

python -m demo.town_tools.build_catalogues

What the notes leave out is drawn from the shop's and the product's own names, so that two runs on two
machines write the same bytes.
"""

import csv
import hashlib
import io
import re
import unicodedata
from pathlib import Path

from demo.town_tools.stalls_reading import Article, StallError, Variant, read_stall

HERE = Path(__file__).parent
TOWN = HERE.parent / "town"
HEADER = (
    "reference", "article", "nom", "declinaison", "genre", "marque", "description", "prix", "stock", "ean",
    "poids_g", "volume_ml", "contenance", "allergenes", "image", "details",
)  # fmt: skip

# What one piece weighs and how much room it takes in a courier's box: (grams, millilitres). A guess by eye.
PARCEL = {
    "arrangement": (1800, 14000), "baguette": (250, 1800), "bear": (260, 3500),
    "beer": (600, 700), "belt": (220, 700), "bike": (14500, 180000), "bike-light": (110, 300),
    "biscuit": (230, 900), "blanket": (900, 7000), "blocks": (850, 4200), "board": (900, 2500),
    "board-game": (900, 4800), "book": (320, 500), "boot": (1300, 9000), "bouquet": (500, 9000),
    "bread": (520, 3200), "brioche": (380, 2800), "brush": (90, 400), "butter": (260, 320), "cake": (700, 5200),
    "candle": (320, 700), "candy": (220, 600), "card-game": (220, 450), "champagne": (1600, 1500),
    "cheese-round": (280, 500), "cheese-wedge": (280, 450), "chicken": (1500, 3600),
    "chocolate-bar": (90, 180), "chocolate-box": (320, 900), "cider": (1450, 1300), "coat": (1400, 9000),
    "coffee": (270, 750), "comic": (620, 900), "cream": (120, 250), "croissant": (70, 600),
    "cushion": (600, 12000), "doll": (350, 2800), "dress": (380, 2600), "earrings": (20, 120),
    "eggs": (420, 1300), "fabric": (350, 1500), "frame": (650, 3000), "fruit": (1050, 2200),
    "gift-box": (600, 2500), "glasses-case": (90, 500), "gloves": (120, 600), "goat-cheese": (150, 250),
    "ham": (220, 350), "handbag": (750, 6000), "hat": (150, 4500), "helmet": (380, 9000),
    "honey": (700, 650), "ice-cream": (520, 900), "jam": (560, 480), "knife": (160, 500), "lamp": (1500, 14000),
    "leash": (160, 500), "macaron": (160, 900), "magazine": (230, 350), "milk": (1050, 1100),
    "mug": (340, 900), "necklace": (30, 150), "needles": (60, 250), "notebook": (260, 450), "oil": (950, 900),
    "orchid": (900, 12000), "paper": (220, 600), "parcel": (500, 2000), "pasta": (520, 1300),
    "pate-jar": (330, 320), "pen": (40, 120), "perfume": (220, 400), "pet-bowl": (450, 1800),
    "pet-toy": (140, 900), "plant": (1600, 9000), "plate": (600, 1500), "pump": (420, 900),
    "puzzle": (650, 3200), "ready-dish": (480, 900), "record": (280, 1100), "ring": (15, 100),
    "roast": (1000, 1500), "salt": (280, 300), "sausage": (320, 500), "saucepan": (1600, 6000),
    "scarf": (180, 1200), "shirt": (280, 1800), "shoe": (900, 6500), "slipper": (420, 4200),
    "sneaker": (800, 6500), "soap": (120, 180), "spice": (90, 200), "spirits": (1350, 1300),
    "steak": (300, 450), "suitcase": (3200, 48000), "sunglasses": (140, 500), "sweater": (480, 3600),
    "tart": (750, 5200), "tea": (130, 500), "teapot": (900, 4200), "tin": (260, 260), "train": (900, 4200),
    "trousers": (520, 2400), "turntable": (5200, 38000), "vase": (1100, 4500), "vegetable": (550, 1600),
    "vinegar": (850, 800), "voucher": (15, 30), "wallet": (130, 350), "watch": (140, 600),
    "wine-red": (1300, 1200), "wine-rose": (1300, 1200), "wine-white": (1300, 1200), "workshop": (15, 30),
    "wreath": (1500, 16000), "yarn": (110, 600), "yogurt": (560, 700),
}  # fmt: skip
GLASS = {"jam", "honey", "oil", "vinegar", "pate-jar", "wine-red", "wine-white", "wine-rose", "champagne", "cider",
         "spirits", "beer"}  # fmt: skip

# The most that a shop of this size keeps of one piece.
SHELF = {"livre-neuf": 9, "presse": 12, "bijou": 4, "vetement": 7, "maison": 14, "prestation": 8, "bon-achat": 40,
         "electrique": 7, "bouquet": 8, "composition-florale": 5, "plante": 9, "sur-mesure": 12, "viande": 14,
         "lunettes-soleil": 6, "jouet": 11,
         "charcuterie": 16, "plat-prepare": 12, "fromage": 18, "pain": 24, "hygiene-scelle": 14}  # fmt: skip
# Goods that are cut, baked or bound in the shop carry no bar code.
WITHOUT_EAN = {"viande", "charcuterie", "plat-prepare", "fromage", "pain", "bouquet", "composition-florale", "plante",
               "livre-occasion", "sur-mesure", "prestation", "bon-achat"}  # fmt: skip
# Goods whose maker must be named on the page, with an address (Regulation (EU) 2023/988, article 19).
WITH_MAKER = {"vetement", "hygiene-scelle", "jouet", "lunettes-soleil", "bijou", "electrique", "maison"}
MAKER_TOWNS = ("79000 Niort", "87000 Limoges", "86000 Poitiers", "17100 Saintes", "24000 Périgueux", "16100 Cognac",
               "49300 Cholet", "81100 Castres", "42300 Roanne", "39260 Moirans-en-Montagne", "12100 Millau",
               "26100 Romans-sur-Isère", "85500 Les Herbiers", "64400 Oloron-Sainte-Marie")  # fmt: skip
MAKER_STREETS = ("rue des Tanneurs", "chemin du Moulin", "rue de la Filature", "impasse des Ateliers", "rue du Lavoir",
                 "allée des Noyers", "rue de l'Écluse", "place du Vieux Puits", "rue des Charrons")  # fmt: skip


def drawn(key: str, below: int) -> int:
    """A number in 0..below-1 that depends on the key alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % below


def plain(text: str) -> str:
    """Lower-case letters and digits of a name, joined by hyphens."""
    folded = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "OE"))
    return re.sub(r"[^a-z0-9]+", "-", folded.encode("ascii", "ignore").decode().lower()).strip("-")


def with_check_digit(twelve: str) -> str:
    """An EAN-13: the sum of digits in odd places and three times those in even places ends in 0."""
    weighed = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve))
    return twelve + str(-weighed % 10)


def measured(contents: str) -> tuple[int, int]:
    """Net grams and millilitres that the contents promise; 0 where they do not say."""
    found = re.match(r"^(?:(\d+)\s*[x×]\s*)?(\d+(?:,\d+)?)\s*(kg|g|cl|ml|l)\b", contents, re.IGNORECASE)
    if found is None:
        return 0, 0
    amount = float(found[2].replace(",", ".")) * int(found[1] or 1)
    unit = found[3].lower()
    if unit in ("kg", "g"):
        return round(amount * (1000 if unit == "kg" else 1)), 0
    return 0, round(amount * {"cl": 10, "ml": 1, "l": 1000}[unit])


def parcel(article: Article, contents: str) -> tuple[int, int]:
    """Grams and millilitres of one piece as it is carried, wrapping included."""
    usual_g, usual_ml = PARCEL[article.image]
    net_g, net_ml = measured(contents)
    tare = 1.75 if article.image in GLASS else 1.08
    grams, room_ml = usual_g, usual_ml
    if net_g:
        grams = round(net_g * tare) + 10
        room_ml = 10 * round(usual_ml * grams / usual_g / 10)
    elif net_ml:
        grams = round(net_ml * tare) + 20
        room_ml = 10 * round(net_ml * 0.16)
    return int(article.remarks.get("poids", grams)), int(article.remarks.get("volume", max(40, room_ml)))


def stock(article: Article, key: str) -> int:
    """Pieces on the shelf: a few none, some one or two, the rest up to what such a shop keeps."""
    if "stock" in article.remarks:
        return int(article.remarks["stock"])
    if article.kind == "livre-occasion":
        return 1
    if article.kind == "bon-achat":
        return SHELF["bon-achat"]
    chance = drawn("shelf" + key, 100)
    if chance < 5:
        return 0
    if chance < 17:
        return 1 + chance % 2
    return 3 + drawn("pieces" + key, SHELF.get(article.kind, 38) - 2)


def ean(article: Article, shop_number: int, place: int) -> str:
    """A bar code from the range that shops print themselves; for books a 979-10 number of no publisher's."""
    if article.kind in WITHOUT_EAN:
        return ""
    if article.kind == "livre-neuf":
        return with_check_digit(f"9791099{shop_number:02d}{place:03d}")
    return with_check_digit(f"2{shop_number:02d}{drawn(article.name, 10**5):05d}{place:04d}")


def maker(brand: str) -> str:
    """The invented address of an invented maker."""
    street = MAKER_STREETS[drawn("street" + brand, len(MAKER_STREETS))]
    town = MAKER_TOWNS[drawn("town" + brand, len(MAKER_TOWNS))]
    return f"{brand}, {2 + drawn('door' + brand, 60)} {street}, {town}, {plain(brand)}@example.org"


def reference(slug: str, shop_number: int, place: int) -> str:
    """How this merchant numbers things; no two merchants do it alike."""
    letters = "".join(word[0] for word in slug.split("-"))[:3].upper()
    return (f"{letters}-{place:03d}", f"{1000 + place}", f"{letters}{shop_number}.{place:03d}", f"26-{place:04d}")[
        shop_number % 4
    ]


def suffix(variant: Variant, position: int) -> str:
    kind_of_size, _, size = variant.label.partition(" ")
    return plain(size).upper() if kind_of_size in ("Taille", "Pointure") else str(position)


def catalogue(shop: dict[str, str], shop_number: int, articles: list[Article]) -> str:
    """The catalogue of one row of shops.csv in the own format, as text."""
    slug = shop["slug"]
    makers = {shop["name"]: f"{shop['name']}, {shop['street']}, 16000 Angoulême, {shop['email']}"}
    text = io.StringIO()
    out = csv.writer(text, delimiter=";", lineterminator="\n")
    out.writerow(HEADER)
    row_number = 0
    for place, article in enumerate(articles, start=1):
        base = reference(slug, shop_number, place)
        details = {
            key: value
            for key, value in article.remarks.items()
            if key not in ("marque", "allergenes", "poids", "volume", "stock")
        }
        brand = article.remarks.get("marque", details.get("editeur", shop["name"]))
        is_new = article.remarks.get("etat", "neuf") == "neuf"
        if article.kind in WITH_MAKER and is_new:
            details["fabricant"] = makers.get(brand) or maker(brand)
        several = len(article.variants) > 1
        for position, variant in enumerate(article.variants, start=1):
            row_number += 1
            own = f"{base}-{suffix(variant, position)}" if several else base
            grams, room_ml = parcel(article, variant.contents)
            out.writerow([
                own, base if several else "", article.name, variant.label, article.kind, brand, article.description,
                f"{variant.price_cents // 100},{variant.price_cents % 100:02d}", stock(article, slug + own),
                ean(article, shop_number, row_number), grams, room_ml, variant.contents,
                article.remarks.get("allergenes", ""), article.image,
                "|".join(f"{key}={value}" for key, value in details.items()),
            ])  # fmt: skip
    return text.getvalue()


def catalogues() -> dict[str, str]:
    """Every catalogue by the shop's slug. Raises StallError with the stall's name."""
    written = dict[str, str]()
    with (TOWN / "shops.csv").open(encoding="utf-8", newline="") as file:
        for shop_number, shop in enumerate(csv.DictReader(file, delimiter=";")):
            stall = HERE / "stalls" / f"{shop['slug']}.txt"
            try:
                articles = read_stall(stall.read_text(encoding="utf-8"))
            except StallError as wrong:
                raise StallError(f"{stall.name}, {wrong}") from wrong
            written[shop["slug"]] = catalogue(shop, shop_number, articles)
    return written


def main() -> None:
    (TOWN / "catalogues").mkdir(exist_ok=True)
    for slug, text in catalogues().items():
        (TOWN / "catalogues" / f"{slug}.csv").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
