from __future__ import annotations

from flask import Flask

from marketplace.ledger import checks, handlers
from marketplace.ledger.cli import ledger
from marketplace.selfcheck import register_check


def init_ledger(app: Flask) -> None:
    """The ledger's command; importing the handlers makes their jobs known."""
    assert handlers
    app.cli.add_command(ledger)
    register_check(checks.broken_rules)
