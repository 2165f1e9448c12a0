"""Tills post and workers seal at the same time, as processes of their own: one journal, without a gap."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import func, select

from marketplace.hall import Hall
from marketplace.ledger import accounts
from marketplace.ledger.models import Posting, Seal, Unsealed
from marketplace.ledger.proof import everything_broken
from marketplace.ledger.sealing import seal
from marketplace.ledger.service import post
from marketplace.money import Money
from tests.flows.processes import Crowd

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]


def take_money(hall: Hall, till: int) -> None:
    """Forty payments, each in its own transaction; every fifth is undone after it was posted."""
    for n in range(40):
        with hall.database.transaction() as session:
            post(
                session,
                key=f"{till}:{n}",
                kind="test",
                reference=str(till),
                entries={accounts.HOLDING: Money(n + 1), accounts.UNMATCHED: Money(-n - 1)},
                actor="till",
                now=hall.clock.now(),
            )
            if n % 5 == 4:
                session.rollback()


def seal_again_and_again(hall: Hall) -> int:
    sealed_qty = 0
    for _ in range(80):
        with hall.database.transaction() as session:
            sealed_qty += seal(session, now=hall.clock.now(), most=7)
    return sealed_qty


def test_tills_and_sealers_together_make_one_journal_without_a_gap(hall: Hall, crowd: Crowd) -> None:
    tills = [partial(take_money, till=till) for till in range(4)]
    outcomes = crowd.act([*tills, seal_again_and_again, seal_again_and_again])
    sealed_meanwhile_qty = sum(outcome.value for outcome in outcomes[4:])
    with hall.database.transaction() as session:
        left_qty = seal(session, now=hall.clock.now())
    with hall.database.reading() as session:
        assert session.scalars(select(Posting.key).where(Posting.key.like("%:4"))).all() == []
        numbers = session.scalars(select(Seal.number).order_by(Seal.number)).all()
        assert numbers == list(range(1, 129)), "four tills, forty payments each, eight of them undone"
        assert sealed_meanwhile_qty + left_qty == 128
        assert session.scalar(select(func.count()).select_from(Unsealed)) == 0
        assert list(everything_broken(session)) == []
