"""The demo town's files promise what the seeder, the importer and a visitor of the town rely on."""

import csv
import math
import re
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from demo.town_tools.build_catalogues import TOWN, catalogues
from demo.town_tools.stalls_reading import ALLERGENS, StallError, read_stall
from marketplace.drawings import KEYS
from merchants.hours import week_of
from merchants.imports.formats import parse_catalogue
from merchants.imports.plan import compare
from merchants.rules import is_number_sound

CENTRE = (45.6489, 0.1608)
SHOPS_BY_TRADE = {
    "books": 3, "comics": 2, "press": 1, "clothes": 9, "shoes": 3, "leather": 2, "cheese": 2, "butcher": 3, "wine": 3,
    "bakery": 3, "chocolate": 2, "grocery": 4, "florist": 3, "toys": 3, "optician": 3, "jeweller": 2, "beauty": 2,
    "deco": 4, "wool": 1, "records": 1, "bike": 1, "stationery": 1, "kitchen": 1, "pets": 1,
}  # fmt: skip
HEADER = (
    "reference;article;nom;declinaison;genre;marque;description;prix;stock;ean;poids_g;volume_ml;contenance;"
    "allergenes;image;details"
)
DETAILS_BY_KIND = {
    "livre-neuf": {"auteur", "editeur", "parution"},
    "livre-occasion": {"auteur", "editeur", "annee", "etat"},
    "presse": {"cppap", "parution", "numero"},
    "viande": {"espece", "origine", "conservation"},
    "charcuterie": {"dlc", "origine"},
    "plat-prepare": {"dlc"},
    "fromage": {"lait"},
    "pain": set[str](),
    "epicerie": {"ingredients"},
    "confiserie": {"ingredients"},
    "chocolat": {"ingredients"},
    "alcool": {"degre", "avertissement"},
    "bouquet": {"fleurs"},
    "composition-florale": {"fleurs"},
    "plante": {"pot", "toxicite"},
    "vetement": {"composition"},
    "hygiene-scelle": {"scelle", "fabricant"},
    "sur-mesure": {"delai", "remise"},
    "jouet": {"age", "avertissement", "fabricant"},
    "lunettes-soleil": {"filtre", "fabricant"},
    "bijou": {"metal", "fabricant"},
    "electrique": {"ecopart", "fabricant"},
    "bon-achat": {"validite", "conditions"},
    "prestation": {"date", "lieu", "places", "duree"},
    "maison": set[str](),
}
FOOD = {"viande", "charcuterie", "plat-prepare", "fromage", "pain", "epicerie", "confiserie", "chocolat", "alcool"}
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";", strict=True))


@cache
def shops() -> list[Row]:
    return read(TOWN / "shops.csv")


@cache
def catalogue(slug: str) -> list[Row]:
    return read(TOWN / "catalogues" / f"{slug}.csv")


def every_row() -> Iterator[tuple[str, Row]]:
    for shop in shops():
        for row in catalogue(shop["slug"]):
            yield f"{shop['slug']} {row['reference']}", row


def every_product() -> dict[tuple[str, str], Row]:
    """The first row of each product, by shop and article."""
    products = dict[tuple[str, str], Row]()
    for shop in shops():
        for row in catalogue(shop["slug"]):
            products.setdefault((shop["slug"], row["article"] or row["reference"]), row)
    return products


def details(row: Row) -> dict[str, str]:
    return dict(detail.split("=", 1) for detail in filter(None, row["details"].split("|")))


def metres_between(a: tuple[float, float], b: tuple[float, float]) -> float:
    north = (a[0] - b[0]) * 111_130
    east = (a[1] - b[1]) * 111_320 * math.cos(math.radians(a[0]))
    return math.hypot(north, east)


def test_the_town_has_sixty_shops_of_the_agreed_trades() -> None:
    counted = dict.fromkeys(SHOPS_BY_TRADE, 0)
    for shop in shops():
        counted[shop["trade"]] += 1
    assert counted == SHOPS_BY_TRADE
    assert len({shop["slug"] for shop in shops()}) == 60
    assert len({shop["name"] for shop in shops()}) == 60


