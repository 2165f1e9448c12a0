"""The whole walk in a real browser: a resident orders from three shops and pays once, the house brings it home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect
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
    return found


@contextmanager
def somebody(browser: Browser, town: LiveTown, size: dict[str, int] = DESK, *, script: bool = True) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": size["width"], "height": size["height"]}, java_script_enabled=script, locale="fr-FR"
    )
    context.set_default_timeout(15_000)
    try:
        yield context.new_page()
    finally:
        context.close()


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


def order(hand: Mouse, town: LiveTown, shopping: list[Good]) -> str:
    """From the home page to the paid order's page; the total that was on every page on the way (K51)."""
    fill_basket(hand, town, shopping)
    goods = sum(good.cents for good in shopping)
    assert total_of(hand.page) == in_euros(goods)
    assert "4,50\u00a0€ pour tout le panier" in hand.page.locator("main").inner_text()
    choose_delivery(hand)
    say_who(hand)
    total = in_euros(goods + 450)
    assert total_of(hand.page) == total
    agree(hand)
    hand.press(hand.button("Commander avec obligation de paiement"))
    expect(hand.page).to_have_url(re.compile(f"^{re.escape(town.sandbox.url)}/checkout/"))
    assert total in hand.page.locator("main").inner_text()
    hand.press(hand.page.get_by_role("button", name="Payer", exact=True))
    expect(hand.page).to_have_url(re.compile(r"/commande/\d{8}/"))
    thanks = hand.page.get_by_role("alert")
    expect(thanks).to_contain_text("Merci, votre commande est payée")
    expect(thanks).to_be_focused()
    assert total_of(hand.page) == total
    return total


def in_euros(cents: int) -> str:
    return f"{cents // 100},{cents % 100:02d}\u00a0€"


def orders_qty(town: LiveTown) -> tuple[int, int]:
    """How many orders there are, and how many payments at the provider."""
    with town.hall.database.reading() as session:
        orders = session.scalar(select(func.count()).select_from(Order)) or 0
    return orders, len(book_payments(town.sandbox))


# --- The walk --------------------------------------------------------------------------------------------------


def test_three_shops_one_payment_one_round(chromium: Browser, town: LiveTown, shopping: list[Good]) -> None:
    with somebody(chromium, town) as page:
        total = order(Mouse(page), town, shopping)
        town.work()
        letters = town.letters_to("jeanne@example.org")
        assert len(letters) == 1
        assert total in letters[0]["text"]
        assert total in letters[0]["html"]
        link = page.url.removesuffix("?retour=1")
        for slug in SHOPS:
            prepare(chromium, town, slug)
        town.work()
        page.goto(link)
        expect(page.get_by_text("Prête", exact=True)).to_have_count(4)
        code = re.sub(r"\D", "", page.locator("p", has_text="Votre code à la porte").locator(".code").inner_text())
        plan_the_round(chromium, town)
        ride(chromium, town, code)
        town.work()
        page.goto(link)
        expect(page.get_by_text("Remise", exact=True)).to_have_count(4)
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


def sign_in(page: Page, town: LiveTown, email: str) -> Mouse:
    hand = Mouse(page)
    hand.open(f"{town.url}/connexion")
    hand.write(hand.field("Courriel"), email)
    hand.write(hand.field("Mot de passe"), town.password)
    hand.press(hand.button("Se connecter"))
    return hand


def prepare(browser: Browser, town: LiveTown, slug: str) -> None:
    """The shop accepts its part and packs it; it sees nobody else's."""
    with somebody(browser, town, PHONE) as page:
        hand = sign_in(page, town, f"{slug}@example.org")
        hand.open(f"{town.url}/boutique")
        hand.press(hand.button(re.compile("^Accepter la commande de Jeanne M.")))
        hand.open(f"{town.url}/boutique")
        hand.press(hand.link(re.compile("^Préparer la commande de Jeanne M.")))
        hand.press(hand.button("Tout est prêt"))
        expect(page.get_by_text("Le livreur passe prendre le colis")).to_be_visible()


def plan_the_round(browser: Browser, town: LiveTown) -> None:
    with somebody(browser, town) as page:
        hand = sign_in(page, town, "coordination@example.org")
        hand.open(f"{town.url}/tournees/1")
        hand.press(hand.button(re.compile("^Fermer")))
        hand.press(hand.button(re.compile("^Préparer")))
        town.work()
        hand.open(f"{town.url}/tournees/1")
        hand.press(hand.button(re.compile("^Confier")))


def ride(browser: Browser, town: LiveTown, code: str) -> None:
    """Whoever got the line: takes every parcel, and hands them over against the household's code."""
    delivered_qty = 0
    for courier in ("samia.coursiere", "leo.coursier"):
        with somebody(browser, town, PHONE) as page:
            hand = sign_in(page, town, f"{courier}@example.org")
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
    """K22, and K53's other half: without script the banner has the focus."""
    with somebody(chromium, town, PHONE, script=False) as page:
        hand = Mouse(page)
        order(hand, town, shopping)
        hand.search(shopping[0].name)
        hand.press(hand.link(shopping[0].name).first)
        hand.press(hand.button(re.compile("^Ajouter au panier")))
        hand.open(f"{town.url}/panier")
        hand.press(hand.button(re.compile("^Un de plus")))
        expect(page.locator("input[name=qty]")).to_have_value("2")
        expect(page.get_by_role("alert")).to_be_focused()
        hand.press(hand.button(re.compile("^Retirer")))
        expect(page.get_by_role("heading", name="Votre panier est vide")).to_be_visible()
    assert orders_qty(town) == (1, 1)


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
        hand.press(page.get_by_role("button", name="Payer", exact=True))
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
    """axe on the sandbox's own page, and on the order's after each of its ends."""
    findings = Findings()
    with open_screen(chromium, town, PHONE) as screen:
        hand = Mouse(screen.page)
        fill_basket(hand, town, shopping[:1])
        hand.press(hand.button("Choisir où et quand"))
        hand.choose(hand.field("Retrait dans chaque boutique"))
        hand.press(hand.button("Continuer"))
        say_who(hand)
        hand.choose(hand.field("J’accepte les conditions de vente"))
        hand.press(hand.button("Commander avec obligation de paiement"))
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
    findings.add("K01", shown.k01_axe_finds_nothing(screen), where)
    findings.add("K08", shown.k08_fits_a_phone(screen), where)
