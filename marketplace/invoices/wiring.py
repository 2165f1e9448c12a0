from __future__ import annotations

from flask import Flask

from marketplace.invoices import checks, views
from marketplace.selfcheck import register_check


def init_invoices(app: Flask) -> None:
    app.register_blueprint(views.blueprint)
    register_check(checks.broken_rules)
