"""What the worker does for the shelves and their merchants."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from marketplace.clock import local_day
from marketplace.hall import Hall
from marketplace.jobs import periodic, publish, subscribe
from marketplace.letters import send_once
from merchants import letters
from merchants.models import Merchant
from merchants.search.index import find_stale as find_stale_products
from merchants.search.index import index_products, rotate

#: Few enough that a shop's edit, which waits for the same rows, does not give up.
STALE_AT_A_TIME = 200


@periodic("40 3 * * *")
def rotate_search(hall: Hall) -> None:
    """A new day, a new draw: no shop stands first for ever (domain M5)."""
    with hall.database.transaction() as session:
        rotate(session, on=local_day(hall.clock.now()))


@periodic("*/10 * * * *")
def mend_search(hall: Hall) -> None:
    """What search misses, still holds or has in the stems of another version is written again."""
    with hall.database.transaction() as session:
        index_products(session, find_stale_products(session, limit=STALE_AT_A_TIME))


@subscribe("commission.set")
def tell_of_commission(hall: Hall, rate_id: int) -> None:
    with hall.database.reading() as session:
        letter = letters.commission(session, rate_id, site_url=hall.settings.site_url)
    if letter is not None:  # who has no address is told by the association
        send_once(hall, letter)


@subscribe("mandate.signed")
def send_mandate_to_merchant(hall: Hall, merchant_id: int, ordinal: int) -> None:
    with hall.database.reading() as session:
        letter = letters.mandate(session, merchant_id, ordinal, to=None, site_url=hall.settings.site_url)
    if letter is not None:
        send_once(hall, letter)


@subscribe("mandate.signed")
def send_mandate_to_association(hall: Hall, merchant_id: int, ordinal: int) -> None:
    settings = hall.settings
    with hall.database.reading() as session:
        letter = letters.mandate(session, merchant_id, ordinal, to=settings.site_email, site_url=settings.site_url)
    if letter is not None:
        send_once(hall, letter)


@subscribe("connection.shut")
def tell_of_shut_account(hall: Hall, party: str, since: str) -> None:
    with hall.database.reading() as session:
        letter = letters.shut(session, party, datetime.fromisoformat(since), site_url=hall.settings.site_url)
    if letter is not None:
        send_once(hall, letter)


@subscribe("delivery_terms.set")
def tell_of_delivery_terms(hall: Hall, policy_id: int) -> None:
    """Each merchant's letter is a job of its own: one that a mail server keeps waiting does not hold up the others."""
    with hall.database.transaction() as session:
        for merchant_id in session.scalars(select(Merchant.id).where(Merchant.email != "").order_by(Merchant.id)).all():
            publish(session, "delivery_terms.tell", policy_id=policy_id, merchant_id=merchant_id)


@subscribe("delivery_terms.tell")
def tell_one_of_delivery_terms(hall: Hall, policy_id: int, merchant_id: int) -> None:
    with hall.database.reading() as session:
        letter = letters.delivery_terms(session, policy_id, merchant_id, site_url=hall.settings.site_url)
    send_once(hall, letter)
