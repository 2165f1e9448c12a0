"""Applications that tests share: to build one takes a tenth of a second, and most tests want one or two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flask import Flask

from marketplace.app import create_app
from marketplace.hall import Hall
from marketplace.settings import Settings
from marketplace.web.limits import limiter

_built: dict[tuple[str, Settings], Flask] = {}


def app_over(hall: Hall, role: str) -> Flask:
    """An application over `hall`, as good as new, until somebody asks for one in the same role over another hall.

    Who changes an application, or wants two of one role at once, builds their own.
    """
    settings = replace(hall.settings, instance_dir=Path())
    app = _built.get((role, settings))
    if app is None:
        app = _built[role, settings] = create_app(hall)
    app.extensions["hall"] = hall
    app.extensions.pop("catalogue.delivery", None)
    # There is one limiter for all applications; the last one that was built has switched it on or off.
    limiter.enabled = settings.rate_limits
    if limiter.enabled:
        limiter.reset()
    return app
