"""Money on its way back to the resident: all of a payment that no order could use, or parts of its shares.

What a refund takes, and from whom, is written down when it is asked for: a merchant's share that has not been routed
yet is routed with so much less; one that has been is taken back by the provider with the refund (a reversal). A refund
that fails has not happened: the ledger is as before, and a person decides.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, func, select, type_coerce, update
from sqlalchemy.orm import Session

from marketplace.errors import MarketplaceError
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.jobs import publish
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import ZERO, Money
from marketplace.payments.chargebacks import is_disputed, lost_to_bank
from marketplace.payments.gateway import ProviderRefund, Rejected, Reversal, TryAgain
from marketplace.payments.models import (
    MACHINE,
    OPEN_STATES,
    REFUND_UNDER_WAY,
    Payment,
    Refund,
    RefundPart,
    Share,
)
from marketplace.payments.rules import REFUND_POLL, Bearing, added_up
from marketplace.payments.shares import ON_THE_WAY, reversed_of, taken_of
from marketplace.payments.strange import MONEY_ELSEWHERE
from marketplace.payments.upfront import all_back

log = logging.getLogger(__name__)

#: The provider's words for how a refund stands; another word changes nothing until it becomes one of these.
KNOWN_STATES = ("queued", "pending", "processing", "refunded", "failed", "canceled")


class RefundTooLarge(MarketplaceError):
    """More would go back than came in, or than a party still has of it."""

    code = "refund_too_large"


class NothingLeftToBear(MarketplaceError):
    """The association would give more than its own part while a merchant's is still to be routed."""

    code = "nothing_left_to_bear"


def request_refund(
    session: Session, *, payment_id: int, amount: Money, reason: str, actor: str, now: datetime
) -> Refund:
    """Money of a paid payment that no order could use goes back, and nobody gets a share of it.

    RefundTooLarge when it exceeds what came in.
    """
    refund = _new_refund(session, payment_id, amount, reason, actor, now)
    session.execute(
        update(Share).where(Share.payment_id == payment_id, Share.state == "planned").values(state="cancelled")
    )
    _ask(session, refund, (), actor, now)
    return refund


def refund_parts(
    session: Session, *, payment_id: int, parts: Sequence[Bearing], reason: str, actor: str, now: datetime
) -> Refund:
    """The parts of an allocated payment go back to the resident, each from the share of the party that bears it.

    A gesture below zero is one of before that is counted now; where the parts come to nothing, the provider is asked
    for nothing. What the provider cannot take back from a merchant with the refund, the merchant owes: a person asks
    for it (`claims`). RefundTooLarge when a party would give more than it has of this payment; NothingLeftToBear when
    the association would give, as a gesture, what the merchants' routes will need.
    """
    parts = [part for part in parts if part.amount]
    total = Money.total([part.amount for part in parts])
    is_favour = any(part.kind == "gesture" and part.amount > ZERO for part in parts)
    refund = _new_refund(session, payment_id, total, reason, actor, now)
    shares = {
        (share.party, share.kind): share
        for share in session.scalars(
            select(Share).where(Share.payment_id == payment_id).order_by(Share.id).with_for_update()
        )
    }
    written = []
    reach = total
    for part in parts:
        share = shares.get((part.party, part.kind))
        if part.kind != "gesture" and (
            share is None or taken_of(session, share, reversals=True) + part.amount > share.amount
        ):
            raise RefundTooLarge(party=part.party)
        row = RefundPart(
            refund_id=refund.id,
            party=part.party,
            kind=part.kind,
            amount=part.amount,
            is_reversal=share is not None and _is_with_the_merchant(session, share, part.amount),
            reversed_amount=ZERO,
            claimed_amount=ZERO,
        )
        if row.is_reversal and share is not None:
            reach -= _take_back(session, row, share, reach)
        written.append(row)
    session.add_all(written)
    session.flush()
    if is_favour:
        _leave_enough_to_route(session, refund, shares)
    for share in shares.values():
        if share.state in ("planned", "due", "refused") and taken_of(session, share) == share.amount:
            share.state = "cancelled"
    _ask(session, refund, written, actor, now)
    return refund


