"""The tokens that read for a merchant: sealed at rest, renewed by one refresher at a time.

The provider is never asked while a transaction is open (M05): a refresher takes a short lease on the row instead,
under a lock.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.payments.connecting.standing import NotConnected
from marketplace.payments.gateway import TryAgain
from marketplace.payments.models import MerchantAccount
from marketplace.payments.oauth import Consent, Tokens
from marketplace.payments.vault import Vault
from marketplace.settings import Settings

#: Longer than a call may take (13 s), so that a refresher that died is no longer waited for soon after.
REFRESH_LEASE = timedelta(seconds=30)
#: An access token that ends while a call is under way is of no use.
ACCESS_MARGIN = timedelta(seconds=60)


def access_token(hall: Hall, consent: Consent, *, party: str, refused: str | None = None) -> str:
    """A token that reads for the party; renewed when it ends within a minute, or is `refused`.

    One refresher at a time: TryAgain while another is at it. TokenRefused when the refresh token is not taken,
    NotConnected without one, SealBroken when it cannot be read any more.
    """
    env, vault = hall.settings.mollie_env, vault_of(hall.settings)
    with hall.database.transaction() as session:
        now = hall.clock.now()
        account = session.get(MerchantAccount, (party, env), with_for_update=True)
        if account is None or account.standing != "connected" or account.sealed_refresh_token is None:
            raise NotConnected()
        owner = owner_of(account)
        if account.sealed_access_token and account.access_until_at and account.access_until_at > now + ACCESS_MARGIN:
            kept = vault.open(account.sealed_access_token, owner=owner)
            if kept != refused:
                return kept
        if account.refreshing_until_at is not None and account.refreshing_until_at > now:
            raise TryAgain(f"somebody else renews the token of {party}")
        account.refreshing_until_at = now + REFRESH_LEASE
        sealed = account.sealed_refresh_token
        refresh_token = vault.open(sealed, owner=owner)
    try:
        tokens = consent.refresh(refresh_token)
    except GatewayError:
        with hall.database.transaction() as session:
            session.execute(
                update(MerchantAccount)
                .where(MerchantAccount.party == party, MerchantAccount.provider_env == env)
                .values(refreshing_until_at=None)
            )
        raise
    with hall.database.transaction() as session:
        account = session.get_one(MerchantAccount, (party, env), with_for_update=True, populate_existing=True)
        if account.sealed_refresh_token == sealed:  # else somebody has connected anew meanwhile
            seal(account, tokens, hall)
    return tokens.access_token


def seal(account: MerchantAccount, tokens: Tokens, hall: Hall) -> None:
    vault, owner = vault_of(hall.settings), owner_of(account)
    account.sealed_refresh_token = vault.seal(tokens.refresh_token, owner=owner)
    account.sealed_access_token = vault.seal(tokens.access_token, owner=owner)
    account.access_until_at = hall.clock.now() + timedelta(seconds=tokens.expires_in_s)
    account.refreshing_until_at = None


def owner_of(account: MerchantAccount) -> str:
    return f"{account.provider_env} {account.party}"


def vault_of(settings: Settings) -> Vault:
    return Vault(settings.secret_key, settings.secret_key_fallbacks)
