"""Money that comes twice, late, at another place or for something else: nobody is paid twice, nobody pays twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from basket import orders, queries
from basket.following import look_up
from basket.handlers import let_unpaid_orders_lapse
from basket.models import Order
from basket.moves import NotPossibleNow
from marketplace.attention import troubles
from marketplace.clock import FixedClock
from marketplace.delivery.models import Booking, Zone
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import service as payments
from marketplace.payments import shares
from marketplace.payments.gateway import PaymentRequest
from marketplace.payments.handlers import poll_payments, reconcile_payments
from marketplace.payments.models import Payment, Refund, Share
from merchants.models import Merchant, Shop, Variant
from tests.sandbox_server import Sandbox
from tests.walk import Town, book_payments, late_money, open_payment, pay, place, work


def _state(hall: Hall, placed: orders.PlacedOrder) -> str:
    with hall.database.reading() as session:
        return session.get_one(Order, placed.order_id).state


def _held(hall: Hall, town: Town, reference: str) -> int:
    with hall.database.reading() as session:
        return session.get_one(Variant, town.variant(reference)).held_qty


def _pay_again(hall: Hall, placed: orders.PlacedOrder) -> int:
    with hall.database.transaction() as session:
        return orders.pay_again(
            session,
            code=placed.code,
            token=placed.token,
            provider_env="sandbox",
            site_url="http://127.0.0.1:5000",
            now=hall.clock.now(),
        )


def _open(hall: Hall, payment_id: int) -> str:
    payments.open_at_provider(hall, payment_id)
    with hall.database.reading() as session:
        provider_id = session.get_one(Payment, payment_id).provider_id
    assert provider_id is not None
    return provider_id


def _bring_home(hall: Hall, placed: orders.PlacedOrder, *slugs: str) -> None:
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset(slugs), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
    work(hall)


def _jobs(hall: Hall, handler: str) -> list[str]:
    with hall.database.reading() as session:
        named = text("SELECT status::text FROM procrastinate_jobs WHERE task_name LIKE '%.' || :name ORDER BY id")
        return list(session.scalars(named, {"name": handler}))


@pytest.mark.parametrize("first_to_look", ["the return page", "the worker"])
def test_money_that_is_not_what_we_asked_for_confirms_nothing(
    first_to_look: str, hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    placed = place(hall.database, town, ("L1",), clock=clock)
    provider_id = open_payment(hall, placed)
    with hall.database.transaction() as session:
        session.execute(update(Payment).values(idempotency_key="what the provider has never heard of"))
    sandbox.conclude(provider_id, "paid", notify=False)
    if first_to_look == "the worker":
        payments.settle(hall, placed.payment_id)
    look_up(hall, code=placed.code, token=placed.token)
    work(hall)
    assert _state(hall, placed) == "awaiting_payment"
    with hall.database.reading() as session:
        assert session.get_one(Payment, placed.payment_id).trouble == "key_differs"
    page = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "Ne payez pas une deuxième fois" in page and "Payer maintenant" not in page
    assert "La somme est la bonne, mais nous ne savons pas encore si elle est pour cette commande." in page
    clock.advance(timedelta(minutes=16))
    let_unpaid_orders_lapse(hall)
    assert (_state(hall, placed), _held(hall, town, "L1")) == ("lapsed", 0)


def test_an_order_paid_twice_pays_its_shop_once(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    first = open_payment(hall, placed)
    with hall.database.transaction() as session:
        session.execute(update(Payment).values(state="expired", ended_at=hall.clock.now(), next_poll_at=None))
    second_id = _pay_again(hall, placed)
    sandbox.conclude(_open(hall, second_id), "paid", notify=False)
    payments.settle(hall, second_id)
    sandbox.conclude(first, "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    work(hall)
    _bring_home(hall, placed, "cave")
    paid_out = [route["amount_cents"] for payment in book_payments(sandbox) for route in payment["routes"]]
    given_back = [refund["amount_cents"] for payment in book_payments(sandbox) for refund in payment["refunds"]]
    assert (paid_out, given_back) == ([1104], [1650])
    with hall.database.reading() as session:
        assert session.scalars(select(Share.state).where(Share.kind == "goods").order_by(Share.id)).all() == [
            "cancelled",
            "routed",
        ]


def test_who_has_paid_is_not_led_to_pay_again(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("L1",), clock=hall.clock)
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    payments.settle(hall, placed.payment_id)  # the worker has yet to confirm the order
    with pytest.raises(NotPossibleNow):
        _pay_again(hall, placed)
    work(hall)
    assert _state(hall, placed) == "confirmed"


def test_an_attempt_that_somebody_has_opened_meanwhile_is_not_ended(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("L1",), clock=clock)
    open_payment(hall, placed)
    payments._end_unheard(hall.database, placed.payment_id, state="expired", now=clock.now())
    with hall.database.reading() as session:
        assert session.get_one(Payment, placed.payment_id).state == "open"


def test_late_money_for_a_home_that_is_no_longer_served_goes_back(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("L1",), clock=clock)
    provider_id = open_payment(hall, placed)
    clock.advance(timedelta(minutes=16))
    with hall.database.transaction() as session:
        orders.lapse(session, order_id=placed.order_id, now=clock.now())
        session.execute(update(Zone).values(radius_m=100))
    sandbox.conclude(provider_id, "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    work(hall)
    assert _state(hall, placed) == "cancelled"
    assert [refund["amount_cents"] for payment in book_payments(sandbox) for refund in payment["refunds"]] == [2250]


def test_a_refund_is_followed_to_its_end_without_any_notice(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = late_money(hall, town, sandbox, clock)
    work(hall)
    sandbox.advance_clock(4 * 24 * 3600)
    clock.advance(timedelta(days=4))
    poll_payments(hall)
    work(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(Refund.state)).all() == ["refunded"]
        assert session.scalars(select(Payment.next_poll_at).where(Payment.id == placed.payment_id)).one() is None
        assert balances(session)["residents:refunds"].cents == 0


def test_two_shops_of_one_merchant_are_paid_together_once_both_have_handed_over(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        merchant_id = session.scalars(select(Merchant.id).where(Merchant.key == "cave")).one()
        session.execute(update(Shop).where(Shop.slug == "fromagerie").values(merchant_id=merchant_id))
    placed = place(hall.database, town, ("F1", "C1"), clock=clock)
    pay(hall, sandbox, placed)
    _bring_home(hall, placed, "fromagerie")
    assert [payment["routes"] for payment in book_payments(sandbox)] == [[]]
    _bring_home(hall, placed, "cave")
    # 9.96 less 0.80 and 12.00 less 0.96: each shop's commission is rounded on its own.
    assert [route["amount_cents"] for payment in book_payments(sandbox) for route in payment["routes"]] == [2020]
    assert _state(hall, placed) == "completed"


def test_a_provider_that_never_answers_is_asked_for_two_days_and_leaves_no_heap_of_jobs(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("L1",), clock=clock)
    open_payment(hall, placed)
    sandbox.plan_fault("GET /v2/payments/*", "status", status=404, times=100)
    for minutes in (2, 4, 6):
        clock.advance(timedelta(minutes=minutes))
        poll_payments(hall)
        work(hall)
    assert _jobs(hall, "poll_payment") == ["succeeded"] * 3
    clock.advance(timedelta(days=3))
    poll_payments(hall)
    poll_payments(hall)
    assert _jobs(hall, "poll_payment") == ["succeeded"] * 3 + ["todo"]


def test_a_refund_that_the_provider_refuses_is_a_persons_at_once(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = late_money(hall, town, sandbox, clock)
    sandbox.plan_fault("POST /v2/payments/*/refunds", "status", status=422, times=1)
    work(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(Refund.state)).all() == ["failed"]
        assert session.get_one(Payment, placed.payment_id).trouble == "refund_failed"
        totals = balances(session)
    assert (totals["residents:refunds"].cents, totals["residents:unmatched"].cents) == (0, -950)
    assert _jobs(hall, "handlers.refund") == ["succeeded"]


def test_a_key_that_has_run_out_refuses_no_share(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    sandbox.plan_fault("POST /v2/payments/*/routes", "status", status=401, times=1)
    _bring_home(hall, placed, "cave")
    with hall.database.reading() as session:
        share = session.scalars(select(Share).where(Share.kind == "goods")).one()
    assert share.state == "sending"
    shares.send_share(hall, share.id)  # the key is renewed, the job comes back
    assert [route["amount_cents"] for payment in book_payments(sandbox) for route in payment["routes"]] == [1104]


def test_money_that_the_bank_takes_back_is_a_persons(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    provider_id = open_payment(hall, placed)
    pay(hall, sandbox, placed)
    sandbox.charge_back(provider_id, "16.50")
    payments.settle(hall, placed.payment_id)
    with hall.database.reading() as session:
        assert [(t.kind, t.what, t.why) for t in troubles(session, hall.clock.now())] == [
            ("payment", placed.code, "charged_back")
        ]


def test_money_that_a_bank_took_before_anybody_looked_confirms_its_order_once_it_is_won_back(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    provider_id = open_payment(hall, placed)
    sandbox.conclude(provider_id, "paid", notify=False)
    chargeback_id = sandbox.charge_back(provider_id, "16.50")
    payments.settle(hall, placed.payment_id)
    work(hall)
    assert _state(hall, placed) == "awaiting_payment"
    sandbox.reverse_chargeback(chargeback_id)
    payments.settle(hall, placed.payment_id)
    work(hall)
    assert _state(hall, placed) == "confirmed"


def test_a_share_that_nobody_has_earned_for_two_weeks_is_a_persons(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("C1",), clock=clock)
    pay(hall, sandbox, placed)
    with hall.database.transaction() as session:
        session.execute(update(Payment).values(paid_at=clock.now()))  # the provider's clock is the world's
    clock.advance(timedelta(days=14))
    with hall.database.reading() as session:
        assert troubles(session, clock.now()) == []
        assert [(t.kind, t.what, t.why) for t in troubles(session, clock.now() + timedelta(seconds=1))] == [
            ("share", f"{placed.code} cave", "planned")
        ]


def test_who_was_not_at_home_still_finds_the_way_to_the_round(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("L1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    with hall.database.reading() as session:
        session.execute(update(Booking).values(state="returned"))
        assert queries.get_order(session, code=placed.code, token=placed.token).tracking_token is not None


def test_money_for_an_attempt_that_was_given_up_unheard_is_found_in_the_providers_book(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("L1",), clock=clock)
    sandbox.plan_fault("POST /v2/payments", "drop_after", times=1)
    assert payments.open_at_provider(hall, placed.payment_id) is None
    payments._end_unheard(hall.database, placed.payment_id, state="expired", now=clock.now())
    (opened,) = book_payments(sandbox)
    sandbox.conclude(opened["id"], "paid", notify=False)
    reconcile_payments(hall)
    work(hall)
    assert _state(hall, placed) == "confirmed"
    reconcile_payments(hall)
    assert _jobs(hall, "look_at_payment") == ["succeeded"]


def test_money_that_a_restored_backup_does_not_know_is_said_in_the_log(
    hall: Hall, town: Town, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    asked = PaymentRequest(Money(500), "Commande 00000000", "http://127.0.0.1:5000/", metadata={"payment_key": "lost"})
    lost = sandbox.gateway().create_payment(asked, idempotency_key="lost")
    sandbox.conclude(lost.id, "paid", notify=False)
    reconcile_payments(hall)
    assert f"the provider's paid payment {lost.id} is none of ours" in caplog.text