def request_again(
    session: Session, *, payment_id: int, actor: str, now: datetime, only: Collection[int] | None = None
) -> Sequence[Refund]:
    """What failed of a payment's refunds is asked for once more, from the same parties; none when nothing waits.

    RefundTooLarge if somebody has it no longer.
    """
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    failed = session.scalars(
        select(Refund)
        .where(
            Refund.payment_id == payment_id,
            Refund.state.in_(("failed", "canceled")),
            Refund.followed_by_id.is_(None),
        )
        .order_by(Refund.id)
        .with_for_update()
    ).all()
    asked = []
    for refund in failed:
        if only is not None and refund.id not in only:
            continue
        parts = [Bearing(part.party, part.kind, part.amount) for part in _parts_of(session, refund)]
        # What went back meanwhile is counted: nobody gets back more than they paid.
        beyond = refund.amount - left_to_refund(session, payment_id) if parts else ZERO
        if beyond > ZERO:
            parts = list(added_up([*parts, Bearing("association", "gesture", -beyond)]))
        again = (
            refund_parts(session, payment_id=payment_id, parts=parts, reason=refund.reason, actor=actor, now=now)
            if parts or beyond > ZERO
            else request_refund(
                session, payment_id=payment_id, amount=refund.amount, reason=refund.reason, actor=actor, now=now
            )
        )
        refund.followed_by_id = again.id
        # Money that no order took stays marked as that; what an order took is in order again.
        is_of_order = bool(parts) or beyond > ZERO
        payment.trouble = (
            ("charged_back" if is_disputed(session, payment_id) else None) if is_of_order else refund.reason
        )
        asked.append(again)
    session.flush()
    return asked


def left_to_refund(session: Session, payment_id: int) -> Money:
    """What of a payment has not gone back, and is not on its way back. Who gives it back holds the payment."""
    payment = session.get_one(Payment, payment_id)
    already = session.scalar(
        select(func.coalesce(func.sum(type_coerce(Refund.amount, BigInteger)), 0)).where(
            Refund.payment_id == payment_id, Refund.state.not_in(("failed", "canceled"))
        )
    )
    is_here = payment.state == "paid" and payment.trouble != MONEY_ELSEWHERE
    left = payment.amount - Money(int(already or 0)) - lost_to_bank(session, payment_id)
    # A bank may have taken what had gone back already.
    return max(ZERO, left) if is_here else ZERO


def _new_refund(session: Session, payment_id: int, amount: Money, reason: str, actor: str, now: datetime) -> Refund:
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    if amount > left_to_refund(session, payment_id):
        raise RefundTooLarge(reference=payment.reference)
    refund = Refund(
        payment_id=payment_id,
        amount=amount,
        reason=reason,
        # Of nothing the provider knows nothing.
        state="requested" if amount else "refunded",
        settled_at=None if amount else now,
        idempotency_key=new_token(),
        requested_at=now,
        requested_by=actor,
    )
    session.add(refund)
    session.flush()
    return refund


def _is_with_the_merchant(session: Session, share: Share, amount: Money) -> bool:
    """Whether the provider has to take it back; not what was never routed, because an earlier refund, which failed
    since, had taken it first."""
    if share.kind != "goods" or share.state not in ON_THE_WAY:
        return False
    assert share.routed_amount is not None, "fixed before the provider is asked"
    return share.amount - share.routed_amount - share.lacking_amount - taken_of(session, share) < amount


def _take_back(session: Session, part: RefundPart, share: Share, reach: Money) -> Money:
    """What the provider takes back from the merchant with a refund of which `reach` is left: no more than that, and no
    more than it has routed. What the route had lacked the merchant need not be paid any more; the rest it owes."""
    assert share.routed_amount is not None, "fixed before the provider is asked"
    part.reversed_amount = max(ZERO, min(part.amount, reach, share.routed_amount - reversed_of(session, share)))
    rest = part.amount - part.reversed_amount
    waived = min(rest, share.lacking_amount) if share.made_up_at is None else ZERO
    share.lacking_amount -= waived
    part.claimed_amount = rest - waived
    return part.reversed_amount


def _leave_enough_to_route(session: Session, refund: Refund, shares: dict[tuple[str, str], Share]) -> None:
    """The provider routes no more than what is left of the payment: a gesture must not eat a merchant's share."""
    goods = [share for share in shares.values() if share.kind == "goods"]
    # One that was refused goes out once its merchant is back; one of which all was taken never does.
    if not any(
        share.state not in ("routed", "cancelled") and taken_of(session, share) < share.amount for share in goods
    ):
        return  # whatever is given now comes from the association's own balance
    to_merchants = Money.total([share.amount - taken_of(session, share) for share in goods])
    back, reversed_back = session.execute(
        select(
            func.coalesce(func.sum(type_coerce(RefundPart.amount, BigInteger)), 0),
            func.coalesce(func.sum(type_coerce(RefundPart.reversed_amount, BigInteger)), 0),
        )
        .join(Refund, RefundPart.refund_id == Refund.id)
        .where(Refund.payment_id == refund.payment_id, Refund.state.not_in(("failed", "canceled")))
    ).one()
    paid = session.get_one(Payment, refund.payment_id).amount - lost_to_bank(session, refund.payment_id)
    if to_merchants.cents + int(back) - int(reversed_back) > paid.cents:
        raise NothingLeftToBear()


