"""Keep the search tables true: called in the transaction of every product write, never by a trigger.

Call each once per transaction, as its last step, with all the products it touched: rows are locked in sorted order
(products first, then words), so that two imports at once wait for each other instead of deadlocking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import delete, func, or_, select, text
from sqlalchemy.orm import Session

from merchants.models import Product, Shop, Variant
from merchants.search import french, ranking, slips
from merchants.search.headings import DESCRIBED_IN, DRAWING_WORDS, KIND_WORDS, NAMED_IN, TRADE_WORDS
from merchants.search.models import ProductSearch, Vocabulary

#: Rows of one statement: large enough that the round trip no longer counts, small enough for a few MB.
BATCH = 500

_UPSERT = text(
    """
    INSERT INTO product_search
        (product_id, shop_id, kind, score, stemmer, title_words, counted_words, head, body)
    SELECT product_id, shop_id, kind, score, :stemmer, title_words, string_to_array(counted, ' '),
           CAST(head AS tsvector), CAST(body AS tsvector)
    FROM unnest(CAST(:product_id AS bigint[]), CAST(:shop_id AS bigint[]), CAST(:kind AS text[]),
                CAST(:score AS integer[]), CAST(:title_words AS text[]), CAST(:counted AS text[]),
                CAST(:head AS text[]), CAST(:body AS text[]))
         AS new (product_id, shop_id, kind, score, title_words, counted, head, body)
    ORDER BY product_id
    ON CONFLICT (product_id) DO UPDATE SET
        shop_id = excluded.shop_id, kind = excluded.kind, stemmer = excluded.stemmer,
        title_words = excluded.title_words, counted_words = excluded.counted_words,
        head = excluded.head, body = excluded.body
    """
)
_COUNT_WORDS = text(
    """
    INSERT INTO vocabulary (word, folded, form, stem, product_qty, keys)
    SELECT word, folded, form, stem, product_qty, CAST(string_to_array(keys, ' ') AS integer[])
    FROM unnest(CAST(:word AS text[]), CAST(:folded AS text[]), CAST(:form AS text[]), CAST(:stem AS text[]),
                CAST(:product_qty AS integer[]), CAST(:keys AS text[]))
         AS new (word, folded, form, stem, product_qty, keys)
    ORDER BY word COLLATE "C"
    ON CONFLICT (word) DO UPDATE SET product_qty = vocabulary.product_qty + excluded.product_qty
    """
)
_ROTATE = text(
    """
    UPDATE product_search SET score = new.score
    FROM unnest(CAST(:product_id AS bigint[]), CAST(:score AS integer[])) AS new (product_id, score)
    WHERE product_search.product_id = new.product_id
    """
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A product as the tables hold it."""

    product_id: int
    shop_id: int
    kind: str
    title_words: str
    counted_words: set[str]
    document: french.Document


def index_products(session: Session, product_ids: Iterable[int]) -> None:
    """Afterwards search finds each of these products as it now is, and no longer those that are not published."""
    change: Counter[str] = Counter()
    for batch in _batches(sorted(set(product_ids))):
        counted = _counted_words(session, batch)
        rows = _read(session, batch)
        _write(session, rows)
        _remove(session, set(batch) - {row.product_id for row in rows})
        for row in rows:
            old = counted.pop(row.product_id, set())
            change.update(row.counted_words - old)
            change.subtract(old - row.counted_words)
        for words_gone in counted.values():
            change.subtract(words_gone)
    _count(session, change)


def unindex_products(session: Session, product_ids: Iterable[int]) -> None:
    """Afterwards search finds none of these products, whether they are published or not."""
    change: Counter[str] = Counter()
    for batch in _batches(sorted(set(product_ids))):
        for words_gone in _counted_words(session, batch).values():
            change.subtract(words_gone)
        _remove(session, set(batch))
    _count(session, change)


def rebuild(session: Session, *, progress: Callable[[int, int], None] | None = None) -> int:
    """Afterwards both tables are what they would be, had every product been indexed just now; how many there are.

    `progress(done, total)` is called after each batch. Scores stay. For a new french.VERSION, a new table of
    spellings, a renamed kind or shop, or when `find_stale` names more than a few.
    """
    total = session.scalar(select(func.count()).select_from(Product)) or 0
    done, last, indexed = 0, 0, 0
    product_qty: Counter[str] = Counter()
    while True:
        batch = session.scalars(select(Product.id).where(Product.id > last).order_by(Product.id).limit(BATCH)).all()
        if not batch:
            break
        rows = _read(session, batch)
        _write(session, rows)
        _remove(session, set(batch) - {row.product_id for row in rows})
        for row in rows:
            product_qty.update(row.counted_words)
        done, last, indexed = done + len(batch), batch[-1], indexed + len(rows)
        if progress:
            progress(done, total)
    session.execute(delete(Vocabulary))
    _count(session, product_qty)
    return indexed


