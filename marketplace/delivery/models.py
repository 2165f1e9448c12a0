"""The common round: zones, rounds, slots that can be booked, parcels, stops. It knows no orders, only a reference."""

from __future__ import annotations

from datetime import date, datetime, time

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, SmallInteger, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from marketplace.db import Base, Id, Key, Token
from marketplace.money import Money


class Zone(Base):
    """Where the rounds go, and what a delivery there costs the resident."""

    __tablename__ = "zone"

    id: Mapped[Id]
    key: Mapped[Key] = mapped_column(unique=True)
    name: Mapped[str]
    postcodes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    #: Where a round starts and ends.
    hub_name: Mapped[str]
    hub_lat: Mapped[float]
    hub_lon: Mapped[float]
    #: Nobody farther than this from the hub is promised a bike, whatever the postcode says.
    radius_m: Mapped[int]
    #: What a resident pays until a policy says otherwise.
    fee: Mapped[Money]


class DeliveryPolicy(Base):
    """Who pays what of a delivery in a zone, from a day on (`pricing.DeliveryTerms`); frozen into each order.

    Append-only: of two from the same day the one that was set later counts.
    """

    __tablename__ = "delivery_policy"
    __table_args__ = (
        CheckConstraint("cost >= 0 AND fee >= 0 AND free_from >= 0 AND per_parcel >= 0", name="sums_not_negative"),
        CheckConstraint("merchants_permille BETWEEN 0 AND 500", name="permille_in_range"),
        Index("ix_delivery_policy_zone_id", "zone_id", "valid_from"),
    )

    id: Mapped[Id]
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    valid_from: Mapped[date]
    #: What a delivery costs the association, all in all.
    cost: Mapped[Money]
    fee: Mapped[Money]
    free_from: Mapped[Money | None]
    merchants_permille: Mapped[int] = mapped_column(SmallInteger)
    per_parcel: Mapped[Money]
    set_at: Mapped[datetime]
    actor: Mapped[str]


class RoundRule(Base):
    """A calendar rule that makes rounds ahead of time: on which days (`recurrence.Recurrence`), with which hours and
    room (`timetable.Timetable`), and so many days before.
    """

    __tablename__ = "round_rule"
    __table_args__ = (
        CheckConstraint("pattern IN ('weekly', 'monthly', 'dates')", name="pattern_known"),
        CheckConstraint("on_holidays IN ('skip', 'ride', 'eve')", name="on_holidays_known"),
        CheckConstraint("every_weeks BETWEEN 1 AND 8", name="weeks_in_range"),
        CheckConstraint("ahead_days BETWEEN 1 AND 90", name="ahead_in_range"),
        CheckConstraint("last_on >= first_on", name="days_in_order"),
    )

    id: Mapped[Id]
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"), index=True)
    name: Mapped[str]
    #: Of the form that wrote it first: pressed twice, it makes one rule.
    form_key: Mapped[Token]
    pattern: Mapped[Key]
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    every_weeks: Mapped[int] = mapped_column(SmallInteger)
    nths: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    dates: Mapped[list[date]] = mapped_column(ARRAY(Date))
    first_on: Mapped[date]
    last_on: Mapped[date | None]
    on_holidays: Mapped[Key]
    except_on: Mapped[list[date]] = mapped_column(ARRAY(Date))
    ahead_days: Mapped[int] = mapped_column(SmallInteger)
    cut_off: Mapped[time]
    is_cut_off_on_eve: Mapped[bool]
    collect_from: Mapped[time]
    collect_until: Mapped[time]
    back_by: Mapped[time]
    capacity_grams: Mapped[int]
    capacity_ml: Mapped[int]
    capacity_cold_ml: Mapped[int]
    #: While it is paused it makes no round; those that it has made stay.
    paused_at: Mapped[datetime | None]
    set_at: Mapped[datetime]
    actor: Mapped[str]

    zone: Mapped[Zone] = relationship(lazy="raise")
    windows: Mapped[list[RoundRuleWindow]] = relationship(
        order_by="RoundRuleWindow.row", lazy="raise", cascade="all, delete-orphan"
    )


