"""What each call of the v2 API goes through: its credential, one turn for each idempotency key, one transaction."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from urllib.parse import urlencode

from flask import Response, current_app, request

from marketplace.payments.sandbox import bodies, credentials, faults, idempotency, lifecycle, payments, shapes, upfront
from marketplace.payments.sandbox.credentials import Credential
from marketplace.payments.sandbox.refusals import ApiRefusal, no_such, unprocessable
from marketplace.payments.sandbox.server_state import ServerState, state_of

API_PREFIX = "/v2"
HAL = "application/hal+json"
LIST_LIMIT = 50
LIST_LIMIT_MAXIMUM = 250

#: What a request may say; the rest is ignored as Mollie ignores it, and logged.
KNOWN_MEMBERS = frozenset(
    {
        *("amount", "routing", "method", "profileId", "testmode", "sequenceType", *payments.KEPT),
        *("destination", "reverseRouting", "routingReversals", "source", "category"),
    }
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call, with the book open for it.

    `profiles` are those whose test payments it sees: the key's own one; with a token all of its organisation, or
    those that the call names, but none in live mode, where the sandbox has nothing: unless `is_test`.
    """

    db: sqlite3.Connection
    credential: Credential
    profiles: frozenset[str]
    is_test: bool
    body: bodies.Body
    links: shapes.Links
    time_factor: float

    @property
    def organization_id(self) -> str:
        return self.credential.organization_id

    def payment(self, payment_id: str) -> payments.Payment:
        return payments.get(self.db, payment_id, self.profiles)

    def show(self, payment: payments.Payment) -> shapes.Json:
        shares = upfront.of_payment(self.db, payment.id)
        return shapes.payment(payment, payments.standing_of(self.db, payment), shares, self.links)

    def page_path(self, path: str, **query: object) -> str:
        """The path of another page of a list, which the same caller can follow."""
        if self.credential.is_token and self.is_test:
            query["testmode"] = "true"
        return f"{path}?{urlencode(query)}"


#: What a view gives: status and JSON (None for an empty answer).
Answer = tuple[int, shapes.Json | None]
View = Callable[..., Answer]


def operation(scope: str | None, *, keys: bool = True) -> Callable[[View], Callable[..., Response]]:
    """The view as an API operation: what it did and what it answered are kept together, or neither.

    A token needs `scope` (None: any token will do); an API key is refused unless `keys`. Both refusals are 403.
    """

    def decorate(view: View) -> Callable[..., Response]:
        @wraps(view)
        def run(**ids: str) -> Response:
            state = state_of(current_app)
            fault = state.faults.take(request.method, request.path)
            credential = authenticate(state)
            _check_rights(credential, scope, keys=keys)
            idempotency_key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
            with state.turns.take(credential.secret, idempotency_key):
                spoiled = faults.spoils_before(fault) if fault else None
                if spoiled is not None:
                    return spoiled
                response = _perform(state, view, credential, idempotency_key, ids)
                state.deliverer.wake()
                if fault:
                    response = faults.spoils_answer(fault, response)
            if fault:
                faults.cuts_line(fault, request)
            return response

        return run

    return decorate


def _perform(
    state: ServerState, view: View, credential: Credential, idempotency_key: str, ids: dict[str, str]
) -> Response:
    body = bodies.read_json(request.get_data())
    unknown = sorted(body.keys() - KNOWN_MEMBERS)
    if unknown:
        log.warning("%s %s: ignored members %s", request.method, request.path, ", ".join(unknown))
    fingerprint = idempotency.fingerprint_of(request.method, request.path, body)
    with state.book.transaction() as db:
        lifecycle.catch_up(db, state.time_factor)
        if idempotency_key:
            former = idempotency.recall(db, credential.secret, idempotency_key, fingerprint)
            if former is not None:
                replay = Response(former[1], status=former[0], content_type=HAL)
                replay.headers["Idempotent-Replayed"] = "true"
                return replay
        is_test = not credential.is_token or body.get("testmode") is True or request.args.get("testmode") == "true"
        profiles = _visible_profiles(db, credential, body) if is_test else frozenset()
        call = Call(db, credential, profiles, is_test, body, links_of(state), state.time_factor)
        status, answer = view(call, **ids)
        text = "" if answer is None else json.dumps(answer)
        if idempotency_key:
            idempotency.remember(db, credential.secret, idempotency_key, fingerprint, status, text)
    return Response(text, status=status, content_type=HAL)


def authenticate(state: ServerState) -> Credential:
    """Whose call this is; 401 when nobody knows."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    credential = None
    if scheme.lower() == "bearer":
        credential = credentials.of_key(state.profiles, secret)
        if credential is None:
            with state.book.transaction() as db:
                credential = credentials.of_token(db, secret)
    if credential is None:
        raise ApiRefusal(401, "This key is unknown here, or it was revoked.")
    return credential


def _check_rights(credential: Credential, scope: str | None, *, keys: bool) -> None:
    if not credential.is_token:
        if not keys:
            raise ApiRefusal(403, "An API key opens no data of the organisation; use an access token.")
    elif scope is not None and scope not in credential.scopes:
        raise ApiRefusal(403, f"The token lacks the scope {scope}.")


def _visible_profiles(db: sqlite3.Connection, credential: Credential, body: bodies.Body) -> frozenset[str]:
    if credential.profile is not None:
        for member in ("testmode", "profileId"):
            if member in body or member in request.args:
                raise unprocessable(member, f"With an API key there is no {member}: the key says it.")
        return frozenset({credential.profile.id})
    owned = frozenset(profile.id for profile in credentials.profiles_of(db, credential.organization_id))
    named = request.args.get("profileId")
    if named is None:
        return owned
    if named not in owned:
        raise no_such("profile", named)
    return frozenset({named})


def links_of(state: ServerState) -> shapes.Links:
    called = request.host_url.rstrip("/")
    return shapes.Links(api=called, public=state.public_url or called)


def page_limit() -> int:
    written = request.args.get("limit", str(LIST_LIMIT))
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:4]) <= LIST_LIMIT_MAXIMUM):
        raise ApiRefusal(400, f"limit is a number from 1 to {LIST_LIMIT_MAXIMUM}.", "limit")
    return int(written)


def window(call: Call, ids: list[str], path: str) -> tuple[frozenset[str], str | None]:
    """Which of `ids` (newest first) the asked-for page shows, and the path of the next one."""
    limit = page_limit()
    start = 0
    if "from" in request.args:
        if request.args["from"] not in ids:
            raise unprocessable("from", "The list has no such item.")
        start = ids.index(request.args["from"])
    rest = ids[start:]
    next_path = call.page_path(path, **{"from": rest[limit], "limit": limit}) if len(rest) > limit else None
    return frozenset(rest[:limit]), next_path
