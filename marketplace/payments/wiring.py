from __future__ import annotations

from flask import Flask

from marketplace.payments import handlers, views


def init_payments(app: Flask) -> None:
    """Payments' pages; importing the handlers makes their jobs known."""
    assert handlers
    app.register_blueprint(views.blueprint)
