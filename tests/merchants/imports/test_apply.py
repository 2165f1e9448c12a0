"""An import is whole or not at all; prices and stock leave their trace; holds are not touched."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from marketplace.db import Database
from marketplace.money import Money
from merchants.imports.apply import ImportRefused, apply_import, lock_shelf, read_shelf
from merchants.imports.formats import parse_catalogue
from merchants.imports.plan import ImportPlan, compare
from merchants.models import PriceChange, Product, StockHold, StockMove, Variant
from merchants.search.find import find_products
from merchants.search.models import ProductSearch
from merchants.stock import hold, sell
from tests.merchants.imports.conftest import NOW

ON = date(2026, 11, 21)
LATER = NOW + timedelta(days=1)
FIRST = (
    "reference;article;nom;declinaison;genre;prix;stock\nbol;;Bol;;maison;12,50;4\npull-s;pull;Pull;S;vetement;59;2\n"
)


def bring_in(
    database: Database, shop_id: int, text: str, *, withdraw_missing: bool = False, now: datetime = NOW
) -> ImportPlan:
    parsed = parse_catalogue(text.encode(), on=ON)
    with database.transaction() as session:
        plan = compare(lock_shelf(session, shop_id=shop_id), parsed, on=ON, withdraw_missing=withdraw_missing)
        apply_import(session, shop_id=shop_id, plan=plan, actor="claire", now=now)
    return plan


def variant_id(database: Database, reference: str) -> int:
    with database.reading() as session:
        return session.scalars(select(Variant.id).where(Variant.reference == reference)).one()


def stock_of(database: Database, reference: str) -> tuple[int, int, int]:
    """Pieces on hand, pieces held, and what the moves add up to."""
    with database.reading() as session:
        row = session.scalars(select(Variant).where(Variant.reference == reference)).one()
        moved = session.scalar(select(func.sum(StockMove.qty)).where(StockMove.variant_id == row.id)) or 0
        return row.on_hand_qty, row.held_qty, moved


def prices_of(database: Database, reference: str) -> list[Money]:
    with database.reading() as session:
        return list(
            session.scalars(
                select(PriceChange.price)
                .join(Variant, Variant.id == PriceChange.variant_id)
                .where(Variant.reference == reference)
                .order_by(PriceChange.at, PriceChange.id)
            )
        )


def test_the_shelf_is_what_the_plan_said(empty_database: Database, pottery: int) -> None:
    plan = bring_in(empty_database, pottery, FIRST)
    with empty_database.reading() as session:
        shelf = read_shelf(session, shop_id=pottery)
    assert shelf == tuple(planned.after for planned in plan.added)
    assert [(v.label, v.price) for v in shelf[1].variants] == [("S", Money(5900))]


def test_the_same_file_twice_changes_nothing(empty_database: Database, pottery: int) -> None:
    bring_in(empty_database, pottery, FIRST)
    assert bring_in(empty_database, pottery, FIRST, now=LATER).changes_nothing
    assert prices_of(empty_database, "bol") == [Money(1250)]
    assert stock_of(empty_database, "bol") == (4, 0, 4)


def test_a_new_price_and_a_new_count_leave_their_trace(empty_database: Database, pottery: int) -> None:
    bring_in(empty_database, pottery, FIRST)
    bring_in(empty_database, pottery, "reference;nom;genre;prix;stock\nbol;Bol;maison;11;9\n", now=LATER)
    assert prices_of(empty_database, "bol") == [Money(1250), Money(1100)]
    assert stock_of(empty_database, "bol") == (9, 0, 9)
    with empty_database.reading() as session:
        moves = session.execute(
            select(StockMove.qty, StockMove.reason, StockMove.actor)
            .where(StockMove.variant_id == variant_id(empty_database, "bol"))
            .order_by(StockMove.id)
        ).all()
    assert [tuple(move) for move in moves] == [(4, "opening", "claire"), (5, "counted", "claire")]


def test_pieces_held_for_an_order_stay_held_and_counted(empty_database: Database, pottery: int) -> None:
    bring_in(empty_database, pottery, FIRST)
    bowl = variant_id(empty_database, "bol")
    with empty_database.transaction() as session:
        hold(session, reference="O1", quantities={bowl: 3}, until_at=LATER)
    bring_in(empty_database, pottery, "reference;nom;genre;prix;stock\nbol;Bol;maison;12,50;1\n")
    assert stock_of(empty_database, "bol") == (3, 3, 3)
    with empty_database.transaction() as session:
        assert session.scalars(select(StockHold.state)).all() == ["held"]
        sell(session, reference="O1", actor="till", now=LATER)
    assert stock_of(empty_database, "bol") == (0, 0, 0)


def test_a_plan_with_problems_changes_nothing(empty_database: Database, pottery: int) -> None:
    with pytest.raises(ImportRefused) as caught:
        bring_in(empty_database, pottery, FIRST + "vase;;Vase;;maison;cher;1\n")
    assert caught.value.details == {"refusal": None, "problems_qty": 1}
    with empty_database.reading() as session:
        assert read_shelf(session, shop_id=pottery) == ()


def test_a_crash_in_the_middle_leaves_the_old_shelf(empty_database: Database, pottery: int) -> None:
    bring_in(empty_database, pottery, FIRST)
    many = FIRST.replace("12,50", "99") + "".join(f"v{n};;Vase {n};;maison;20;1\n" for n in range(600))
    parsed = parse_catalogue(many.encode(), on=ON)

    def die(done_qty: int, _total_qty: int) -> None:
        if done_qty == 500:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), empty_database.transaction() as session:
        plan = compare(lock_shelf(session, shop_id=pottery), parsed, on=ON)
        apply_import(session, shop_id=pottery, plan=plan, actor="claire", now=LATER, progress=die)
    with empty_database.reading() as session:
        assert [product.reference for product in read_shelf(session, shop_id=pottery)] == ["bol", "pull"]
    assert prices_of(empty_database, "bol") == [Money(1250)]


def test_what_is_missing_is_withdrawn_and_not_deleted(empty_database: Database, pottery: int) -> None:
    rows = "".join(f"v{n};Vase {n};maison;20\n" for n in range(4))
    bring_in(empty_database, pottery, "reference;nom;genre;prix\n" + rows)
    three = rows.splitlines(keepends=True)[:3]
    bring_in(empty_database, pottery, "reference;nom;genre;prix\n" + "".join(three), withdraw_missing=True)
    with empty_database.reading() as session:
        shelf = read_shelf(session, shop_id=pottery)
        assert [(p.reference, p.is_published) for p in shelf] == [
            ("v0", True),
            ("v1", True),
            ("v2", True),
            ("v3", False),
        ]
        assert session.scalar(select(func.count()).select_from(ProductSearch)) == 3


def test_a_variant_that_is_missing_is_no_longer_offered(empty_database: Database, pottery: int) -> None:
    both = "reference;article;nom;declinaison;genre;prix\ns;pull;Pull;S;vetement;59\nm;pull;Pull;M;vetement;59\n"
    bring_in(empty_database, pottery, both)
    bring_in(empty_database, pottery, both.rsplit("m;pull", 1)[0], withdraw_missing=True)
    with empty_database.reading() as session:
        offered = session.execute(select(Variant.reference, Variant.is_offered).order_by(Variant.reference)).all()
    assert [tuple(row) for row in offered] == [("m", False), ("s", True)]


def test_search_finds_what_came_in(empty_database: Database, pottery: int) -> None:
    bring_in(empty_database, pottery, FIRST)
    with empty_database.reading() as session:
        (found,) = find_products(session, query="bols", on=ON).product_ids
        assert session.get_one(Product, found).name == "Bol"


def test_two_imports_at_once_wait_for_each_other(empty_database: Database, pottery: int) -> None:
    with empty_database.transaction() as session:
        lock_shelf(session, shop_id=pottery)
        outcome: list[type[BaseException]] = []

        def second() -> None:
            try:
                bring_in(empty_database, pottery, FIRST)
            except OperationalError as error:  # lock_timeout of 3 s
                outcome.append(type(error))

        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=10)
    assert outcome == [OperationalError]


def test_orders_of_other_shops_go_on_while_a_shelf_is_locked(empty_database: Database, pottery: int) -> None:
    with empty_database.transaction() as session:
        lock_shelf(session, shop_id=pottery)
        with empty_database.transaction() as other:
            assert read_shelf(other, shop_id=pottery) == ()


def test_buyers_and_imports_at_once_lose_and_invent_no_piece(empty_database: Database, pottery: int) -> None:
    text = "reference;nom;genre;prix;stock\nbol;Bol;maison;12,50;{0}\nvase;Vase;maison;20;{0}\n"
    bring_in(empty_database, pottery, text.format(30))
    ids = [variant_id(empty_database, reference) for reference in ("vase", "bol")]
    failures: list[Exception] = []

    def buy(buyer: int) -> None:
        try:
            for n in range(5):
                with empty_database.transaction() as session:
                    hold(session, reference=f"B{buyer}-{n}", quantities=dict.fromkeys(ids, 1), until_at=LATER)
        except Exception as error:  # whatever it is, the test shows it
            failures.append(error)

    buyers = [threading.Thread(target=buy, args=(n,)) for n in range(4)]
    for thread in buyers:
        thread.start()
    for stock_qty in (28, 30, 29, 30):
        bring_in(empty_database, pottery, text.format(stock_qty))
    for thread in buyers:
        thread.join(timeout=30)
    assert failures == []
    assert stock_of(empty_database, "bol") == (30, 20, 30)
    assert stock_of(empty_database, "vase") == (30, 20, 30)
