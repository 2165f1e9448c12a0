"""Call-backs: when they come, how often, what counts as an answer, and that none is forgotten."""

from __future__ import annotations

import pytest

from tests.sandbox_server import Sandbox, Shop, listening_shop, running_sandbox

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def opened(sandbox: Sandbox, shop: Shop) -> str:
    body = {
        "amount": {"currency": "EUR", "value": "10.00"},
        "description": "Commande",
        "redirectUrl": "http://127.0.0.1:8000/retour",
        "webhookUrl": shop.url,
    }
    payment_id: str = sandbox.call("POST", "payments", body).json()["id"]
    return payment_id


@pytest.mark.parametrize("outcome", ["paid", "failed", "canceled", "expired"])
def test_the_shop_is_told_of_every_end(sandbox: Sandbox, outcome: str) -> None:
    with listening_shop() as shop:
        payment_id = opened(sandbox, shop)
        sandbox.flush_webhooks()
        assert shop.told == []
        sandbox.conclude(payment_id, outcome)
        sandbox.flush_webhooks()
        assert shop.told == [payment_id]


def test_the_shop_is_told_of_an_expiry_by_the_clock_and_of_its_own_cancelling(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        expiring, cancelled = opened(sandbox, shop), opened(sandbox, shop)
        sandbox.call("DELETE", f"payments/{cancelled}")
        sandbox.advance_clock(15 * MINUTE_S)
        sandbox.flush_webhooks()
        assert sorted(shop.told) == sorted([expiring, cancelled])


def test_a_call_back_comes_without_being_asked_for(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        sandbox.pay(opened(sandbox, shop))
        assert shop.called.wait(10)


def test_a_lost_notification_never_comes(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        by_page, by_control = opened(sandbox, shop), opened(sandbox, shop)
        sandbox.press(by_page, "paid_unnotified")
        sandbox.pay(by_control, notify=False)
        sandbox.advance_clock(2 * DAY_S)
        sandbox.flush_webhooks()
        assert shop.told == []


def test_a_button_pressed_twice_tells_once(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        payment_id = opened(sandbox, shop)
        sandbox.press(payment_id, "paid")
        sandbox.press(payment_id, "paid")
        sandbox.flush_webhooks()
        assert shop.told == [payment_id]


def test_refunds_and_chargebacks_are_told_by_the_payments_id(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        payment_id = opened(sandbox, shop)
        sandbox.pay(payment_id, notify=False)
        body = {"amount": {"currency": "EUR", "value": "1.00"}, "description": "x", "metadata": {}}
        refund_id = sandbox.call("POST", f"payments/{payment_id}/refunds", body).json()["id"]
        sandbox.flush_webhooks()
        assert shop.told == []  # pending is not told
        sandbox.advance_clock(2 * HOUR_S)
        sandbox.flush_webhooks()
        assert shop.told == [payment_id]
        sandbox.advance_clock(DAY_S)
        sandbox.flush_webhooks()
        sandbox.fail_refund(refund_id)
        sandbox.flush_webhooks()
        sandbox.reverse_chargeback(sandbox.charge_back(payment_id, "10.00"))
        sandbox.flush_webhooks()
        assert shop.told == [payment_id] * 5
        causes = [webhook["cause"] for webhook in sandbox.book()["webhooks"]]
        assert causes == [
            "refund processing",
            "refund refunded",
            "refund failed",
            "chargeback received",
            "chargeback reversed",
        ]


def test_an_answer_other_than_200_is_repeated_on_mollies_schedule_ten_times(sandbox: Sandbox) -> None:
    waits_s = [MINUTE_S, 2 * MINUTE_S, 4 * MINUTE_S, 8 * MINUTE_S, 16 * MINUTE_S, 29 * MINUTE_S]
    waits_s += [HOUR_S, 2 * HOUR_S, 22 * HOUR_S]
    with listening_shop() as shop:
        shop.answers = [500, 503, 404, 201, 204, 202, 500, 500, 500, 500]
        payment_id = opened(sandbox, shop)
        sandbox.pay(payment_id)
        sandbox.flush_webhooks()
        for calls_qty, wait_s in enumerate(waits_s, start=1):
            assert len(shop.told) == calls_qty
            sandbox.advance_clock(wait_s - 30)
            sandbox.flush_webhooks()
            assert len(shop.told) == calls_qty
            sandbox.advance_clock(30)
            sandbox.flush_webhooks()
        assert shop.told == [payment_id] * 10
        sandbox.advance_clock(100 * DAY_S)
        sandbox.flush_webhooks()
        assert len(shop.told) == 10


def test_a_repetition_that_is_answered_200_is_the_last(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        shop.answers = [500]
        sandbox.pay(opened(sandbox, shop))
        sandbox.flush_webhooks()
        sandbox.advance_clock(DAY_S)
        sandbox.flush_webhooks()
        sandbox.advance_clock(DAY_S)
        sandbox.flush_webhooks()
        assert len(shop.told) == 2
        (webhook,) = sandbox.book()["webhooks"]
        assert (webhook["delivered"], webhook["tries_qty"], webhook["last_answer"]) == (1, 2, "200")


def test_a_time_factor_shortens_the_waits() -> None:
    with running_sandbox(time_factor=60) as sandbox, listening_shop() as shop:
        shop.answers = [500]
        sandbox.pay(opened(sandbox, shop))
        sandbox.flush_webhooks()
        sandbox.advance_clock(1)
        sandbox.flush_webhooks()
        assert len(shop.told) == 2


def test_a_shop_that_is_not_there_is_called_again_later(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        payment_id = opened(sandbox, shop)
    sandbox.pay(payment_id)
    sandbox.flush_webhooks()
    (webhook,) = sandbox.book()["webhooks"]
    assert (webhook["delivered"], webhook["tries_qty"], webhook["last_answer"]) == (0, 1, "ConnectionError")
    assert webhook["next_at"] is not None


@pytest.mark.parametrize(("status", "told"), [(301, False), (302, False), (307, True), (308, True)])
def test_a_redirect_keeps_or_loses_the_id_as_with_mollie(sandbox: Sandbox, status: int, told: bool) -> None:
    with listening_shop() as shop, listening_shop() as moved:
        shop.answers, shop.location = [status], moved.url
        payment_id = opened(sandbox, shop)
        sandbox.pay(payment_id)
        sandbox.flush_webhooks()
        assert moved.methods == ["POST" if told else "GET"]
        assert moved.told == ([payment_id] if told else [])


def test_a_redirect_does_not_lead_away_from_this_machine(sandbox: Sandbox) -> None:
    with listening_shop() as shop:
        shop.answers, shop.location = [307], "http://192.0.2.1/webhook"
        sandbox.pay(opened(sandbox, shop))
        sandbox.flush_webhooks()
        assert sandbox.book()["webhooks"][0]["last_answer"] == "redirected away from this machine"


def test_told_to_be_as_far_away_as_the_real_one_it_refuses_every_webhook() -> None:
    with running_sandbox(allows_loopback_webhooks=False) as far:
        body = {
            "amount": {"currency": "EUR", "value": "10.00"},
            "description": "Commande",
            "redirectUrl": "http://127.0.0.1:8000/retour",
        }
        refused = far.call("POST", "payments", {**body, "webhookUrl": "http://127.0.0.1:8000/webhook"})
        assert (refused.status_code, refused.json()["field"]) == (422, "webhookUrl")
        payment = far.call("POST", "payments", body)
        assert payment.status_code == 201
        path = f"payments/{payment.json()['id']}"
        late = far.call("PATCH", path, {"webhookUrl": "http://127.0.0.1:8000/webhook"})
        assert (late.status_code, late.json()["field"]) == (422, "webhookUrl")
