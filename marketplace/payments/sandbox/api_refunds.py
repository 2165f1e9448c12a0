"""The v2 API: refunds and chargebacks."""

from __future__ import annotations

from flask import Blueprint

from marketplace.payments.sandbox import refunds, shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation, window
from marketplace.payments.sandbox.refusals import no_such

api_refunds = Blueprint("api_refunds", __name__, url_prefix=API_PREFIX)


@api_refunds.post("/payments/<payment_id>/refunds")
@operation("refunds.write")
def create_refund(call: Call, payment_id: str) -> Answer:
    refund = refunds.create(call.db, call.payment(payment_id), call.body, call.time_factor)
    return 201, shapes.refund(refund, call.links)


@api_refunds.get("/payments/<payment_id>/refunds")
@operation("refunds.read")
def list_refunds(call: Call, payment_id: str) -> Answer:
    found = refunds.of_payment(call.db, call.payment(payment_id))
    return 200, _refunds_page(call, found, f"payments/{payment_id}/refunds", "list-refunds")


@api_refunds.get("/payments/<payment_id>/refunds/<refund_id>")
@operation("refunds.read")
def get_refund(call: Call, payment_id: str, refund_id: str) -> Answer:
    return 200, shapes.refund(refunds.get(call.db, call.payment(payment_id), refund_id), call.links)


@api_refunds.delete("/payments/<payment_id>/refunds/<refund_id>")
@operation("refunds.write")
def cancel_refund(call: Call, payment_id: str, refund_id: str) -> Answer:
    refunds.cancel(call.db, call.payment(payment_id), refund_id)
    return 204, None


@api_refunds.get("/refunds")
@operation("refunds.read")
def list_all_refunds(call: Call) -> Answer:
    found = refunds.of_profiles(call.db, call.profiles)
    return 200, _refunds_page(call, found, "refunds", "list-all-refunds")


def _refunds_page(call: Call, found: list[refunds.Refund], path: str, documentation: str) -> shapes.Json:
    shown, next_path = window(call, [refund.id for refund in found], path)
    items = [shapes.refund(refund, call.links) for refund in found if refund.id in shown]
    return shapes.list_page("refunds", items, call.links, path, next_path, documentation)


@api_refunds.get("/payments/<payment_id>/chargebacks")
@operation("payments.read")
def list_chargebacks(call: Call, payment_id: str) -> Answer:
    found = refunds.chargebacks_of(call.db, call.payment(payment_id))
    return 200, _chargebacks_page(call, found, f"payments/{payment_id}/chargebacks")


@api_refunds.get("/payments/<payment_id>/chargebacks/<chargeback_id>")
@operation("payments.read")
def get_chargeback(call: Call, payment_id: str, chargeback_id: str) -> Answer:
    for chargeback in refunds.chargebacks_of(call.db, call.payment(payment_id)):
        if chargeback.id == chargeback_id:
            return 200, shapes.chargeback(chargeback, call.links)
    raise no_such("chargeback", chargeback_id)


@api_refunds.get("/chargebacks")
@operation("payments.read")
def list_all_chargebacks(call: Call) -> Answer:
    found = refunds.chargebacks_of_profiles(call.db, call.profiles)
    return 200, _chargebacks_page(call, found, "chargebacks")


def _chargebacks_page(call: Call, found: list[refunds.Chargeback], path: str) -> shapes.Json:
    shown, next_path = window(call, [chargeback.id for chargeback in found], path)
    items = [shapes.chargeback(c, call.links) for c in found if c.id in shown]
    return shapes.list_page("chargebacks", items, call.links, path, next_path, "list-chargebacks")
