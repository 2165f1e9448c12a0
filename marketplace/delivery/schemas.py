"""What the pages of the round send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from marshmallow import ValidationError, fields, validates_schema
from werkzeug.datastructures import MultiDict

from marketplace.delivery.recurrence import LAST, ON_HOLIDAYS, PATTERNS, Recurrence
from marketplace.delivery.rules import Load
from marketplace.delivery.timetable import Timetable, Window
from marketplace.schemas import (
    Boundary,
    ChoiceField,
    CountField,
    FlagField,
    PermilleField,
    QueryBoundary,
    SumField,
    TextField,
)

#: Ids are BIGINT: what is larger names no row.
LARGEST_ID = 2**63 - 1
#: More couriers than the association has, more parcels than a shop hands over at once.
MOST_VEHICLES, MOST_PARCELS = 200, 500


class HandoverCodeField(TextField):
    """Four digits as a resident reads them out, spaces do not matter. Code: not_a_handover_code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, **kwargs)

    def checked(self, text: str) -> str:
        digits = "".join(c for c in text if c not in " .-\u00a0\u202f")
        if not (len(digits) == 4 and digits.isascii() and digits.isdigit()):
            raise ValidationError("not_a_handover_code")
        return digits


class IdsField(fields.List):
    """The ids of ticked boxes. Code: not_a_choice."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        super().__init__(CountField(low=1, high=LARGEST_ID), **kwargs)
        self.most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if isinstance(value, list) and len(value) > self.most:
            raise ValidationError("not_a_choice")
        try:
            return list(super()._deserialize(value, attr, data, **kwargs))
        except ValidationError:
            # Nobody types these: which of them is wrong helps nobody.
            raise ValidationError("not_a_choice") from None


def with_boxes(form: MultiDict[str, str], name: str) -> dict[str, Any]:
    """A form as a mapping, with every value of the ticked boxes called `name`."""
    return {**form.to_dict(), name: form.getlist(name)}


class PlanForm(Boundary):
    vehicle = IdsField(most=MOST_VEHICLES, load_default=list)


class CollectForm(Boundary):
    parcel = IdsField(most=MOST_PARCELS, load_default=list)
    without_rest = FlagField(load_default=False)


class DeliverForm(Boundary):
    """Either the four digits or a name; the age where somebody has to look."""

    code = HandoverCodeField(load_default="")
    receiver = TextField(load_default="", max_length=80)
    is_adult = ChoiceField(("yes", "no"), load_default="")


#: As many windows as a round of an evening needs.
WINDOW_ROWS = (1, 2, 3, 4)
#: More days than anybody ticks, more homes in a window than a dozen couriers reach, more than a lorry carries.
MOST_DAYS, MOST_PLACES, MOST_KILOGRAMS, MOST_LITRES = 60, 300, 5_000, 20_000
HOUR = re.compile(r"([0-9]{1,2})(?: ?[:hH.] ?([0-9]{2})?)?(?::00)?")


class HourField(TextField):
    """An hour of the day as a browser's own field sends it, or as people type it: 17:30, 17 h 30, 17h.

    Code: not_an_hour. Empty is None unless required.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            return None
        found = HOUR.fullmatch(text)
        hour, minute = (int(found[1]), int(found[2] or 0)) if found else (24, 0)
        if hour > 23 or minute > 59:
            raise ValidationError("not_an_hour")
        return time(hour, minute)

    @staticmethod
    def is_shown(typed: str) -> bool:
        """Whether a browser's own field can show what was typed; another one drops it."""
        return typed == "" or re.fullmatch(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]", typed) is not None


class DayField(TextField):
    """A day as a browser's own field sends it (2026-11-28), or as people type it: 28/11/2026. Code: not_a_day."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text:
            return None
        try:
            if found := re.fullmatch(r"([0-9]{4})-([0-9]{2})-([0-9]{2})", text):
                return date(int(found[1]), int(found[2]), int(found[3]))
            if found := re.fullmatch(r"([0-9]{1,2})[/. ]([0-9]{1,2})[/. ]([0-9]{4})", text):
                return date(int(found[3]), int(found[2]), int(found[1]))
        except ValueError:
            raise ValidationError("not_a_day") from None
        raise ValidationError("not_a_day")

    @staticmethod
    def is_shown(typed: str) -> bool:
        """Whether a browser's own field can show what was typed; another one drops it."""
        try:
            return typed == "" or f"{date.fromisoformat(typed)}" == typed
        except ValueError:
            return False


