"""Links, pictures, sums, groups and cookies (K43, K47 to K50, K52, K56, K64)."""

from __future__ import annotations

import re
from collections import defaultdict
from urllib.parse import urlsplit

from tests.browser.checks import Said
from tests.browser.checks.reading import ancestor, attribute, by_id, heard, name_of, text_nodes, words
from tests.browser.crawl import Snapshot

MONEY = {
    "fr": re.compile(r"-?\d{1,3}(\u202f\d{3})*,\d{2}\u00a0€"),
    "en": re.compile(r"-?€\d{1,3}(,\d{3})*\.\d{2}"),
}
#: A figure beside a euro sign, however badly written.
SUM = {
    "fr": re.compile(r"[-\d][\d.,\s\u202f\u00a0]*€|€\s?\d[\d.,]*"),
    "en": re.compile(r"-?€\s?[\d.,]*\d|\d[\d.,\s]*€"),
}
LONE_EURO = re.compile(r"(?<![\d\s\u202f\u00a0])\s*€(?!\s?\d)|^\s*€(?!\s?\d)")
HOUR = re.compile(r"\b\d{1,2}:\d{2}\b|\b\d{1,2}h(\d\d)?\b")
MONTHS = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"
FIRST = re.compile(rf"\b0?1 ({MONTHS})\b")
FILE_NAME = re.compile(r"\.(jpe?g|png|gif|svg|webp|avif)$|^(img|dsc|image)[-_ ]?\d+$", re.I)
EMPTY_WORDS = {
    "cliquez ici",
    "ici",
    "en savoir plus",
    "lire la suite",
    "click here",
    "here",
    "read more",
    "more",
    "plus",
}
PAYING = re.compile("obligation de paiement|obligation to pay")
FILES = re.compile(r"\.(pdf|csv|xlsx?|docx?|zip)$")
#: A voucher's worth in its name, as its merchant writes it.
VOUCHER = re.compile(r"\(\d+ €\)|^\d+ €$")
#: Where the goods stand in their shops' groups, from the basket to the order.
WITH_GROUPS = ("basket.show", "checkout.check", "checkout.order", "orders.show")
OUR_COOKIES = {"session", "__Host-session"}


def k43_sums_days_and_hours(page: Snapshot) -> Said:
    """Every sum stands in one piece, as people here write it; in what is only heard as well."""
    for language, text in [*text_nodes(page), *((page.language, text) for text in heard(page))]:
        if VOUCHER.search(text.strip()):
            continue
        yield f"a euro sign without its figures: {text.strip()!r}" if LONE_EURO.search(text) else None
        for found in SUM[language].finditer(text):
            said = found.group().strip()
            yield None if MONEY[language].fullmatch(said) else f"sum written {said!r}"
        if language == "fr":
            for found in HOUR.finditer(text):
                yield f"hour written {found.group()!r}"
            for found in FIRST.finditer(text):
                yield f"day written {found.group()!r}"


def k47_one_name_one_target(page: Snapshot) -> Said:
    targets: dict[tuple[str, str], set[str]] = defaultdict(set)
    for link in page.tree.css("body a[href]"):
        targets["link", name_of(page, link)].add(attribute(link, "href"))
    for button in page.tree.css("body button:not([hidden])"):
        form = ancestor(button, "form")
        action = attribute(form, "action") if form is not None else ""
        hidden = [attribute(f, "value") for f in form.css("[type=hidden]")] if form is not None else []
        what = f"{action} {attribute(button, 'name')}={attribute(button, 'value')} {hidden}"
        targets["button", name_of(page, button)].add(what)
    for (role, name), where in targets.items():
        yield f"a {role} without a name: {sorted(where)[0]}" if not name else None
        yield None if len(where) == 1 else f"{len(where)} targets of the {role} {name!r}"


def k48_pictures(page: Snapshot) -> Said:
    for image in page.tree.css("body img"):
        source = attribute(image, "src")
        sized = attribute(image, "width").isdigit() and attribute(image, "height").isdigit()
        yield None if sized else f"{source} has no size"
        alt = image.attributes.get("alt")
        if "alt" not in image.attributes:
            yield f"{source} has no alt"
            continue
        alt = (alt or "").strip()
        yield f"alt {alt!r} is a file name" if FILE_NAME.search(alt) else None
        if "/dessins/" in source:
            yield f"the drawing has alt {alt!r}" if alt else None
        link = ancestor(image, "a")
        yield f"alt {alt!r} repeats the link" if link is not None and alt and alt in words(link) else None


