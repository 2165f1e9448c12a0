"""The answers on the way to an order: where, when, who. They survive a closed browser, and go with the order."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from basket.models import Checkout
from basket.orders import Address
from basket.pinning import Pin
from marketplace.ids import new_token


def get_checkout(session: Session, basket_id: int) -> Checkout:
    """The answers so far; a new, empty sheet with its own key when there is none."""
    session.execute(
        upsert(Checkout)
        .values(basket_id=basket_id, key=new_token())
        .on_conflict_do_nothing(index_elements=[Checkout.basket_id])
    )
    return session.scalars(select(Checkout).where(Checkout.basket_id == basket_id)).one()


def read_checkout(session: Session, basket_id: int) -> Checkout:
    """The answers so far, for a page that only shows them: an empty sheet without a row when there are none."""
    written = session.scalars(select(Checkout).where(Checkout.basket_id == basket_id)).one_or_none()
    blank = dict.fromkeys(("street", "postcode", "city", "access_note", "name", "phone", "email"), "")
    return written or Checkout(basket_id=basket_id, key="", is_pinned=False, **blank)


def set_collection(session: Session, *, basket_id: int) -> None:
    """Each shop's part is collected there."""
    checkout = get_checkout(session, basket_id)
    checkout.mode, checkout.slot_id = "collection", None
    session.flush()


def set_place(session: Session, *, basket_id: int, address: Address) -> None:
    """The parcels go to this address; a slot chosen for another place on the map must be chosen again."""
    checkout = get_checkout(session, basket_id)
    if checkout.postcode != address.postcode or (checkout.lat, checkout.lon) != (address.lat, address.lon):
        checkout.slot_id = None
    checkout.mode = "delivery"
    checkout.street, checkout.postcode, checkout.city = address.street, address.postcode, address.city
    checkout.lat, checkout.lon = address.lat, address.lon
    checkout.access_note = address.access_note
    checkout.is_pinned = address.is_pinned
    if not address.is_pinned:
        _take_pin(checkout)
    session.flush()


def set_typed(session: Session, *, basket_id: int, street: str, postcode: str, city: str, access_note: str) -> None:
    """An address as it was typed, to be shown on the plan. Unless it is the one of before, it has no place yet."""
    checkout = get_checkout(session, basket_id)
    if not (checkout.mode == "delivery" and is_typed(checkout, street=street, postcode=postcode, city=city)):
        checkout.street, checkout.postcode, checkout.city = street, postcode, city
        checkout.lat, checkout.lon, checkout.is_pinned, checkout.slot_id = None, None, False, None
        _take_pin(checkout)
    checkout.mode, checkout.access_note = "delivery", access_note
    session.flush()


def is_typed(checkout: Checkout, *, street: str, postcode: str, city: str) -> bool:
    """Whether the sheet holds this very address."""
    return (checkout.street, checkout.postcode, checkout.city) == (street, postcode, city)


def set_pin(session: Session, *, basket_id: int, pin: Pin) -> None:
    """The pin stands there on the plan; nothing is delivered to it yet."""
    checkout = get_checkout(session, basket_id)
    checkout.pin_lat, checkout.pin_lon, checkout.pin_zoom = pin.lat, pin.lon, pin.zoom
    session.flush()


def pin_of(checkout: Checkout) -> Pin | None:
    """Where the pin was last put; None before."""
    if checkout.pin_lat is None or checkout.pin_lon is None or checkout.pin_zoom is None:
        return None
    return Pin(checkout.pin_lat, checkout.pin_lon, checkout.pin_zoom)


def _take_pin(checkout: Checkout) -> None:
    checkout.pin_lat, checkout.pin_lon, checkout.pin_zoom = None, None, None


def set_slot(session: Session, *, basket_id: int, slot_id: int) -> None:
    checkout = get_checkout(session, basket_id)
    checkout.slot_id = slot_id
    session.flush()


def set_contact(session: Session, *, basket_id: int, name: str, phone: str, email: str, shortage: str) -> None:
    checkout = get_checkout(session, basket_id)
    checkout.name, checkout.phone, checkout.email, checkout.shortage = name, phone, email, shortage
    session.flush()


def keep_contact(session: Session, *, basket_id: int, name: str, phone: str, email: str) -> None:
    """Who has said it elsewhere on the walk need not type it again (WCAG 3.3.7); what was answered here stands."""
    checkout = get_checkout(session, basket_id)
    if not checkout.name:
        checkout.name, checkout.phone, checkout.email = name, phone, email
        session.flush()


def renew_key(session: Session, *, basket_id: int) -> None:
    """The key has made its order: the next one from this basket gets a key of its own."""
    get_checkout(session, basket_id).key = new_token()
    session.flush()


def first_open_step(checkout: Checkout) -> str:
    """The first screen whose question is not answered yet; "check" when all are."""
    if checkout.mode is None or (checkout.mode == "delivery" and checkout.lat is None):
        return "place"
    if checkout.mode == "delivery" and checkout.slot_id is None:
        return "slot"
    if not (checkout.name and checkout.phone and checkout.shortage):
        return "contact"
    return "check"


def address_of(checkout: Checkout) -> Address | None:
    """Where the parcels go; None for collection."""
    if checkout.mode != "delivery" or checkout.lat is None or checkout.lon is None:
        return None
    return Address(
        checkout.street,
        checkout.postcode,
        checkout.city,
        checkout.lat,
        checkout.lon,
        checkout.access_note,
        checkout.is_pinned,
    )
