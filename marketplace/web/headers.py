"""What every answer says to the browser about itself."""

from __future__ import annotations

from flask import Flask, Response
from flask_login import current_user

from marketplace.settings import Settings


def content_security_policy(settings: Settings) -> str:
    """Everything from here; forms may also end at the payment page, where the resident is redirected."""
    payment_page = settings.mollie_endpoint if settings.mollie_env == "sandbox" else "https://*.mollie.com"
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            f"form-action 'self' {payment_page}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def keep_nothing(response: Response) -> Response:
    """The browser keeps no copy of a page with an address or an order on it: the way back shows what is true now, and
    the next person at a shared computer sees nothing."""
    response.headers["Cache-Control"] = "no-store"
    return response


def init(app: Flask, settings: Settings) -> None:
    policy = content_security_policy(settings)

    def add(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if response.mimetype == "text/html":
            headers.setdefault("Content-Security-Policy", policy)
        if settings.is_https:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        if "Cache-Control" not in headers:
            # Pages carry prices, stock and names: a shared or stale copy is a wrong one.
            headers["Cache-Control"] = "no-store" if current_user.is_authenticated else "private, no-cache"
        return response

    app.after_request(add)