def _ask(session: Session, refund: Refund, parts: Sequence[RefundPart], actor: str, now: datetime) -> None:
    payment = session.get_one(Payment, refund.payment_id)
    post(
        session,
        key=f"refund:{refund.id}",
        kind="refund",
        reference=payment.reference,
        entries={**_borne(refund, parts), accounts.REFUNDS: -refund.amount},
        actor=actor,
        now=now,
    )
    if refund.amount:
        publish(session, "refund.requested", refund_id=refund.id)


def _borne(refund: Refund, parts: Sequence[RefundPart]) -> dict[str, Money]:
    """Whose accounts a refund is taken from; nobody's, where no order could use the money."""
    if not parts:
        return {accounts.UNMATCHED: refund.amount}
    return {accounts.of_share(part.party, part.kind): part.amount for part in parts}


def _parts_of(session: Session, refund: Refund) -> Sequence[RefundPart]:
    return session.scalars(select(RefundPart).where(RefundPart.refund_id == refund.id).order_by(RefundPart.id)).all()


# --- Send ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Call:
    """What the provider is asked for."""

    provider_id: str
    amount: Money
    reference: str
    reversals: tuple[Reversal, ...]
    key: str


def send_refund(hall: Hall, refund_id: int) -> None:
    """Hand a refund to the provider; harmless to repeat: its own list is asked before a second call.

    One that the provider refuses has failed: a person decides. TryAgain while a share that it takes back from is
    still on its way.
    """
    with hall.database.transaction() as session:
        payment_id = session.scalars(select(Refund.payment_id).where(Refund.id == refund_id)).one()
        call = _prepare(session, payment_id, refund_id)
    if call is None:
        return
    try:
        listed = hall.gateway.refunds_of(call.provider_id)
    except Rejected as refused:
        # Nothing is known of the refund: it may have been made by a call whose answer was lost.
        raise TryAgain(str(refused), status=refused.status) from refused
    try:
        known = next((r for r in listed if r.metadata.get("refund_key") == call.key), None)
        answer = known or hall.gateway.create_refund(
            call.provider_id,
            amount=call.amount,
            description=f"Remboursement commande {call.reference}",
            metadata={"refund_key": call.key},
            reversals=call.reversals,
            idempotency_key=call.key,
        )
    except Rejected as refused:
        log.error("refund %s refused by the provider: %s (%s)", refund_id, refused, refused.field)
        with hall.database.transaction() as session:
            payment = session.get_one(Payment, payment_id, with_for_update=True)
            refund = session.get_one(Refund, refund_id, with_for_update=True)
            if refund.state == "requested":
                _fail(session, payment, refund, "failed", hall.clock.now())
        return
    with hall.database.transaction() as session:
        apply_refund(session, payment_id, answer, hall.clock.now())
        watch_refunds(session, payment_id, hall.clock.now())


def _prepare(session: Session, payment_id: int, refund_id: int) -> _Call | None:
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    refund = session.get_one(Refund, refund_id)
    if refund.provider_id is not None or refund.state != "requested":
        return None
    assert payment.provider_id is not None, "a refund belongs to a paid payment"
    if is_disputed(session, payment_id):
        log.warning("refund %s waits: the payer's bank has taken the payment back", refund_id)
        return None  # the same money must not go back twice; the hourly round asks again
    parts = _parts_of(session, refund)
    reversals = [] if parts else list(all_back(session, payment))
    for part in parts:
        if not part.is_reversal:
            continue
        share = session.scalars(
            select(Share).where(Share.payment_id == payment_id, Share.party == part.party, Share.kind == "goods")
        ).one()
        if share.state == "refused":
            # It never got there: there is nothing to take back.
            part.reversed_amount = ZERO
            if part.claim_ended_at is None:
                part.is_reversal, part.claimed_amount = False, ZERO
        elif share.state != "routed" or share.organization_id is None:
            raise TryAgain(f"the share of {part.party} is still on its way")
        else:
            if part.reversed_amount:
                reversals.append(Reversal(share.organization_id, part.reversed_amount))
    return _Call(payment.provider_id, refund.amount, payment.reference, tuple(reversals), refund.idempotency_key)


# --- Learn -----------------------------------------------------------------------------------------------------


