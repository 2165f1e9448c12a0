"""I04, I05, I07 to I10: attempts, shares and refunds agree with the payments and the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.ledger.queries import balances_until
from marketplace.money import ZERO
from marketplace.payments.models import Share
from marketplace.payments.queries import NOTHING, shares_by_party
from marketplace.selfcheck import sentences

RULES = (
    (
        "I04 two open attempts for one reference",
        "SELECT reference, count(*) FROM payment WHERE state IN ('creating', 'unknown', 'open', 'pending') "
        "GROUP BY reference HAVING count(*) > 1",
    ),
    (
        "I05 a paid payment without the provider's id",
        "SELECT id FROM payment WHERE state = 'paid' AND provider_id IS NULL",
    ),
    (
        "I07 a paid payment that the ledger does not know",
        "SELECT p.id FROM payment p WHERE p.state = 'paid' "
        "AND NOT EXISTS (SELECT 1 FROM ledger_posting l WHERE l.key = 'paid:' || p.id)",
    ),
    (
        "I07 a paid payment whose money is in the ledger and should not be, or should be and is not",
        "SELECT p.id FROM payment p JOIN ledger_posting l ON l.key = 'paid:' || p.id WHERE p.state = 'paid' "
        "AND (coalesce(p.trouble, '') = 'money_elsewhere') "
        "= EXISTS (SELECT 1 FROM ledger_entry e WHERE e.posting_id = l.id)",
    ),
    (
        "I09 shares that do not sum to their payment",
        "SELECT p.id, p.amount, sum(s.amount) FROM payment p LEFT JOIN payment_share s ON s.payment_id = p.id "
        "GROUP BY p.id HAVING sum(s.amount) IS DISTINCT FROM p.amount",
    ),
    (
        "I09 a routed share that the ledger does not know",
        "SELECT s.id FROM payment_share s WHERE s.state = 'routed' "
        "AND (s.provider_route_id IS NULL AND s.routed_amount > 0 "
        "OR NOT EXISTS (SELECT 1 FROM ledger_posting l WHERE l.key = 'routed:' || s.id))",
    ),
    (
        "I09 a share routed from a payment that is not paid",
        "SELECT s.id FROM payment_share s JOIN payment p ON p.id = s.payment_id "
        "WHERE s.state IN ('due', 'sending', 'unknown', 'routed') AND p.state <> 'paid'",
    ),
    (
        "I09 an upfront payment whose split the ledger does not know",
        "SELECT p.id FROM payment p WHERE p.state = 'paid' AND p.routing = 'upfront' "
        "AND coalesce(p.trouble, '') NOT IN ('amount_differs', 'key_differs', 'split_differs', 'money_elsewhere') "
        "AND EXISTS (SELECT 1 FROM payment_share s WHERE s.payment_id = p.id AND s.kind = 'goods') "
        "AND NOT EXISTS (SELECT 1 FROM ledger_posting l WHERE l.key = 'ahead:' || p.id)",
    ),
    (
        "I21 strange money that is settled, or open again, without the last word that says so",
        "SELECT p.id FROM payment p LEFT JOIN LATERAL (SELECT w.word, w.at, w.actor FROM payment_word w "
        "WHERE w.payment_id = p.id ORDER BY w.id DESC LIMIT 1) last ON true "
        "WHERE CASE WHEN p.trouble_settled_at IS NULL THEN last.word = 'settled' "
        "ELSE (last.word, last.at, last.actor) IS DISTINCT FROM "
        "('settled', p.trouble_settled_at, p.trouble_settled_by) END",
    ),
    (
        "I10 more refunded than paid",
        "SELECT p.id FROM payment p JOIN refund r ON r.payment_id = p.id AND r.state NOT IN ('failed', 'canceled') "
        "GROUP BY p.id HAVING sum(r.amount) > p.amount",
    ),
    (
        "I10 a settled refund that the ledger does not know",
        "SELECT r.id FROM refund r WHERE r.state = 'refunded' AND r.amount > 0 "
        "AND NOT EXISTS (SELECT 1 FROM ledger_posting l WHERE l.key = 'refunded:' || r.id)",
    ),
    (
        "I10 the parts of a refund do not sum to it",
        "SELECT r.id, r.amount, sum(p.amount) FROM refund r JOIN refund_part p ON p.refund_id = r.id "
        "GROUP BY r.id HAVING sum(p.amount) <> r.amount",
    ),
    (
        "I10 more taken from a party than its share",
        "SELECT s.id, s.amount, sum(p.amount) FROM payment_share s "
        "JOIN refund r ON r.payment_id = s.payment_id AND r.state NOT IN ('failed', 'canceled') "
        "JOIN refund_part p ON p.refund_id = r.id AND p.party = s.party AND p.kind = s.kind "
        "GROUP BY s.id HAVING sum(p.amount) > s.amount",
    ),
    (
        "I08 a chargeback that the ledger does not know",
        "SELECT c.id FROM chargeback c WHERE NOT EXISTS "
        "(SELECT 1 FROM ledger_posting l WHERE l.key = 'charged_back:' || c.id) OR c.reversed_at IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM ledger_posting l WHERE l.key = 'chargeback_won:' || c.id)",
    ),
    (
        "I08 a fee or a payout of the provider's book that the ledger does not know",
        "SELECT l.id FROM provider_line l WHERE l.is_booked AND (l.fee <> 0 OR l.kind = 'payment-fee') "
        "AND NOT EXISTS (SELECT 1 FROM ledger_posting p WHERE p.key = 'fee:' || l.id) "
        "UNION ALL SELECT l.id FROM provider_line l WHERE l.is_booked AND l.kind = 'outgoing-transfer' "
        "AND NOT EXISTS (SELECT 1 FROM ledger_posting p WHERE p.key = 'payout:' || l.id)",
    ),
    (
        "I10 a refund that nobody has asked the provider for in three days",
        "SELECT r.id FROM refund r WHERE r.state = 'requested' AND r.requested_at < now() - interval '3 days' "
        "AND NOT EXISTS (SELECT 1 FROM chargeback c WHERE c.payment_id = r.payment_id AND c.is_open)",
    ),
    (
        "I08 what somebody paid by bank that the ledger does not know",
        "SELECT s.id FROM payment_share s WHERE s.made_up_at IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM ledger_posting l WHERE l.key = 'made_up:' || s.id)",
    ),
    (
        # What a refund takes back from a routed share is asked for first, and written when the provider has done it.
        "I08 a merchant is owed less than nothing",
        "SELECT e.account, sum(e.amount) FROM ledger_entry e WHERE e.account LIKE 'merchant:%' "
        "GROUP BY e.account HAVING sum(e.amount) > coalesce((SELECT sum(CASE WHEN r.state = 'requested' "
        "THEN p.reversed_amount ELSE 0 END + CASE WHEN p.claim_ended_at IS NULL THEN p.claimed_amount ELSE 0 END) "
        "FROM refund_part p JOIN refund r ON r.id = p.refund_id WHERE r.state NOT IN ('failed', 'canceled') "
        "AND p.party = e.account), 0)",
    ),
    (
        "I08 a claim on a merchant has ended, and the ledger does not know",
        "SELECT p.id FROM refund_part p WHERE p.claim_ended_at IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM ledger_posting l WHERE l.key = 'claim:' || p.id)",
    ),
)


#: Asked of who has sold something, by the treasurer's own query.
UNEXPLAINED = "I08 a merchant is owed what no share explains"


def broken_rules(session: Session) -> Iterator[str]:
    yield from sentences(session, RULES)
    owed, shares = balances_until(session), shares_by_party(session)
    for party in session.scalars(select(Share.party).where(Share.kind == "goods").distinct().order_by(Share.party)):
        ours, theirs = -owed.get(party, ZERO), shares.get(party, NOTHING).owed
        if ours != theirs:
            yield f"{UNEXPLAINED}: {party}, {ours}, {theirs}"
