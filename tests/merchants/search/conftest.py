from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from tests.merchants.search.market import Market


@pytest.fixture
def market(session: Session) -> Market:
    """An empty town."""
    return Market(session)
