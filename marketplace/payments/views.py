"""The provider's door."""

from __future__ import annotations

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from marketplace.hall import the_hall
from marketplace.payments.service import take_hint
from marketplace.web.access import everyone, open_to

blueprint = Blueprint("payments", __name__)


@blueprint.post("/paiements/avis/<token>")
@open_to(everyone, csrf=False)
def notice(token: str) -> ResponseReturnValue:
    """Mollie's webhook: a hint, kept before it is answered. Always 200, so that nobody can ask what is ours."""
    hall = the_hall()
    with hall.database.transaction() as session:
        take_hint(session, token=token, provider_id=request.form.get("id", ""), now=hall.clock.now())
    return "", 200
