"""What weighs less than promised: the real weight is paid, and never more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select, update

from basket.models import OrderLine, OrderRefund, Weighing
from basket.rules import lighter
from marketplace.hall import Hall
from marketplace.money import Money
from marketplace.payments.models import Refund, RefundPart
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
