"""The v2 API: payments and their routes."""

from __future__ import annotations

from flask import Blueprint, current_app, request

from marketplace.payments.sandbox import bodies, payments, refunds, routes, shapes, upfront
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation, page_limit
from marketplace.payments.sandbox.refusals import ApiRefusal, unprocessable
from marketplace.payments.sandbox.server_state import state_of

api_payments = Blueprint("api_payments", __name__, url_prefix=API_PREFIX)


@api_payments.post("/payments")
@operation("payments.write")
def create_payment(call: Call) -> Answer:
    check_webhook(call.body)
    return 201, call.show(payments.create(call.db, profile_of_new_payment(call), call.body))


def profile_of_new_payment(call: Call) -> str:
    """The profile that the payment is for: the key's own; a token says which, and test mode (422 otherwise)."""
    if call.credential.profile is not None:
        return call.credential.profile.id
    if call.body.get("testmode") is not True:
        raise unprocessable("testmode", "The simulator takes no live payments.")
    wanted = call.body.get("profileId")
    if not isinstance(wanted, str) or wanted not in call.profiles:
        raise unprocessable("profileId", "With a token, name one of your profiles.")
    return wanted


def check_webhook(body: bodies.Body) -> None:
    """422 for any webhook when the sandbox was told to be as far away as Mollie is."""
    if body.get("webhookUrl") is not None and not state_of(current_app).allows_loopback_webhooks:
        raise unprocessable("webhookUrl", "This machine cannot be reached from the provider.")


@api_payments.get("/payments")
@operation("payments.read")
def list_payments(call: Call) -> Answer:
    limit = page_limit()
    sort = request.args.get("sort", "desc")
    if sort not in ("asc", "desc"):
        raise ApiRefusal(400, "sort is asc or desc.", "sort")
    found = payments.page(
        call.db,
        call.profiles,
        from_id=request.args.get("from"),
        limit=limit + 1,
        oldest_first=sort == "asc",
    )
    next_path = None
    if len(found) > limit:
        next_path = call.page_path("payments", **{"from": found[limit].id, "limit": limit, "sort": sort})
    shown = [call.show(payment) for payment in found[:limit]]
    path = call.page_path("payments", limit=limit, sort=sort)
    return 200, shapes.list_page("payments", shown, call.links, path, next_path, "list-payments")


@api_payments.get("/payments/<payment_id>")
@operation("payments.read")
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


@api_payments.patch("/payments/<payment_id>")
@operation("payments.write")
def change_payment(call: Call, payment_id: str) -> Answer:
    check_webhook(call.body)
    return 200, call.show(payments.change(call.db, call.payment(payment_id), call.body))


@api_payments.delete("/payments/<payment_id>")
@operation("payments.write")
def cancel_payment(call: Call, payment_id: str) -> Answer:
    return 200, call.show(payments.cancel(call.db, call.payment(payment_id)))


@api_payments.post("/payments/<payment_id>/routes")
@operation("payments.write")
def create_route(call: Call, payment_id: str) -> Answer:
    payment = call.payment(payment_id)
    route = routes.create(call.db, payment, call.body)
    return 201, shapes.route(route, payment.currency, call.links)


@api_payments.get("/payments/<payment_id>/routes")
@operation("payments.read")
def list_routes(call: Call, payment_id: str) -> Answer:
    payment = call.payment(payment_id)
    shown = [shapes.route(r, payment.currency, call.links) for r in routes.of_payment(call.db, payment)]
    path = f"payments/{payment_id}/routes"
    return 200, shapes.whole_list("routes", shown, call.links, path, "list-payment-routes")


@api_payments.get("/payments/<payment_id>/routes/<route_id>")
@operation("payments.read")
def get_route(call: Call, payment_id: str, route_id: str) -> Answer:
    payment = call.payment(payment_id)
    for share in upfront.of_payment(call.db, payment_id):
        if share.id == route_id:
            return 200, shapes.upfront_route(share, payment.currency, call.links)
    return 200, shapes.route(routes.get(call.db, payment, route_id), payment.currency, call.links)
