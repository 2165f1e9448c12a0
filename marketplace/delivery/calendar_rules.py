"""Calendar rules: kept, paused, turned into rounds ahead of time; a change reaches the rounds that nobody booked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session, selectinload

from marketplace.clock import local_day, local_instant
from marketplace.delivery.models import Booking, Round, RoundRule, RoundRuleWindow, Slot, Zone
from marketplace.delivery.moving import move_round, record
from marketplace.delivery.recurrence import Recurrence, days_of
from marketplace.delivery.rounds import RoundsRefused, open_on
from marketplace.delivery.rules import Load
from marketplace.delivery.timetable import Fault, Timetable, Window, faults_of, faults_on
from marketplace.errors import NotFound

#: A rule is read with its windows.
WITH_WINDOWS = selectinload(RoundRule.windows)
#: In the books, the clock opens the rounds of a rule.
CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class RulePlan:
    """What a coordinator writes of a rule: `ahead_days` before its day each round opens."""

    name: str
    recurrence: Recurrence
    timetable: Timetable
    ahead_days: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the rounds when a rule was kept: opened, given its new hours, taken back, left as somebody has
    booked them."""

    rule_id: int
    opened_qty: int
    changed_qty: int
    withdrawn_qty: int
    booked_qty: int


def add_rule(session: Session, *, zone_id: int, plan: RulePlan, form_key: str, actor: str, now: datetime) -> Kept:
    """The rule stands, and its rounds of the days ahead are open; the same form once more adds nothing.

    RoundsRefused, NotFound for the zone.
    """
    check_plan(plan, now)
    _hold_zone(session, zone_id)
    known = session.scalars(select(RoundRule.id).where(RoundRule.form_key == form_key, RoundRule.zone_id == zone_id))
    known_id = known.one_or_none()
    if known_id is not None:
        return Kept(known_id, 0, 0, 0, 0)
    rule = RoundRule(zone_id=zone_id, form_key=form_key, windows=[])
    session.add(rule)
    _write(rule, plan, actor, now)
    session.flush()
    return Kept(rule.id, _open_due(session, rule, actor, now), 0, 0, 0)


def change_rule(session: Session, *, rule_id: int, plan: RulePlan, actor: str, now: datetime) -> Kept:
    """The rule is as `plan` says, and so are its rounds ahead that nobody has booked; those that somebody has booked
    stay as they were promised. RoundsRefused, NotFound.
    """
    check_plan(plan, now)
    rule = _hold_rule(session, rule_id)
    rule.windows.clear()
    session.flush()
    _write(rule, plan, actor, now)
    session.flush()
    today = local_day(now)
    wanted = set(days_of(plan.recurrence, today, today + timedelta(days=plan.ahead_days)))
    changed = withdrawn = booked = 0
    for round_, is_booked in _rounds_ahead(session, rule, now):
        if is_booked:
            booked += 1
        elif round_.on_date in wanted and not faults_on(plan.timetable, round_.on_date, now):
            changed += _retime(session, round_, plan.timetable, actor, now)
        else:
            # The rule may want this day again later.
            round_.rule_id = None
            session.flush()
            move_round(session, round_id=round_.id, event="withdraw", actor=actor, now=now)
            withdrawn += 1
    opened = _open_due(session, rule, actor, now) if rule.paused_at is None else 0
    return Kept(rule.id, opened, changed, withdrawn, booked)


def check_plan(plan: RulePlan, now: datetime) -> None:
    """RoundsRefused for hours that do not fit together, and for a rule that never makes a round."""
    faults = list(faults_of(plan.timetable))
    first = max(plan.recurrence.first_on, local_day(now))
    if not days_of(plan.recurrence, first, first + timedelta(days=366)):
        faults.append(Fault("pattern", "rule_without_days"))
    if faults:
        raise RoundsRefused(faults)


def pause_rule(session: Session, *, rule_id: int, actor: str, now: datetime) -> bool:
    """The rule makes no round any more; those that it has made stay. Whether this call did it; NotFound."""
    rule = _hold_rule(session, rule_id)
    if rule.paused_at is not None:
        return False
    rule.paused_at, rule.actor = now, actor
    return True


