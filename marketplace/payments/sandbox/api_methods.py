"""The v2 API: the ways to pay."""

from __future__ import annotations

from flask import Blueprint

from marketplace.payments.sandbox import payments, shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation
from marketplace.payments.sandbox.refusals import no_such

api_methods = Blueprint("api_methods", __name__, url_prefix=API_PREFIX)


@api_methods.get("/methods")
@operation("payments.read")
def list_methods(call: Call) -> Answer:
    shown = [shapes.method(method_id, call.links) for method_id in payments.METHODS]
    return 200, shapes.whole_list("methods", shown, call.links, "methods", "list-methods")


@api_methods.get("/methods/<method_id>")
@operation("payments.read")
def get_method(call: Call, method_id: str) -> Answer:
    if method_id not in payments.METHODS:
        raise no_such("method", method_id)
    return 200, shapes.method(method_id, call.links)
