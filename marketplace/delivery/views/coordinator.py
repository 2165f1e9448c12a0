"""The coordinator's pages: which rounds fill, new rounds, one round whole, and its paper."""

from __future__ import annotations

from datetime import date, timedelta

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from marshmallow import ValidationError

from marketplace.clock import local_day
from marketplace.delivery import opening, planning, queries, rounds
from marketplace.delivery.moving import RoundMoved
from marketplace.delivery.schemas import (
    DayField,
    HourField,
    OpeningQuery,
    OpenRoundsForm,
    PlanForm,
    timetable_of,
    typed_of,
    with_boxes,
)
from marketplace.errors import FieldError, MarketplaceError, NotFound
from marketplace.hall import the_hall
from marketplace.ids import new_token
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence

blueprint = Blueprint("coordinator", __name__, url_prefix="/tournees")

may_coordinate = role("coordinator")

#: Rounds that are over stay on the list for a week, for those who ask about them.
LOOK_BACK = timedelta(days=7)


@blueprint.get("")
@open_to(may_coordinate)
def home() -> ResponseReturnValue:
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        cards = queries.rounds_from(session, since=today - LOOK_BACK)
    return render_template("marketplace/delivery/rounds.html", cards=cards, today=today)


@blueprint.get("/ouvrir")
@open_to(may_coordinate)
def opening_form() -> ResponseReturnValue:
    try:
        query = OpeningQuery().load(request.args.to_dict())
    except ValidationError:
        raise NotFound() from None
    return _opening_page(query["zone"], query["comme"], {})


@blueprint.post("/ouvrir/<int:zone_id>")
@open_to(may_coordinate)
def open_rounds(zone_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        form = load_form(OpenRoundsForm(), with_boxes(request.form, "day"))
        days = sorted({*form["day"], *([form["other_day"]] if form["other_day"] else [])})
        with hall.database.transaction() as session:
            opened = rounds.open_timetable(
                session,
                zone_id=zone_id,
                days=days,
                timetable=timetable_of(form),
                form_key=form["key"],
                actor=_actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _opening_page(zone_id, None, refused.errors)
    except rounds.RoundsRefused as refused:
        codes = {
            "other_day" if fault.field == "day" and fault.on not in form["day"] else fault.field: [fault.code]
            for fault in refused.faults
        }
        return _opening_page(zone_id, None, codes, on=refused.faults[0].on)
    flash(sentence("rounds_opened", qty=len(opened)), "done")
    only = url_for("coordinator.show", round_id=opened[0]) if len(opened) == 1 else None
    return redirect(only or url_for("coordinator.home"), 303)


@blueprint.get("/<int:round_id>")
@open_to(may_coordinate)
def show(round_id: int) -> ResponseReturnValue:
    return _page(round_id, {}, {})


@blueprint.get("/<int:round_id>/feuille")
@open_to(may_coordinate)
def sheet(round_id: int) -> ResponseReturnValue:
    """Each courier's stops on paper, for a phone that is empty."""
    hall = the_hall()
    with hall.database.reading() as session:
        page = queries.get_round_page(session, round_id=round_id, now=hall.clock.now())
    return render_template("marketplace/delivery/sheet.html", round_page=page)


@blueprint.post("/<int:round_id>/retirer")
@open_to(may_coordinate)
def withdraw(round_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        rounds.withdraw_round(session, round_id=round_id, actor=_actor(), now=hall.clock.now())
    flash(sentence("round_withdrawn"), "done")
    return redirect(url_for("coordinator.home"), 303)


@blueprint.post("/<int:round_id>/fermer")
@open_to(may_coordinate)
def close(round_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        rounds.close_round(session, round_id=round_id, actor=_actor(), now=hall.clock.now())
    return _back(round_id, "round_closed")


@blueprint.post("/<int:round_id>/rouvrir")
@open_to(may_coordinate)
def reopen(round_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        rounds.reopen_round(session, round_id=round_id, actor=_actor(), now=hall.clock.now())
    return _back(round_id, "round_reopened")


@blueprint.post("/<int:round_id>/preparer")
@open_to(may_coordinate)
def plan(round_id: int) -> ResponseReturnValue:
    hall = the_hall()
    chosen = request.form.getlist("vehicle")
    try:
        form = load_form(PlanForm(), with_boxes(request.form, "vehicle"))
        with hall.database.transaction() as session:
            planning.ask_for_plan(
                session, round_id=round_id, vehicle_ids=form["vehicle"], actor=_actor(), now=hall.clock.now()
            )
    except FormErrors as refused:
        return _page(round_id, refused.errors, {"vehicle": chosen})
    except FieldError as refused:
        return _page(round_id, {refused.field: [refused.code]}, {"vehicle": chosen})
    except planning.NothingToPlan as refused:
        return _page(round_id, {"vehicle": [refused.code]}, {"vehicle": chosen})
    return redirect(url_for("coordinator.show", round_id=round_id), 303)


@blueprint.post("/<int:round_id>/confier")
@open_to(may_coordinate)
def hand_out(round_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        rounds.hand_out(session, round_id=round_id, actor=_actor(), now=hall.clock.now())
    return _back(round_id, "round_handed_out")


@blueprint.errorhandler(RoundMoved)
@blueprint.errorhandler(rounds.NothingToRide)
@blueprint.errorhandler(rounds.RoundBooked)
def back_to_round(error: MarketplaceError) -> ResponseReturnValue:
    """Somebody else was quicker, or the page is old: show the round as it is, and say so."""
    return _back((request.view_args or {})["round_id"], error.code, "look")


def _actor() -> str:
    return f"user:{current_user.id}"


def _back(round_id: int, said: str, kind: str = "done") -> ResponseReturnValue:
    flash(sentence(said), kind)
    return redirect(url_for("coordinator.show", round_id=round_id), 303)


def _page(round_id: int, codes: dict[str, list[str]], typed: dict[str, list[str]]) -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    with hall.database.reading() as session:
        page = queries.get_round_page(session, round_id=round_id, now=now)
    chosen = typed.get("vehicle")
    if chosen is None:
        picked = [courier for courier in page.couriers if courier.is_chosen] or page.couriers
        chosen = [str(courier.vehicle_id) for courier in picked]
    body = render_template(
        "marketplace/delivery/round.html", round_page=page, chosen=frozenset(chosen), codes=codes, now=now
    )
    return body, 422 if codes else 200


def _opening_page(
    zone_id: int | None, like_id: int | None, codes: dict[str, list[str]], on: date | None = None
) -> ResponseReturnValue:
    """The form with what was typed, or with the hours of a former round; `on` is the day that a refusal is about."""
    hall = the_hall()
    with hall.database.reading() as session:
        page = opening.get_opening_page(session, zone_id=zone_id, like_id=like_id, now=hall.clock.now())
    # The summary names the faults in the order of the page.
    fields = OpenRoundsForm().fields
    codes = {field: codes[field] for field in ("day", "other_day", *fields, *codes) if field in codes}
    typed = request.form.to_dict() if codes else {**typed_of(page.timetable), "key": new_token()}
    body = render_template(
        "marketplace/delivery/open_rounds.html",
        opening=page,
        is_like=like_id is not None,
        typed=typed,
        ticked=frozenset(request.form.getlist("day")),
        codes=codes,
        details={"on": on},
        as_text=frozenset(
            name
            for name, field in fields.items()
            if isinstance(field, HourField | DayField) and not field.is_shown(typed.get(name, ""))
        ),
    )
    return body, 422 if codes else 200
