"""A shop's whole part is cancelled: nothing of it travels, the resident has all of it back, the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from basket import orders
from basket.cancelling import cancel_part
from basket.giving_back import give_back
from basket.models import Order, OrderRefund, SubOrder
from basket.moves import NotPossibleNow
from marketplace.delivery.models import Booking, Parcel, Round
from marketplace.errors import NotFound
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments.models import Refund, RefundPart, Share
from marketplace.payments.refunds import NothingLeftToBear
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


def _cancel(hall: Hall, part: SubOrder, *, by_shop: bool = True, liable: str = "merchant") -> bool:
    """Whether it was cancelled by this call."""
    with hall.database.transaction() as session:
        given = cancel_part(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}) if by_shop else None,
            liable=liable,
            actor=ACTOR,
            now=hall.clock.now(),
        )
    return given is not None


def _hand_over(hall: Hall, placed: orders.PlacedOrder, part: SubOrder) -> None:
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


def test_the_part_and_its_share_of_the_delivery_go_back_and_its_parcel_stays(hall: Hall, paid: Paid) -> None:
    """Cheese 9.96, wine 12.00, delivery 4.50: 12.00 and 4.50 x 12.00 / 21.96 = 2.46 go back."""
    placed = paid(["F1", "C1"])
    part = part_of(hall, placed, "cave")
    assert _cancel(hall, part)
    work(hall)
    with hall.database.reading() as session:
        (refund,) = session.scalars(select(Refund)).all()
        assert (refund.amount, refund.state, refund.reason) == (Money(1446), "pending", "cancelled")
        (given,) = session.scalars(select(OrderRefund)).all()
        assert (given.delivery, given.liable) == (Money(246), "merchant")
        assert session.scalars(select(Share.state).where(Share.party == "merchant:cave")).one() == "cancelled"
        assert balances(session).get("merchant:cave", Money(0)) == Money(0)
        parcels = session.execute(select(Parcel.source, Parcel.number)).all()
        assert parcels == [("fromagerie", 1)]
        booking = session.scalars(select(Booking)).one()
        assert (booking.state, booking.grams, booking.needs_age_check) == ("confirmed", 400, False)
        assert session.scalars(select(Round.taken_grams)).one() == 400
        assert session.get_one(Order, placed.order_id).state == "confirmed"


def test_with_the_last_part_the_order_ends_and_all_of_it_goes_back(hall: Hall, paid: Paid) -> None:
    placed = paid(["F1", "C1"])
    assert _cancel(hall, part_of(hall, placed, "cave"))
    assert _cancel(hall, part_of(hall, placed, "fromagerie"), by_shop=False)
    work(hall)
    with hall.database.reading() as session:
        order = session.get_one(Order, placed.order_id)
        assert (order.state, order.ending) == ("cancelled", "refunded")
        assert Money.total(session.scalars(select(Refund.amount)).all()) == Money(996 + 1200 + 450)
        assert session.scalars(select(Booking.state)).one() == "released"
    # The job that takes the payment may come once more: nothing goes back twice.
    with hall.database.transaction() as session:
        orders.take_payment(session, payment_id=placed.payment_id, clock=hall.clock)
        assert len(session.scalars(select(Refund)).all()) == 2


def test_a_book_that_still_comes_keeps_what_the_law_asks_of_its_delivery(hall: Hall, paid: Paid) -> None:
    """A book of 18.00 and wine of 12.00: the wine's share would be 1.80, but 3.00 of 4.50 are the book's by law."""
    placed = paid(["L1", "C1"])
    assert _cancel(hall, part_of(hall, placed, "cave"))
    with hall.database.reading() as session:
        assert session.scalars(select(OrderRefund.delivery)).one() == Money(150)


def test_what_the_association_bears_of_a_cancelled_part_stays_its_merchants(hall: Hall, paid: Paid) -> None:
    """Jam of 5.00, commission 0.40: shared, the merchant gives half of 4.60; 2.30 of it are routed all the same."""
    part = part_of(hall, paid(["F2", "C1"]), "fromagerie")
    assert _cancel(hall, part, by_shop=False, liable="shared")
    work(hall)
    with hall.database.reading() as session:
        share = session.scalars(select(Share).where(Share.party == "merchant:fromagerie")).one()
        assert (share.state, share.routed_amount) == ("routed", Money(230))
        parts = session.execute(select(RefundPart.kind, RefundPart.amount))
        assert {row.kind: row.amount for row in parts} == {
            "commission": Money(20),
            "delivery": Money(132),
            "gesture": Money(250),
            "goods": Money(230),
        }


def test_the_association_gives_nothing_that_a_merchants_route_will_need(hall: Hall, paid: Paid) -> None:
    part = part_of(hall, paid(["F2"]), "fromagerie")
    with pytest.raises(NothingLeftToBear):
        _cancel(hall, part, by_shop=False, liable="association")
    with hall.database.reading() as session:
        assert session.get_one(SubOrder, part.id).state == "received"


def test_a_gesture_of_before_does_not_keep_a_part_from_being_cancelled(hall: Hall, paid: Paid) -> None:
    """16.50 paid, of which 5.00 went back as a gesture: 11.50 are left, and the merchant gets nothing."""
    placed = paid(["C1"])
    with hall.database.transaction() as session:
        order = session.get_one(Order, placed.order_id, with_for_update=True)
        give_back(
            session,
            order,
            None,
            reason="complaint",
            liable="association",
            gesture=Money(500),
            actor=ACTOR,
            now=hall.clock.now(),
        )
    assert _cancel(hall, part_of(hall, placed, "cave"))
    work(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(Refund.amount).order_by(Refund.id)).all() == [Money(500), Money(1150)]
        assert session.scalars(select(Share.state).where(Share.kind == "goods")).one() == "cancelled"
        assert balances(session).get("association:gestures", Money(0)) == Money(0)
        assert session.get_one(Order, placed.order_id).state == "cancelled"


def test_once_more_or_by_two_people_at_once_changes_nothing(hall: Hall, paid: Paid) -> None:
    part = part_of(hall, paid(["F1", "C1"]), "cave")
    ready = Barrier(4)

    def cancel(_: int) -> bool:
        ready.wait()
        return _cancel(hall, part)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(cancel, range(4))) == [False, False, False, True]
    with hall.database.reading() as session:
        assert len(session.scalars(select(Refund)).all()) == 1


def test_nobody_cancels_anothers_part_or_what_the_resident_has(hall: Hall, paid: Paid) -> None:
    placed = paid(["F1", "C1"], delivered=False)
    part = part_of(hall, placed, "cave")
    with pytest.raises(NotFound), hall.database.transaction() as session:
        others = frozenset({part.shop_id + 1})
        cancel_part(session, sub_order_id=part.id, shop_ids=others, actor=ACTOR, now=hall.clock.now())
    _hand_over(hall, placed, part)
    for by_shop in (True, False):
        with pytest.raises(NotPossibleNow):
            _cancel(hall, part, by_shop=by_shop)


def test_when_the_rest_was_handed_over_the_order_is_complete(hall: Hall, paid: Paid) -> None:
    placed = paid(["F1", "F1", "F1", "C1"], delivered=False)
    _hand_over(hall, placed, part_of(hall, placed, "fromagerie"))
    assert _cancel(hall, part_of(hall, placed, "cave"))
    work(hall)
    with hall.database.reading() as session:
        assert session.get_one(Order, placed.order_id).state == "completed"
        shares = session.execute(select(Share.party, Share.state).where(Share.kind == "goods").order_by(Share.party))
        assert {row.party: row.state for row in shares} == {
            "merchant:cave": "cancelled",
            "merchant:fromagerie": "routed",
        }


def test_what_the_courier_brought_back_is_cancelled_by_the_association(hall: Hall, paid: Paid) -> None:
    placed = paid(["F1", "C1"])
    with hall.database.transaction() as session:
        slugs = frozenset({"fromagerie", "cave"})
        orders.mark_travelling(session, code=placed.code, shop_slugs=slugs, actor="courier", now=hall.clock.now())
    part = part_of(hall, placed, "cave")
    with pytest.raises(NotPossibleNow):
        _cancel(hall, part)
    assert _cancel(hall, part, by_shop=False)
    payments.settle(hall, placed.payment_id)
    with hall.database.reading() as session:
        assert session.get_one(SubOrder, part.id).state == "cancelled"


# --- The pages -------------------------------------------------------------------------------------------------


def test_the_shop_cancels_on_its_page_and_everybody_reads_it(
    hall: Hall, keeper: Keeper, paid: Paid, client: FlaskClient
) -> None:
    placed = paid(["F1", "C1"])
    part = part_of(hall, placed, "cave")
    cellar = keeper("cave")
    url = f"/boutique/commandes/{part.id}"
    assert f'href="{url}/annuler"' in cellar.get(url).text
    assert "Annuler et rembourser" in cellar.get(f"{url}/annuler").text
    for _ in range(2):
        answer = cellar.post(f"{url}/annuler")
        assert (answer.status_code, answer.location) == (303, url)
    page = cellar.get(url).text
    assert "Cette commande est annulée\xa0: ne la préparez pas. Le client est remboursé." in page
    assert f'href="{url}/annuler"' not in page
    assert "C’est fait\xa0: cette commande est annulée et remboursée." in cellar.get(f"{url}/annuler").text
    assert "Commande annulée" in cellar.get(f"{url}/bordereau").text
    order = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "Annulée" in order and "14,46\xa0€" in order
    assert keeper("librairie").get(f"{url}/annuler").status_code == 404
    assert keeper("librairie").post(f"{url}/annuler").status_code == 404


def test_an_order_of_which_nothing_is_left_says_so_to_its_resident(
    hall: Hall, keeper: Keeper, paid: Paid, client: FlaskClient
) -> None:
    placed = paid(["C1"])
    keeper("cave").post(f"/boutique/commandes/{part_of(hall, placed, 'cave').id}/annuler")
    order = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "Tout vous est rendu\xa0: 16,50\xa0€, livraison comprise." in order
    assert "n’est pas payée" not in order
    assert client.get(f"/commande/{placed.code}/{placed.token}").status_code == 200
