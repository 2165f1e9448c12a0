"""`rounds`: plan a round from a file, without a database."""

from __future__ import annotations

import math
import time
from pathlib import Path

import click

from marketplace.delivery.planner import (
    InstanceUnreadable,
    Plan,
    PlannerFailed,
    Problem,
    plan_in_child,
    plan_plainly,
    plan_to_json,
    problem_from_json,
)

SOLVED, NOTHING, UNREADABLE = 0, 1, 2
#: Below, the engines' imports alone use up the budget; above, nobody waits.
FEWEST_S, MOST_S = 1, 3600


@click.group()
def rounds() -> None:
    """Plan common rounds."""


def _seconds(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not (math.isfinite(value) and FEWEST_S <= value <= MOST_S):
        raise click.BadParameter(f"a number from {FEWEST_S} to {MOST_S} was expected.")
    return value


@rounds.command()
@click.argument("instance", type=click.Path(path_type=Path))
@click.option("--seconds", type=float, required=True, callback=_seconds, help="CPU seconds of one thread, all in all.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The solution's file.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same plan.")
@click.pass_context
def solve(context: click.Context, instance: Path, seconds: float, out: Path, seed: int) -> None:
    """Plan the round that the JSON file INSTANCE describes.

    Exit status: 0 a plan was written, 1 no order could be served, 2 a file cannot be read or written.
    """
    try:
        problem = problem_from_json(instance.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, InstanceUnreadable) as trouble:
        click.echo(f"{instance}: {trouble}", err=True)
        context.exit(UNREADABLE)
    plan = _plan(problem, seconds, seed)
    try:
        out.write_text(plan_to_json(plan) + "\n", encoding="utf-8")
    except OSError as trouble:
        click.echo(f"{out}: {trouble}", err=True)
        context.exit(UNREADABLE)
    served_qty = len(problem.orders) - len(plan.unserved)
    couriers_qty = sum(1 for steps in plan.routes if steps)
    click.echo(f"{plan.distance_m(problem) / 1000:.2f} km, {couriers_qty} couriers, {served_qty} orders served")
    if plan.unserved:
        click.echo(f"{len(plan.unserved)} orders fit nowhere: {', '.join(map(str, plan.unserved))}", err=True)
    context.exit(NOTHING if problem.orders and not served_qty else SOLVED)


def _plan(problem: Problem, seconds: float, seed: int) -> Plan:
    try:
        return plan_in_child(problem, seconds=seconds, seed=seed, spent_s=time.process_time())
    except PlannerFailed as failure:
        click.echo(f"The planner failed ({failure}); this is the plain plan, without the engines.", err=True)
        return plan_plainly(problem, seed=seed)


if __name__ == "__main__":
    rounds()