def test_shops_can_neither_be_called_nor_written_to_nor_found_in_a_register() -> None:
    for shop in shops():
        assert re.fullmatch(r"05 36 49 \d\d \d\d", shop["phone"]), shop["slug"]
        assert shop["email"] == f"{shop['slug']}@example.org"
        # The lowest numbers that the register holds begin with three zeros.
        assert re.fullmatch(r"0000\d{5}", shop["siren"]) and is_number_sound(shop["siren"]), shop["slug"]
    assert len({shop["phone"] for shop in shops()}) == len({shop["siren"] for shop in shops()}) == 60


def test_every_shop_says_who_it_is_and_when_it_opens() -> None:
    for shop in shops():
        assert all(shop[column].strip() for column in shop), shop["slug"]
        assert 2 <= len(re.findall(r"[.!?](?:\s|$)", shop["description"])) <= 4, shop["slug"]
        assert 15 <= int(shop["preparation_minutes"]) <= 240
    assert max(len(shop["name"]) for shop in shops()) > 60, "one name is very long"


def test_opening_hours_can_be_read_and_differ_as_they_do_in_a_town() -> None:
    open_on = {shop["slug"]: [0] * 7 for shop in shops()}
    for shop in shops():
        week = week_of(shop["opening_hours"], date(2026, 11, 23))
        assert week is not None, shop["slug"]
        for days in week.days:
            for weekday in range(days.first, days.last + 1):
                open_on[shop["slug"]][weekday] = len(days.windows)
    assert open_on["boulangerie-pasquereau"] == [2, 2, 0, 2, 2, 2, 1]
    assert open_on["ourlet-et-compagnie"] == [1, 2, 2, 2, 2, 2, 0]
    assert open_on["librairie-des-trois-ormeaux"] == [0, 1, 1, 1, 1, 1, 0]
    assert open_on["verre-et-lueur"] == [0, 0, 0, 0, 0, 1, 0]
    assert sum(week[0] == 0 for week in open_on.values()) > 30, "most are closed on Monday"
    assert sum(week[6] > 0 for week in open_on.values()) >= 8, "some sell on Sunday morning"


def test_shops_stand_at_their_number_in_a_street_that_the_gazetteer_knows() -> None:
    streets = {row["street"].lower(): row for row in read(TOWN / "gazetteer.csv") if row["city"] == "Angoulême"}
    for shop in shops():
        number, name = shop["street"].split(" ", 1)
        street = streets[name.lower()]
        first, last = int(street["number_min"]), int(street["number_max"])
        assert first <= int(number) <= last, shop["slug"]
        along = (int(number) - first) / (last - first)
        lat = float(street["lat_start"]) + along * (float(street["lat_end"]) - float(street["lat_start"]))
        lon = float(street["lon_start"]) + along * (float(street["lon_end"]) - float(street["lon_start"]))
        assert metres_between((lat, lon), (float(shop["lat"]), float(shop["lon"]))) < 15, shop["slug"]


def test_the_gazetteer_holds_the_town_and_its_neighbours_within_twelve_kilometres() -> None:
    rows = read(TOWN / "gazetteer.csv")
    streets = [row for row in rows if row["street"]]
    communes = {row["city"]: row for row in rows if not row["street"]}
    assert len(streets) >= 110 and len(communes) >= 13
    assert len({(row["street"], row["city"]) for row in rows}) == len(rows)
    for row in rows:
        commune = communes[row["city"]]
        assert (row["postcode"], row["citycode"]) == (commune["postcode"], commune["citycode"])
        assert re.fullmatch(r"16\d{3}", row["postcode"]) and re.fullmatch(r"16\d{3}", row["citycode"])
        for end in ("start", "end"):
            assert metres_between(CENTRE, (float(row[f"lat_{end}"]), float(row[f"lon_{end}"]))) < 12_000, row
    for row in streets:
        assert 1 <= int(row["number_min"]) < int(row["number_max"])


