"""Upfront routing: the provider splits a payment itself, in the moment in which it is paid (mollie.md 2.1).

By default shares are routed after the goods were handed over (`shares`): the provider advises it, and only so does a
part that never leaves its shop need no reversal. A town whose contract with the provider wants it otherwise sets
MOLLIE_ROUTING=upfront. What differs is here: what is asked for, and what the ledger says between paid and confirmed.

The mode of a payment is fixed before the provider is first asked for it, so that the question, and all that comes
later, stays the same whatever the setting says by then.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.ids import new_token
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import Money
from marketplace.payments.gateway import Reversal, UpfrontRoute
from marketplace.payments.models import MACHINE, MerchantAccount, Payment, Share

log = logging.getLogger(__name__)

_REFUSED_DESTINATION = re.compile(r"routing\W+([0-9]{1,3})\W+destination")

#: The provider holds a share back for two years at most, of a test payment for ten days (mollie.md 2.1).
HELD_LONGEST = timedelta(days=729)
HELD_LONGEST_IN_TEST = timedelta(days=10)


def fix_routing(session: Session, payment: Payment, *, routing: str, now: datetime) -> None:
    """How and to whom the payment is split is written down, once.

    Where a merchant cannot be routed to at this moment nothing is promised to anybody: such a payment is routed after
    hand-over, as by default.
    """
    if payment.routing is not None:
        return
    payment.routing = "delayed"
    if routing == "delayed":
        return
    shares = goods_of(session, payment.id)
    organizations = {}
    for share in shares:
        account = session.get(MerchantAccount, (share.party, payment.provider_env))
        if account is None or not account.can_be_routed_to:
            log.warning("payment %s is routed later: %s cannot receive payments", payment.id, share.party)
            return
        organizations[share.id] = account.organization_id
    payment.routing = "upfront"
    payment.release_on = release_day(payment.handover_on, provider_env=payment.provider_env, today=local_day(now))
    for share in shares:
        share.organization_id, share.routed_amount = organizations[share.id], share.amount
    session.flush()


def route_later(session: Session, payment: Payment) -> bool:
    """The provider has refused the split: one of the merchants can receive payments no more, and we did not know yet.

    Nothing was created. The resident can pay all the same, by a question of its own; the shares are routed after
    hand-over, as by default. False for a payment that was to be routed later anyway.
    """
    if payment.routing != "upfront":
        return False
    payment.routing, payment.release_on, payment.idempotency_key = "delayed", None, new_token()
    for share in goods_of(session, payment.id):
        share.organization_id = share.routed_amount = None
    session.flush()
    return True


def refused_share(session: Session, payment: Payment, field: str) -> Share | None:
    """Whose share a refusal of the split is about, by its field (`routing.1.destination…`); None when it says no more
    than that the split was refused."""
    found = _REFUSED_DESTINATION.match(field)
    shares = [share for share in goods_of(session, payment.id) if share.organization_id is not None]
    place = int(found[1]) if found and payment.routing == "upfront" else len(shares)
    return shares[place] if place < len(shares) else None


def release_day(handover_on: date | None, *, provider_env: str, today: date) -> date:
    """When a merchant can use its share: the day after the hand-over, in the days that the provider allows."""
    longest = HELD_LONGEST_IN_TEST if provider_env == "test" else HELD_LONGEST
    after = (handover_on or today) + timedelta(days=1)
    return min(max(after, today + timedelta(days=1)), today + longest)


def routes_for(session: Session, payment: Payment) -> tuple[UpfrontRoute, ...]:
    """What the provider is asked to split; nothing of a payment that is routed later."""
    if payment.routing != "upfront":
        return ()
    return tuple(
        UpfrontRoute(share.organization_id, share.routed_amount, payment.release_on)
        for share in goods_of(session, payment.id)
        if share.organization_id is not None and share.routed_amount is not None
    )


def note_split(session: Session, payment: Payment, routes: Sequence[UpfrontRoute], now: datetime) -> bool:
    """The payment is paid: what the provider gave to merchants with it has left the holding. Whether it is what was
    asked for; what is not, a person has to look at."""
    shares = goods_of(session, payment.id) if payment.routing == "upfront" else []
    given = {(route.organization_id, route.amount): route.id for route in routes}
    if given.keys() != {(share.organization_id, share.routed_amount) for share in shares}:
        log.error("payment %s: the provider has split it otherwise than asked", payment.id)
        return False
    for share in shares:
        assert share.organization_id is not None and share.routed_amount is not None, "fixed before it was asked for"
        share.provider_route_id = given[share.organization_id, share.routed_amount]
    ahead = Money.total([share.amount for share in shares])
    if ahead:
        entries = {accounts.AHEAD: ahead, accounts.HOLDING: -ahead}
        _post(session, payment, f"ahead:{payment.id}", "ahead", entries, now)
    return True


def hand_on(session: Session, payment: Payment, now: datetime) -> None:
    """An order has taken the money: what merchants have of it is theirs. Once, after the payment was allocated."""
    if payment.routing != "upfront":
        return
    for share in goods_of(session, payment.id):
        if share.state == "planned" and share.routed_amount is not None:
            share.state, share.routed_at = "routed", now
            entries = {share.party: share.routed_amount, accounts.AHEAD: -share.routed_amount}
            _post(session, payment, f"routed:{share.id}", "routed", entries, now)
    session.flush()


def all_back(session: Session, payment: Payment) -> tuple[Reversal, ...]:
    """What has to be taken back from merchants when the whole payment goes back because no order could use it."""
    return tuple(
        Reversal(route.organization_id, route.amount) for route in routes_for(session, payment) if route.amount
    )


def goods_of(session: Session, payment_id: int) -> Sequence[Share]:
    return session.scalars(
        select(Share).where(Share.payment_id == payment_id, Share.kind == "goods").order_by(Share.id).with_for_update()
    ).all()


def _post(session: Session, payment: Payment, key: str, kind: str, entries: dict[str, Money], now: datetime) -> None:
    post(session, key=key, kind=kind, reference=payment.reference, entries=entries, actor=MACHINE, now=now)
