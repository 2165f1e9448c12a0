"""The fault table of the payments (mollie.md 5.4): what can go wrong with a provider, and what we do, row by row.

`ROWS` names the tests of each row, wherever they are; those that needed no other place are here. Everything is done
against the sandbox over HTTP; where a process must die, the tests of `test_kills` kill one.
"""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from basket import orders
from basket.models import Line, Order
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.ledger.models import Posting
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import refunds, service, shares
from marketplace.payments.gateway import OutcomeUnknown, TryAgain
from marketplace.payments.models import Payment, Refund, Share
from marketplace.payments.rules import Bearing
from tests.named_tests import missing
from tests.sandbox_server import STRANGERS_KEY, Sandbox
from tests.walk import Town, book_payments, open_payment, pay, place, work

#: Row of the table → its tests, as module (without `test_`) and name.
ROWS: dict[str, tuple[str, ...]] = {
    "webhook lost or a day late": (
        "flows/kills: a_notice_that_never_comes_loses_nothing_but_time",
        "flows/fault_table: a_notice_that_comes_a_day_late_changes_nothing",
        "flows/strange_money: a_refund_is_followed_to_its_end_without_any_notice",
    ),
    "duplicated, concurrent": (
        "flows/races: five_notices_the_return_page_and_the_poller_confirm_once",
        "flows/races: workers_that_take_the_same_paid_payment_confirm_once",
        "flows/races: workers_that_find_the_same_late_money_give_it_back_once",
    ),
    "out of order": (
        "flows/fault_table: the_end_of_the_first_attempt_is_heard_after_the_second_was_paid",
        "flows/strange_money: money_that_a_bank_took_before_anybody_looked_confirms_its_order_once_it_is_won_back",
    ),
    "forged, unknown, or another order's": (
        "flows/fault_table: a_forged_notice_is_answered_like_any_other_and_does_nothing",
        "flows/paying: a_notice_about_another_payment_changes_nothing",
        "marketplace/payments/gateway: a_forged_id_never_becomes_an_address",
        "flows/strange_money: money_for_an_attempt_that_was_given_up_unheard_is_found_in_the_providers_book",
        "flows/strange_money: money_that_a_restored_backup_does_not_know_is_said_in_the_log",
    ),
    "handler slow, database locked": ("flows/kills: a_notice_that_could_not_be_kept_comes_again",),
    "failed, expired, canceled": (
        "flows/fault_table: an_attempt_that_comes_to_nothing_leaves_order_and_basket_and_offers_another",
        "flows/paying: a_failed_attempt_is_followed_by_another",
        "flows/paying: an_order_that_nobody_pays_gives_everything_back",
    ),
    "paid after the end, or twice": (
        "flows/paying: late_money_revives_an_order_whose_goods_are_still_there",
        "flows/paying: late_money_for_goods_that_are_gone_goes_back",
        "flows/strange_money: an_order_paid_twice_pays_its_shop_once",
        "flows/strange_money: late_money_for_a_home_that_is_no_longer_served_goes_back",
    ),
    "amount or currency differs": (
        "flows/fault_table: money_of_another_sum_or_currency_confirms_nothing_and_waits_for_a_person",
        "flows/strange_money: money_that_is_not_what_we_asked_for_confirms_nothing",
    ),
    "create times out": (
        "flows/paying: an_answer_lost_on_the_way_makes_no_second_payment",
        "flows/kills: the_web_killed_while_it_opens_the_payment",
        "flows/fault_table: an_attempt_unheard_for_an_hour_is_given_up_and_never_made_again",
    ),
    "refund or route times out": (
        "flows/fault_table: a_route_whose_answer_was_lost_for_hours_is_looked_for_before_it_is_made_again",
        "flows/fault_table: a_refund_whose_answer_was_lost_for_hours_is_looked_for_before_it_is_made_again",
        "flows/kills: a_worker_killed_while_it_routes_a_share",
        "flows/kills: a_worker_killed_while_it_gives_money_back",
        "flows/giving_back: an_answer_that_says_nothing_refunds_nothing_twice",
    ),
    "429, 503, 5xx, refused, HTML": (
        "flows/paying: a_provider_in_trouble_does_not_lose_the_order",
        "flows/fault_table: a_provider_that_talks_nonsense_is_never_called_a_failure_of_the_resident",
        "flows/kills: a_sandbox_killed_between_the_money_and_the_notice",
        "marketplace/payments/gateway: a_busy_provider_is_asked_once_and_left_to_the_worker",
        "marketplace/payments/gateway: a_provider_that_is_not_there_was_certainly_not_called",
        "marketplace/payments/gateway: an_answer_that_cannot_be_read_leaves_the_outcome_unknown",
    ),
    "409 duplicate refund": ("flows/fault_table: an_equal_refund_within_the_hour_waits_and_is_made_once",),
    "422 with field": (
        "flows/fault_table: a_payment_that_the_provider_refuses_names_its_field_to_us_and_not_to_the_resident",
        "marketplace/payments/gateway: a_refusal_is_permanent_and_names_its_field",
        "flows/strange_money: a_refund_that_the_provider_refuses_is_a_persons_at_once",
    ),
    "partial refund, refund failed": (
        "flows/giving_back: a_missing_line_after_routing_is_taken_back_from_its_merchant",
        "flows/giving_back: a_refund_that_fails_has_not_happened_and_can_be_asked_for_again",
        "flows/giving_back: money_that_a_bank_sends_back_later_is_with_the_provider_again",
    ),
    "chargeback, later reversed": (
        "flows/giving_back: nothing_is_routed_while_a_bank_has_the_money",
        "flows/strange_money: money_that_the_bank_takes_back_is_a_persons",
        "flows/treasury: what_a_bank_has_taken_is_the_associations_loss_until_it_is_won",
    ),
    "route refused, merchant disconnected": (
        "flows/giving_back: a_share_that_was_refused_goes_once_its_merchant_is_back",
        "flows/giving_back: a_share_waits_until_its_merchant_can_receive_it",
        "flows/strange_money: a_share_that_nobody_has_earned_for_two_weeks_is_a_persons",
        "flows/treasury: a_share_that_must_go_soon_is_marked",
    ),
    "token expired or revoked": (
        "flows/strange_money: a_key_that_has_run_out_refuses_no_share",
        "merchants/payouts: two_refreshers_ask_the_provider_once",
        "merchants/payouts: a_consent_taken_back_stops_the_sale_until_it_is_given_again",
    ),
    "unknown status": (
        "marketplace/payments/gateway: a_status_of_tomorrow_is_handed_on_as_it_is",
        "marketplace/payments/rules: a_payment_moves_only_so",
    ),
    "idempotency key of another body": (
        "marketplace/payments/gateway: the_same_key_for_another_sum_is_rejected",
        "flows/fault_table: a_key_that_made_something_else_is_not_replaced_by_a_new_one",
    ),
}


