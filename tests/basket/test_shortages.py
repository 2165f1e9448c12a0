"""Something is missing in a shop: the rest is packed, the resident gets the money of it back, each from whom it is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from basket import orders, shortages
from basket.models import OrderLine, OrderRefund
from basket.moves import NotPossibleNow
from marketplace.errors import FieldError, NotFound
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments.models import Payment, Refund, Share
from tests.basket.counter import Keeper, Paid, part_of
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import register_merchants, work

ACTOR = "member:1"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


def _lines(hall: Hall, sub_order_id: int) -> dict[str, int]:
    """Reference → line id."""
    with hall.database.reading() as session:
        rows = session.execute(select(OrderLine.reference, OrderLine.id).where(OrderLine.sub_order_id == sub_order_id))
        return {row.reference: row.id for row in rows}


def _report(hall: Hall, sub_order_id: int, shop_id: int, available: dict[int, int]) -> bool:
    """Whether something was missing."""
    with hall.database.transaction() as session:
        return (
            shortages.report_shortage(
                session,
                sub_order_id=sub_order_id,
                shop_ids=frozenset({shop_id}),
                available=available,
                actor=ACTOR,
                now=hall.clock.now(),
            )
            is not None
        )


def test_what_is_missing_is_taken_off_the_merchants_share(hall: Hall, sandbox: Sandbox, paid: Paid) -> None:
    """Three books and two notebooks, 67.00 at 8 %: a book and both notebooks are missing, 31.00 go back."""
    placed = paid(["L1", "L1", "L1", "L2", "L2", "C1"], delivered=False)
    part = part_of(hall, placed, "librairie")
    lines = _lines(hall, part.id)
    assert (part.goods.cents, part.commission.cents) == (6700, 536)
    assert _report(hall, part.id, part.shop_id, {lines["L1"]: 2, lines["L2"]: 0})
    work(hall)
    with hall.database.reading() as session:
        (refund,) = session.scalars(select(Refund)).all()
        assert (refund.amount, refund.state, refund.reason) == (Money(3100), "pending", "shortage")
        # 31.00 less its commission of 2.48 is the bookshop's: 61.64 - 28.52.
        assert balances(session)["merchant:librairie"] == Money(-3312)
    for event in ("accept", "pack", "hand_over"):
        with hall.database.transaction() as session:
            orders.advance(
                session,
                sub_order_id=part.id,
                shop_ids=frozenset({part.shop_id}),
                event=event,
                collection_code=part.collection_code,
                actor=ACTOR,
                now=hall.clock.now(),
            )
    work(hall)
    with hall.database.reading() as session:
        share = session.scalars(select(Share).where(Share.party == "merchant:librairie", Share.kind == "goods")).one()
        assert (share.state, share.routed_amount) == ("routed", Money(3312))


def test_the_same_report_once_more_changes_nothing(hall: Hall, paid: Paid) -> None:
    part = part_of(hall, paid(["L1", "L1"]), "librairie")
    (line_id,) = _lines(hall, part.id).values()
    assert [_report(hall, part.id, part.shop_id, {line_id: 1}) for _ in range(2)] == [True, False]
    assert not _report(hall, part.id, part.shop_id, {})
    with pytest.raises(FieldError) as refused:
        _report(hall, part.id, part.shop_id, {line_id: 2})
    assert (refused.value.field, refused.value.code) == (f"available-{line_id}", "more_than_ordered")


def test_two_colleagues_report_at_once_and_one_refund_goes(hall: Hall, paid: Paid) -> None:
    part = part_of(hall, paid(["L1", "L1"]), "librairie")
    (line_id,) = _lines(hall, part.id).values()
    ready = Barrier(4)

    def report(_: int) -> bool:
        ready.wait()
        return _report(hall, part.id, part.shop_id, {line_id: 1})

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(report, range(4))) == [False, False, False, True]
    with hall.database.reading() as session:
        assert [refund.amount for refund in session.scalars(select(Refund))] == [Money(1800)]


def test_nothing_goes_back_for_another_shops_part_or_one_that_has_left(hall: Hall, paid: Paid) -> None:
    placed = paid(["L1", "L1", "F1"])
    part = part_of(hall, placed, "librairie")
    (line_id,) = _lines(hall, part.id).values()
    with pytest.raises(NotFound):
        _report(hall, part.id, part.shop_id + 1, {line_id: 1})
    with hall.database.transaction() as session:
        slugs = frozenset({"librairie"})
        orders.mark_travelling(session, code=placed.code, shop_slugs=slugs, actor="courier", now=hall.clock.now())
    with pytest.raises(NotPossibleNow):
        _report(hall, part.id, part.shop_id, {line_id: 1})


def test_a_part_of_which_nothing_is_left_is_for_people(hall: Hall, paid: Paid) -> None:
    part = part_of(hall, paid(["L1", "F1"]), "librairie")
    (line_id,) = _lines(hall, part.id).values()
    with pytest.raises(shortages.NothingLeftToPack):
        _report(hall, part.id, part.shop_id, {line_id: 0})
    with hall.database.reading() as session:
        assert session.scalars(select(OrderRefund)).all() == []


# --- The pages -------------------------------------------------------------------------------------------------


def test_the_shop_says_what_is_missing_and_everybody_reads_it(
    hall: Hall, keeper: Keeper, paid: Paid, sandbox: Sandbox, client: FlaskClient
) -> None:
    placed = paid(["L1", "L1", "L1", "F1"])
    part = part_of(hall, placed, "librairie")
    (line_id,) = _lines(hall, part.id).values()
    bookshop = keeper("librairie")
    url = f"/boutique/commandes/{part.id}"
    assert f'href="{url}/manque"' in bookshop.get(url).text
    assert 'value="3"' in bookshop.get(f"{url}/manque").text
    answer = bookshop.post(f"{url}/manque", **{f"available-{line_id}": "1"})
    assert (answer.status_code, answer.location) == (303, url)
    page = bookshop.get(url).text
    assert "Noté\xa0: ce qui manque est remboursé au client, et nous le lui écrivons." in page
    assert "2 manquent" in page
    assert "36,00\xa0€" in page  # what was given back
    assert "16,56\xa0€" in page  # what is left: 18.00 less 8 %
    assert "2 manquent" in bookshop.get(f"{url}/bordereau").text
    assert "1 article" in bookshop.get("/boutique").text
    # The resident, before and after the bank has it.
    their_url = f"/commande/{placed.code}/{placed.token}"
    page = client.get(their_url).text
    assert "2 manquent" in page
    assert "En route vers votre banque" in page
    work(hall)
    sandbox.advance_clock(timedelta(days=10).total_seconds())
    with hall.database.reading() as session:
        payment_id = session.scalars(select(Payment.id).where(Payment.reference == placed.code)).one()
    payments.settle(hall, payment_id)
    page = client.get(their_url).text
    assert "36,00\xa0€" in page
    assert "Remboursé" in page
    assert "En route vers votre banque" not in page


def test_a_refused_report_keeps_what_was_typed(hall: Hall, keeper: Keeper, paid: Paid) -> None:
    part = part_of(hall, paid(["L1", "L2", "L2"]), "librairie")
    lines = _lines(hall, part.id)
    bookshop = keeper("librairie")
    url = f"/boutique/commandes/{part.id}/manque"
    answer = bookshop.post(url, **{f"available-{lines['L1']}": "1", f"available-{lines['L2']}": "3"})
    assert answer.status_code == 422
    assert "Carnet bleu\xa0: écrivez au plus ce qui est encore commandé, zéro s’il n’y en a plus." in answer.text
    assert 'value="3"' in answer.text
    for bad in ("100", "-1", "deux", ""):
        answer = bookshop.post(url, **{f"available-{lines['L1']}": bad, f"available-{lines['L2']}": "2"})
        assert answer.status_code == 422
    answer = bookshop.post(url, **{f"available-{lines['L1']}": "0", f"available-{lines['L2']}": "0"})
    assert answer.status_code == 422
    assert "Il ne reste rien à préparer\xa0: annulez plutôt toute la commande" in answer.text
    answer = bookshop.post(url, **{f"available-{lines['L1']}": "1", f"available-{lines['L2']}": "2"})
    assert answer.status_code == 303
    assert "Rien ne manque\xa0: rien n’a changé." in bookshop.get(f"/boutique/commandes/{part.id}").text


def test_another_shop_finds_nothing_there(hall: Hall, keeper: Keeper, paid: Paid) -> None:
    part = part_of(hall, paid(["L1", "L1", "F1"]), "librairie")
    (line_id,) = _lines(hall, part.id).values()
    stranger = keeper("fromagerie")
    url = f"/boutique/commandes/{part.id}/manque"
    assert stranger.get(url).status_code == 404
    assert stranger.post(url, **{f"available-{line_id}": "1"}).status_code == 404


def test_a_parcel_that_has_left_can_lack_nothing(hall: Hall, keeper: Keeper, paid: Paid) -> None:
    placed = paid(["L1", "F1"])
    part = part_of(hall, placed, "librairie")
    with hall.database.transaction() as session:
        slugs = frozenset({"librairie"})
        orders.mark_travelling(session, code=placed.code, shop_slugs=slugs, actor="courier", now=hall.clock.now())
    page = keeper("librairie").get(f"/boutique/commandes/{part.id}/manque").text
    assert "on ne peut plus rien en retirer ici" in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
