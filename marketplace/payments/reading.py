"""Read the provider's book: every line of our balance, kept once; the ledger is told what it could not know.

Fees and payouts happen at the provider alone. What else stands in its book, the ledger wrote when it happened: it is
compared (`reconciling`), never booked a second time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from marketplace.hall import Hall
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import Money
from marketplace.payments.book_models import BookReading, ProviderLine
from marketplace.payments.gateway import LIST_LIMIT_QTY, BalanceLine
from marketplace.payments.lines import TOLD_BY_THE_BOOK, WHAT
from marketplace.payments.models import MACHINE, Payment, Refund

log = logging.getLogger(__name__)

#: Within minutes a town makes a few lines: whoever has read the rest does not ask for a full page of what is known.
FIRST_LOOK_QTY = 50
#: Lines that one transaction tells the ledger of: whoever is killed loses so much work, and does it again.
BOOKED_AT_ONCE_QTY = 500


def read_book(hall: Hall, *, page_qty: int = LIST_LIMIT_QTY, advance: Callable[[int], None] = lambda qty: None) -> bool:
    """Everything that the provider's book says by now is here, and the ledger knows its fees and payouts.

    Harmless to repeat and to kill: it goes on where it was. False where nobody may read the book (no access token).
    `advance` is told how many lines each page brought.
    """
    if not hall.gateway.reads_balance:
        return False
    env = hall.settings.mollie_env
    while True:
        reading = _reading_of(hall, env)
        limit = page_qty if reading.next_id else min(page_qty, FIRST_LOOK_QTY)
        page, next_id = hall.gateway.balance_lines(from_id=reading.next_id, limit=limit)
        with hall.database.transaction() as session:
            is_complete = _keep(session, env, reading, page, next_id, hall.clock.now())
        advance(len(page))
        if is_complete:
            break
    book_what_it_tells(hall)
    balance = hall.gateway.balance()
    with hall.database.transaction() as session:
        session.execute(update(BookReading).where(BookReading.provider_env == env).values(balance=balance))
    return True


def _reading_of(hall: Hall, env: str) -> BookReading:
    with hall.database.transaction() as session:
        session.execute(upsert(BookReading).values(provider_env=env).on_conflict_do_nothing())
        return session.get_one(BookReading, env)


def _keep(
    session: Session, env: str, seen: BookReading, page: Sequence[BalanceLine], next_id: str | None, now: datetime
) -> bool:
    """The page's lines are here; whether the walk has come to where the last one began, or to the beginning."""
    reading = session.get_one(BookReading, env, with_for_update=True, populate_existing=True)
    if (reading.complete_id, reading.begun_id, reading.next_id) != (seen.complete_id, seen.begun_id, seen.next_id):
        return False  # somebody else reads the same book: look again where they are
    known_at = next((n for n, line in enumerate(page) if line.id == reading.complete_id), None)
    new = page if known_at is None else page[:known_at]
    if new:
        session.execute(
            upsert(ProviderLine)
            .values([_row(env, line, now) for line in new])
            .on_conflict_do_nothing(index_elements=[ProviderLine.provider_env, ProviderLine.provider_id])
        )
    begun_id = reading.begun_id or (page[0].id if page else None)
    if known_at is not None or next_id is None:
        reading.complete_id, reading.begun_id, reading.next_id = begun_id, None, None
        reading.read_at = now
        return True
    reading.begun_id, reading.next_id = begun_id, next_id
    return False


def _row(env: str, line: BalanceLine, now: datetime) -> dict[str, object]:
    return {
        "provider_env": env,
        "provider_id": line.id,
        "kind": line.kind,
        "amount": line.amount,
        "fee": line.fee,
        "payment_provider_id": line.payment_id,
        "refund_provider_id": line.refund_id,
        "chargeback_provider_id": line.chargeback_id,
        "created_at": line.created_at,
        "read_at": now,
        # A word that we do not know waits for people, or for a version of ours that knows it.
        "is_booked": line.kind in WHAT and WHAT[line.kind] not in TOLD_BY_THE_BOOK and not line.fee,
    }


def fee_of(session: Session, payment: Payment) -> Money | None:
    """What the provider kept of a payment; None while its book was not read so far."""
    lines = session.scalars(
        select(ProviderLine).where(
            ProviderLine.provider_env == payment.provider_env, ProviderLine.payment_provider_id == payment.provider_id
        )
    ).all()
    kinds = {WHAT.get(line.kind) for line in lines}
    if "paid" not in kinds:
        return None
    return Money.total([-line.amount if WHAT.get(line.kind) == "fee" else line.fee for line in lines])


# --- Tell the ledger -------------------------------------------------------------------------------------------


def book_what_it_tells(hall: Hall) -> None:
    """The ledger knows every fee and payout of the lines that are here; those of payments that we do not know wait."""
    env, last_id = hall.settings.mollie_env, 0
    while True:
        with hall.database.transaction() as session:
            lines = session.scalars(
                select(ProviderLine)
                .where(
                    ~ProviderLine.is_booked,
                    ProviderLine.provider_env == env,
                    ProviderLine.kind.in_(WHAT),
                    ProviderLine.id > last_id,
                )
                .order_by(ProviderLine.id)
                .limit(BOOKED_AT_ONCE_QTY)
                .with_for_update()
            ).all()
            if not lines:
                return
            numbers = _references(session, env, lines)
            for line in lines:
                _book(session, line, numbers, hall.clock.now())
        last_id = lines[-1].id


def _book(session: Session, line: ProviderLine, numbers: Mapping[str, str], now: datetime) -> None:
    about = line.payment_provider_id or line.refund_provider_id
    if about is not None and about not in numbers:
        return  # of a payment that we do not know (yet): people look, the ledger does not guess
    what, named = WHAT[line.kind], numbers[about] if about else line.provider_id
    fee = -line.amount if what == "fee" else line.fee
    if fee:
        _post(session, f"fee:{line.id}", "fee", named, {accounts.FEES: fee, accounts.HOLDING: -fee}, now)
    if what == "payout":
        moved = line.amount + line.fee
        _post(session, f"payout:{line.id}", "payout", named, {accounts.BANK: -moved, accounts.HOLDING: moved}, now)
    line.is_booked = True


def _post(session: Session, key: str, kind: str, reference: str, entries: dict[str, Money], now: datetime) -> None:
    post(session, key=key, kind=kind, reference=reference, entries=entries, actor=MACHINE, now=now)


def _references(session: Session, env: str, lines: Sequence[ProviderLine]) -> dict[str, str]:
    """The provider's id of a payment or a refund of ours → the number of its order."""
    payments = select(Payment.provider_id, Payment.reference).where(
        Payment.provider_env == env, Payment.provider_id.in_({line.payment_provider_id for line in lines})
    )
    refunds = (
        select(Refund.provider_id, Payment.reference)
        .join(Payment, Refund.payment_id == Payment.id)
        .where(Payment.provider_env == env, Refund.provider_id.in_({line.refund_provider_id for line in lines}))
    )
    return {its_id or "": number for rows in (payments, refunds) for its_id, number in session.execute(rows)}
