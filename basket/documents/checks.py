"""I19: what was handed over has its documents, and they add up to what was paid less what was given back."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from basket.documents.queries import DELIVERIES, FEE_UNDONE, SALES, UNDONE, UNTOLD
from marketplace.selfcheck import sentences

#: A job that has given up is no excuse: it tried for a day, and stands on the list for people.
_NO_JOB = """NOT EXISTS (SELECT 1 FROM procrastinate_jobs j WHERE j.task_name = 'basket.documents.handlers.{task}'
    AND j.status IN ('todo', 'doing') AND (j.args ->> '{name}')::bigint = {id})"""


def _without_job(task: str, name: str, row_id: str) -> str:
    return _NO_JOB.format(task=task, name=name, id=row_id)


_CREDITED = "coalesce((SELECT sum(c.total) FROM issued_document c WHERE c.corrects_id = d.id), 0)"

#: A merchant credits itself what went back while no mandate stood, even if it has signed anew since.
_OWN = r"""coalesce((SELECT sum(l.amount - l.gesture) FROM order_refund r
    JOIN refunded_line l ON l.order_refund_id = r.id WHERE r.sub_order_id = s.id
    AND NOT EXISTS (SELECT 1 FROM documented_refund n WHERE n.order_refund_id = r.id AND n.part = 'goods')
    AND NOT EXISTS (SELECT 1 FROM invoicing_mandate m WHERE m.seller = d.seller AND m.ended_on IS NULL
        AND m.signed_on <= (r.at AT TIME ZONE 'Europe/Paris')\:\:date)), 0)"""

RULES = (
    (
        "I19 goods that were handed over, without a document",
        f"SELECT missed.id FROM ({SALES}) missed "  # noqa: S608  # our own words
        f"WHERE {_without_job('document_sale', 'sub_order_id', 'missed.id')}",
    ),
    (
        "I19 a delivery without a document",
        f"SELECT s.order_id FROM ({DELIVERIES}) missed (id) "  # noqa: S608  # our own words
        "JOIN sub_order s ON s.id = missed.id "
        f"WHERE {_without_job('document_delivery', 'sub_order_id', 's.id')}",
    ),
    (
        "I19 an invoiced sale whose documents are not what was paid less what was given back",
        f"SELECT d.number, d.total - {_CREDITED} AS documented FROM sub_order s "  # noqa: S608  # our own words
        "JOIN issued_document d ON d.key = 'sale:' || s.id AND d.kind = 'invoice' "
        f"WHERE d.total - {_CREDITED} - {_OWN} <> s.goods - {UNDONE} "
        "AND NOT EXISTS (SELECT 1 FROM order_refund r WHERE r.sub_order_id = s.id AND NOT "
        f"({_without_job('credit_refund', 'order_refund_id', 'r.id')}))",
    ),
    (
        "I19 a refund that the merchant has credited itself, and we as well",
        "SELECT w.order_refund_id FROM own_credit_note w JOIN documented_refund n "
        "ON n.order_refund_id = w.order_refund_id AND n.part = 'goods' WHERE w.undone_at IS NULL",
    ),
    (
        "I19 a refund of what has a receipt, without a paper",
        f"SELECT missed.id FROM ({UNTOLD}) missed "  # noqa: S608  # our own words
        f"WHERE {_without_job('credit_refund', 'order_refund_id', 'missed.id')} "
        f"AND {_without_job('write_refund_receipt', 'order_refund_id', 'missed.id')}",
    ),
    (
        "I19 an invoiced delivery whose documents are not what was paid less what was given back",
        f"SELECT d.number, d.total - {_CREDITED} AS documented FROM orders o "  # noqa: S608  # our own words
        "JOIN issued_document d ON d.key = 'delivery:' || o.id "
        f"WHERE d.total - {_CREDITED} <> o.delivery_fee - {FEE_UNDONE} "
        "AND NOT EXISTS (SELECT 1 FROM order_refund r WHERE r.order_id = o.id AND NOT "
        f"({_without_job('credit_refund', 'order_refund_id', 'r.id')}))",
    ),
    (
        "I19 a run of commission invoices that is not the book's commission of its month",
        "SELECT r.month, planned.cents AS planned, booked.cents AS booked FROM commission_run r "
        "CROSS JOIN LATERAL (SELECT coalesce(sum(p.amount), 0) AS cents FROM commission_part p "
        "WHERE p.month = r.month) planned "
        "CROSS JOIN LATERAL (SELECT coalesce(-sum(e.amount), 0) AS cents FROM ledger_seal s "
        "JOIN ledger_entry e ON e.posting_id = s.posting_id WHERE e.account IN "
        "('association:commission', 'association:contributions') "
        "AND s.booked_on >= r.month AND s.booked_on < r.month + interval '1 month') booked "
        "WHERE planned.cents <> booked.cents",
    ),
    (
        "I19 a commission invoice that is not its merchant's part",
        "SELECT p.party, p.month, p.amount FROM commission_part p LEFT JOIN issued_document d ON d.buyer = p.party "
        "AND starts_with(d.key || '\\:', concat_ws('\\:', 'commission', p.party, to_char(p.month, 'YYYY-MM'), '')) "
        "WHERE p.state = 'issued' GROUP BY p.id "
        "HAVING p.amount <> coalesce(sum(CASE d.kind WHEN 'invoice' THEN d.total ELSE -d.total END), 0)",
    ),
)


def broken_rules(session: Session) -> Iterator[str]:
    yield from sentences(session, RULES)
