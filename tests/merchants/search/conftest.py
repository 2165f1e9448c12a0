from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from marketplace.db import Base, Database
from merchants.search.models import ProductSearch, Vocabulary
from tests.merchants.search.market import Market


@pytest.fixture(scope="session", autouse=True)
def search_tables(database: Database) -> None:
    Base.metadata.create_all(database.engine, tables=[ProductSearch.__table__, Vocabulary.__table__])


@pytest.fixture
def market(session: Session) -> Market:
    """An empty town."""
    return Market(session)
