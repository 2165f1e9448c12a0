"""How merchants' accounts stand: what is written of them, and what people see.

A merchant's goods are sold online while its account is `connected` and may receive payments; both facts are written in
the transaction that learns of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from marketplace.errors import MarketplaceError
from marketplace.payments.models import ConnectionEvent, MerchantAccount
from marketplace.payments.oauth import Onboarding

#: A merchant who waits for the provider is looked at often, one who sells twice a day.
CHECK_WAITING, CHECK_READY = timedelta(minutes=10), timedelta(hours=12)


class NotConnected(MarketplaceError):
    """There is nothing to look at or to end."""

    code = "connection_none"


@dataclass(frozen=True, slots=True)
class Connection:
    """What a person sees of a party's account.

    `stage`: none, to_complete, in_review, shut, ready, reconnect or leaving. `is_by_hand`: noted by the association, so
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


def stage_of(standing: str, onboarding: str, *, can_receive_payments: bool, is_refused: bool = False) -> str:
    """Where a merchant stands, in the order in which it matters: what keeps them from selling comes first."""
    if standing in ("reconnect", "leaving"):
        return standing
    if standing == "ended":
        return "none"
    if can_receive_payments:
        return "ready"
    if is_refused and onboarding == "completed":
        return "shut"
    return "to_complete" if onboarding == "needs_data" else "in_review"


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
        stage = stage_of(
            row.standing,
            row.onboarding,
            can_receive_payments=row.can_receive_payments,
            is_refused=row.refused_at is not None,
        )
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


def last_connection(session: Session, *, party: str, provider_env: str) -> int | None:
    """Which consent stands: another one, even of the same organisation, has another number. None: noted by hand."""
    return session.scalar(
        select(func.max(ConnectionEvent.id)).where(
            ConnectionEvent.party == party,
            ConnectionEvent.provider_env == provider_env,
            ConnectionEvent.kind == "connected",
        )
    )


def write_onboarding(account: MerchantAccount, onboarding: Onboarding, now: datetime) -> None:
    account.onboarding = onboarding.status
    account.can_receive_payments = onboarding.can_receive_payments
    account.can_receive_settlements = onboarding.can_receive_settlements
    account.dashboard_url = onboarding.dashboard_url
    account.checked_at = now
    is_done = onboarding.can_receive_payments and onboarding.can_receive_settlements
    account.next_check_at = now + (CHECK_READY if is_done else CHECK_WAITING)


def note(session: Session, account: MerchantAccount, kind: str, actor: str, now: datetime) -> None:
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