def test_every_shop_has_one_catalogue_with_the_exact_header() -> None:
    assert {path.stem for path in (TOWN / "catalogues").iterdir()} == {shop["slug"] for shop in shops()}
    for shop in shops():
        text = (TOWN / "catalogues" / f"{shop['slug']}.csv").read_text(encoding="utf-8")
        assert text.splitlines()[0] == HEADER
        assert catalogue(shop["slug"]), shop["slug"]


def test_the_town_sells_more_than_1600_products_and_one_shop_sells_a_single_one() -> None:
    products = every_product()
    per_shop = [sum(slug == shop["slug"] for slug, _ in products) for shop in shops()]
    assert len(products) >= 1600
    assert min(per_shop) == 1 and max(per_shop) >= 75


def test_about_a_tenth_of_the_products_come_in_variants() -> None:
    rows_of = dict[tuple[str, str], list[Row]]()
    for shop in shops():
        for row in catalogue(shop["slug"]):
            if row["article"]:
                rows_of.setdefault((shop["slug"], row["article"]), []).append(row)
    for key, rows in rows_of.items():
        assert len(rows) >= 2, key
        assert len({row["declinaison"] for row in rows}) == len(rows), key
        assert all(row["declinaison"] for row in rows), key
        assert len({(row["nom"], row["genre"], row["description"], row["image"]) for row in rows}) == 1, key
    assert 0.08 <= len(rows_of) / len(every_product()) <= 0.15


def test_references_are_unique_within_a_shop() -> None:
    for shop in shops():
        references = [row["reference"] for row in catalogue(shop["slug"])]
        assert len(set(references)) == len(references), shop["slug"]


def test_no_two_products_share_a_name_or_a_description() -> None:
    products = every_product().values()
    assert len({row["nom"] for row in products}) == len(products)
    assert len({row["description"] for row in products}) == len(products)
    for row in products:
        assert row["nom"] == row["nom"].strip() and row["marque"]
        assert 15 <= len(row["description"]) <= 240 and row["description"][-1] in ".!?", row["nom"]


def test_every_kind_is_sold_somewhere_and_brings_its_required_details() -> None:
    assert {row["genre"] for _, row in every_row()} == set(DETAILS_BY_KIND)
    for name, row in every_row():
        brought = details(row)
        assert DETAILS_BY_KIND[row["genre"]] <= set(brought), name
        assert all(brought.values()), name
        if row["genre"] == "livre-neuf":
            assert re.fullmatch(r"20[12]\d-(0[1-9]|1[0-2])", brought["parution"]), name


def test_every_product_names_a_known_drawing() -> None:
    for name, row in every_row():
        assert row["image"] in KEYS, name


def test_prices_stocks_weights_and_volumes_can_be_read() -> None:
    for name, row in every_row():
        assert re.fullmatch(r"[1-9]\d{0,3},\d\d|0,[1-9]\d", row["prix"]), name
        assert 0 <= int(row["stock"]) <= 40, name
        assert 10 <= int(row["poids_g"]) <= 20_000, name
        assert 30 <= int(row["volume_ml"]) <= 200_000, name
    stocks = [int(row["stock"]) for _, row in every_row()]
    assert 0.02 < stocks.count(0) / len(stocks) < 0.1
    assert stocks.count(1) + stocks.count(2) > 100


def test_bar_codes_check_and_belong_to_nobody() -> None:
    codes = [(name, row["genre"], row["ean"]) for name, row in every_row() if row["ean"]]
    for name, kind, code in codes:
        assert re.fullmatch(r"979109\d{7}" if kind == "livre-neuf" else r"2\d{12}", code), name
        assert sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(code)) % 10 == 0, name
    assert len({code for _, _, code in codes}) == len(codes)
    assert all(row["ean"] for _, row in every_row() if row["genre"] == "livre-neuf")


