"""The handles for tests and for the demo: act as the payer, the bank or the clock, and read the book."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict

from flask import Blueprint, Response, current_app, jsonify, request

from marketplace.payments.sandbox import (
    bodies,
    credentials,
    lifecycle,
    organizations,
    payments,
    refunds,
    routes,
    settlements,
    upfront,
)
from marketplace.payments.sandbox.book import advance_clock, now_in
from marketplace.payments.sandbox.postings import Fee, set_fee
from marketplace.payments.sandbox.refusals import ApiRefusal, no_such, unprocessable
from marketplace.payments.sandbox.server_state import state_of
from marketplace.payments.sandbox.shapes import instant

controls = Blueprint("controls", __name__, url_prefix="/_sandbox")

#: Longer than a year and a half of Mollie's terms at once is a mistake.
ADVANCE_MAXIMUM_S = 500 * 24 * 3600


@controls.before_request
def refuse_other_sites() -> None:
    """403 to a page of another site: browsers say so, programs do not send the header."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise ApiRefusal(403, "The controls are not for other sites' pages.")


@controls.post("/organizations")
def register_organization() -> Response:
    """Connect an organisation, or change a connected one: {id?, name, canReceivePayments?}."""
    organization = organizations.read(bodies.read_json(request.get_data()))
    with state_of(current_app).book.transaction() as db:
        organizations.connect(db, organization)
    return jsonify(organization.as_json())


@controls.post("/access-tokens")
def issue_access_token() -> Response:
    """{"token", "scopes"?}: a token of the first key's organisation, for everything unless `scopes` says less."""
    body = bodies.read_json(request.get_data())
    token, scopes = body.get("token"), body.get("scopes", sorted(credentials.SCOPES))
    if not isinstance(token, str):
        raise unprocessable("token", "As in 'access_sandbox'.")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise unprocessable("scopes", "A list.")
    state = state_of(current_app)
    organization_id = next(iter(state.profiles.values())).organization_id
    with state.book.transaction() as db:
        credentials.issue(db, token, organization_id, scopes)
        profiles = [profile.id for profile in credentials.profiles_of(db, organization_id)]
    return jsonify(token=token, organizationId=organization_id, profiles=profiles, scopes=sorted(scopes))


@controls.delete("/access-tokens/<token>")
def revoke_access_token(token: str) -> Response:
    """The organisation takes its token back."""
    with state_of(current_app).book.transaction() as db:
        if not credentials.revoke(db, token):
            raise no_such("access token", token)
    return jsonify(token=token)


@controls.post("/fee")
def change_fee() -> Response:
    """{"basisPoints", "fixedCents", "refundCents"?, "chargebackCents"?}: what the provider keeps from now on."""
    body = bodies.read_json(request.get_data())
    basis_points, fixed_cents = body.get("basisPoints"), body.get("fixedCents")
    later = {name: body.get(name, 0) for name in ("refundCents", "chargebackCents")}
    if type(basis_points) is not int or not 0 <= basis_points <= 10_000:
        raise unprocessable("basisPoints", "From 0 to 10000.")
    if type(fixed_cents) is not int or fixed_cents < 0:
        raise unprocessable("fixedCents", "From 0.")
    for name, cents in later.items():
        if type(cents) is not int or cents < 0:
            raise unprocessable(name, "From 0.")
    with state_of(current_app).book.transaction() as db:
        set_fee(db, Fee(basis_points, fixed_cents, later["refundCents"], later["chargebackCents"]))
    return jsonify(basisPoints=basis_points, fixedCents=fixed_cents, **later)


@controls.post("/settlements")
def pay_out() -> Response:
    """{"organizationId"?}: the provider pays out what is available; to the first key's organisation by default."""
    state = state_of(current_app)
    platform_id = next(iter(state.profiles.values())).organization_id
    organization_id = bodies.read_json(request.get_data()).get("organizationId", platform_id)
    if not isinstance(organization_id, str):
        raise unprocessable("organizationId", "As in 'org_1234567'.")
    with state.book.transaction() as db:
        lifecycle.catch_up(db, state.time_factor)
        settlement_id = settlements.pay_out(db, organization_id)
    return jsonify(id=settlement_id)


@controls.post("/clock")
def move_clock() -> Response:
    """{"advance_seconds": N}: time passes, with all that it does; the new time."""
    seconds = bodies.read_json(request.get_data()).get("advance_seconds", -1)
    if type(seconds) not in (int, float) or not 0 <= seconds <= ADVANCE_MAXIMUM_S:
        raise unprocessable("advance_seconds", f"From 0 to {ADVANCE_MAXIMUM_S}.")
    state = state_of(current_app)
    with state.book.transaction() as db:
        advance_clock(db, seconds)
        lifecycle.catch_up(db, state.time_factor)
        now = now_in(db)
    state.deliverer.wake()
    return jsonify(now=instant(now))


@controls.post("/faults")
def plan_fault() -> Response:
    """{"match", "action", "seconds"?, "status"?, "done"?, "times"?}: the next such calls go wrong."""
    fault = state_of(current_app).faults.plan(bodies.read_json(request.get_data()))
    return jsonify(asdict(fault))


@controls.get("/faults")
def show_faults() -> Response:
    """What is planned and has not happened yet: a call that waits in its trouble is no longer among it."""
    return jsonify([asdict(fault) for fault in state_of(current_app).faults.planned()])


@controls.delete("/faults")
def clear_faults() -> Response:
    state_of(current_app).faults.clear()
    return jsonify({})


