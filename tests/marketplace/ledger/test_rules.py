from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from marketplace.ledger.rules import NOTHING, Period, Sums, booked_on, closing_text, link, periods_ending_with


def test_a_hash_is_taken_over_the_hash_before_and_the_text() -> None:
    # (head -c 32 /dev/zero; printf '["é"]') | sha256sum
    first = link(NOTHING, '["é"]')
    assert first.hex() == "c6d553ebff7056294f04542c666221877d48b2ee4c3e1d33a6992196e9388bec"
    assert link(first, '["é"]').hex() == "09a746f540d1c2c4eff514ae82f8d748ccfdef5c5e773be8f4052058400c04f0"


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 24, 22, 59, 59, tzinfo=UTC), date(2026, 11, 24)),  # one second to midnight in Angoulême
        (datetime(2026, 11, 24, 23, 0, tzinfo=UTC), date(2026, 11, 25)),
        (datetime(2026, 11, 20, 9, 0, tzinfo=UTC), date(2026, 11, 23)),  # late: its own day is closed
        (datetime(2026, 12, 24, 9, 0, tzinfo=UTC), date(2026, 11, 26)),  # from a clock that is ahead
    ],
)
def test_a_posting_counts_for_its_day_unless_that_is_closed_or_has_not_come(at: datetime, day: date) -> None:
    assert booked_on(at, open_on=date(2026, 11, 23), today=date(2026, 11, 26)) == day


@pytest.mark.parametrize(
    ("day", "periods"),
    [
        (date(2026, 11, 24), [Period("day", date(2026, 11, 24), date(2026, 11, 25))]),
        (
            date(2028, 2, 29),
            [
                Period("day", date(2028, 2, 29), date(2028, 3, 1)),
                Period("month", date(2028, 2, 1), date(2028, 3, 1)),
            ],
        ),
        (
            date(2026, 12, 31),
            [
                Period("day", date(2026, 12, 31), date(2027, 1, 1)),
                Period("month", date(2026, 12, 1), date(2027, 1, 1)),
                Period("year", date(2026, 1, 1), date(2027, 1, 1)),
            ],
        ),
    ],
)
def test_a_month_and_a_year_end_with_their_last_day(day: date, periods: list[Period]) -> None:
    assert list(periods_ending_with(day)) == periods


def test_a_closing_is_hashed_as_json() -> None:
    text = closing_text(
        7,
        Period("day", date(2026, 11, 24), date(2026, 11, 25)),
        datetime(2026, 11, 24, 23, 10, tzinfo=UTC),
        12,
        bytes.fromhex("ab" * 32),
        {"merchant:m1": Sums(0, 1835, 0, 3000), "holding": Sums(4429, 1835, 9000, 1835)},
    )
    assert text == (
        '[7, "day", "2026-11-24", "2026-11-25", "2026-11-24T23:10:00.000000Z", 12, "' + "ab" * 32 + '",'
        ' [["holding", 4429, 1835, 9000, 1835], ["merchant:m1", 0, 1835, 0, 3000]]]'
    )
