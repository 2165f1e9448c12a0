"""The pages of the world outside: `/geocodage/…` for programs, `/boite` for people."""

from __future__ import annotations

import math
import re
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from flask import Blueprint, Flask, Response, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from jinja2 import StrictUndefined

from demo.townsfolk.gazetteer import Gazetteer
from demo.townsfolk.geojson import collection
from demo.townsfolk.letterbox import Letterbox, Received

PAGE_QTY = 50
ANSWERS_MAXIMUM_QTY = 20
#: A letter is a stranger's HTML: it may draw itself and open links in a new tab, and nothing else.
LETTER_SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
LETTER_POLICY = (
    f"sandbox {LETTER_SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data: http://127.0.0.1:*"
)
PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'"
)

world = Blueprint("world", __name__)


def create_world(gazetteer: Gazetteer, letterbox: Letterbox) -> Flask:
    """The application over a gazetteer and a letter box."""
    app = Flask(__name__)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["moment"] = _moment
    app.extensions["gazetteer"] = gazetteer
    app.extensions["letterbox"] = letterbox
    app.register_blueprint(world)
    return app


@world.after_request
def protect(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@world.get("/")
def door() -> ResponseReturnValue:
    return redirect(url_for("world.box"))


@world.get("/geocodage/search", strict_slashes=False)
def search() -> ResponseReturnValue:
    """The places that `q` may mean, as the national geocoder answers."""
    question = request.args.get("q", "").strip()
    if not 3 <= len(question) <= 200:
        return _bad("q", "must contain between 3 and 200 chars")
    limit = _limit()
    gazetteer: Gazetteer = current_app.extensions["gazetteer"]
    return collection(gazetteer.search(question, limit), query=question, limit=limit)


@world.get("/geocodage/reverse", strict_slashes=False)
def reverse() -> ResponseReturnValue:
    """The addresses near a point, as the national geocoder answers."""
    lat, lon = (request.args.get(key, math.nan, type=float) for key in ("lat", "lon"))
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return _bad("lat, lon", "must be degrees")
    limit = _limit(1)
    gazetteer: Gazetteer = current_app.extensions["gazetteer"]
    return collection(gazetteer.reverse(lat, lon, limit), limit=limit)


@world.get("/boite")
def box() -> ResponseReturnValue:
    """The newest letters; `a` keeps those to one address, `avant` pages back."""
    to = request.args.get("a")
    letters = _letterbox().newest(before_id=request.args.get("avant", type=int), to=to, limit=PAGE_QTY + 1)
    has_older = len(letters) > PAGE_QTY
    return render_template("townsfolk/box.html", letters=letters[:PAGE_QTY], has_older=has_older, to=to)


@world.get("/boite.json")
def box_for_programs() -> ResponseReturnValue:
    letters = _letterbox().newest(to=request.args.get("a"), limit=1_000)
    return {
        "items": [
            {
                "id": letter.id,
                "arrived_at": letter.arrived_at.isoformat(),
                "sender": letter.sender,
                "to": list(letter.recipients),
                "subject": letter.subject,
                "text": letter.text,
                "html": letter.html,
                "copies_qty": letter.copies_qty,
            }
            for letter in letters
        ]
    }


@world.get("/boite/<int:letter_id>")
def letter(letter_id: int) -> ResponseReturnValue:
    return render_template("townsfolk/letter.html", letter=_get_letter(letter_id), sandbox=LETTER_SANDBOX)


@world.get("/boite/<int:letter_id>/html")
def letter_html(letter_id: int) -> ResponseReturnValue:
    """The HTML part alone, for the frame: shut in by its policy even when opened on its own."""
    html = _get_letter(letter_id).html
    response = Response(_links_in_new_tabs(html), mimetype="text/html")
    response.headers["Content-Security-Policy"] = LETTER_POLICY
    return response


def _get_letter(letter_id: int) -> Received:
    # SQLite's whole numbers end at 63 bits; a longer one is nobody's letter.
    found = _letterbox().find(letter_id) if letter_id < 2**63 else None
    if found is None:
        abort(404)
    return found


def _letterbox() -> Letterbox:
    letterbox: Letterbox = current_app.extensions["letterbox"]
    return letterbox


def _limit(default: int = 5) -> int:
    return min(ANSWERS_MAXIMUM_QTY, max(1, request.args.get("limit", default, type=int)))


def _bad(parameter: str, complaint: str) -> ResponseReturnValue:
    return {"code": 400, "message": "Failed parsing query", "detail": [f"{parameter}: {complaint}"]}, 400


def _links_in_new_tabs(html: str) -> str:
    base = '<base target="_blank">'
    with_base, heads_qty = re.subn(r"<head\b[^>]*>", lambda head: head.group() + base, html, count=1, flags=re.I)
    return with_base if heads_qty else base + html


def _moment(at: datetime) -> str:
    """An instant as people here write it: "samedi 21 novembre 2026 à 23 h 31"."""
    return format_datetime(at, "EEEE d MMMM y 'à' H 'h' mm", tzinfo=ZoneInfo("Europe/Paris"), locale="fr")
