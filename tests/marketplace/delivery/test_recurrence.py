"""On which days a calendar rule makes a round."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from marketplace.delivery.recurrence import LAST, Recurrence, days_of, skipped_days

A_TUESDAY = date(2026, 12, 1)
NEW_YEAR = date(2027, 1, 1)


def _days(recurrence: Recurrence, since: date = A_TUESDAY, until: date = date(2027, 1, 10)) -> list[str]:
    return [f"{day:%d/%m}" for day in days_of(recurrence, since, until)]


def test_every_week_on_its_weekdays() -> None:
    rule = Recurrence("weekly", A_TUESDAY, weekdays=frozenset({1, 5}))
    assert _days(rule, until=date(2026, 12, 12)) == ["01/12", "05/12", "08/12", "12/12"]


def test_every_other_week_counts_from_the_week_of_the_first_day() -> None:
    """From Saturday the 5th: the Tuesday before it is over, the weeks of the 14th and the 28th follow."""
    rule = Recurrence("weekly", date(2026, 12, 5), weekdays=frozenset({1, 5}), every_weeks=2)
    assert _days(rule) == ["05/12", "15/12", "19/12", "29/12", "02/01"]


def test_the_nth_and_the_last_weekday_of_a_month() -> None:
    rule = Recurrence("monthly", A_TUESDAY, weekdays=frozenset({5}), nths=frozenset({1, LAST}))
    assert _days(rule, until=date(2027, 2, 28)) == ["05/12", "26/12", "02/01", "30/01", "06/02", "27/02"]


def test_a_fourth_weekday_that_is_the_last_is_made_once() -> None:
    rule = Recurrence("monthly", A_TUESDAY, weekdays=frozenset({5}), nths=frozenset({4, LAST}))
    assert _days(rule, until=date(2026, 12, 31)) == ["26/12"]


def test_single_dates_in_order_each_once() -> None:
    rule = Recurrence("dates", A_TUESDAY, dates=frozenset({date(2026, 12, 24), date(2026, 12, 13), date(2025, 12, 24)}))
    assert _days(rule) == ["13/12", "24/12"]


def test_none_before_the_first_after_the_last_nor_on_a_day_that_is_left_out() -> None:
    rule = Recurrence(
        "weekly",
        date(2026, 12, 8),
        last_on=date(2026, 12, 22),
        weekdays=frozenset({1}),
        except_on=frozenset({date(2026, 12, 15)}),
    )
    assert _days(rule) == ["08/12", "22/12"]


@pytest.mark.parametrize(
    ("on_holidays", "days"),
    [
        ("skip", ["18/12", "08/01"]),
        ("ride", ["18/12", "25/12", "01/01", "08/01"]),
        ("eve", ["18/12", "24/12", "31/12", "08/01"]),
    ],
)
def test_christmas_and_new_year_on_a_friday(on_holidays: str, days: list[str]) -> None:
    rule = Recurrence("weekly", date(2026, 12, 15), weekdays=frozenset({4}), on_holidays=on_holidays)
    assert _days(rule) == days
    skipped = [] if on_holidays == "ride" else [date(2026, 12, 25), NEW_YEAR]
    assert skipped_days(rule, A_TUESDAY, date(2027, 1, 10)) == skipped


def test_an_eve_that_is_asked_for_alone_is_found_and_one_that_is_planned_anyway_is_one_round() -> None:
    """The eve lies before the day that the rule names: it is found from either side."""
    friday = Recurrence("weekly", A_TUESDAY, weekdays=frozenset({3, 4}), on_holidays="eve")
    eve = NEW_YEAR - timedelta(days=1)
    assert days_of(friday, eve, eve) == [eve]


def test_an_eve_that_is_left_out_or_before_the_first_day_is_not_ridden() -> None:
    left_out = Recurrence(
        "weekly", A_TUESDAY, weekdays=frozenset({4}), on_holidays="eve", except_on=frozenset({date(2026, 12, 24)})
    )
    assert "24/12" not in _days(left_out)
    begun = Recurrence("weekly", NEW_YEAR, weekdays=frozenset({4}), on_holidays="eve")
    assert _days(begun) == ["08/01"]
