"""Addresses on the map, through geopy: the national geocoder, or whatever answers in its format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from geopy.adapters import URLLibAdapter
from geopy.distance import great_circle
from geopy.exc import GeopyError
from geopy.geocoders import BANFrance

from marketplace.errors import GatewayError

#: Below this score the national geocoder is guessing; a house number with less is shown for choice, not believed.
SURE_SCORE = 0.75
#: Answers of the geocoder that a process keeps, in each direction: an hour of a busy day.
KEPT_ANSWERS = 512


@dataclass(frozen=True, slots=True)
class FoundAddress:
    """An answer of the geocoder. `score` 0 to 1; `precision` housenumber | street | locality | municipality."""

    label: str
    street: str
    postcode: str
    city: str
    lat: float
    lon: float
    score: float
    precision: str

    @property
    def is_sure(self) -> bool:
        return self.score >= SURE_SCORE and self.precision == "housenumber"


class Geocoder:
    """`scheme` and `domain` (with path) of a service that answers as the national geocoder does."""

    def __init__(self, *, scheme: str, domain: str, timeout_s: float = 4) -> None:
        # Asks once, as somebody waits for the page. The other adapter asks three times, and its library writes each
        # address that it asked for into the log, with the home in it.
        self._service = BANFrance(
            domain=domain,
            scheme=scheme,
            timeout=timeout_s,
            user_agent="marche-commun",
            adapter_factory=URLLibAdapter,
        )
        # A page that is read again asks nobody again: the service belongs to everybody and counts our questions.
        self._find = lru_cache(KEPT_ANSWERS)(self._ask)
        self._near = lru_cache(KEPT_ANSWERS)(self._ask_near)

    def find(self, street: str, postcode: str, city: str, limit: int = 5) -> list[FoundAddress]:
        """The places that an address may mean, best first; none when it is unknown.

        GatewayError (not permanent) when the service is down, slow, or answers something else.
        """
        return list(self._find(f"{street} {postcode} {city}", limit))

    def _ask(self, address: str, limit: int) -> tuple[FoundAddress, ...]:
        with _trouble_as_gateway_error():
            answers = self._service.geocode(address, limit=limit, exactly_one=False)
            return tuple(_read(answer.raw) for answer in answers or ())[:limit]

    def near(self, lat: float, lon: float) -> FoundAddress | None:
        """The known address nearest to a point, in degrees; None where there is none around.

        GatewayError as for `find`. Its `score` falls with the distance, so that `is_sure` says nothing here.
        """
        return self._near(lat, lon)

    def _ask_near(self, lat: float, lon: float) -> FoundAddress | None:
        with _trouble_as_gateway_error():
            answer = self._service.reverse((lat, lon))
            return None if answer is None else _read(answer.raw)


@contextmanager
def _trouble_as_gateway_error() -> Iterator[None]:
    """Whatever goes wrong between us and the service, said without its address: a home stands in that."""
    try:
        yield
    except (GeopyError, KeyError, IndexError, TypeError, ValueError, AttributeError) as trouble:
        raise GatewayError(f"geocoder: {type(trouble).__name__}", permanent=False) from trouble


def _read(raw: dict[str, Any]) -> FoundAddress:
    lon, lat = raw["geometry"]["coordinates"]
    place = raw["properties"]
    return FoundAddress(
        label=str(place["label"]),
        street=str(place["name"]),
        postcode=str(place.get("postcode", "")),
        city=str(place["city"]),
        lat=float(lat),
        lon=float(lon),
        score=float(place["score"]),
        precision=str(place["type"]),
    )


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle metres between two (lat, lon)."""
    return float(great_circle(a, b).meters)
