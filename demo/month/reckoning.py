"""At the end of the month: is every cent explained, does the provider's book say the same, is anything left over?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from demo.month.house import House
from demo.month.treasurer import faults_on
from marketplace.attention import troubles
from marketplace.ledger import accounts
from marketplace.ledger.proof import everything_broken
from marketplace.ledger.service import balances
from marketplace.money import ZERO, Money
from marketplace.payments.reconciling import differences
from marketplace.selfcheck import self_check

#: What reached each merchant by what we know: the shares that were routed, less what refunds took back of them.
_REACHED = text(
    """
    SELECT a.organization_id, coalesce(sum(r.cents), 0) AS cents FROM merchant_account a LEFT JOIN (
      SELECT s.organization_id, s.routed_amount AS cents FROM payment_share s WHERE s.state = 'routed'
      UNION ALL
      SELECT s.organization_id, -p.reversed_amount FROM refund_part p JOIN refund f ON f.id = p.refund_id
      JOIN payment_share s ON s.payment_id = f.payment_id AND s.party = p.party AND s.kind = 'goods'
      WHERE p.is_reversal AND f.provider_id IS NOT NULL AND f.state NOT IN ('failed', 'canceled')
    ) r ON r.organization_id = a.organization_id GROUP BY 1 ORDER BY 1
    """
)

#: An order that has come to no end, and neither has a person been told.
_UNENDED = text(
    "SELECT o.code, o.state, b.state AS booking FROM orders o LEFT JOIN booking b ON b.reference = o.code"
    " WHERE o.state IN ('awaiting_payment', 'confirmed') ORDER BY o.id"
)


def faults_of(session: Session, house: House, book: Any, page: str) -> Sequence[str]:
    """Sentences for all that does not hold; none when the month is explained. `page` is the treasurer's."""
    (profile,) = book["profiles"]
    return [
        *faults_on(page, provider_holds=Money(profile["balances_cents"]["EUR"])),
        *self_check(session),
        *everything_broken(session),
        *_against_reading(session, house),
        *_against_book(session, book),
        *_left_over(session, house),
    ]


def orders_by_state(session: Session) -> Counter[str]:
    rows = session.execute(text("SELECT state, count(*) FROM orders GROUP BY state ORDER BY state"))
    return Counter({state: int(qty) for state, qty in rows})


def paid_in(session: Session) -> Money:
    """What residents have paid so far, whatever became of it."""
    cents = session.scalar(
        text(
            "SELECT coalesce(sum(e.amount), 0) FROM ledger_entry e JOIN ledger_posting p ON p.id = e.posting_id"
            " WHERE p.kind = 'paid' AND e.account = :holding"
        ),
        {"holding": accounts.HOLDING},
    )
    return Money(int(cents or 0))


def _against_reading(session: Session, house: House) -> Iterator[str]:
    """What the house itself has read of the provider's book."""
    for found in differences(session, provider_env=house.settings.mollie_env):
        yield f"{found.kind} {found.subject} {found.reference}: ours {found.ours}, the provider's {found.theirs}"


def _against_book(session: Session, book: Any) -> Iterator[str]:
    """The provider's own book, per organisation and for the association, against ours."""
    totals = balances(session)
    (profile,) = book["profiles"]
    ours, theirs = totals.get(accounts.HOLDING, ZERO).cents, profile["balances_cents"]["EUR"]
    if ours != theirs:
        yield f"the provider holds {theirs} cents for the association, the ledger says {ours}"
    balance_cents = {row["id"]: row["balance_cents"] for row in book["organizations"]}
    for organization_id, cents in session.execute(_REACHED):
        if balance_cents.get(organization_id, 0) != int(cents):
            yield f"{organization_id} has {balance_cents.get(organization_id, 0)} cents, we say {int(cents)}"


def _left_over(session: Session, house: House) -> Iterator[str]:
    """Orders and jobs that wait for something, without standing on the list for people."""
    listed = {trouble.what.partition(" ")[0] for trouble in troubles(session, house.now)}
    for code, state, booking in session.execute(_UNENDED):
        if code not in listed:
            yield f"order {code} is still {state} (place on the round: {booking}), and nobody is told"
    for name, qty in session.execute(
        text("SELECT task_name, count(*) FROM procrastinate_jobs WHERE status = 'todo' GROUP BY task_name")
    ):
        yield f"{qty} jobs {name} still wait"
    yield from house.worker.surprises
