"""What the worker does for the shelves."""

from __future__ import annotations

from marketplace.clock import local_day
from marketplace.hall import Hall
from marketplace.jobs import periodic
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
