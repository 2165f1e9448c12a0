"""Pieces held, sold, put back and counted, one hand at a time; tests/flows/test_races.py lets many hands in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from merchants import stock
from merchants.models import StockHold, StockMove, Variant
from merchants.stock import CountedMeanwhile, NotEnoughStock
from tests.walk import NOW, Town, arrange_town

LATER = NOW + timedelta(minutes=15)


@pytest.fixture
def shelf(session: Session) -> Town:
    return arrange_town(session)


def _pieces(session: Session, variant_id: int) -> tuple[int, int]:
    row = session.execute(select(Variant.on_hand_qty, Variant.held_qty).where(Variant.id == variant_id)).one()
    return row.on_hand_qty, row.held_qty


def _hold(session: Session, reference: str, quantities: dict[int, int]) -> None:
    stock.hold(session, reference=reference, quantities=quantities, until_at=LATER)


def test_held_pieces_stay_on_the_shelf_and_are_nobody_elses(session: Session, shelf: Town) -> None:
    _hold(session, "A", {shelf.variant("L1"): 3})
    assert _pieces(session, shelf.variant("L1")) == (5, 3)
    with pytest.raises(NotEnoughStock) as refused:
        _hold(session, "B", {shelf.variant("L1"): 3})
    assert refused.value.details == {"short": {shelf.variant("L1"): 2}}


def test_every_short_variant_is_named_with_what_is_left(session: Session, shelf: Town) -> None:
    session.execute(update(Variant).where(Variant.id == shelf.variant("L2")).values(is_offered=False))
    with pytest.raises(NotEnoughStock) as refused, session.begin_nested():
        _hold(session, "A", {shelf.variant("C1"): 13, shelf.variant("F2"): 1, shelf.variant("L2"): 1, 999_999: 1})
    assert refused.value.details == {"short": {shelf.variant("C1"): 12, shelf.variant("L2"): 0, 999_999: 0}}
    assert _pieces(session, shelf.variant("F2")) == (1, 0), "all of them or none"


def test_a_sale_takes_the_pieces_once(session: Session, shelf: Town) -> None:
    _hold(session, "A", {shelf.variant("L1"): 2, shelf.variant("C1"): 1})
    assert stock.sell(session, reference="A", actor="order:A", now=NOW) == 2
    assert stock.sell(session, reference="A", actor="order:A", now=NOW) == 0
    assert stock.release(session, reference="A", actor="order:A", now=NOW) == 0
    assert _pieces(session, shelf.variant("L1")) == (3, 0)
    moves = session.execute(select(StockMove.qty, StockMove.reason).where(StockMove.reference == "A")).all()
    assert sorted((qty, reason) for qty, reason in moves) == [(-2, "sold"), (-1, "sold")]


def test_a_release_puts_them_back_once(session: Session, shelf: Town) -> None:
    _hold(session, "A", {shelf.variant("L1"): 2})
    assert stock.release(session, reference="A", actor="order:A", now=NOW) == 1
    assert stock.release(session, reference="A", actor="order:A", now=NOW) == 0
    assert stock.sell(session, reference="A", actor="order:A", now=NOW) == 0
    assert _pieces(session, shelf.variant("L1")) == (5, 0)


def test_a_released_reference_may_hold_again_and_a_live_one_may_not_hold_twice(session: Session, shelf: Town) -> None:
    _hold(session, "A", {shelf.variant("L1"): 1})
    stock.release(session, reference="A", actor="order:A", now=NOW)
    _hold(session, "A", {shelf.variant("L1"): 1})
    with pytest.raises(IntegrityError, match="uq_stock_hold_one_live"), session.begin_nested():
        _hold(session, "A", {shelf.variant("L1"): 1})
    assert _pieces(session, shelf.variant("L1")) == (5, 1)


@pytest.mark.parametrize("values", [{"held_qty": 6}, {"held_qty": -1}, {"on_hand_qty": -1}])
def test_the_table_itself_refuses_more_than_there_is(session: Session, shelf: Town, values: dict[str, int]) -> None:
    with pytest.raises(IntegrityError), session.begin_nested():
        session.execute(update(Variant).where(Variant.id == shelf.variant("L1")).values(**values))


def test_a_count_moves_the_difference(session: Session, shelf: Town) -> None:
    stock.count(session, variant_id=shelf.variant("L1"), on_hand_qty=7, actor="member:1", now=NOW)
    stock.count(session, variant_id=shelf.variant("L1"), on_hand_qty=7, actor="member:1", now=NOW)
    assert _pieces(session, shelf.variant("L1")) == (7, 0)
    counted = select(StockMove.qty, StockMove.actor).where(StockMove.reason == "counted")
    assert [tuple(row) for row in session.execute(counted)] == [(2, "member:1")]


def test_a_count_below_what_is_promised_is_refused(session: Session, shelf: Town) -> None:
    _hold(session, "A", {shelf.variant("L1"): 3})
    with pytest.raises(NotEnoughStock) as refused:
        stock.count(session, variant_id=shelf.variant("L1"), on_hand_qty=2, actor="member:1", now=NOW)
    assert refused.value.details == {"short": {shelf.variant("L1"): 2}, "held_qty": 3}
    assert _pieces(session, shelf.variant("L1")) == (5, 3)


def test_a_count_over_a_sale_that_the_merchant_did_not_see_is_refused(session: Session, shelf: Town) -> None:
    _hold(session, "A", {shelf.variant("L1"): 1})
    stock.sell(session, reference="A", actor="order:A", now=NOW)
    with pytest.raises(CountedMeanwhile) as refused:
        stock.count(session, variant_id=shelf.variant("L1"), on_hand_qty=6, seen_qty=5, actor="member:1", now=NOW)
    assert refused.value.details == {"left": 4}
    assert _pieces(session, shelf.variant("L1")) == (4, 0)


def test_holds_remember_until_when(session: Session, shelf: Town) -> None:
    _hold(session, "A", {shelf.variant("L1"): 1})
    assert session.execute(select(StockHold.state, StockHold.until_at)).one() == ("held", LATER)