class RoundRuleWindow(Base):
    """A window that each round of a rule offers, with room for some homes."""

    __tablename__ = "round_rule_window"
    __table_args__ = (
        CheckConstraint("starts < ends", name="window_in_order"),
        CheckConstraint("places_qty > 0", name="places_positive"),
    )

    rule_id: Mapped[int] = mapped_column(ForeignKey("round_rule.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    starts: Mapped[time]
    ends: Mapped[time]
    places_qty: Mapped[int] = mapped_column(SmallInteger)


class Round(Base):
    """One common trip: collect at the shops, bring home in the promised windows.

    The loads are what bookings have taken of it; they move only by conditional UPDATE (M01, I03).
    """

    __tablename__ = "round"
    __table_args__ = (
        # One collecting time, one round; after one that was taken back there may be another.
        Index(
            "uq_round_one_per_collecting",
            "zone_id",
            "collect_from_at",
            unique=True,
            postgresql_where=text("state <> 'withdrawn'"),
        ),
        # What somebody has taken back its rule does not make again.
        Index("uq_round_one_per_rule_and_day", "rule_id", "on_date", unique=True),
        CheckConstraint(
            "state IN ('open', 'closed', 'planning', 'planned', 'riding', 'done', 'withdrawn')", name="state_known"
        ),
        CheckConstraint(
            "cut_off_at <= collect_from_at AND collect_from_at < collect_until_at", name="instants_in_order"
        ),
        CheckConstraint("taken_grams BETWEEN 0 AND capacity_grams", name="grams_within_capacity"),
        CheckConstraint("taken_ml BETWEEN 0 AND capacity_ml", name="volume_within_capacity"),
        CheckConstraint("taken_cold_ml BETWEEN 0 AND capacity_cold_ml", name="cold_within_capacity"),
    )

    id: Mapped[Id]
    zone_id: Mapped[int] = mapped_column(ForeignKey("zone.id"))
    #: The calendar rule that has made it; None where a person opened it.
    rule_id: Mapped[int | None] = mapped_column(ForeignKey("round_rule.id"))
    state: Mapped[Key] = mapped_column(server_default="open")
    on_date: Mapped[date]
    cut_off_at: Mapped[datetime]
    collect_from_at: Mapped[datetime]
    collect_until_at: Mapped[datetime]
    back_by_at: Mapped[datetime]
    capacity_grams: Mapped[int]
    capacity_ml: Mapped[int]
    capacity_cold_ml: Mapped[int]
    taken_grams: Mapped[int] = mapped_column(server_default=text("0"))
    taken_ml: Mapped[int] = mapped_column(server_default=text("0"))
    taken_cold_ml: Mapped[int] = mapped_column(server_default=text("0"))
    #: Counts the times that a plan was asked for: the answer to an older question is dropped.
    plan_number: Mapped[int] = mapped_column(server_default=text("0"))
    plan_asked_at: Mapped[datetime | None]
    #: Whose vehicles the plan that was asked for may use; the shifts are those of the plan that stands.
    plan_vehicle_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'"))
    planned_at: Mapped[datetime | None]
    #: What is particular about the last planning: `plain` without the engines, `kept` failed, the former plan stands.
    plan_note: Mapped[Key | None]

    zone: Mapped[Zone] = relationship(lazy="raise")
    slots: Mapped[list[Slot]] = relationship(back_populates="round", order_by="Slot.starts_at", lazy="raise")


class Slot(Base):
    """A window of a round that can be booked, with room for some homes."""

    __tablename__ = "slot"
    __table_args__ = (
        UniqueConstraint("round_id", "starts_at"),
        CheckConstraint("starts_at < ends_at", name="window_in_order"),
        CheckConstraint("taken_stops BETWEEN 0 AND capacity_stops", name="stops_within_capacity"),
    )

    id: Mapped[Id]
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    capacity_stops: Mapped[int] = mapped_column(SmallInteger)
    taken_stops: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))

    round: Mapped[Round] = relationship(back_populates="slots", lazy="raise")


class Booking(Base):
    """A place on a round for one household: held until an instant, then confirmed, or released once."""

    __tablename__ = "booking"
    __table_args__ = (
        CheckConstraint("state IN ('held', 'confirmed', 'delivered', 'returned', 'released')", name="state_known"),
        CheckConstraint("grams >= 0 AND ml >= 0 AND cold_ml >= 0", name="load_not_negative"),
        Index(
            "uq_booking_one_live_per_reference",
            "reference",
            unique=True,
            postgresql_where=text("state IN ('held', 'confirmed')"),
        ),
        Index("ix_booking_slot", "slot_id"),
    )

    id: Mapped[Id]
    slot_id: Mapped[int] = mapped_column(ForeignKey("slot.id"))
    reference: Mapped[str] = mapped_column(index=True)
    state: Mapped[Key]
    until_at: Mapped[datetime]
    grams: Mapped[int]
    ml: Mapped[int]
    cold_ml: Mapped[int]
    #: "Jeanne M.": first name and initial, all that a courier needs (domain D6).
    recipient: Mapped[str]
    phone: Mapped[str]
    street: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    lat: Mapped[float]
    lon: Mapped[float]
    access_note: Mapped[str] = mapped_column(server_default="")
    needs_age_check: Mapped[bool] = mapped_column(server_default=text("false"))
    #: The resident has shown the place on a plan: it counts, even where the street's name leads elsewhere.
    is_pinned: Mapped[bool] = mapped_column(server_default=text("false"))
    #: Four digits that the resident shows at the door.
    handover_code: Mapped[str]
    #: Unguessable; lets the resident follow this stop.
    token: Mapped[Token]

    slot: Mapped[Slot] = relationship(lazy="raise")
    parcels: Mapped[list[Parcel]] = relationship(back_populates="booking", order_by="Parcel.number", lazy="raise")


