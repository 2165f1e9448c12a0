"""When something cannot be done: the right status, a sentence, and what to do next."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime
from http import HTTPStatus

from flask import Flask, Response, g, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from marshmallow import Schema, fields
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from marketplace.errors import FieldError, GatewayError, MarketplaceError
from marketplace.language import is_api
from marketplace.money import Money
from marketplace.schemas import FormErrors
from marketplace.web.sentences import sentence

log = logging.getLogger(__name__)

#: Statuses that have a page of their own (templates/marketplace/errors/<status>.html).
PAGES = frozenset({400, 403, 404, 405, 410, 413, 422, 429, 500, 503})


PROBLEM_TYPE = "application/problem+json"


class ProblemShape(Schema):
    """Problem details (RFC 9457), for the API's description."""

    type = fields.String(required=True, metadata={"description": "urn:marche-commun: and the code"})
    title = fields.String(required=True, metadata={"description": "The HTTP status in words"})
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "A sentence for people: what to do next"})
    code = fields.String(required=True, metadata={"description": "The reason, for programs"})
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "Sentences by field; nested fields with dots, the whole body as `body`"},
    )
    details = fields.Dict(keys=fields.String(), metadata={"description": "Figures that belong to the code"})


def problem(status: int, code: str, said: str, **extra: object) -> Response:
    """Problem details: the code for programs, the sentence for people, and whatever else `extra` names."""
    body = {
        "type": f"urn:marche-commun:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": said,
        "code": code,
        **extra,
    }
    response = make_response(jsonify(body), status)
    response.mimetype = PROBLEM_TYPE
    response.vary.add("Accept-Language")
    return response


def refuse(status: int, code: str, said: str, **extra: object) -> Response:
    """The answer to a refusal: a page, or problem details for the API."""
    if is_api(request):
        return problem(status, code, said, **extra)
    page = status if status in PAGES else 500 if status >= 500 else 400
    return make_response(
        render_template(f"marketplace/errors/{page}.html", said=said, incident=extra.get("incident")), status
    )


def _refusal(error: MarketplaceError) -> ResponseReturnValue:
    said = sentence(error.code, **error.details)
    if not is_api(request):
        return refuse(error.status, error.code, said)
    extra: dict[str, object] = {"errors": {error.field: [said]}} if isinstance(error, FieldError) else {}
    if error.details:
        extra["details"] = {name: plain(value) for name, value in error.details.items()}
    return problem(error.status, error.code, said, **extra)


def plain(value: object) -> object:
    """A refusal's detail as JSON has it: cents for money, ISO 8601 for an instant."""
    if isinstance(value, Money):
        return value.cents
    return value.isoformat() if isinstance(value, datetime) else value


def _wrong_fields(error: FormErrors) -> ResponseReturnValue:
    """Views show the form again themselves; what comes here was sent by a program."""
    errors = {field: [sentence(code) for code in codes] for field, codes in error.errors.items()}
    return refuse(422, "wrong_fields", sentence("http_422"), errors=errors)


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or error.code is None or error.code < 400:
        return error
    response = refuse(error.code, f"http_{error.code}", sentence(f"http_{error.code}"))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _outside(error: GatewayError) -> ResponseReturnValue:
    log.warning("outside trouble on %s: %s", _where(), error)
    return _later()


def _busy(error: Exception) -> ResponseReturnValue:
    log.warning("the database did not answer in time on %s: %s", _where(), error)
    return _later()


def _where() -> str:
    """The page as its address is built, for the log: what stands in the address may open somebody's order (S54)."""
    return f"{request.method} {request.url_rule or 'no page of ours'}"


def _later() -> Response:
    response = refuse(503, "busy", sentence("busy"))
    response.headers["Retry-After"] = "5"
    return response


def _crash(error: Exception) -> ResponseReturnValue:
    """Ours: said without details, with a number that the log knows too (I20)."""
    g.incident = secrets.token_hex(4)
    log.exception("incident %s on %s", g.incident, _where())
    return refuse(500, "http_500", sentence("http_500"), incident=g.incident)


def init(app: Flask) -> None:
    app.register_error_handler(MarketplaceError, _refusal)
    app.register_error_handler(FormErrors, _wrong_fields)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(GatewayError, _outside)
    app.register_error_handler(OperationalError, _busy)
    app.register_error_handler(PoolTimeout, _busy)
    app.register_error_handler(Exception, _crash)
