"""What every answer says to the browser about itself."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Flask, Response, request, url_for
from flask_login import current_user

from marketplace.settings import Settings

YEAR_S, MONTH_S = 365 * 24 * 3600, 30 * 24 * 3600


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
    the next person at a shared computer sees nothing.

    A refused form is the exception: without a copy, the way back over it ends at the browser's own error page.
    """
    response.headers["Cache-Control"] = "private, no-cache" if response.status_code == 422 else "no-store"
    return response


def cache_control_of_static(filename: str, *, is_versioned: bool) -> str:
    """A file under an address that names its content never changes there; a style sheet names its fonts without."""
    if is_versioned:
        return f"public, max-age={YEAR_S}, immutable"
    return f"public, max-age={MONTH_S}" if filename.endswith(".woff2") else "no-cache"


def _name_static_files_by_content(app: Flask) -> None:
    """Each address of a style sheet or script says which one it is, so that browsers need not ask again.

    A font has one address only: the one by which its style sheet names it.
    """

    @cache
    def version(filename: str) -> str | None:
        path = Path(app.static_folder or "", filename)
        return sha256(path.read_bytes()).hexdigest()[:10] if path.is_file() else None

    @app.url_defaults
    def add(endpoint: str, values: dict[str, object]) -> None:
        filename = str(values.get("filename", ""))
        if endpoint == "static" and not filename.endswith(".woff2"):
            values.setdefault("v", version(filename))


def static_url(filename: str) -> str:
    """A static file's address, worked out once: a page with its icons asks twenty times."""
    return _static_url(request.script_root, filename)


@cache
def _static_url(script_root: str, filename: str) -> str:
    return url_for("static", filename=filename)


def init(app: Flask, settings: Settings) -> None:
    policy = content_security_policy(settings)
    _name_static_files_by_content(app)
    app.add_template_global(static_url)

    def add(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        if response.mimetype == "text/html":
            headers.setdefault("Content-Security-Policy", policy)
        if settings.is_https:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        if request.endpoint == "static" and response.status_code in (200, 304):
            filename = str((request.view_args or {}).get("filename", ""))
            headers["Cache-Control"] = cache_control_of_static(filename, is_versioned="v" in request.args)
        elif "Cache-Control" not in headers:
            # Pages carry prices, stock and names: a shared or stale copy is a wrong one.
            headers["Cache-Control"] = "no-store" if current_user.is_authenticated else "private, no-cache"
        return response

    app.after_request(add)
