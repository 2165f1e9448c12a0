"""What residents do: fill a basket, order, pay, and all that can befall them on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

from sqlalchemy import select

from basket import baskets, orders
from basket.following import look_up
from basket.models import OrderLine, SubOrder
from demo.month.agenda import Agenda
from demo.month.bank import Bank
from demo.month.errands import WITH_REFUND, Errand
from demo.month.house import House
from demo.month.market import Market
from marketplace.delivery import bookings
from marketplace.delivery.models import Zone
from marketplace.errors import GatewayError, MarketplaceError
from marketplace.ids import new_token
from marketplace.payments import service as payments
from marketplace.payments.models import Payment

#: Of the windows that have room still, residents take one of the next.
WINDOWS_LOOKED_AT = 4

#: What goes wrong with the creation of the payment, on the line (True) or at the provider.
CREATION = {
    "creation unanswered": "silent",
    "creation unheard": "unheard",
    "amount differs": "asks_less",
}
#: What the provider answers instead, to (call, status or None for a proxy's page).
PROVIDER = {
    "creation refused for now": ("POST /v2/payments", "status", 503),
    "creation answered by a proxy": ("POST /v2/payments", "html", 503),
    "route refused for now": ("POST /v2/payments/{}/routes", "status", 429),
    "route answered half": ("POST /v2/payments/{}/routes", "half_json", 503),
    "route refused": ("POST /v2/payments/{}/routes", "status", 422),
    "key not taken": ("POST /v2/payments/{}/routes", "status", 401),
    "refund refused for now": ("POST /v2/payments/{}/refunds", "status", 503),
}
LINE = {
    "route unanswered": "POST /v2/payments/{}/routes",
    "refund unanswered": "POST /v2/payments/{}/refunds",
}
NOTICES = {
    "notice lost": "lost",
    "notice repeated": "twice",
    "notices out of order": "held",
    "notice a day late": "late",
}
ENDS = {"payment failed": "failed", "payment cancelled": "canceled", "payment expired": "expired"}

#: Nobody needs longer at the provider's page.
PAYS_WITHIN_S = 420


class Residents:
    def __init__(self, house: House, bank: Bank, agenda: Agenda, market: Market) -> None:
        self._house, self._bank, self._agenda, self._market = house, bank, agenda, market
        self._hall = house.hall
        #: By the code of the order.
        self.errands: dict[str, Errand] = {}

    def begin(self, errand: Errand) -> None:
        """The order is placed and its payment asked for; what the resident does then stands on the agenda."""
        placed = self._place(errand)
        if placed is None:
            return
        errand.placed = placed
        self.errands[placed.code] = errand
        self._mean_harm(errand, before=True)
        self._open(placed.payment_id)
        errand.provider_id = self._provider_id(placed.payment_id)
        if errand.provider_id:
            self._mean_harm(errand, before=False)
        self._go_on(errand)

    # --- Order -------------------------------------------------------------------------------------------------

    def _place(self, errand: Errand) -> orders.PlacedOrder | None:
        """None when nothing could be had: the shelves or the rounds are full."""
        wanted = self._market.fill(errand.draw, doubles=errand.trouble in WITH_REFUND)
        if errand.trouble == "too small to be shared":
            wanted = self._market.least()
        now, database = self._house.now, self._hall.database
        with database.transaction() as session:
            basket_id = baskets.open_basket(session, now).id
            for variant_id, qty in wanted.items():
                with suppress(baskets.TooMany, baskets.NotForSale):
                    baskets.add_line(session, basket_id=basket_id, variant_id=variant_id, qty=qty, now=now)
        for slot_id in self._slots(errand):
            try:
                with database.transaction() as session:
                    return orders.place_order(
                        session, self._command(errand, basket_id, slot_id), clock=self._hall.clock
                    )
            except MarketplaceError as refused:
                errand.refused = refused.code
        return None

    def _slots(self, errand: Errand) -> list[int | None]:
        """Windows to try, the drawn one first; collection in the shops if it must be."""
        if errand.mode == "collection":
            return [None]
        with self._hall.database.reading() as session:
            zone_id = session.scalars(select(Zone.id)).one()
            slots = bookings.slots_of(session, zone_id=zone_id, now=self._house.now, limit=20)
        free = [slot.id for slot in slots if not slot.is_full]
        near = free[:WINDOWS_LOOKED_AT]
        errand.draw.shuffle(near)
        return [*near, *free[WINDOWS_LOOKED_AT:]]

    def _command(self, errand: Errand, basket_id: int, slot_id: int | None) -> orders.PlaceOrder:
        return orders.PlaceOrder(
            basket_id=basket_id,
            checkout_key=new_token(),
            mode="collection" if slot_id is None else "delivery",
            name=errand.name,
            phone="+33639981234",
            email=f"resident{errand.number}@example.org",
            shortage="refund",
            language="en" if errand.number % 20 == 0 else "fr",
            site_url=self._house.settings.site_url,
            provider_env=self._house.settings.mollie_env,
            address=None if slot_id is None else errand.address,
            slot_id=slot_id,
        )

    # --- Pay ---------------------------------------------------------------------------------------------------

    def _mean_harm(self, errand: Errand, *, before: bool) -> None:
        """The line and the provider are prepared for what is to befall this order."""
        trouble = errand.trouble or ""
        if before and trouble in CREATION:
            self._house.wire.expect("POST /v2/payments", CREATION[trouble])
        if not before and trouble in LINE:
            self._house.wire.expect(LINE[trouble].format(errand.provider_id), "silent")
        if not before and trouble in NOTICES:
            self._house.notices.befall(errand.provider_id, NOTICES[trouble])
        if trouble in PROVIDER:
            call, action, status = PROVIDER[trouble]
            if before == trouble.startswith("creation"):
                self._bank.plan_fault(call.format(errand.provider_id), action, status=status)

    def _go_on(self, errand: Errand) -> None:
        """What the resident does next."""
        trouble, draw = errand.trouble or "", errand.draw

        def after(minutes: float, act: Callable[..., None], *args: object) -> None:
            self._agenda.at(self._house.now + timedelta(minutes=minutes), partial(act, *args))

        if trouble == "never paid":
            return
        if trouble in ENDS:
            after(3, self._end, errand, ENDS[trouble])
            after(6, self._pay_again, errand)
        elif trouble == "given up":
            after(4, self._give_up, errand)
        elif trouble.startswith("paid late"):
            after(10, self._pay_unseen, errand)
            if trouble == "paid late, gone":
                after(32, self._find_it_gone, errand)
        elif trouble == "paid twice":
            after(3, self._return_to_old_news, errand)
            after(4, self._pay_again, errand)
            after(8, self._pay, errand, errand.provider_id)
        elif trouble.startswith("creation"):
            after(2, self._come_back, errand)
            after(4, self._pay_latest, errand)
        else:
            after(draw.uniform(30, PAYS_WITHIN_S) / 60, self._pay, errand, errand.provider_id)
        if trouble == "notices out of order":
            after(200, self._house.notices.let_go)

    def _pay(self, errand: Errand, provider_id: str) -> None:
        self._bank.conclude(provider_id, "paid")
        if (errand.trouble or "") not in NOTICES and errand.draw.random() < 0.5:
            self._come_back(errand)

    def _end(self, errand: Errand, outcome: str) -> None:
        self._bank.conclude(errand.provider_id, outcome)

    def _pay_unseen(self, errand: Errand) -> None:
        """The money leaves in time, and neither notice nor poller gets through until the order has lapsed."""
        until_at = self._house.now + timedelta(minutes=50)
        self._house.wire.expect(f"GET /v2/payments/{errand.provider_id}", "unheard", until_at)
        self._bank.conclude(errand.provider_id, "paid", notify=False)

    def _find_it_gone(self, errand: Errand) -> None:
        assert errand.placed is not None
        with self._hall.database.reading() as session:
            variant_id = session.scalars(
                select(OrderLine.variant_id)
                .join(SubOrder)
                .where(SubOrder.order_id == errand.placed.order_id)
                .order_by(OrderLine.id)
                .limit(1)
            ).one()
        self._market.sell_out(variant_id)

    def _return_to_old_news(self, errand: Errand) -> None:
        """The provider shows an open payment as expired, once; it can still be paid in the other window."""
        self._house.wire.expect(f"GET /v2/payments/{errand.provider_id}", "says_expired")
        self._come_back(errand)

    def _come_back(self, errand: Errand) -> None:
        """The return page, or the order's page loaded again."""
        assert errand.placed is not None
        code, token = errand.placed.code, errand.placed.token
        self._house.survive(lambda: look_up(self._hall, code=code, token=token))

    def _pay_latest(self, errand: Errand) -> None:
        """Whatever attempt is open by now."""
        assert errand.placed is not None
        errand.provider_id = errand.provider_id or self._provider_id(errand.placed.payment_id)
        assert errand.provider_id, f"errand {errand.number}: nothing to pay"
        self._pay(errand, errand.provider_id)

    def _pay_again(self, errand: Errand) -> None:
        """Another attempt, which goes well."""
        assert errand.placed is not None
        with self._hall.database.transaction() as session:
            payment_id = orders.pay_again(
                session,
                code=errand.placed.code,
                token=errand.placed.token,
                provider_env=self._house.settings.mollie_env,
                site_url=self._house.settings.site_url,
                now=self._house.now,
            )
        self._open(payment_id)
        self._pay(errand, self._provider_id(payment_id))

    def _give_up(self, errand: Errand) -> None:
        placed = errand.placed
        assert placed is not None

        def press() -> None:
            with suppress(GatewayError):
                payments.cancel_attempt(self._hall, placed.payment_id)
            with self._hall.database.transaction() as session:
                orders.cancel_unpaid(session, code=placed.code, token=placed.token, now=self._house.now)

        self._house.survive(press)

    def _open(self, payment_id: int) -> None:
        self._house.survive(lambda: payments.open_at_provider(self._hall, payment_id))

    def _provider_id(self, payment_id: int) -> str:
        with self._hall.database.reading() as session:
            return session.get_one(Payment, payment_id).provider_id or ""
