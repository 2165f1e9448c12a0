"""The payment page: plain French HTML, safe against a nervous finger, and clear about being a simulator."""

from __future__ import annotations

import re

import html5lib
import pytest
import requests
from selectolax.lexbor import LexborHTMLParser

from marketplace.money import Money
from marketplace.payments.gateway import PaymentLine, PaymentRequest
from tests.sandbox_server import Sandbox

RETURN_URL = "http://127.0.0.1:8000/commandes/retour?jeton=abc"


def opened(sandbox: Sandbox, **members: object) -> str:
    body = {
        "amount": {"currency": "EUR", "value": "44.29"},
        "description": "Commande 12 34 56 78",
        "redirectUrl": RETURN_URL,
        **members,
    }
    payment_id: str = sandbox.call("POST", "payments", body).json()["id"]
    return payment_id


def page(sandbox: Sandbox, path: str) -> tuple[requests.Response, LexborHTMLParser]:
    """The page, refused unless it is valid HTML."""
    answer = requests.get(f"{sandbox.url}/{path}", timeout=10)
    html5lib.HTMLParser(strict=True).parse(answer.text)
    return answer, LexborHTMLParser(answer.text)


def words(tree: LexborHTMLParser) -> str:
    body = tree.body
    assert body is not None
    return re.sub(r"\s+", " ", body.text(separator=" "))


def test_the_page_shows_who_is_paid_how_much_and_for_what(sandbox: Sandbox) -> None:
    lines = (
        PaymentLine("Salade", 3, Money(235), Money(705), 550, Money(37)),
        PaymentLine("Panier", 1, Money(3724), Money(3724), 550, Money(194)),
    )
    request = PaymentRequest(Money(4429), "Commande 12 34 56 78", RETURN_URL, lines=lines)
    payment = sandbox.gateway().create_payment(request, idempotency_key="k")
    assert payment.checkout_url is not None
    _, tree = page(sandbox, payment.checkout_url.removeprefix(f"{sandbox.url}/"))
    text = words(tree)
    assert "Simulateur de paiement : aucun argent réel" in text
    assert "Le marché commun" in text
    assert "Commande 12 34 56 78" in text
    assert "44,29 €" in text
    assert "3 × Salade 7,05 €" in text
    assert "mollie" not in text.lower()


def test_the_page_is_french_and_well_built(sandbox: Sandbox) -> None:
    answer, tree = page(sandbox, f"checkout/{opened(sandbox)}")
    assert answer.status_code == 200
    root = tree.css_first("html")
    assert root is not None
    assert root.attributes["lang"] == "fr"
    assert len(tree.css("h1")) == 1
    assert [len(tree.css(landmark)) for landmark in ("header", "main", "footer")] == [1, 1, 1]
    assert tree.css("script, style, [style], [onclick], img") == []
    viewport = tree.css_first("meta[name=viewport]")
    assert viewport is not None
    assert viewport.attributes["content"] == "width=device-width, initial-scale=1"
    buttons = {b.attributes["value"]: b.text(strip=True) for b in tree.css("form button")}
    assert buttons == {
        "paid": "Payer",
        "failed": "Échec du paiement",
        "canceled": "Annuler",
        "expired": "Laisser expirer",
        "paid_unnotified": "Payer, mais perdre la notification",
    }


def test_a_language_that_is_not_spoken_here_gets_the_french_page(sandbox: Sandbox) -> None:
    _, tree = page(sandbox, f"checkout/{opened(sandbox, locale='nl_NL')}")
    root, h1 = tree.css_first("html"), tree.css_first("h1")
    assert root is not None
    assert h1 is not None
    assert (root.attributes["lang"], h1.text(strip=True)) == ("fr", "Payer votre commande")


def test_the_page_may_do_nothing_but_what_it_does(sandbox: Sandbox) -> None:
    answer, _ = page(sandbox, f"checkout/{opened(sandbox)}")
    assert answer.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "form-action 'self' http://127.0.0.1:8000"
    )
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_what_a_stranger_wrote_is_shown_as_text(sandbox: Sandbox) -> None:
    _, tree = page(sandbox, f"checkout/{opened(sandbox, description='<script>alert(1)</script>')}")
    assert tree.css("script") == []
    assert "<script>alert(1)</script>" in words(tree)


@pytest.mark.parametrize(
    ("button", "status"),
    [
        ("paid", "paid"),
        ("paid_unnotified", "paid"),
        ("failed", "failed"),
        ("canceled", "canceled"),
        ("expired", "expired"),
    ],
)
def test_each_button_ends_the_payment_and_leads_back_to_the_shop(sandbox: Sandbox, button: str, status: str) -> None:
    payment_id = opened(sandbox)
    answer = sandbox.press(payment_id, button)
    assert (answer.status_code, answer.headers["Location"]) == (303, RETURN_URL)
    assert sandbox.gateway().get_payment(payment_id).status == status


