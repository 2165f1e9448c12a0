"""Where a merchant's money of an order is at this moment: kept, on its way, with the merchant, or stuck, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from marketplace.money import ZERO, Money
from marketplace.payments.queries import ROUTABLE

#: `reversed`: fetched back from the merchant's own account, or asked for; `before`: taken while we still had it.
_MONEY = text(
    """
    SELECT o.code, o.mode, o.slot_starts_at, o.slot_ends_at, share.state, share.amount, share.routed_amount,
           share.lacking_amount, share.routed_at, p.paid_at, parts.shops_qty, coalesce(back.before, 0) AS before,
           coalesce(back.reversed, 0) AS reversed, coalesce(back.claimed, 0) AS claimed,
           coalesce(back.refunded, 0) AS refunded, back.reasons,
           coalesce(a.can_receive_payments AND a.standing IN ('connected', 'leaving'), false) AS can_receive,
           EXISTS (SELECT 1 FROM chargeback c WHERE c.payment_id = p.id AND c.is_open) AS is_disputed
    FROM orders o JOIN payment p ON p.id = o.payment_id
    JOIN payment_share share ON share.payment_id = p.id AND share.party = :party AND share.kind = 'goods'
    LEFT JOIN merchant_account a ON a.party = share.party AND a.provider_env = p.provider_env
    JOIN LATERAL (
      SELECT count(*) AS shops_qty FROM sub_order s WHERE s.order_id = o.id AND s.party = :party
    ) parts ON true
    LEFT JOIN LATERAL (
      SELECT sum(f.amount - f.reversed_amount - f.claimed_amount) FILTER (WHERE f.kind = 'goods') AS before,
             sum(f.reversed_amount + f.claimed_amount) AS reversed,
             sum(f.claimed_amount) FILTER (WHERE f.claim_ended_at IS NULL) AS claimed,
             sum(f.amount) FILTER (WHERE f.kind IN ('goods', 'commission', 'contribution')) AS refunded,
             array_agg(DISTINCT r.reason) AS reasons
      FROM refund r JOIN refund_part f ON f.refund_id = r.id AND f.kind IN ('goods', 'commission', 'contribution')
      WHERE r.payment_id = p.id AND r.state NOT IN ('failed', 'canceled')
        AND EXISTS (SELECT 1 FROM refund_part g WHERE g.refund_id = r.id AND g.party = :party)
    ) back ON true
    WHERE o.code = ANY(:codes)
    """
)


@dataclass(frozen=True, slots=True)
class PartMoney:
    """One order's money of one merchant, all its shops together.

    `place`: kept (until the goods are handed over), going, with_you, account (the merchant's account takes nothing
    now), bank (the payer's has taken the payment back), nothing (all went back to the resident).
    `amount` is what is there; `kept_more` is kept beside it because a refund failed that had been held back from it;
    `claimed` it owes the association, because the provider could not take it back.
    """

    code: str
    mode: str
    slot: tuple[datetime, datetime] | None
    place: str
    amount: Money
    kept_more: Money
    claimed: Money
    refunded: Money
    reasons: tuple[str, ...]
    routed_at: datetime | None
    #: When the provider can no longer route what is still kept.
    route_until_at: datetime
    shops_qty: int


def place_of(state: str, left: Money, *, can_receive: bool, is_disputed: bool) -> str:
    """The place of a share in that state of which so much is left."""
    if state == "cancelled" or not left:
        return "nothing"
    if state == "routed":
        return "with_you"
    if state == "planned":
        return "kept"
    if state == "due" and is_disputed:
        return "bank"
    # What has been asked for is on its way, whatever the account says meanwhile.
    return "going" if can_receive or state in ("sending", "unknown") else "account"


def money_of(session: Session, *, party: str, codes: Collection[str]) -> dict[str, PartMoney]:
    """The merchant's money of these orders, by their codes; those that nobody has paid are left out."""
    found = {}
    for row in session.execute(_MONEY, {"party": party, "codes": list(codes)}):
        is_routed = row.state == "routed"
        left = Money(int((row.routed_amount - row.reversed) if is_routed else (row.amount - row.before)))
        found[row.code] = PartMoney(
            code=row.code,
            mode=row.mode,
            slot=(row.slot_starts_at, row.slot_ends_at) if row.slot_starts_at else None,
            place=place_of(row.state, left, can_receive=row.can_receive, is_disputed=row.is_disputed),
            amount=left,
            kept_more=Money(int(row.amount - row.routed_amount - row.lacking_amount - row.before))
            if is_routed
            else ZERO,
            claimed=Money(int(row.claimed)),
            refunded=Money(int(row.refunded)),
            reasons=tuple(row.reasons or ()),
            routed_at=row.routed_at,
            route_until_at=row.paid_at + ROUTABLE,
            shops_qty=row.shops_qty,
        )
    return found
