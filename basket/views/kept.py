"""The association's view of what the shops keep: for whoever answers the telephone."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from basket.reservation_queries import open_reservations
from marketplace.clock import local_day
from marketplace.hall import the_hall
from marketplace.web.access import open_to, role
from marketplace.web.headers import keep_nothing

blueprint = Blueprint("kept", __name__)
blueprint.after_request(keep_nothing)


def _staff() -> bool:
    return role("coordinator")() or role("treasurer")()


@blueprint.get("/reservations")
@open_to(_staff)
def home() -> ResponseReturnValue:
    """Every open reservation, the soonest end first; the shops see the telephone, not the association."""
    hall = the_hall()
    with hall.database.reading() as session:
        cards, is_more = open_reservations(session)
    return render_template(
        "basket/reservations/kept.html", cards=cards, is_more=is_more, today=local_day(hall.clock.now())
    )
