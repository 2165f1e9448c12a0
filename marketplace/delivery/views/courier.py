"""The courier's pages: one stop big, the next ones small, and the few acts that a stop takes."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.delivery import queries, riding
from marketplace.delivery.schemas import CollectForm, DeliverForm, with_boxes
from marketplace.errors import FieldError, MarketplaceError
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence

blueprint = Blueprint("courier", __name__, url_prefix="/ma-tournee")

may_ride = role("courier")


@blueprint.get("")
@open_to(may_ride)
def home() -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    with hall.database.reading() as session:
        mine = queries.find_courier_round(session, courier_id=current_user.id, now=now)
    if mine is None or mine.line.current is None:
        return render_template("marketplace/delivery/courier_idle.html", mine=mine, now=now)
    return _stop_page(mine, mine.line.current, {}, {})


@blueprint.get("/arret/<int:stop_id>")
@open_to(may_ride)
def stop(stop_id: int) -> ResponseReturnValue:
    """Any stop of the line, for whoever rides in another order or looks back."""
    return _page_of(stop_id, {}, {})


@blueprint.post("/arret/<int:stop_id>/collecte")
@open_to(may_ride)
def collect(stop_id: int) -> ResponseReturnValue:
    hall = the_hall()
    ticked = request.form.getlist("parcel")
    try:
        form = load_form(CollectForm(), with_boxes(request.form, "parcel"))
        with hall.database.transaction() as session:
            riding.collect(
                session,
                stop_id=stop_id,
                courier_id=current_user.id,
                parcel_ids=frozenset(form["parcel"]),
                without_rest=form["without_rest"],
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _page_of(stop_id, refused.errors, {"parcel": ticked})
    except FieldError as refused:
        return _page_of(stop_id, {refused.field: [refused.code]}, {"parcel": ticked})
    return _next("stop_collected")


@blueprint.post("/arret/<int:stop_id>/remise")
@open_to(may_ride, rate="60 per minute")
def deliver(stop_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(DeliverForm(), request.form)
        with hall.database.transaction() as session:
            riding.deliver(
                session,
                stop_id=stop_id,
                courier_id=current_user.id,
                code=form["code"],
                receiver=form["receiver"],
                is_adult={"yes": True, "no": False}.get(form["is_adult"]),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _page_of(stop_id, refused.errors, request.form)
    except FieldError as refused:
        return _page_of(stop_id, {refused.field: [refused.code]}, request.form)
    return _next("stop_left" if form["is_adult"] == "no" else "stop_settled")


@blueprint.post("/arret/<int:stop_id>/absent")
@open_to(may_ride)
def absent(stop_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        riding.leave_absent(session, stop_id=stop_id, courier_id=current_user.id, now=hall.clock.now())
    return _next("stop_left")


@blueprint.post("/arret/<int:stop_id>/encore")
@open_to(may_ride)
def again(stop_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        riding.try_again(session, stop_id=stop_id, courier_id=current_user.id, now=hall.clock.now())
    return redirect(url_for("courier.stop", stop_id=stop_id), 303)


@blueprint.errorhandler(riding.ParcelsNotOnBoard)
@blueprint.errorhandler(riding.TooLateToTryAgain)
def back_to_stop(error: MarketplaceError) -> ResponseReturnValue:
    return _page_of((request.view_args or {})["stop_id"], {"stop": [error.code]}, {}, status=error.status)


def _next(said: str) -> ResponseReturnValue:
    flash(sentence(said))
    return redirect(url_for("courier.home"), 303)


def _page_of(stop_id: int, codes: dict[str, list[str]], typed: object, status: int = 422) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        mine, row = queries.get_courier_stop(session, stop_id=stop_id, courier_id=current_user.id, now=hall.clock.now())
    return _stop_page(mine, row, codes, typed, status)


def _stop_page(
    mine: queries.CourierRound,
    row: queries.StopRow,
    codes: dict[str, list[str]],
    typed: object,
    status: int = 422,
) -> ResponseReturnValue:
    body = render_template(
        "marketplace/delivery/courier_stop.html",
        mine=mine,
        stop=row,
        codes=codes,
        typed=typed,
        now=the_hall().clock.now(),
    )
    return body, status if codes else 200