def resume_rule(session: Session, *, rule_id: int, actor: str, now: datetime) -> bool:
    """The rule makes rounds again, those of the days ahead at once. Whether this call did it; NotFound."""
    rule = _hold_rule(session, rule_id)
    if rule.paused_at is None:
        return False
    rule.paused_at, rule.actor = None, actor
    _open_due(session, rule, actor, now)
    return True


def open_due_rounds(session: Session, *, rule_id: int, now: datetime) -> int:
    """The rounds that a rule wants ahead are open; how many this call has opened. Harmless to repeat."""
    rule = _hold_rule(session, rule_id)
    return _open_due(session, rule, CLOCK, now) if rule.paused_at is None else 0


def standing_rules(session: Session) -> Sequence[int]:
    """The rules that make rounds."""
    return session.scalars(select(RoundRule.id).where(RoundRule.paused_at.is_(None)).order_by(RoundRule.id)).all()


def plan_of(rule: RoundRule) -> RulePlan:
    """What the rule says; its windows are loaded."""
    return RulePlan(
        name=rule.name,
        recurrence=Recurrence(
            pattern=rule.pattern,
            first_on=rule.first_on,
            last_on=rule.last_on,
            weekdays=frozenset(rule.weekdays),
            every_weeks=rule.every_weeks,
            nths=frozenset(rule.nths),
            dates=frozenset(rule.dates),
            on_holidays=rule.on_holidays,
            except_on=frozenset(rule.except_on),
        ),
        timetable=Timetable(
            cut_off=rule.cut_off,
            is_cut_off_on_eve=rule.is_cut_off_on_eve,
            collect_from=rule.collect_from,
            collect_until=rule.collect_until,
            back_by=rule.back_by,
            windows=tuple(Window(one.row, one.starts, one.ends, one.places_qty) for one in rule.windows),
            capacity=Load(rule.capacity_grams, rule.capacity_ml, rule.capacity_cold_ml),
        ),
        ahead_days=rule.ahead_days,
    )


# --- How -------------------------------------------------------------------------------------------------------


def _hold_zone(session: Session, zone_id: int) -> None:
    # Whoever opens rounds of one zone waits here for the others.
    if session.get(Zone, zone_id, with_for_update=True) is None:
        raise NotFound()


def _hold_rule(session: Session, rule_id: int) -> RoundRule:
    zone_id = session.scalar(select(RoundRule.zone_id).where(RoundRule.id == rule_id))
    if zone_id is None:
        raise NotFound()
    _hold_zone(session, zone_id)
    return session.scalars(
        select(RoundRule).where(RoundRule.id == rule_id).options(WITH_WINDOWS).execution_options(populate_existing=True)
    ).one()


def _write(rule: RoundRule, plan: RulePlan, actor: str, now: datetime) -> None:
    days, hours = plan.recurrence, plan.timetable
    rule.name, rule.ahead_days = plan.name, plan.ahead_days
    rule.pattern, rule.every_weeks, rule.on_holidays = days.pattern, days.every_weeks, days.on_holidays
    rule.weekdays, rule.nths = sorted(days.weekdays), sorted(days.nths)
    rule.dates, rule.except_on = sorted(days.dates), sorted(days.except_on)
    rule.first_on, rule.last_on = days.first_on, days.last_on
    rule.cut_off, rule.is_cut_off_on_eve = hours.cut_off, hours.is_cut_off_on_eve
    rule.collect_from, rule.collect_until, rule.back_by = hours.collect_from, hours.collect_until, hours.back_by
    rule.capacity_grams, rule.capacity_ml = hours.capacity.grams, hours.capacity.ml
    rule.capacity_cold_ml = hours.capacity.cold_ml
    rule.windows.extend(
        RoundRuleWindow(row=one.row, starts=one.starts, ends=one.ends, places_qty=one.places_qty)
        for one in hours.windows
    )
    rule.set_at, rule.actor = now, actor