class DaysField(fields.List):
    """The days that are ticked. Code: not_a_choice."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(DayField(), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        try:
            days = super()._deserialize(value, attr, data, **kwargs)
        except ValidationError:
            # Nobody types these: which of them is wrong helps nobody.
            raise ValidationError("not_a_choice") from None
        if len(days) > MOST_DAYS or None in days:
            raise ValidationError("not_a_choice")
        return days


class RoomField(CountField):
    """A quantity; what is not one gets the sentence `said`, which names its range. Empty is None unless required."""

    def __init__(self, *, said: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.said = said

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not self.required and isinstance(value, str) and not value.strip():
            return None
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError as refused:
            raise ValidationError("required" if refused.messages == ["required"] else self.said) from None


def _places() -> RoomField:
    return RoomField(low=1, high=MOST_PLACES, said="places_range", load_default=None)


class OpeningQuery(QueryBoundary):
    """Whose zone's last round to begin with, or with which round: /tournees/ouvrir?zone=&comme=."""

    zone = CountField(low=1, high=LARGEST_ID, load_default=None)
    comme = CountField(low=1, high=LARGEST_ID, load_default=None)


class TimetableForm(Boundary):
    """A round's hours and room. A window's row is filled whole, or left empty whole."""

    cut_off = HourField(required=True)
    cut_off_on = ChoiceField(("day", "eve"), required=True)
    collect_from = HourField(required=True)
    collect_until = HourField(required=True)
    window_1_from = HourField(load_default=None)
    window_1_until = HourField(load_default=None)
    window_1_places = _places()
    window_2_from = HourField(load_default=None)
    window_2_until = HourField(load_default=None)
    window_2_places = _places()
    window_3_from = HourField(load_default=None)
    window_3_until = HourField(load_default=None)
    window_3_places = _places()
    window_4_from = HourField(load_default=None)
    window_4_until = HourField(load_default=None)
    window_4_places = _places()
    back_by = HourField(required=True)
    kilograms = RoomField(low=1, high=MOST_KILOGRAMS, said="kilograms_range", required=True)
    litres = RoomField(low=1, high=MOST_LITRES, said="litres_range", required=True)
    cold_litres = RoomField(low=0, high=MOST_LITRES, said="cold_litres_range", required=True)

    @validates_schema(skip_on_field_errors=False)
    def _no_row_is_left_half(self, form: Mapping[str, Any], **kwargs: Any) -> None:
        """A field that has its own fault is not in `form`, but was filled in."""
        missing: dict[str, list[str]] = {}
        for row in WINDOW_ROWS:
            names = [f"window_{row}_{part}" for part in ("from", "until", "places")]
            empty = [name for name in names if form.get(name, "typed") is None]
            if 0 < len(empty) < len(names):
                missing |= {name: ["required"] for name in empty}
        if missing:
            raise ValidationError(missing)


class OpenRoundsForm(TimetableForm):
    """One timetable and the days that it holds on."""

    key = TextField(load_default="", max_length=64)
    day = DaysField(load_default=list)
    other_day = DayField(load_default=None)

    @validates_schema(skip_on_field_errors=False)
    def _there_is_a_day(self, form: Mapping[str, Any], **kwargs: Any) -> None:
        if form.get("day") == [] and form.get("other_day", "typed") is None:
            raise ValidationError({"day": ["choose_days"]})


class NumbersField(fields.List):
    """Ticked boxes whose values are small numbers. Code: not_a_choice."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(CountField(low=low, high=high), **kwargs)
        self.most = high - low + 1

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        try:
            numbers = super()._deserialize(value, attr, data, **kwargs)
        except ValidationError:
            raise ValidationError("not_a_choice") from None
        if len(numbers) > self.most or None in numbers:
            raise ValidationError("not_a_choice")
        return numbers


class DayListField(TextField):
    """Days of the calendar, one a line or with commas between them. Codes: not_days, too_many_days."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(load_default=(), max_length=2_000, multiline=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        typed = [one for one in re.split(r"[\s,;]+", text or "") if one]
        if len(typed) > MOST_DAYS:
            raise ValidationError("too_many_days")
        day = DayField(required=True)
        try:
            return tuple(day.deserialize(one) for one in typed)
        except ValidationError:
            raise ValidationError("not_days") from None


#: As far as rounds open ahead, as rarely as a rule rides.
MOST_AHEAD, MOST_WEEKS = 90, 8


