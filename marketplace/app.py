"""The roof: the only place that sees all packages, and that nobody may import."""

from __future__ import annotations

# isort: off
from marketplace import fast_start  # before anything else is imported

# isort: on
import os
from datetime import timedelta
from pathlib import Path

from flask import Flask
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

import basket.wiring
import demo.wiring
import merchants.wiring
from marketplace import attention, pages, upkeep
from marketplace.accounts.views import init_accounts
from marketplace.cli import init_cli
from marketplace.delivery.wiring import init_delivery
from marketplace.hall import Hall
from marketplace.invoices.wiring import init_invoices
from marketplace.ledger.wiring import init_ledger
from marketplace.payments.wiring import init_payments
from marketplace.settings import Settings
from marketplace.web import init_web
from marketplace.web.access import check_all_declared

fast_start.over()

ROOT = Path(__file__).resolve().parent.parent


def create_app(hall: Hall | None = None) -> Flask:
    """The application over a hall: the environment's, unless a test brings its own."""
    if hall is None:
        hall = Hall.open(Settings.from_env(os.environ))
    settings = hall.settings
    app = Flask("marketplace", template_folder=str(ROOT / "templates"))
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME="__Host-session" if settings.is_https else "session",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(days=30),
        # The largest thing a person sends is a catalogue file (merchants.imports: 10 MB).
        MAX_CONTENT_LENGTH=11 * 1024 * 1024,
        MAX_FORM_MEMORY_SIZE=256 * 1024,
        PREFERRED_URL_SCHEME="https" if settings.is_https else "http",
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["hall"] = hall
    if settings.trusted_proxies_qty:
        n = settings.trusted_proxies_qty
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n)  # type: ignore[method-assign]  # Flask's own advice
    init_web(app, settings)
    init_accounts(app)
    pages.init(app)
    init_ledger(app)
    init_payments(app)
    init_invoices(app)
    init_delivery(app)
    attention.init(app)
    assert upkeep, "imported for its periodic work"
    merchants.wiring.init(app)
    basket.wiring.init(app)
    init_cli(app)
    if not settings.production:
        demo.wiring.init(app, create_app)
    check_all_declared(app)
    return app
