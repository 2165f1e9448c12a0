"""The whole walk in a real browser: a resident orders from three shops and pays once, the house brings it home."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import func, select

from basket.models import Order
from marketplace.payments.models import Payment
from marketplace.selfcheck import self_check
from merchants.models import Product, Shop, Variant
from tests.browser.checks import Findings, shown
from tests.browser.hands import Keyboard, Mouse
from tests.browser.live import LiveTown
from tests.browser.screen import DESK, PHONE, Screen, open_screen
from tests.walk import book_payments

pytestmark = pytest.mark.browser

SHOPS = ("la-page-cornee", "la-tomme-et-le-pre", "la-cave-du-guetteur")
SUM = re.compile(r"\d{1,3}(?:\u202f\d{3})*,\d{2}\u00a0€")


@dataclass(frozen=True)
class Good:
    name: str
    cents: int


@pytest.fixture
def shopping(town: LiveTown) -> list[Good]:
    """One product with one variant from each of three shops: a book, a cheese, and a wine for adults."""
    found = []
    with town.hall.database.reading() as session:
        for slug in SHOPS:
            alone = select(Variant.product_id).where(Variant.is_offered).group_by(Variant.product_id)
            query = (
                select(Product.name, Variant.price)
                .join(Variant, Variant.product_id == Product.id)
                .join(Shop, Product.shop_id == Shop.id)
                .where(Shop.slug == slug, Variant.on_hand_qty > 5)
                .where(Product.id.in_(alone.having(func.count() == 1)))
                .order_by(Product.id)
            )
            name, price = session.execute(query).first() or ("", None)
            assert price is not None, f"{slug} sells nothing that is alone"
            found.append(Good(name, price.cents))
        # Under three roofs: one fee all the same (K56).
        streets = session.scalars(select(Shop.street).where(Shop.slug.in_(SHOPS))).all()
        assert len(set(streets)) == len(SHOPS)
    return found


@contextmanager
def somebody(browser: Browser, town: LiveTown, size: dict[str, int] = DESK, *, script: bool = True) -> Iterator[Page]:
    """Somebody's window; whatever they do in it, no page complains and nobody else is asked for anything (K14)."""
    with open_screen(browser, town, size, script=script, hosts=(town.sandbox.url,)) as screen:
        yield screen.page
        assert screen.troubles == []


#: What a page is made of; pages of one make differ in their words and numbers only.
MAKE = """() => [...new Set([...document.body.querySelectorAll("*")].map((el) =>
    `${el.tagName}.${el.getAttribute("class")}.${el.getAttribute("type")}`.replace(/\\d+/g, "")))].sort().join(" ")"""


class Careful(Mouse):
    """Looks at every page it meets, before it touches anything there: axe finds nothing (K01).

    `seen` are the makes of pages that have been looked at; friends share it.
    """

    def __init__(self, page: Page, seen: set[str]) -> None:
        super().__init__(page)
        self.seen = seen

    def press(self, target: Locator) -> None:
        self.look()
        super().press(target)

    def write(self, target: Locator, text: str) -> None:
        self.look()
        super().write(target, text)

    def title_is(self, pattern: str) -> None:
        super().title_is(pattern)
        self.look()

    def look(self) -> None:
        self.page.wait_for_load_state()
        make = self.page.evaluate(MAKE)
        if make not in self.seen:
            self.seen.add(make)
            found = [said for said in shown.k01_axe_finds_nothing(self.page) if said]
            assert found == [], self.page.url


# --- The resident's steps --------------------------------------------------------------------------------------


def fill_basket(hand: Mouse, town: LiveTown, shopping: list[Good]) -> None:
    hand.open(town.url)
    for good in shopping:
        hand.search(good.name)
        hand.press(hand.link(good.name).first)
        hand.press(hand.button(re.compile("^Ajouter au panier")))
        # What was done is said, and said first: with script or without, the focus is there (K53).
        notice = hand.page.get_by_role("alert")
        expect(notice).to_contain_text(good.name)
        expect(notice).to_be_focused()
    hand.press(hand.page.get_by_role("link", name=re.compile("^Panier")))
    hand.title_is("Votre panier - étape 1 sur 4")


def choose_delivery(hand: Mouse) -> None:
    hand.press(hand.button("Choisir où et quand"))
    hand.title_is("étape 2 sur 4")
    hand.choose(hand.field("Une seule livraison, chez vous"))
    hand.write(hand.field("Numéro et rue"), "12 rue de Montmoreau")
    hand.write(hand.field("Code postal"), "16000")
    hand.write(hand.field("Commune"), "Angoulême")
    hand.press(hand.button("Continuer"))
    hand.title_is("étape 2 sur 4")
    hand.choose(hand.page.locator("#slot_id"))
    hand.press(hand.button("Continuer"))


