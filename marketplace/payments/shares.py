"""Who gets what of a paid payment: written down when it is paid, routed when the goods were handed over.

Locks are taken in one order everywhere: the payment, then its shares, then its refunds.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import BigInteger, SQLColumnExpression, exists, func, select, type_coerce, update
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.jobs import publish
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import ZERO, Money
from marketplace.payments.chargebacks import is_disputed, lost_to_bank
from marketplace.payments.connecting.refusing import is_its_turn, shut, took
from marketplace.payments.gateway import Rejected, TryAgain
from marketplace.payments.models import MACHINE, Chargeback, MerchantAccount, Payment, Refund, RefundPart, Share
from marketplace.payments.reading import fee_of
from marketplace.payments.rules import fee_bound
from marketplace.payments.upfront import hand_on

log = logging.getLogger(__name__)

#: The provider has been asked for the route, or may have been: from then on its amount stands.
ON_THE_WAY = ("sending", "unknown", "routed")


def allocate(session: Session, *, payment_id: int, now: datetime) -> None:
    """What was paid belongs to those who sold: the ledger says so from now on. Once (M10)."""
    payment = session.get_one(Payment, payment_id)
    shares = session.scalars(select(Share).where(Share.payment_id == payment_id)).all()
    entries: dict[str, Money] = {accounts.UNMATCHED: payment.amount}
    for share in shares:
        account = accounts.of_share(share.party, share.kind)
        entries[account] = entries.get(account, ZERO) - share.amount
    post(
        session,
        key=f"allocated:{payment_id}",
        kind="allocated",
        reference=payment.reference,
        entries=entries,
        actor=MACHINE,
        now=now,
    )
    hand_on(session, payment, now)


def make_due(session: Session, *, payment_id: int, party: str) -> None:
    """The goods of `party` were handed over: its share of the payment that paid for them may be routed. Once."""
    due = session.scalars(
        update(Share)
        .where(
            Share.payment_id == payment_id,
            Share.party == party,
            Share.kind == "goods",
            Share.state == "planned",
        )
        .values(state="due")
        .returning(Share.id)
    ).all()
    for share_id in due:
        publish(session, "share.due", share_id=share_id)


def send_share(hall: Hall, share_id: int) -> None:
    """Route a due share to its merchant, less what has been refunded of it; harmless to repeat.

    After a crash or an unknown outcome the provider's own list is asked first: a route has no undo. A share whose
    merchant cannot receive payments, or whose payment a bank has taken back, stays due: the hourly round comes
    back to it. Raises the gateway's TryAgain or OutcomeUnknown, so that the job comes back.
    """
    with hall.database.transaction() as session:
        payment = session.scalars(
            select(Payment)
            .join(Share, Share.payment_id == Payment.id)
            .where(Share.id == share_id)
            .with_for_update(of=Payment)
        ).one()
        payment_id = payment.id
        share = session.get_one(Share, share_id, with_for_update=True, populate_existing=True)
        if share.state not in ("due", "sending", "unknown"):
            return
        was_tried = share.state != "due"
        if not was_tried and not _begin(session, payment, share, hall):
            return
        assert payment.provider_id is not None, "a due share belongs to a paid payment"
        assert share.routed_amount is not None and share.organization_id is not None, "set when it was begun"
        provider_id, organization_id = payment.provider_id, share.organization_id
        whose = {"party": share.party, "provider_env": payment.provider_env}
        amount, key, label = share.routed_amount, share.idempotency_key or "", f"{payment.reference} {share.party}"
    try:
        routes = hall.gateway.routes_of(provider_id) if was_tried else []
    except Rejected as refused:
        # Nothing is known of the route: it may have been made by a call whose answer was lost.
        raise TryAgain(str(refused), status=refused.status) from refused
    try:
        route_id = None
        if amount:
            found = next((route for route in routes if route.description == label), None)
            route = found or hall.gateway.create_route(
                provider_id, amount=amount, organization_id=organization_id, description=label, idempotency_key=key
            )
            route_id = route.id
    except Rejected as refused:
        log.error("share %s refused by the provider: %s (%s)", share_id, refused, refused.field)
        with hall.database.transaction() as session:
            session.execute(update(Share).where(Share.id == share_id, Share.state == "sending").values(state="refused"))
            if (refused.field or "").startswith("destination"):
                shut(session, organization_id=organization_id, now=hall.clock.now(), **whose)
        return
    with hall.database.transaction() as session:
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        share = session.get_one(Share, share_id, with_for_update=True)
        if share.state == "routed":
            return
        now = hall.clock.now()
        share.state, share.provider_route_id, share.routed_at = "routed", route_id, now
        post(
            session,
            key=f"routed:{share_id}",
            kind="routed",
            reference=payment.reference,
            entries={share.party: amount, accounts.HOLDING: -amount},
            actor=MACHINE,
            now=now,
        )
        if route_id is not None and took(session, organization_id=organization_id, now=now, **whose):
            publish(session, "connection.open", party=share.party)


def _begin(session: Session, payment: Payment, share: Share, hall: Hall) -> bool:
    """Fix what is routed, and to whom, before anybody is asked; whether it may be.

    The provider routes no more than the payment holds. What it no longer holds of the share, because a refund came
    first and left less than the provider's fee to the association, is lacking: the association owes it.
    """
    if is_disputed(session, payment.id):
        log.warning("share %s waits: the payer's bank has taken the payment back", share.id)
        return False
    left = share.amount - taken_of(session, share)
    if not left:
        share.state = "cancelled"
        return False
    account = session.get(MerchantAccount, (share.party, payment.provider_env))
    if account is None or not account.may_be_tried:
        log.info("share %s waits: %s cannot receive payments", share.id, share.party)
        return False
    if not is_its_turn(session, share, account):
        log.info("share %s waits: %s is refused money, and an older share is tried first", share.id, share.party)
        return False
    routed = left
    held = held_for_routes(session, payment)
    if held - fee_bound(payment.amount, local_day(hall.clock.now())) < left:
        # Who does not read the provider's book learns of a fee when a route is refused; of nothing none is kept.
        fee = fee_of(session, payment) if held > ZERO and hall.gateway.reads_balance else ZERO
        if fee is None:
            log.warning("share %s waits: the provider's fee is not known yet", share.id)
            return False
        routed = max(ZERO, min(left, held - fee))
    share.state, share.routed_amount, share.organization_id = "sending", routed, account.organization_id
    share.lacking_amount = left - routed
    return True


def held_for_routes(session: Session, payment: Payment) -> Money:
    """What a payment holds that is not routed, refunded or taken back by a bank; the provider's fee is still in it."""
    back = select(func.coalesce(func.sum(type_coerce(Refund.amount, BigInteger)), 0)).where(
        Refund.payment_id == payment.id, Refund.state.not_in(("failed", "canceled"))
    )
    reversed_back = (
        select(func.coalesce(func.sum(type_coerce(RefundPart.reversed_amount, BigInteger)), 0))
        .join(Refund, RefundPart.refund_id == Refund.id)
        .where(Refund.payment_id == payment.id, Refund.state.not_in(("failed", "canceled")))
    )
    routed = select(func.coalesce(func.sum(type_coerce(Share.routed_amount, BigInteger)), 0)).where(
        Share.payment_id == payment.id, Share.state.in_(ON_THE_WAY)
    )
    gone, came_back, sent = session.execute(
        select(back.scalar_subquery(), reversed_back.scalar_subquery(), routed.scalar_subquery())
    ).one()
    held = payment.amount - Money(int(gone)) + Money(int(came_back)) - Money(int(sent))
    return held - lost_to_bank(session, payment.id)


