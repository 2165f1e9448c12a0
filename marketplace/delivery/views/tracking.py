"""The resident's own bead on the line; the link is the key, there is no account."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from marketplace.delivery import queries
from marketplace.hall import the_hall
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing

blueprint = Blueprint("tracking", __name__)
blueprint.after_request(keep_nothing)


@blueprint.get("/suivre/<token>")
@open_to(everyone)
def show(token: str) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        tracking = queries.get_tracking(session, token=token)
    return render_template("marketplace/delivery/tracking.html", tracking=tracking, now=hall.clock.now())
