"""Ask for a payment and learn what became of it.

Every outside call follows the same three steps: the row with its idempotency key is committed, the call is made
with no transaction open, the answer is written (M04, M05). Whoever learns of news (webhook, return page, poller)
calls `settle`, which fetches the truth from the provider.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ScalarSelect, Select, case, exists, select, update
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.db import Database
from marketplace.errors import MarketplaceError, NotFound
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.jobs import publish
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import ZERO, Money
from marketplace.payments.chargebacks import apply_chargebacks
from marketplace.payments.connecting.refusing import shut
from marketplace.payments.gateway import (
    CURRENCY,
    Gateway,
    OutcomeUnknown,
    PaymentRequest,
    ProviderPayment,
    Rejected,
    TryAgain,
    UpfrontRoute,
)
from marketplace.payments.models import (
    MACHINE,
    OPEN_STATES,
    UNHEARD_STATES,
    Chargeback,
    MerchantAccount,
    Payment,
    Refund,
    Share,
)
from marketplace.payments.refunds import apply_refund, watch_refunds
from marketplace.payments.rules import (
    ENDED,
    KEY_WINDOW,
    NEXT,
    POLL_LONGEST,
    RECONCILED,
    SLOW_METHODS,
    Claim,
    PlannedShare,
    bears_fee,
    least_goods,
    next_poll,
)
from marketplace.payments.strange import SPLIT_DIFFERS, difference
from marketplace.payments.upfront import fix_routing, note_split, refused_share, route_later, routes_for
from marketplace.payments.ways import fitting

log = logging.getLogger(__name__)

#: Our languages as the provider names them.
LOCALES = {"fr": "fr_FR", "en": "en_GB"}


class PaymentUnderWay(MarketplaceError):
    """The resident has already begun to pay this."""

    code = "payment_under_way"


class PlanTooSmall(MarketplaceError):
    """The provider may keep more of the payment than the association has of it: what is missing would be a merchant's.

    `least` is for how much goods it would do; None when no amount does.
    """

    code = "order_too_small"


# --- Ask -------------------------------------------------------------------------------------------------------


def request_payment(
    session: Session,
    *,
    reference: str,
    description: str,
    shares: Sequence[PlannedShare],
    redirect_url: str,
    language: str,
    provider_env: str,
    now: datetime,
    handover_on: date | None = None,
    takes_slow: bool = True,
) -> Payment:
    """A new attempt to pay `reference`, of which the provider does not know yet; its shares sum to its amount.

    PaymentUnderWay when an attempt is still open (a unique index makes sure of it); PlanTooSmall (I7).
    """
    today = local_day(now)
    if not bears_fee(shares, today):
        raise PlanTooSmall(least=least_goods(shares, today))
    amount = Money.total([share.amount for share in shares])
    earlier = session.scalars(
        select(Payment).where(Payment.reference == reference).order_by(Payment.attempt).with_for_update()
    ).all()
    if any(payment.state in OPEN_STATES for payment in earlier):
        raise PaymentUnderWay(reference=reference)
    payment = Payment(
        token=new_token(),
        reference=reference,
        attempt=len(earlier) + 1,
        amount=amount,
        description=description,
        state="creating",
        provider_env=provider_env,
        idempotency_key=new_token(),
        redirect_url=redirect_url,
        language=language,
        handover_on=handover_on,
        takes_slow=takes_slow,
        created_at=now,
        next_poll_at=next_poll(now, 0, now),
    )
    session.add(payment)
    session.flush()
    for share in shares:
        if share.amount:
            is_routed = share.kind == "goods"
            session.add(
                Share(
                    payment_id=payment.id,
                    party=share.party,
                    kind=share.kind,
                    amount=share.amount,
                    state="planned" if is_routed else "kept",
                    idempotency_key=new_token() if is_routed else None,
                )
            )
    session.flush()
    return payment


def open_at_provider(hall: Hall, payment_id: int) -> str | None:
    """Create the payment at the provider; the address where the resident pays.

    None while nobody can say whether it was created (the poller asks again with the same key), and when the
    provider refused it (the attempt is over, another may be offered). Calling it again is harmless.
    """
    fast = _fast_methods(hall, payment_id)
    with hall.database.transaction() as session:
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        if payment.state not in UNHEARD_STATES:
            return payment.checkout_url if payment.state in OPEN_STATES else None
        if payment.routing is None:
            payment.methods = fast  # fixed with the routing, before the provider is first asked
        fix_routing(session, payment, routing=hall.settings.mollie_routing, now=hall.clock.now())
        request = _request_of(hall, payment, routes_for(session, payment))
        key = payment.idempotency_key
        is_key_fresh = hall.clock.now() - payment.created_at < KEY_WINDOW
    if not is_key_fresh:
        # A second creation would be a second payment. Nobody was ever sent to the first: let it expire unpaid.
        _end_unheard(hall.database, payment_id, state="expired", now=hall.clock.now())
        return None
    try:
        answer = hall.gateway.create_payment(request, idempotency_key=key)
    except Rejected as refused:
        log.error("payment %s refused by the provider: %s (%s)", payment_id, refused, refused.field)
        if (refused.field or "").startswith("routing") and _ask_for_less(hall, payment_id, key, refused.field or ""):
            return open_at_provider(hall, payment_id)
        _end_unheard(hall.database, payment_id, state="rejected", now=hall.clock.now())
        return None
    except (TryAgain, OutcomeUnknown) as trouble:
        log.warning("payment %s: outcome unknown: %s", payment_id, trouble)
        with hall.database.transaction() as session:
            session.execute(
                update(Payment).where(Payment.id == payment_id, Payment.state == "creating").values(state="unknown")
            )
        return None
    with hall.database.transaction() as session:
        _apply(session, payment_id, answer, hall.clock.now())
    return answer.checkout_url


def _fast_methods(hall: Hall, payment_id: int) -> list[str] | None:
    """The ways to pay that what is bought does not outlive; None where no way has to be left out."""
    with hall.database.reading() as session:
        payment = session.get_one(Payment, payment_id)
    if payment.takes_slow or payment.routing is not None or payment.state not in UNHEARD_STATES:
        return None
    offered = hall.ways.offered(hall.gateway, locale=LOCALES[payment.language], clock=hall.clock)
    if SLOW_METHODS.isdisjoint(method.id for method in offered):
        return None
    fast = fitting(offered, payment.amount, takes_slow=False)
    return [method.id for method in fast] or None


def _request_of(hall: Hall, payment: Payment, routes: tuple[UpfrontRoute, ...]) -> PaymentRequest:
    base = hall.settings.webhook_base
    return PaymentRequest(
        amount=payment.amount,
        description=payment.description,
        redirect_url=payment.redirect_url,
        locale=LOCALES[payment.language],
        webhook_url=f"{base}/paiements/avis/{payment.token}" if base else None,
        metadata={"payment_key": payment.idempotency_key, "reference": payment.reference},
        routes=routes,
        methods=tuple(payment.methods or ()),
    )


def _ask_for_less(hall: Hall, payment_id: int, refused_key: str, field: str) -> bool:
    """The payment is asked for once more, without the split that was refused; whether it was split at all.

    The merchant whom the refusal's field names can receive nothing from now on.
    """
    with hall.database.transaction() as session:
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        if payment.state not in UNHEARD_STATES or payment.idempotency_key != refused_key:
            return False  # somebody else has seen to it meanwhile
        refused = refused_share(session, payment, field)
        if refused is not None and refused.organization_id is not None:
            shut(
                session,
                party=refused.party,
                provider_env=payment.provider_env,
                organization_id=refused.organization_id,
                now=hall.clock.now(),
            )
        return route_later(session, payment)


def _end_unheard(database: Database, payment_id: int, *, state: str, now: datetime) -> None:
    """The attempt is over, unless somebody else has opened it meanwhile: then the resident may be paying it."""
    with database.transaction() as session:
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        if payment.state in UNHEARD_STATES:
            payment.state, payment.ended_at, payment.next_poll_at = state, now, None


# --- Learn -----------------------------------------------------------------------------------------------------


def settle(hall: Hall, payment_id: int) -> None:
    """Fetch the payment from the provider and write down what it says; harmless to repeat (I11)."""
    with hall.database.glance() as session:
        known = session.execute(
            select(
                Payment.provider_id,
                Payment.state,
                exists().where(Chargeback.payment_id == Payment.id),
                exists().where(Refund.payment_id == Payment.id),
            ).where(Payment.id == payment_id)
        ).one_or_none()
    if known is None:
        raise NotFound()
    provider_id, state, was_disputed, has_refunds = known
    if provider_id is None:
        if state in UNHEARD_STATES:
            open_at_provider(hall, payment_id)
        return
    answer = hall.gateway.get_payment(provider_id)
    refunds = hall.gateway.refunds_of(provider_id) if has_refunds else []
    is_disputed = bool(answer.amount_charged_back) or was_disputed
    chargebacks = hall.gateway.chargebacks_of(provider_id) if is_disputed else []
    with hall.database.transaction() as session:
        _apply(session, payment_id, answer, hall.clock.now())
        for refund in refunds:
            apply_refund(session, payment_id, refund, hall.clock.now())
        watch_refunds(session, payment_id, hall.clock.now())
        if chargebacks:
            apply_chargebacks(session, payment_id, chargebacks, hall.clock.now())


def _apply(session: Session, payment_id: int, answer: ProviderPayment, now: datetime) -> None:
    payment = session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)
    if payment.provider_id not in (None, answer.id):
        raise AssertionError(f"payment {payment_id} is {payment.provider_id}, not {answer.id}")
    payment.provider_id = answer.id
    payment.checkout_url = answer.checkout_url or payment.checkout_url
    payment.polls_qty += 1
    after = NEXT.get((payment.state, answer.status), payment.state)
    if after == payment.state:
        if payment.state in OPEN_STATES:
            payment.next_poll_at = next_poll(payment.created_at, payment.polls_qty, now)
        return
    payment.state = after
    if after in OPEN_STATES:
        payment.next_poll_at = next_poll(payment.created_at, payment.polls_qty, now)
        return
    payment.next_poll_at = None
    if after in ENDED:
        payment.ended_at = now
        return
    payment.paid_at = answer.paid_at or now
    claim, asked = _claim_of(answer), _claim_asked(payment)
    # Money of another currency, and play money, lie on another balance than the one that the ledger keeps.
    is_ours = (claim.currency, claim.mode) == (asked.currency, asked.mode)
    held = answer.amount if is_ours else ZERO
    post(
        session,
        key=f"paid:{payment.id}",
        kind="paid",
        reference=payment.reference,
        entries={accounts.HOLDING: held, accounts.UNMATCHED: -held},
        actor=MACHINE,
        now=now,
    )
    strange = difference(claim, asked)
    if strange is None and not note_split(session, payment, answer.routes, now):
        strange = SPLIT_DIFFERS
    if strange is not None:
        # Fulfil nothing: a person must look at money that is not the money we asked for (I05).
        payment.trouble = strange
        log.error("payment %s: the provider's %s is not what we asked for", payment.id, answer.id)
    else:
        publish(session, "payment.paid", payment_id=payment.id)


def _claim_asked(payment: Payment) -> Claim:
    mode = "live" if payment.provider_env == "live" else "test"
    return Claim(payment.amount, CURRENCY, mode, payment.idempotency_key)


def _claim_of(answer: ProviderPayment) -> Claim:
    return Claim(answer.amount, answer.currency, answer.mode, answer.metadata.get("payment_key", ""))


def take_hint(session: Session, *, token: str, provider_id: str, now: datetime) -> None:
    """Somebody says that the payment with this token has news: have it looked at, whatever they say (M06).

    An id that is not the payment's own, or a token that is nobody's, is noted in the log and changes nothing.
    """
    payment = session.scalars(select(Payment).where(Payment.token == token)).one_or_none()
    if payment is None or not Gateway.is_payment_id(provider_id) or payment.provider_id not in (None, provider_id):
        log.warning("a payment notice that fits nothing of ours was passed over")
        return
    publish(session, "payment.hinted", payment_id=payment.id)


def claim_due_polls(session: Session, now: datetime) -> Sequence[int]:
    """The payments that the poller looks at now; each is left alone for two minutes, looked at or not.

    One that never gets an answer (another account's, a key that was withdrawn) is given up after two days as well.
    """
    is_given_up = Payment.state.in_(OPEN_STATES) & (Payment.created_at < now - POLL_LONGEST)
    return session.scalars(
        update(Payment)
        .where(Payment.next_poll_at <= now)
        .values(next_poll_at=case((is_given_up, None), else_=now + timedelta(minutes=2)))
        .returning(Payment.id)
    ).all()


@dataclass(frozen=True, slots=True)
class News:
    """What the provider's lists know more than we do: of these payments of ours, and of these that are nobody's."""

    payment_ids: frozenset[int]
    strangers: tuple[ProviderPayment, ...] = ()


def reconcile(hall: Hall, *, advance: Callable[[int], None] = lambda qty: None) -> News:
    """Go through the provider's list of payments: every paid one of ours that we hold for unpaid is looked at (I07).

    For what neither notice nor poller brought: an attempt given up before the provider's answer came, or the hours
    that a restored backup does not know. A paid payment that is nobody's here is said in the log, as an error.
    """
    news: set[int] = set()
    strangers: list[ProviderPayment] = []
    env = hall.settings.mollie_env
    with hall.database.reading() as session:
        cursor = session.scalar(
            select(Payment.provider_id)
            .where(
                Payment.provider_env == env,
                Payment.provider_id.is_not(None),
                Payment.created_at < hall.clock.now() - RECONCILED,
            )
            .order_by(Payment.id.desc())
            .limit(1)
        )
    while True:
        page, cursor = hall.gateway.payments_since(from_id=cursor)
        advance(len(page))
        with hall.database.transaction() as session:
            paid = [answer for answer in page if answer.status == "paid"]
            find = _ours(session, env, paid)
            for answer in paid:
                payment = find(answer)
                if payment is None:
                    log.error("the provider's paid payment %s is none of ours", answer.id)
                    strangers.append(answer)
                elif _compare(session, payment, answer):
                    news.add(payment.id)
        if cursor is None:
            return News(frozenset(news), tuple(strangers))


def look_for_chargebacks(hall: Hall) -> News:
    """A bank takes money back for months: whatever of the provider's latest chargebacks is new to us is looked at."""
    latest = hall.gateway.latest_chargebacks()
    with hall.database.transaction() as session:
        known = dict(
            session.execute(
                select(Chargeback.provider_id, Chargeback.reversed_at.is_not(None)).where(
                    Chargeback.provider_id.in_([answer.id for answer in latest])
                )
            ).all()
        )
        news = {answer.payment_id for answer in latest if known.get(answer.id) is not (answer.reversed_at is not None)}
        payment_ids = session.scalars(
            select(Payment.id)
            .where(Payment.provider_env == hall.settings.mollie_env, Payment.provider_id.in_(news))
            .order_by(Payment.id)
        ).all()
        for payment_id in payment_ids:
            publish(session, "payment.hinted", payment_id=payment_id)
    return News(frozenset(payment_ids))


def _ours(
    session: Session, env: str, answers: Sequence[ProviderPayment]
) -> Callable[[ProviderPayment], Payment | None]:
    """Which payment of ours an answer is about; all of them are held until the transaction ends."""
    payments = session.scalars(
        select(Payment)
        .where(
            Payment.provider_env == env,
            Payment.provider_id.in_([answer.id for answer in answers])
            | Payment.idempotency_key.in_([_our_key(answer) for answer in answers]) & Payment.provider_id.is_(None),
        )
        .order_by(Payment.id)
        .with_for_update()
    ).all()
    by_id = {payment.provider_id: payment for payment in payments if payment.provider_id is not None}
    by_key = {payment.idempotency_key: payment for payment in payments if payment.provider_id is None}

    def find(answer: ProviderPayment) -> Payment | None:
        payment = by_id.get(answer.id) or by_key.get(_our_key(answer))
        # Of two answers with one key the first has given the payment its id.
        return payment if payment is not None and payment.provider_id in (None, answer.id) else None

    return find


def _our_key(answer: ProviderPayment) -> str:
    return str(answer.metadata.get("payment_key", ""))


def _compare(session: Session, payment: Payment, answer: ProviderPayment) -> bool:
    """Whether the provider may know more of it than we do; then it is looked at."""
    if payment.state == "paid" and not answer.amount_charged_back:
        return False
    payment.provider_id = answer.id
    publish(session, "payment.hinted", payment_id=payment.id)
    return True


def cancel_attempt(hall: Hall, payment_id: int) -> None:
    """Ask the provider to close an open attempt, so that nobody pays for what we no longer hold."""
    settle(hall, payment_id)
    with hall.database.reading() as session:
        payment = session.get_one(Payment, payment_id)
        provider_id = payment.provider_id if payment.state in OPEN_STATES else None
    if provider_id is None:
        return
    try:
        answer = hall.gateway.cancel_payment(provider_id)
    except Rejected:
        return  # it can no longer be closed: the resident may be paying this very second
    with hall.database.transaction() as session:
        _apply(session, payment_id, answer, hall.clock.now())


# --- Merchants -------------------------------------------------------------------------------------------------


def payable_parties(session: Session, provider_env: str) -> frozenset[str]:
    """The parties whose goods may be sold online: only while the provider lets them receive payments (D5)."""
    return frozenset(session.scalars(_payable(provider_env)))


def is_payable(session: Session, *, party: str | ScalarSelect[str], provider_env: str) -> bool:
    """The same, of one party: its word, or a query that finds it."""
    return session.scalar(_payable(provider_env).where(MerchantAccount.party == party)) is not None


def _payable(provider_env: str) -> Select[str]:
    return select(MerchantAccount.party).where(
        MerchantAccount.provider_env == provider_env,
        MerchantAccount.can_receive_payments,
        MerchantAccount.standing == "connected",
    )


__all__ = [
    "News",
    "PaymentUnderWay",
    "PlanTooSmall",
    "cancel_attempt",
    "claim_due_polls",
    "look_for_chargebacks",
    "open_at_provider",
    "is_payable",
    "payable_parties",
    "reconcile",
    "request_payment",
    "settle",
    "take_hint",
]