class RuleForm(TimetableForm):
    """A calendar rule: its days, and the hours and room of each of its rounds. `step`: look at the days, or keep it."""

    key = TextField(load_default="", max_length=64)
    step = ChoiceField(("look", "keep"), load_default="keep")
    rule_name = TextField(required=True, max_length=60)
    pattern = ChoiceField(PATTERNS, required=True)
    weekday = NumbersField(low=0, high=6, load_default=list)
    every_weeks = RoomField(low=1, high=MOST_WEEKS, said="weeks_range", load_default=None)
    nth = NumbersField(low=1, high=LAST, load_default=list)
    dates = DayListField()
    first_on = DayField(required=True)
    last_on = DayField(load_default=None)
    on_holidays = ChoiceField(ON_HOLIDAYS, required=True)
    except_on = DayListField()
    ahead_days = RoomField(low=1, high=MOST_AHEAD, said="ahead_range", required=True)

    @validates_schema(skip_on_field_errors=False)
    def _the_pattern_has_days(self, form: Mapping[str, Any], **kwargs: Any) -> None:
        missing: dict[str, list[str]] = {}
        pattern = form.get("pattern")
        if pattern in ("weekly", "monthly") and form.get("weekday") == []:
            missing["weekday"] = ["choose_days"]
        if pattern == "monthly" and form.get("nth") == []:
            missing["nth"] = ["choose_nths"]
        if pattern == "dates" and form.get("dates") == ():
            missing["dates"] = ["write_days"]
        days = {name: form.get(name) for name in ("first_on", "last_on")}
        missing |= {name: ["not_a_day"] for name, day in days.items() if day and not 2000 <= day.year < 2200}
        first, last = days["first_on"], days["last_on"]
        if first is not None and last is not None and last < first:
            missing["last_on"] = ["last_before_first"]
        if missing:
            raise ValidationError(missing)


def recurrence_of(form: Mapping[str, Any]) -> Recurrence:
    """The days that a RuleForm has checked; what its pattern does not use is left out."""
    pattern = form["pattern"]
    return Recurrence(
        pattern=pattern,
        first_on=form["first_on"],
        last_on=form["last_on"],
        weekdays=frozenset(form["weekday"]) if pattern != "dates" else frozenset(),
        every_weeks=(form["every_weeks"] or 1) if pattern == "weekly" else 1,
        nths=frozenset(form["nth"]) if pattern == "monthly" else frozenset(),
        dates=frozenset(form["dates"]) if pattern == "dates" else frozenset(),
        on_holidays=form["on_holidays"],
        except_on=frozenset(form["except_on"]),
    )


def timetable_of(form: Mapping[str, Any]) -> Timetable:
    """The timetable that a TimetableForm has checked."""
    return Timetable(
        cut_off=form["cut_off"],
        is_cut_off_on_eve=form["cut_off_on"] == "eve",
        collect_from=form["collect_from"],
        collect_until=form["collect_until"],
        back_by=form["back_by"],
        windows=tuple(
            Window(row, form[f"window_{row}_from"], form[f"window_{row}_until"], form[f"window_{row}_places"])
            for row in WINDOW_ROWS
            if form[f"window_{row}_from"] is not None
        ),
        capacity=Load(form["kilograms"] * 1000, form["litres"] * 1000, form["cold_litres"] * 1000),
    )


def typed_of(timetable: Timetable) -> dict[str, str]:
    """The same timetable as the form's fields show it."""
    typed = {
        "cut_off": f"{timetable.cut_off:%H:%M}",
        "cut_off_on": "eve" if timetable.is_cut_off_on_eve else "day",
        "collect_from": f"{timetable.collect_from:%H:%M}",
        "collect_until": f"{timetable.collect_until:%H:%M}",
        "back_by": f"{timetable.back_by:%H:%M}",
        "kilograms": str(timetable.capacity.grams // 1000),
        "litres": str(timetable.capacity.ml // 1000),
        "cold_litres": str(timetable.capacity.cold_ml // 1000),
    }
    for row, window in zip(WINDOW_ROWS, timetable.windows, strict=False):
        typed |= {
            f"window_{row}_from": f"{window.starts:%H:%M}",
            f"window_{row}_until": f"{window.ends:%H:%M}",
            f"window_{row}_places": str(window.places_qty),
        }
    return typed


class NewTerms(Boundary):
    """Who pays what of a delivery in a zone, from a day on. `act`: look at the examples, or save."""

    cost = SumField(required=True)
    fee = SumField(required=True)
    free_from = SumField()
    merchants_rate = PermilleField(required=True)
    per_parcel = SumField(required=True)
    valid_from = DayField(required=True)
    act = ChoiceField(("look", "save"), required=True)
