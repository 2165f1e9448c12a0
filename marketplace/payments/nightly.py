"""The whole reconciliation, as it runs every night and by `payments reconcile`.

First the provider's lists: what is only news to us is looked at, as if a notice had come. Then its balance is read,
and both books are compared. What differs is noted for people, never corrected (mollie.md 5.4).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.money import ZERO, Money
from marketplace.payments import differing, service
from marketplace.payments.gateway import ProviderRefund
from marketplace.payments.models import Payment, Refund, Share
from marketplace.payments.reading import read_book
from marketplace.payments.reconciling import Found, differences
from marketplace.payments.rules import RECONCILED

log = logging.getLogger(__name__)

#: So long after something happened, one of the books may not know it yet.
STILL_NEWS = timedelta(hours=1)
#: Routes are listed payment by payment: those of the last day and night, some hours over.
ROUTES_LOOKED_AT = timedelta(hours=30)

#: How often an organisation got a sum of one payment.
Routes = Counter[tuple[str, Money]]
#: Told what comes in, and how much of it more.
Advance = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`found` is everything that differs, settled by somebody or not; `waiting_qty` what nobody has settled.

    `looked_at_qty` payments had news that had not reached us. Without `reads_balance` (no access token) fees, payouts
    and the balance itself stay unknown.
    """

    found: Sequence[Found]
    waiting_qty: int
    looked_at_qty: int
    reads_balance: bool


def reconcile(hall: Hall, *, advance: Advance = lambda what, qty: None) -> Outcome:
    """Compare everything that the provider lists with ours, and note what differs; harmless to repeat."""
    env, begun_at = hall.settings.mollie_env, hall.clock.now()
    payments = service.reconcile(hall, advance=lambda qty: advance("payments", qty))
    refunds, strange_refunds = _go_through_refunds(hall, advance)
    news = payments.payment_ids | refunds | service.look_for_chargebacks(hall).payment_ids
    for payment_id in sorted(news):
        _settle(hall, payment_id)
    strangers = [
        Found("unknown_payment", one.id, "", ZERO, one.amount, one.paid_at or one.created_at)
        for one in payments.strangers
    ]
    others = _compare_routes(hall, advance)
    reads_balance = read_book(hall, advance=lambda qty: advance("lines", qty))
    with hall.database.transaction() as session:
        # The balance says it best, where it may be read: to the cent, with the sums of both sides.
        found = differences(session, provider_env=env, until_at=begun_at - STILL_NEWS) if reads_balance else []
        said = {(one.kind, one.subject) for one in found}
        found += [one for one in (*strangers, *strange_refunds, *others) if (one.kind, one.subject) not in said]
        waiting_qty = differing.note(session, provider_env=env, found=found, now=hall.clock.now())
    return Outcome(found, waiting_qty, len(news), reads_balance)


def _settle(hall: Hall, payment_id: int) -> None:
    try:
        service.settle(hall, payment_id)
    except GatewayError as trouble:  # the job that was published for it comes back
        log.warning("payment %s could not be looked at: %s", payment_id, trouble)


def _go_through_refunds(hall: Hall, advance: Advance) -> tuple[frozenset[int], list[Found]]:
    """The payments of ours of whose latest refunds the provider knows more, and the refunds that are none of ours."""
    since_at = hall.clock.now() - RECONCILED
    news: set[int] = set()
    strange: list[Found] = []
    next_id: str | None = None
    while True:
        page, next_id = hall.gateway.refunds_since(from_id=next_id)
        advance("refunds", len(page))
        with hall.database.reading() as session:
            payments = _payments(session, hall.settings.mollie_env, {refund.payment_id for refund in page})
            states = dict(
                session.execute(
                    select(Refund.idempotency_key, Refund.state).where(
                        Refund.payment_id.in_([payment.id for payment in payments.values()])
                    )
                ).all()
            )
        for refund in page:
            payment = payments.get(refund.payment_id)
            state = states.get(refund.metadata.get("refund_key", ""))
            if payment is None or state is None:
                strange.append(_strange(refund, payment))
            elif state != refund.status:
                news.add(payment.id)
        if next_id is None or page[-1].created_at < since_at:
            return frozenset(news), strange


def _strange(refund: ProviderRefund, payment: Payment | None) -> Found:
    kind, number = ("refund", payment.reference) if payment else ("unknown_payment", "")
    return Found(kind, refund.payment_id, number, ZERO, -refund.amount, refund.created_at)


def _payments(session: Session, env: str, provider_ids: set[str]) -> dict[str, Payment]:
    found = session.scalars(select(Payment).where(Payment.provider_env == env, Payment.provider_id.in_(provider_ids)))
    return {payment.provider_id or "": payment for payment in found}


def _compare_routes(hall: Hall, advance: Advance) -> list[Found]:
    """Whether what was routed lately went to those, and in those sums, that we say."""
    since_at, env = hall.clock.now() - ROUTES_LOOKED_AT, hall.settings.mollie_env
    lately = select(Share.payment_id).where(Share.routed_at > since_at)
    under_way = select(Share.payment_id).where(Share.state.in_(("sending", "unknown")))
    wanted = select(Payment).where(
        Payment.id.in_(lately),
        Payment.id.not_in(under_way),
        Payment.provider_env == env,
        # What was split upfront is not in the list of routes; it was compared when it was paid.
        Payment.routing.is_distinct_from("upfront"),
    )
    with hall.database.reading() as session:
        payments = session.scalars(wanted.order_by(Payment.id)).all()
        ours = _routes_of(session, [payment.id for payment in payments])
    found = []
    for payment in payments:
        assert payment.provider_id is not None, "a routed share belongs to a paid payment"
        theirs = Counter((route.organization_id, route.amount) for route in hall.gateway.routes_of(payment.provider_id))
        advance("routes", 1)
        mine = ours[payment.id]
        if mine != theirs:
            found.append(
                Found("recipient", payment.provider_id, payment.reference, _sum(mine), _sum(theirs), payment.paid_at)
            )
    return found


def _routes_of(session: Session, payment_ids: Sequence[int]) -> dict[int, Routes]:
    shares = session.scalars(select(Share).where(Share.payment_id.in_(payment_ids), Share.state == "routed"))
    found: defaultdict[int, Routes] = defaultdict(Counter)
    for share in shares:
        assert share.organization_id is not None and share.routed_amount is not None, "set before it was routed"
        if share.routed_amount:
            found[share.payment_id][share.organization_id, share.routed_amount] += 1
    return found


def _sum(routes: Routes) -> Money:
    return Money.total([amount * qty for (_, amount), qty in routes.items()])
