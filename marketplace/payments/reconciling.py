"""The provider's book against ours: what was read of its balance (`reading`) and the ledger, payment by payment.

In the database alone; nothing is corrected by it, and nothing written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.ledger import accounts
from marketplace.ledger.queries import balances_until
from marketplace.money import ZERO, Money
from marketplace.payments.book_models import BookReading
from marketplace.payments.lines import OF_PAYMENTS, WHAT


@dataclass(frozen=True, slots=True)
class Found:
    """One disagreement. `kind`:

    paid, routed, refund, reversal, chargeback: a payment of ours (`subject`, the provider's id) moved other sums;
    unknown_payment: the provider has one that is none of ours; unknown_kind: a line whose word we do not know;
    transfer: what the association has sent by itself; moved: what should have stayed inside the balance;
    balance: the lines do not add up to what the provider says it holds; ledger: our book moved the provider's money
    in a way that no payment explains.
    """

    kind: str
    subject: str
    reference: str
    ours: Money
    theirs: Money
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What either book says that the provider holds for us.

    `holding` is the ledger's. A refund has left the provider's balance as soon as it is under way, our ledger's when
    it has arrived: `on_their_way`. What comes back from merchants with a refund that is queued has not come back yet:
    `queued`. `theirs` is the sum of the provider's lines; `reported` its own word, and None before it was read.
    """

    holding: Money
    on_their_way: Money
    queued: Money
    theirs: Money
    reported: Money | None
    read_at: datetime | None

    @property
    def ours(self) -> Money:
        """What the provider should hold by our book."""
        return self.holding - self.on_their_way - self.queued

    @property
    def gap(self) -> Money:
        """I9: zero when both books agree."""
        return self.theirs - self.ours


#: What our ledger moved of the provider's money, by payment; in the provider's words for what it did. Refunds are taken
#: from their own table: the ledger counts them when they have arrived, the provider when they set out.
_MINE = """
    mine AS (
      SELECT s.payment_id, l.kind AS what, e.amount, l.at FROM ledger_entry e
        JOIN ledger_posting l ON l.id = e.posting_id JOIN payment_share s ON l.key = 'routed:' || s.id
        WHERE e.account = 'holding' AND l.kind = 'routed'
      UNION ALL
      SELECT p.id, 'paid', e.amount, l.at FROM ledger_entry e
        JOIN ledger_posting l ON l.id = e.posting_id JOIN payment p ON l.key = 'paid:' || p.id
        WHERE e.account = 'holding' AND l.kind = 'paid'
      UNION ALL
      SELECT p.id, 'routed', e.amount, l.at FROM ledger_entry e
        JOIN ledger_posting l ON l.id = e.posting_id JOIN payment p ON l.key = 'ahead:' || p.id
        WHERE e.account = 'holding' AND l.kind = 'ahead'
      UNION ALL
      SELECT c.payment_id, 'chargeback', e.amount, l.at FROM ledger_entry e
        JOIN ledger_posting l ON l.id = e.posting_id JOIN chargeback c ON l.key = l.kind || ':' || c.id
        WHERE e.account = 'holding' AND l.kind IN ('charged_back', 'chargeback_won')
      UNION ALL
      SELECT r.payment_id, 'refund', -r.amount, r.requested_at FROM refund r
        WHERE r.state IN ('pending', 'processing', 'refunded')
      UNION ALL
      SELECT r.payment_id, 'reversal', e.amount, l.at FROM refund r
        JOIN ledger_posting l ON l.key = 'reversed:' || r.id JOIN ledger_entry e ON e.posting_id = l.id
        WHERE e.account = 'holding' AND r.state IN ('pending', 'processing', 'refunded')
    )"""

_OF_PAYMENTS = text(
    f"""
    WITH {_MINE}, theirs AS (
      SELECT p.id AS payment_id, k.what, l.amount + l.fee AS amount, l.created_at AS at FROM provider_line l
        JOIN unnest(CAST(:kinds AS text[]), CAST(:whats AS text[])) AS k (kind, what) ON k.kind = l.kind
        JOIN payment p ON p.provider_env = l.provider_env AND p.provider_id = l.payment_provider_id
        WHERE l.provider_env = :env
    ), either AS (
      SELECT payment_id, what, sum(ours) AS ours, sum(theirs) AS theirs, max(at) AS at, max(their_at) AS their_at FROM (
        SELECT payment_id, what, amount AS ours, 0 AS theirs, at, NULL::timestamptz AS their_at FROM mine
        UNION ALL
        SELECT payment_id, what, 0, amount, at, at FROM theirs
      ) both_books GROUP BY payment_id, what
    )
    SELECT e.what AS kind, p.provider_id AS subject, p.reference, e.ours, e.theirs, coalesce(e.their_at, e.at) AS at
    FROM either e JOIN payment p ON p.id = e.payment_id AND p.provider_env = :env
    WHERE e.ours <> e.theirs AND (CAST(:until AS timestamptz) IS NULL OR e.at <= :until)
    UNION ALL
    SELECT '', '', '', sum(e.ours), 0, NULL
    FROM either e JOIN payment p ON p.id = e.payment_id AND p.provider_env = :env
    ORDER BY at, subject, kind
    """  # noqa: S608  # our own words
)

_WITHOUT_PAYMENT = text(
    """
    SELECT 'unknown_payment' AS kind, l.payment_provider_id AS subject, '' AS reference, 0 AS ours,
           sum(l.amount) AS theirs, max(l.created_at) AS at
    FROM provider_line l
    WHERE l.provider_env = :env AND l.payment_provider_id IS NOT NULL AND NOT EXISTS
      (SELECT 1 FROM payment p WHERE p.provider_env = l.provider_env AND p.provider_id = l.payment_provider_id)
    GROUP BY l.payment_provider_id
    UNION ALL
    SELECT 'unknown_kind', l.provider_id, l.kind, 0, l.amount, l.created_at
    FROM provider_line l
    WHERE l.provider_env = :env AND (l.kind <> ALL(CAST(:all_kinds AS text[]))
      OR l.kind = ANY(CAST(:kinds AS text[])) AND l.payment_provider_id IS NULL)
    ORDER BY at, subject
    """
)

#: What the provider's lines come to, and our refunds that only one of the books counts.
_SUMS = text(
    """
    SELECT
      (SELECT coalesce(sum(amount), 0) FROM provider_line WHERE provider_env = :env) AS theirs,
      (SELECT coalesce(sum(r.amount), 0) FROM refund r WHERE r.state IN ('pending', 'processing')) AS on_their_way,
      (SELECT coalesce(sum(e.amount), 0) FROM refund r JOIN ledger_posting l ON l.key = 'reversed:' || r.id
        JOIN ledger_entry e ON e.posting_id = l.id WHERE e.account = 'holding' AND r.state = 'queued') AS queued
    """
)

#: Sums that only add up where nothing is wrong.
_REST = text(
    """
    SELECT
      (SELECT coalesce(sum(amount), 0) FROM provider_line WHERE provider_env = :env AND kind = ANY(:moved)) AS moved,
      (SELECT coalesce(sum(amount), 0) FROM provider_line WHERE provider_env = :env AND kind = ANY(:transfers))
        AS transfers,
      (SELECT coalesce(sum(amount), 0) FROM ledger_entry WHERE account = 'holding') AS holding,
      (SELECT coalesce(sum(e.amount), 0) FROM ledger_entry e JOIN ledger_posting l ON l.id = e.posting_id
        WHERE e.account = 'holding' AND l.kind IN ('fee', 'payout')) AS told
    """
)


def differences(session: Session, *, provider_env: str, until_at: datetime | None = None) -> list[Found]:
    """Every disagreement between what was read of the provider's book and ours, the oldest first.

    With `until_at` without those in which something happened after it: news takes minutes from one book to the other.
    An empty list says, to the cent, that what the ledger holds is what the provider holds (I9).
    """
    words = {
        "env": provider_env,
        "until": until_at,
        "kinds": [kind for kind, what in WHAT.items() if what in OF_PAYMENTS],
        "whats": [what for what in WHAT.values() if what in OF_PAYMENTS],
        "all_kinds": list(WHAT),
        "moved": [kind for kind, what in WHAT.items() if what == "moved"],
        "transfers": [kind for kind, what in WHAT.items() if what == "transfer"],
    }
    # Both books whole, once a night: no page does this.
    session.execute(text("SET LOCAL statement_timeout = '2min'"))
    rows = session.execute(_OF_PAYMENTS, words).all()
    found = [_read(row) for row in rows if row.kind]
    explained = next((int(row.ours) for row in rows if not row.kind and row.ours is not None), 0)
    found += [_read(row) for row in session.execute(_WITHOUT_PAYMENT, words)]
    rest = session.execute(_REST, words).one()
    if rest.moved:
        found.append(Found("moved", "", "", ZERO, Money(int(rest.moved))))
    if rest.transfers:
        found.append(Found("transfer", "", "", ZERO, Money(int(rest.transfers))))
    stands = _standing(session, provider_env, Money(int(rest.holding)))
    unexplained = stands.ours - Money(explained + int(rest.told))
    if unexplained:
        found.append(Found("ledger", "", "", unexplained, ZERO))
    if until_at is None and stands.reported is not None and stands.reported != stands.theirs:
        found.append(Found("balance", "", "", stands.theirs, stands.reported))
    return found


def standing(session: Session, *, provider_env: str) -> Standing:
    """What either book says that the provider holds."""
    return _standing(session, provider_env, balances_until(session).get(accounts.HOLDING, ZERO))


def _standing(session: Session, provider_env: str, holding: Money) -> Standing:
    sums = session.execute(_SUMS, {"env": provider_env}).one()
    reading = session.get(BookReading, provider_env)
    return Standing(
        holding=holding,
        on_their_way=Money(int(sums.on_their_way)),
        queued=Money(int(sums.queued)),
        theirs=Money(int(sums.theirs)),
        reported=reading.balance if reading else None,
        read_at=reading.read_at if reading else None,
    )


def _read(row: Any) -> Found:
    return Found(row.kind, row.subject, row.reference, Money(int(row.ours)), Money(int(row.theirs)), row.at)
