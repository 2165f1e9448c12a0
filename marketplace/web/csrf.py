"""No form of another site can act in a visitor's name.

Two walls. The browser's own word on where a request comes from (Sec-Fetch-Site, Origin) must not be another site;
and every unsafe request carries a signed token, tied to the sign-in where there is one. A visitor's token needs no
cookie, so that reading the catalogue sets none (residents.md T7). Why not Flask-WTF: its token lives in the
session, which gives every reader a cookie (docs/decisions/0003).
"""

from __future__ import annotations

import hashlib

from flask import Flask, current_app, request, session
from itsdangerous import BadData, URLSafeTimedSerializer

from marketplace.errors import MarketplaceError

#: A form may stay open over a night and a day (WCAG 2.2.1 asks for at least twenty hours).
TOKEN_AGE_S = 36 * 3600
FIELD, HEADER = "csrf_token", "X-CSRF-Token"


class ForgedRequest(MarketplaceError):
    """The request does not come from a page of ours, or from one that is too old."""

    code = "form_too_old"
    status = 400


def csrf_token() -> str:
    """The token for a form on the page being made."""
    return _serializer().dumps(_owner())


def protect() -> None:
    """Refuse an unsafe request that a page of ours did not send; ForgedRequest."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise ForgedRequest()
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise ForgedRequest()
    token = request.form.get(FIELD) or request.headers.get(HEADER, "")
    try:
        owner = _serializer().loads(token, max_age=TOKEN_AGE_S)
    except BadData:
        raise ForgedRequest() from None
    if owner != _owner():
        raise ForgedRequest()


def _owner() -> str:
    """Whose page it is: nothing of a visitor's, else a digest of the sign-in, whose own token stays in the cookie."""
    sign_in = session.get("_user_id", "")
    return hashlib.blake2s(sign_in.encode(), digest_size=8).hexdigest() if sign_in else ""


def _serializer() -> URLSafeTimedSerializer:
    serializer: URLSafeTimedSerializer = current_app.extensions["csrf"]
    return serializer


def init(app: Flask) -> None:
    keys = [*app.config["SECRET_KEY_FALLBACKS"], app.config["SECRET_KEY"]]
    app.extensions["csrf"] = URLSafeTimedSerializer(keys, salt="csrf")
    app.add_template_global(csrf_token)
