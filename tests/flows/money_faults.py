"""Faults in our own code, each with a life that meets it and the sentence that must say so.

A fault is a function of ours replaced by one that somebody could have written. The life is a few of the machine's own
steps, so that it is the machine's checks that are tried, and is lived without the fault as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import insert

from basket import giving_back, orders, weighing
from marketplace.ids import new_token
from marketplace.ledger import accounts
from marketplace.ledger.service import post
from marketplace.money import ZERO, Money
from marketplace.payments import chargebacks, nightly, refunds, service, shares
from marketplace.payments.gateway import Gateway
from marketplace.payments.models import Payment
from merchants import stock
from merchants.models import StockHold
from tests.flows.money_machine import TROUBLES, MoneyMachine

Plant = Callable[[pytest.MonkeyPatch], None]
#: Steps of the machine: (name, values).
Life = Iterable[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Fault:
    """`says` begins the sentence that must be found; `is_named` where the project's promise names the fault."""

    name: str
    plant: Plant
    life: Life
    says: str
    is_named: bool = False


def _trouble(call: str, action: str) -> tuple[str, dict[str, Any]]:
    n = next(n for n, (where, what) in enumerate(TROUBLES) if where == call and what["action"] == action)
    return "the_next_answer_goes_wrong", {"n": n}


def _orders(n: int) -> tuple[str, dict[str, Any]]:
    return "somebody_orders", {"n": n, "is_delivered": False}


PAID = ("something_has_happened", {"already": "paid"})
BROUGHT_HOME = ("something_has_happened", {"already": "brought home"})
FIRST_COMES_HOME = ("an_order_comes_home", {"n": 0, "works": True})
FIRST_COMES_HOME_UNNOTICED = ("an_order_comes_home", {"n": 0, "works": False})
PAYS = ("a_resident_pays", {"n": 0, "works": True})
HEARD = ("all_notices_come_in_any_order", {"seed": 1, "works": True})
HEARD_ONCE = ("a_notice_comes", {"n": 0, "times": 1, "works": True})
HEARD_TWICE = ("a_notice_comes", {"n": 0, "times": 2, "works": True})
WORKS = ("the_worker_comes_by", {})
HOURS_PASS = ("time_passes", {"hours": 3, "works": False})
LIGHTER = ("a_piece_is_weighed", {"n": 0, "lacking_grams": 7, "works": True})
MISSING = ("a_piece_is_missing", {"n": 0, "m": 0, "works": True})


# --- The six that the project promises to find -----------------------------------------------------------------------


def _oversell(patch: pytest.MonkeyPatch) -> None:
    """A promise that is written down and taken from no shelf."""

    def hold(session: Any, *, reference: str, quantities: Any, until_at: Any) -> None:
        rows = [
            {"variant_id": v, "reference": reference, "qty": q, "state": "held", "until_at": until_at}
            for v, q in quantities.items()
        ]
        session.execute(insert(StockHold), rows)

    patch.setattr(stock, "hold", hold)


def _double_webhook(patch: pytest.MonkeyPatch) -> None:
    """Every notice of a paid payment brings its money once more."""
    right = service._apply

    def apply(session: Any, payment_id: int, answer: Any, now: Any) -> None:
        payment = session.get_one(Payment, payment_id)
        if payment.state == "paid":
            post(
                session,
                key=f"paid:{payment_id}:{new_token()}",
                kind="paid",
                reference=payment.reference,
                entries={accounts.HOLDING: answer.amount, accounts.UNMATCHED: -answer.amount},
                actor="payments",
                now=now,
            )
        right(session, payment_id, answer, now)

    patch.setattr(service, "_apply", apply)


def _blind(patch: pytest.MonkeyPatch, create: str, listed: str) -> None:
    """A call is repeated under a new key, and nobody looks first whether it was done."""
    right = getattr(Gateway, create)

    def again(self: Gateway, *args: Any, idempotency_key: str, **values: Any) -> Any:
        return right(self, *args, idempotency_key=new_token(), **values)

    patch.setattr(Gateway, create, again)
    patch.setattr(Gateway, listed, lambda self, provider_id: [])


def _refund_twice(patch: pytest.MonkeyPatch) -> None:
    _blind(patch, "create_refund", "refunds_of")