def k49_links_say_where_they_lead(page: Snapshot) -> Said:
    for link in page.tree.css("body a[href]"):
        name = name_of(page, link)
        yield f"link {name!r} says nothing" if name.lower().strip(" .…") in EMPTY_WORDS else None
        if attribute(link, "target") == "_blank":
            said = "nouvel onglet" in name or "new tab" in name
            yield None if said else f"link {name!r} opens another window and does not say so"
        if FILES.search(urlsplit(attribute(link, "href")).path):
            said = re.search(r"\b(Ko|Mo|kB|MB)\b", name) is not None
            yield None if said else f"link {name!r} leads to a file and does not say its size"


def k49_fragments_lead_somewhere(page: Snapshot) -> Said:
    for link in page.tree.css("body a[href^='#']"):
        target = attribute(link, "href").removeprefix("#")
        yield None if by_id(page, target) is not None else f"link to #{target}, which is not there"


def k50_one_button_obliges_to_pay(page: Snapshot) -> Said:
    buttons = [button for button in page.tree.css("button") if PAYING.search(words(button))]
    is_check = page.endpoint in ("checkout.check", "checkout.order") and page.status in (200, 422)
    yield None if len(buttons) == int(is_check) else f"{len(buttons)} buttons oblige to pay"


def k51_the_fee_stays_the_same(pages: list[Snapshot]) -> Said:
    """What the step of the slot shows is what the check page charges, to the cent."""
    shown: dict[tuple[str, str], set[str]] = {}
    for page in pages:
        if page.method == "GET" and page.endpoint == "checkout.slot" and page.tree.css(".choice"):
            shown[page.visitor, page.language] = {words(price) for price in page.tree.css(".choice .aside")}
    for page in pages:
        fees = shown.get((page.visitor, page.language))
        rows = [
            row for row in page.tree.css(".receipt tr") if re.search("Livraison commune|Shared delivery", words(row))
        ]
        if page.endpoint == "checkout.check" and fees and rows:
            charged = words(rows[0].css_first("td"))
            yield None if fees == {charged} else f"{sorted(fees)} beside the slots, {charged} on the check page"


def k52_goods_stand_in_their_shops_group(page: Snapshot) -> Said:
    """Every line of goods stands in a section headed by its shop, which names its seller."""
    for lines in page.tree.css("ul.items"):
        section = ancestor(lines, "section")
        is_group = section is not None and "shop-group" in attribute(section, "class")
        if not is_group and page.endpoint not in WITH_GROUPS:
            continue
        yield None if is_group else "goods outside of a shop's group"
        if section is not None:
            yield None if words(section.css_first("h2")) else "a group without its shop's name"
            sold_by = any(word in words(section) for word in ("Vendu par", "Sold by"))
            yield None if sold_by else f"{words(section.css_first('h2'))} does not name its seller"


def k52_groups_keep_their_order(pages: list[Snapshot]) -> Said:
    """The shops of one visitor's basket, in the same order on the basket's page and on the check page."""
    orders: dict[tuple[str, str], dict[tuple[str, ...], str]] = defaultdict(dict)
    for page in pages:
        if page.is_plain and page.endpoint in ("basket.show", "checkout.check"):
            shops = tuple(words(heading) for heading in page.tree.css(".shop-group h2"))
            if shops:
                orders[page.visitor, page.language].setdefault(shops, page.label)
    for (visitor, _language), seen in orders.items():
        yield None if len(seen) == 1 else f"the shops change places for {visitor}: {sorted(seen.values())}"


def k56_several_shops_one_fee(page: Snapshot) -> Said:
    groups_qty = len(page.tree.css(".shop-group"))
    if groups_qty < 2 or page.endpoint not in WITH_GROUPS:
        return
    headings = [words(heading) for heading in page.tree.css(".meet h2")]
    is_collected = any(heading in headings for heading in ("Retrait dans chaque boutique", "Collection in each shop"))
    is_one = any(heading in headings for heading in ("Une seule livraison", "Only one delivery"))
    yield None if is_one or is_collected else "does not say that there is one delivery"
    rows = [row for row in page.tree.css(".receipt tr") if re.search("Livraison commune|Shared delivery", words(row))]
    has_row = is_one and page.endpoint != "basket.show"  # the basket's one sentence says it before the choice
    yield None if len(rows) == int(has_row) else f"{len(rows)} fees"


def k64_cookies(page: Snapshot) -> Said:
    set_cookies = [value for name, value in page.headers if name == "Set-Cookie"]
    if page.visitor == "a passer-by" and page.language == "fr" and page.method == "GET":
        yield f"a passer-by gets {set_cookies[0].split('=')[0]!r}" if set_cookies else None
    for cookie in set_cookies:
        name = cookie.split("=")[0]
        yield None if name in OUR_COOKIES else f"cookie {name!r} is not on the list"
        yield None if "HttpOnly" in cookie and "SameSite=Lax" in cookie else f"cookie {name!r} is not shut in"
