"""Commands of the hall: `flask --app marketplace.app COMMAND`."""

from __future__ import annotations

import sys

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from marketplace.hall import the_hall
from marketplace.jobs import LEASE_S, run_worker
from marketplace.ledger import checks
from marketplace.ledger.service import balances, broken_postings
from marketplace.migrating import migrate
from marketplace.selfcheck import register_check, self_check

ledger = AppGroup("ledger", help="The book of every cent.")


@click.command("migrate")
def migrate_command() -> None:
    """Bring the database to the newest shape."""
    migrate(the_hall().database.url)
    click.echo("database up to date")


@click.command("worker")
@click.option(
    "--lease",
    "lease_s",
    type=click.FloatRange(min=1),
    default=LEASE_S,
    show_default=True,
    help="Seconds without a sign of life after which another worker's jobs are run again.",
)
def worker_command(lease_s: float) -> None:
    """Work on jobs until told to stop."""
    run_worker(current_app._get_current_object(), lease_s=lease_s)  # type: ignore[attr-defined]  # the proxy's own way to its object


@click.command("self-check")
def self_check_command() -> None:
    """Say everything that does not hold together. Exit 1 when there is something."""
    with the_hall().database.reading() as session:
        broken = self_check(session)
    for sentence in broken:
        click.echo(sentence, err=True)
    click.echo(f"{len(broken)} broken rules")
    if broken:
        sys.exit(1)


@ledger.command("check")
def ledger_check() -> None:
    """Prove that every posting sums to zero, and print every account's balance. Exit 1 when one does not."""
    with the_hall().database.reading() as session:
        broken = list(broken_postings(session))
        totals = balances(session)
    for account, total in totals.items():
        click.echo(f"{account:<40} {total!s:>14}")
    for sentence in broken:
        click.echo(sentence, err=True)
    click.echo(f"{len(totals)} accounts, sum {sum(t.cents for t in totals.values())}, {len(broken)} broken postings")
    if broken:
        sys.exit(1)


def init_cli(app: Flask) -> None:
    app.cli.add_command(migrate_command)
    app.cli.add_command(worker_command)
    app.cli.add_command(ledger)
    app.cli.add_command(self_check_command)
    register_check(checks.broken_rules)
