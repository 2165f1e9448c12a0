"""Ask for a payment, learn what became of it, share it, give it back.

Every outside call follows the same three steps: the row with its idempotency key is committed, the call is made
with no transaction open, the answer is written (M04, M05). Whoever learns of news (webhook, return page, poller)
calls `settle`, which fetches the truth from the provider.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, case, func, select, type_coerce, update
from sqlalchemy.orm import Session

from marketplace.db import Database
from marketplace.errors import MarketplaceError, NotFound
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.jobs import publish
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import ZERO, Money
from marketplace.payments.gateway import (
    Gateway,
    OutcomeUnknown,
    PaymentRequest,
    ProviderPayment,
    ProviderRefund,
    Rejected,
    TryAgain,
)
from marketplace.payments.models import (
    OPEN_STATES,
    REFUND_UNDER_WAY,
    UNHEARD_STATES,
    MerchantAccount,
    Payment,
    Refund,
    Share,
)
from marketplace.payments.rules import (
    ENDED,
    KEY_WINDOW,
    NEXT,
    POLL_LONGEST,
    RECONCILED,
    REFUND_POLL,
    Claim,
    PlannedShare,
    next_poll,
)

log = logging.getLogger(__name__)

#: Our languages as the provider names them.
LOCALES = {"fr": "fr_FR", "en": "en_GB"}
#: Postings are the machine's unless a person asked.
MACHINE = "payments"


class PaymentUnderWay(MarketplaceError):
    """The resident has already begun to pay this."""

    code = "payment_under_way"


class RefundTooLarge(MarketplaceError):
    """More would go back than came in."""

    code = "refund_too_large"


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
) -> Payment:
    """A new attempt to pay `reference`, of which the provider does not know yet; its shares sum to its amount.

    PaymentUnderWay when an attempt is still open (a unique index makes sure of it).
    """
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
    with hall.database.reading() as session:
        payment = session.get_one(Payment, payment_id)
        if payment.state not in UNHEARD_STATES:
            return payment.checkout_url if payment.state in OPEN_STATES else None
        request = _request_of(hall, payment)
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


def _request_of(hall: Hall, payment: Payment) -> PaymentRequest:
    base = hall.settings.webhook_base
    return PaymentRequest(
        amount=payment.amount,
        description=payment.description,
        redirect_url=payment.redirect_url,
        locale=LOCALES[payment.language],
        webhook_url=f"{base}/paiements/avis/{payment.token}" if base else None,
        metadata={"payment_key": payment.idempotency_key, "reference": payment.reference},
    )


def _end_unheard(database: Database, payment_id: int, *, state: str, now: datetime) -> None:
    """The attempt is over, unless somebody else has opened it meanwhile: then the resident may be paying it."""
    with database.transaction() as session:
        payment = session.get_one(Payment, payment_id, with_for_update=True)
        if payment.state in UNHEARD_STATES:
            payment.state, payment.ended_at, payment.next_poll_at = state, now, None


# --- Learn -----------------------------------------------------------------------------------------------------


def settle(hall: Hall, payment_id: int) -> None:
    """Fetch the payment from the provider and write down what it says; harmless to repeat (I11)."""
    with hall.database.reading() as session:
        payment = session.get(Payment, payment_id)
        if payment is None:
            raise NotFound()
        provider_id, state = payment.provider_id, payment.state
        has_refunds = session.scalar(select(Refund.id).where(Refund.payment_id == payment_id).limit(1)) is not None
    if provider_id is None:
        if state in UNHEARD_STATES:
            open_at_provider(hall, payment_id)
        return
    answer = hall.gateway.get_payment(provider_id)
    refunds = hall.gateway.refunds_of(provider_id) if has_refunds else []
    with hall.database.transaction() as session:
        _apply(session, payment_id, answer, hall.clock.now())
        for refund in refunds:
            _apply_refund(session, payment_id, refund, hall.clock.now())
        _watch_refunds(session, payment_id, hall.clock.now())


def _apply(session: Session, payment_id: int, answer: ProviderPayment, now: datetime) -> None:
    payment = session.get_one(Payment, payment_id, with_for_update=True, populate_existing=True)
    if payment.provider_id not in (None, answer.id):
        raise AssertionError(f"payment {payment_id} is {payment.provider_id}, not {answer.id}")
    payment.provider_id = answer.id
    payment.checkout_url = answer.checkout_url or payment.checkout_url
    payment.polls_qty += 1
    if answer.amount_charged_back and payment.trouble is None:
        # The resident's bank has taken it back: the state stays, a person decides who bears it (mollie.md 2.2).
        payment.trouble = "charged_back"
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
    post(
        session,
        key=f"paid:{payment.id}",
        kind="paid",
        reference=payment.reference,
        entries={accounts.HOLDING: answer.amount, accounts.UNMATCHED: -answer.amount},
        actor=MACHINE,
        now=now,
    )
    if _claim_of(answer) != _claim_asked(payment):
        # Fulfil nothing: a person must look at money that is not the money we asked for (I05).
        payment.trouble = "amount_differs"
        log.error("payment %s: the provider's %s is not what we asked for", payment.id, answer.id)
    else:
        publish(session, "payment.paid", payment_id=payment.id)


def _claim_asked(payment: Payment) -> Claim:
    mode = "live" if payment.provider_env == "live" else "test"
    return Claim(payment.amount, "EUR", mode, payment.idempotency_key)


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


def reconcile(hall: Hall) -> None:
    """Go through the provider's own book: every paid payment of ours that we hold for unpaid is looked at (I07).

    For what neither notice nor poller brought: an attempt given up before the provider's answer came, or the hours
    that a restored backup does not know. A paid payment that is nobody's here is said in the log, as an error.
    """
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
        with hall.database.transaction() as session:
            for answer in page:
                if answer.status == "paid":
                    _compare(session, env, answer)
        if cursor is None:
            return


def _compare(session: Session, env: str, answer: ProviderPayment) -> None:
    payment = session.scalars(
        select(Payment)
        .where(
            Payment.provider_env == env,
            (Payment.provider_id == answer.id)
            | (Payment.idempotency_key == answer.metadata.get("payment_key", "")) & Payment.provider_id.is_(None),
        )
        .with_for_update()
    ).one_or_none()
    if payment is None:
        log.error("the provider's paid payment %s is none of ours", answer.id)
    elif payment.state != "paid":
        payment.provider_id = answer.id
        publish(session, "payment.hinted", payment_id=payment.id)


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


# --- Share -----------------------------------------------------------------------------------------------------


def allocate(session: Session, *, payment_id: int, now: datetime) -> None:
    """What was paid belongs to those who sold: the ledger says so from now on. Once (M10)."""
    payment = session.get_one(Payment, payment_id)
    shares = session.scalars(select(Share).where(Share.payment_id == payment_id)).all()
    entries: dict[str, Money] = {accounts.UNMATCHED: payment.amount}
    for share in shares:
        account = {"commission": accounts.COMMISSION, "delivery": accounts.DELIVERY}.get(share.kind, share.party)
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
    """Route a due share to its merchant; harmless to repeat.

    After a crash or an unknown outcome the provider's own list is asked first: a route has no undo. Raises the
    gateway's TryAgain or OutcomeUnknown, so that the job comes back.
    """
    with hall.database.transaction() as session:
        share = session.get_one(Share, share_id, with_for_update=True)
        if share.state not in ("due", "sending", "unknown"):
            return
        payment = session.get_one(Payment, share.payment_id)
        assert payment.provider_id is not None, "a due share belongs to a paid payment"
        account = session.get(MerchantAccount, (share.party, payment.provider_env))
        if account is None or not account.can_receive_payments:
            log.warning("share %s waits: %s cannot receive payments", share_id, share.party)
            raise TryAgain(f"{share.party} cannot receive payments")
        was_tried = share.state != "due"
        share.state = "sending"
        provider_id, organization_id = payment.provider_id, account.organization_id
        amount, key, label = share.amount, share.idempotency_key or "", f"{payment.reference} {share.party}"
    try:
        found = None
        if was_tried:
            found = next((r for r in hall.gateway.routes_of(provider_id) if r.description == label), None)
        route = found or hall.gateway.create_route(
            provider_id, amount=amount, organization_id=organization_id, description=label, idempotency_key=key
        )
    except Rejected as refused:
        log.error("share %s refused by the provider: %s (%s)", share_id, refused, refused.field)
        with hall.database.transaction() as session:
            session.execute(update(Share).where(Share.id == share_id, Share.state == "sending").values(state="refused"))
        return
    with hall.database.transaction() as session:
        share = session.get_one(Share, share_id, with_for_update=True)
        if share.state == "routed":
            return
        now = hall.clock.now()
        share.state, share.provider_route_id, share.routed_at = "routed", route.id, now
        payment = session.get_one(Payment, share.payment_id)
        post(
            session,
            key=f"routed:{share_id}",
            kind="routed",
            reference=payment.reference,
            entries={share.party: amount, accounts.HOLDING: -amount},
            actor=MACHINE,
            now=now,
        )


# --- Give back -------------------------------------------------------------------------------------------------


def request_refund(
    session: Session, *, payment_id: int, amount: Money, reason: str, actor: str, now: datetime
) -> Refund:
    """Money of a paid payment that no order could use goes back, and nobody gets a share of it.

    RefundTooLarge when it exceeds what came in.
    """
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    already = session.scalar(
        select(func.coalesce(func.sum(type_coerce(Refund.amount, BigInteger)), 0)).where(
            Refund.payment_id == payment_id, Refund.state.not_in(("failed", "canceled"))
        )
    )
    if payment.state != "paid" or int(already or 0) + amount.cents > payment.amount.cents:
        raise RefundTooLarge(reference=payment.reference)
    refund = Refund(
        payment_id=payment_id,
        amount=amount,
        reason=reason,
        state="requested",
        idempotency_key=new_token(),
        requested_at=now,
        requested_by=actor,
    )
    session.add(refund)
    session.flush()
    session.execute(
        update(Share).where(Share.payment_id == payment_id, Share.state == "planned").values(state="cancelled")
    )
    post(
        session,
        key=f"refund:{refund.id}",
        kind="refund",
        reference=payment.reference,
        entries={accounts.UNMATCHED: amount, accounts.REFUNDS: -amount},
        actor=actor,
        now=now,
    )
    publish(session, "refund.requested", refund_id=refund.id)
    return refund


def send_refund(hall: Hall, refund_id: int) -> None:
    """Hand a refund to the provider; harmless to repeat: its own list is asked before a second call.

    One that the provider refuses has failed: its money is nobody's again, and a person decides.
    """
    with hall.database.reading() as session:
        refund = session.get_one(Refund, refund_id)
        if refund.provider_id is not None or refund.state != "requested":
            return
        payment = session.get_one(Payment, refund.payment_id)
        provider_id, amount, reference = payment.provider_id, refund.amount, payment.reference
        key, payment_id = refund.idempotency_key, refund.payment_id
    assert provider_id is not None, "a refund belongs to a paid payment"
    try:
        known = next((r for r in hall.gateway.refunds_of(provider_id) if r.metadata.get("refund_key") == key), None)
        answer = known or hall.gateway.create_refund(
            provider_id,
            amount=amount,
            description=f"Remboursement commande {reference}",
            metadata={"refund_key": key},
            idempotency_key=key,
        )
    except Rejected as refused:
        log.error("refund %s refused by the provider: %s (%s)", refund_id, refused, refused.field)
        with hall.database.transaction() as session:
            payment = session.get_one(Payment, payment_id, with_for_update=True)
            refund = session.get_one(Refund, refund_id, with_for_update=True)
            if refund.state == "requested":
                _fail_refund(session, payment, refund, "failed", hall.clock.now())
        return
    with hall.database.transaction() as session:
        _apply_refund(session, payment_id, answer, hall.clock.now())
        _watch_refunds(session, payment_id, hall.clock.now())


def _watch_refunds(session: Session, payment_id: int, now: datetime) -> None:
    """The poller comes back for a refund that is under way: of some ends no notice is sent, and any may be lost."""
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    if payment.state in OPEN_STATES:
        return
    under_way = select(Refund.id).where(Refund.payment_id == payment_id, Refund.state.in_(REFUND_UNDER_WAY)).limit(1)
    payment.next_poll_at = now + REFUND_POLL if session.scalar(under_way) is not None else None


def _apply_refund(session: Session, payment_id: int, answer: ProviderRefund, now: datetime) -> None:
    key = answer.metadata.get("refund_key", "")
    # The payment before its refund, as `settle` has it: the other way round the two could wait for each other.
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    refund = session.scalars(
        select(Refund).where(Refund.payment_id == payment_id, Refund.idempotency_key == key).with_for_update()
    ).one_or_none()
    if refund is None:
        log.error("the provider knows a refund of payment %s that we did not ask for", payment_id)
        return
    refund.provider_id = answer.id
    if refund.state in ("refunded", "failed", "canceled") or answer.status == refund.state:
        return
    if answer.status not in ("queued", "pending", "processing", "refunded", "failed", "canceled"):
        return
    if answer.status in ("failed", "canceled"):
        _fail_refund(session, payment, refund, answer.status, now)
        return
    refund.state = answer.status
    if answer.status == "refunded":
        refund.settled_at = now
        entries = {accounts.REFUNDS: refund.amount, accounts.HOLDING: -refund.amount}
        _post_refund(session, payment, refund, entries, now)


def _fail_refund(session: Session, payment: Payment, refund: Refund, state: str, now: datetime) -> None:
    """The money is with the provider and again nobody's: a person decides."""
    refund.state, refund.settled_at = state, now
    payment.trouble = "refund_failed"
    _post_refund(session, payment, refund, {accounts.REFUNDS: refund.amount, accounts.UNMATCHED: -refund.amount}, now)


def _post_refund(session: Session, payment: Payment, refund: Refund, entries: dict[str, Money], now: datetime) -> None:
    post(
        session,
        key=f"{refund.state}:{refund.id}",
        kind=refund.state,
        reference=payment.reference,
        entries=entries,
        actor=MACHINE,
        now=now,
    )


# --- Merchants -------------------------------------------------------------------------------------------------


def payable_parties(session: Session, provider_env: str) -> frozenset[str]:
    """The parties whose goods may be sold online: only while the provider lets them receive payments (D5)."""
    return frozenset(
        session.scalars(
            select(MerchantAccount.party).where(
                MerchantAccount.provider_env == provider_env, MerchantAccount.can_receive_payments
            )
        )
    )


__all__ = [
    "PaymentUnderWay",
    "RefundTooLarge",
    "allocate",
    "cancel_attempt",
    "claim_due_polls",
    "make_due",
    "open_at_provider",
    "payable_parties",
    "reconcile",
    "request_payment",
    "request_refund",
    "send_refund",
    "send_share",
    "settle",
    "take_hint",
]
