from __future__ import annotations

from flask import Flask

from marketplace.payments import checks, handlers, views
from marketplace.selfcheck import register_check


def init_payments(app: Flask) -> None:
    """Payments' pages; importing the handlers makes their jobs known."""
    assert handlers
    app.register_blueprint(views.blueprint)
    register_check(checks.broken_rules)