@controls.post("/payments/<payment_id>/<any(paid, failed, canceled, expired):outcome>")
def conclude(payment_id: str, outcome: str) -> Response:
    """As if the payer had chosen; 409 when the payment ended before. `?notify=false` loses the notification."""
    state = state_of(current_app)
    with state.book.transaction() as db:
        lifecycle.catch_up(db, state.time_factor)
        payment = _find_payment(db, payment_id)
        notify = request.args.get("notify") != "false"
        if not payments.conclude(db, payment, outcome, notify=notify):
            raise ApiRefusal(409, f"The payment is {payment.status}.")
    state.deliverer.wake()
    return jsonify(id=payment_id, status=outcome)


@controls.post("/payments/<payment_id>/chargeback")
def charge_back(payment_id: str) -> Response:
    """The payer's bank takes {"amount": {...}} back."""
    body = bodies.read_json(request.get_data())
    state = state_of(current_app)
    with state.book.transaction() as db:
        payment = _find_payment(db, payment_id)
        _, amount_cents = bodies.read_amount(body.get("amount"), currency=payment.currency)
        chargeback_id = refunds.charge_back(db, payment, amount_cents)
    state.deliverer.wake()
    return jsonify(id=chargeback_id)


@controls.post("/chargebacks/<chargeback_id>/reverse")
def reverse_chargeback(chargeback_id: str) -> Response:
    """The dispute is won."""
    state = state_of(current_app)
    with state.book.transaction() as db:
        if not refunds.reverse_chargeback(db, chargeback_id):
            raise no_such("open chargeback", chargeback_id)
    state.deliverer.wake()
    return jsonify(id=chargeback_id)


@controls.post("/refunds/<refund_id>/fail")
def fail_refund(refund_id: str) -> Response:
    """The payer's bank sends the refund back."""
    state = state_of(current_app)
    with state.book.transaction() as db:
        if not refunds.fail(db, refund_id):
            raise no_such("refund under way", refund_id)
    state.deliverer.wake()
    return jsonify(id=refund_id)


@controls.post("/webhooks/flush")
def flush_webhooks() -> Response:
    """Every call-back that is due has been made when this answers."""
    if not state_of(current_app).deliverer.flush():
        raise ApiRefusal(503, "Some call-backs are still under way.")
    return jsonify({})


@controls.get("/book")
def show_book() -> Response:
    """Everything in the book, in cents, for those who compare it with a ledger."""
    state = state_of(current_app)
    with state.book.transaction() as db:
        lifecycle.catch_up(db, state.time_factor)
        return jsonify(
            now=instant(now_in(db)),
            profiles=[_profile(db, profile_id) for profile_id in sorted(p.id for p in state.profiles.values())],
            organizations=_rows(
                db,
                "SELECT o.id, o.name, o.can_receive_payments,"
                " (SELECT coalesce(sum(amount_cents), 0) FROM balance_transactions WHERE organization_id = o.id)"
                " AS balance_cents,"
                " (SELECT coalesce(sum(held_cents), 0) FROM balance_transactions WHERE organization_id = o.id)"
                " AS held_cents"
                " FROM organizations o ORDER BY o.id",
            ),
            webhooks=_rows(
                db,
                "SELECT payment_id, url, cause, tries_qty, last_answer, delivered, next_at"
                " FROM webhooks ORDER BY position",
            ),
            unknown_calls=_rows(db, "SELECT call, calls_qty FROM unknown_calls ORDER BY call"),
        )


def _profile(db: sqlite3.Connection, profile_id: str) -> dict[str, object]:
    found = payments.all_of(db, profile_id)
    currencies = sorted({payment.currency for payment in found} | {"EUR"})
    return {
        "id": profile_id,
        "balances_cents": {c: refunds.platform_balance_cents(db, profile_id, c) for c in currencies},
        "payments": [_payment(db, payment) for payment in found],
    }


def _payment(db: sqlite3.Connection, payment: payments.Payment) -> dict[str, object]:
    return {
        "id": payment.id,
        "status": payment.status,
        "currency": payment.currency,
        **asdict(payments.standing_of(db, payment)),
        "metadata": payment.request.get("metadata"),
        "created_at": instant(payment.created_at),
        "ended_at": instant(payment.ended_at) if payment.ended_at else None,
        "routes": [
            *(_route(share, "") for share in upfront.of_payment(db, payment.id)),
            *(_route(route, route.description) for route in routes.of_payment(db, payment)),
        ],
        "refunds": [
            {
                "id": refund.id,
                "status": refund.status,
                "amount_cents": refund.amount_cents,
                "metadata": refund.metadata,
                "reversals_cents": dict(refund.reversals),
            }
            for refund in refunds.of_payment(db, payment)
        ],
        "chargebacks": [
            {"id": c.id, "amount_cents": c.amount_cents, "is_reversed": c.reversed_at is not None}
            for c in refunds.chargebacks_of(db, payment)
        ],
    }


def _route(route: routes.Route | upfront.UpfrontRoute, description: str) -> dict[str, object]:
    return {
        "id": route.id,
        "organization_id": route.organization_id,
        "amount_cents": route.amount_cents,
        "description": description,
    }


def _rows(db: sqlite3.Connection, query: str) -> list[dict[str, object]]:
    return [dict(row) for row in db.execute(query)]


def _find_payment(db: sqlite3.Connection, payment_id: str) -> payments.Payment:
    payment = payments.find(db, payment_id)
    if payment is None:
        raise no_such("payment", payment_id)
    return payment
