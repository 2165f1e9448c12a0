"""Merchants' own accounts at the provider: consent, onboarding, tokens, and the end of it.

A merchant's goods are sold online while its account is `connected` and may receive payments; both facts are written in
the transaction that learns of them. The provider is never asked while a transaction is open (M05): a refresher takes
a short lease on the row instead, under a lock, so that there is one at a time.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from marketplace.errors import GatewayError, MarketplaceError
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.jobs import publish
from marketplace.payments.gateway import TryAgain
from marketplace.payments.models import (
    MACHINE,
    ConnectionAttempt,
    ConnectionEvent,
    MerchantAccount,
    Payment,
    Share,
)
from marketplace.payments.oauth import ClientFile, Consent, Onboarding, Organization, TokenRefused, Tokens
from marketplace.payments.vault import SealBroken, Vault
from marketplace.settings import Settings

log = logging.getLogger(__name__)

#: Where the provider sends browsers back; registered there, so it never changes.
RETURN_PATH = "/boutique/encaissement/retour"
#: Long enough to open an account with the papers at hand; who takes longer begins again, and is done at once.
ATTEMPT_LIFE = timedelta(hours=1)
#: Old attempts tell nobody anything.
ATTEMPTS_KEPT = timedelta(days=1)
#: A merchant who waits for the provider is looked at often, one who sells twice a day.
CHECK_WAITING, CHECK_READY = timedelta(minutes=10), timedelta(hours=12)
#: Longer than a call may take (13 s), so that a refresher that died is no longer waited for soon after.
REFRESH_LEASE = timedelta(seconds=30)
#: An access token that ends while a call is under way is of no use.
ACCESS_MARGIN = timedelta(seconds=60)
#: What may still be paid out to a merchant who leaves.
OWED = ("planned", "due", "sending", "unknown", "refused")


class NotSwitchedOn(MarketplaceError):
    """The association has no application at the provider yet."""

    code = "connection_not_switched_on"


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


class NotConnected(MarketplaceError):
    """There is nothing to look at or to end."""

    code = "connection_none"


@dataclass(frozen=True, slots=True)
class Connection:
    """What a person sees of a party's account.

    `stage`: none, to_complete, in_review, ready, reconnect or leaving. `is_by_hand`: noted by the association, so
    that nobody can look at it. `since_at` and `by`: its last connection.
    """

    party: str
    stage: str
    organization_id: str | None = None
    organization_name: str = ""
    can_receive_settlements: bool = False
    dashboard_url: str | None = None
    checked_at: datetime | None = None
    is_by_hand: bool = False
    since_at: datetime | None = None
    by: str | None = None


def stage_of(standing: str, onboarding: str, *, can_receive_payments: bool) -> str:
    """Where a merchant stands, in the order in which it matters: what keeps them from selling comes first."""
    if standing in ("reconnect", "leaving"):
        return standing
    if standing == "ended":
        return "none"
    if can_receive_payments:
        return "ready"
    return "to_complete" if onboarding == "needs_data" else "in_review"


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


def connections(session: Session, *, provider_env: str, parties: Sequence[str]) -> dict[str, Connection]:
    """How each of the parties stands, whether or not it was ever connected."""
    rows = session.scalars(
        select(MerchantAccount).where(MerchantAccount.provider_env == provider_env, MerchantAccount.party.in_(parties))
    )
    found = {party: Connection(party, "none") for party in parties}
    newest = (
        select(func.max(ConnectionEvent.id))
        .where(
            ConnectionEvent.provider_env == provider_env,
            ConnectionEvent.party.in_(parties),
            ConnectionEvent.kind == "connected",
        )
        .group_by(ConnectionEvent.party)
    )
    events = session.scalars(select(ConnectionEvent).where(ConnectionEvent.id.in_(newest)))
    last = {event.party: event for event in events}
    for row in rows:
        stage = stage_of(row.standing, row.onboarding, can_receive_payments=row.can_receive_payments)
        if stage == "none":
            continue
        event = last.get(row.party)
        found[row.party] = Connection(
            party=row.party,
            stage=stage,
            organization_id=row.organization_id,
            organization_name=row.organization_name,
            can_receive_settlements=row.can_receive_settlements,
            dashboard_url=row.dashboard_url,
            checked_at=row.checked_at,
            is_by_hand=row.sealed_refresh_token is None and event is None,
            since_at=event.at if event else None,
            by=event.actor if event else None,
        )
    return found


# --- Consent ---------------------------------------------------------------------------------------------------


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
    account.standing = "connected"
    _seal(account, tokens, hall)
    _write_onboarding(account, onboarding, now)
    _note(session, account, "connected", actor, now)


def note_refusal(session: Session, *, party: str, provider_env: str, actor: str, now: datetime) -> None:
    """The merchant's people were asked and said no."""
    session.add(
        ConnectionEvent(party=party, provider_env=provider_env, kind="refused", organization_id="", at=now, actor=actor)
    )


# --- Looking ---------------------------------------------------------------------------------------------------


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
        _write_onboarding(account, onboarding, now)
        if before != (account.onboarding, account.can_receive_payments, account.can_receive_settlements):
            _note(session, account, "papers", MACHINE, now)


