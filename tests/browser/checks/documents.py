"""The page as a document: language, well-formedness, title, headings, frame (K02 to K07, K23)."""

from __future__ import annotations

from collections import defaultdict

import html5lib
from html5lib.html5parser import ParseError

from tests.browser.checks import Said
from tests.browser.checks.reading import attribute, by_id, fields, name_of, words
from tests.browser.crawl import Snapshot

SITE_NAME = "Les Halles d’Angoulême"
LANGUAGES = {"fr", "en"}
ERROR_WORD = {"fr": "Erreur : ", "en": "Error: "}
STEP = {"fr": "étape {} sur 4", "en": "step {} of 4"}
STEPS = {
    "basket.show": 1,
    "checkout.place": 2,
    "checkout.place_submit": 2,
    "checkout.slot": 2,
    "checkout.slot_submit": 2,
    "checkout.contact": 3,
    "checkout.contact_submit": 3,
    "checkout.check": 4,
    "checkout.order": 4,
}
ROOMS = ("merchant.", "coordinator.", "courier.", "attention.")
#: Where the links of the header lead that depend on who is signed in.
DOORS = (
    "/connexion",
    "/boutique",
    "/tournees",
    "/ma-tournee",
    "/a-regarder",
    "/tresorerie",
    "/commissions",
    "/prix-des-livraisons",
    "/encaissements",
    "/espace",
)
FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]"


def k02_language_and_sound_html(page: Snapshot) -> Said:
    html = page.tree.css_first("html")
    assert html is not None
    said = attribute(html, "lang")
    yield None if said == page.language else f"the page says lang={said!r} and is in {page.language}"
    for node in page.tree.css("[lang]"):
        lang = attribute(node, "lang")
        yield None if lang in LANGUAGES else f"lang={lang!r} is no language of ours"
    try:
        html5lib.HTMLParser(strict=True).parse(page.html)
        yield None
    except ParseError as error:
        yield f"not sound HTML: {error}"
    seen = set()
    for node in page.tree.css("[id]"):
        id_ = attribute(node, "id")
        yield f"id {id_!r} twice" if id_ in seen else None if id_ and " " not in id_ else f"id {id_!r} is no id"
        seen.add(id_)
    for node in page.tree.css("[aria-describedby], [aria-labelledby], [aria-controls]"):
        for name in ("aria-describedby", "aria-labelledby", "aria-controls"):
            for id_ in attribute(node, name).split():
                yield None if by_id(page, id_) is not None else f"{name}={id_!r} leads nowhere"


def k03_title_says_where(page: Snapshot) -> Said:
    title = words(page.tree.css_first("title"))
    yield None if title.endswith(f" - {SITE_NAME}") else f"title {title!r} does not end with the site's name"
    yield None if len(title.removesuffix(f" - {SITE_NAME}").strip()) > 2 else f"title {title!r} names nothing"
    has_summary = page.tree.css_first("#erreurs") is not None
    says_error = title.replace("\u00a0", " ").startswith(tuple(ERROR_WORD.values()))
    yield None if has_summary == says_error else f"title {title!r}, and a summary of errors: {has_summary}"
    is_step = page.endpoint in STEPS and page.status in (200, 422) and page.tree.css_first("main form") is not None
    if is_step:
        wanted = STEP[page.language].format(STEPS[page.endpoint])
        for where in (title, words(page.tree.css_first("h1"))):
            yield None if wanted in where.lower() else f"{where!r} does not say {wanted!r}"


def k03_titles_differ(pages: list[Snapshot]) -> Said:
    yield from _differ(pages, "title")


def k04_headings_make_an_outline(page: Snapshot) -> Said:
    titles = page.tree.css("h1")
    yield None if len(titles) == 1 and words(titles[0]) else f"{len(titles)} h1"
    deepest_so_far = 1
    for heading in page.tree.css("main h1, main h2, main h3, main h4, main h5, main h6"):
        level = int(heading.tag[1])
        skips = level > deepest_so_far + 1
        yield f"h{level} {words(heading)!r} after h{deepest_so_far}" if skips else None
        yield None if words(heading) else "an empty heading"
        deepest_so_far = level


def k04_main_headings_differ(pages: list[Snapshot]) -> Said:
    yield from _differ(pages, "h1")


