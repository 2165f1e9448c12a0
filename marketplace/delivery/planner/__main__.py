"""The child process: a problem on stdin, a plan on stdout, within CPU seconds that count the imports too."""

from __future__ import annotations

import resource
import sys

import click

from . import no_pandas  # noqa: F401 - its import is its work, and it must come before the engines
from .instance import InstanceUnreadable, plan_to_json, problem_from_json
from .two_level import plan

#: An engine that obeys no limit, in a child whose parent died, ends itself this many CPU seconds late.
OVERRUN_S = 30


@click.command()
@click.option("--seconds", type=float, required=True)
@click.option("--spent", "spent_s", type=float, default=0.0)
@click.option("--seed", type=int, required=True)
def main(seconds: float, spent_s: float, seed: int) -> None:
    most_s = int(seconds) + OVERRUN_S
    resource.setrlimit(resource.RLIMIT_CPU, (most_s, most_s))
    try:
        problem = problem_from_json(sys.stdin.read())
    except InstanceUnreadable as unreadable:
        raise click.ClickException(str(unreadable)) from unreadable
    sys.stdout.write(plan_to_json(plan(problem, seconds=seconds, spent_s=spent_s, seed=seed)))


if __name__ == "__main__":
    main()
