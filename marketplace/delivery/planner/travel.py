"""Travel without a street map: the great circle, stretched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt

from .problem import Matrix, Place

#: Mean radius of the earth (IUGG 1980).
EARTH_M = 6_371_008.8


@dataclass(frozen=True, slots=True)
class GreatCircle:
    """Great circle times `detour`, at one speed.

    1.35 and 15 km/h are a cargo bike's on real street networks, as medians; single pairs differ by 10 to 30 %, more
    where a river or a hillside lies between, so that a plan made on it wants wider windows than one made on streets.
    """

    detour: float = 1.35
    speed_km_h: float = 15.0

    def matrices(self, places: Sequence[Place]) -> tuple[Matrix, Matrix]:
        """Whole metres and whole seconds between every two places."""
        lat = [radians(place.lat) for place in places]
        lon = [radians(place.lon) for place in places]
        cos_lat = [cos(value) for value in lat]
        size = len(places)
        metres = [[0] * size for _ in range(size)]
        for a in range(size):
            for b in range(a):
                haversine = sin((lat[b] - lat[a]) / 2) ** 2 + cos_lat[a] * cos_lat[b] * sin((lon[b] - lon[a]) / 2) ** 2
                # Rounding may carry the antipodes past 1, where asin ends.
                arc_m = 2 * EARTH_M * asin(sqrt(min(1.0, haversine)))
                metres[a][b] = metres[b][a] = round(arc_m * self.detour)
        speed_m_s = self.speed_km_h / 3.6
        return metres, [[round(value / speed_m_s) for value in row] for row in metres]