def test_every_row_names_tests_that_exist() -> None:
    assert missing(name for tests in ROWS.values() for name in tests) == []
    assert len(ROWS) == 19


# --- What the rows needed besides ----------------------------------------------------------------------------------


def _order(hall: Hall, placed: orders.PlacedOrder) -> Order:
    with hall.database.reading() as session:
        return session.get_one(Order, placed.order_id)


def _payment(hall: Hall, payment_id: int) -> Payment:
    with hall.database.reading() as session:
        return session.get_one(Payment, payment_id)


def _tell(client: FlaskClient, payment: Payment, provider_id: str) -> int:
    return client.post(f"/paiements/avis/{payment.token}", data={"id": provider_id}).status_code


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


def _postings(hall: Hall) -> list[str]:
    with hall.database.reading() as session:
        return list(session.scalars(select(Posting.key).order_by(Posting.id)))


def _waiting_jobs(hall: Hall) -> int:
    with hall.database.reading() as session:
        return int(session.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'")) or 0)


def _hand_over_unrouted(hall: Hall, placed: orders.PlacedOrder, slug: str) -> int:
    """The goods have arrived; the share that may be routed now."""
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset({slug}), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
        (share_id,) = shares.due_shares(session)
    return share_id


def _gesture(hall: Hall, placed: orders.PlacedOrder, cents: int) -> int:
    with hall.database.transaction() as session:
        return refunds.refund_parts(
            session,
            payment_id=placed.payment_id,
            parts=[Bearing("association", "gesture", Money(cents))],
            reason="gesture",
            actor="person:1",
            now=hall.clock.now(),
        ).id


def _refunded(sandbox: Sandbox) -> list[int]:
    return sorted(refund["amount_cents"] for payment in book_payments(sandbox) for refund in payment["refunds"])


def test_a_notice_that_comes_a_day_late_changes_nothing(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, client: FlaskClient
) -> None:
    placed = place(hall.database, town, ("L1", "C1"), clock=clock)
    provider_id = open_payment(hall, placed)
    pay(hall, sandbox, placed)
    before = _postings(hall)
    clock.advance(timedelta(hours=26))
    sandbox.advance_clock(26 * 3600)
    assert _tell(client, _payment(hall, placed.payment_id), provider_id) == 200
    work(hall)
    assert (_order(hall, placed).state, _postings(hall)) == ("confirmed", before)


def test_the_end_of_the_first_attempt_is_heard_after_the_second_was_paid(
    hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient
) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    first = open_payment(hall, placed)
    sandbox.conclude(first, "canceled", notify=False)
    service.settle(hall, placed.payment_id)  # the return page looked; the notice is still on its way
    second_id = _pay_again(hall, placed)
    service.open_at_provider(hall, second_id)
    second = _payment(hall, second_id)
    sandbox.conclude(second.provider_id or "", "paid", notify=False)
    assert _tell(client, second, second.provider_id or "") == 200
    assert _tell(client, _payment(hall, placed.payment_id), first) == 200
    work(hall)
    assert (_order(hall, placed).state, _order(hall, placed).payment_id) == ("confirmed", second_id)


@pytest.mark.parametrize("whose", ["nobody's", "another order's", "another profile's", "no id at all", "a path"])
def test_a_forged_notice_is_answered_like_any_other_and_does_nothing(
    whose: str, hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient
) -> None:
    mine, other = (place(hall.database, town, ("C1",), clock=hall.clock) for _ in range(2))
    open_payment(hall, mine)
    paid_id = open_payment(hall, other)
    sandbox.conclude(paid_id, "paid", notify=False)
    body = {
        "amount": {"currency": "EUR", "value": "16.50"},
        "description": "x",
        "redirectUrl": "http://127.0.0.1:5000/",
    }
    strangers = sandbox.call("POST", "payments", body, key=STRANGERS_KEY).json()["id"]
    sandbox.conclude(strangers, "paid", notify=False)
    forged = {
        "nobody's": "tr_0000000000000000000000",
        "another order's": paid_id,
        "another profile's": strangers,
        "no id at all": "",
        "a path": "tr_x/../../organizations/me",
    }[whose]
    assert _tell(client, _payment(hall, mine.payment_id), forged) == 200
    assert client.post("/paiements/avis/nobodys-token", data={"id": paid_id}).status_code == 200
    if whose in ("no id at all", "a path"):
        # Before the provider has it a payment has no id that another could be told from.
        unheard = place(hall.database, town, ("C1",), clock=hall.clock)
        assert _tell(client, _payment(hall, unheard.payment_id), forged) == 200
    assert _waiting_jobs(hall) == 0
    assert (_order(hall, mine).state, _order(hall, other).state) == ("awaiting_payment", "awaiting_payment")


@pytest.mark.parametrize("how", ["failed", "canceled", "expired"])
def test_an_attempt_that_comes_to_nothing_leaves_order_and_basket_and_offers_another(
    how: str, hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient
) -> None:
    placed = place(hall.database, town, ("L2",), clock=hall.clock, delivered=False)
    sandbox.conclude(open_payment(hall, placed), how, notify=False)
    page = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "Rien n’a été débité. Vous pouvez recommencer, ou payer autrement." in page
    assert "Payer maintenant" in page
    assert (_payment(hall, placed.payment_id).state, _order(hall, placed).state) == (how, "awaiting_payment")
    with hall.database.reading() as session:
        assert [line.qty for line in session.scalars(select(Line))] == [1]
    assert _pay_again(hall, placed) != placed.payment_id


@pytest.mark.parametrize(
    ("currency", "value", "env"),
    [
        ("EUR", "16.49", "sandbox"),
        ("EUR", "0.01", "sandbox"),
        ("CHF", "16.50", "sandbox"),
        pytest.param("EUR", "16.50", "live", id="play money for an order of the real world"),
    ],
)
def test_money_of_another_sum_or_currency_confirms_nothing_and_waits_for_a_person(
    currency: str, value: str, env: str, hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """Somebody with our key made it; it claims to be ours."""
    placed = place(hall.database, town, ("C1",), clock=clock)
    asked = _payment(hall, placed.payment_id)
    body = {
        "amount": {"currency": currency, "value": value},
        "description": "x",
        "redirectUrl": "http://127.0.0.1:5000/",
        "metadata": {"payment_key": asked.idempotency_key},
    }
    forged = sandbox.call("POST", "payments", body).json()["id"]
    with hall.database.transaction() as session:
        session.execute(update(Payment).values(provider_id=forged, state="open", provider_env=env))
    sandbox.conclude(forged, "paid", notify=False)
    service.settle(hall, placed.payment_id)
    work(hall)
    # What is no euro, or none that can be spent, lies on no balance of ours, with the provider as here.
    is_elsewhere = (currency, env) != ("EUR", "sandbox")
    assert (_order(hall, placed).state, _payment(hall, placed.payment_id).trouble) == (
        "awaiting_payment",
        "money_elsewhere" if is_elsewhere else "amount_differs",
    )
    assert [payment["routes"] + payment["refunds"] for payment in book_payments(sandbox)] == [[]]
    with hall.database.reading() as session:
        held = {account: str(money) for account, money in balances(session).items()}
    assert held == ({} if is_elsewhere else {"holding": value, "residents:unmatched": f"-{value}"})


def test_an_attempt_unheard_for_an_hour_is_given_up_and_never_made_again(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """The provider has forgotten the key by then: a second call would be a second payment."""
    placed = place(hall.database, town, ("C1",), clock=clock)
    sandbox.plan_fault("POST /v2/payments", "drop_after")
    assert service.open_at_provider(hall, placed.payment_id) is None
    clock.advance(timedelta(minutes=61))
    sandbox.advance_clock(61 * 60)
    service.settle(hall, placed.payment_id)
    assert _payment(hall, placed.payment_id).state == "expired"
    assert [payment["status"] for payment in book_payments(sandbox)] == ["expired"]


def test_a_route_whose_answer_was_lost_for_hours_is_looked_for_before_it_is_made_again(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    share_id = _hand_over_unrouted(hall, placed, "cave")
    sandbox.plan_fault("POST /v2/payments/*/routes", "drop_after")
    with pytest.raises(OutcomeUnknown):
        shares.send_share(hall, share_id)
    sandbox.advance_clock(3 * 3600)
    shares.send_share(hall, share_id)
    assert [route["amount_cents"] for payment in book_payments(sandbox) for route in payment["routes"]] == [1104]
    with hall.database.reading() as session:
        assert session.get_one(Share, share_id).state == "routed"


def test_a_refund_whose_answer_was_lost_for_hours_is_looked_for_before_it_is_made_again(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    refund_id = _gesture(hall, placed, 100)
    sandbox.plan_fault("POST /v2/payments/*/refunds", "drop_after")
    with pytest.raises(OutcomeUnknown):
        refunds.send_refund(hall, refund_id)
    sandbox.advance_clock(3 * 3600)
    refunds.send_refund(hall, refund_id)
    assert _refunded(sandbox) == [100]


@pytest.mark.parametrize(
    "trouble",
    [
        {"action": "html"},
        {"action": "html", "done": True},
        {"action": "half_json"},
        {"action": "drop_after"},
        {"action": "status", "status": 429},
        {"action": "status", "status": 500, "done": True},
    ],
    ids=lambda trouble: " ".join(str(value) for value in trouble.values()),
)
def test_a_provider_that_talks_nonsense_is_never_called_a_failure_of_the_resident(
    trouble: dict[str, object], hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient
) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    for _ in range(2):
        sandbox.plan_fault("POST /v2/payments", **trouble)  # type: ignore[arg-type]  # as the table above says
    service.open_at_provider(hall, placed.payment_id)
    page = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "La page de paiement ne s’ouvre pas encore" in page and "Vous n’avez rien payé." in page
    assert "n’a pas abouti" not in page
    page = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "Cette commande attend son paiement" in page
    assert len(book_payments(sandbox)) == 1


def test_an_equal_refund_within_the_hour_waits_and_is_made_once(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    """The provider takes it for a repetition: it is neither lost nor, once the hour is over, made twice."""
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    refunds.send_refund(hall, _gesture(hall, placed, 100))
    second = _gesture(hall, placed, 100)
    with pytest.raises(TryAgain) as told:
        refunds.send_refund(hall, second)
    assert told.value.status == 409
    assert _refunded(sandbox) == [100]
    sandbox.advance_clock(3700)
    for _ in range(2):
        refunds.send_refund(hall, second)
    assert _refunded(sandbox) == [100, 100]


def test_a_payment_that_the_provider_refuses_names_its_field_to_us_and_not_to_the_resident(
    hall: Hall, town: Town, sandbox: Sandbox, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own refusal, of a way back that is none."""
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    with hall.database.transaction() as session:
        session.execute(update(Payment).values(redirect_url="nowhere"))
    with caplog.at_level(logging.ERROR):
        assert service.open_at_provider(hall, placed.payment_id) is None
    assert "redirectUrl" in caplog.text
    assert _payment(hall, placed.payment_id).state == "rejected"
    page = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "redirectUrl" not in page
    assert "Rien n’a été débité. Vous pouvez recommencer, ou payer autrement." in page


def test_a_key_that_made_something_else_is_not_replaced_by_a_new_one(
    hall: Hall, town: Town, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug of ours, so a person's: what that key made is not made again under another."""
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    refund_id = _gesture(hall, placed, 100)
    with hall.database.reading() as session:
        key = session.get_one(Refund, refund_id).idempotency_key
    payment = _payment(hall, placed.payment_id)
    sandbox.gateway().create_refund(
        payment.provider_id or "", amount=Money(99), description="x", metadata={}, idempotency_key=key
    )
    for _ in range(2):
        refunds.send_refund(hall, refund_id)
        work(hall)
    assert _refunded(sandbox) == [99]
    assert _payment(hall, placed.payment_id).trouble == "refund_failed"
    assert f"refund {refund_id} refused by the provider" in caplog.text
    with hall.database.reading() as session:
        assert session.get_one(Refund, refund_id).state == "failed"
        assert balances(session)["residents:refunds"].cents == 0
