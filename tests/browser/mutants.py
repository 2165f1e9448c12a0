"""Small faults, put into sound pages: each must be caught by one of the checks (K70)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Change = Callable[[str], str]


@dataclass(frozen=True)
class Mutant:
    """`check` must find the fault that `change` puts into the page called `page`."""

    fault: str
    check: str
    page: str
    change: Change


def swap(pattern: str, replacement: str, *, qty: int = 1) -> Change:
    def change(html: str) -> str:
        changed, found_qty = re.subn(pattern, replacement, html, count=qty, flags=re.S)
        assert found_qty, f"nothing like {pattern} on the page"
        return changed

    return change


def before_main_ends(addition: str) -> Change:
    return swap(r"</main>", f"{addition}</main>")


#: Seen in the HTML.
IN_HTML = [
    Mutant("the language is wrong", "K02", "home", swap('<html lang="fr">', '<html lang="en">')),
    Mutant("an id stands twice", "K02", "who", swap('id="phone"', 'id="name"')),
    Mutant("a tag is not closed", "K02", "home", swap("</h1>", "", qty=1)),
    Mutant("a description is missing", "K02", "who", swap(r'<p class="hint" id="phone-aide">', '<p class="hint">')),
    Mutant("the title does not say the step", "K03", "who", swap(" - étape 3 sur 4", "")),
    Mutant("the title says another step", "K03", "who", swap("étape 3 sur 4", "étape 2 sur 4")),
    Mutant("the title hides the error", "K03", "who: empty", swap(r"<title>Erreur\s:", "<title>")),
    Mutant("a second h1", "K04", "basket of four shops", swap(r"<h2([^>]*)>(.*?)</h2>", r"<h1\1>\2</h1>")),
    Mutant("a level is skipped", "K04", "basket of four shops", swap(r"<h2([^>]*)>(.*?)</h2>", r"<h4\1>\2</h4>")),
    Mutant("two main", "K05", "home", before_main_ends("</main><main>")),
    Mutant(
        "a nav without a name", "K05", "home", swap('<nav class="nav" aria-label="Principale">', '<nav class="nav">')
    ),
    Mutant(
        "the page reloads itself",
        "K07",
        "home",
        swap("<meta name", '<meta http-equiv="refresh" content="9"><meta name'),
    ),
    Mutant("nobody may enlarge", "K07", "home", swap("initial-scale=1", "initial-scale=1, maximum-scale=1")),
    Mutant("the order of Tab is forced", "K23", "who", swap('<input id="email"', '<input tabindex="3" id="email"')),
    Mutant("a link that is none", "K23", "home", before_main_ends('<a href="#">Menu</a>')),
    Mutant(
        "focus inside what is hidden",
        "K23",
        "home",
        before_main_ends('<p aria-hidden="true"><a href="/aide">A</a></p>'),
    ),
    Mutant("only a placeholder", "K27", "who", swap(r'<label class="label" for="name">.*?</label>', "")),
    Mutant("a group without legend", "K28", "who", swap(r"<legend>.*?</legend>", "<legend></legend>")),
    Mutant("required is not said", "K29", "who", swap(r'<span class="need">\(obligatoire\)</span>', "")),
    Mutant("the browser checks", "K29", "who", swap(" novalidate", "", qty=2)),
    Mutant("browsers cannot fill in", "K30", "who", swap('autocomplete="tel"', 'autocomplete="off"')),
    Mutant("the error is not tied", "K31", "who: empty", swap(r' aria-describedby="name-aide name-erreur"', "")),
    Mutant(
        "another sentence at the field",
        "K31",
        "who: empty",
        swap(r'(id="name-erreur".*?<span class="hidden">.*?</span>)\w+', r"\1Autrement"),
    ),
    Mutant("what was typed is gone", "K31", "who: hostile", swap(r'(id="phone"[^>]*value=)"abc"', r'\1""')),
    Mutant("the summary leads nowhere", "K31", "who: empty", swap('href="#phone"', 'href="#telephone"')),
    Mutant("the summary takes no focus", "K32", "who: empty", swap(" autofocus", "")),
    Mutant(
        "a number field",
        "K36",
        "basket of one",
        swap(r'<input type="text"([^>]*name="qty")', r'<input type="number"\1'),
    ),
    Mutant("a sum as in English", "K43", "basket of one", swap(r"(\d),(\d\d)\u00a0€", r"\1.\2 €")),
    Mutant("a sum in two pieces", "K43", "basket of one", swap(r"(\d,\d\d)(\u00a0€)", r"<b>\1</b>\2")),
    Mutant("a sum only heard, as in English", "K43", "home", before_main_ends('<p aria-label="12.50 €">A</p>')),
    Mutant("an hour as in English", "K43", "home", before_main_ends("<p>Ouvert à 17:00</p>")),
    Mutant(
        "two buttons of one name",
        "K47",
        "basket of four shops",
        swap(r'Retirer<span class="hidden">.*?</span>', "Retirer", qty=2),
    ),
    Mutant("the alt is a file's name", "K48", "home", swap(r'(<img [^>]*)alt=""', r'\1alt="IMG_2041.jpg"')),
    Mutant("a picture without size", "K48", "home", swap(r'(<img [^>]*)width="\d+"', r"\1")),
    Mutant("a link that says nothing", "K49", "home", before_main_ends('<a href="/aide">cliquez ici</a>')),
    Mutant(
        "the paying button on another page", "K50", "who", before_main_ends("<button>obligation de paiement</button>")
    ),
    Mutant("another window, unsaid", "K49", "home", before_main_ends('<a href="/aide" target="_blank">Aide</a>')),
    Mutant(
        "a second paying button", "K50", "check: delivery", before_main_ends("<button>obligation de paiement</button>")
    ),
    Mutant("the button is vague", "K50", "check: delivery", swap("Commander avec obligation de paiement", "Continuer")),
    Mutant("the seller is not named", "K52", "basket of four shops", swap("Vendu par", "De")),
    Mutant("no fee", "K56", "check: delivery", swap(r"<tr[^>]*>\s*<th[^>]*>Livraison commune.*?</tr>", "")),
    Mutant(
        "a fee per shop", "K56", "check: delivery", swap(r"(<tr[^>]*>\s*<th[^>]*>Livraison commune.*?</tr>)", r"\1\1")
    ),
]

#: Seen when the pages are laid side by side: each is named by the whole name of its check.
AMONG_PAGES = [
    Mutant(
        "two pages of one title",
        "k03_titles_differ",
        "shops",
        swap("<title>.*?</title>", "<title>Tous les produits - Produits - Les Halles d’Angoulême</title>"),
    ),
    Mutant(
        "two pages of one heading",
        "k04_main_headings_differ",
        "shops",
        swap("<h1>.*?</h1>", "<h1>Tous les produits</h1>"),
    ),
    Mutant(
        "a page without a link of the footer",
        "k06_help_stands_at_the_same_place",
        "who",
        swap('<li><a href="/accessibilite">.*?</li>', ""),
    ),
    Mutant(
        "links in another order",
        "k06_help_stands_at_the_same_place",
        "round: open",
        swap(r'(<li><a href="/vendeurs">.*?</li>\s*)(<li><a href="/mentions-legales">.*?</li>)', r"\2\1"),
    ),
    Mutant(
        "no phone in the header",
        "k06_help_stands_at_the_same_place",
        "check: delivery",
        swap("Aide\\s: 05 36 49 00 00", "Aide"),
    ),
    Mutant(
        "the check page charges more than the slot",
        "k51_the_fee_stays_the_same",
        "check: delivery",
        swap(r"(Livraison commune.*?<td>)[^<]*", "\\g<1>9,90\u00a0€"),
    ),
    Mutant(
        "the shops change places",
        "k52_groups_keep_their_order",
        "check: delivery",
        swap(r"(<h2[^>]*>)([^<]*)(</h2>.*?<h2[^>]*>)([^<]*)(</h2>)", r"\1\4\3\2\5"),
    ),
]

#: Too much for a first view.
HEAVY = [
    Mutant(
        "a crowd of pictures",
        "K15",
        "who",
        before_main_ends("".join(f'<img src="/dessins/book-{n}.svg?n={n}" alt="">' for n in range(20))),
    ),
    Mutant(
        "letters that were not cut down",
        "K15",
        "who",
        swap(
            "</head>", '<link rel="preload" as="font" crossorigin href="/static/fonts/atkinson-400.woff2?whole"></head>'
        ),
    ),
]

#: Cookies, as an answer's headers would set them.
COOKIES = [
    "visitor=1; HttpOnly; Path=/; SameSite=Lax",
    "session=1; Path=/; SameSite=Lax",
    "session=1; HttpOnly; Path=/",
]

#: Seen in the browser only.
ON_SCREEN = [
    Mutant("too little contrast", "K01", "home", swap('class="lead"', 'class="lead mutant-faint"')),
    Mutant("a button without a name", "K01", "home", before_main_ends("<button></button>")),
    Mutant(
        "targets of 12 px", "K24", "basket of one", before_main_ends('<a class="mutant-tiny button" href="/aide">A</a>')
    ),
    Mutant(
        "targets without a gap",
        "K24",
        "basket of one",
        before_main_ends('<button class="button">A</button><button class="button">B</button>'),
    ),
    Mutant(
        "wider than a phone",
        "K08",
        "home",
        before_main_ends('<img src="/static/favicon.svg" class="mutant-wide" alt="" width="900" height="9">'),
    ),
    Mutant("a bar that sticks", "K08 low", "home", before_main_ends('<div class="mutant-bar">Promotions</div>')),
    Mutant("text is cut off", "K09", "home", swap('class="lead"', 'class="lead mutant-shut"')),
    Mutant("boxes lie on each other", "K10", "home", swap('class="lead"', 'class="lead mutant-low"')),
    Mutant(
        "a script of another host", "K14", "home", before_main_ends('<script src="http://127.0.0.1:9/a.js"></script>')
    ),
    Mutant("style that our policy refuses", "K14", "home", before_main_ends('<p style="color: red">A</p>')),
    Mutant("a picture that is not there", "K14", "home", before_main_ends('<img src="/static/none.png" alt="">')),
    Mutant(
        "a control that Tab passes by",
        "K17",
        "who",
        swap('<input id="email"', '<input tabindex="-1" data-lost id="email"'),
    ),
    Mutant("Tab in a wrong order", "K17", "who", swap('<input id="email"', '<input tabindex="3" id="email"')),
    Mutant("no ring", "K18", "who", swap("<main", '<main data-mutant="ringless"')),
    Mutant("a bar covers the focus", "K19", "who", before_main_ends('<div class="mutant-cover">Promotions</div>')),
    Mutant("no way to the content", "K05", "home", swap(r'<a class="skip".*?</a>', "")),
    Mutant("the summary takes no focus", "K31", "who: empty", swap(" autofocus", "")),
]

#: What the classes above look like; it stands in for a colleague's careless style sheet.
STYLE = """
.mutant-faint { color: #cbbccf !important }
.mutant-tiny { min-block-size: 12px !important; block-size: 12px; inline-size: 12px; padding: 0 !important }
.mutant-wide { max-inline-size: none !important; inline-size: 900px }
.mutant-bar { position: fixed; inset: auto 0 0 0; block-size: 120px }
.mutant-shut { block-size: 1.4em; overflow: hidden }
.mutant-low { margin-block-end: -3em !important }
.mutant-cover { position: fixed; inset: 0; z-index: 9; pointer-events: auto }
[data-mutant=ringless] * { outline: 0 !important }
"""