def _off_by_one_cent(patch: pytest.MonkeyPatch) -> None:
    """Still the right sum: the first merchant has a cent of the association's."""
    right = orders.split

    def split(parts: Any, delivery: Money) -> Any:
        first, *others = right(parts, delivery)
        return tuple(
            replace(share, amount=share.amount + Money({"goods": 1, "commission": -1}.get(share.kind, 0)))
            if share is first or share.kind == "commission"
            else share
            for share in (first, *others)
        )

    patch.setattr(orders, "split", split)


def _late_payment_confirmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(orders, "_hold_again", lambda session, order, clock: True)


def _chargeback_routed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(shares, "is_disputed", lambda session, payment_id: False)


# --- And some that somebody has really written, here or elsewhere ----------------------------------------------------


def _notice_believed(patch: pytest.MonkeyPatch) -> None:
    """As a plugin did: whichever payment the notice names is this one's."""
    right = service.take_hint

    def take_hint(session: Any, *, token: str, provider_id: str, now: Any) -> None:
        payment = session.query(Payment).filter_by(token=token).one_or_none()
        if payment is not None and Gateway.is_payment_id(provider_id):
            payment.provider_id = None
            session.flush()
            payment.provider_id = provider_id
        right(session, token=token, provider_id=provider_id, now=now)

    patch.setattr("marketplace.payments.views.take_hint", take_hint)


def _routed_at_once(patch: pytest.MonkeyPatch) -> None:
    right = shares.allocate

    def allocate(session: Any, *, payment_id: int, now: Any) -> None:
        right(session, payment_id=payment_id, now=now)
        shares.make_due(session, payment_id=payment_id, party="merchant:cave")

    patch.setattr(shares, "allocate", allocate)


def _routed_twice(patch: pytest.MonkeyPatch) -> None:
    _blind(patch, "create_route", "routes_of")


def _nothing_reversed(patch: pytest.MonkeyPatch) -> None:
    """The association pays for what its merchant gives back."""
    right = refunds._prepare

    def prepare(session: Any, payment_id: int, refund_id: int) -> Any:
        call = right(session, payment_id, refund_id)
        return call and replace(call, reversals=())

    patch.setattr(refunds, "_prepare", prepare)


def _late_money_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(orders, "_give_back", lambda session, payment, reason, now: None)


def _nobody_polls(patch: pytest.MonkeyPatch) -> None:
    """Neither every few minutes nor at night: who loses a notice has lost what it told."""
    patch.setattr(service, "claim_due_polls", lambda session, now: [])
    patch.setattr(nightly, "reconcile", lambda hall: nightly.Outcome([], 0, 0, reads_balance=False))


def _failure_unwritten(patch: pytest.MonkeyPatch) -> None:
    def fail(session: Any, payment: Any, refund: Any, state: str, now: Any) -> None:
        refund.state, refund.settled_at = state, now
        payment.trouble = "refund_failed"

    patch.setattr(refunds, "_fail", fail)


def _commission_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(giving_back, "commission_back", lambda commission, total, *, refunded, more: ZERO)


def _weighed_twice(patch: pytest.MonkeyPatch) -> None:
    """Who corrects what the scale said gives the whole difference once more."""
    patch.setattr(weighing, "refunded_lines", lambda session, part_id: {})


def _won_unheard(patch: pytest.MonkeyPatch) -> None:
    right = chargebacks.apply_chargebacks

    def apply(session: Any, payment_id: int, answers: Any, now: Any) -> None:
        right(session, payment_id, [replace(answer, reversed_at=None) for answer in answers], now)

    patch.setattr(service, "apply_chargebacks", apply)


def _won_for_no_order(patch: pytest.MonkeyPatch) -> None:
    """Ours until this machine found it: the order had looked while the bank had the money, and never looked again."""
    right = chargebacks.publish

    def publish(session: Any, fact: str, **ids: int) -> None:
        if fact != "payment.paid":
            right(session, fact, **ids)

    patch.setattr(chargebacks, "publish", publish)


def _gesture_from_a_share(patch: pytest.MonkeyPatch) -> None:
    """Ours until this machine found it, for a share that the provider had refused."""
    patch.setattr(refunds, "_leave_enough_to_route", lambda session, refund, shares: None)


def _sent_again_for_ever(patch: pytest.MonkeyPatch) -> None:
    """Each press sends what failed once more, whoever has sent it before."""
    right = refunds.request_again

    def request_again(session: Any, *, payment_id: int, actor: str, now: Any) -> Any:
        asked = right(session, payment_id=payment_id, actor=actor, now=now)
        for refund in session.query(refunds.Refund).filter_by(payment_id=payment_id):
            refund.followed_by_id = None
        session.flush()
        return asked

    patch.setattr(refunds, "request_again", request_again)


