"""What the round allows, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from marketplace.delivery.rules import (
    ROUND_NEXT,
    ROUND_STATES,
    Load,
    about,
    is_on_couriers_phone,
    may_ask_for_plan,
    may_reopen,
    why_left_out,
)

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)

ALLOWED = {
    ("open", "close", "closed"),
    ("open", "withdraw", "withdrawn"),
    ("closed", "reopen", "open"),
    ("closed", "plan", "planning"),
    ("planned", "plan", "planning"),
    ("planning", "plan", "planning"),
    ("planning", "planned", "planned"),
    ("planning", "plan_kept", "planned"),
    ("planning", "plan_failed", "closed"),
    ("planned", "hand_out", "riding"),
    ("riding", "finish", "done"),
    ("done", "resume", "riding"),
}
EVENTS = (
    "close",
    "withdraw",
    "reopen",
    "plan",
    "planned",
    "plan_kept",
    "plan_failed",
    "hand_out",
    "finish",
    "resume",
)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", ROUND_STATES)
def test_every_pair_of_state_and_event_is_allowed_or_refused_as_written_here(state: str, event: str) -> None:
    after = ROUND_NEXT.get((state, event))
    assert (after is None) or (state, event, after) in ALLOWED
    assert sum((state, event) == pair[:2] for pair in ALLOWED) == (after is not None)


@pytest.mark.parametrize(
    ("planned", "told"),
    [("17:40:00", "17:40"), ("17:40:01", "17:45"), ("17:41:00", "17:45"), ("17:59:59", "18:00")],
)
def test_a_resident_is_told_the_next_full_five_minutes(planned: str, told: str) -> None:
    instant = datetime.fromisoformat(f"2026-11-28T{planned}+00:00")
    assert f"{about(instant):%H:%M}" == told


def test_a_plan_may_be_asked_for_again_when_no_answer_came_for_five_minutes() -> None:
    assert may_ask_for_plan("closed", None, NOON)
    assert may_ask_for_plan("planned", NOON, NOON)
    assert not may_ask_for_plan("planning", NOON - timedelta(minutes=4, seconds=59), NOON)
    assert may_ask_for_plan("planning", NOON - timedelta(minutes=5), NOON)
    assert not may_ask_for_plan("open", None, NOON)
    assert not may_ask_for_plan("riding", NOON, NOON)


def test_a_closed_round_opens_again_until_its_cut_off_only() -> None:
    assert may_reopen("closed", NOON, NOON - timedelta(seconds=1))
    assert not may_reopen("closed", NOON, NOON)
    assert not may_reopen("planned", NOON, NOON - timedelta(hours=1))


def test_a_courier_sees_a_round_from_the_hand_out_until_twelve_hours_after_its_end() -> None:
    assert is_on_couriers_phone("riding", NOON, NOON)
    assert is_on_couriers_phone("done", NOON, NOON + timedelta(hours=11, minutes=59))
    assert not is_on_couriers_phone("riding", NOON, NOON + timedelta(hours=12))
    assert not is_on_couriers_phone("planned", NOON, NOON - timedelta(hours=1))


def test_who_is_left_out_learns_what_to_try() -> None:
    bike = Load(60_000, 250_000, 0)
    cold_bike = Load(60_000, 250_000, 60_000)
    assert why_left_out(Load(1000, 1000, 0), ()) == "no_vehicle"
    assert why_left_out(Load(60_001, 1000, 0), (bike, cold_bike)) == "too_much"
    assert why_left_out(Load(1000, 2000, 2000), (bike,)) == "no_cold"
    assert why_left_out(Load(1000, 2000, 2000), (bike, cold_bike)) == "no_time"
