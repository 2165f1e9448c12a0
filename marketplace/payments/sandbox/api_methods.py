"""The v2 API: the ways to pay."""

from __future__ import annotations

from flask import Blueprint, request

from marketplace.payments.sandbox import bodies, methods, shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation
from marketplace.payments.sandbox.refusals import unprocessable

api_methods = Blueprint("api_methods", __name__, url_prefix=API_PREFIX)


@api_methods.get("/methods")
@operation("payments.read")
def list_methods(call: Call) -> Answer:
    currency, cents = _asked_amount()
    wallets = frozenset(request.args.get("includeWallets", "").split(","))
    found = methods.listed(currency, cents, wallets) if _is_enabled(call) else []
    shown = [_show(method, currency or "EUR", call.links) for method in found]
    return 200, shapes.whole_list("methods", shown, call.links, "methods", "list-methods")


@api_methods.get("/methods/<method_id>")
@operation("payments.read")
def get_method(call: Call, method_id: str) -> Answer:
    method = methods.get(method_id)
    _is_enabled(call)
    currency = request.args.get("currency", "EUR")
    if currency not in method.currencies:
        raise unprocessable("currency", f"{method.id} does not take this currency.")
    return 200, _show(method, currency, call.links)


def _is_enabled(call: Call) -> bool:
    """Whether there are methods at all, which there are in test mode; 422 for a token that names no profile."""
    if call.credential.is_token and "profileId" not in request.args:
        raise unprocessable("profileId", "With a token, name one of your profiles.")
    return call.is_test


def _asked_amount() -> tuple[str | None, int | None]:
    """(currency, cents) of `amount[currency]` and `amount[value]`, (None, None) without them."""
    asked = {name: request.args.get(f"amount[{name}]") for name in ("currency", "value")}
    if asked == {"currency": None, "value": None}:
        return None, None
    return bodies.read_amount(asked)


def _show(method: methods.Method, currency: str, links: shapes.Links) -> shapes.Json:
    picture = f"{links.public}/static/icon.svg"
    return {
        "resource": "method",
        "id": method.id,
        "description": method.description,
        "minimumAmount": shapes.amount(currency, method.minimum_cents),
        "maximumAmount": shapes.amount(currency, method.maximum_cents),
        "image": {"size1x": picture, "size2x": picture, "svg": picture},
        "status": "activated",
        "_links": {
            "self": links.hal(f"methods/{method.id}"),
            "documentation": links.documentation("get-method"),
        },
    }
