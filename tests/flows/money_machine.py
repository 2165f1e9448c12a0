"""Everything that can happen to money, in any order: residents, shops, the bank, the provider and the worker at once.

A state machine in Hypothesis' sense. Each rule is one thing that somebody does, through the real use case, job, page or
payment page; after each of them everything is looked at (`money_checks`), and at the end everybody does what they still
have to do, and every cent must be where it belongs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import timedelta
from functools import wraps
from random import Random
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.errors import StopTest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from basket import orders
from basket.baskets import open_basket
from basket.cancelling import cancel_part
from basket.giving_back import Returned, give_back
from basket.handlers import let_unpaid_orders_lapse
from basket.models import Line, Order, OrderRefund, SubOrder
from basket.shortages import NothingLeftToPack, report_shortage
from basket.weighing import report_weights
from marketplace.delivery.bookings import CutOffPassed, SlotFull
from marketplace.errors import FieldError, GatewayError
from marketplace.money import Money
from marketplace.payments import nightly, refunds
from marketplace.payments import service as payments
from marketplace.payments.handlers import poll_payments, reconcile_payments, send_what_waits
from marketplace.payments.models import MerchantAccount
from merchants import treasury
from merchants.stock import NotEnoughStock
from tests.flows.money_checks import GOODS, ORGANIZATIONS, Bought, Row, Seen, disagreements, look, losses, unrest
from tests.flows.money_house import WEIGHED, WEIGHED_GRAMS, MoneyHouse
from tests.walk import order_command

#: Of F2 there is one piece in the town, of the others a few.
BASKETS = (
    ("F2",),
    ("F2", "C1"),
    ("L1", "L1"),
    ("F1", "F1", "C1"),
    ("L2", "F2", "F1", "C1"),
    ("L1", "L1", "L1", "F1"),
)
ORDERS_MAXIMUM_QTY = 5
#: How much happens in a life, its beginning included.
STEPS_QTY = 25
#: How a life begins: two orders of three shops are paid, or have gone further.
BEGINNINGS = ("nothing", "paid", "at the shops", "brought home")

#: What goes wrong with the provider's next answer: (call, what).
TROUBLES: tuple[tuple[str, dict[str, Any]], ...] = (
    *(
        (call, trouble)
        for call in ("POST /v2/payments", "POST /v2/payments/*/routes", "POST /v2/payments/*/refunds")
        for trouble in (
            {"action": "drop_after"},
            {"action": "half_json"},
            {"action": "html", "done": True},
            {"action": "status", "status": 500, "done": True},
            {"action": "status", "status": 503},
            {"action": "status", "status": 401},
        )
    ),
    *(
        (call, {"action": "status", "status": 422})
        for call in ("POST /v2/payments/*/routes", "POST /v2/payments/*/refunds")
    ),
    *(
        (f"GET /v2/payments/*{what}", {"action": "status", "status": status})
        for what in ("", "/routes", "/refunds", "/chargebacks")
        for status in (404, 429, 500)
    ),
)

#: Which of those that it could be.
WHICH = st.integers(0, 11)
#: Whether the worker comes by at once; it mostly does.
WORKS = st.sampled_from((True, True, True, False))

REFUSED_AT_THE_TILL = (orders.BasketChanged, NotEnoughStock, SlotFull, CutOffPassed)


def happens(when: Callable[[Any], object] | None = None, **given: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """A rule, possible `when`."""

    def decorate(function: Callable[..., None]) -> Any:
        @wraps(function)
        def run(self: MoneyMachine, **values: Any) -> None:
            self.is_whole = False
            self.count[function.__name__] += 1
            self.steps_qty += 1
            function(self, **values)

        made = rule(**given)(run)
        return precondition(lambda self: bool(when(self)))(made) if when is not None else made

    return decorate


class MoneyMachine(RuleBasedStateMachine):
    """One life of the town; `house` is shared by all of them."""

    house: ClassVar[MoneyHouse]
    #: What happened in all lives together, so that a machine that has stopped doing things is seen.
    count: ClassVar[Counter[str]] = Counter()
    #: What residents and provider remember of each kept beginning.
    beginnings: ClassVar[dict[str, tuple[list[Bought], int]]] = {}

    @classmethod
    def of(cls, house: MoneyHouse) -> type[MoneyMachine]:
        """A machine for this house, that has counted nothing yet."""
        return type("MoneyMachine", (cls,), {"house": house, "count": Counter(), "beginnings": {}})

    def __init__(self) -> None:
        super().__init__()
        self.house.reset()
        self.hall, self.clock, self.sandbox = self.house.hall, self.house.clock, self.house.sandbox
        self.bought: list[Bought] = []
        #: The bag: what the provider would tell us, as (address, payment's id).
        self.notices: list[tuple[str, str]] = []
        self._read_notices = 0
        self.seen = look(self.house)
        self._looked_at: object = None
        #: Set by the checks, so that the end of a life that has failed already says nothing of its own.
        self.is_whole = True
        self.steps_qty = 0

    # --- Looking ---------------------------------------------------------------------------------------------------

    @invariant()
    def every_cent_is_accounted_for(self) -> None:
        self.is_whole = False
        mark = self.house.mark()
        if mark != self._looked_at:
            before, self.seen = self.seen, look(self.house)
            found = self.house.broken_rules()
            found += [*disagreements(self.seen, self.bought), *_routed_in_dispute(before, self.seen)]
            if unexplained := self.house.unexplained_cents(self.seen.accounts):
                found.append(f"the treasurer cannot explain {unexplained} cents")
            assert found == [], "\n".join(found)
            self._looked_at = mark
            self._fill_the_bag()
        self.is_whole = True

    def _fill_the_bag(self) -> None:
        for row in self.sandbox.read(
            "SELECT position, url, payment_id FROM webhooks WHERE position > ? ORDER BY position", (self._read_notices,)
        ):
            self._read_notices = row["position"]
            self.notices.append((row["url"], row["payment_id"]))

    def _at_the_till(self) -> list[Row]:
        """Payments that their resident can still act on."""
        return [payment for payment in self.seen.their_payments if payment["status"] == "open"]

    def _paid(self) -> list[Row]:
        return [payment for payment in self.seen.their_payments if payment["status"] == "paid"]

    def _orders(self, *states: str) -> list[Bought]:
        in_state = {order["code"] for order in self.seen.orders if order["state"] in states}
        return [one for one in self.bought if one.code in in_state]

    def _parts(self, *states: str) -> list[Row]:
        return [part for part in self.seen.parts if part["state"] in states]

    def _work(self, works: bool = True) -> None:
        if works:
            self.house.work()

    # --- Residents -------------------------------------------------------------------------------------------------

    @initialize(already=st.sampled_from(BEGINNINGS))
    def something_has_happened(self, already: str) -> None:
        """Most lives begin in the middle; what came before is lived once, and kept."""
        self.is_whole = False
        if already == BEGINNINGS[0]:
            return
        if already in self.beginnings:
            self.house.reset(already)
            self.bought, self._read_notices = deepcopy(self.beginnings[already])
        else:
            self._live_until(already)
            self.beginnings[already] = deepcopy(self.bought), self._read_notices
            self.house.keep(already)
        self.seen = look(self.house)

    def _live_until(self, already: str) -> None:
        for references in (("L1", "L1", "F1"), ("L2", "F1", "C1")):
            self._place(references, is_delivered=False)
        for payment in look(self.house).their_payments:
            self.sandbox.conclude(payment["id"], "paid")
        self._fill_the_bag()
        self._hear(range(len(self.notices)))
        self.notices.clear()
        self._work()
        for event in {"at the shops": ("accept",), "brought home": ("accept", "pack", "hand_over")}.get(already, ()):
            for part in look(self.house).parts:
                self._advance(part, event)
        self._work()

    @happens(lambda self: len(self.bought) < ORDERS_MAXIMUM_QTY, n=WHICH, is_delivered=st.booleans())
    def somebody_orders(self, n: int, is_delivered: bool) -> None:
        self._place(_which(BASKETS, n), is_delivered=is_delivered)

    def _place(self, references: Sequence[str], *, is_delivered: bool) -> None:
        """As somebody whose basket was filled while everything was there."""
        wanted = Counter(references)
        try:
            with self.hall.database.transaction() as session:
                basket = open_basket(session, self.clock.now())
                for reference, qty in wanted.items():
                    price = Money(GOODS[reference][1])
                    variant_id = self.house.town.variant(reference)
                    session.add(Line(basket_id=basket.id, variant_id=variant_id, qty=qty, seen_price=price))
                session.flush()
                slot_id = self.house.town.slots[0] if is_delivered else None
                placed = orders.place_order(session, order_command(basket.id, slot_id=slot_id), clock=self.clock)
        except REFUSED_AT_THE_TILL:
            self.count["refused at the till"] += 1
            return
        self.bought.append(Bought(placed.order_id, placed.code, placed.token, wanted))
        payments.open_at_provider(self.hall, placed.payment_id)

    @happens(_at_the_till, n=WHICH, works=WORKS)
    def a_resident_pays(self, n: int, works: bool) -> None:
        self.sandbox.conclude(_which(self._at_the_till(), n)["id"], "paid")
        self._work(works)

    @happens(_at_the_till, n=WHICH, how=st.sampled_from(("failed", "canceled", "expired")))
    def a_payment_comes_to_nothing(self, n: int, how: str) -> None:
        self.sandbox.conclude(_which(self._at_the_till(), n)["id"], how)

    @happens(lambda self: self._orders("awaiting_payment"), n=WHICH)
    def a_resident_tries_again(self, n: int) -> None:
        one = _which(self._orders("awaiting_payment"), n)
        try:
            with self.hall.database.transaction() as session:
                payment_id = orders.pay_again(
                    session,
                    code=one.code,
                    token=one.token,
                    provider_env="sandbox",
                    site_url="http://127.0.0.1:5000",
                    now=self.clock.now(),
                )
        except orders.NotPossibleNow:
            return
        payments.open_at_provider(self.hall, payment_id)

    @happens(lambda self: self._orders("awaiting_payment", "lapsed"), n=WHICH)
    def a_resident_gives_up(self, n: int) -> None:
        one = _which(self._orders("awaiting_payment", "lapsed"), n)
        try:
            with self.hall.database.transaction() as session:
                orders.cancel_unpaid(session, code=one.code, token=one.token, now=self.clock.now())
        except orders.NotPossibleNow:
            self.count["had paid already"] += 1

    @happens(_at_the_till, is_away=st.booleans())
    def the_time_to_pay_ends(self, is_away: bool) -> None:
        """While the provider is away it cannot be asked to close the attempt: somebody may pay late."""
        if is_away:
            self.sandbox.plan_fault("GET /v2/payments/*", "status", status=503, times=20)
        self.clock.advance(timedelta(minutes=16))
        let_unpaid_orders_lapse(self.hall)
        if is_away:
            self.sandbox.clear_faults()

    # --- Notices ---------------------------------------------------------------------------------------------------

    def _hear(self, chosen: Sequence[int]) -> None:
        for n in chosen:
            address, payment_id = self.notices[n]
            path = address.removeprefix(self.hall.settings.webhook_base or "")
            assert self.house.client.post(path, data={"id": payment_id}).status_code == 200

    @happens(lambda self: self.notices, n=WHICH, times=st.sampled_from((1, 1, 2, 3)), works=WORKS)
    def a_notice_comes(self, n: int, times: int, works: bool) -> None:
        """Once, twice in a row, or again when everybody has acted on it."""
        chosen = n % len(self.notices)
        self._hear([chosen])
        self._work(works)
        self._hear([chosen] * (times - 1))
        self._work(works)
        if times == 1:
            del self.notices[chosen]

    @happens(lambda self: len(self.notices) > 1, seed=st.integers(0, 99), works=WORKS)
    def all_notices_come_in_any_order(self, seed: int, works: bool) -> None:
        """Some of them twice."""
        random = Random(seed)
        chosen = list(range(len(self.notices))) + random.sample(range(len(self.notices)), 1)
        random.shuffle(chosen)
        self._hear(chosen)
        self._work(works)
        self.notices.clear()

    @happens(lambda self: self.notices, n=WHICH)
    def a_notice_is_lost(self, n: int) -> None:
        del self.notices[n % len(self.notices)]

    @happens(lambda self: self.seen.payments and self.seen.their_payments, n=WHICH, m=WHICH)
    def somebody_forges_a_notice(self, n: int, m: int) -> None:
        """Another payment's id, the id of what is no payment, at the address of one of ours."""
        payment = _which(self.seen.payments, n)
        others = [row["id"] for row in self.seen.their_payments if row["id"] != payment["provider_id"]]
        forged = _which([*others, "tr_x/../../organizations/me", "tr_unknown", ""], m)
        jobs_qty = len(self.house.waiting_jobs())
        answer = self.house.client.post(f"/paiements/avis/{payment['token']}", data={"id": forged})
        assert answer.status_code == 200, "a forged notice brings us down"
        if payment["provider_id"] is not None or forged not in others:
            assert len(self.house.waiting_jobs()) <= jobs_qty + (payment["provider_id"] is None), (
                "a forged notice works"
            )
        self._work()

    def _is_restless(self) -> bool:
        """Whether anything has still to happen."""
        return next(unrest(self.seen), None) is not None

    # --- The worker ------------------------------------------------------------------------------------------------

    @happens(lambda self: self.seen.jobs_qty, seed=st.integers(0, 99), dies=st.booleans())
    def the_worker_does_jobs_in_another_order(self, seed: int, dies: bool) -> None:
        """And may die after the work, before it could say so."""
        waiting = self.house.waiting_jobs()
        Random(seed).shuffle(waiting)
        for job in waiting:
            self.house.run(job, dies=dies)

    @happens(lambda self: self.seen.jobs_qty)
    def the_worker_comes_by(self) -> None:
        self._work()

    @happens(_is_restless)
    def the_poller_comes_by(self) -> None:
        poll_payments(self.hall)
        self._work()

    @happens(_is_restless, which=st.sampled_from((send_what_waits, reconcile_payments)))
    def an_hour_or_a_night_passes_by(self, which: Callable[[Any], None]) -> None:
        try:
            which(self.hall)
        except GatewayError:
            self.count["could not be asked"] += 1
        self._work()

    @happens(lambda self: self.bought, hours=st.sampled_from((1, 3, 25)), works=WORKS)
    def time_passes(self, hours: int, works: bool) -> None:
        """Here and at the provider: sessions end, refunds move on, equal refunds are no repetition any more."""
        self.clock.advance(timedelta(hours=hours, minutes=7))
        self.sandbox.advance_clock(hours * 3600 + 420)
        if works:
            let_unpaid_orders_lapse(self.hall)
            self._work()

    # --- Shops and couriers ----------------------------------------------------------------------------------------

    def _advance(self, part: Row, event: str) -> None:
        with self.hall.database.transaction() as session:
            orders.advance(
                session,
                sub_order_id=part["id"],
                shop_ids=frozenset({part["shop_id"]}),
                event=event,
                collection_code=part["collection_code"],
                actor="shop",
                now=self.clock.now(),
            )

    @happens(lambda self: self._parts("received", "accepted", "packed"), n=WHICH, works=WORKS)
    def a_shop_goes_on(self, n: int, works: bool) -> None:
        part = _which(self._parts("received", "accepted", "packed"), n)
        self._advance(part, {"received": "accept", "accepted": "pack", "packed": "hand_over"}[part["state"]])
        self._work(works)

    @happens(lambda self: self._orders("confirmed"), n=WHICH, works=WORKS)
    def an_order_comes_home(self, n: int, works: bool) -> None:
        one = _which(self._orders("confirmed"), n)
        now = self.clock.now()
        with self.hall.database.transaction() as session:
            orders.mark_travelling(session, code=one.code, shop_slugs=frozenset(one.slugs), actor="courier", now=now)
            orders.mark_delivered(session, code=one.code, actor="courier", now=now)
        self._work(works)

    @happens(lambda self: self._parts("received", "accepted", "packed"), n=WHICH, m=WHICH, works=WORKS)
    def a_piece_is_missing(self, n: int, m: int, works: bool) -> None:
        part = _which(self._parts("received", "accepted", "packed"), n)
        one = self._bought_of(part)
        here = [ref for ref in one.wanted if f"merchant:{GOODS[ref][0]}" == part["party"]]
        left = [ref for ref in here if one.wanted[ref] > one.missing[ref]]
        reference = _which(left, m)
        line_id = self._line_of(part, reference)
        try:
            with self.hall.database.transaction() as session:
                report_shortage(
                    session,
                    sub_order_id=part["id"],
                    shop_ids=frozenset({part["shop_id"]}),
                    available={line_id: one.wanted[reference] - one.missing[reference] - 1},
                    actor="shop",
                    now=self.clock.now(),
                )
        except NothingLeftToPack:
            return
        one.missing[reference] += 1
        # Of a piece that was lighter, a part went back before.
        total = one.wanted[reference] * GOODS[reference][1]
        one.back_cents[reference] += min(GOODS[reference][1], total - one.back_cents[reference])
        self._work(works)

    def _with_cheese(self) -> list[Row]:
        """Parts that a scale may still find lighter than promised."""
        return [
            part
            for part in self._parts("received", "accepted", "packed")
            if part["party"] == "merchant:fromagerie" and self._bought_of(part).left(WEIGHED)
        ]

    @happens(_with_cheese, n=WHICH, lacking_grams=st.sampled_from((1, 7, 150, 399, -20)), works=WORKS)
    def a_piece_is_weighed(self, n: int, lacking_grams: int, works: bool) -> None:
        """Lighter than promised, or heavier: for that nothing is ever taken."""
        part = _which(self._with_cheese(), n)
        one = self._bought_of(part)
        promised_grams = one.left(WEIGHED) * WEIGHED_GRAMS
        try:
            with self.hall.database.transaction() as session:
                report_weights(
                    session,
                    sub_order_id=part["id"],
                    shop_ids=frozenset({part["shop_id"]}),
                    weighed={self._line_of(part, WEIGHED): promised_grams - lacking_grams},
                    ticket="",
                    actor="shop",
                    now=self.clock.now(),
                )
        except (refunds.RefundTooLarge, refunds.NothingLeftToBear):
            self.count["weighing refused"] += 1
            return
        one.weigh(WEIGHED, promised_grams, promised_grams - lacking_grams)
        self.count["lighter"] += lacking_grams > 0
        self._work(works)

    @happens(
        lambda self: self._parts("received", "accepted", "packed", "handed_over"),
        n=WHICH,
        liable=st.sampled_from(("merchant", "merchant", "association")),
        works=WORKS,
    )
    def a_part_is_cancelled(self, n: int, liable: str, works: bool) -> None:
        """By its shop, or by the association, which may bear it."""
        part = _which(self._parts("received", "accepted", "packed", "handed_over"), n)
        one, slug = self._bought_of(part), part["party"].removeprefix("merchant:")
        by_shop = liable == "merchant" and part["state"] != "handed_over"
        try:
            with self.hall.database.transaction() as session:
                given = cancel_part(
                    session,
                    sub_order_id=part["id"],
                    shop_ids=frozenset({part["shop_id"]}) if by_shop else None,
                    liable=liable,
                    actor="shop" if by_shop else "person:1",
                    now=self.clock.now(),
                )
        except (refunds.RefundTooLarge, refunds.NothingLeftToBear):
            self.count["cancelling refused"] += 1
            return
        assert given is not None, "it was not cancelled before"
        one.cancelled[slug] = liable
        one.delivery_back_cents += given.delivery.cents
        self._work(works)

    @happens(_paid, n=WHICH, opens=st.booleans())
    def a_merchant_leaves_or_comes_back(self, n: int, opens: bool) -> None:
        """The provider takes routes to it no more; we hear of it at the same time, or only by being refused."""
        organization_id = _which(ORGANIZATIONS, n)
        self.sandbox.register_organization(organization_id, can_receive_payments=opens)
        if opens or n % 2:
            self._note_account(organization_id, can_receive=opens)

    def _note_account(self, organization_id: str, *, can_receive: bool) -> None:
        party = f"merchant:{organization_id.removeprefix('org_')}"
        with self.hall.database.transaction() as session:
            session.get_one(MerchantAccount, (party, "sandbox")).can_receive_payments = can_receive

    # --- The treasurer ---------------------------------------------------------------------------------------------

    @happens(lambda self: self._orders("confirmed", "completed"), n=WHICH, cents=st.sampled_from((1, 120, 450, 2000)))
    def the_association_makes_a_gesture(self, n: int, cents: int) -> None:
        one = _which(self._orders("confirmed", "completed"), n)
        given = self._give_back(one, None, reason="complaint", liable="association", gesture=Money(cents))
        if given is not None:
            one.gestures_cents += cents

    @happens(lambda self: self._parts("delivered"), n=WHICH, m=WHICH, cents=st.sampled_from((1, 100, 333)), works=WORKS)
    def a_resident_complains(self, n: int, m: int, cents: int, works: bool) -> None:
        """After hand-over: the merchant gives something back, the provider takes it from there."""
        part = _which(self._parts("delivered"), n)
        one = self._bought_of(part)
        reference = _which(one.refs(part["party"].removeprefix("merchant:")), m)
        returned = [Returned(self._line_of(part, reference), 0, Money(cents))]
        if self._give_back(one, part, reason="complaint", liable="merchant", returned=returned) is not None:
            one.back_cents[reference] += cents
        self._work(works)

    def _give_back(self, one: Bought, part: Row | None, **values: Any) -> OrderRefund | None:
        """What the treasurer's page does; None where it is refused."""
        try:
            with self.hall.database.transaction() as session:
                order = session.get_one(Order, one.order_id, with_for_update=True)
                sub_order = session.get_one(SubOrder, part["id"], with_for_update=True) if part else None
                return give_back(session, order, sub_order, actor="person:1", now=self.clock.now(), **values)
        except (refunds.RefundTooLarge, refunds.NothingLeftToBear, FieldError):
            self.count["giving back refused"] += 1
            return None

    def _line_of(self, part: Row, reference: str) -> int:
        variant_id = self.house.town.variant(reference)
        ((line_id,),) = self.house.ask(
            f"SELECT id FROM order_line WHERE sub_order_id = {part['id']} AND variant_id = {variant_id}"
        )
        return int(line_id)

    def _bought_of(self, part: Row) -> Bought:
        (code,) = [order["code"] for order in self.seen.orders if order["id"] == part["order_id"]]
        (one,) = [one for one in self.bought if one.code == code]
        return one

    def _failed(self) -> list[Row]:
        return [refund for refund in self.seen.refunds if _has_failed(refund)]

    @happens(_failed, n=WHICH, works=WORKS)
    def somebody_sends_what_failed_again(self, n: int, works: bool) -> None:
        self._send_again(_which(self._failed(), n)["payment_id"])
        self._work(works)

    def _send_again(self, payment_id: int) -> None:
        try:
            with self.hall.database.transaction() as session:
                refunds.request_again(session, payment_id=payment_id, actor="person:1", now=self.clock.now())
        except (refunds.RefundTooLarge, refunds.NothingLeftToBear):
            self.count["could not be sent again"] += 1

    # --- Banks and the provider ------------------------------------------------------------------------------------

    @happens(_paid, n=WHICH, is_all=st.booleans(), works=WORKS)
    def a_bank_takes_money_back(self, n: int, is_all: bool, works: bool) -> None:
        payment = _which(self._paid(), n)
        gone = sum(
            row["amount_cents"]
            for row in self.seen.their_refunds
            if row["payment_id"] == payment["id"] and row["status"] not in ("failed", "canceled")
        ) + sum(
            row["amount_cents"]
            for row in self.seen.their_chargebacks
            if row["payment_id"] == payment["id"] and not row["is_won"]
        )
        left = payment["amount_cents"] - gone
        cents = left if is_all else left // 3
        if cents > 0:
            self.sandbox.charge_back(payment["id"], str(Money(cents)))
            self.count["chargeback"] += 1
        self._work(works)

    def _disputes(self) -> list[Row]:
        return [chargeback for chargeback in self.seen.their_chargebacks if not chargeback["is_won"]]

    @happens(_disputes, n=WHICH)
    def a_dispute_is_won(self, n: int) -> None:
        self.sandbox.reverse_chargeback(_which(self._disputes(), n)["id"])

    def _under_way(self) -> list[Row]:
        return [row for row in self.seen.their_refunds if row["status"] not in ("failed", "canceled")]

    @happens(_under_way, n=WHICH)
    def a_refund_comes_back(self, n: int) -> None:
        self.sandbox.fail_refund(_which(self._under_way(), n)["id"])

    @happens(_is_restless, n=st.integers(0, len(TROUBLES) - 1))
    def the_next_answer_goes_wrong(self, n: int) -> None:
        call, trouble = TROUBLES[n]
        self.sandbox.plan_fault(call, **trouble)

    # --- The end ---------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Everybody comes back, every dispute is won, what failed is sent again: nothing is left to do, or lost."""
        if not self.is_whole or isinstance(sys.exc_info()[1], StopTest):
            return  # it has failed, or was only begun: the library tries lives that it has lived before
        self.count["steps"] += self.steps_qty
        self.count["whole lives"] += self.steps_qty >= STEPS_QTY - 1
        self.sandbox.clear_faults()
        self.notices.clear()
        for organization_id in ORGANIZATIONS:
            self.sandbox.register_organization(organization_id)
            self._note_account(organization_id, can_receive=True)
        for dispute in self._disputes():
            self.sandbox.reverse_chargeback(dispute["id"])
        for nights_qty in range(12):
            # Longer than any poll waits, than an equal refund is taken for a repetition, than a refund takes.
            self.clock.advance(timedelta(hours=25))
            self.sandbox.advance_clock(25 * 3600)
            let_unpaid_orders_lapse(self.hall)
            poll_payments(self.hall)
            send_what_waits(self.hall)
            self._work()
            if nights_qty:
                differing = nightly.reconcile(self.hall).found
                self._work()
            else:
                differing = ()
            self.every_cent_is_accounted_for()
            for payment_id in sorted({refund["payment_id"] for refund in self._failed()}):
                self._send_again(payment_id)
            waits = list(unrest(self.seen))
            if nights_qty and not waits:
                break
        assert waits == [], "\n".join(waits)
        lost = list(losses(self.seen, self.bought))
        lost += [f"the nightly comparison finds {one}" for one in differing]
        with self.hall.database.glance() as session:
            if unexplained := treasury.look(session, self.clock.now()).unexplained:
                lost.append(f"the treasurer cannot explain {unexplained}")
        assert lost == [], "\n".join(lost)
        for order in self.seen.orders:
            self.count[f"order {order['state']} {order['ending'] or ''}".rstrip()] += 1
        for kind in ("refunds", "routes", "chargebacks"):
            self.count[kind] += len(getattr(self.seen, f"their_{kind}"))
        self.count["reversals"] += len(self.seen.their_reversals)


def _which(among: Sequence[Any], n: int) -> Any:
    return among[n % len(among)]


def _has_failed(refund: Row) -> bool:
    return refund["state"] in ("failed", "canceled") and refund["followed_by_id"] is None


def _routed_in_dispute(before: Seen, after: Seen) -> list[str]:
    """Routes made since `before` of payments that we knew, then and now, to be disputed."""
    known = [{row["payment_id"] for row in seen.chargebacks if not row["is_won"]} for seen in (before, after)]
    disputed = {row["provider_id"] for row in after.payments if row["id"] in known[0] & known[1]}
    former = {route["id"] for route in before.their_routes}
    return [
        f"I11 {route['amount_cents']} were routed of {route['payment_id']}, which a bank has taken back"
        for route in after.their_routes
        if route["id"] not in former and route["payment_id"] in disputed
    ]
