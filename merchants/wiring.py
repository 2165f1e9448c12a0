from __future__ import annotations

from flask import Flask

from marketplace.selfcheck import register_check
from marketplace.web.api import register
from merchants import api, checks, handlers
from merchants.imports.cli import import_catalogue_command
from merchants.search_cli import search_group
from merchants.views import accounting, catalogue, commissions, files, mandates, payouts, treasury, vat_status


def init(app: Flask) -> None:
    """Pages, jobs and commands of this package."""
    assert handlers
    # Importing `mandates` has hung its pages into the counter.
    assert mandates
    register_check(checks.broken_rules)
    app.cli.add_command(import_catalogue_command)
    app.cli.add_command(search_group)
    catalogue.init(app)
    payouts.init(app)
    treasury.init(app)
    commissions.init(app)
    app.register_blueprint(files.blueprint)
    accounting.init(app)
    app.register_blueprint(vat_status.blueprint)
    register(app, api.blueprint)
