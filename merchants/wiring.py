from __future__ import annotations

from flask import Flask

from merchants.views import catalogue


def init(app: Flask) -> None:
    """Pages, jobs and commands of this package."""
    catalogue.init(app)
