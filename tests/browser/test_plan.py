"""A door shown on the plan in a real browser: the spot that is pressed is the spot that is meant."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import func, select

from basket.models import Checkout
from basket.pinning import LARGE, SMALL, SPANS_M
from marketplace.geo import distance_m
from marketplace.plan import View, place_on
from merchants.models import Product, Variant
from tests.browser.hands import Keyboard, Mouse
from tests.browser.live import LiveTown
from tests.browser.screen import DESK, PHONE

pytestmark = pytest.mark.browser

DOOR = (45.6571, 0.1502)
SCRIPT = pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])


@contextmanager
def somebody(browser: Browser, size: dict[str, int], *, script: bool, pixels: int = 1) -> Iterator[Page]:
    """A browser on a screen with so many pixels for each one of the page."""
    context = browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        java_script_enabled=script,
        locale="fr-FR",
        reduced_motion="reduce",
        device_scale_factor=pixels,
    )
    context.set_default_timeout(15_000)
    try:
        yield context.new_page()
    finally:
        context.close()


def go_to_plan(hand: Mouse, town: LiveTown) -> None:
    """Something in the basket, and an address that the geocoder does not know."""
    with town.hall.database.reading() as session:
        alone = select(Variant.product_id).group_by(Variant.product_id).having(func.count() == 1)
        query = select(Product.id).where(Product.id.in_(alone), Product.kind == "livre-neuf").order_by(Product.id)
        product_id = session.scalars(query).first()
    hand.open(f"{town.url}/produits/{product_id}")
    hand.press(hand.button("Ajouter au panier"))
    expect(hand.page.get_by_role("alert")).to_contain_text("Ajouté au panier")
    hand.open(f"{town.url}/commande/livraison")
    hand.choose(hand.field("Une seule livraison, chez vous"))
    hand.write(hand.field("Numéro et rue"), "3 chemin des Nouvelles Maisons")
    hand.write(hand.field("Code postal"), "16000")
    hand.write(hand.field("Commune"), "Angoulême")
    hand.press(hand.button("Continuer"))
    hand.press(hand.button("Montrer l’endroit sur le plan"))
    hand.title_is("Montrez votre porte sur le plan")


def value(page: Page, name: str) -> Locator:
    return page.locator(f"form.plan-page [name={name}]")


def pin_on(page: Page) -> tuple[float, float]:
    return float(value(page, "lat").input_value()), float(value(page, "lon").input_value())


@contextmanager
def another_plan(page: Page) -> Iterator[None]:
    """Until the plan that is shown is another one: its values may be the same, and a press of the old one is lost."""
    page.locator("#plan").evaluate("plan => { plan.dataset.pressed = '' }")
    yield
    expect(page.locator("#plan[data-pressed]")).to_have_count(0)
    expect(page.locator("#plan")).to_be_visible()


def deliver(hand: Mouse, town: LiveTown) -> Checkout:
    hand.press(hand.button("Livrer à cet endroit"))
    hand.title_is("Quand recevoir vos achats")
    with town.hall.database.reading() as session:
        return session.scalars(select(Checkout)).one()


@SCRIPT
@pytest.mark.parametrize(("size", "pixels"), [(PHONE, 1), (PHONE, 3), (DESK, 1)], ids=["phone", "sharp phone", "desk"])
def test_a_door_is_shown_to_the_metre(
    chromium: Browser, town: LiveTown, size: dict[str, int], pixels: int, script: bool
) -> None:
    paper = SMALL if size == PHONE else LARGE
    with somebody(chromium, size, script=script, pixels=pixels) as page:
        hand = Mouse(page)
        go_to_plan(hand, town)
        plan = page.locator(f"#plan-{paper.key}")
        for zoom in (1, 2, 3, 3):
            expect(value(page, "zoom")).to_have_value(str(zoom))
            box = plan.bounding_box()
            assert box is not None
            assert (box["width"], box["height"]) == (paper.width_px, paper.height_px)
            x, y = place_on(View(pin_on(page), SPANS_M[zoom - 1]), paper, DOOR)
            with another_plan(page):
                plan.click(position={"x": round(x), "y": round(y)})
        assert distance_m(pin_on(page), DOOR) < 1.5
        expect(page.locator("#pin")).to_contain_text("Le repère est près de")
        assert "45." not in page.url
        kept = deliver(hand, town)
    assert (kept.street, kept.is_pinned) == ("3 chemin des Nouvelles Maisons", True)
    assert distance_m((kept.lat or 0, kept.lon or 0), DOOR) < 1.5


@SCRIPT
def test_the_keyboard_alone_leads_there_too(chromium: Browser, town: LiveTown, script: bool) -> None:
    """The focus stays on what was pressed; Enter on the picture itself only comes closer."""
    with somebody(chromium, PHONE, script=script) as page:
        hand = Keyboard(page)
        go_to_plan(hand, town)
        start = pin_on(page)
        hand.press(page.locator("#plan-small"))
        expect(value(page, "zoom")).to_have_value("2")
        hand.press(page.locator("#closer"))
        expect(value(page, "zoom")).to_have_value("3")
        for arrow, changed in (("north", "lat"), ("north", "lat"), ("east", "lon")):
            before = value(page, changed).input_value()
            hand.press(page.locator(f"#{arrow}"))
            expect(value(page, changed)).not_to_have_value(before)
            expect(page.locator(f"#{arrow}")).to_be_focused()
            expect(page.locator("#plan-small")).to_be_in_viewport(ratio=0.9)
        assert distance_m(start, pin_on(page)) == pytest.approx(math.hypot(37.5, 18.75), abs=0.5)
        assert deliver(hand, town).is_pinned


def test_the_way_back_is_one_step_however_often_the_pin_was_moved(chromium: Browser, town: LiveTown) -> None:
    with somebody(chromium, PHONE, script=True) as page:
        hand = Mouse(page)
        go_to_plan(hand, town)
        for zoom in ("2", "3"):
            hand.press(page.locator("#closer"))
            expect(value(page, "zoom")).to_have_value(zoom)
        expect(page.locator("#annonce")).to_contain_text("Le repère est près de")
        hand.press(page.get_by_role("link", name="Corriger l’adresse"))
        expect(hand.field("Numéro et rue")).to_have_value("3 chemin des Nouvelles Maisons")
        page.go_back()
        expect(value(page, "zoom")).to_have_value("3")


def test_a_device_may_say_where_it_is(chromium: Browser, town: LiveTown) -> None:
    """Only with script, and only where it tells; a refusal is said, and the plan still works."""
    with somebody(chromium, PHONE, script=True) as page:
        hand = Mouse(page)
        go_to_plan(hand, town)
        hand.press(hand.button("Utiliser ma position"))
        expect(page.get_by_text("Votre appareil ne donne pas sa position")).to_be_visible()
        page.context.grant_permissions(["geolocation"])
        page.context.set_geolocation({"latitude": DOOR[0], "longitude": DOOR[1]})
        hand.press(hand.button("Utiliser ma position"))
        expect(value(page, "lat")).to_have_value("45.657100")
        assert pin_on(page) == DOOR
    with somebody(chromium, PHONE, script=False) as page:
        hand = Mouse(page)
        go_to_plan(hand, town)
        expect(page.get_by_text("Utiliser ma position")).to_be_hidden()
