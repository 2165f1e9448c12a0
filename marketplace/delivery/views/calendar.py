"""The coordinator's calendar: rules that open rounds ahead of time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from marshmallow import ValidationError
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.delivery import calendar_queries, calendar_rules, opening
from marketplace.delivery.calendar_rules import Kept, RulePlan
from marketplace.delivery.recurrence import skipped_days
from marketplace.delivery.rounds import RoundsRefused
from marketplace.delivery.schemas import (
    DayField,
    HourField,
    OpeningQuery,
    RuleForm,
    recurrence_of,
    timetable_of,
    typed_of,
)
from marketplace.delivery.views.coordinator import may_coordinate
from marketplace.errors import NotFound
from marketplace.hall import the_hall
from marketplace.ids import new_token
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to
from marketplace.web.sentences import sentence

blueprint = Blueprint("calendar", __name__, url_prefix="/tournees/calendrier")

#: The boxes of the form; each name comes once for every box that is ticked.
BOXES = ("weekday", "nth")
#: As many days as one reads before keeping a rule.
LOOKED_QTY = 8
#: As far as the holidays that lose their round are told.
LOOKED_AHEAD = timedelta(days=120)


@dataclass(frozen=True, slots=True)
class Looked:
    """The next days of the rule as it is typed, and the holidays among them without a round."""

    days: tuple[date, ...]
    skipped: tuple[date, ...]


@blueprint.get("")
@open_to(may_coordinate)
def home() -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        cards = calendar_queries.rule_cards(session, now=hall.clock.now())
    several = len({card.zone_name for card in cards}) > 1
    return render_template("marketplace/delivery/rules.html", cards=cards, has_other_zones=several)


@blueprint.get("/nouvelle")
@open_to(may_coordinate)
def new() -> ResponseReturnValue:
    try:
        zone_id = OpeningQuery().load(request.args.to_dict())["zone"]
    except ValidationError:
        raise NotFound() from None
    return _page(None, zone_id, {})


@blueprint.post("/nouvelle/<int:zone_id>")
@open_to(may_coordinate)
def add(zone_id: int) -> ResponseReturnValue:
    def keep(session: Session, form: Mapping[str, Any], plan: RulePlan) -> Kept:
        return calendar_rules.add_rule(
            session,
            zone_id=zone_id,
            plan=plan,
            form_key=form["key"] or new_token(),
            actor=_actor(),
            now=the_hall().clock.now(),
        )

    return _look_or_keep(None, zone_id, keep)


@blueprint.get("/<int:rule_id>")
@open_to(may_coordinate)
def show(rule_id: int) -> ResponseReturnValue:
    return _page(rule_id, None, {})


@blueprint.post("/<int:rule_id>")
@open_to(may_coordinate)
def change(rule_id: int) -> ResponseReturnValue:
    def keep(session: Session, form: Mapping[str, Any], plan: RulePlan) -> Kept:
        return calendar_rules.change_rule(
            session, rule_id=rule_id, plan=plan, actor=_actor(), now=the_hall().clock.now()
        )

    return _look_or_keep(rule_id, None, keep)


@blueprint.post("/<int:rule_id>/suspendre")
@open_to(may_coordinate)
def pause(rule_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        calendar_rules.pause_rule(session, rule_id=rule_id, actor=_actor(), now=hall.clock.now())
    flash(sentence("rule_paused"), "done")
    return redirect(url_for("calendar.home"), 303)


@blueprint.post("/<int:rule_id>/reprendre")
@open_to(may_coordinate)
def resume(rule_id: int) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        calendar_rules.resume_rule(session, rule_id=rule_id, actor=_actor(), now=hall.clock.now())
    flash(sentence("rule_resumed"), "done")
    return redirect(url_for("calendar.home"), 303)


def _actor() -> str:
    return f"user:{current_user.id}"


Keep = Callable[[Session, Mapping[str, Any], RulePlan], Kept]


def _look_or_keep(rule_id: int | None, zone_id: int | None, keep: Keep) -> ResponseReturnValue:
    """The next days of what is typed, or the rule as it is typed from now on."""
    hall = the_hall()
    try:
        sent: dict[str, Any] = request.form.to_dict()
        form = load_form(RuleForm(), sent | {name: request.form.getlist(name) for name in BOXES})
        plan = RulePlan(form["rule_name"], recurrence_of(form), timetable_of(form), form["ahead_days"])
        if form["step"] == "look":
            calendar_rules.check_plan(plan, hall.clock.now())
            return _page(rule_id, zone_id, {}, looked=_looked(plan))
        with hall.database.transaction() as session:
            kept = keep(session, form, plan)
    except FormErrors as refused:
        return _page(rule_id, zone_id, refused.errors)
    except RoundsRefused as refused:
        codes = {fault.field: [fault.code] for fault in refused.faults}
        return _page(rule_id, zone_id, codes, on=refused.faults[0].on)
    flash(
        sentence(
            "rule_kept",
            opened=kept.opened_qty,
            changed=kept.changed_qty,
            withdrawn=kept.withdrawn_qty,
            booked=kept.booked_qty,
        ),
        "done",
    )
    return redirect(url_for("calendar.home"), 303)


def _looked(plan: RulePlan) -> Looked:
    now = the_hall().clock.now()
    today = local_day(now)
    return Looked(
        calendar_rules.next_days(plan, now, LOOKED_QTY),
        tuple(skipped_days(plan.recurrence, today, today + LOOKED_AHEAD)),
    )


def _page(
    rule_id: int | None,
    zone_id: int | None,
    codes: Mapping[str, Sequence[str]],
    looked: Looked | None = None,
    on: date | None = None,
) -> ResponseReturnValue:
    """The form with what was typed, with the rule as it stands, or with the zone's last hours; `on` is the day
    that a refusal is about."""
    hall = the_hall()
    now = hall.clock.now()
    with hall.database.reading() as session:
        rule = calendar_queries.get_rule(session, rule_id=rule_id, now=now) if rule_id is not None else None
        opened = opening.get_opening_page(session, zone_id=rule.zone_id if rule else zone_id, like_id=None, now=now)
    fields = RuleForm().fields
    order = ("rule_name", "pattern", *BOXES, "every_weeks", "dates", "first_on", "last_on", *fields)
    if codes or looked:
        typed = request.form.to_dict()
        ticked = {name: frozenset(request.form.getlist(name)) for name in BOXES}
    else:
        typed = _typed(rule.plan) if rule else _first(opened, local_day(now))
        ticked = {
            "weekday": frozenset(str(day) for day in (rule.plan.recurrence.weekdays if rule else ())),
            "nth": frozenset(str(nth) for nth in (rule.plan.recurrence.nths if rule else ())),
        }
    body = render_template(
        "marketplace/delivery/rule.html",
        rule=rule,
        opening=opened,
        typed=typed,
        ticked=ticked,
        looked=looked,
        # The summary names the faults in the order of the page.
        codes={field: codes[field] for field in dict.fromkeys((*order, *codes)) if field in codes},
        details={"on": on},
        as_text=frozenset(
            name
            for name, field in fields.items()
            if isinstance(field, HourField | DayField) and not field.is_shown(typed.get(name, ""))
        ),
    )
    return body, 422 if codes else 200


def _first(opened: opening.OpeningPage, today: date) -> dict[str, str]:
    """A new rule begins with the hours of the zone's last round."""
    return {
        **typed_of(opened.timetable),
        "key": new_token(),
        "pattern": "weekly",
        "every_weeks": "1",
        "first_on": today.isoformat(),
        "on_holidays": "skip",
        "ahead_days": "21",
    }


def _typed(plan: RulePlan) -> dict[str, str]:
    days = plan.recurrence
    return {
        **typed_of(plan.timetable),
        "rule_name": plan.name,
        "pattern": days.pattern,
        "every_weeks": str(days.every_weeks),
        "dates": _lines(days.dates),
        "first_on": days.first_on.isoformat(),
        "last_on": days.last_on.isoformat() if days.last_on else "",
        "on_holidays": days.on_holidays,
        "except_on": _lines(days.except_on),
        "ahead_days": str(plan.ahead_days),
    }


def _lines(days: frozenset[date]) -> str:
    return "\n".join(f"{day:%d/%m/%Y}" for day in sorted(days))
