"""I01: pieces on hand and held are what the moves and the holds say; prices are the last ones recorded."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from marketplace.selfcheck import sentences
from merchants.search.index import find_stale

RULES = (
    (
        "I01 held is not the sum of the live holds",
        "SELECT v.id, v.held_qty FROM variant v LEFT JOIN stock_hold h ON h.variant_id = v.id AND h.state = 'held' "
        "GROUP BY v.id HAVING v.held_qty <> coalesce(sum(h.qty), 0)",
    ),
    (
        "I01 on hand is not the sum of the moves",
        "SELECT v.id, v.on_hand_qty FROM variant v LEFT JOIN stock_move m ON m.variant_id = v.id "
        "GROUP BY v.id HAVING v.on_hand_qty <> coalesce(sum(m.qty), 0)",
    ),
    (
        "I01 sold pieces are not the moves of their order",
        "SELECT h.reference, h.variant_id FROM stock_hold h LEFT JOIN stock_move m "
        "ON m.reference = h.reference AND m.variant_id = h.variant_id AND m.reason = 'sold' "
        "WHERE h.state = 'sold' GROUP BY h.id HAVING coalesce(sum(m.qty), 0) <> -h.qty",
    ),
    (
        "I14 a price that nobody recorded",
        "SELECT v.id FROM variant v WHERE v.price IS DISTINCT FROM (SELECT c.price FROM price_change c "
        "WHERE c.variant_id = v.id ORDER BY c.at DESC, c.id DESC LIMIT 1)",
    ),
    (
        # Of a birth date the history says only that one was noted.
        "I21 a merchant's file says something else than its last change",
        "SELECT m.id FROM merchant m JOIN LATERAL (SELECT DISTINCT ON (e.key) e.key, e.value -> 1 AS noted "
        "FROM file_change c CROSS JOIN jsonb_each(c.changed) e WHERE c.merchant_id = m.id "
        "ORDER BY e.key, c.id DESC) last ON last.key <> 'born_on' "
        "WHERE to_jsonb(m) -> last.key IS DISTINCT FROM last.noted",
    ),
)


def broken_rules(session: Session) -> Iterator[str]:
    yield from sentences(session, RULES)
    for product_id in find_stale(session, limit=10):
        yield f"search misses product {product_id}, or holds it withdrawn or in old stems"
