"""A merchant's people are sent to the provider, come back with its answer, and the account is connected."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from marketplace.errors import MarketplaceError
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.payments.connecting.application import NotSwitchedOn, consent_of
from marketplace.payments.connecting.standing import note, write_onboarding
from marketplace.payments.connecting.tokens import seal
from marketplace.payments.models import ConnectionAttempt, ConnectionEvent, MerchantAccount
from marketplace.payments.oauth import ClientFile, Onboarding, Organization, TokenRefused, Tokens
from marketplace.settings import Settings

#: Long enough to open an account with the papers at hand; who takes longer begins again, and is done at once.
ATTEMPT_LIFE = timedelta(hours=1)
#: Old attempts tell nobody anything.
ATTEMPTS_KEPT = timedelta(days=1)


class StateWrong(MarketplaceError):
    """An answer that this person did not ask for in this browser: forged, somebody else's, or another site's."""

    code = "connection_state_wrong"
    status = 403


class StateOld(MarketplaceError):
    """Asked for too long ago, or answered before."""

    code = "connection_state_old"


class OtherMode(MarketplaceError):
    """Begun with play money and ended with real money, or the other way round."""

    code = "connection_other_mode"


class ConsentRefused(MarketplaceError):
    """The merchant said no, or the provider would not ask."""

    code = "connection_refused"


class CodeTooOld(MarketplaceError):
    """The provider does not know the consent any more."""

    code = "connection_code_old"


class OrganizationTaken(MarketplaceError):
    """Another merchant of the market is paid through this organisation."""

    code = "connection_organization_taken"


def begin(session: Session, *, party: str, provider_env: str, actor: str, browser: str, now: datetime) -> str:
    """Somebody is about to be sent to the provider; the nonce of their `state`."""
    nonce = new_token()
    session.add(
        ConnectionAttempt(
            nonce_hash=_digest(nonce),
            party=party,
            provider_env=provider_env,
            actor=actor,
            browser=_digest(browser),
            started_at=now,
        )
    )
    return nonce


def way_to_consent(hall: Hall, *, party: str, actor: str, browser: str, file: ClientFile | None = None) -> str:
    """The provider's address for the merchant's people; with `file`, one on which an account is opened first.

    NotSwitchedOn; the gateway's TryAgain or OutcomeUnknown when no link could be had.
    """
    consent = consent_of(hall.settings)
    if consent is None or (file is not None and not consent.access_token):
        raise NotSwitchedOn()
    with hall.database.transaction() as session:
        nonce = begin(
            session,
            party=party,
            provider_env=hall.settings.mollie_env,
            actor=actor,
            browser=browser,
            now=hall.clock.now(),
        )
    state = _signers(hall.settings)[0].dumps([hall.settings.mollie_env, nonce])
    assert isinstance(state, str)
    return consent.authorize_url(state) if file is None else consent.client_link(file, state)


def redeem(session: Session, *, state: str, settings: Settings, actor: str, browser: str, now: datetime) -> str:
    """The party for which this person was sent away, once.

    StateWrong for anybody else's, OtherMode, StateOld for one that was used or is older than an hour.
    """
    provider_env, nonce = _read_state(state, settings)
    if provider_env != settings.mollie_env:
        raise OtherMode()
    attempt = session.scalars(
        select(ConnectionAttempt)
        .where(
            ConnectionAttempt.nonce_hash == _digest(nonce),
            ConnectionAttempt.actor == actor,
            ConnectionAttempt.browser == _digest(browser),
        )
        .with_for_update()
    ).one_or_none()
    if attempt is None:
        raise StateWrong()
    if attempt.used_at is not None or attempt.started_at <= now - ATTEMPT_LIFE:
        raise StateOld()
    attempt.used_at = now
    return attempt.party


def connect(hall: Hall, *, party: str, code: str, actor: str) -> None:
    """Change the code for tokens, learn whose they are, and write all of it down.

    CodeTooOld, OrganizationTaken; TryAgain or OutcomeUnknown when the provider is away, and nothing is written.
    A token of an organisation that is taken is forgotten, not revoked: that could end the other merchant's too.
    """
    consent = consent_of(hall.settings)
    if consent is None:
        raise NotSwitchedOn()
    try:
        tokens = consent.exchange(code)
    except TokenRefused:
        raise CodeTooOld() from None
    organization = consent.organization(tokens.access_token)
    onboarding = consent.onboarding(tokens.access_token)
    try:
        with hall.database.transaction() as session:
            _write_connected(session, hall, party, organization, onboarding, tokens, actor)
    except IntegrityError:
        # Two merchants with one organisation in the same instant: the index let one through.
        raise OrganizationTaken() from None


def _write_connected(
    session: Session,
    hall: Hall,
    party: str,
    organization: Organization,
    onboarding: Onboarding,
    tokens: Tokens,
    actor: str,
) -> None:
    env, now = hall.settings.mollie_env, hall.clock.now()
    others = select(MerchantAccount.party).where(
        MerchantAccount.provider_env == env,
        MerchantAccount.organization_id == organization.id,
        MerchantAccount.party != party,
        MerchantAccount.standing != "ended",
    )
    if session.scalar(others) is not None:
        raise OrganizationTaken()
    account = session.get(MerchantAccount, (party, env), with_for_update=True)
    if account is None:
        account = MerchantAccount(party=party, provider_env=env)
        session.add(account)
    account.organization_id, account.organization_name = organization.id, organization.name
    account.standing, account.refused_at = "connected", None
    seal(account, tokens, hall)
    write_onboarding(account, onboarding, now)
    note(session, account, "connected", actor, now)


def note_refusal(session: Session, *, party: str, provider_env: str, actor: str, now: datetime) -> None:
    """The merchant's people were asked and said no."""
    session.add(
        ConnectionEvent(party=party, provider_env=provider_env, kind="refused", organization_id="", at=now, actor=actor)
    )


def forget_old_attempts(session: Session, *, now: datetime) -> None:
    session.execute(delete(ConnectionAttempt).where(ConnectionAttempt.started_at < now - ATTEMPTS_KEPT))


def _signers(settings: Settings) -> list[URLSafeSerializer]:
    """The first one signs; the others know what was signed before the key was changed."""
    keys = (settings.secret_key, *settings.secret_key_fallbacks)
    return [URLSafeSerializer(key, salt="connect a merchant's account") for key in keys]


def _read_state(state: str, settings: Settings) -> tuple[str, str]:
    for signer in _signers(settings):
        try:
            provider_env, nonce = signer.loads(state)
        except (BadSignature, ValueError):
            continue
        return str(provider_env), str(nonce)
    raise StateWrong()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
