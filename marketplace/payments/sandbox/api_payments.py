"""The v2 API: payments and their routes."""

from __future__ import annotations

from flask import Blueprint, request

from marketplace.payments.sandbox import payments, refunds, routes, shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation, page_limit
from marketplace.payments.sandbox.refusals import ApiRefusal

api_payments = Blueprint("api_payments", __name__, url_prefix=API_PREFIX)


@api_payments.post("/payments")
@operation
def create_payment(call: Call) -> Answer:
    return 201, call.show(payments.create(call.db, call.profile.id, call.body))


@api_payments.get("/payments")
@operation
def list_payments(call: Call) -> Answer:
    limit = page_limit()
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


@api_payments.get("/payments/<payment_id>")
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


@api_payments.patch("/payments/<payment_id>")
@operation
def change_payment(call: Call, payment_id: str) -> Answer:
    return 200, call.show(payments.change(call.db, call.payment(payment_id), call.body))


@api_payments.delete("/payments/<payment_id>")
@operation
def cancel_payment(call: Call, payment_id: str) -> Answer:
    return 200, call.show(payments.cancel(call.db, call.payment(payment_id)))


@api_payments.post("/payments/<payment_id>/routes")
@operation
def create_route(call: Call, payment_id: str) -> Answer:
    payment = call.payment(payment_id)
    route = routes.create(call.db, payment, call.body)
    return 201, shapes.route(route, payment.currency, call.links)


@api_payments.get("/payments/<payment_id>/routes")
@operation
def list_routes(call: Call, payment_id: str) -> Answer:
    payment = call.payment(payment_id)
    shown = [shapes.route(r, payment.currency, call.links) for r in routes.of_payment(call.db, payment)]
    path = f"payments/{payment_id}/routes"
    return 200, shapes.whole_list("routes", shown, call.links, path, "list-payment-routes")


@api_payments.get("/payments/<payment_id>/routes/<route_id>")
@operation
def get_route(call: Call, payment_id: str, route_id: str) -> Answer:
    payment = call.payment(payment_id)
    return 200, shapes.route(routes.get(call.db, payment, route_id), payment.currency, call.links)
