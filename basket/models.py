"""The resident's walk: a basket that fills, the answers of the checkout, then an order that keeps its promise."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.db import Base, Id, Key, Token
from marketplace.money import Money


class Basket(Base):
    """What one visitor is gathering; its token is all that ties it to them."""

    __tablename__ = "basket"

    id: Mapped[Id]
    token: Mapped[Token]
    created_at: Mapped[datetime]
    touched_at: Mapped[datetime] = mapped_column(index=True)

    lines: Mapped[list[Line]] = relationship(back_populates="basket", order_by="Line.id", lazy="raise")


class Line(Base):
    """A variant in a basket, at the price that the visitor last saw (I14)."""

    __tablename__ = "basket_line"
    __table_args__ = (
        UniqueConstraint("basket_id", "variant_id"),
        CheckConstraint("qty BETWEEN 1 AND 99", name="qty_in_range"),
    )

    id: Mapped[Id]
    basket_id: Mapped[int] = mapped_column(ForeignKey("basket.id", ondelete="CASCADE"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    qty: Mapped[int] = mapped_column(SmallInteger)
    seen_price: Mapped[Money]

    basket: Mapped[Basket] = relationship(back_populates="lines", lazy="raise")


class Checkout(Base):
    """The answers given so far on the way to an order; they survive a closed browser."""

    __tablename__ = "checkout"
    __table_args__ = (
        CheckConstraint("mode IN ('delivery', 'collection')", name="mode_known"),
        CheckConstraint("shortage IN ('refund', 'substitute', 'call')", name="shortage_known"),
    )

    basket_id: Mapped[int] = mapped_column(ForeignKey("basket.id", ondelete="CASCADE"), primary_key=True)
    #: Made by us, sent with the form: one key makes at most one order (M03).
    key: Mapped[Token]
    mode: Mapped[Key | None]
    street: Mapped[str] = mapped_column(server_default="")
    postcode: Mapped[str] = mapped_column(server_default="")
    city: Mapped[str] = mapped_column(server_default="")
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    access_note: Mapped[str] = mapped_column(server_default="")
    #: `lat` and `lon` were shown on the plan, not found by the geocoder.
    is_pinned: Mapped[bool] = mapped_column(server_default=text("false"))
    #: Where the pin stands on the plan, and how closely that is looked at; the last three are null together.
    pin_lat: Mapped[float | None]
    pin_lon: Mapped[float | None]
    pin_zoom: Mapped[int | None] = mapped_column(SmallInteger)
    slot_id: Mapped[int | None]
    name: Mapped[str] = mapped_column(server_default="")
    phone: Mapped[str] = mapped_column(server_default="")
    email: Mapped[str] = mapped_column(server_default="")
    shortage: Mapped[Key | None]


class Reservation(Base):
    """Pieces that one shop keeps for somebody who pays there: no sale yet, and no money of ours. All copies (I15)."""

    __tablename__ = "reservation"
    __table_args__ = (
        UniqueConstraint("request_key", "shop_id"),
        CheckConstraint("state IN ('reserved', 'ready', 'collected', 'cancelled', 'lapsed')", name="state_known"),
        CheckConstraint("ending IN ('resident', 'missing', 'closed', 'unreachable')", name="ending_known"),
        CheckConstraint("(state = 'cancelled') = (ending IS NOT NULL)", name="cancelled_says_why"),
        CheckConstraint("(state IN ('reserved', 'ready')) = (ended_at IS NULL)", name="ended_says_when"),
        Index("ix_reservation_shop", "shop_id", "state"),
        Index("ix_reservation_open", "kept_until_on", postgresql_where=text("state IN ('reserved', 'ready')")),
        Index("ix_reservation_phone", "phone", postgresql_where=text("state IN ('reserved', 'ready')")),
        # Whose name is to be forgotten next.
        Index("ix_reservation_named", "ended_at", postgresql_where=text("name <> ''")),
    )

    id: Mapped[Id]
    code: Mapped[Key] = mapped_column(unique=True)
    token: Mapped[Token]
    #: Made by us, sent with the form: one key makes at most one reservation at each shop (M03).
    request_key: Mapped[str]
    request_hash: Mapped[str]
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    state: Mapped[Key]
    #: Who cancelled it, or why the shop did.
    ending: Mapped[Key | None]
    language: Mapped[Key]
    #: Empty, as the telephone and the e-mail, once they are forgotten.
    name: Mapped[str]
    phone: Mapped[str]
    email: Mapped[str]
    #: The last day, in the town's calendar, on which the shop keeps it.
    kept_until_on: Mapped[date]
    collection_code: Mapped[str]
    #: The seller as shown when it was made (domain M4).
    shop_name: Mapped[str]
    shop_awning: Mapped[int] = mapped_column(SmallInteger)
    seller_name: Mapped[str]
    seller_registration: Mapped[str]
    seller_address: Mapped[str]
    seller_contact: Mapped[str]
    reserved_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    lines: Mapped[list[ReservationLine]] = relationship(order_by="ReservationLine.position", lazy="raise")


class ReservationLine(Base):
    """One product as it was shown, at the price that the shop will ask."""

    __tablename__ = "reservation_line"
    __table_args__ = (
        UniqueConstraint("reservation_id", "position"),
        UniqueConstraint("reservation_id", "variant_id"),
        CheckConstraint("qty > 0", name="qty_positive"),
        CheckConstraint("unit_price >= 0", name="price_not_negative"),
    )

    id: Mapped[Id]
    reservation_id: Mapped[int] = mapped_column(ForeignKey("reservation.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    reference: Mapped[str]
    name: Mapped[str]
    label: Mapped[str]
    kind: Mapped[Key]
    drawing: Mapped[Key]
    unit_price: Mapped[Money]
    qty: Mapped[int] = mapped_column(SmallInteger)
    allergens: Mapped[list[str] | None] = mapped_column(ARRAY(Text))

    @property
    def total(self) -> Money:
        return self.unit_price * self.qty


class ReservationEvent(Base):
    """Who did what to a reservation, when; append-only (I16, I21)."""

    __tablename__ = "reservation_event"

    id: Mapped[Id]
    reservation_id: Mapped[int] = mapped_column(ForeignKey("reservation.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    event: Mapped[Key]
    from_state: Mapped[Key]
    to_state: Mapped[Key]


class Order(Base):
    """The resident's single promise over several shops; everything in it is a copy (I15)."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint(
            "state IN ('awaiting_payment', 'lapsed', 'confirmed', 'completed', 'cancelled')", name="state_known"
        ),
        CheckConstraint("mode IN ('delivery', 'collection')", name="mode_known"),
        CheckConstraint("delivery_fee >= 0", name="fee_not_negative"),
        Index("ix_orders_awaiting", "hold_until_at", postgresql_where=text("state = 'awaiting_payment'")),
    )

    id: Mapped[Id]
    code: Mapped[Key] = mapped_column(unique=True)
    token: Mapped[Token]
    checkout_key: Mapped[str] = mapped_column(unique=True)
    #: What was asked with the key, so that the key cannot be used again for something else.
    request_hash: Mapped[str]
    #: Indexed, because every old basket that is forgotten asks for its orders.
    basket_id: Mapped[int | None] = mapped_column(ForeignKey("basket.id", ondelete="SET NULL"), index=True)
    state: Mapped[Key]
    #: Why it was cancelled: `unpaid`, the resident gave up; `paid_late`, the money came too late and goes back;
    #: `refunded`, it was paid and every part has been cancelled since.
    ending: Mapped[str | None]
    mode: Mapped[Key]
    language: Mapped[Key]
    name: Mapped[str]
    phone: Mapped[str]
    email: Mapped[str]
    street: Mapped[str] = mapped_column(server_default="")
    postcode: Mapped[str] = mapped_column(server_default="")
    city: Mapped[str] = mapped_column(server_default="")
    lat: Mapped[float | None]
    lon: Mapped[float | None]
    access_note: Mapped[str] = mapped_column(server_default="")
    shortage: Mapped[Key]
    delivery_fee: Mapped[Money]
    #: The part of the fee that the law calls delivery of new books (domain B3, B10).
    book_floor: Mapped[Money]
    slot_starts_at: Mapped[datetime | None]
    slot_ends_at: Mapped[datetime | None]
    #: Until then the resident may change or cancel.
    changeable_until_at: Mapped[datetime | None]
    placed_at: Mapped[datetime]
    hold_until_at: Mapped[datetime]
    confirmed_at: Mapped[datetime | None]
    #: The payment that confirmed it; any other one that is paid goes back.
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))
    ended_at: Mapped[datetime | None]

    sub_orders: Mapped[list[SubOrder]] = relationship(
        back_populates="order", order_by="SubOrder.position", lazy="raise"
    )


