"""The answers' JSON, field by field as Mollie's specification has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marketplace.money import Money
from marketplace.payments.sandbox import methods
from marketplace.payments.sandbox.payments import Payment, Standing
from marketplace.payments.sandbox.refunds import Chargeback, Refund
from marketplace.payments.sandbox.routes import Route
from marketplace.payments.sandbox.upfront import UpfrontRoute

Json = dict[str, Any]

DOCUMENTATION = "https://docs.mollie.com/reference"
CREATED_AT = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True, slots=True)
class Profile:
    """Whose key it is: one website of one organisation."""

    id: str
    organization_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Links:
    """`api` is the address that the caller used, because the client follows no other; `public` is the browser's."""

    api: str
    public: str

    def hal(self, path: str) -> Json:
        return {"href": f"{self.api}/v2/{path}", "type": "application/hal+json"}

    def page(self, path: str) -> Json:
        return {"href": f"{self.public}/{path}", "type": "text/html"}

    @staticmethod
    def documentation(page: str) -> Json:
        return {"href": f"{DOCUMENTATION}/{page}", "type": "text/html"}


def amount(currency: str, cents: int) -> Json:
    return {"currency": currency, "value": str(Money(cents))}


def instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def payment(payment: Payment, standing: Standing, shares: Sequence[UpfrontRoute], links: Links) -> Json:
    """A payment with its upfront routes; what Mollie leaves out in a state is left out here."""
    path = f"payments/{payment.id}"
    its_links = {
        "self": links.hal(path),
        "dashboard": links.page("_sandbox"),
        "documentation": links.documentation("get-payment"),
    }
    body: Json = {
        "resource": "payment",
        "id": payment.id,
        "mode": "test",
        "createdAt": instant(payment.created_at),
        "amount": amount(payment.currency, payment.amount_cents),
        "metadata": None,
        **payment.request,
        "status": payment.status,
        "method": payment.method,
        "profileId": payment.profile_id,
        "sequenceType": "oneoff",
    }
    if payment.status in ("paid", "failed"):
        body["method"] = methods.used_for(payment.method, payment.currency, payment.amount_cents)
    if payment.status == "open":
        body["isCancelable"] = payment.is_cancelable
        body["expiresAt"] = instant(payment.expires_at)
        its_links["checkout"] = links.page(f"checkout/{payment.id}")
    elif payment.ended_at is not None:
        body[f"{payment.status}At"] = instant(payment.ended_at)
    if shares:
        body["routing"] = [upfront_route(share, payment.currency, links) for share in shares]
    if payment.status == "failed":
        body["details"] = {"failureReason": "card_declined"}
    if payment.status == "paid":
        body["amountRefunded"] = amount(payment.currency, standing.refunded_cents)
        body["amountRemaining"] = amount(payment.currency, standing.remaining_cents)
        its_links["changePaymentState"] = links.page(f"checkout/{payment.id}")
    if standing.refunded_cents:
        its_links["refunds"] = links.hal(f"{path}/refunds")
    if standing.charged_back_cents:
        body["amountChargedBack"] = amount(payment.currency, standing.charged_back_cents)
        its_links["chargebacks"] = links.hal(f"{path}/chargebacks")
    body["_links"] = its_links
    return body


def upfront_route(share: UpfrontRoute, currency: str, links: Links) -> Json:
    return {
        "resource": "route",
        "id": share.id,
        "mode": "test",
        "amount": amount(currency, share.amount_cents),
        "destination": {"type": "organization", "organizationId": share.organization_id},
        "createdAt": instant(share.created_at),
        "releaseDate": share.release_on.isoformat() if share.release_on else None,
        "_links": {
            "self": links.hal(f"payments/{share.payment_id}/routes/{share.id}"),
            "payment": links.hal(f"payments/{share.payment_id}"),
        },
    }


