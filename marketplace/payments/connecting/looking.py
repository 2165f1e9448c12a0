"""How far the provider is with a merchant's papers, read again and again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from marketplace.hall import Hall
from marketplace.payments.connecting.application import consent_of
from marketplace.payments.connecting.standing import (
    CHECK_WAITING,
    NotConnected,
    last_connection,
    note,
    write_onboarding,
)
from marketplace.payments.connecting.tokens import access_token
from marketplace.payments.models import MACHINE, MerchantAccount
from marketplace.payments.oauth import TokenRefused
from marketplace.payments.vault import SealBroken

log = logging.getLogger(__name__)


def check(hall: Hall, *, party: str, provider_env: str) -> None:
    """Read how far the provider is with the merchant; harmless to repeat.

    A token that is refused twice, once renewed, marks the account `reconnect`. NotConnected when there is none to
    look at; the gateway's TryAgain or OutcomeUnknown when the provider is away: then what was known stands.
    """
    consent = consent_of(hall.settings)
    if consent is None or provider_env != hall.settings.mollie_env:
        raise NotConnected()
    with hall.database.reading() as session:
        asked_of = last_connection(session, party=party, provider_env=provider_env)
    try:
        token = access_token(hall, consent, party=party)
        try:
            onboarding = consent.onboarding(token)
        except TokenRefused:
            onboarding = consent.onboarding(access_token(hall, consent, party=party, refused=token))
    except (TokenRefused, SealBroken):
        with hall.database.transaction() as session:
            _mark_reconnect(session, party, provider_env, asked_of, hall.clock.now())
        return
    with hall.database.transaction() as session:
        account = session.get(MerchantAccount, (party, provider_env), with_for_update=True)
        if account is None or account.standing != "connected" or not _is_still(session, account, asked_of):
            return  # left, or connected anew while we asked
        before = (account.onboarding, account.can_receive_payments, account.can_receive_settlements)
        now = hall.clock.now()
        write_onboarding(account, onboarding, now)
        if before != (account.onboarding, account.can_receive_payments, account.can_receive_settlements):
            note(session, account, "papers", MACHINE, now)


def claim_due_checks(session: Session, *, provider_env: str, now: datetime) -> Sequence[str]:
    """The parties whose accounts are looked at now; each is left alone for ten minutes, looked at or not."""
    return session.scalars(
        update(MerchantAccount)
        .where(
            MerchantAccount.next_check_at <= now,
            MerchantAccount.provider_env == provider_env,
            MerchantAccount.standing == "connected",
        )
        .values(next_check_at=now + CHECK_WAITING)
        .returning(MerchantAccount.party)
    ).all()


def _is_still(session: Session, account: MerchantAccount, asked_of: int | None) -> bool:
    """Whether the account, which is locked, is connected as it was when the provider was asked about it."""
    return last_connection(session, party=account.party, provider_env=account.provider_env) == asked_of


def _mark_reconnect(session: Session, party: str, provider_env: str, asked_of: int | None, now: datetime) -> None:
    account = session.get(MerchantAccount, (party, provider_env), with_for_update=True)
    if account is None or account.standing != "connected" or not _is_still(session, account, asked_of):
        return  # what was refused belonged to a connection that is no more
    log.warning("%s must connect its account anew", party)
    account.standing, account.next_check_at = "reconnect", None
    account.sealed_access_token = account.sealed_refresh_token = None
    account.access_until_at = account.refreshing_until_at = None
    note(session, account, "reconnect", MACHINE, now)
