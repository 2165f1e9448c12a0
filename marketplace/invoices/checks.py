"""I19: numbers are unique and gapless, and documents are what their lines and mandates say."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.orm import Session

from marketplace.selfcheck import sentences

RULES = (
    (
        "I19 a series with a gap or a number twice",
        "SELECT s.seller, s.prefix, s.last_ordinal, count(d.id) FROM invoice_series s "
        "LEFT JOIN issued_document d ON d.series_id = s.id GROUP BY s.id "
        "HAVING count(d.id) <> s.last_ordinal OR count(DISTINCT d.ordinal) <> s.last_ordinal "
        "OR coalesce(max(d.ordinal), 0) <> s.last_ordinal",
    ),
    (
        "I19 numbers that run against time",
        "SELECT number FROM (SELECT number, issued_on, lag(issued_on) OVER (PARTITION BY series_id ORDER BY ordinal) "
        "AS before FROM issued_document) d WHERE d.issued_on < d.before",
    ),
    (
        "I19 a document of another seller, kind or year than its series",
        "SELECT d.number FROM issued_document d JOIN invoice_series s ON s.id = d.series_id WHERE d.seller <> s.seller "
        "OR d.kind <> s.kind OR extract(year FROM d.issued_on) <> s.year OR d.number NOT LIKE s.prefix || '-%'",
    ),
    (
        "I19 a document that is not the sum of its lines",
        "SELECT d.number, d.total, sum(l.amount) FROM issued_document d "
        "LEFT JOIN issued_line l ON l.document_id = d.id GROUP BY d.id HAVING sum(l.amount) IS DISTINCT FROM d.total",
    ),
    (
        "I19 a line credited beyond its amount",
        "SELECT d.number, l.position, l.amount, sum(c.amount) FROM issued_line l "
        "JOIN issued_line c ON c.credits_line_id = l.id JOIN issued_document d ON d.id = l.document_id "
        "GROUP BY d.id, l.id HAVING sum(c.amount) > l.amount",
    ),
    (
        "I19 a credit note on lines that are not its invoice's",
        "SELECT d.number FROM issued_line c JOIN issued_document d ON d.id = c.document_id "
        "LEFT JOIN issued_line l ON l.id = c.credits_line_id WHERE (d.corrects_id IS NOT NULL OR c.credits_line_id "
        "IS NOT NULL) AND l.document_id IS DISTINCT FROM d.corrects_id",
    ),
    (
        "I19 a document in a merchant's name without a mandate in force",
        "SELECT d.number FROM issued_document d JOIN invoice_series s ON s.id = d.series_id "
        "LEFT JOIN invoicing_mandate m ON m.id = s.mandate_id AND m.seller = s.seller "
        "WHERE s.issuer <> s.seller AND s.kind NOT IN ('receipt', 'refund_receipt') "
        "AND (m.id IS NULL OR d.issued_on < m.signed_on OR d.issued_on >= coalesce(m.ended_on, 'infinity'))",
    ),
    (
        # The newest: all of them would be gigabytes, every ten minutes.
        "I19 a kept paper that is not what was handed out",
        "SELECT document_id FROM (SELECT * FROM kept_paper ORDER BY document_id DESC LIMIT 20) k "
        "WHERE sha256(pdf) <> k.sha256",
    ),
)


def broken_rules(session: Session) -> Iterator[str]:
    yield from sentences(session, RULES)
