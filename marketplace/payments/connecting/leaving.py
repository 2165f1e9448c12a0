"""A merchant leaves: nothing more is sold, what was sold is paid out, then our token is given back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.hall import Hall
from marketplace.jobs import publish
from marketplace.payments.connecting.application import consent_of
from marketplace.payments.connecting.standing import NotConnected, note
from marketplace.payments.connecting.tokens import owner_of, vault_of
from marketplace.payments.models import MACHINE, MerchantAccount, Payment, Share
from marketplace.payments.vault import SealBroken

log = logging.getLogger(__name__)

#: What may still be paid out to a merchant who leaves.
OWED = ("planned", "due", "sending", "unknown", "refused")


def leave(session: Session, *, party: str, provider_env: str, actor: str, now: datetime) -> None:
    """The party's goods are not sold online from now on; what was sold is paid out, then our token is given back.

    Once: nothing happens to an account that is leaving already. NotConnected when there is none.
    """
    account = session.get(MerchantAccount, (party, provider_env), with_for_update=True)
    if account is None or account.standing == "ended":
        raise NotConnected()
    if account.standing == "leaving":
        return
    account.standing, account.next_check_at = "leaving", None
    note(session, account, "leaving", actor, now)
    publish(session, "connection.leaving", party=party, provider_env=provider_env)


def finish_leaving(hall: Hall, *, party: str, provider_env: str) -> None:
    """Give the token back once nothing is owed any more; until then nothing happens. Harmless to repeat.

    The provider routes to connected organisations only, so that a token given back too early would strand money.
    """
    with hall.database.reading() as session:
        account = session.get(MerchantAccount, (party, provider_env))
        if account is None or account.standing != "leaving" or _is_owed(session, party, provider_env):
            return
        sealed, owner = account.sealed_refresh_token, owner_of(account)
    consent = consent_of(hall.settings)
    if sealed is not None and consent is not None and provider_env == hall.settings.mollie_env:
        try:
            consent.revoke(vault_of(hall.settings).open(sealed, owner=owner))
        except SealBroken:
            log.warning("the token of %s cannot be read any more; its owner can withdraw it at the provider", party)
    with hall.database.transaction() as session:
        account = session.get_one(MerchantAccount, (party, provider_env), with_for_update=True)
        if account.standing != "leaving" or account.sealed_refresh_token != sealed:
            return
        account.standing = "ended"
        account.sealed_access_token = account.sealed_refresh_token = None
        account.access_until_at = account.refreshing_until_at = None
        note(session, account, "ended", MACHINE, hall.clock.now())


def leaving_parties(session: Session, *, provider_env: str) -> Sequence[str]:
    return session.scalars(
        select(MerchantAccount.party).where(
            MerchantAccount.provider_env == provider_env, MerchantAccount.standing == "leaving"
        )
    ).all()


def _is_owed(session: Session, party: str, provider_env: str) -> bool:
    owed = (
        select(Share.id)
        .join(Payment, Share.payment_id == Payment.id)
        .where(Share.party == party, Share.kind == "goods", Share.state.in_(OWED), Payment.provider_env == provider_env)
        .where(Payment.state.in_(("creating", "unknown", "open", "pending", "paid")))
    )
    return session.scalar(owed.limit(1)) is not None