def access_token(hall: Hall, consent: Consent, *, party: str, refused: str | None = None) -> str:
    """A token that reads for the party; renewed when it ends within a minute, or is `refused`.

    One refresher at a time: TryAgain while another is at it. TokenRefused when the refresh token is not taken,
    NotConnected without one, SealBroken when it cannot be read any more.
    """
    env, vault = hall.settings.mollie_env, _vault(hall.settings)
    with hall.database.transaction() as session:
        now = hall.clock.now()
        account = session.get(MerchantAccount, (party, env), with_for_update=True)
        if account is None or account.standing != "connected" or account.sealed_refresh_token is None:
            raise NotConnected()
        owner = _owner(account)
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
            _seal(account, tokens, hall)
    return tokens.access_token


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
    _note(session, account, "reconnect", MACHINE, now)


# --- Leaving ---------------------------------------------------------------------------------------------------


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
    _note(session, account, "leaving", actor, now)
    publish(session, "connection.leaving", party=party, provider_env=provider_env)


def finish_leaving(hall: Hall, *, party: str, provider_env: str) -> None:
    """Give the token back once nothing is owed any more; until then nothing happens. Harmless to repeat.

    The provider routes to connected organisations only, so that a token given back too early would strand money.
    """
    with hall.database.reading() as session:
        account = session.get(MerchantAccount, (party, provider_env))
        if account is None or account.standing != "leaving" or _is_owed(session, party, provider_env):
            return
        sealed, owner = account.sealed_refresh_token, _owner(account)
    consent = consent_of(hall.settings)
    if sealed is not None and consent is not None and provider_env == hall.settings.mollie_env:
        try:
            consent.revoke(_vault(hall.settings).open(sealed, owner=owner))
        except SealBroken:
            log.warning("the token of %s cannot be read any more; its owner can withdraw it at the provider", party)
    with hall.database.transaction() as session:
        account = session.get_one(MerchantAccount, (party, provider_env), with_for_update=True)
        if account.standing != "leaving" or account.sealed_refresh_token != sealed:
            return
        account.standing = "ended"
        account.sealed_access_token = account.sealed_refresh_token = None
        account.access_until_at = account.refreshing_until_at = None
        _note(session, account, "ended", MACHINE, hall.clock.now())


def leaving_parties(session: Session, *, provider_env: str) -> Sequence[str]:
    return session.scalars(
        select(MerchantAccount.party).where(
            MerchantAccount.provider_env == provider_env, MerchantAccount.standing == "leaving"
        )
    ).all()


def forget_old_attempts(session: Session, *, now: datetime) -> None:
    session.execute(delete(ConnectionAttempt).where(ConnectionAttempt.started_at < now - ATTEMPTS_KEPT))


def _is_owed(session: Session, party: str, provider_env: str) -> bool:
    owed = (
        select(Share.id)
        .join(Payment, Share.payment_id == Payment.id)
        .where(Share.party == party, Share.kind == "goods", Share.state.in_(OWED), Payment.provider_env == provider_env)
        .where(Payment.state.in_(("creating", "unknown", "open", "pending", "paid")))
    )
    return session.scalar(owed.limit(1)) is not None


# --- Parts -----------------------------------------------------------------------------------------------------


def _write_onboarding(account: MerchantAccount, onboarding: Onboarding, now: datetime) -> None:
    account.onboarding = onboarding.status
    account.can_receive_payments = onboarding.can_receive_payments
    account.can_receive_settlements = onboarding.can_receive_settlements
    account.dashboard_url = onboarding.dashboard_url
    account.checked_at = now
    is_done = onboarding.can_receive_payments and onboarding.can_receive_settlements
    account.next_check_at = now + (CHECK_READY if is_done else CHECK_WAITING)


def _seal(account: MerchantAccount, tokens: Tokens, hall: Hall) -> None:
    vault, owner = _vault(hall.settings), _owner(account)
    account.sealed_refresh_token = vault.seal(tokens.refresh_token, owner=owner)
    account.sealed_access_token = vault.seal(tokens.access_token, owner=owner)
    account.access_until_at = hall.clock.now() + timedelta(seconds=tokens.expires_in_s)
    account.refreshing_until_at = None


def _note(session: Session, account: MerchantAccount, kind: str, actor: str, now: datetime) -> None:
    session.add(
        ConnectionEvent(
            party=account.party,
            provider_env=account.provider_env,
            kind=kind,
            organization_id=account.organization_id,
            at=now,
            actor=actor,
        )
    )


def _owner(account: MerchantAccount) -> str:
    return f"{account.provider_env} {account.party}"


def _vault(settings: Settings) -> Vault:
    return Vault(settings.secret_key, settings.secret_key_fallbacks)


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


__all__ = [
    "Connection",
    "begin",
    "check",
    "claim_due_checks",
    "connect",
    "connections",
    "consent_of",
    "finish_leaving",
    "forget_old_attempts",
    "leave",
    "leaving_parties",
    "note_refusal",
    "redeem",
    "stage_of",
    "way_to_consent",
]
