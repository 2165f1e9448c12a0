"""French is the language of the house, English the guests' choice, kept in the one cookie; programs say theirs.

Templates are written in French: a French page needs no catalogue. Flask-Babel finds its context, its locale and its
catalogue again at each of a page's forty sentences (a tenth of a listing's cost), so `_()` is bound here, to the
catalogues as translators write them: 60 ms in the first English page of a process, and nothing to compile in a build.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask, Request, has_request_context, request, session
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

LANGUAGES = ("fr", "en")
CATALOGUES = Path(__file__).resolve().parent / "translations"

_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)


def is_api(request: Request) -> bool:
    """Whether a program is asking: it gets problem details, its language from the headers, and no cookie."""
    return request.path == "/api" or request.path.startswith("/api/")


def current_language() -> str:
    """The language of the page or letter being made; French for jobs unless they say otherwise."""
    return _spoken.get() or _asked_language()


def _asked_language() -> str:
    if not has_request_context():
        return "fr"
    if is_api(request):
        return request.accept_languages.best_match(LANGUAGES) or "fr"
    chosen = session.get("language", "fr")
    return chosen if chosen in LANGUAGES else "fr"


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Everything made inside is in this language: a letter speaks its reader's, not the visitor's."""
    token = _spoken.set(language if language in LANGUAGES else "fr")
    try:
        yield
    finally:
        _spoken.reset(token)


def gettext(message: str) -> str:
    """The sentence in the current language; the placeholders are the template's to fill."""
    language = current_language()
    return message if language == "fr" else _catalogue(language).ugettext(message)


def ngettext(one: str, many: str, qty: int) -> str:
    """The sentence for a quantity; in French zero is singular too."""
    language = current_language()
    if language == "fr":
        return one if abs(qty) < 2 else many
    return _catalogue(language).ungettext(one, many, qty)


@cache
def _catalogue(language: str) -> Translations:
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        written = read_po(file, language)
    compiled = BytesIO()
    write_mo(compiled, written)
    compiled.seek(0)
    return Translations(compiled)


def _settle() -> None:
    """Ask once a request: its sixty sentences and sums would ask the cookie each time."""
    _spoken.set(_asked_language())


def _forget(error: BaseException | None) -> None:
    _spoken.set(None)


@pass_eval_context
def _sentence(context: EvalContext, message: str, **values: object) -> str:
    """`_()`: the sentence with its values filled in, escaped where the template is a page.

    The extension's own does the same by way of three calls through the template's context, sixty times a page.
    """
    said = gettext(message)
    if context.autoescape:
        said = Markup(said)  # noqa: S704  # our own words; the values are escaped as they are filled in
    return said % values


def bind_sentences(app: Flask) -> None:
    """`_()` and `ngettext()` in the application's templates speak the current language."""
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(gettext, ngettext, newstyle=True)  # type: ignore[attr-defined]  # the extension adds it
    app.jinja_env.globals["_"] = _sentence


def init(app: Flask) -> None:
    app.before_request(_settle)
    app.teardown_request(_forget)
    bind_sentences(app)
