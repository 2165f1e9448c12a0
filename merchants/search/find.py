"""Answer what a resident looks for: product ids in order, the rest is the page's business.

One statement, two tiers (search.md 1b, 7): titles, brands, kinds and shops first, descriptions only when those give
less than a page; at most 201 candidates of each, by static score, so that a word in half the catalogue costs no
more than a rare one. Counting stops there too: "plus de 200".

Every statement needs a plan made for its own words (a generic one is a hundred times slower, search.md 9.1): the
engine never prepares (`prepare_threshold=None`), a test watches it. There is no statement timeout of our own: the
engine's stands behind, and a savepoint for a second form would cost every search two round trips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session
from stdnum import isbn

from merchants.search import french
from merchants.search.ranking import Hit, rank
from merchants.search.repair import corrected

PAGE = 24
#: What is shown and counted at most; who wants to see more refines. Nine pages, the last one of eight.
SHOWN = 200
#: Below this the words are taken for mistyped (search.md 3).
FEW = 3

# The limits are literal: a bound one hides itself from the planner. Titles found by words of their own come before
# those found by synonyms, and both before descriptions, whatever the scores.
_CANDIDATES = text(
    """
    WITH head AS MATERIALIZED (
        SELECT product_id, shop_id, score, title_words,
               CASE WHEN head @@ CAST(:typed AS tsquery) THEN 2 ELSE 1 END AS level
        FROM product_search
        WHERE head @@ CAST(:wide AS tsquery)
          AND (CAST(:shop_id AS bigint) IS NULL OR shop_id = CAST(:shop_id AS bigint))
          AND (CAST(:kind AS text) IS NULL OR kind = CAST(:kind AS text))
          AND (CAST(:trade AS text) IS NULL OR shop_id = ANY (ARRAY(SELECT id FROM shop WHERE trade = :trade)))
          AND shop_id <> ALL (ARRAY(SELECT id FROM shop WHERE state <> 'open'))
        ORDER BY score DESC, product_id DESC
        LIMIT 201
    ), body AS MATERIALIZED (
        SELECT product_id, shop_id, score, title_words, 0 AS level
        FROM product_search
        WHERE (SELECT count(*) FROM head) < 24
          AND body @@ CAST(:wide AS tsquery)
          AND product_id <> ALL (ARRAY(SELECT product_id FROM head))
          AND (CAST(:shop_id AS bigint) IS NULL OR shop_id = CAST(:shop_id AS bigint))
          AND (CAST(:kind AS text) IS NULL OR kind = CAST(:kind AS text))
          AND (CAST(:trade AS text) IS NULL OR shop_id = ANY (ARRAY(SELECT id FROM shop WHERE trade = :trade)))
          AND shop_id <> ALL (ARRAY(SELECT id FROM shop WHERE state <> 'open'))
        ORDER BY score DESC, product_id DESC
        LIMIT 201
    )
    SELECT * FROM head UNION ALL SELECT * FROM body
    """
)
_BY_EAN = text(
    """
    SELECT DISTINCT product_search.product_id
    FROM variant JOIN product_search ON product_search.product_id = variant.product_id
    WHERE variant.ean IN (:ean, :padded) AND variant.ean <> '' AND variant.is_offered
      AND (CAST(:shop_id AS bigint) IS NULL OR product_search.shop_id = CAST(:shop_id AS bigint))
      AND (CAST(:kind AS text) IS NULL OR product_search.kind = CAST(:kind AS text))
      AND (CAST(:trade AS text) IS NULL
           OR product_search.shop_id = ANY (ARRAY(SELECT id FROM shop WHERE trade = :trade)))
      AND product_search.shop_id <> ALL (ARRAY(SELECT id FROM shop WHERE state <> 'open'))
    ORDER BY 1
    LIMIT 201
    """
)
_SUGGEST = text(
    """
    SELECT word FROM vocabulary
    WHERE folded LIKE :prefix AND product_qty > 0
    ORDER BY product_qty DESC, word
    LIMIT 40
    """
)
_SUGGEST_AFTER = text(
    """
    SELECT word, count(*) AS product_qty
    FROM (
        SELECT counted_words FROM product_search WHERE head @@ CAST(:wide AS tsquery)
        ORDER BY score DESC, product_id DESC
        LIMIT 201
    ) AS hits, unnest(counted_words) AS word
    GROUP BY word
    ORDER BY 2 DESC, 1
    """
)


@dataclass(frozen=True, slots=True)
class Found:
    """One page of what was found.

    `product_ids` are this page's, best first. `total_qty` counts all pages; `is_capped` says that there are more
    ("plus de 200"). `corrected_query` is what we looked for as well or instead, when what was typed gave fewer
    than three; `corrected_ids` are this page's products that only this gave. `is_partial`: no product has all the
    words, these have some.
    """

    product_ids: tuple[int, ...]
    total_qty: int
    is_capped: bool
    page: int
    page_qty: int
    corrected_query: str | None = None
    corrected_ids: frozenset[int] = frozenset()
    is_partial: bool = False


def find_products(
    session: Session,
    *,
    query: str,
    on: date,
    page: int = 1,
    shop_id: int | None = None,
    kind: str | None = None,
    trade: str | None = None,
) -> Found:
    """The page of published products of open shops that answer `query`; of one shop, kind or shops' trade if asked.

    `on` is the town's day: it says which shop comes first among equals. Pages start at 1; one beyond the last is
    empty. A query without any word finds nothing. Never raises for what somebody typed.
    """
    where: dict[str, object] = {"shop_id": shop_id, "kind": kind, "trade": trade}
    code = _article_code(query)
    if code:
        ids = [row.product_id for row in session.execute(_BY_EAN, {**code, **where})]
        if ids:
            return _page(ids, page)
    asked = french.query(query)
    if asked is None:
        return _page([], page)

    def ranked(asked: french.Query, typed: str, wide: str) -> list[int]:
        return rank(_candidates(session, typed, wide, where), asked.words, on)

    ids = ranked(asked, asked.typed, asked.wide)
    if len(ids) >= FEW:
        return _page(ids, page)
    repaired = corrected(session, query)
    meant = french.query(repaired.query) if repaired else None
    # Who loses a word is told that something is missing, not that something else was meant.
    better = repaired.query if repaired and not repaired.leaves_out else None
    if meant:
        ids_more = [id_ for id_ in ranked(meant, meant.typed, meant.wide) if id_ not in ids]
        if ids_more and better:
            return _page(ids + ids_more, page, corrected_query=better, from_correction=ids_more)
        if ids_more:
            return _page(ids + ids_more, page, is_partial=True)
    if ids:
        return _page(ids, page)
    last_resort = meant or asked
    for some in french.relaxed(last_resort):
        ids = ranked(last_resort, some, some)
        if ids:
            return _page(
                ids,
                page,
                corrected_query=better,
                from_correction=ids if better else (),
                is_partial=True,
            )
    return _page([], page)


def suggest(session: Session, typed: str, *, limit: int = 8) -> list[str]:
    """What somebody may be about to type: `typed` with its last word completed, the most frequent first.

    From two letters on, or one after another word; each word once, in its most frequent number. Words
    before the last are kept true: something is found for each of the answers.
    """
    before, last = _split_last(french.normal(typed[: french.QUERY_CHARACTERS]))
    prefix = french.fold(last)
    context = french.query(before)
    if context and prefix:
        rows = session.execute(_SUGGEST_AFTER, {"wide": context.wide})
        near = [row.word for row in rows if french.fold(row.word).startswith(prefix)]
        given = {word.surface for word in context.words}
        words = [word for word in near if word not in given]
    elif len(prefix) > 1:
        words = list(session.scalars(_SUGGEST, {"prefix": f"{prefix}%"}))
    else:
        words = []
    proposed: dict[str, str] = {}
    for word in words:
        proposed.setdefault("".join(part.accented for part in french.words(word)), before + word)
    return list(proposed.values())[:limit]


def _split_last(typed: str) -> tuple[str, str]:
    at = max(typed.rfind(" "), typed.rfind("'")) + 1
    return typed[:at], typed[at:]


def _candidates(session: Session, typed: str, wide: str, where: dict[str, object]) -> list[Hit]:
    rows = session.execute(_CANDIDATES, {"typed": typed, "wide": wide, **where})
    return list(map(Hit._make, rows.all()))


def _article_code(query: str) -> dict[str, str] | None:
    """The EAN that was typed or scanned, as we may hold it; a book's old ten-digit number in its new form."""
    code = "".join(query.split()).replace("-", "").upper()
    if len(code) == 10 and isbn.is_valid(code):
        code = isbn.to_isbn13(code)
    if not (code.isascii() and code.isdigit() and len(code) in (8, 12, 13, 14)):
        return None
    return {"ean": code, "padded": code.zfill(13)}


def _page(
    ids: Sequence[int],
    page: int,
    *,
    corrected_query: str | None = None,
    from_correction: Sequence[int] = (),
    is_partial: bool = False,
) -> Found:
    shown = ids[:SHOWN]
    start = (page - 1) * PAGE
    here = tuple(shown[start : start + PAGE])
    return Found(
        product_ids=here,
        total_qty=len(shown),
        is_capped=len(ids) > SHOWN,
        page=page,
        page_qty=-(-len(shown) // PAGE),
        corrected_query=corrected_query,
        corrected_ids=frozenset(from_correction).intersection(here),
        is_partial=is_partial,
    )
