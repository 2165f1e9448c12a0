"""Pages of plain text: help, ranking, terms, privacy, accessibility; and the choice of language."""

from __future__ import annotations

from flask import Blueprint, Flask, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from marketplace.accounts.views import local_address
from marketplace.clock import local_day
from marketplace.hall import the_hall
from marketplace.language import LANGUAGES
from marketplace.legal import legal_number
from marketplace.web.access import everyone, open_to

pages = Blueprint("pages", __name__)
language = Blueprint("language", __name__)


def _page(name: str, **more: object) -> str:
    return render_template(f"marketplace/pages/{name}.html", demo=the_hall().settings.demo, **more)


@pages.get("/aide")
@open_to(everyone)
def help() -> ResponseReturnValue:
    return _page("help")


@pages.get("/ordre-des-produits")
@open_to(everyone)
def ranking() -> ResponseReturnValue:
    return _page("ranking")


@pages.get("/mentions-legales")
@open_to(everyone)
def legal() -> ResponseReturnValue:
    return _page("legal")


@pages.get("/vos-donnees")
@open_to(everyone)
def privacy() -> ResponseReturnValue:
    today = local_day(the_hall().clock.now())
    return _page("privacy", reservation_forget_days=legal_number("reservation.forget_days", today))


@pages.get("/accessibilite")
@open_to(everyone)
def accessibility() -> ResponseReturnValue:
    return _page("accessibility")


@pages.get("/conditions-de-vente")
@open_to(everyone)
def terms() -> ResponseReturnValue:
    return _page("terms", withdrawal_days=_withdrawal_days())


@pages.get("/renvoyer-un-achat")
@open_to(everyone)
def withdrawal() -> ResponseReturnValue:
    return _page("withdrawal", withdrawal_days=_withdrawal_days())


@language.post("/langue")
@open_to(everyone)
def choose() -> ResponseReturnValue:
    """Keep the visitor's language, and show the page again; one that we do not speak changes nothing."""
    wanted = request.form.get("language")
    if wanted in LANGUAGES:
        session["language"] = wanted
        session.permanent = True
    return redirect(local_address(request.form.get("next", "")) or url_for("catalogue.home"), 303)


def _withdrawal_days() -> int:
    return legal_number("withdrawal.days", local_day(the_hall().clock.now()))


def init(app: Flask) -> None:
    """The house's own pages."""
    app.register_blueprint(pages)
    app.register_blueprint(language)
