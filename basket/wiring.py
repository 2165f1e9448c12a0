from __future__ import annotations

from flask import Flask

from basket import api, checks, handlers, reservation_api, reservation_handlers
from basket.documents.wiring import init_documents
from basket.views import baskets, checkout, dac7, fulfilment, kept, order_money, orders, plan, reservations, statements
from basket.views.delivery_terms import init_delivery_terms
from basket.views.visitor import basket_count
from basket.views.withdrawals import init_withdrawals
from marketplace.selfcheck import register_check
from marketplace.web.api import register
from marketplace.web.site import add_staff_area
from merchants.access import merchant_member
from merchants.views import counter


def init(app: Flask) -> None:
    """The walk's pages and jobs (importing the handlers makes them known)."""
    assert handlers and reservation_handlers
    register_check(checks.broken_rules)
    app.register_blueprint(baskets.blueprint)
    app.register_blueprint(checkout.blueprint)
    app.register_blueprint(plan.blueprint)
    app.register_blueprint(orders.blueprint)
    app.register_blueprint(dac7.blueprint)
    app.register_blueprint(reservations.blueprint)
    app.register_blueprint(kept.blueprint)
    init_delivery_terms(app)
    init_withdrawals(app)
    app.register_blueprint(order_money.blueprint)
    register(app, api.blueprint)
    register(app, reservation_api.blueprint)
    # The shops' counter; importing these (and `reservations`) has hung the day's work and the statements into it.
    assert fulfilment and statements
    app.register_blueprint(counter.blueprint)
    init_documents(app)
    add_staff_area(app, "merchant.home", merchant_member)
    app.context_processor(lambda: {"basket_count": basket_count()})
