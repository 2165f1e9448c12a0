"""The basket of the browser that is asking: its token is all that the cookie holds of it."""

from __future__ import annotations

from flask import session as cookie
from sqlalchemy.orm import Session

from basket.baskets import get_basket_id, open_basket, pieces_qty
from marketplace.errors import NotFound
from marketplace.hall import the_hall

KEY = "basket"


def find_basket(session: Session) -> int | None:
    """The visitor's basket, or None; a token that opens nothing any more is forgotten."""
    token = cookie.get(KEY)
    if token is None:
        return None
    try:
        return get_basket_id(session, token)
    except NotFound:
        cookie.pop(KEY)
        return None


def get_or_open_basket(session: Session) -> int:
    """The visitor's basket, opened now if there was none. The first cookie of the visit is set here."""
    basket_id = find_basket(session)
    if basket_id is None:
        basket = open_basket(session, the_hall().clock.now())
        cookie.permanent = True
        cookie[KEY] = basket.token
        basket_id = basket.id
    return basket_id


def basket_count() -> int:
    """How many pieces are in it; nobody without a basket costs a query."""
    token = cookie.get(KEY)
    if token is None:
        return 0
    with the_hall().database.glance() as session:
        return pieces_qty(session, token)
