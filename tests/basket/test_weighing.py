"""What weighs less than promised: the real weight is paid, and never more."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, text, update

from basket.models import OrderLine, OrderRefund, SubOrder, Weighing
from basket.rules import lighter
from basket.shortages import report_shortage
from basket.weighing import report_weights
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.migrating import ROOT
from marketplace.money import Money
from marketplace.payments.models import Refund, RefundPart
from marketplace.selfcheck import self_check
from merchants.models import Variant
from tests.basket.counter import Keeper, Paid, part_of
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import register_merchants


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


@pytest.mark.parametrize(
    ("cents", "promised", "weighed", "back"),
    [
        (996, 400, 432, 0),
        (996, 400, 400, 0),
        (996, 400, 380, 50),
        (996, 400, 1, 994),
        (1, 400, 399, 0),
        (999, 3, 2, 333),
    ],
)
def test_the_real_weight_is_paid_to_the_cent(cents: int, promised: int, weighed: int, back: int) -> None:
    """400 g at 24.90 a kilogram, as in domain P19: 380 g cost 9.46; 432 g cost no more than was promised."""
    assert lighter(Money(cents), promised_grams=promised, weighed_grams=weighed) == Money(back)


def test_the_shop_types_its_weight_and_the_difference_goes_back(hall: Hall, keeper: Keeper, paid: Paid) -> None:
    """Two pieces of 400 g at 9.96: 760 g are 18.92, so 1.00 goes back, 0.08 of it commission."""
    with hall.database.transaction() as session:
        session.execute(update(Variant).where(Variant.reference == "F1").values(net_amount=400, net_unit="g"))
    part = part_of(hall, paid(["F1", "F1", "C1"]), "fromagerie")
    with hall.database.transaction() as session:  # what was promised is what was sold, whatever the product says later
        session.execute(update(Variant).where(Variant.reference == "F1").values(net_amount=500))
    with hall.database.reading() as session:
        line = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()
    url = f"/boutique/commandes/{part.id}"
    cheesemonger = keeper("fromagerie")
    assert f'href="{url}/poids"' in cheesemonger.get(url).text
    assert "Promis\xa0: 800 g." in cheesemonger.get(f"{url}/poids").text
    for wrong, said in (({}, "au moins un poids"), ({f"grams-{line}": "0"}, "Écrivez un poids en grammes")):
        answer = cheesemonger.post(f"{url}/poids", **wrong)
        assert answer.status_code == 422 and said in answer.text
    for grams, said in (("820", "rien à rembourser"), ("760", "la différence est remboursée"), ("760", "rien à")):
        assert cheesemonger.post(f"{url}/poids", ticket="12", **{f"grams-{line}": grams}).location == url
        assert said in cheesemonger.get(url).text
    with hall.database.reading() as session:
        assert [refund.amount for refund in session.scalars(select(Refund))] == [Money(100)]
        assert session.scalars(select(OrderRefund.reason)).one() == "weight"
        parts = session.execute(select(RefundPart.kind, RefundPart.amount))
        assert {row.kind: row.amount.cents for row in parts} == {"goods": 92, "commission": 8}
        written = session.execute(select(Weighing.weighed_grams, Weighing.ticket).order_by(Weighing.id)).all()
        assert [(row.weighed_grams, row.ticket) for row in written] == [(820, "12"), (760, "12"), (760, "12")]
    assert keeper("cave").get(f"{url}/poids").status_code == 404
    assert keeper("cave").post(f"{url}/poids", **{f"grams-{line}": "1"}).status_code == 404


def test_what_was_weighed_before_promises_were_frozen_keeps_what_it_was_weighed_against(
    hall: Hall, keeper: Keeper, paid: Paid, clock: FixedClock
) -> None:
    """Of two cheeses one was missing, the other was held against 400 g; the product says 500 g now. Of a bottle the
    product was changed between two weighings: the first one counts, the second stays as it was written."""
    with hall.database.transaction() as session:
        for reference, net in (("F1", 400), ("C1", 750)):
            session.execute(update(Variant).where(Variant.reference == reference).values(net_amount=net, net_unit="g"))
    placed = paid(["F1", "F1", "C1"])
    cheese, bottle = part_of(hall, placed, "fromagerie"), part_of(hall, placed, "cave")

    def weigh(part: SubOrder, grams: int) -> None:
        clock.advance(timedelta(minutes=1))
        with hall.database.transaction() as session:
            (line,) = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id))
            asked = {"shop_ids": frozenset({part.shop_id}), "actor": "test", "now": clock.now()}
            report_weights(session, sub_order_id=part.id, weighed={line: grams}, ticket="", **asked)

    with hall.database.transaction() as session:
        (line,) = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == cheese.id))
        asked = {"shop_ids": frozenset({cheese.shop_id}), "actor": "test", "now": clock.now()}
        report_shortage(session, sub_order_id=cheese.id, available={line: 1}, **asked)
    weigh(cheese, 390)
    weigh(bottle, 760)
    with hall.database.transaction() as session:
        session.execute(update(OrderLine).values(net_grams=700).where(OrderLine.sub_order_id == bottle.id))
    weigh(bottle, 760)
    with hall.database.transaction() as session:  # what the migration before has left
        session.execute(update(OrderLine).values(net_grams=500).where(OrderLine.sub_order_id == cheese.id))
        assert {said.partition(":")[0] for said in self_check(session)} == {
            "I10 a weighing promises another weight than the sale"
        }
        (file,) = (ROOT / "migrations" / "versions").glob("*_promises_are_what_was_weighed_against.py")
        migration = runpy.run_path(str(file))
        for name in ("AS_FIRST_WEIGHED", "OTHERWISE"):
            session.execute(text(migration[name]))
        assert self_check(session) == []
        kept = session.execute(
            select(Weighing.promised_grams, OrderLine.net_grams, Weighing.promises_otherwise)
            .join(OrderLine, Weighing.order_line_id == OrderLine.id)
            .order_by(Weighing.id)
        ).all()
    assert [tuple(row) for row in kept] == [(400, 400, False), (750, 750, False), (700, 750, True)]
