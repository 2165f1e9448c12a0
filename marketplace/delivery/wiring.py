from __future__ import annotations

from flask import Flask

from marketplace.delivery import checks, handlers
from marketplace.delivery.rounds_cli import rounds
from marketplace.delivery.views import calendar, coordinator, courier, tracking
from marketplace.selfcheck import register_check
from marketplace.web.site import add_staff_area


def init_delivery(app: Flask) -> None:
    """The round's pages, jobs and commands (importing the handlers makes them known)."""
    assert handlers
    for blueprint in (coordinator.blueprint, calendar.blueprint, courier.blueprint, tracking.blueprint):
        app.register_blueprint(blueprint)
    add_staff_area(app, "coordinator.home", coordinator.may_coordinate)
    add_staff_area(app, "courier.home", courier.may_ride)
    app.cli.add_command(rounds)
    register_check(checks.broken_rules)