def say_who(hand: Mouse) -> None:
    hand.title_is("étape 3 sur 4")
    hand.write(hand.field("Votre nom"), "Jeanne Martin")
    hand.write(hand.field("Téléphone"), "06 39 98 12 34")
    hand.write(hand.field("Courriel"), "jeanne@example.org")
    hand.choose(hand.field("Remboursez-moi"))
    hand.press(hand.button("Continuer"))
    hand.title_is("étape 4 sur 4")


def agree(hand: Mouse) -> None:
    hand.choose(hand.field("J’accepte les conditions de vente"))
    hand.choose(hand.field("J’ai 18 ans ou plus."))


def total_of(page: Page) -> str:
    """The one total that the receipt ends with."""
    found = SUM.search(page.locator(".receipt .total").inner_text())
    assert found is not None
    return found.group()


@dataclass(frozen=True)
class Slip:
    """What a page or a letter says of an order: its shops in their order, and sums in cents."""

    shops: tuple[str, ...]
    fee_cents: int
    total_cents: int


def slip_of(page: Page) -> Slip:
    """As read on the page: each group's heading, the row of the one fee, the row of the one total."""
    fees = page.locator(".receipt tr", has_text="Livraison commune")
    expect(fees).to_have_count(1)
    shops = tuple(page.locator("section.shop-group h2").all_inner_texts())
    assert (
        len(shops) == page.locator(".shop-group", has_text="Vendu par").count() == page.locator(".shop-group").count()
    )
    return Slip(shops, in_cents(fees.inner_text()), in_cents(total_of(page)))


def order(hand: Mouse, town: LiveTown, shopping: list[Good]) -> Slip:
    """From the home page to the paid order's page; every page on the way says the same (K51, K52, K56)."""
    fill_basket(hand, town, shopping)
    goods = sum(good.cents for good in shopping)
    assert in_cents(total_of(hand.page)) == goods
    main = hand.page.locator("main")
    expect(main.get_by_role("heading", name="Une seule livraison")).to_be_visible()
    basket_says = Slip(
        tuple(hand.page.locator("section.shop-group h2").all_inner_texts()),
        fee := in_cents(main.locator(".meet-way p").inner_text()),
        goods + fee,
    )
    assert len(set(basket_says.shops)) == len(SHOPS)
    choose_delivery(hand)
    say_who(hand)
    assert slip_of(hand.page) == basket_says
    agree(hand)
    hand.press(hand.button("Commander avec obligation de paiement"))
    expect(hand.page).to_have_url(re.compile(f"^{re.escape(town.sandbox.url)}/checkout/"))
    assert in_euros(basket_says.total_cents) in hand.page.locator("main").inner_text()
    assert book_payments(town.sandbox)[-1]["amount_cents"] == basket_says.total_cents
    hand.press(hand.page.get_by_role("button", name="Payer", exact=True))
    expect(hand.page).to_have_url(re.compile(r"/commande/\d{8}/"))
    thanks = hand.page.get_by_role("alert")
    expect(thanks).to_contain_text("Merci, votre commande est payée")
    expect(thanks).to_be_focused()
    assert slip_of(hand.page) == basket_says
    return basket_says


def in_cents(text: str) -> int:
    """The one sum that a text names, or its first."""
    found = SUM.search(text)
    assert found is not None, text
    return int(re.sub(r"\D", "", found.group()))


def letter_says(text: str) -> Slip:
    """The same of a letter's text."""
    shops = re.findall(r"^== (.+?)\s*$", text, re.M)
    fee, total = re.search(r"^Livraison commune.*$", text, re.M), re.search(r"^Total .*$", text, re.M)
    assert fee and total
    return Slip(tuple(shops[: shops.index("Payé")]), in_cents(fee.group()), in_cents(total.group()))


def in_euros(cents: int) -> str:
    return f"{cents // 100},{cents % 100:02d}\u00a0€"


def orders_qty(town: LiveTown) -> tuple[int, int]:
    """How many orders there are, and how many payments at the provider."""
    with town.hall.database.reading() as session:
        orders = session.scalar(select(func.count()).select_from(Order)) or 0
    return orders, len(book_payments(town.sandbox))


# --- The walk --------------------------------------------------------------------------------------------------


