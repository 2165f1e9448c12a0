"""What every page has: words and figures, guards, language, error pages."""

from __future__ import annotations

from flask import Flask

from marketplace import language
from marketplace.settings import Settings
from marketplace.web import access, api, csrf, failures, filters, headers, limits, numbers, sentences, site


def init_web(app: Flask, settings: Settings) -> None:
    """Give the application its guards and its words; call it before any view is registered."""
    numbers.init(app)
    limits.init(app, settings)
    language.init(app)
    filters.init(app)
    sentences.init(app)
    site.init(app, settings)
    csrf.init(app)
    access.init(app)
    headers.init(app, settings)
    failures.init(app)
    api.init(app, settings)
