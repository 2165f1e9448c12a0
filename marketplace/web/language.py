"""French is the language of the house, English the guests' choice, kept in the one cookie; programs say theirs."""

from __future__ import annotations

from flask import Flask, Request, has_request_context, request, session
from flask_babel import Babel

LANGUAGES = ("fr", "en")


def is_api(request: Request) -> bool:
    """Whether a program is asking: it gets problem details, its language from the headers, and no cookie."""
    return request.path == "/api" or request.path.startswith("/api/")


def current_language() -> str:
    """The language of the page being made; French for letters and jobs unless they say otherwise."""
    if not has_request_context():
        return "fr"
    if is_api(request):
        return request.accept_languages.best_match(LANGUAGES) or "fr"
    chosen = session.get("language", "fr")
    return chosen if chosen in LANGUAGES else "fr"


def init(app: Flask) -> None:
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    Babel(app, default_locale="fr", default_timezone="Europe/Paris", locale_selector=current_language)
