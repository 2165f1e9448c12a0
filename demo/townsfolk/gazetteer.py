"""The streets and towns around, and which of them an address may mean."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from demo.townsfolk.wording import KINDS, AskedAddress, likeness, take_apart, telling_words

METRES_PER_DEGREE = 111_195
#: A place is not near when it is farther than this.
NEAR_M = 1_000

# How an answer's score, 0 to 1, falls with its distance from the question. The national geocoder gives at most
# about 0.97; a caller believes 0.75 (marketplace.geo.SURE_SCORE), so that a question that names another town or
# leaves words over is shown for choice, never believed.
BEST_SCORE = 0.97
ONLY_POSTCODE_SCORE = 0.86
NO_TOWN_COSTS = 0.10
OTHER_POSTCODE_COSTS = 0.20
NO_SUCH_NUMBER_COSTS = 0.10
WORD_LEFT_OVER_COSTS = 0.15
#: Flat and floor are often typed along; more of them do not make the street less likely.
WORDS_LEFT_OVER_MAXIMUM_COSTS = 0.30
#: Less than this is no answer at all: another street of the same kind stays below.
LEAST_SCORE = 0.50


@dataclass(frozen=True, slots=True)
class Place:
    """A street from its first to its last house, or a whole commune (`street` empty, no numbers)."""

    row: int
    street: str
    city: str
    postcode: str
    citycode: str
    start: tuple[float, float]
    end: tuple[float, float]
    number_min: int | None
    number_max: int | None

    def has(self, number: int) -> bool:
        return (
            self.number_min is not None
            and self.number_max is not None
            and (self.number_min <= number <= self.number_max)
        )

    def point(self, share: float) -> tuple[float, float]:
        """(lat, lon) after that share, 0 to 1, of the way."""
        (lat_a, lon_a), (lat_b, lon_b) = self.start, self.end
        return lat_a + share * (lat_b - lat_a), lon_a + share * (lon_b - lon_a)

    def point_of(self, number: int) -> tuple[float, float]:
        """(lat, lon) of a house: numbers stand at even distances along the street."""
        assert self.number_min is not None and self.number_max is not None
        return self.point((number - self.number_min) / max(1, self.number_max - self.number_min))


@dataclass(frozen=True, slots=True)
class Answer:
    """A place that an address may mean. `number` is None for the whole street or commune."""

    place: Place
    number: str | None
    lat: float
    lon: float
    score: float
    distance_m: int | None = None

    @property
    def precision(self) -> str:
        """housenumber, street or municipality, in the national geocoder's words."""
        if not self.place.street:
            return "municipality"
        return "street" if self.number is None else "housenumber"


@dataclass(frozen=True, slots=True)
class Worded:
    """A place with the words that its name is found by."""

    place: Place
    street_words: tuple[str, ...]
    city_words: tuple[str, ...]


