"""The search tables: derived from products, rebuilt at any time, written in the transaction of a product write."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.db import Base, Key

#: A shop's edit pays its own index upkeep (0.3 ms) rather than leave a pile to some later writer (search.md 8).
_NO_PENDING = {"fastupdate": "off"}


class ProductSearch(Base):
    """What search reads of one published product. No stock, no price: those change too often for these indexes."""

    __tablename__ = "product_search"
    __table_args__ = (
        Index("ix_product_search_head", "head", postgresql_using="gin", postgresql_with=_NO_PENDING),
        Index("ix_product_search_body", "body", postgresql_using="gin", postgresql_with=_NO_PENDING),
        # Read backwards: ORDER BY score DESC, product_id DESC.
        Index("ix_product_search_score", "score", "product_id"),
        Index("ix_product_search_shop", "shop_id", "score"),
        # Room for the next version of a row on its own page: rows are rewritten, seldom added.
        {"postgresql_with": {"fillfactor": "80"}},
    )

    product_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("product.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    shop_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[Key]
    #: Decides which of many hits are looked at: ranking.static_score.
    score: Mapped[int]
    #: french.VERSION when the row was written; another one is rebuilt.
    stemmer: Mapped[int] = mapped_column(SmallInteger)
    #: The title as the ranking reads it: ranking.title_words.
    title_words: Mapped[str]
    #: The words that this row counts in `vocabulary`, sorted, without repetition.
    counted_words: Mapped[list[str]] = mapped_column(ARRAY(Text))
    #: Stems of title, brand, kind and shop.
    head: Mapped[str] = mapped_column(TSVECTOR)
    #: Those and the description's.
    body: Mapped[str] = mapped_column(TSVECTOR)


class Vocabulary(Base):
    """The words of titles, brands, kinds and shops: proposed while typing, and meant by typing slips."""

    __tablename__ = "vocabulary"
    __table_args__ = (
        Index("ix_vocabulary_folded", "folded"),
        Index("ix_vocabulary_stem", "stem"),
        Index("ix_vocabulary_keys", "keys", postgresql_using="gin", postgresql_with=_NO_PENDING),
    )

    # Collation C: the indexes then serve prefixes (LIKE 'pa%') whatever the server's language is.
    #: Lower case, with its accents.
    word: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    #: The same in [a-z]: what a prefix is compared with.
    folded: Mapped[str] = mapped_column(Text(collation="C"))
    form: Mapped[str]
    stem: Mapped[str] = mapped_column(Text(collation="C"))
    #: In how many products; at zero it is no longer proposed.
    product_qty: Mapped[int]
    #: slips.keys(form).
    keys: Mapped[list[int]] = mapped_column(ARRAY(Integer))
