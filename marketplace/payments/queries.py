"""Where the shares of what was paid are: the treasurer's look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.money import ZERO, Money

#: After that the provider gives what was not routed to the association itself (mollie.md 2.1).
ROUTABLE = timedelta(days=90)

#: Less what refunds have taken of a share before it was routed. What they take back afterwards was asked for and is
#: still to come; what a refund had taken and, failing, gave back is kept where its share has been routed already.
SHARES_BY_PARTY = text(
    """
    WITH taken AS (
      SELECT r.payment_id, p.party, sum(p.amount) AS cents,
             sum(p.amount - p.reversed_amount - p.claimed_amount) AS before,
             sum(p.reversed_amount) FILTER (WHERE r.state = 'requested') AS coming_back,
             sum(p.claimed_amount) FILTER (WHERE p.claim_ended_at IS NULL) AS claimed
      FROM refund_part p JOIN refund r ON r.id = p.refund_id AND r.state NOT IN ('failed', 'canceled')
      WHERE p.kind = 'goods' GROUP BY 1, 2
    )
    SELECT s.party,
           coalesce(sum(s.amount - coalesce(t.before, 0)) FILTER (WHERE s.state = 'planned'), 0)
             + coalesce(sum(s.amount - s.routed_amount - s.lacking_amount - coalesce(t.before, 0))
                 FILTER (WHERE s.state = 'routed'), 0) AS held,
           coalesce(sum(s.lacking_amount) FILTER (WHERE s.state = 'routed' AND s.made_up_at IS NULL), 0) AS lacking,
           coalesce(sum(s.amount - coalesce(t.before, 0)) FILTER (WHERE s.state IN ('due', 'sending', 'unknown')), 0)
             AS going,
           coalesce(sum(s.amount - coalesce(t.before, 0)) FILTER (WHERE s.state = 'refused'), 0) AS refused,
           coalesce(sum(t.coming_back), 0) AS coming_back,
           coalesce(sum(t.claimed), 0) AS claimed,
           min(p.paid_at) FILTER (WHERE s.state IN ('planned', 'due', 'sending', 'unknown', 'refused')) AS oldest_at
    FROM payment_share s JOIN payment p ON p.id = s.payment_id AND p.state = 'paid'
    LEFT JOIN taken t ON t.payment_id = s.payment_id AND t.party = s.party
    WHERE s.kind = 'goods' AND (s.state IN ('planned', 'due', 'sending', 'unknown', 'refused') 
      OR t.coming_back > 0 OR t.claimed > 0
      OR s.amount - s.routed_amount > coalesce(t.before, 0) AND s.made_up_at IS NULL)
      AND EXISTS (SELECT 1 FROM ledger_posting l WHERE l.key = 'allocated:' || p.id)
    GROUP BY s.party ORDER BY s.party
    """
)


@dataclass(frozen=True, slots=True)
class PartyShares:
    """A merchant's money that has not reached it: kept until the goods are handed over, going, refused; `lacking`, the
    association owes it since the payment no longer held it.

    `coming_back` is what refunds will take back of shares that it has; `claimed` what they could not, and the merchant
    owes; `route_until_at` when its oldest share can no
    longer be routed.
    """

    held: Money
    going: Money
    refused: Money
    lacking: Money
    coming_back: Money
    claimed: Money
    route_until_at: datetime | None

    @property
    def owed(self) -> Money:
        """What the ledger should say that the merchant is owed."""
        return self.held + self.going + self.refused + self.lacking - self.coming_back - self.claimed


NOTHING = PartyShares(ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, None)


def shares_by_party(session: Session) -> dict[str, PartyShares]:
    """Every merchant whose money is not all with it, by party."""
    return {
        row.party: PartyShares(
            Money(int(row.held)),
            Money(int(row.going)),
            Money(int(row.refused)),
            Money(int(row.lacking)),
            Money(int(row.coming_back)),
            Money(int(row.claimed)),
            row.oldest_at + ROUTABLE if row.oldest_at else None,
        )
        for row in session.execute(SHARES_BY_PARTY)
    }
