"""The v2 API: whose key it is."""

from __future__ import annotations

from flask import Blueprint

from marketplace.payments.sandbox import credentials, shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation
from marketplace.payments.sandbox.refusals import no_such

api_organizations = Blueprint("api_organizations", __name__, url_prefix=API_PREFIX)


def profile_of(call: Call) -> shapes.Profile:
    """The key's profile; a token's first one."""
    return call.credential.profile or credentials.profiles_of(call.db, call.organization_id)[0]


@api_organizations.get("/organizations/<organization_id>")
@operation("organizations.read")
def get_organization(call: Call, organization_id: str) -> Answer:
    if organization_id not in ("me", call.organization_id):
        raise no_such("organization", organization_id)
    return 200, shapes.organization(call.organization_id, profile_of(call).name, call.links)


@api_organizations.get("/onboarding/me")
@operation("onboarding.read")
def get_onboarding(call: Call) -> Answer:
    return 200, shapes.onboarding(profile_of(call), call.links)


@api_organizations.get("/profiles/me")
@operation("profiles.read")
def get_profile(call: Call) -> Answer:
    return 200, shapes.profile(profile_of(call), call.links)
