"""What people see: the payment page in the shop's stead of a bank, and the page about the simulator itself."""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_currency, format_decimal
from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from marketplace.language import current_language, speaking
from marketplace.payments.sandbox import lifecycle, payments
from marketplace.payments.sandbox.bodies import split_url
from marketplace.payments.sandbox.postings import NO_FEE, fee_in
from marketplace.payments.sandbox.server_state import state_of

pages = Blueprint("pages", __name__)

#: The buttons: what each one makes of the payment, and whether the shop is told.
CHOICES = {
    "paid": ("paid", True),
    "failed": ("failed", True),
    "canceled": ("canceled", True),
    "expired": ("expired", True),
    "paid_unnotified": ("paid", False),
}


@pages.app_template_filter("money")
def money(cents: int, currency: str) -> str:
    """Cents as people here write them: 44,29 €."""
    return _currency(Decimal(cents) / 100, currency)


@pages.app_template_filter("mollie_money")
def mollie_money(amount: dict[str, str]) -> str:
    """One of the API's amounts as people here write them."""
    return _currency(Decimal(amount["value"]), amount["currency"])


def _currency(amount: Decimal, currency: str) -> str:
    return format_currency(amount, currency, locale=_locale())


def _locale() -> str:
    return "en_GB" if current_language() == "en" else "fr_FR"


@pages.get("/checkout/<payment_id>")
def show_payment(payment_id: str) -> Response:
    """The payment with its buttons while it is open, how it ended afterwards."""
    return _payment_page(payment_id)


@pages.post("/checkout/<payment_id>")
def conclude_payment(payment_id: str) -> AnyResponse:
    """The pressed button ends the payment once, and the browser goes back to the shop.

    The same button pressed twice goes back twice; a different one shows how the payment ended.
    """
    state = state_of(current_app)
    choice = CHOICES.get(request.form.get("outcome", ""))
    if choice is None:
        return _payment_page(payment_id, status=422, unclear=True)
    outcome, notify = choice
    with state.book.transaction() as db:
        lifecycle.catch_up(db, state.time_factor)
        payment = payments.find(db, payment_id)
        if payment is None:
            return error_page(404)
        mine = payments.conclude(db, payment, outcome, notify=notify)
    state.deliverer.wake()
    if not mine and payment.status != outcome:
        return redirect(url_for("pages.show_payment", payment_id=payment_id), 303)
    return redirect(payment.cancel_url if outcome == "canceled" else payment.return_url, 303)


@pages.get("/")
@pages.get("/_sandbox")
def about() -> Response:
    """What is emulated, what is not, and what is assumed."""
    state = state_of(current_app)
    with state.book.transaction() as db:
        unknown_calls = db.execute("SELECT * FROM unknown_calls ORDER BY calls_qty DESC LIMIT 50").fetchall()
        (payments_qty,) = db.execute("SELECT count(*) FROM payments").fetchone()
        fee = fee_in(db)
    page = render_template(
        "sandbox/about.html",
        unknown_calls=unknown_calls,
        payments_qty=payments_qty,
        time_factor=f"{state.time_factor:g}",
        has_fee=fee != NO_FEE,
        fee_percent=format_decimal(Decimal(fee.basis_points) / 100, locale=_locale()),
        fee_fixed_cents=fee.fixed_cents,
    )
    return sealed(page, 200, "form-action 'none'")


def error_page(status: int) -> Response:
    return sealed(render_template("sandbox/error.html", status=status), status, "form-action 'none'")


def _payment_page(payment_id: str, *, status: int = 200, unclear: bool = False) -> Response:
    state = state_of(current_app)
    with state.book.transaction() as db:
        lifecycle.catch_up(db, state.time_factor)
        payment = payments.find(db, payment_id)
    if payment is None:
        return error_page(404)
    profiles = {profile.id: profile for profile in state.profiles.values()}
    profile = profiles.get(payment.profile_id)
    with speaking(str(payment.request.get("locale"))[:2]):
        page = render_template(
            "sandbox/payment.html",
            payment=payment,
            merchant=profile.name if profile else "",
            unclear=unclear,
            lang=current_language(),
        )
    # Chromium holds form-action against the redirect that follows the form too, so the shop must be named.
    origins = [parts[0] for parts in map(split_url, (payment.return_url, payment.cancel_url)) if parts]
    return sealed(page, status, " ".join(dict.fromkeys(["form-action 'self'", *origins])))


def sealed(page: str, status: int, form_action: str) -> Response:
    """The page, with nothing allowed that it does not use."""
    response = make_response(page, status)
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; " + form_action
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
