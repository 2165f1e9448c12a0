"""A round as the town's clocks show it: what a coordinator writes once and opens on several days. Pure decisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from marketplace.clock import TOWN_ZONE, local_day, local_instant
from marketplace.delivery.rules import Load

#: A round further ahead than this is a slip in the year.
LONGEST_AHEAD = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Window:
    """Homes are promised to be reached between these hours; `row` is where it stands on the form, from 1."""

    row: int = field(compare=False)
    starts: time
    ends: time
    places_qty: int


@dataclass(frozen=True, slots=True)
class Timetable:
    """The hours and the room of a round, without its day; the cut-off may lie on the eve."""

    cut_off: time
    is_cut_off_on_eve: bool
    collect_from: time
    collect_until: time
    back_by: time
    windows: tuple[Window, ...]
    capacity: Load

    def cut_off_day(self, day: date) -> date:
        return day - timedelta(days=1) if self.is_cut_off_on_eve else day

    def cut_off_at(self, day: date) -> datetime:
        return local_instant(self.cut_off_day(day), self.cut_off)


#: What the page proposes to a town that never had a round: the evening, and what two cargo bikes bring home
#: (domain T3, T4).
FIRST_TIMETABLE = Timetable(
    cut_off=time(15, 30),
    is_cut_off_on_eve=False,
    collect_from=time(16),
    collect_until=time(17, 30),
    back_by=time(20, 30),
    windows=(Window(1, time(17), time(18, 30), 10), Window(2, time(18, 30), time(20), 10)),
    capacity=Load(grams=100_000, ml=400_000, cold_ml=60_000),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a timetable cannot stand: the form's field, the sentence's code, the day that it is about."""

    field: str
    code: str
    on: date | None = None


def faults_of(timetable: Timetable) -> tuple[Fault, ...]:
    """What no day could mend, in the order of the form; empty when the hours fit together.

    Windows may overlap, as those of two couriers do; what is refused is one that lies within another one: nobody
    would choose the longer promise.
    """
    return tuple(_faults_of(timetable))


def _faults_of(timetable: Timetable) -> Iterator[Fault]:
    if not timetable.is_cut_off_on_eve and timetable.cut_off > timetable.collect_from:
        yield Fault("cut_off", "cut_off_after_collecting")
    if timetable.collect_until <= timetable.collect_from:
        yield Fault("collect_until", "collecting_ends_first")
    if not timetable.windows:
        yield Fault("window_1_from", "no_window")
    for window in timetable.windows:
        if window.ends <= window.starts:
            yield Fault(f"window_{window.row}_until", "window_ends_first")
        elif window.starts < timetable.collect_from:
            yield Fault(f"window_{window.row}_from", "window_before_collecting")
        elif any(_lies_within(window, other) for other in timetable.windows if other.row < window.row):
            yield Fault(f"window_{window.row}_from", "window_within_another")
    if timetable.windows and timetable.back_by < max(window.ends for window in timetable.windows):
        yield Fault("back_by", "back_before_last_window")
    elif timetable.back_by < timetable.collect_until:
        yield Fault("back_by", "back_before_collected")
    if timetable.capacity.cold_ml > timetable.capacity.ml:
        yield Fault("cold_litres", "more_cold_than_all")


def _lies_within(one: Window, other: Window) -> bool:
    """Whether one of the two windows lies within the other, or begins with it."""
    first, second = sorted((one, other), key=lambda window: (window.starts, window.ends))
    return first.starts == second.starts or second.ends <= first.ends


def faults_on(timetable: Timetable, day: date, now: datetime) -> tuple[Fault, ...]:
    """What speaks against this day, in the order of the form: over, too far, hours that its night skips or repeats."""
    today = local_day(now)
    if day < today:
        return (Fault("day", "day_over", day),)
    if day > today + LONGEST_AHEAD:
        return (Fault("day", "day_too_far", day),)
    hours = [
        ("cut_off", timetable.cut_off_day(day), timetable.cut_off),
        ("collect_from", day, timetable.collect_from),
        ("collect_until", day, timetable.collect_until),
        *((f"window_{window.row}_from", day, window.starts) for window in timetable.windows),
        *((f"window_{window.row}_until", day, window.ends) for window in timetable.windows),
        ("back_by", day, timetable.back_by),
    ]
    strange = [(field, on, strange_hour(on, at)) for field, on, at in hours]
    found = tuple(Fault(field, code, on) for field, on, code in strange if code is not None)
    if not found and timetable.cut_off_at(day) <= now:
        return (Fault("day", "day_past_cut_off", day),)
    return found


def strange_hour(day: date, at: time) -> str | None:
    """`hour_skipped` or `hour_repeated` for a time that the clocks do not show once on that day; None as a rule."""
    once, again = (datetime.combine(day, at, TOWN_ZONE).replace(fold=fold) for fold in (0, 1))
    if once.utcoffset() == again.utcoffset():
        return None
    shown = once.astimezone(UTC).astimezone(TOWN_ZONE)
    return "hour_repeated" if shown.time() == at else "hour_skipped"
