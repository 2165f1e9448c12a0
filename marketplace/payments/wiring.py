from __future__ import annotations

from flask import Flask

from marketplace.payments import checks, connect_jobs, handlers, views
from marketplace.payments.cli import payments
from marketplace.selfcheck import register_check


def init_payments(app: Flask) -> None:
    """Payments' pages and commands; importing the handlers makes their jobs known."""
    assert handlers and connect_jobs
    app.register_blueprint(views.blueprint)
    app.cli.add_command(payments)
    register_check(checks.broken_rules)