def _open_due(session: Session, rule: RoundRule, actor: str, now: datetime) -> int:
    """Days that the clock's night spoils, that are past their cut-off, or that have a round at that collecting time
    already, are left out."""
    plan, today = plan_of(rule), local_day(now)
    days = days_of(plan.recurrence, today, today + timedelta(days=plan.ahead_days))
    made = set(session.scalars(select(Round.on_date).where(Round.rule_id == rule.id, Round.on_date >= today)))
    taken = set(
        session.scalars(
            select(Round.collect_from_at).where(
                Round.zone_id == rule.zone_id, Round.on_date >= today, Round.state != "withdrawn"
            )
        )
    )
    opened = 0
    for day in days:
        if day in made or local_instant(day, plan.timetable.collect_from) in taken:
            continue
        if not faults_on(plan.timetable, day, now):
            open_on(session, rule.zone_id, day, plan.timetable, f"rule:{rule.id}", actor, now, rule_id=rule.id)
            opened += 1
    return opened


def _rounds_ahead(session: Session, rule: RoundRule, now: datetime) -> Iterator[tuple[Round, bool]]:
    """The rule's open rounds that still take orders, held; with whether anybody ever had a place on them."""
    booked = exists().where(Booking.slot_id == Slot.id, Slot.round_id == Round.id)
    rows = session.execute(
        select(Round, booked)
        .where(Round.rule_id == rule.id, Round.state == "open", Round.cut_off_at > now)
        .order_by(Round.id)
        .with_for_update(of=Round)
        .execution_options(populate_existing=True)
    ).all()
    for round_, _ in rows:
        # Asked once more under the lock: whoever takes a place holds the round's row as well.
        is_booked = session.scalar(select(exists().where(Booking.slot_id == Slot.id, Slot.round_id == round_.id)))
        yield round_, bool(is_booked)


def _retime(session: Session, round_: Round, timetable: Timetable, actor: str, now: datetime) -> int:
    """The round, which nobody has booked, has these hours and this room; 1 if that was new."""
    starts_at = local_instant(round_.on_date, timetable.collect_from)
    other = select(Round.on_date).where(
        Round.zone_id == round_.zone_id,
        Round.collect_from_at == starts_at,
        Round.id != round_.id,
        Round.state != "withdrawn",
    )
    if (taken_on := session.scalar(other)) is not None:
        raise RoundsRefused([Fault("collect_from", "hour_has_round", taken_on)])
    slots = session.scalars(select(Slot).where(Slot.round_id == round_.id).order_by(Slot.starts_at)).all()
    day = round_.on_date
    wanted = [
        (local_instant(day, one.starts), local_instant(day, one.ends), one.places_qty)
        for one in sorted(timetable.windows, key=lambda one: one.starts)
    ]
    instants = {
        "cut_off_at": timetable.cut_off_at(day),
        "collect_from_at": local_instant(day, timetable.collect_from),
        "collect_until_at": local_instant(day, timetable.collect_until),
        "back_by_at": local_instant(day, timetable.back_by),
        "capacity_grams": timetable.capacity.grams,
        "capacity_ml": timetable.capacity.ml,
        "capacity_cold_ml": timetable.capacity.cold_ml,
    }
    is_same = all(getattr(round_, name) == value for name, value in instants.items())
    if is_same and [(slot.starts_at, slot.ends_at, slot.capacity_stops) for slot in slots] == wanted:
        return 0
    for name, value in instants.items():
        setattr(round_, name, value)
    session.execute(delete(Slot).where(Slot.round_id == round_.id))
    session.add_all(
        Slot(round_id=round_.id, starts_at=starts_at, ends_at=ends_at, capacity_stops=places_qty)
        for starts_at, ends_at, places_qty in wanted
    )
    record(session, round_id=round_.id, event="retime", actor=actor, now=now)
    return 1


def next_days(plan: RulePlan, now: datetime, qty: int) -> tuple[date, ...]:
    """The next days of a rule that can still be booked, at most so many, within a year."""
    today = local_day(now)
    days = days_of(plan.recurrence, today, today + timedelta(days=365))
    return tuple(islice((day for day in days if not faults_on(plan.timetable, day, now)), qty))
