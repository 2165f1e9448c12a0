"""The treasurer's page: where every cent is."""

from __future__ import annotations

from flask import Blueprint, Flask, render_template
from flask.typing import ResponseReturnValue

from marketplace.hall import the_hall
from marketplace.web.access import open_to, role
from marketplace.web.site import add_staff_area
from merchants import treasury

blueprint = Blueprint("treasury", __name__)


@blueprint.get("/tresorerie")
@open_to(role("treasurer"))
def home() -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        # Balances and shares as of one instant: a payment in between would look like a difference.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        seen = treasury.look(session, hall.clock.now())
    return render_template("merchants/treasury.html", treasury=seen)


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    add_staff_area(app, "treasury.home", role("treasurer"))