class Parcel(Base):
    """A box that travels from one shop to one household: number n of m of its booking."""

    __tablename__ = "parcel"
    __table_args__ = (
        UniqueConstraint("booking_id", "number"),
        UniqueConstraint("booking_id", "source"),
        CheckConstraint(
            "state IN ('expected', 'ready', 'collected', 'delivered', 'returned', 'missing')", name="state_known"
        ),
        Index("ix_parcel_source", "source"),
    )

    id: Mapped[Id]
    booking_id: Mapped[int] = mapped_column(ForeignKey("booking.id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[Key] = mapped_column(server_default="expected")
    #: Who hands it over: the caller's own reference of the shop, and where that is.
    source: Mapped[str]
    source_name: Mapped[str]
    source_street: Mapped[str]
    source_lat: Mapped[float]
    source_lon: Mapped[float]
    source_awning: Mapped[int] = mapped_column(SmallInteger)
    #: Between these instants the shop can hand it over.
    ready_from_at: Mapped[datetime]
    ready_until_at: Mapped[datetime]
    grams: Mapped[int]
    ml: Mapped[int]
    cold_ml: Mapped[int]

    booking: Mapped[Booking] = relationship(back_populates="parcels", lazy="raise")


class Vehicle(Base):
    """What a courier rides, and how much it carries."""

    __tablename__ = "vehicle"

    id: Mapped[Id]
    courier_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), unique=True)
    kind: Mapped[Key]
    capacity_grams: Mapped[int]
    capacity_ml: Mapped[int]
    capacity_cold_ml: Mapped[int]


class Shift(Base):
    """A courier on a round."""

    __tablename__ = "shift"
    __table_args__ = (UniqueConstraint("round_id", "courier_id"),)

    id: Mapped[Id]
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    courier_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    vehicle_id: Mapped[int] = mapped_column(ForeignKey("vehicle.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    #: As planned, from the hub over all stops and back.
    distance_m: Mapped[int]

    stops: Mapped[list[Stop]] = relationship(back_populates="shift", order_by="Stop.position", lazy="raise")


class Stop(Base):
    """A place on a courier's round: a shop where parcels are collected, or a home."""

    __tablename__ = "stop"
    __table_args__ = (
        UniqueConstraint("shift_id", "position"),
        CheckConstraint("kind IN ('shop', 'home')", name="kind_known"),
        CheckConstraint("state IN ('planned', 'done', 'failed')", name="state_known"),
        CheckConstraint("(kind = 'home') = (booking_id IS NOT NULL)", name="home_has_booking"),
        CheckConstraint("(state = 'planned') = (outcome IS NULL)", name="outcome_when_over"),
        # A household is visited once (I17).
        Index("uq_stop_booking", "booking_id", unique=True, postgresql_where=text("booking_id IS NOT NULL")),
    )

    id: Mapped[Id]
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"))
    position: Mapped[int] = mapped_column(SmallInteger)
    kind: Mapped[Key]
    #: The shop's reference for a shop stop, else empty.
    source: Mapped[str] = mapped_column(server_default="")
    booking_id: Mapped[int | None] = mapped_column(ForeignKey("booking.id"))
    planned_at: Mapped[datetime]
    state: Mapped[Key] = mapped_column(server_default="planned")
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None]
    outcome: Mapped[Key | None]
    #: Who took the parcels when no code was shown (domain T10).
    received_by: Mapped[str | None]
    #: What the courier said of the receiver's age, where somebody had to look (domain A3).
    is_adult: Mapped[bool | None]

    shift: Mapped[Shift] = relationship(back_populates="stops", lazy="raise")
    booking: Mapped[Booking | None] = relationship(lazy="raise")
    handlings: Mapped[list[Handling]] = relationship(back_populates="stop", lazy="raise")


class Handling(Base):
    """A parcel taken on board or handed over at a stop."""

    __tablename__ = "handling"
    __table_args__ = (
        UniqueConstraint("parcel_id", "act"),
        CheckConstraint("act IN ('collect', 'deliver')", name="act_known"),
    )

    stop_id: Mapped[int] = mapped_column(ForeignKey("stop.id", ondelete="CASCADE"), primary_key=True)
    parcel_id: Mapped[int] = mapped_column(ForeignKey("parcel.id"), primary_key=True)
    act: Mapped[Key]

    stop: Mapped[Stop] = relationship(back_populates="handlings", lazy="raise")
    parcel: Mapped[Parcel] = relationship(lazy="raise")


class RoundEvent(Base):
    """Who did what on a round, when; written once (I16, I21)."""

    __tablename__ = "round_event"

    id: Mapped[Id]
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"), index=True)
    #: Only stops that are ridden have events; a plan is replaced before anybody rides it.
    #: Indexed, because every stop of a replaced plan is looked for here.
    stop_id: Mapped[int | None] = mapped_column(ForeignKey("stop.id"), index=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    event: Mapped[Key]
    #: Parcel numbers, the receiver's name: what the event alone does not say.
    detail: Mapped[str] = mapped_column(server_default="")