def _differ(pages: list[Snapshot], selector: str) -> Said:
    """No two addresses share it: in the market, nor in the rooms of those who work here."""
    paths: dict[tuple[str, str], set[str]] = defaultdict(set)
    for page in pages:
        if page.is_plain and page.endpoint != "courier.home":  # which shows a stop that has an address of its own
            room = page.endpoint.split(".")[0] if page.endpoint.startswith(ROOMS) else ""
            found = f"{words(page.tree.css_first(selector))} {room}".strip()
            # A page of one's own shelf begins anywhere in it, and an order is one however it is asked for: there is no
            # number to say.
            is_one = page.endpoint in ("merchant.shelf", "orders.show", "reservations.show")
            paths[page.language, found].add(page.path.split("?")[0] if is_one else page.path)
    for (_language, found), where in paths.items():
        yield None if len(where) == 1 else f"{selector} {found!r} on {len(where)} pages: {sorted(where)[:3]}"


def k05_landmarks(page: Snapshot) -> Said:
    for tag in ("main", "body > header", "body > footer"):
        qty = len(page.tree.css(tag))
        yield None if qty == 1 else f"{qty} {tag}"
    names = [
        name_of(page, nav) if attribute(nav, "aria-labelledby") else attribute(nav, "aria-label")
        for nav in page.tree.css("nav")
    ]
    for name in names:
        yield None if name and names.count(name) == 1 else f"{names.count(name)} nav called {name!r}"
    skip = page.tree.css_first("body a")
    target = attribute(skip, "href") if skip is not None else ""
    main = page.tree.css_first("main")
    assert main is not None
    yield None if target == f"#{attribute(main, 'id')}" else f"the first link leads to {target!r}, not to main"


def k06_help_stands_at_the_same_place(pages: list[Snapshot]) -> Said:
    """The links of header and footer and their order, and the phone: on every page, for everybody.

    Only the doors of those who work here (or the one way in) are each visitor's own; they stand last.
    """
    frames: dict[str, dict[tuple[str, ...], str]] = {"header": {}, "footer": {}}
    for page in pages:
        for part, seen in frames.items():
            found = page.tree.css_first(f"body > {part}")
            yield None if "05 36 49 00 00" in words(found) else f"no phone in the {part} of {page.label}"
            if page.status not in (500, 503):  # made without the database: without basket and account
                links = tuple(attribute(link, "href") for link in page.tree.css(f"body > {part} a"))
                seen.setdefault(tuple(link for link in links if link not in DOORS), str(page))
                is_last = not any(link in DOORS for link in links[:6])
                yield None if is_last else f"somebody's own doors stand in the middle of the {part} of {page.label}"
    for part, seen in frames.items():
        yield None if len(seen) == 1 else f"{part} differs: {sorted(seen.values())[:3]}"


def k07_the_page_may_be_enlarged(page: Snapshot) -> Said:
    viewport = page.tree.css_first("meta[name=viewport]")
    content = attribute(viewport, "content") if viewport is not None else ""
    is_free = "width=device-width" in content and "maximum-scale" not in content and "user-scalable" not in content
    yield None if is_free else f"viewport {content!r}"
    yield "the page reloads itself" if page.tree.css("meta[http-equiv=refresh i]") else None


def k23_nothing_gets_in_the_keyboards_way(page: Snapshot) -> Said:
    for node in page.tree.css("body, body *"):
        for name, value in node.attributes.items():
            if name == "tabindex":
                yield f"tabindex={value}" if int(value or 0) > 0 else None
            elif name == "accesskey":
                yield f"accesskey={value}"
            elif name.startswith("on"):
                yield f"{name} on {node.tag}"
            elif name == "href" and node.tag == "a":
                empty = value in (None, "", "#") or str(value).lower().startswith("javascript:")
                yield f"link to {value!r}" if empty else None
    for node in page.tree.css("[aria-hidden=true]"):
        focusable = [one for one in node.css(FOCUSABLE) if attribute(one, "tabindex") != "-1"]
        yield f"{focusable[0].tag} inside aria-hidden" if focusable else None


def k36_no_fields_that_change_by_themselves(page: Snapshot) -> Said:
    for field in fields(page):
        kind = attribute(field, "type") or "text"
        # A browser's own date and hour work without script and keep what they hold when the page is scrolled.
        bad = kind in ("number", "datetime-local", "month", "week", "range", "color")
        yield f"{attribute(field, 'name')} is type={kind}" if bad else None
        if field.tag == "select":
            yield f"select {attribute(field, 'name')} instead of radios"
        if attribute(field, "name") in ("qty", "seen_qty", "code", "postcode"):
            mode = attribute(field, "inputmode")
            yield None if mode == "numeric" else f"{attribute(field, 'name')} has inputmode={mode!r}"
