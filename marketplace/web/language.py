"""French is the language of the house, English the guests' choice, kept in the one cookie."""

from __future__ import annotations

from flask import Flask, has_request_context, session
from flask_babel import Babel

LANGUAGES = ("fr", "en")


def current_language() -> str:
    """The language of the page being made; French for letters and jobs unless they say otherwise."""
    chosen = session.get("language", "fr") if has_request_context() else "fr"
    return chosen if chosen in LANGUAGES else "fr"


def init(app: Flask) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, default_locale="fr", default_timezone="Europe/Paris", locale_selector=current_language)
