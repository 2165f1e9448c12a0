"""The root of the JSON API: /api/v1, its own description, strict reading, and no cookie at all.

What goes wrong is answered by `failures` as problem details (RFC 9457). The packages bring their views as
`ApiBlueprint`s and hang them in with `register`.
"""

from __future__ import annotations

import http
import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urljoin

import marshmallow as ma
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Blueprint as FlaskBlueprint
from flask import Flask, Request, Response, current_app, jsonify, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from flask_smorest import Api, Blueprint
from flask_smorest.utils import prepare_response
from marshmallow import fields
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from marketplace.errors import MarketplaceError
from marketplace.language import is_api
from marketplace.schemas import (
    CentsField,
    ChoiceField,
    CountField,
    FlagField,
    FormErrors,
    IdField,
    PostcodeField,
    TextField,
    flat,
)
from marketplace.settings import Settings
from marketplace.web.access import everyone, open_to
from marketplace.web.failures import PROBLEM_TYPE, ProblemShape

PREFIX = "/api/v1"
#: The largest body of the API is an order of a few hundred signs.
BODY_BYTES_MOST = 64 * 1024
EXTENSION = "json_api"
#: The security scheme of what opens to a token that somebody was given.
BEARER = "token"

DESCRIPTION = """\
Everything a resident can do on the pages: look around, fill one basket from many shops, order once, pay once.
Lists answer `items` and `next`, the address of the following part or null. Money is whole cents of euros in fields
that end in `_cents`; instants are ISO 8601 with their offset. Bodies are JSON objects; unknown fields and query
parameters are refused. Whatever goes wrong is answered as problem details (RFC 9457) with a `code`, and for 422 with
`errors`: sentences by field, in French, or in English where `Accept-Language` prefers it. The API reads and sets no
cookie. Too many writing requests from one address are answered 429 with `Retry-After`.
"""


class MalformedJson(MarketplaceError):
    """The body is not JSON."""

    code = "malformed_json"
    status = 400


class StrictParser(FlaskParser):
    """Reads bodies and queries for one of our schemas; FormErrors names every wrong field by its path.

    415 for a body of another type, 400 for one that is not JSON, 413 for one too large. No body counts as {}.
    """

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012  # the library's own attribute
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "json": ma.RAISE,
        "query": ma.RAISE,
    }

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        req.max_content_length = BODY_BYTES_MOST
        body = req.get_data(cache=True)
        if not body:
            return {}
        if not req.is_json:
            raise UnsupportedMediaType()
        try:
            return json.loads(body, parse_constant=_refuse_constant)
        # ValueError: not JSON, not Unicode, or a number of thousands of digits. RecursionError: a tower of brackets.
        except (ValueError, RecursionError):
            raise MalformedJson() from None

    def handle_error(
        self,
        error: ma.ValidationError,
        req: Request,
        schema: ma.Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        (messages,) = error.normalized_messages().values()
        # marshmallow's word for an object as a whole; a nested one is named by the field that holds it.
        errors = {name.removesuffix("._schema"): codes for name, codes in flat(messages).items()}
        if "_schema" in errors:
            errors["body"] = errors.pop("_schema")
        raise FormErrors(errors, {})


def _refuse_constant(name: str) -> NoReturn:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(f"not JSON: {name}")


class ApiBlueprint(Blueprint):
    """A package's part of the API."""

    ARGUMENTS_PARSER = StrictParser()


class JsonApi(Api):
    """flask-smorest, with our problem details in the place of its own errors."""

    #: Where the town's pages are in production; elsewhere whichever host answers.
    own_url: str | None = None

    def _register_error_handlers(self) -> None:
        """`failures` answers them all."""

    def _register_responses(self) -> None:
        names = [(status.name, status.phrase) for status in http.HTTPStatus if status >= 400]
        for name, description in (*names, (self.DEFAULT_ERROR_RESPONSE_NAME, "What went wrong")):
            response = {"description": description, "schema": ProblemShape}
            prepare_response(response, self.spec, PROBLEM_TYPE)
            self.spec.components.response(name, response, lazy=True)


class PagesOnlySessions(SecureCookieSessionInterface):
    """Sessions for pages. The API has none: whatever cookie a caller sends is not read, and none is ever set."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return SecureCookieSession() if is_api(request) else super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if not is_api(request):
            super().save_session(app, session, response)


def absolute(address: str) -> str:
    """An address of ours as a client at another place can follow it.

    In production on the town's own host, whatever the request claims (S28); elsewhere on the one that answers.
    """
    api: JsonApi = current_app.extensions[EXTENSION]
    return urljoin(api.own_url or request.host_url, address)


def register(app: Flask, blueprint: ApiBlueprint) -> None:
    """Hang a package's part in, and describe it."""
    api: JsonApi = app.extensions[EXTENSION]
    api.register_blueprint(blueprint, url_prefix=PREFIX)


description = FlaskBlueprint("api", __name__, url_prefix=PREFIX)


@description.get("/openapi.json")
@open_to(everyone, csrf=False)
def openapi() -> ResponseReturnValue:
    """The API's description of itself."""
    api: JsonApi = current_app.extensions[EXTENSION]
    return jsonify(api.spec.to_dict())


def _limits_of(converter: OpenAPIConverter, field: fields.Field[Any], **_: object) -> dict[str, Any]:
    """What our own fields check, in JSON Schema's words."""
    limits: dict[str, Any] = {}
    if isinstance(field, PostcodeField):
        return {"pattern": "^[0-9]{5}$" if field.required else "^([0-9]{5})?$"}
    if isinstance(field, IdField):
        return {"minimum": 1, "maximum": field.HIGHEST}
    if isinstance(field, TextField):
        limits = {"maxLength": field.max_length}
        if field.required:
            limits["minLength"] = 1
    if isinstance(field, ChoiceField):
        limits = {"enum": list(field.choices)}
    if isinstance(field, CountField):
        limits = {"minimum": field.low, "maximum": field.high}
    return limits


def init(app: Flask, settings: Settings) -> None:
    """The API's root; call it before any package registers its part."""
    app.session_interface = PagesOnlySessions()
    assert isinstance(app.json, DefaultJSONProvider)
    app.json.sort_keys = False  # people read answers too: a product begins with its id and name
    api = JsonApi(
        app,
        spec_kwargs={
            "title": "Marché commun",
            "version": "1",
            "openapi_version": "3.1.0",
            "info": {"description": DESCRIPTION, "license": {"name": "AGPL-3.0-or-later"}},
        },
    )
    for field, type_ in ((TextField, "string"), (CountField, "integer"), (IdField, "integer"), (CentsField, "integer")):
        api.register_field(field, type_, None)
    api.register_field(FlagField, "boolean", None)
    api.ma_plugin.converter.add_attribute_function(_limits_of)
    api.spec.components.security_scheme(BEARER, {"type": "http", "scheme": "bearer"})
    api.own_url = settings.site_url if settings.production else None
    app.extensions[EXTENSION] = api
    app.register_blueprint(description)
