"""The v2 API: whose key it is."""

from __future__ import annotations

from flask import Blueprint

from marketplace.payments.sandbox import shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation
from marketplace.payments.sandbox.refusals import no_such

api_organizations = Blueprint("api_organizations", __name__, url_prefix=API_PREFIX)


@api_organizations.get("/organizations/<organization_id>")
@operation
def get_organization(call: Call, organization_id: str) -> Answer:
    if organization_id not in ("me", call.profile.organization_id):
        raise no_such("organization", organization_id)
    return 200, shapes.organization(call.profile.organization_id, call.profile.name, call.links)


@api_organizations.get("/onboarding/me")
@operation
def get_onboarding(call: Call) -> Answer:
    return 200, shapes.onboarding(call.profile, call.links)


@api_organizations.get("/profiles/me")
@operation
def get_profile(call: Call) -> Answer:
    return 200, shapes.profile(call.profile, call.links)
