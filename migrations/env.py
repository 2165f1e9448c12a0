"""Alembic's way in: the same engine and the same tables as the application."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import create_engine, pool

import basket.documents.models
import basket.models
import marketplace.accounts.models
import marketplace.delivery.models
import marketplace.invoices.models
import marketplace.ledger.models
import marketplace.mail_models
import marketplace.payments.models
import merchants.models
import merchants.search.models
from marketplace.db import Base, MoneyType, open_database
from marketplace.settings import Settings

#: Imported for the tables that they declare on Base.
DECLARED = (
    basket.documents.models,
    basket.models,
    marketplace.accounts.models,
    marketplace.delivery.models,
    marketplace.invoices.models,
    marketplace.ledger.models,
    marketplace.mail_models,
    marketplace.payments.models,
    merchants.models,
    merchants.search.models,
)


def ours(name: str | None, kind: str, parents: object) -> bool:
    """procrastinate keeps its own tables; autogenerate must not offer to drop them."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def plain_types(kind: str, value: object, context: object) -> str | bool:
    """A migration must not change its meaning when our own types do: it names the database's."""
    return "sa.BigInteger()" if kind == "type" and isinstance(value, MoneyType) else False


def run() -> None:
    url = context.config.attributes.get("url") or open_database(Settings.from_env(os.environ)).url
    # No statement timeout here: a migration may take its time, but may not wait long for a lock.
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"options": "-c lock_timeout=5s"})
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_name=ours,
            render_item=plain_types,
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