def route(route: Route, currency: str, links: Links) -> Json:
    return {
        "resource": "route",
        "id": route.id,
        "paymentId": route.payment_id,
        "amount": amount(currency, route.amount_cents),
        "description": route.description,
        "destination": {"type": "organization", "organizationId": route.organization_id},
        "createdAt": instant(route.created_at),
        "_links": {
            "self": links.hal(f"payments/{route.payment_id}/routes/{route.id}"),
            "payment": links.hal(f"payments/{route.payment_id}"),
            "documentation": links.documentation("get-payment-route"),
        },
    }


def refund(refund: Refund, links: Links) -> Json:
    body: Json = {
        "resource": "refund",
        "id": refund.id,
        "mode": "test",
        "amount": amount(refund.currency, refund.amount_cents),
        "description": refund.description,
        "metadata": refund.metadata,
        "paymentId": refund.payment_id,
        "status": refund.status,
        "createdAt": instant(refund.created_at),
        "_links": {
            "self": links.hal(f"payments/{refund.payment_id}/refunds/{refund.id}"),
            "payment": links.hal(f"payments/{refund.payment_id}"),
            "documentation": links.documentation("get-refund"),
        },
    }
    if refund.reversals:
        body["routingReversals"] = [
            {"amount": amount(refund.currency, cents), "source": {"organizationId": organization_id}}
            for organization_id, cents in refund.reversals
        ]
    return body


def chargeback(chargeback: Chargeback, links: Links) -> Json:
    return {
        "resource": "chargeback",
        "id": chargeback.id,
        "amount": amount(chargeback.currency, chargeback.amount_cents),
        "paymentId": chargeback.payment_id,
        "createdAt": instant(chargeback.created_at),
        "reversedAt": instant(chargeback.reversed_at) if chargeback.reversed_at else None,
        "reason": {"code": "4837", "description": "Contested by the card's owner"},
        "_links": {
            "self": links.hal(f"payments/{chargeback.payment_id}/chargebacks/{chargeback.id}"),
            "payment": links.hal(f"payments/{chargeback.payment_id}"),
            "documentation": links.documentation("get-chargeback"),
        },
    }


def whole_list(name: str, items: Sequence[Json], links: Links, path: str, page: str) -> Json:
    """A list that Mollie gives in one piece; items in lists carry no documentation link."""
    for item in items:
        item.get("_links", {}).pop("documentation", None)
    return {
        "count": len(items),
        "_embedded": {name: list(items)},
        "_links": {"self": links.hal(path), "documentation": links.documentation(page)},
    }


def list_page(name: str, items: Sequence[Json], links: Links, path: str, next_path: str | None, page: str) -> Json:
    """One page of a list. There is never a way back: the clients that we know only go on."""
    body = whole_list(name, items, links, path, page)
    body["_links"]["previous"] = None
    body["_links"]["next"] = links.hal(next_path) if next_path else None
    return body


def organization(organization_id: str, name: str, links: Links) -> Json:
    return {
        "resource": "organization",
        "id": organization_id,
        "name": name,
        "email": "simulateur@example.org",
        "locale": "fr_FR",
        "_links": {
            "self": links.hal(f"organizations/{organization_id}"),
            "dashboard": links.page("_sandbox"),
            "documentation": links.documentation("get-organization"),
        },
    }


def onboarding(profile: Profile, links: Links) -> Json:
    return {
        "resource": "onboarding",
        "name": profile.name,
        "status": "completed",
        "canReceivePayments": True,
        "canReceiveSettlements": True,
        "signedUpAt": CREATED_AT,
        "_links": {
            "self": links.hal("onboarding/me"),
            "dashboard": links.page("_sandbox"),
            "organization": links.hal(f"organizations/{profile.organization_id}"),
            "documentation": links.documentation("get-onboarding-status"),
        },
    }


def profile(profile: Profile, links: Links) -> Json:
    return {
        "resource": "profile",
        "id": profile.id,
        "mode": "test",
        "name": profile.name,
        "website": "https://example.org",
        "email": "simulateur@example.org",
        "phone": "+33500000000",
        "businessCategory": None,
        "status": "verified",
        "createdAt": CREATED_AT,
        "_links": {
            "self": links.hal("profiles/me"),
            "payments": links.hal("payments"),
            "methods": links.hal("methods"),
            "documentation": links.documentation("get-current-profile"),
        },
    }