def rotate(session: Session, *, on: date) -> int:
    """Afterwards every score is the one of the day `on`; how many moved (about a seventh a day). For each night."""
    moved, last = 0, 0
    while True:
        rows = session.execute(
            select(ProductSearch.product_id, ProductSearch.score)
            .where(ProductSearch.product_id > last)
            .order_by(ProductSearch.product_id)
            .limit(BATCH)
        ).all()
        if not rows:
            return moved
        last = rows[-1].product_id
        due = {
            row.product_id: ranking.static_score(row.product_id, ranking.draw_of(row.product_id, on)) for row in rows
        }
        new = {row.product_id: due[row.product_id] for row in rows if row.score != due[row.product_id]}
        if new:
            session.execute(_ROTATE, {"product_id": list(new), "score": list(new.values())})
        moved += len(new)


def find_stale(session: Session, *, limit: int = 1_000) -> list[int]:
    """Products that search misses, still finds, or holds in the stems of another version; sorted. Nightly: empty."""
    rows = session.scalars(
        select(Product.id)
        .outerjoin(ProductSearch, ProductSearch.product_id == Product.id)
        .where(
            or_(
                Product.is_published & ProductSearch.product_id.is_(None),
                ~Product.is_published & ProductSearch.product_id.is_not(None),
                ProductSearch.stemmer != french.VERSION,
            )
        )
        .order_by(Product.id)
        .limit(limit)
    )
    return list(rows)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _counted_words(session: Session, product_ids: Sequence[int]) -> dict[int, set[str]]:
    """The words that each product counts until now; its row stays locked for whoever else indexes it."""
    rows = session.execute(
        select(ProductSearch.product_id, ProductSearch.counted_words)
        .where(ProductSearch.product_id.in_(product_ids))
        .order_by(ProductSearch.product_id)
        .with_for_update()
    )
    return {row.product_id: set(row.counted_words) for row in rows}


def _read(session: Session, product_ids: Sequence[int]) -> list[_Row]:
    rows = session.execute(
        select(
            Product.id,
            Product.shop_id,
            Product.kind,
            Product.name,
            Product.brand,
            Product.description,
            Product.drawing,
            Product.details,
            Shop.name.label("shop"),
            Shop.trade,
        )
        .join(Shop, Shop.id == Product.shop_id)
        .where(Product.id.in_(product_ids), Product.is_published)
        .order_by(Product.id)
    )
    labels = _variant_labels(session, product_ids)
    found = []
    for row in rows:
        # Slashes only keep the parts from being read as one compound.
        heading = " / ".join(
            (KIND_WORDS.get(row.kind, ""), TRADE_WORDS.get(row.trade, ""), DRAWING_WORDS.get(row.drawing, ""))
        )
        named = " / ".join([row.brand, *(str(row.details.get(name, "")) for name in NAMED_IN)])
        described = [str(row.details.get(name, "")) for name in DESCRIBED_IN]
        document = french.document(
            title=row.name,
            brand=named,
            heading=heading,
            shop=row.shop,
            description=" / ".join([row.description, labels.get(row.id, ""), *described]),
        )
        sources = (row.name, named, heading, row.shop)
        counted = {word.surface for source in sources for word in french.surface_words(source)}
        found.append(_Row(row.id, row.shop_id, row.kind, ranking.title_words(row.name), counted, document))
    return found


def _variant_labels(session: Session, product_ids: Sequence[int]) -> dict[int, str]:
    """The labels of each product's offered variants: colours and sizes are asked for, too."""
    rows = session.execute(
        select(Variant.product_id, func.string_agg(Variant.label, " / "))
        .where(Variant.product_id.in_(product_ids), Variant.is_offered, Variant.label != "")
        .group_by(Variant.product_id)
    )
    return {row.product_id: row[1] for row in rows}


def _write(session: Session, rows: list[_Row]) -> None:
    if not rows:
        return
    session.execute(
        _UPSERT,
        {
            "stemmer": french.VERSION,
            "product_id": [row.product_id for row in rows],
            "shop_id": [row.shop_id for row in rows],
            "kind": [row.kind for row in rows],
            "score": [ranking.static_score(row.product_id, 0) for row in rows],
            "title_words": [row.title_words for row in rows],
            "counted": [" ".join(sorted(row.counted_words)) for row in rows],
            "head": [row.document.head for row in rows],
            "body": [row.document.body for row in rows],
        },
    )


def _remove(session: Session, product_ids: set[int]) -> None:
    if product_ids:
        session.execute(delete(ProductSearch).where(ProductSearch.product_id.in_(sorted(product_ids))))


def _count(session: Session, change: Counter[str]) -> None:
    """Add to the vocabulary's counts, words in sorted order."""
    moved = sorted(word for word, by in change.items() if by)
    for start in range(0, len(moved), BATCH * 4):
        # A compound comes last, after its parts; a word that an older version counted may be none today.
        found = [read[-1] for read in map(french.surface_words, moved[start : start + BATCH * 4]) if read]
        session.execute(
            _COUNT_WORDS,
            {
                "word": [word.surface for word in found],
                "folded": [french.fold(word.surface) for word in found],
                "form": [word.form for word in found],
                "stem": [word.stem for word in found],
                "product_qty": [change[word.surface] for word in found],
                "keys": [" ".join(map(str, slips.keys(french.fold(word.surface), word.form))) for word in found],
            },
        )