class Gazetteer:
    """All places of a file, in its order."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._worded = [Worded(place, telling_words(place.street), telling_words(place.city)) for place in places]

    def search(self, text: str, limit: int) -> list[Answer]:
        """The places that a typed address may mean, best first; none when it is unknown."""
        asked = take_apart(text)
        answers = [answer for one in self._worded if (answer := _answer(one, asked))]
        return sorted(answers, key=lambda answer: (-answer.score, answer.place.row))[:limit]

    def reverse(self, lat: float, lon: float, limit: int) -> list[Answer]:
        """The houses nearest to a point, one for each street within NEAR_M."""
        answers = [_nearest(one.place, lat, lon) for one in self._worded if one.place.number_min is not None]
        near = [answer for answer in answers if answer.distance_m is not None and answer.distance_m <= NEAR_M]
        return sorted(near, key=lambda answer: (answer.distance_m, answer.place.row))[:limit]


def read_gazetteer(path: Path) -> Gazetteer:
    """The gazetteer of a CSV file with the columns of demo/town/gazetteer.csv."""
    with path.open(encoding="utf-8", newline="") as lines:
        return Gazetteer(
            Place(
                row=row,
                street=cells["street"],
                city=cells["city"],
                postcode=cells["postcode"],
                citycode=cells["citycode"],
                start=(float(cells["lat_start"]), float(cells["lon_start"])),
                end=(float(cells["lat_end"]), float(cells["lon_end"])),
                number_min=int(cells["number_min"]) if cells["number_min"] else None,
                number_max=int(cells["number_max"]) if cells["number_max"] else None,
            )
            for row, cells in enumerate(csv.DictReader(lines, delimiter=";"))
        )


def _answer(worded: Worded, asked: AskedAddress) -> Answer | None:
    place = worded.place
    if asked.postcode is not None and asked.postcode[:2] != place.postcode[:2]:
        return None  # another department: the same street name there is not this street
    if not place.street:
        return _commune(worded, asked)
    left = list(asked.words)
    wanted = got = 0.0
    for word in worded.street_words:
        weight = 0.5 if word in KINDS else 1.0
        wanted += weight
        got += weight * _take(word, left)
    score = BEST_SCORE * got / wanted
    city_likenesses = [_take(word, left) for word in worded.city_words]
    if asked.postcode is None and not all(city_likenesses):
        score -= NO_TOWN_COSTS
    if asked.postcode is not None and asked.postcode != place.postcode:
        score -= OTHER_POSTCODE_COSTS
    score -= min(WORDS_LEFT_OVER_MAXIMUM_COSTS, WORD_LEFT_OVER_COSTS * len(left))
    number, (lat, lon) = None, place.point(0.5)
    if asked.number is not None:
        house = int(re.sub(r"\D", "", asked.number))
        if place.has(house):
            number, (lat, lon) = asked.number, place.point_of(house)
        else:
            score -= NO_SUCH_NUMBER_COSTS
    return Answer(place, number, lat, lon, score) if score >= LEAST_SCORE else None


def _commune(worded: Worded, asked: AskedAddress) -> Answer | None:
    """The commune itself, when nothing but its name or its postcode was asked."""
    place = worded.place
    lat, lon = place.start
    if asked.number is not None or asked.postcode not in (None, place.postcode):
        return None
    if not asked.words:
        return Answer(place, None, lat, lon, ONLY_POSTCODE_SCORE) if asked.postcode else None
    left = list(asked.words)
    likenesses = [_take(word, left) for word in worded.city_words]
    if left or not all(likenesses):
        return None
    return Answer(place, None, lat, lon, BEST_SCORE * sum(likenesses) / len(likenesses))


def _take(word: str, left: list[str]) -> float:
    """How well the best of the words left means `word`; that one is taken away."""
    best = max(left, key=lambda asked: likeness(word, asked), default=None)
    if best is None or not likeness(word, best):
        return 0.0
    left.remove(best)
    return likeness(word, best)


def _nearest(place: Place, lat: float, lon: float) -> Answer:
    """The house of a street that stands nearest to a point, on a flat map: streets are short."""
    assert place.number_min is not None and place.number_max is not None
    metres_per_lon = METRES_PER_DEGREE * math.cos(math.radians(lat))
    (lat_a, lon_a), (lat_b, lon_b) = place.start, place.end
    along = (lon_b - lon_a) * metres_per_lon, (lat_b - lat_a) * METRES_PER_DEGREE
    here = (lon - lon_a) * metres_per_lon, (lat - lat_a) * METRES_PER_DEGREE
    length_squared = along[0] ** 2 + along[1] ** 2
    share = (here[0] * along[0] + here[1] * along[1]) / length_squared if length_squared else 0.0
    share = min(1.0, max(0.0, share))
    number = place.number_min + round(share * (place.number_max - place.number_min))
    house_lat, house_lon = place.point_of(number)
    distance_m = math.hypot((lon - house_lon) * metres_per_lon, (lat - house_lat) * METRES_PER_DEGREE)
    return Answer(place, str(number), house_lat, house_lon, max(0.0, 1 - distance_m / NEAR_M), round(distance_m))
