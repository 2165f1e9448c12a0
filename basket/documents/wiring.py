from __future__ import annotations

from flask import Flask

from basket.documents import checks, handlers, to_write_views, views
from marketplace.selfcheck import register_check


def init_documents(app: Flask) -> None:
    """The treasurer's page, the checks and the jobs (importing the handlers makes them known)."""
    assert handlers
    register_check(checks.broken_rules)
    app.register_blueprint(views.blueprint)
    app.register_blueprint(to_write_views.blueprint)
