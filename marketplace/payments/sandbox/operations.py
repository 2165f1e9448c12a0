"""What each call of the v2 API goes through: its key, one turn for each idempotency key, one transaction."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from flask import Response, current_app, request

from marketplace.payments.sandbox import bodies, faults, idempotency, lifecycle, payments, shapes
from marketplace.payments.sandbox.refusals import ApiRefusal, unprocessable
from marketplace.payments.sandbox.server_state import ServerState, state_of

API_PREFIX = "/v2"
HAL = "application/hal+json"
LIST_LIMIT = 50
LIST_LIMIT_MAXIMUM = 250

#: What a request may say; the rest is ignored as Mollie ignores it, and logged.
KNOWN_MEMBERS = frozenset(
    {
        *("amount", "routing", "method", "profileId", "testmode", "sequenceType", *payments.KEPT),
        *("destination", "reverseRouting", "routingReversals"),
    }
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call, with the book open for it."""

    db: sqlite3.Connection
    profile: shapes.Profile
    body: bodies.Body
    links: shapes.Links
    time_factor: float

    def payment(self, payment_id: str) -> payments.Payment:
        return payments.get(self.db, payment_id, self.profile.id)

    def show(self, payment: payments.Payment) -> shapes.Json:
        return shapes.payment(payment, payments.standing_of(self.db, payment), self.links)


#: What a view gives: status and JSON (None for an empty answer).
Answer = tuple[int, shapes.Json | None]


def operation(view: Callable[..., Answer]) -> Callable[..., Response]:
    """The view as an API operation: what it did and what it answered are kept together, or neither."""

    @wraps(view)
    def run(**ids: str) -> Response:
        state = state_of(current_app)
        fault = state.faults.take(request.method, request.path)
        api_key, profile = _authenticate(state)
        idempotency_key = request.headers.get("Idempotency-Key", "") if request.method == "POST" else ""
        with state.turns.take(api_key, idempotency_key):
            spoiled = faults.spoils_before(fault) if fault else None
            if spoiled is not None:
                return spoiled
            response = _perform(state, view, api_key, profile, idempotency_key, ids)
            state.deliverer.wake()
            return faults.spoils_after(fault, request, response) if fault else response

    return run


def _perform(
    state: ServerState,
    view: Callable[..., Answer],
    api_key: str,
    profile: shapes.Profile,
    idempotency_key: str,
    ids: dict[str, str],
) -> Response:
    body = bodies.read_json(request.get_data())
    unknown = sorted(body.keys() - KNOWN_MEMBERS)
    if unknown:
        log.warning("%s %s: ignored members %s", request.method, request.path, ", ".join(unknown))
    fingerprint = idempotency.fingerprint_of(request.method, request.path, body)
    with state.book.transaction() as db:
        lifecycle.catch_up(db, state.time_factor)
        if idempotency_key:
            former = idempotency.recall(db, api_key, idempotency_key, fingerprint)
            if former is not None:
                replay = Response(former[1], status=former[0], content_type=HAL)
                replay.headers["Idempotent-Replayed"] = "true"
                return replay
        status, answer = view(Call(db, profile, body, links_of(state), state.time_factor), **ids)
        text = "" if answer is None else json.dumps(answer)
        if idempotency_key:
            idempotency.remember(db, api_key, idempotency_key, fingerprint, status, text)
    return Response(text, status=status, content_type=HAL)


def _authenticate(state: ServerState) -> tuple[str, shapes.Profile]:
    scheme, _, api_key = request.headers.get("Authorization", "").partition(" ")
    profile = state.profiles.get(api_key) if scheme.lower() == "bearer" else None
    if profile is None:
        raise ApiRefusal(401, "This key is unknown here.")
    return api_key, profile


def links_of(state: ServerState) -> shapes.Links:
    called = request.host_url.rstrip("/")
    return shapes.Links(api=called, public=state.public_url or called)


def page_limit() -> int:
    written = request.args.get("limit", str(LIST_LIMIT))
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:4]) <= LIST_LIMIT_MAXIMUM):
        raise ApiRefusal(400, f"limit is a number from 1 to {LIST_LIMIT_MAXIMUM}.", "limit")
    return int(written)


def window(ids: list[str], path: str) -> tuple[frozenset[str], str | None]:
    """Which of `ids` (newest first) the asked-for page shows, and the path of the next one."""
    limit = page_limit()
    start = 0
    if "from" in request.args:
        if request.args["from"] not in ids:
            raise unprocessable("from", "The list has no such item.")
        start = ids.index(request.args["from"])
    rest = ids[start:]
    next_path = f"{path}?from={rest[limit]}&limit={limit}" if len(rest) > limit else None
    return frozenset(rest[:limit]), next_path
