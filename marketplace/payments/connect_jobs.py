"""What the worker does about merchants' accounts."""

from __future__ import annotations

import logging

from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.jobs import periodic, publish, subscribe
from marketplace.payments.connecting import consenting, leaving, looking, standing

log = logging.getLogger(__name__)


@periodic("*/5 * * * *")
def look_at_accounts(hall: Hall) -> None:
    """One job each: one that fails holds up no other."""
    env, now = hall.settings.mollie_env, hall.clock.now()
    with hall.database.transaction() as session:
        consenting.forget_old_attempts(session, now=now)
        for party in leaving.leaving_parties(session, provider_env=env):
            publish(session, "connection.leaving", party=party, provider_env=env)
        for party in looking.claim_due_checks(session, provider_env=env, now=now):
            publish(session, "connection.check", party=party, provider_env=env)


@subscribe("connection.check")
def check_account(hall: Hall, party: str, provider_env: str) -> None:
    """Never tried again as a job: the round comes back in ten minutes."""
    try:
        looking.check(hall, party=party, provider_env=provider_env)
    except standing.NotConnected:
        log.info("the account of %s is not there to be looked at", party)
    except GatewayError as trouble:
        log.warning("the account of %s could not be looked at: %s", party, trouble)


@subscribe("connection.leaving")
def give_token_back(hall: Hall, party: str, provider_env: str) -> None:
    """Not tried again either: the round comes back while the account is leaving."""
    try:
        leaving.finish_leaving(hall, party=party, provider_env=provider_env)
    except GatewayError as trouble:
        log.warning("the token of %s could not be given back: %s", party, trouble)