#: The bank has a third of the first order's money, and we know.
DISPUTED = (("a_bank_takes_money_back", {"n": 0, "is_all": False, "works": False}), HEARD_ONCE)
LATE = (
    _orders(0),
    ("the_time_to_pay_ends", {"is_away": True}),
    _orders(0),
    ("a_resident_pays", {"n": 1, "works": True}),
    HEARD_ONCE,
    PAYS,
    HEARD_ONCE,
)

FAULTS = (
    Fault("oversell", _oversell, (_orders(0), PAYS, HEARD_ONCE), "I01 held is not the sum of the live holds", True),
    Fault("double webhook", _double_webhook, (_orders(0), PAYS, HEARD_TWICE), "I9 the ledger holds", True),
    Fault(
        "refund twice",
        _refund_twice,
        (PAID, _trouble("POST /v2/payments/*/refunds", "drop_after"), MISSING, HOURS_PASS, WORKS),
        "I10 refund",
        True,
    ),
    Fault("split off by one cent", _off_by_one_cent, (_orders(1),), "I1 the shares of", True),
    Fault("late payment confirmed", _late_payment_confirmed, LATE, "I02 a confirmed order without its pieces", True),
    Fault(
        "chargeback routed anyway",
        _chargeback_routed,
        (PAID, *DISPUTED, FIRST_COMES_HOME),
        "I11",
        True,
    ),
    Fault(
        "the notice is believed",
        _notice_believed,
        (_orders(1), _orders(2), ("somebody_forges_a_notice", {"n": 0, "m": 0})),
        "a forged notice",
    ),
    Fault(
        "routed before hand-over",
        _routed_at_once,
        (_orders(1), PAYS, HEARD_ONCE),
        "I09 a share routed before its goods were handed over",
    ),
    Fault(
        "routed twice",
        _routed_twice,
        (PAID, _trouble("POST /v2/payments/*/routes", "drop_after"), FIRST_COMES_HOME, WORKS),
        "I4",
    ),
    Fault(
        "nothing reversed",
        _nothing_reversed,
        (BROUGHT_HOME, ("a_resident_complains", {"n": 0, "m": 0, "cents": 100, "works": True})),
        "I10 refund",
    ),
    Fault("late money kept", _late_money_kept, LATE, "I07 money that no order took"),
    Fault(
        "nobody polls",
        _nobody_polls,
        (PAID, MISSING),
        "refund",
    ),
    Fault(
        "a failed refund stays in the ledger",
        _failure_unwritten,
        (PAID, MISSING, ("a_refund_comes_back", {"n": 0}), HEARD_ONCE),
        "I8",
    ),
    Fault("commission kept", _commission_kept, (PAID, MISSING, FIRST_COMES_HOME), "I6"),
    Fault("weighed twice", _weighed_twice, (PAID, LIGHTER, HOURS_PASS, LIGHTER, FIRST_COMES_HOME), "I6"),
    Fault(
        "a won dispute unheard",
        _won_unheard,
        (PAID, *DISPUTED, FIRST_COMES_HOME, ("a_dispute_is_won", {"n": 0}), HEARD_ONCE),
        "share",
    ),
    Fault(
        "won back for no order",
        _won_for_no_order,
        (
            _orders(1),
            ("a_resident_pays", {"n": 0, "works": False}),
            ("a_bank_takes_money_back", {"n": 0, "is_all": True, "works": False}),
            HEARD,
        ),
        "I07 money that no order took",
    ),
    Fault(
        "a gesture from a merchant's share",
        _gesture_from_a_share,
        (
            PAID,
            ("a_merchant_leaves_or_comes_back", {"n": 0, "opens": False}),
            FIRST_COMES_HOME,
            ("the_association_makes_a_gesture", {"n": 0, "cents": 2000}),
            WORKS,
        ),
        "I7 the share of",
    ),
    Fault(
        "sent again for ever",
        _sent_again_for_ever,
        (
            PAID,
            MISSING,
            ("a_refund_comes_back", {"n": 0}),
            HEARD_ONCE,
            ("somebody_sends_what_failed_again", {"n": 0, "works": True}),
        ),
        "refund",
    ),
)


def live(machine: MoneyMachine, life: Life) -> None:
    """The steps, with everything looked at after each, and the end."""
    machine.every_cent_is_accounted_for()
    for name, values in life:
        getattr(machine, name)(**values)
        machine.every_cent_is_accounted_for()
    machine.teardown()
