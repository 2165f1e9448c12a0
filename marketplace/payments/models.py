"""What residents pay, how it is shared, and what goes back. The payments know no orders, only a reference."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Computed, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.db import Base, Id, Key, Token
from marketplace.money import Money

#: States in which the resident may still pay this attempt; at most one of them per reference (I04).
OPEN_STATES = ("creating", "unknown", "open", "pending")
#: Of these, the ones in which we have not heard that the provider has it.
UNHEARD_STATES = ("creating", "unknown")
#: A refund that the provider may still execute or give up.
REFUND_UNDER_WAY = ("requested", "queued", "pending", "processing")
#: Who the ledger names for what no person asked for.
MACHINE = "payments"


class MerchantAccount(Base):
    """Where a party's share goes at the provider, and whether its goods may be sold online meanwhile.

    `standing`: connected; reconnect, the provider takes our token no more; leaving, its people have asked to end it
    and what was sold is still paid out; ended. One noted by the association itself has no token.
    """

    __tablename__ = "merchant_account"
    __table_args__ = (
        CheckConstraint("standing IN ('connected', 'reconnect', 'leaving', 'ended')", name="standing_known"),
        CheckConstraint("onboarding IN ('needs_data', 'in_review', 'completed')", name="onboarding_known"),
        CheckConstraint(
            "standing <> 'ended' OR (sealed_refresh_token IS NULL AND sealed_access_token IS NULL)",
            name="ended_without_token",
        ),
        # Two merchants behind one organisation would be paid for each other's goods.
        Index(
            "uq_merchant_account_one_party",
            "provider_env",
            "organization_id",
            unique=True,
            postgresql_where=text("standing <> 'ended'"),
        ),
        Index("ix_merchant_account_due_check", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
    )

    #: The ledger's word for the party, `merchant:<key>`.
    party: Mapped[str] = mapped_column(primary_key=True)
    provider_env: Mapped[Key] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    organization_name: Mapped[str] = mapped_column(server_default="")
    standing: Mapped[Key] = mapped_column(server_default="connected")
    onboarding: Mapped[Key] = mapped_column(server_default="completed")
    can_receive_payments: Mapped[bool]
    can_receive_settlements: Mapped[bool] = mapped_column(server_default=text("true"))
    #: The merchant's own pages at the provider.
    dashboard_url: Mapped[str | None]
    checked_at: Mapped[datetime]
    next_check_at: Mapped[datetime | None]
    #: Since when the provider refuses to give it money; None once it has taken some, or was connected anew. While it
    #: is set one share at a time is tried (`connecting.refusing`).
    refused_at: Mapped[datetime | None]
    #: See `vault`.
    sealed_refresh_token: Mapped[str | None]
    sealed_access_token: Mapped[str | None]
    access_until_at: Mapped[datetime | None]
    #: Somebody is fetching the next access token until then, or has died of it.
    refreshing_until_at: Mapped[datetime | None]

    @property
    def can_be_routed_to(self) -> bool:
        """What was sold before somebody asked to leave is still paid out."""
        return self.can_receive_payments and self.standing in ("connected", "leaving")

    @property
    def can_be_looked_at(self) -> bool:
        """Not one that the association has noted by hand, nor one whose merchant leaves."""
        return self.standing == "connected" and self.sealed_refresh_token is not None

    @property
    def may_be_tried(self) -> bool:
        """Whether the provider may be asked to give it money. Of one that was refused and that nobody can look at only
        that tells whether it is open again."""
        is_tried = (
            self.refused_at is not None and not self.can_be_looked_at and self.standing in ("connected", "leaving")
        )
        return self.can_be_routed_to or is_tried


class ConnectionAttempt(Base):
    """Somebody was sent to the provider to consent; the answer is taken once, from the same browser, for an hour."""

    __tablename__ = "connection_attempt"

    id: Mapped[Id]
    #: SHA-256 of what travels in the signed `state`.
    nonce_hash: Mapped[Key] = mapped_column(unique=True)
    party: Mapped[str]
    provider_env: Mapped[Key]
    actor: Mapped[str]
    #: A digest of the browser's sign-in.
    browser: Mapped[Key]
    started_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class ConnectionEvent(Base):
    """What became of a party's account, when and by whom; append-only, read by those who ask later."""

    __tablename__ = "connection_event"
    __table_args__ = (Index("ix_connection_event_party", "party", "provider_env", "id"),)

    id: Mapped[Id]
    party: Mapped[str]
    provider_env: Mapped[Key]
    #: connected, refused, papers, reconnect, leaving, ended; shut and open: the provider refused to give it money, and
    #: gave it some again
    kind: Mapped[Key]
    organization_id: Mapped[str]
    at: Mapped[datetime]
    actor: Mapped[str]


