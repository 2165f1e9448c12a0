from __future__ import annotations

from flask import Flask

from basket import checks, handlers
from basket.views import baskets, checkout, orders
from basket.views.visitor import basket_count
from marketplace.selfcheck import register_check


def init(app: Flask) -> None:
    """The walk's pages and jobs (importing the handlers makes them known)."""
    assert handlers
    register_check(checks.broken_rules)
    app.register_blueprint(baskets.blueprint)
    app.register_blueprint(checkout.blueprint)
    app.register_blueprint(orders.blueprint)
    app.context_processor(lambda: {"basket_count": basket_count()})
