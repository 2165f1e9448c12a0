"""How far the provider is with a merchant's papers, read again and again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from marketplace.hall import Hall
from marketplace.payments.connecting.application import consent_of
from marketplace.payments.connecting.standing import CHECK_WAITING, NotConnected, note, write_onboarding
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
        asked_of = session.scalar(
            select(MerchantAccount.organization_id).where(
                MerchantAccount.party == party, MerchantAccount.provider_env == provider_env
            )
        )
    try:
        token = access_token(hall, consent, party=party)
        try:
            onboarding = consent.onboarding(token)
        except TokenRefused:
            onboarding = consent.onboarding(access_token(hall, consent, party=party, refused=token))
    except (TokenRefused, SealBroken):
        with hall.database.transaction() as session:
            _mark_reconnect(session, party, provider_env, hall.clock.now())
        return
    with hall.database.transaction() as session:
        account = session.get(MerchantAccount, (party, provider_env), with_for_update=True)
        if account is None or account.standing != "connected" or account.organization_id != asked_of:
            return  # left, or another account was connected while we asked
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


def _mark_reconnect(session: Session, party: str, provider_env: str, now: datetime) -> None:
    account = session.get(MerchantAccount, (party, provider_env), with_for_update=True)
    if account is None or account.standing != "connected":
        return
    log.warning("%s must connect its account anew", party)
    account.standing, account.next_check_at = "reconnect", None
    account.sealed_access_token = account.sealed_refresh_token = None
    account.access_until_at = account.refreshing_until_at = None
    note(session, account, "reconnect", MACHINE, now)
