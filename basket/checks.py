"""I02, I06, I07, I09, I16, I17: orders and reservations, what they hold, and what was paid for them agree."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.models import OrderEvent, ReservationEvent
from basket.rules import ORDER_NEXT, RESERVATION_NEXT, SUB_ORDER_NEXT
from marketplace.selfcheck import sentences

RULES = (
    (
        "I02 an order that waits does not hold what it promises",
        "SELECT o.code, l.variant_id FROM orders o JOIN sub_order s ON s.order_id = o.id "
        "JOIN order_line l ON l.sub_order_id = s.id WHERE o.state = 'awaiting_payment' AND NOT EXISTS "
        "(SELECT 1 FROM stock_hold h WHERE h.reference = o.code AND h.variant_id = l.variant_id "
        "AND h.state = 'held' AND h.qty = l.qty)",
    ),
    (
        "I02 a confirmed order without its pieces",
        "SELECT o.code, l.variant_id FROM orders o JOIN sub_order s ON s.order_id = o.id "
        "JOIN order_line l ON l.sub_order_id = s.id WHERE o.state IN ('confirmed', 'completed') AND NOT EXISTS "
        "(SELECT 1 FROM stock_hold h WHERE h.reference = o.code AND h.variant_id = l.variant_id "
        "AND h.state = 'sold' AND h.qty = l.qty)",
    ),
    (
        "I02 an ended order still holds",
        # What was sold stays written as sold when a paid order is cancelled: the shop says what it puts back to sell.
        "SELECT o.code FROM orders o WHERE o.state IN ('lapsed', 'cancelled') AND (EXISTS "
        "(SELECT 1 FROM stock_hold h WHERE h.reference = o.code AND (h.state = 'held' "
        "OR h.state = 'sold' AND o.payment_id IS NULL)) OR EXISTS "
        "(SELECT 1 FROM booking b WHERE b.reference = o.code AND b.state IN ('held', 'confirmed')))",
    ),
    (
        "I02 an open reservation does not hold what it promises",
        "SELECT r.code, l.variant_id FROM reservation r JOIN reservation_line l ON l.reservation_id = r.id "
        "WHERE r.state IN ('reserved', 'ready') AND NOT EXISTS "
        "(SELECT 1 FROM stock_hold h WHERE h.reference = 'reservation:' || r.code AND h.variant_id = l.variant_id "
        "AND h.state = 'held' AND h.qty = l.qty)",
    ),
    (
        "I02 a collected reservation without its pieces",
        "SELECT r.code, l.variant_id FROM reservation r JOIN reservation_line l ON l.reservation_id = r.id "
        "WHERE r.state = 'collected' AND NOT EXISTS "
        "(SELECT 1 FROM stock_hold h WHERE h.reference = 'reservation:' || r.code AND h.variant_id = l.variant_id "
        "AND h.state = 'sold' AND h.qty = l.qty)",
    ),
    (
        "I02 pieces held for a reservation that has ended, or never was",
        "SELECT h.reference, h.variant_id FROM stock_hold h WHERE h.reference LIKE 'reservation:%' AND NOT EXISTS "
        "(SELECT 1 FROM reservation r JOIN reservation_line l ON l.reservation_id = r.id "
        "WHERE h.reference = 'reservation:' || r.code AND h.variant_id = l.variant_id AND (h.state = 'released' "
        "OR h.state = 'held' AND r.state IN ('reserved', 'ready') OR h.state = 'sold' AND r.state = 'collected'))",
    ),
    (
        "I06 a confirmed order that no paid payment of its amount confirms",
        "SELECT o.code FROM orders o LEFT JOIN payment p ON p.id = o.payment_id AND p.state = 'paid' "
        "WHERE o.state IN ('confirmed', 'completed') AND (p.id IS NULL OR p.amount <> o.delivery_fee + "
        "(SELECT sum(s.goods) FROM sub_order s WHERE s.order_id = o.id))",
    ),
    (
        # A job that gave up counts: it stands on the list for people.
        "I07 money that no order took, nobody gives back and no job will look at",
        "SELECT p.id FROM payment p WHERE p.state = 'paid' AND p.trouble IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.payment_id = p.id) "
        "AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs j WHERE j.task_name = 'basket.handlers.take_payment' "
        "AND j.status IN ('todo', 'doing', 'failed') AND (j.args ->> 'payment_id')::bigint = p.id)",
    ),
    (
        "I09 a sub-order whose lines, commission or contribution do not add up",
        "SELECT s.id FROM sub_order s JOIN order_line l ON l.sub_order_id = s.id GROUP BY s.id "
        "HAVING s.goods <> sum(l.unit_price * l.qty) OR s.commission <> sum(l.commission) "
        "OR s.contribution <> sum(l.contribution)",
    ),
    (
        # Also a sale without any rate. A rate is never set for a day that has begun, unless it is the first.
        "I09 a part sold at another rate than its merchant's of that day",
        "SELECT s.id FROM sub_order s JOIN orders o ON o.id = s.order_id JOIN shop ON shop.id = s.shop_id "
        "WHERE s.commission_permille IS DISTINCT FROM (SELECT r.permille FROM commission_rate r "
        "WHERE r.merchant_id = shop.merchant_id AND r.valid_from <= (o.placed_at AT TIME ZONE 'Europe/Paris')::date "
        "ORDER BY r.valid_from DESC, r.id DESC LIMIT 1)",
    ),
    (
        "I09 what merchants bear of a delivery is not what the payment keeps for it",
        "SELECT p.id FROM payment p JOIN orders o ON o.code = p.reference "
        "WHERE (SELECT sum(s.contribution) FROM sub_order s WHERE s.order_id = o.id) IS DISTINCT FROM "
        "(SELECT coalesce(sum(h.amount), 0) FROM payment_share h "
        "WHERE h.payment_id = p.id AND h.kind = 'contribution')",
    ),
    (
        "I17 a confirmed delivery without a place on a round",
        "SELECT o.code FROM orders o WHERE o.mode = 'delivery' AND o.state = 'confirmed' AND NOT EXISTS "
        "(SELECT 1 FROM booking b WHERE b.reference = o.code AND b.state IN ('confirmed', 'delivered', 'returned'))",
    ),
    (
        "I09 a share routed before its goods were handed over",
        "SELECT sh.id FROM payment_share sh JOIN payment p ON p.id = sh.payment_id "
        "JOIN orders o ON o.code = p.reference JOIN sub_order s ON s.order_id = o.id AND s.party = sh.party "
        "WHERE sh.state IN ('due', 'sending', 'unknown', 'routed') AND s.state NOT IN ('delivered', 'cancelled') "
        "AND p.routing IS DISTINCT FROM 'upfront'",
    ),
    (
        "I17 a parcel travels for a part that was cancelled",
        "SELECT o.code, s.shop_name FROM orders o JOIN sub_order s ON s.order_id = o.id "
        "JOIN shop h ON h.id = s.shop_id JOIN booking b ON b.reference = o.code AND b.state = 'confirmed' "
        "JOIN parcel p ON p.booking_id = b.id AND p.source = h.slug WHERE s.state = 'cancelled'",
    ),
    (
        "I10 a paid part was cancelled and its money not given back",
        "SELECT s.id FROM sub_order s JOIN orders o ON o.id = s.order_id AND o.payment_id IS NOT NULL "
        "JOIN order_line l ON l.sub_order_id = s.id LEFT JOIN refunded_line r ON r.order_line_id = l.id "
        "WHERE s.state = 'cancelled' GROUP BY s.id, l.id HAVING l.unit_price * l.qty <> coalesce(sum(r.amount), 0)",
    ),
    (
        "I10 more of a delivery fee goes back than was paid",
        "SELECT o.code FROM orders o JOIN order_refund r ON r.order_id = o.id GROUP BY o.id "
        "HAVING sum(r.delivery) > o.delivery_fee",
    ),
    (
        "I09 a share of money that confirmed no order",
        "SELECT sh.id FROM payment_share sh JOIN payment p ON p.id = sh.payment_id "
        "JOIN orders o ON o.code = p.reference WHERE sh.state IN ('due', 'sending', 'unknown', 'routed') "
        "AND o.payment_id IS DISTINCT FROM p.id",
    ),
    (
        "I10 a weighing names a refund that has nothing of its line",
        "SELECT w.id FROM weighing w WHERE w.order_refund_id IS NOT NULL AND (w.weighed_grams >= w.promised_grams "
        "OR NOT EXISTS (SELECT 1 FROM refunded_line r WHERE r.order_refund_id = w.order_refund_id "
        "AND r.order_line_id = w.order_line_id AND r.qty = 0))",
    ),
    (
        "I10 a weighing promises another weight than the sale",
        "SELECT w.id FROM weighing w JOIN order_line l ON l.id = w.order_line_id "
        "WHERE NOT w.promises_otherwise AND (l.net_grams IS NULL "
        "OR w.promised_grams <> ALL (SELECT l.net_grams * n FROM generate_series(1, l.qty) n))",
    ),
    (
        "I10 more pieces withdrawn than bought",
        "SELECT l.id FROM order_line l JOIN withdrawal_line w ON w.order_line_id = l.id "
        "JOIN withdrawal d ON d.id = w.withdrawal_id AND d.basis IS DISTINCT FROM 'otherwise' "
        "GROUP BY l.id HAVING sum(w.qty) > l.qty",
    ),
    (
        # What cost nothing, or had gone back as a gesture, has its refund of nothing.
        "I10 a withdrawal was settled and nothing went back for it",
        "SELECT id FROM withdrawal WHERE state = 'settled' AND (order_refund_id IS NULL) <> (basis = 'otherwise')",
    ),
    (
        "I10 a withdrawal has given back what it does not name",
        "SELECT w.id FROM withdrawal w JOIN order_refund o ON o.id = w.order_refund_id "
        "JOIN refunded_line r ON r.order_refund_id = o.id LEFT JOIN withdrawal_line n "
        "ON n.withdrawal_id = w.id AND n.order_line_id = r.order_line_id "
        "WHERE o.reason <> 'withdrawal' OR r.qty > coalesce(n.qty, 0)",
    ),
    (
        # One that waits for goods names a part that has left its shop.
        "I10 a withdrawal waits for goods that never left",
        "SELECT w.id FROM withdrawal w JOIN sub_order s ON s.id = w.sub_order_id "
        "WHERE w.state = 'waiting' AND s.state IN ('awaiting_payment', 'received', 'accepted', 'packed')",
    ),
    (
        "I10 a withdrawal was paid by the clock while its shop held it, or was not told",
        "SELECT id FROM withdrawal WHERE basis = 'unanswered' AND (told_at IS NULL OR proof_at IS NULL "
        "AND held_at IS NOT NULL OR proof_at <= held_at)",
    ),
    (
        "I21 what was last said of a withdrawal is not its last word, with who said it",
        "SELECT w.id FROM withdrawal w LEFT JOIN LATERAL (SELECT max(d.at) FILTER (WHERE d.word = 'held') AS held_at, "
        "max(d.at) FILTER (WHERE d.word = 'told') AS told_at, max(d.at) FILTER (WHERE d.word = 'proof') AS proof_at, "
        "(array_agg(d.text ORDER BY d.id DESC) FILTER (WHERE d.word = 'proof'))[1] AS proof "
        "FROM withdrawal_word d WHERE d.withdrawal_id = w.id) last ON true "
        "WHERE (w.held_at, w.resident_told_at, w.proof_at, w.proof) IS DISTINCT FROM "
        "(last.held_at, last.told_at, last.proof_at, coalesce(last.proof, ''))",
    ),
    (
        "I10 more pieces refunded than bought",
        "SELECT l.id FROM order_line l JOIN refunded_line r ON r.order_line_id = l.id "
        "GROUP BY l.id HAVING sum(r.qty) > l.qty OR sum(r.amount) > l.unit_price * l.qty "
        "OR sum(r.commission) > l.commission OR sum(r.contribution) > l.contribution",
    ),
    (
        # Of a dispute that is won after all, people are told that its money may be owed.
        "I10 more of gestures was counted than was given",
        "SELECT o.code FROM orders o JOIN order_refund r ON r.order_id = o.id GROUP BY o.id "
        "HAVING min(r.gesture) < 0 AND sum(r.gesture + (SELECT coalesce(sum(l.gesture), 0) FROM refunded_line l "
        "WHERE l.order_refund_id = r.id)) + (SELECT coalesce(sum(c.amount), 0) FROM chargeback c "
        "WHERE c.payment_id = o.payment_id AND c.lost_at IS NOT NULL) < 0",
    ),
    (
        "I10 the refund of an order is not that of its lines",
        "SELECT o.id FROM order_refund o LEFT JOIN refunded_line l ON l.order_refund_id = o.id "
        "LEFT JOIN refund r ON r.id = o.refund_id GROUP BY o.id, r.id "
        "HAVING coalesce(sum(l.amount), 0) + o.delivery + o.gesture <> coalesce(r.amount, 0)",
    ),
    (
        "I10 a merchant gives of a refund what its lines do not say",
        "SELECT o.id FROM order_refund o JOIN sub_order s ON s.id = o.sub_order_id "
        "LEFT JOIN refunded_line l ON l.order_refund_id = o.id "
        "LEFT JOIN refund_part p ON p.refund_id = o.refund_id AND p.kind = 'goods' "
        "GROUP BY o.id, p.id "
        "HAVING coalesce(sum(l.amount - l.commission - l.gesture - l.contribution), 0) <> coalesce(p.amount, 0)",
    ),
)


def broken_rules(session: Session) -> Iterator[str]:
    yield from sentences(session, RULES)
    moves = session.execute(
        select(
            OrderEvent.sub_order_id.is_not(None), OrderEvent.from_state, OrderEvent.event, OrderEvent.to_state
        ).distinct()
    )
    for is_sub_order, before, event, after in moves:
        table = SUB_ORDER_NEXT if is_sub_order else ORDER_NEXT
        if event != "place" and table.get((before, event)) != after:
            yield f"I16 a move that the state table does not have: {before} {event} {after}"
    kept = session.execute(
        select(ReservationEvent.from_state, ReservationEvent.event, ReservationEvent.to_state).distinct()
    )
    for before, event, after in kept:
        if event != "reserve" and RESERVATION_NEXT.get((before, event)) != after:
            yield f"I16 a move that a reservation does not have: {before} {event} {after}"
