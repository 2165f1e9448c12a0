"""What the round allows: pure decisions over values."""

from __future__ import annotations

from dataclasses import dataclass

from marketplace.geo import distance_m

#: Round states and what moves them. A state that is not a key here is an end.
ROUND_NEXT: dict[tuple[str, str], str] = {
    ("open", "close"): "closed",
    ("closed", "reopen"): "open",
    ("closed", "plan"): "planning",
    ("planned", "plan"): "planning",
    ("planning", "planned"): "planned",
    ("planning", "plan_failed"): "closed",
    ("planned", "hand_out"): "riding",
    ("riding", "finish"): "done",
}


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
