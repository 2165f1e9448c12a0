"""What must hold whatever happened: every package's invariants, as sentences for those that do not.

Run after every test that touched the database, every ten minutes in production, and by `flask self-check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache

from sqlalchemy import text
from sqlalchemy.orm import Session

Check = Callable[[Session], Iterator[str]]

_checks: list[Check] = []


def register_check(check: Check) -> None:
    """Let `self_check` ask this too. A check yields one sentence for each thing that is wrong."""
    if check not in _checks:
        _checks.append(check)


def self_check(session: Session) -> list[str]:
    """Everything that is broken, in sentences; an empty list when the house stands."""
    assert _checks, "nobody has registered a check: silence would prove nothing"
    return [sentence for check in _checks for sentence in check(session)]


def sentences(session: Session, rules: Sequence[tuple[str, str]]) -> Iterator[str]:
    """For each (name of the rule, query of its violations): a sentence a row, at most ten of a kind.

    The queries are ours and take no parameters. One statement asks them all which of them find something.
    """
    for place in session.scalars(text(_which_find(tuple(query for _, query in rules)))).all():
        name, query = rules[place]
        limited = f"SELECT * FROM ({query}) violations LIMIT 10"  # noqa: S608  # our own sentences, no parameters
        for row in session.execute(text(limited)).all():
            yield f"{name}: {', '.join(str(value) for value in row)}"


@cache
def _which_find(queries: tuple[str, ...]) -> str:
    return " UNION ALL ".join(f"SELECT {place} WHERE EXISTS ({query})" for place, query in enumerate(queries))