def make_up(session: Session, *, share_id: int, actor: str, now: datetime) -> bool:
    """Somebody has paid a merchant by bank what a payment lacked of its share; whether this call says so.

    The association's own money: what residents paid is never passed on by bank (mollie.md 7). NotFound for a share
    that lacks nothing.
    """
    share = session.get(Share, share_id, with_for_update=True)
    if share is None or not share.lacking_amount:
        raise NotFound()
    if share.made_up_at is not None:
        return False
    share.made_up_at, share.made_up_by = now, actor
    payment = session.get_one(Payment, share.payment_id)
    post(
        session,
        key=f"made_up:{share.id}",
        kind="made_up",
        reference=payment.reference,
        entries={share.party: share.lacking_amount, accounts.BANK: -share.lacking_amount},
        actor=actor,
        now=now,
    )
    return True


def taken_of(session: Session, share: Share, *, reversals: bool = False) -> Money:
    """What refunds have taken of a share before it reached its merchant; with `reversals`, also what they take back
    after."""
    kept = RefundPart.amount - RefundPart.reversed_amount - RefundPart.claimed_amount
    return _sum_of_parts(session, share, RefundPart.amount if reversals else kept)


def reversed_of(session: Session, share: Share) -> Money:
    """What the provider takes back of a share with refunds."""
    return _sum_of_parts(session, share, RefundPart.reversed_amount)


def _sum_of_parts(session: Session, share: Share, amount: SQLColumnExpression[Money]) -> Money:
    """Of the refunds that have not come to nothing."""
    taken = (
        select(func.coalesce(func.sum(type_coerce(amount, BigInteger)), 0))
        .join(Refund, RefundPart.refund_id == Refund.id)
        .where(
            Refund.payment_id == share.payment_id,
            Refund.state.not_in(("failed", "canceled")),
            RefundPart.party == share.party,
            RefundPart.kind == share.kind,
        )
    )
    return Money(int(session.scalar(taken) or 0))


def send_again(session: Session, *, party: str | None = None) -> None:
    """What the provider refused to route is due once more if its merchant can receive it now; under a new key.

    A refusal is certain: nothing was routed. Most have one cause, a merchant whose account is closed: of such a one's
    shares the oldest alone is tried. With `party`, of that merchant only.
    """
    refused = (
        select(Share, MerchantAccount)
        .join(Payment, Share.payment_id == Payment.id)
        .join(
            MerchantAccount,
            (MerchantAccount.party == Share.party) & (MerchantAccount.provider_env == Payment.provider_env),
        )
        .where(Share.state == "refused")
        .order_by(Share.id)
        .with_for_update(of=Share)
    )
    if party is not None:
        refused = refused.where(Share.party == party)
    for share, account in session.execute(refused).all():
        if account.may_be_tried and is_its_turn(session, share, account):
            share.state, share.idempotency_key = "due", new_token()
    session.flush()


def due_shares(session: Session, *, party: str | None = None) -> list[int]:
    """Every share that should be on its way to its merchant, or to this one; those of a disputed payment when the
    dispute is won."""
    taken_back = exists().where(Chargeback.payment_id == Share.payment_id, Chargeback.is_open)
    wanted = select(Share.id).where(Share.state.in_(("sending", "unknown")) | (Share.state == "due") & ~taken_back)
    if party is not None:
        wanted = wanted.where(Share.party == party)
    return list(session.scalars(wanted.order_by(Share.id)))


__all__ = [
    "ON_THE_WAY",
    "allocate",
    "due_shares",
    "held_for_routes",
    "make_due",
    "make_up",
    "reversed_of",
    "send_again",
    "send_share",
    "taken_of",
]
