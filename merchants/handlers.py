"""What the worker does for the shelves and their merchants."""

from __future__ import annotations

from marketplace.clock import local_day
from marketplace.hall import Hall
from marketplace.jobs import periodic, subscribe
from marketplace.letters import send_once
from merchants import letters
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