class Payment(Base):
    """One attempt to pay a reference; committed before the provider is called (M04)."""

    __tablename__ = "payment"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint(
            "state IN ('creating', 'unknown', 'open', 'pending', 'paid', 'failed', 'canceled', 'expired', 'rejected')",
            name="state_known",
        ),
        CheckConstraint("routing IN ('delayed', 'upfront')", name="routing_known"),
        CheckConstraint(
            "(trouble_settled_at IS NULL) = (trouble_settled_by IS NULL)"
            " AND (trouble_settled_at IS NULL OR trouble IS NOT NULL)",
            name="trouble_settled_whole",
        ),
        UniqueConstraint("provider_env", "provider_id"),
        UniqueConstraint("reference", "attempt"),
        Index(
            "uq_payment_one_open_per_reference",
            "reference",
            unique=True,
            postgresql_where=text("state IN ('creating', 'unknown', 'open', 'pending')"),
        ),
        Index(
            "ix_payment_due_poll",
            "next_poll_at",
            postgresql_where=text("next_poll_at IS NOT NULL"),
        ),
    )

    id: Mapped[Id]
    #: Unguessable; stands in the webhook's address.
    token: Mapped[Token]
    reference: Mapped[str]
    attempt: Mapped[int]
    amount: Mapped[Money]
    description: Mapped[str]
    state: Mapped[Key]
    provider_env: Mapped[Key]
    provider_id: Mapped[str | None]
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    redirect_url: Mapped[str]
    #: Whose words the payment page speaks: that of the person who ordered.
    language: Mapped[Key] = mapped_column(server_default="fr")
    checkout_url: Mapped[str | None]
    created_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    #: `delayed` or `upfront` (see there); None until the provider is first asked for the payment.
    routing: Mapped[Key | None]
    #: False: what is bought does not keep for as long as the slow ways to pay take (`rules.SLOW_METHODS`).
    takes_slow: Mapped[bool] = mapped_column(server_default=text("true"))
    #: The only ways to pay that the provider was asked for; None: all.
    methods: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    #: When the goods are to change hands, and when merchants may use what they get upfront.
    handover_on: Mapped[date | None]
    release_on: Mapped[date | None]
    #: When the poller looks again; None once nothing more can happen (M07).
    next_poll_at: Mapped[datetime | None]
    polls_qty: Mapped[int] = mapped_column(server_default=text("0"))
    #: Why a person must look: amount differs, paid twice… None when the machine may decide.
    trouble: Mapped[str | None]
    #: When somebody said that they had seen to it (`strange`), and who; how, and what was said before: `PaymentWord`.
    trouble_settled_at: Mapped[datetime | None]
    trouble_settled_by: Mapped[str | None]

    shares: Mapped[list[Share]] = relationship(back_populates="payment", order_by="Share.id", lazy="raise")


class PaymentWord(Base):
    """What people said of a payment's strange money: how it was settled, that it is open again; append-only."""

    __tablename__ = "payment_word"
    __table_args__ = (
        CheckConstraint("word IN ('settled', 'reopened')", name="word_known"),
        CheckConstraint("(word = 'settled') = (text <> '')", name="settled_says_how"),
    )

    id: Mapped[Id]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    word: Mapped[str]
    text: Mapped[str]


class Share(Base):
    """A party's part of a payment; the shares of a payment sum to its amount (I09).

    `kind` says what for: goods (routed to a merchant after hand-over); commission, delivery (what the resident paid
    for it) and contribution (what merchants bear of it): the association's own, never routed.
    """

    __tablename__ = "payment_share"
    __table_args__ = (
        UniqueConstraint("payment_id", "party", "kind"),
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        CheckConstraint("kind IN ('goods', 'commission', 'delivery', 'contribution')", name="kind_known"),
        CheckConstraint(
            "state IN ('kept', 'planned', 'due', 'sending', 'unknown', 'routed', 'refused', 'cancelled')",
            name="state_known",
        ),
        CheckConstraint("(kind = 'goods') = (state <> 'kept')", name="goods_are_routed"),
        CheckConstraint("routed_amount >= 0 AND routed_amount + lacking_amount <= amount", name="routed_within_amount"),
        CheckConstraint("lacking_amount >= 0", name="lacking_not_negative"),
        CheckConstraint("(made_up_at IS NULL) = (made_up_by IS NULL)", name="made_up_whole"),
        Index(
            "ix_payment_share_on_the_way",
            "id",
            postgresql_where=text("state IN ('due', 'sending', 'unknown')"),
        ),
    )

    id: Mapped[Id]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"))
    party: Mapped[str]
    kind: Mapped[Key]
    amount: Mapped[Money]
    state: Mapped[Key]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    #: What the provider is asked to route, and to whom: the share less what had been refunded of it by then; upfront,
    #: all of it, before it is paid.
    routed_amount: Mapped[Money | None]
    organization_id: Mapped[str | None]
    provider_route_id: Mapped[str | None] = mapped_column(unique=True)
    routed_at: Mapped[datetime | None]
    #: What the payment no longer held of the share when it was routed: the association owes it, until somebody has
    #: paid it by bank (decision 14).
    lacking_amount: Mapped[Money] = mapped_column(server_default=text("0"))
    made_up_at: Mapped[datetime | None]
    made_up_by: Mapped[str | None]

    payment: Mapped[Payment] = relationship(back_populates="shares", lazy="raise")