def test_three_shops_one_payment_one_round(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    """By hands that look at each page they meet (K01, K14); the letter and the paper say what the pages say (K51)."""
    with somebody(chromium, town) as page:
        seen: set[str] = set()
        resident = Careful(page, seen)
        slip = order(resident, town, shopping)
        resident.look()
        town.work()
        letters = town.letters_to("jeanne@example.org")
        assert len(letters) == 1
        assert letter_says(letters[0]["text"]) == slip
        assert in_euros(slip.total_cents) in letters[0]["html"]
        page.emulate_media(media="print")
        expect(page.locator(".receipt .total")).to_be_visible()
        assert slip_of(page) == slip
        page.emulate_media(media="screen")
        link = page.url.removesuffix("?retour=1")
        bring_home(chromium, town, link, lambda page: Careful(page, seen))
        resident.open(link)
        resident.look()
        expect(page.get_by_text("Remise", exact=True)).to_have_count(4)
        assert len(seen) >= 20
    goods = sum(good.cents for good in shopping)
    routes = [route["amount_cents"] for payment in book_payments(town.sandbox) for route in payment["routes"]]
    # Each shop gets its goods less 8 %, rounded to the cent; commission and fee stay with the association.
    assert sorted(routes) == sorted(good.cents - round_half_up(good.cents * 80, 1000) for good in shopping)
    assert sum(routes) < goods
    answer = town.app.test_cli_runner().invoke(args=["ledger", "check"])
    assert answer.exit_code == 0, answer.output
    with town.hall.database.reading() as session:
        assert self_check(session) == []


def round_half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


Hand = Callable[[Page], Mouse]


def bring_home(browser: Browser, town: LiveTown, link: str, hand: Hand, *, script: bool = True) -> None:
    """The shops pack what the order's page at `link` shows, the coordinator plans, the couriers bring it."""
    for slug in SHOPS:
        prepare(browser, town, slug, hand, script=script)
    town.work()
    with somebody(browser, town, script=script) as page:
        page.goto(link)
        expect(page.get_by_text("Prête", exact=True)).to_have_count(4)
        code = re.sub(r"\D", "", page.locator("p", has_text="Votre code à la porte").locator(".code").inner_text())
    plan_the_round(browser, town, hand, script=script)
    ride(browser, town, code, hand, script=script)
    town.work()


def sign_in(hand: Mouse, town: LiveTown, email: str) -> Mouse:
    hand.open(f"{town.url}/connexion")
    hand.write(hand.field("Courriel"), email)
    hand.write(hand.field("Mot de passe"), town.password)
    hand.press(hand.button("Se connecter"))
    return hand


def prepare(browser: Browser, town: LiveTown, slug: str, kind: Hand, *, script: bool) -> None:
    """The shop accepts its part and packs it; it sees nobody else's."""
    with somebody(browser, town, PHONE, script=script) as page:
        hand = sign_in(kind(page), town, f"{slug}@example.org")
        hand.open(f"{town.url}/boutique")
        hand.press(hand.button(re.compile("^Accepter la commande de Jeanne M.")))
        hand.open(f"{town.url}/boutique")
        hand.press(hand.link(re.compile("^Préparer la commande de Jeanne M.")))
        hand.press(hand.button("Tout est prêt"))
        expect(page.get_by_text("Le livreur passe prendre le colis")).to_be_visible()


def plan_the_round(browser: Browser, town: LiveTown, kind: Hand, *, script: bool) -> None:
    with somebody(browser, town, DESK if script else PHONE, script=script) as page:
        hand = sign_in(kind(page), town, "coordination@example.org")
        hand.open(f"{town.url}/tournees/1")
        hand.press(hand.button(re.compile("^Fermer")))
        hand.press(hand.button(re.compile("^Préparer")))
        town.work()
        hand.open(f"{town.url}/tournees/1")
        hand.press(hand.button(re.compile("^Confier")))


def ride(browser: Browser, town: LiveTown, code: str, kind: Hand, *, script: bool) -> None:
    """Whoever got the line: takes every parcel, and hands them over against the household's code."""
    delivered_qty = 0
    for courier in ("samia.coursiere", "leo.coursier"):
        with somebody(browser, town, PHONE, script=script) as page:
            hand = sign_in(kind(page), town, f"{courier}@example.org")
            hand.open(f"{town.url}/ma-tournee")
            for _ in range(10):
                parcels = page.locator("input[name=parcel]")
                if parcels.count():
                    for parcel in parcels.all():
                        hand.choose(parcel)
                    hand.press(hand.button("J’ai pris ces colis"))
                elif page.locator("#code").count():
                    hand.choose(hand.field("Oui, la personne a 18 ans"))
                    hand.write(page.locator("#code"), code)
                    hand.press(hand.button(re.compile("^(Enregistrer|C’est remis)")))
                    delivered_qty += 1
                else:
                    break
    assert delivered_qty == 1


def test_with_the_keyboard_alone(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    """K21."""
    with somebody(chromium, town) as page:
        order(Keyboard(page), town, shopping)
    assert orders_qty(town) == (1, 1)


def test_without_script_on_a_small_phone(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    """K22, for the resident and for those who bring the order home; K53's other half: the banner has the focus.

    To go back on an order one calls or writes, as the page about it says, and nothing can be added to an order yet:
    there is no other act to try.
    """
    with somebody(chromium, town, PHONE, script=False) as page:
        hand = Mouse(page)
        order(hand, town, shopping)
        link = page.url.removesuffix("?retour=1")
        hand.press(hand.link("Votre droit de rétractation"))
        hand.title_is("Renvoyer un achat")
        hand.search(shopping[0].name)
        hand.press(hand.link(shopping[0].name).first)
        hand.press(hand.button(re.compile("^Ajouter au panier")))
        hand.open(f"{town.url}/panier")
        hand.press(hand.button(re.compile("^Un de plus")))
        expect(page.locator("input[name=qty]")).to_have_value("2")
        expect(page.get_by_role("alert")).to_be_focused()
        hand.press(hand.button(re.compile("^Un de moins")))
        expect(page.locator("input[name=qty]")).to_have_value("1")
        expect(page.get_by_role("alert")).to_be_focused()
        hand.press(hand.button(re.compile("^Retirer")))
        expect(page.get_by_role("heading", name="Votre panier est vide")).to_be_visible()
    assert orders_qty(town) == (1, 1)
    bring_home(chromium, town, link, Mouse, script=False)


def test_an_error_and_a_change_of_mind_without_script(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    """K32: the summary has the focus, its link leads to the field. K22: what is not paid is given up."""
    with somebody(chromium, town, PHONE, script=False) as page:
        hand = Mouse(page)
        fill_basket(hand, town, shopping[:1])
        hand.press(hand.button("Choisir où et quand"))
        hand.choose(hand.field("Retrait dans chaque boutique"))
        hand.press(hand.button("Continuer"))
        hand.title_is("étape 3 sur 4")
        hand.press(hand.button("Continuer"))
        hand.title_is("^Erreur")
        summary = page.locator("#erreurs")
        expect(summary).to_be_focused()
        hand.press(summary.get_by_role("link").first)
        expect(page.locator("#name")).to_be_focused()
        say_who(hand)
        hand.choose(hand.field("J’accepte les conditions de vente"))
        hand.press(hand.button("Commander avec obligation de paiement"))
        hand.press(page.get_by_role("button", name="Annuler"))
        hand.press(hand.button("Ne pas payer, garder mon panier"))
        hand.title_is("Votre panier")
        expect(page.get_by_role("link", name=shopping[0].name)).to_be_visible()
    with town.hall.database.reading() as session:
        assert session.scalars(select(Order.state)).all() == ["cancelled"]


def test_a_basket_leaves_one_cookie(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    """K64: shut in, and nothing else is kept. Secure belongs to a site with https; tests of the settings hold that."""
    with somebody(chromium, town, PHONE) as page:
        fill_basket(Mouse(page), town, shopping[:1])
        kept = [(one.get("name"), one.get("httpOnly"), one.get("sameSite")) for one in page.context.cookies()]
        assert kept == [("session", True, "Lax")]
        assert page.evaluate("() => [localStorage.length, sessionStorage.length]") == [0, 0]


def test_a_quantity_changes_in_place(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    """K53: the focus stays, the live region was there empty and then says count and total."""
    with somebody(chromium, town, PHONE) as page:
        hand = Keyboard(page)
        fill_basket(hand, town, shopping[:1])
        status = page.locator("#panier-etat")
        assert (status.get_attribute("role"), status.inner_text()) == ("status", "")
        more = hand.button(re.compile("^Un de plus"))
        id_ = more.get_attribute("id")
        hand.press(more)
        twice = in_euros(2 * shopping[0].cents)
        expect(status).to_have_text(f"2 articles dans votre panier, {twice}.")
        expect(page.locator(f"#{id_}")).to_be_focused()
        expect(page.locator("#basket-link")).to_contain_text("2")
        assert total_of(page) == twice
        hand.write(page.locator("input[name=qty]"), "3")
        page.keyboard.press("Enter")
        expect(status).to_have_text(f"3 articles dans votre panier, {in_euros(3 * shopping[0].cents)}.")
        expect(page.locator("input[name=qty]")).to_be_focused()
        less = hand.button(re.compile("^Un de moins"))
        id_ = less.get_attribute("id")
        hand.press(less)
        expect(status).to_have_text(f"2 articles dans votre panier, {twice}.")
        expect(page.locator(f"#{id_}")).to_be_focused()


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_two_clicks_make_one_order(chromium: Browser, town: LiveTown, shopping: list[Good], script: bool) -> None:
    """K40: two presses within a fifth of a second; after the payment a third one in another tab, and the way back."""
    with somebody(chromium, town, script=script) as page:
        hand = Mouse(page)
        fill_basket(hand, town, shopping)
        choose_delivery(hand)
        say_who(hand)
        agree(hand)
        other = Mouse(page.context.new_page())
        other.open(page.url)
        agree(other)
        hand.button("Commander avec obligation de paiement").dblclick(delay=10)
        pay, go_and_pay = page.get_by_role("button", name="Payer", exact=True), hand.button("Payer maintenant")
        if not script:
            # The second press may come while the first one asks the provider: then the order's page has the way to pay.
            expect(pay.or_(go_and_pay)).to_be_visible()
            if go_and_pay.is_visible():
                hand.press(go_and_pay)
        hand.press(pay)
        expect(page.get_by_role("alert")).to_contain_text("Merci, votre commande est payée")
        other.press(other.button("Commander avec obligation de paiement"))
        expect(other.page.get_by_role("heading", level=1)).to_have_text(
            page.get_by_role("heading", level=1).inner_text()
        )
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Ce paiement est fait")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Votre panier est vide")
    assert orders_qty(town) == (1, 1)
    with town.hall.database.reading() as session:
        assert session.scalars(select(Payment.state)).all() == ["paid"]


def test_the_payment_page_is_sound_too(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    """axe on the sandbox's own page, and on the order's after each of its ends, and while it does not open."""
    findings = Findings()
    with open_screen(chromium, town, PHONE) as screen:
        hand = Mouse(screen.page)
        fill_basket(hand, town, shopping[:1])
        hand.press(hand.button("Choisir où et quand"))
        hand.choose(hand.field("Retrait dans chaque boutique"))
        hand.press(hand.button("Continuer"))
        say_who(hand)
        hand.choose(hand.field("J’accepte les conditions de vente"))
        town.sandbox.plan_fault("POST /v2/payments", "status", status=500, times=5)
        screen.page.clock.install()
        hand.press(hand.button("Commander avec obligation de paiement"))
        look(screen, findings, "no payment page yet")
        hand.press(hand.button("Payer maintenant"))
        expect(screen.page.get_by_role("alert")).to_contain_text("Nous venons d’essayer encore, sans succès.")
        # Nobody reloads the page: it looks by itself, in vain once, and then the payment is open.
        with screen.page.expect_response(re.compile("suite=1")):
            screen.page.clock.run_for(5_000)
        expect(hand.button("Payer maintenant")).to_be_visible()
        screen.page.clock.run_for(5_000)
        expect(screen.page.get_by_role("heading", name="Cette commande attend son paiement")).to_be_visible()
        expect(screen.page.locator("[hx-trigger]")).to_have_count(0)
        hand.press(hand.button("Payer maintenant"))
        look(screen, findings, "payment page")
        hand.press(screen.page.get_by_role("button", name="Échec du paiement"))
        look(screen, findings, "after a failure")
        hand.press(hand.button("Payer maintenant"))
        hand.press(screen.page.get_by_role("button", name="Annuler"))
        look(screen, findings, "after a cancellation")
        hand.press(hand.button("Payer maintenant"))
        hand.press(screen.page.get_by_role("button", name="Payer, mais perdre la notification"))
        expect(screen.page.get_by_role("alert")).to_contain_text("Merci, votre commande est payée")
    assert not findings.faults, f"\n{findings.report}"
    assert findings.cases["K01"] > 0


def look(screen: Screen, findings: Findings, where: str) -> None:
    screen.page.wait_for_load_state()
    findings.add("K01", shown.k01_axe_finds_nothing(screen.page), where)
    findings.add("K08", shown.k08_fits_a_phone(screen), where)