def apply_refund(session: Session, payment_id: int, answer: ProviderRefund, now: datetime) -> None:
    """What the provider says of one refund is written down; harmless to repeat."""
    key = answer.metadata.get("refund_key", "")
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    refund = session.scalars(
        select(Refund).where(Refund.payment_id == payment_id, Refund.idempotency_key == key).with_for_update()
    ).one_or_none()
    if refund is None:
        log.error("the provider knows a refund of payment %s that we did not ask for", payment_id)
        return
    refund.provider_id = answer.id
    # A bank may send back what had arrived: of all ends only this one has a sequel.
    is_over = refund.state in ("failed", "canceled") or (refund.state == "refunded" and answer.status != "failed")
    if is_over or answer.status not in KNOWN_STATES:
        return
    _post(session, payment, f"reversed:{refund.id}", "reversed", _reversed(session, payment, refund), now)
    if answer.status in ("failed", "canceled"):
        _fail(session, payment, refund, answer.status, now)
        return
    refund.state = answer.status
    if answer.status == "refunded":
        refund.settled_at = now
        entries = {accounts.REFUNDS: refund.amount, accounts.HOLDING: -refund.amount}
        _post(session, payment, f"refunded:{refund.id}", "refunded", entries, now)


def _reversed(session: Session, payment: Payment, refund: Refund) -> dict[str, Money]:
    """What the provider has taken back from merchants with a refund that it has accepted."""
    parts = _parts_of(session, refund)
    entries = {part.party: -part.reversed_amount for part in parts if part.reversed_amount}
    if not parts:  # no order had taken it: nothing of it was any merchant's yet
        entries = {accounts.AHEAD: -Money.total([back.amount for back in all_back(session, payment)])}
    back = Money.total(list(entries.values()))
    return {**entries, accounts.HOLDING: -back} if back else {}


def come_to_nothing(session: Session, payment: Payment, refund: Refund, now: datetime) -> None:
    """A refund that nobody has asked the provider for is not asked for. The caller holds the payment."""
    trouble = payment.trouble
    _fail(session, payment, refund, "canceled", now)
    payment.trouble = trouble


def _fail(session: Session, payment: Payment, refund: Refund, state: str, now: datetime) -> None:
    """The money is with the provider as before, also what it had taken back from merchants: a person decides."""
    undone = {account: -amount for account, amount in _borne(refund, _parts_of(session, refund)).items()}
    undone[accounts.HOLDING if refund.state == "refunded" else accounts.REFUNDS] = refund.amount
    if refund.provider_id is not None:
        for account, amount in _reversed(session, payment, refund).items():
            undone[account] = undone.get(account, ZERO) - amount
    refund.state, refund.settled_at = state, now
    payment.trouble = "refund_failed"
    for part in _parts_of(session, refund):
        if waived := part.amount - part.reversed_amount - part.claimed_amount if part.is_reversal else ZERO:
            share = session.scalars(
                select(Share)
                .where(Share.payment_id == payment.id, Share.party == part.party, Share.kind == "goods")
                .with_for_update()
            ).one()
            share.lacking_amount += waived
    # A share of which everything had been taken is its merchant's again, until somebody sends the refund once more.
    parties = [part.party for part in _parts_of(session, refund) if part.kind == "goods"]
    session.execute(
        update(Share)
        .where(Share.payment_id == payment.id, Share.party.in_(parties), Share.state == "cancelled")
        .values(state="planned")
    )
    _post(session, payment, f"{state}:{refund.id}", state, undone, now)


def _post(session: Session, payment: Payment, key: str, kind: str, entries: dict[str, Money], now: datetime) -> None:
    if entries:
        post(session, key=key, kind=kind, reference=payment.reference, entries=entries, actor=MACHINE, now=now)


def requested_refunds(session: Session) -> list[int]:
    """Every refund that the provider should have been asked for."""
    return list(session.scalars(select(Refund.id).where(Refund.state == "requested").order_by(Refund.id)))


def watch_refunds(session: Session, payment_id: int, now: datetime) -> None:
    """The poller comes back for a refund that is under way: of some ends no notice is sent, and any may be lost."""
    payment = session.get_one(Payment, payment_id, with_for_update=True)
    if payment.state in OPEN_STATES:
        return
    under_way = select(Refund.id).where(Refund.payment_id == payment_id, Refund.state.in_(REFUND_UNDER_WAY)).limit(1)
    payment.next_poll_at = now + REFUND_POLL if session.scalar(under_way) is not None else None


__all__ = [
    "NothingLeftToBear",
    "RefundTooLarge",
    "apply_refund",
    "come_to_nothing",
    "left_to_refund",
    "refund_parts",
    "request_again",
    "request_refund",
    "requested_refunds",
    "send_refund",
    "watch_refunds",
]