def test_food_names_its_allergens_and_its_net_contents() -> None:
    for name, row in every_row():
        if row["genre"] not in FOOD:
            assert not row["allergenes"], name
            continue
        named = row["allergenes"].split(", ")
        assert named == ["aucun"] or (set(named) <= set(ALLERGENS) and len(set(named)) == len(named)), name
        assert re.fullmatch(r"(\d+ x )?\d+(,\d+)? (g|kg|cl|ml|l|pièces?)", row["contenance"]), name


def test_milk_and_wine_never_hide_their_allergen() -> None:
    for name, row in every_row():
        if row["genre"] == "fromage":
            assert "lait" in row["allergenes"], name
        if row["image"] in ("wine-red", "wine-white", "wine-rose", "champagne"):
            assert "sulfites" in row["allergenes"], name
        if row["image"] in ("bread", "baguette", "croissant", "beer"):
            assert "gluten" in row["allergenes"], name


def test_every_catalogue_is_imported_without_a_problem_and_may_be_sold_at_once() -> None:
    on = date(2026, 11, 21)
    imported = 0
    for shop in shops():
        parsed = parse_catalogue((TOWN / "catalogues" / f"{shop['slug']}.csv").read_bytes(), on=on)
        assert list(parsed.problems) == [], shop["slug"]
        plan = compare([], parsed, on=on)
        lacking = [(planned.after.name, planned.lacking) for planned in plan.added if planned.lacking]
        assert plan.is_applicable and lacking == [], shop["slug"]
        imported += len(parsed.products)
    assert imported == len(every_product())


def test_the_demo_people_know_their_shops_and_vehicles() -> None:
    people = read(TOWN / "people.csv")
    slugs = {shop["slug"]: shop for shop in shops()}
    assert [person["role"] for person in people[:4]] == ["coordinator", "treasurer", "courier", "courier"]
    assert len({person["email"] for person in people}) == len(people)
    for person in people:
        assert person["email"].endswith("@example.org")
        assert bool(person["shop_slug"]) == (person["role"] == "merchant")
        assert bool(person["vehicle"]) == (person["role"] == "courier")
        if person["shop_slug"]:
            assert slugs[person["shop_slug"]]["owner_name"] == person["name"]
    assert sum(person["role"] == "merchant" for person in people) >= 12


def test_the_catalogues_on_disk_are_those_that_the_notes_make() -> None:
    for slug, text in catalogues().items():
        assert (TOWN / "catalogues" / f"{slug}.csv").read_bytes() == text.encode("utf-8"), slug


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Tomme | 6,90 | Sans bloc.", "line 1: no block above this product"),
        ("= fromage | cheese-wedge\nTomme | six euros | Ronde.", "line 2: not a price: 'six euros'"),
        ("= fromage | cheese-wedge\nTomme | 6 | Ronde. | lait", "line 2: remark without a value: 'lait'"),
        ("= fromage | cheese-wedge\nTomme | 6 | Ronde. | m:Ferme | x", "line 2: too many cells"),
    ],
)
def test_a_stall_that_cannot_be_read_names_the_line(text: str, complaint: str) -> None:
    with pytest.raises(StallError, match=re.escape(complaint)):
        read_stall(text)


def test_a_portion_and_its_formats_are_read_from_one_line() -> None:
    text = (
        "= fromage | cheese-wedge | al:lait\n"
        "Tomme | 6,90 ~250 g | Ronde.\n"
        "Faisselle | 5 | Douce. | formats:250 g=5/1 kg=18,50"
    )
    portion, formats = read_stall(text)
    assert portion.name == "Tomme, environ 250 g"
    assert [(variant.label, variant.price_cents, variant.contents) for variant in portion.variants] == [
        ("", 690, "250 g")
    ]
    assert [(variant.label, variant.price_cents, variant.contents) for variant in formats.variants] == [
        ("250 g", 500, "250 g"),
        ("1 kg", 1850, "1 kg"),
    ]
