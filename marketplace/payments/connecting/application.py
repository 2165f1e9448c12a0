"""The association's own application at the provider, through which merchants connect their accounts."""

from __future__ import annotations

from marketplace.errors import MarketplaceError
from marketplace.payments.oauth import Consent
from marketplace.settings import Settings

#: Where the provider sends browsers back; registered there, so it never changes.
RETURN_PATH = "/boutique/encaissement/retour"


class NotSwitchedOn(MarketplaceError):
    """The association has no application at the provider yet."""

    code = "connection_not_switched_on"


def consent_of(settings: Settings) -> Consent | None:
    """The association's application at the provider; None while nobody has switched it on."""
    if not settings.mollie_client_id:
        return None
    return Consent(
        endpoint=settings.mollie_endpoint,
        authorize_page=settings.mollie_authorize_url,
        client_id=settings.mollie_client_id,
        client_secret=settings.mollie_client_secret,
        redirect_uri=f"{settings.site_url}{RETURN_PATH}",
        access_token=settings.mollie_access_token,
    )
