"""Where the parcels go: an address as somebody wrote it becomes one place on the map, or a question."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from basket.orders import Address
from basket.pinning import Surroundings
from marketplace.delivery import bookings
from marketplace.errors import MarketplaceError
from marketplace.geo import FoundAddress, Geocoder
from marketplace.plan import Area, Landmark
from merchants.queries import shop_places


class AddressUnknown(MarketplaceError):
    """The geocoder knows no such place."""

    code = "address_unknown"
    status = 422


class AddressUnsure(MarketplaceError):
    """It may mean one of several places: `candidates`, best first. Somebody has to choose."""

    code = "address_unsure"
    status = 422

    def __init__(self, candidates: Sequence[FoundAddress]) -> None:
        super().__init__()
        self.candidates = candidates


def pin_of(place: FoundAddress) -> str:
    """A place as a form names it."""
    return f"{place.lat:.6f},{place.lon:.6f}"


def locate(geocoder: Geocoder, *, street: str, postcode: str, city: str, access_note: str, pin: str = "") -> Address:
    """The one place that an address means, under the geocoder's own spelling where it knows the house.

    `pin` is the choice of somebody who was asked: only one of the places that the geocoder gives for this address.
    AddressUnknown, AddressUnsure, GatewayError. Never call it in a transaction (M05).
    """
    found = geocoder.find(street, postcode, city)
    chosen = next((place for place in found if pin == pin_of(place)), None)
    if chosen is None and not pin and found and found[0].is_sure:
        chosen = found[0]
    if chosen is None:
        raise AddressUnsure(found) if found else AddressUnknown()
    street = chosen.street if chosen.precision == "housenumber" else street
    return Address(street, chosen.postcode, chosen.city, chosen.lat, chosen.lon, access_note)


def surroundings_of(session: Session, *, postcode: str) -> Surroundings | None:
    """What the plan shows around the homes of a postcode: where the rounds go, their start, the shops; None where no
    round goes."""
    served = bookings.served_areas(session, postcode=postcode)
    if not served:
        return None
    shops = (Landmark(shop.name, shop.at, "shop", shop.awning) for shop in shop_places(session))
    hubs = (Landmark(area.hub_name, area.hub, "hub") for area in served)
    return Surroundings(tuple(Area(area.hub, area.radius_m) for area in served), (*hubs, *shops))


def check_served(session: Session, address: Address) -> None:
    """NotServed when no round goes to the address."""
    if bookings.find_zone(session, postcode=address.postcode, at=(address.lat, address.lon)) is None:
        raise bookings.NotServed(postcode=address.postcode)
