"""What comes when the sale is long done: banks that take money back, accounts that close, people who see to it."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from basket.by_hand import Wish, Wished, give_by_hand, last_refund_id
from basket.models import Order, OrderLine, SubOrder
from demo.month.agenda import Act, Agenda
from demo.month.bank import Bank
from demo.month.errands import Errand
from demo.month.house import House
from marketplace.errors import FieldError
from marketplace.money import ZERO, Money
from marketplace.payments.models import MerchantAccount, Payment, Refund, Share
from marketplace.payments.refunds import request_again
from merchants.models import Merchant

ACTOR = "month:treasurer"
#: A merchant whose account is closed for so long misses the hand-over of what was sold meanwhile.
AWAY = timedelta(hours=30)
MAIL_AWAY = timedelta(hours=3)


#: What a person gives back: why, who bears it, and of the first line how many hundredths; a gesture is of no line.
BY_HAND = {
    "complaint": ("complaint", "shared", 50),
    "lighter weight": ("weight", "merchant", 10),
    "withdrawal": ("withdrawal", "merchant", 100),
    "gesture": ("complaint", "association", 0),
}
GESTURE = Money(1_50)


def _wish(trouble: str, line: OrderLine) -> Wish:
    reason, liable, percent = BY_HAND[trouble]
    lines = {}
    if percent == 100:
        lines[line.id] = Wished(line.qty, None)
    elif percent:
        lines[line.id] = Wished(0, Money(max(1, line.total.cents * percent // 100)))
    return Wish(
        sub_order_id=line.sub_order_id if lines else None,
        reason=reason,
        liable=liable,
        lines=lines,
        delivery=ZERO,
        gesture=ZERO if lines else GESTURE,
        note="simulated",
    )


class Aftermath:
    def __init__(self, house: House, bank: Bank, agenda: Agenda) -> None:
        self._house, self._bank, self._agenda = house, bank, agenda

    def expect(self, errand: Errand) -> None:
        """What is to befall a paid order later stands on the agenda."""
        if errand.trouble == "refund failed":
            self._after(timedelta(hours=26), lambda: self._fail_refund(errand))
        elif errand.trouble in ("chargeback lost", "chargeback won"):
            self._after(timedelta(hours=errand.draw.uniform(4, 90)), lambda: self._charge_back(errand))
        elif errand.trouble in BY_HAND:
            self._after(timedelta(hours=errand.draw.uniform(40, 60)), lambda: self._give_by_hand(errand))
        elif errand.trouble == "merchant away":
            self._after(timedelta(minutes=40), lambda: self._close_account(errand))
        elif errand.trouble == "mail server away":
            self._house.letterbox.is_away = True
            self._after(MAIL_AWAY, self._mail_is_back)

    def open_accounts(self) -> None:
        """The provider knows every merchant of the town."""
        with self._house.hall.database.reading() as session:
            accounts = session.execute(
                select(MerchantAccount.organization_id, Merchant.legal_name)
                .join(Merchant, MerchantAccount.party == "merchant:" + Merchant.key)
                .order_by(MerchantAccount.party)
            ).all()
        for organization_id, name in accounts:
            self._bank.register(organization_id, name)

    def send_failed_refunds_again(self) -> None:
        """The treasurer goes through the list of what waits for people."""
        with self._house.hall.database.transaction() as session:
            failed = session.scalars(
                select(Payment.id).where(Payment.trouble == "refund_failed").order_by(Payment.id)
            ).all()
            for payment_id in failed:
                request_again(session, payment_id=payment_id, actor=ACTOR, now=self._house.now)

    def _after(self, wait: timedelta, act: Act) -> None:
        self._agenda.at(self._house.now + wait, act)

    def _mail_is_back(self) -> None:
        self._house.letterbox.is_away = False

    def _fail_refund(self, errand: Errand) -> None:
        """The resident's bank sends a refund back that was on its way, or had arrived."""
        with self._house.hall.database.reading() as session:
            refund_id = session.scalar(
                select(Refund.provider_id)
                .join(Payment, Refund.payment_id == Payment.id)
                .where(Payment.provider_id == errand.provider_id, Refund.provider_id.is_not(None))
                .order_by(Refund.id)
                .limit(1)
            )
        if refund_id is None:
            self._after(timedelta(hours=6), lambda: self._fail_refund(errand))
        else:
            self._bank.fail_refund(refund_id)

    def _give_by_hand(self, errand: Errand) -> None:
        """Somebody of the association gives back what the resident is right to ask for, once the order is over.

        Where the association has nothing of the payment to give from, the merchant gives. Where nobody can yet, a
        share is on its way.
        """
        for trouble in (errand.trouble or "", "lighter weight"):
            with suppress(FieldError), self._house.hall.database.transaction() as session:
                order = session.scalars(select(Order).where(Order.code == errand.code)).one()
                if order.state == "completed":
                    self._give(session, order, trouble)
                    return
        self._after(timedelta(hours=12), lambda: self._give_by_hand(errand))

    def _give(self, session: Session, order: Order, trouble: str) -> None:
        line = session.scalars(
            select(OrderLine).join(SubOrder).where(SubOrder.order_id == order.id).order_by(OrderLine.id).limit(1)
        ).one()
        give_by_hand(
            session,
            code=order.code,
            seen_refund_id=last_refund_id(session, order.id),
            wish=_wish(trouble, line),
            actor=ACTOR,
            now=self._house.now,
        )

    def _charge_back(self, errand: Errand) -> None:
        """All or half of what was paid; a dispute is won within the week."""
        with self._house.hall.database.reading() as session:
            paid = session.scalars(select(Payment.amount).where(Payment.provider_id == errand.provider_id)).one()
        cents = paid.cents if errand.number % 2 else paid.cents // 2
        chargeback_id = self._bank.charge_back(errand.provider_id, cents)
        if errand.trouble == "chargeback won":
            self._after(timedelta(days=5), lambda: self._bank.reverse_chargeback(chargeback_id))

    def _close_account(self, errand: Errand) -> None:
        """The provider wants new papers of one of the order's merchants, and has them some days later."""
        with self._house.hall.database.reading() as session:
            organization_id, name = session.execute(
                select(MerchantAccount.organization_id, MerchantAccount.party)
                .join(Share, Share.party == MerchantAccount.party)
                .join(Payment, Share.payment_id == Payment.id)
                .where(Payment.provider_id == errand.provider_id, Share.kind == "goods")
                .order_by(Share.id)
                .limit(1)
            ).one()
        self._bank.register(organization_id, name, can_receive_payments=False)
        self._after(AWAY, lambda: self._bank.register(organization_id, name))