class Refund(Base):
    """Money on its way back to the resident; one row is one provider refund (I10)."""

    __tablename__ = "refund"
    __table_args__ = (
        # One of nothing was settled when it was written: gestures of before have paid it.
        CheckConstraint("amount > 0 OR amount = 0 AND state = 'refunded'", name="amount_positive"),
        CheckConstraint(
            "state IN ('requested', 'unknown', 'queued', 'pending', 'processing', 'refunded', 'failed', 'canceled')",
            name="state_known",
        ),
    )

    id: Mapped[Id]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"), index=True)
    amount: Mapped[Money]
    reason: Mapped[Key]
    state: Mapped[Key]
    idempotency_key: Mapped[str] = mapped_column(unique=True)
    provider_id: Mapped[str | None] = mapped_column(unique=True)
    requested_at: Mapped[datetime]
    requested_by: Mapped[str]
    settled_at: Mapped[datetime | None]
    #: One that failed and was asked for again is nobody's trouble any more.
    followed_by_id: Mapped[int | None] = mapped_column(ForeignKey("refund.id"))


class RefundPart(Base):
    """What a refund takes from one party; the parts of a refund sum to it. None where no order used the money.

    `kind` is that of the share it is taken from, or `gesture`: the association's own money, from no share; below zero
    for gestures of before that are counted now.
    """

    __tablename__ = "refund_part"
    __table_args__ = (
        UniqueConstraint("refund_id", "party", "kind"),
        CheckConstraint("amount > 0 OR amount < 0 AND kind = 'gesture'", name="amount_positive"),
        CheckConstraint("kind IN ('goods', 'commission', 'delivery', 'contribution', 'gesture')", name="kind_known"),
        CheckConstraint("kind = 'goods' OR NOT is_reversal", name="goods_are_reversed"),
        CheckConstraint(
            "reversed_amount >= 0 AND claimed_amount >= 0 AND CASE WHEN is_reversal "
            "THEN reversed_amount + claimed_amount <= amount ELSE reversed_amount + claimed_amount = 0 END",
            name="reversed_within_amount",
        ),
        CheckConstraint(
            "(claim_ended_at IS NULL) = (claim_ended_by IS NULL) AND (claim_ended_at IS NULL) = (claim_end IS NULL) "
            "AND (claim_ended_at IS NULL OR claimed_amount > 0)",
            name="claim_ended_whole",
        ),
        CheckConstraint("claim_end IN ('paid', 'waived')", name="claim_end_known"),
    )

    id: Mapped[Id]
    refund_id: Mapped[int] = mapped_column(ForeignKey("refund.id"))
    party: Mapped[str]
    kind: Mapped[Key]
    amount: Mapped[Money]
    #: The share was on its way to the merchant already: it is taken back.
    is_reversal: Mapped[bool]
    #: Of that, what the provider takes back with the refund, and what it cannot: the merchant owes it to the
    #: association. The rest had not reached the merchant: its route had lacked it.
    reversed_amount: Mapped[Money] = mapped_column(server_default=text("0"))
    claimed_amount: Mapped[Money] = mapped_column(server_default=text("0"))
    #: When a person said that the merchant has paid it, or that the association bears it.
    claim_ended_at: Mapped[datetime | None]
    claim_ended_by: Mapped[str | None]
    claim_end: Mapped[Key | None]


class Chargeback(Base):
    """The payer's bank has taken (part of) a payment back; `reversed_at` once the dispute is won, `lost_at` once a
    person has said that it is lost: the provider never says so."""

    __tablename__ = "chargeback"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("(lost_at IS NULL) = (lost_by IS NULL)", name="lost_whole"),
    )

    id: Mapped[Id]
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"), index=True)
    provider_id: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[Money]
    created_at: Mapped[datetime]
    reversed_at: Mapped[datetime | None]
    lost_at: Mapped[datetime | None]
    lost_by: Mapped[str | None]
    #: Nobody knows yet whose the money is.
    is_open: Mapped[bool] = mapped_column(Computed("reversed_at IS NULL AND lost_at IS NULL", persisted=True))
