"""The provider refuses to give a merchant money: from then on we know, sell nothing of it, and try one share at a time.

An account that we can look at is looked at, at once and every ten minutes. One that the association has noted by hand,
or whose merchant leaves, is tried with the oldest share that waits, once an hour; the others follow when that one has
gone through.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from marketplace.jobs import publish
from marketplace.payments.connecting.standing import CHECK_WAITING, note
from marketplace.payments.models import MACHINE, Chargeback, MerchantAccount, Payment, Share

log = logging.getLogger(__name__)

#: What waits for its merchant's account, or is on its way there.
WAITING = ("due", "sending", "unknown", "refused")


def shut(session: Session, *, party: str, provider_env: str, organization_id: str, now: datetime) -> None:
    """The provider has refused to give the organisation money: its merchant can receive none until it is seen again.

    Its people are told, the first time. Nothing happens where another account has been connected meanwhile.
    """
    account = session.get(MerchantAccount, (party, provider_env), with_for_update=True, populate_existing=True)
    if account is None or account.organization_id != organization_id or account.standing == "ended":
        return
    log.warning("%s is refused money by the provider", party)
    is_first = account.refused_at is None
    account.can_receive_payments, account.refused_at = False, now
    if account.can_be_looked_at:
        account.next_check_at = now + CHECK_WAITING
        publish(session, "connection.check", party=party, provider_env=provider_env)
    if is_first:
        note(session, account, "shut", MACHINE, now)
        publish(session, "connection.shut", party=party, since=now.isoformat())
    session.flush()


def took(session: Session, *, party: str, provider_env: str, organization_id: str, now: datetime) -> bool:
    """The provider has given the organisation money; whether it was refused until now, and others may follow."""
    account = session.get(MerchantAccount, (party, provider_env))
    if account is None or account.refused_at is None or account.organization_id != organization_id:
        return False
    session.refresh(account, with_for_update=True)
    account.refused_at, account.can_receive_payments = None, True
    note(session, account, "open", MACHINE, now)
    session.flush()
    return True


def is_its_turn(session: Session, share: Share, account: MerchantAccount) -> bool:
    """Whether the provider may be asked for this share: any, or of an account that was refused the oldest alone.

    One whose payment a bank has taken back is passed over: it cannot be routed, and so tells nothing.
    """
    if account.refused_at is None:
        return True
    older = aliased(Share)
    taken_back = exists().where(Chargeback.payment_id == older.payment_id, Chargeback.is_open)
    waits = (
        select(older.id)
        .join(Payment, older.payment_id == Payment.id)
        .where(
            older.party == share.party,
            older.kind == "goods",
            older.state.in_(WAITING),
            older.id < share.id,
            Payment.provider_env == account.provider_env,
            ~taken_back,
        )
    )
    return session.scalar(waits.limit(1)) is None
