"""What the models call append-only, the database itself never changes or forgets."""

from __future__ import annotations

from sqlalchemy import text

from marketplace.db import Base, Database

#: What else is written once, beside the models that say so.
GUARDED = {"stock_move", "ledger_posting", "ledger_entry", "ledger_seal", "ledger_closing", "ledger_closing_total"}


def test_every_table_that_is_called_append_only_is_guarded(database: Database) -> None:
    called = {
        mapper.class_.__tablename__
        for mapper in Base.registry.mappers
        if "append-only" in (mapper.class_.__doc__ or "").casefold()
    }
    with database.reading() as session:
        guards = session.execute(
            text(
                "SELECT tgrelid::regclass::text, array_agg(tgname::text ORDER BY tgname) FROM pg_trigger"
                " WHERE tgname IN ('append_only', 'never_emptied') AND tgenabled = 'O' GROUP BY tgrelid"
            )
        ).all()
    guarded = {table for table, names in guards if names == ["append_only", "never_emptied"]}
    assert called | GUARDED <= guarded
    assert {"file_change", "commission_rate", "order_event"} <= called
