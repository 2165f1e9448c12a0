"""The v2 API: authentication, one turn for each idempotency key, one transaction for each call."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from flask import Blueprint, Response, current_app, request

from marketplace.payments.sandbox import bodies, faults, idempotency, lifecycle, payments, refunds, routes, shapes
from marketplace.payments.sandbox.refusals import ApiRefusal, no_such, unprocessable
from marketplace.payments.sandbox.server_state import ServerState, state_of

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
api = Blueprint("api", __name__, url_prefix="/v2")


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


@api.post("/payments")
@operation
def create_payment(call: Call) -> Answer:
    return 201, call.show(payments.create(call.db, call.profile.id, call.body))


@api.get("/payments")
@operation
def list_payments(call: Call) -> Answer:
    limit = _limit()
    sort = request.args.get("sort", "desc")
    if sort not in ("asc", "desc"):
        raise ApiRefusal(400, "sort is asc or desc.", "sort")
    found = payments.page(
        call.db,
        call.profile.id,
        from_id=request.args.get("from"),
        limit=limit + 1,
        oldest_first=sort == "asc",
    )
    next_path = f"payments?from={found[limit].id}&limit={limit}&sort={sort}" if len(found) > limit else None
    shown = [call.show(payment) for payment in found[:limit]]
    path = f"payments?limit={limit}&sort={sort}"
    return 200, shapes.list_page("payments", shown, call.links, path, next_path, "list-payments")


@api.get("/payments/<payment_id>")
@operation
def get_payment(call: Call, payment_id: str) -> Answer:
    payment = call.payment(payment_id)
    shown = call.show(payment)
    embeds = request.args.get("embed", "").split(",")
    if "refunds" in embeds:
        found = refunds.of_payment(call.db, payment)
        shown.setdefault("_embedded", {})["refunds"] = [shapes.refund(r, call.links) for r in found]
    if "chargebacks" in embeds:
        disputes = refunds.chargebacks_of(call.db, payment)
        shown.setdefault("_embedded", {})["chargebacks"] = [shapes.chargeback(c, call.links) for c in disputes]
    return 200, shown


@api.patch("/payments/<payment_id>")
@operation
def change_payment(call: Call, payment_id: str) -> Answer:
    return 200, call.show(payments.change(call.db, call.payment(payment_id), call.body))


@api.delete("/payments/<payment_id>")
@operation
def cancel_payment(call: Call, payment_id: str) -> Answer:
    return 200, call.show(payments.cancel(call.db, call.payment(payment_id)))


@api.post("/payments/<payment_id>/routes")
@operation
def create_route(call: Call, payment_id: str) -> Answer:
    payment = call.payment(payment_id)
    route = routes.create(call.db, payment, call.body)
    return 201, shapes.route(route, payment.currency, call.links)


@api.get("/payments/<payment_id>/routes")
@operation
def list_routes(call: Call, payment_id: str) -> Answer:
    payment = call.payment(payment_id)
    shown = [shapes.route(r, payment.currency, call.links) for r in routes.of_payment(call.db, payment)]
    path = f"payments/{payment_id}/routes"
    return 200, shapes.whole_list("routes", shown, call.links, path, "list-payment-routes")


@api.get("/payments/<payment_id>/routes/<route_id>")
@operation
def get_route(call: Call, payment_id: str, route_id: str) -> Answer:
    payment = call.payment(payment_id)
    return 200, shapes.route(routes.get(call.db, payment, route_id), payment.currency, call.links)


@api.post("/payments/<payment_id>/refunds")
@operation
def create_refund(call: Call, payment_id: str) -> Answer:
    refund = refunds.create(call.db, call.payment(payment_id), call.body, call.time_factor)
    return 201, shapes.refund(refund, call.links)


@api.get("/payments/<payment_id>/refunds")
@operation
def list_refunds(call: Call, payment_id: str) -> Answer:
    found = refunds.of_payment(call.db, call.payment(payment_id))
    return 200, _refunds_page(call, found, f"payments/{payment_id}/refunds", "list-refunds")


@api.get("/payments/<payment_id>/refunds/<refund_id>")
@operation
def get_refund(call: Call, payment_id: str, refund_id: str) -> Answer:
    return 200, shapes.refund(refunds.get(call.db, call.payment(payment_id), refund_id), call.links)


@api.delete("/payments/<payment_id>/refunds/<refund_id>")
@operation
def cancel_refund(call: Call, payment_id: str, refund_id: str) -> Answer:
    refunds.cancel(call.db, call.payment(payment_id), refund_id)
    return 204, None


@api.get("/refunds")
@operation
def list_all_refunds(call: Call) -> Answer:
    found = refunds.of_profile(call.db, call.profile.id)
    return 200, _refunds_page(call, found, "refunds", "list-all-refunds")


def _refunds_page(call: Call, found: list[refunds.Refund], path: str, documentation: str) -> shapes.Json:
    shown, next_path = _window([refund.id for refund in found], path)
    items = [shapes.refund(refund, call.links) for refund in found if refund.id in shown]
    return shapes.list_page("refunds", items, call.links, path, next_path, documentation)


@api.get("/payments/<payment_id>/chargebacks")
@operation
def list_chargebacks(call: Call, payment_id: str) -> Answer:
    found = refunds.chargebacks_of(call.db, call.payment(payment_id))
    return 200, _chargebacks_page(call, found, f"payments/{payment_id}/chargebacks")


@api.get("/payments/<payment_id>/chargebacks/<chargeback_id>")
@operation
def get_chargeback(call: Call, payment_id: str, chargeback_id: str) -> Answer:
    for chargeback in refunds.chargebacks_of(call.db, call.payment(payment_id)):
        if chargeback.id == chargeback_id:
            return 200, shapes.chargeback(chargeback, call.links)
    raise no_such("chargeback", chargeback_id)


@api.get("/chargebacks")
@operation
def list_all_chargebacks(call: Call) -> Answer:
    found = refunds.chargebacks_of_profile(call.db, call.profile.id)
    return 200, _chargebacks_page(call, found, "chargebacks")


def _chargebacks_page(call: Call, found: list[refunds.Chargeback], path: str) -> shapes.Json:
    shown, next_path = _window([chargeback.id for chargeback in found], path)
    items = [shapes.chargeback(c, call.links) for c in found if c.id in shown]
    return shapes.list_page("chargebacks", items, call.links, path, next_path, "list-chargebacks")


@api.get("/methods")
@operation
def list_methods(call: Call) -> Answer:
    shown = [shapes.method(method_id, call.links) for method_id in payments.METHODS]
    return 200, shapes.whole_list("methods", shown, call.links, "methods", "list-methods")


@api.get("/methods/<method_id>")
@operation
def get_method(call: Call, method_id: str) -> Answer:
    if method_id not in payments.METHODS:
        raise no_such("method", method_id)
    return 200, shapes.method(method_id, call.links)


@api.get("/organizations/<organization_id>")
@operation
def get_organization(call: Call, organization_id: str) -> Answer:
    if organization_id not in ("me", call.profile.organization_id):
        raise no_such("organization", organization_id)
    return 200, shapes.organization(call.profile.organization_id, call.profile.name, call.links)


@api.get("/onboarding/me")
@operation
def get_onboarding(call: Call) -> Answer:
    return 200, shapes.onboarding(call.profile, call.links)


@api.get("/profiles/me")
@operation
def get_profile(call: Call) -> Answer:
    return 200, shapes.profile(call.profile, call.links)


def _limit() -> int:
    written = request.args.get("limit", str(LIST_LIMIT))
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:4]) <= LIST_LIMIT_MAXIMUM):
        raise ApiRefusal(400, f"limit is a number from 1 to {LIST_LIMIT_MAXIMUM}.", "limit")
    return int(written)


def _window(ids: list[str], path: str) -> tuple[frozenset[str], str | None]:
    """Which of `ids` (newest first) the asked-for page shows, and the path of the next one."""
    limit = _limit()
    start = 0
    if "from" in request.args:
        if request.args["from"] not in ids:
            raise unprocessable("from", "The list has no such item.")
        start = ids.index(request.args["from"])
    rest = ids[start:]
    next_path = f"{path}?from={rest[limit]}&limit={limit}" if len(rest) > limit else None
    return frozenset(rest[:limit]), next_path
