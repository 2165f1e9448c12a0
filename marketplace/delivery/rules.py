"""What the round allows: pure decisions over values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.geo import distance_m

#: Round states and what moves them. A state that is not a key here is an end.
ROUND_NEXT: dict[tuple[str, str], str] = {
    ("open", "close"): "closed",
    # Only while nobody has a place on it.
    ("open", "withdraw"): "withdrawn",
    ("closed", "reopen"): "open",
    ("closed", "plan"): "planning",
    ("planned", "plan"): "planning",
    ("planning", "planned"): "planned",
    ("planning", "plan_kept"): "planned",
    ("planning", "plan_failed"): "closed",
    # Asked again because no answer came: the older question's answer is dropped.
    ("planning", "plan"): "planning",
    ("planned", "hand_out"): "riding",
    ("riding", "finish"): "done",
    # A home that was left with its parcels is tried once more.
    ("done", "resume"): "riding",
}

ROUND_STATES = ("open", "closed", "planning", "planned", "riding", "done", "withdrawn")

#: Bookings that hold a place; the others have given it back (I03).
LIVE_BOOKINGS = ("held", "confirmed", "delivered", "returned")

#: A plan takes seconds, a minute on a busy machine; after five somebody may ask again.
PLAN_PATIENCE = timedelta(minutes=5)

#: How long a courier can still open a round that is over (domain D6).
COURIER_ACCESS = timedelta(hours=12)

#: How long a courier may go back to a home that was left with its parcels; then they are back at the shops.
RETRY_WITHIN = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Load:
    """What a household's parcels take of a bike: grams, millilitres, and millilitres that must be chilled."""

    grams: int
    ml: int
    cold_ml: int

    def __add__(self, other: Load) -> Load:
        return Load(self.grams + other.grams, self.ml + other.ml, self.cold_ml + other.cold_ml)


NO_LOAD = Load(0, 0, 0)


def is_served(hub: tuple[float, float], radius_m: int, home: tuple[float, float]) -> bool:
    """Whether a bike goes as far as this home; both are (lat, lon)."""
    return distance_m(hub, home) <= radius_m


def may_ask_for_plan(state: str, asked_at: datetime | None, now: datetime) -> bool:
    """Whether a plan can be asked for now: not while one is under way, unless it has been gone for too long."""
    if state == "planning":
        return asked_at is None or now - asked_at >= PLAN_PATIENCE
    return (state, "plan") in ROUND_NEXT


def may_reopen(state: str, cut_off_at: datetime, now: datetime) -> bool:
    """A round that was closed early can be opened again until its cut-off; afterwards nobody could book it."""
    return state == "closed" and now < cut_off_at


def is_on_couriers_phone(state: str, back_by_at: datetime, now: datetime) -> bool:
    """Whether a courier may open this round: from the hand-out until twelve hours after its end (domain D6)."""
    return state in ("riding", "done") and now < back_by_at + COURIER_ACCESS


def about(instant: datetime) -> datetime:
    """The instant as it is told to somebody who waits: the next full five minutes."""
    late = instant.minute % 5 * 60 + instant.second
    return (instant + timedelta(seconds=(300 - late) % 300)).replace(microsecond=0)


def why_left_out(load: Load, vehicles: tuple[Load, ...]) -> str:
    """What to try for a household that no courier's line holds: `no_vehicle`, `too_much`, `no_cold` or `no_time`.

    The planner gives no reason; these are the ones that can be told from the loads alone, `no_time` what remains.
    """
    if not vehicles:
        return "no_vehicle"
    if not any(load.grams <= vehicle.grams and load.ml <= vehicle.ml for vehicle in vehicles):
        return "too_much"
    if not any(
        load.grams <= vehicle.grams and load.ml <= vehicle.ml and load.cold_ml <= vehicle.cold_ml
        for vehicle in vehicles
    ):
        return "no_cold"
    return "no_time"