def test_cancelling_leads_to_the_shops_own_page_for_it(sandbox: Sandbox) -> None:
    payment_id = opened(sandbox, cancelUrl="http://127.0.0.1:8001/annulation")
    assert sandbox.press(payment_id, "canceled").headers["Location"] == "http://127.0.0.1:8001/annulation"


def test_a_button_pressed_twice_pays_once_and_leads_back_twice(sandbox: Sandbox) -> None:
    payment_id = opened(sandbox)
    first, second = sandbox.press(payment_id, "paid"), sandbox.press(payment_id, "paid")
    assert first.headers["Location"] == second.headers["Location"] == RETURN_URL
    assert sandbox.gateway().get_payment(payment_id).status == "paid"


def test_another_button_afterwards_changes_nothing_and_shows_what_happened(sandbox: Sandbox) -> None:
    payment_id = opened(sandbox)
    sandbox.press(payment_id, "paid")
    answer = sandbox.press(payment_id, "canceled")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/checkout/{payment_id}")
    assert sandbox.gateway().get_payment(payment_id).status == "paid"


@pytest.mark.parametrize(
    ("outcome", "heading"),
    [
        ("paid", "Ce paiement est fait"),
        ("failed", "Ce paiement a échoué"),
        ("canceled", "Ce paiement est annulé"),
        ("expired", "Ce paiement a expiré"),
    ],
)
def test_an_ended_payment_says_so_and_offers_the_way_back(sandbox: Sandbox, outcome: str, heading: str) -> None:
    payment_id = opened(sandbox)
    sandbox.conclude(payment_id, outcome)
    _, tree = page(sandbox, f"checkout/{payment_id}")
    h1, back = tree.css_first("h1"), tree.css_first("main a")
    assert h1 is not None
    assert back is not None
    assert h1.text(strip=True) == heading
    assert tree.css("form") == []
    assert (back.text(strip=True), back.attributes["href"]) == ("Revenir à la boutique", RETURN_URL)


def test_a_page_left_open_too_long_shows_that_the_payment_expired(sandbox: Sandbox) -> None:
    payment_id = opened(sandbox)
    sandbox.advance_clock(15 * 60)
    assert sandbox.press(payment_id, "paid").headers["Location"] == f"/checkout/{payment_id}"
    assert sandbox.gateway().get_payment(payment_id).status == "expired"


@pytest.mark.parametrize("button", ["", "free", "PAID"])
def test_an_unknown_button_is_answered_with_the_page_and_a_sentence(sandbox: Sandbox, button: str) -> None:
    payment_id = opened(sandbox)
    answer = sandbox.press(payment_id, button)
    assert answer.status_code == 422
    title = LexborHTMLParser(answer.text).css_first("title")
    assert title is not None
    assert title.text().startswith("Erreur\u00a0: ")
    alert = LexborHTMLParser(answer.text).css_first("[role=alert]")
    assert alert is not None
    assert alert.text(strip=True) == "Nous n’avons pas compris votre choix. Utilisez un des boutons ci-dessous."
    assert sandbox.gateway().get_payment(payment_id).status == "open"


@pytest.mark.parametrize("path", ["checkout/tr_unknown", "checkout/%00", "checkout/", "nowhere"])
def test_an_unknown_page_says_what_to_do(sandbox: Sandbox, path: str) -> None:
    answer, tree = page(sandbox, path)
    assert answer.status_code == 404
    assert "Retournez à la boutique" in words(tree)


def test_pressing_a_button_of_an_unknown_payment_is_not_found(sandbox: Sandbox) -> None:
    assert sandbox.press("tr_unknown", "paid").status_code == 404


def test_the_simulator_says_what_it_does_what_it_does_not_and_what_it_assumes(sandbox: Sandbox) -> None:
    sandbox.call("GET", "orders")
    answer, tree = page(sandbox, "_sandbox")
    assert answer.status_code == 200
    headings = [heading.text(strip=True) for heading in tree.css("h2")]
    assert headings == [
        "Ce qu’il fait",
        "Ce qu’il ne fait pas",
        "Ce qu’il suppose",
        "Adresses de rappel",
        "Appels inconnus",
    ]
    assert "GET /v2/orders" in words(tree)
    assert "Frais du prestataire : aucun ici" in words(tree)
    sandbox.set_fee(180, 25)
    _, tree = page(sandbox, "_sandbox")
    assert "1,8 pour cent et 0,25 € par paiement" in words(tree)


def test_the_stylesheet_and_the_icon_are_served(sandbox: Sandbox) -> None:
    css = requests.get(f"{sandbox.url}/static/sandbox.css", timeout=10)
    assert css.status_code == 200
    assert "#b3261e" in css.text
    assert requests.get(f"{sandbox.url}/static/icon.svg", timeout=10).status_code == 200
