"""Several shops edit at once; the vocabulary counts right and nobody deadlocks."""

from __future__ import annotations

import threading

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.db import Database
from merchants.models import Product
from merchants.search.index import index_products, rebuild
from merchants.search.models import Vocabulary
from tests.merchants.search.market import Market

WRITERS = 4
EDITS = 12
TITLES = ("Zeste d'orange au miel", "Miel de tilleul et zeste", "Abricot au miel, amande", "Amande et orange")


def counts(session: Session) -> dict[str, int]:
    rows = session.execute(select(Vocabulary.word, Vocabulary.product_qty).where(Vocabulary.product_qty != 0))
    return {row.word: row.product_qty for row in rows}


def test_writers_at_once_lose_no_word_and_wait_for_each_other(empty_database: Database) -> None:
    with empty_database.transaction() as session:
        market = Market(session)
        products = [market.put("Miel", shop=f"Shop {writer}") for writer in range(WRITERS)]
    together = threading.Barrier(WRITERS)
    failures: list[Exception] = []

    def edit(writer: int) -> None:
        together.wait()
        try:
            for number in range(EDITS):
                with empty_database.transaction() as session:
                    session.get_one(Product, products[writer]).name = TITLES[(writer + number) % len(TITLES)]
                    index_products(session, [products[writer]])
        except Exception as failure:  # whatever a writer meets is the test's result
            failures.append(failure)

    threads = [threading.Thread(target=edit, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with empty_database.transaction() as session:
        counted = counts(session)
        rebuild(session)
        assert counted == counts(session)
        assert counted["miel"] == 3