class SubOrder(Base):
    """The contract with one merchant, and that shop's work."""

    __tablename__ = "sub_order"
    __table_args__ = (
        UniqueConstraint("order_id", "shop_id"),
        CheckConstraint(
            "state IN ('awaiting_payment', 'received', 'accepted', 'packed', 'handed_over', 'delivered', 'cancelled')",
            name="state_known",
        ),
        CheckConstraint("commission >= 0 AND commission <= goods", name="commission_within_goods"),
        CheckConstraint("contribution >= 0 AND contribution <= goods - commission", name="contribution_within_goods"),
        Index("ix_sub_order_shop", "shop_id", "state"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    shop_id: Mapped[int] = mapped_column(ForeignKey("shop.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[Key]
    #: The seller as shown at the sale (domain M4).
    shop_name: Mapped[str]
    shop_awning: Mapped[int] = mapped_column(SmallInteger)
    party: Mapped[str]
    seller_name: Mapped[str]
    seller_registration: Mapped[str]
    seller_address: Mapped[str]
    seller_contact: Mapped[str]
    goods: Mapped[Money]
    commission_permille: Mapped[int] = mapped_column(SmallInteger)
    commission: Mapped[Money]
    #: What its merchant bears of the delivery (marketplace.delivery.pricing).
    contribution: Mapped[Money] = mapped_column(server_default=text("0"))
    #: When the shop must have it packed.
    ready_by_at: Mapped[datetime]
    collection_code: Mapped[str]

    order: Mapped[Order] = relationship(back_populates="sub_orders", lazy="raise")
    lines: Mapped[list[OrderLine]] = relationship(
        back_populates="sub_order", order_by="OrderLine.position", lazy="raise"
    )


class OrderLine(Base):
    """One product as it was promised."""

    __tablename__ = "order_line"
    __table_args__ = (
        UniqueConstraint("sub_order_id", "position"),
        UniqueConstraint("sub_order_id", "variant_id"),
        CheckConstraint("qty > 0", name="qty_positive"),
        CheckConstraint("unit_price >= 0", name="price_not_negative"),
        CheckConstraint("net_grams > 0", name="grams_positive"),
    )

    id: Mapped[Id]
    sub_order_id: Mapped[int] = mapped_column(ForeignKey("sub_order.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("variant.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    reference: Mapped[str]
    name: Mapped[str]
    label: Mapped[str]
    kind: Mapped[Key]
    drawing: Mapped[Key]
    unit_price: Mapped[Money]
    qty: Mapped[int] = mapped_column(SmallInteger)
    vat_bp: Mapped[int] = mapped_column(SmallInteger)
    commission: Mapped[Money]
    contribution: Mapped[Money] = mapped_column(server_default=text("0"))
    #: The weight that was promised of each piece; None for what is not sold with its weight.
    net_grams: Mapped[int | None]
    allergens: Mapped[list[str] | None] = mapped_column(ARRAY(Text))

    sub_order: Mapped[SubOrder] = relationship(back_populates="lines", lazy="raise")

    @property
    def total(self) -> Money:
        return self.unit_price * self.qty


class OrderRefund(Base):
    """Why a part of a paid order goes back to its resident, and who bears it; written once.

    It is the sum of its lines, of the part of the delivery fee that goes back with them, and of a gesture: the
    association's own money, for no line in particular. Below zero, it is gestures of before that are counted now, so
    that nobody gets back more than they paid.
    """

    __tablename__ = "order_refund"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('shortage', 'weight', 'withdrawal', 'cancelled', 'complaint')", name="reason_known"
        ),
        CheckConstraint("liable IN ('merchant', 'association', 'shared')", name="liable_known"),
        CheckConstraint("delivery >= 0", name="delivery_not_negative"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    #: None where it concerns no shop: the delivery, a gesture.
    sub_order_id: Mapped[int | None] = mapped_column(ForeignKey("sub_order.id"), index=True)
    reason: Mapped[Key]
    #: Who bears the lines.
    liable: Mapped[Key]
    delivery: Mapped[Money] = mapped_column(server_default=text("0"))
    gesture: Mapped[Money] = mapped_column(server_default=text("0"))
    #: None where what is missing had cost nothing.
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refund.id"), unique=True)
    #: What a person wrote down for the others of the association and the merchant; the resident does not read it.
    note: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime]
    actor: Mapped[str]

    lines: Mapped[list[RefundedLine]] = relationship(order_by="RefundedLine.order_line_id", lazy="raise")


class RefundedLine(Base):
    """Pieces of a line that the resident does not get or keep, and what goes back for them.

    No piece where it was only lighter or less good than promised. `commission`, `contribution` and `gesture` are within
    `amount`: what the association gives back of its commission and of what the merchant bore of the delivery, and what
    it gives of its own; the rest is the merchant's.
    """

    __tablename__ = "refunded_line"
    __table_args__ = (
        CheckConstraint("qty >= 0 AND (qty > 0 OR amount > 0)", name="something_goes_back"),
        CheckConstraint(
            "commission >= 0 AND contribution >= 0 AND gesture >= 0 AND commission + contribution + gesture <= amount",
            name="parts_within_amount",
        ),
    )

    order_refund_id: Mapped[int] = mapped_column(ForeignKey("order_refund.id"), primary_key=True)
    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_line.id"), primary_key=True, index=True)
    qty: Mapped[int] = mapped_column(SmallInteger)
    amount: Mapped[Money]
    commission: Mapped[Money]
    gesture: Mapped[Money] = mapped_column(server_default=text("0"))
    contribution: Mapped[Money] = mapped_column(server_default=text("0"))


class Weighing(Base):
    """What a shop's scale said of the pieces of a line, and who typed it (domain P22); written once each time."""

    __tablename__ = "weighing"
    __table_args__ = (CheckConstraint("promised_grams > 0 AND weighed_grams > 0", name="weights_positive"),)

    id: Mapped[Id]
    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_line.id"), index=True)
    promised_grams: Mapped[int]
    weighed_grams: Mapped[int]
    #: The number on the scale's ticket, if there is one.
    ticket: Mapped[str] = mapped_column(server_default="")
    at: Mapped[datetime]
    actor: Mapped[str]
    #: None where nothing had to go back.
    order_refund_id: Mapped[int | None] = mapped_column(ForeignKey("order_refund.id"), index=True)
    #: Held against another weight than the line's first weighing, before promises were frozen with the sale: the
    #: product was changed in between. No new row is.
    promises_otherwise: Mapped[bool] = mapped_column(server_default=text("false"))


class Withdrawal(Base):
    """The resident renounces (part of) the contract with one merchant (domain W1-W9); what was declared never changes.

    `waiting` for the goods, or for the proof that they were sent; `settled` once the money went back. While it waits,
    the last word decides whether the money leaves by the clock (`withdrawal_rules.goes_back_on`).
    """

    __tablename__ = "withdrawal"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'settled')", name="state_known"),
        CheckConstraint("basis IN ('not_handed_over', 'goods', 'sent', 'unanswered', 'otherwise')", name="basis_known"),
        CheckConstraint("(state = 'settled') = (settled_at IS NOT NULL AND basis IS NOT NULL)", name="settled_once"),
        Index("ix_withdrawal_waiting", "declared_at", postgresql_where=text("state = 'waiting'")),
    )

    id: Mapped[Id]
    sub_order_id: Mapped[int] = mapped_column(ForeignKey("sub_order.id"), index=True)
    #: Of the form: pressed twice, it declares once.
    form_key: Mapped[Token]
    #: As typed: the declaration's own name and address, which may be another than the order's. Who said it on the
    #: telephone may have no address for letters.
    name: Mapped[str]
    email: Mapped[str]
    #: Who of the association wrote down what was said on the telephone; None where the resident declared it.
    taken_by: Mapped[str | None]
    declared_at: Mapped[datetime]
    #: The last day on which the money may go back (W8).
    refund_due_on: Mapped[date]
    state: Mapped[Key]
    #: When the shop was last told that the money leaves by the clock unless it says something.
    told_at: Mapped[datetime | None]
    #: When the shop last said that nothing has come back: so long it may keep the money (W8).
    held_at: Mapped[datetime | None]
    #: When a person told the resident, who reads no letters, what the shop says.
    resident_told_at: Mapped[datetime | None]
    #: What the resident said of how the goods went back, and when.
    proof: Mapped[str] = mapped_column(server_default="")
    proof_at: Mapped[datetime | None]
    #: Why it was settled: never handed over, the goods are back, they were sent, or the shop did not say anything;
    #: without money of its own where that went back for another reason.
    basis: Mapped[Key | None]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[str | None]
    #: None while it waits, and where the money went back otherwise.
    order_refund_id: Mapped[int | None] = mapped_column(ForeignKey("order_refund.id"), unique=True)

    lines: Mapped[list[WithdrawalLine]] = relationship(order_by="WithdrawalLine.order_line_id", lazy="raise")


class WithdrawalWord(Base):
    """What was said of a withdrawal that waits, by whom: the shop holds it, how the goods went back, that the resident
    was told; append-only. The latest of each kind stands in the withdrawal itself."""

    __tablename__ = "withdrawal_word"
    __table_args__ = (
        CheckConstraint("word IN ('held', 'proof', 'told')", name="word_known"),
        CheckConstraint("(word = 'proof') = (text <> '')", name="proof_says_how"),
    )

    id: Mapped[Id]
    withdrawal_id: Mapped[int] = mapped_column(ForeignKey("withdrawal.id"), index=True)
    at: Mapped[datetime]
    #: The resident, a member of the shop, or who of the association wrote down what was said on the telephone.
    actor: Mapped[str]
    word: Mapped[str]
    text: Mapped[str]


class WithdrawalLine(Base):
    """Pieces that the resident does not want or returns."""

    __tablename__ = "withdrawal_line"
    __table_args__ = (CheckConstraint("qty > 0", name="qty_positive"),)

    withdrawal_id: Mapped[int] = mapped_column(ForeignKey("withdrawal.id"), primary_key=True)
    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_line.id"), primary_key=True, index=True)
    qty: Mapped[int] = mapped_column(SmallInteger)


class OrderEvent(Base):
    """Who did what to an order, when; append-only (I16, I21)."""

    __tablename__ = "order_event"
    # What a shop has handed over today is found from the day's events, however many orders it ever had.
    __table_args__ = (Index("ix_order_event_at", "at"),)

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    sub_order_id: Mapped[int | None] = mapped_column(ForeignKey("sub_order.id"))
    at: Mapped[datetime]
    actor: Mapped[str]
    event: Mapped[Key]
    from_state: Mapped[Key]
    to_state: Mapped[Key]
