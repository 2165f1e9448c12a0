"""When something cannot be done: the right status, a sentence, and what to do next."""

from __future__ import annotations

import logging
import secrets

from flask import Flask, Response, g, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from marketplace.errors import GatewayError, MarketplaceError
from marketplace.web.sentences import sentence

log = logging.getLogger(__name__)

#: Statuses that have a page of their own (templates/marketplace/errors/<status>.html).
PAGES = frozenset({400, 403, 404, 405, 410, 413, 422, 429, 500, 503})


def wants_problem() -> bool:
    """The JSON API answers in problem details (RFC 9457), everything else in pages."""
    return request.path.startswith("/api/")


def refuse(status: int, code: str, said: str, **extra: object) -> Response:
    """The answer to a refusal: a page, or problem details for the API."""
    if wants_problem():
        body = {"type": f"urn:marche-commun:{code}", "title": said, "status": status, **extra}
        response = make_response(body, status)
        response.mimetype = "application/problem+json"
        return response
    page = status if status in PAGES else 500 if status >= 500 else 400
    return make_response(
        render_template(f"marketplace/errors/{page}.html", said=said, incident=extra.get("incident")), status
    )


def _refusal(error: MarketplaceError) -> ResponseReturnValue:
    return refuse(error.status, error.code, sentence(error.code, **error.details))


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or error.code is None or error.code < 400:
        return error
    response = refuse(error.code, f"http_{error.code}", sentence(f"http_{error.code}"))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _outside(error: GatewayError) -> ResponseReturnValue:
    log.warning("outside trouble on %s: %s", request.path, error)
    return _later()


def _busy(error: Exception) -> ResponseReturnValue:
    log.warning("the database did not answer in time on %s: %s", request.path, error)
    return _later()


def _later() -> Response:
    response = refuse(503, "busy", sentence("busy"))
    response.headers["Retry-After"] = "5"
    return response


def _crash(error: Exception) -> ResponseReturnValue:
    """Ours: said without details, with a number that the log knows too (I20)."""
    g.incident = secrets.token_hex(4)
    log.exception("incident %s on %s %s", g.incident, request.method, request.path)
    return refuse(500, "http_500", sentence("http_500"), incident=g.incident)


def init(app: Flask) -> None:
    app.register_error_handler(MarketplaceError, _refusal)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(GatewayError, _outside)
    app.register_error_handler(OperationalError, _busy)
    app.register_error_handler(PoolTimeout, _busy)
    app.register_error_handler(Exception, _crash)
