"""Give every posting its number, its day and its hash, once it is there for everybody to see (I13).

Not while posting: a number without gap wants one writer at a time, and money must not queue up behind it. A posting
that commits late is simply sealed later: numbers are given in the order in which postings come to light.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.ledger.models import Closing, Seal
from marketplace.ledger.rules import NOTHING, booked_on, link

#: Of the advisory lock that seals and closings are made under; the digits mean nothing.
LOCK = 1_306_061

#: Sealed in one transaction: about a second's work, well within the 15 s that a statement may take.
BATCH_QTY = 20_000


#: What a posting's hash is taken over, as JSON, and its sum in cents, in the order of numbers. Stands behind
#: `WITH numbered AS (…)`, rows of number, posting_id, booked_on, sealed_at and the hash that is stored. Instants are
#: in UTC to the microsecond, entries in the order of their accounts' code points, whatever the database's collation.
#: Where the posting is gone, its key is null. `first_id` and `last_id` are the outermost of the posting_ids: postings
#: and entries are read by that range of their indexes, and not whole once a batch.
POSTING_TEXTS = """
SELECT n.number, n.posting_id, n.booked_on, n.hash, p.key, e.sum_cents,
  json_build_array(
    n.number, n.booked_on, to_char(n.sealed_at AT TIME ZONE 'UTC', :instant),
    p.id, p.key, p.kind, p.reference, to_char(p.at AT TIME ZONE 'UTC', :instant), p.actor, e.entries
  )::text AS content
FROM numbered n
LEFT JOIN ledger_posting p ON p.id = n.posting_id AND p.id BETWEEN :first_id AND :last_id
LEFT JOIN (
  SELECT posting_id, sum(amount)::bigint AS sum_cents,
    json_agg(json_build_array(account, amount) ORDER BY account COLLATE "C", amount) AS entries
  FROM ledger_entry WHERE posting_id BETWEEN :first_id AND :last_id GROUP BY posting_id
) e ON e.posting_id = n.posting_id
ORDER BY n.number
"""

#: As `to_char` writes an instant.
INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'

_TAKE = text(
    "DELETE FROM ledger_unsealed WHERE posting_id IN"
    " (SELECT posting_id FROM ledger_unsealed ORDER BY at, posting_id LIMIT :most) RETURNING at, posting_id"
)

_NUMBERED = """
WITH numbered AS (
  SELECT number, posting_id, booked_on, CAST(:now AS timestamptz) AS sealed_at, CAST(NULL AS bytea) AS hash
  FROM unnest(CAST(:numbers AS bigint[]), CAST(:posting_ids AS bigint[]), CAST(:days AS date[]))
    AS taken (number, posting_id, booked_on)
)
"""

_WRITE = text(
    "INSERT INTO ledger_seal (number, posting_id, booked_on, sealed_at, hash)"
    " SELECT number, posting_id, booked_on, CAST(:now AS timestamptz), hash"
    " FROM unnest(CAST(:numbers AS bigint[]), CAST(:posting_ids AS bigint[]), CAST(:days AS date[]),"
    " CAST(:hashes AS bytea[])) AS sealed (number, posting_id, booked_on, hash)"
)


def take_lock(session: Session) -> bool:
    """Whether this transaction is the one that may seal and close until it ends; nobody waits for it."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(LOCK))))


def seal(session: Session, *, now: datetime, most: int = BATCH_QTY) -> int:
    """Seal the earliest `most` postings that wait; how many were sealed. 0 when another worker is at it.

    A closed day gets nothing any more, and no number counts for a day before that of a lower one (`rules.booked_on`).
    """
    if not take_lock(session):
        return 0
    # In the order of their instants, so that the day of a later number is never an earlier one.
    taken = sorted(tuple(row) for row in session.execute(_TAKE, {"most": most}))
    if not taken:
        return 0
    last = session.execute(
        select(Seal.number, Seal.booked_on, Seal.hash).order_by(Seal.number.desc()).limit(1)
    ).one_or_none()
    number, day_before, hash_before = (last.number, last.booked_on, last.hash) if last else (0, date.min, NOTHING)
    open_on, today = max(day_before, _first_open_day(session)), local_day(now)
    posting_ids = [posting_id for _, posting_id in taken]
    batch = {
        "now": now,
        "numbers": list(range(number + 1, number + 1 + len(taken))),
        "posting_ids": posting_ids,
        "days": [booked_on(at, open_on=open_on, today=today) for at, _ in taken],
    }
    where = {"first_id": min(posting_ids), "last_id": max(posting_ids), "instant": INSTANT}
    hashes = []
    for row in session.execute(text(_NUMBERED + POSTING_TEXTS), {**batch, **where}):
        hash_before = link(hash_before, row.content)
        hashes.append(hash_before)
    session.execute(_WRITE, {**batch, "hashes": hashes})
    return len(taken)


def _first_open_day(session: Session) -> date:
    """The day after the last closed one; the first of all days as long as none is closed."""
    return session.scalar(select(func.max(Closing.until_on)).where(Closing.period == "day")) or date.min
