"""Commands of the hall: `flask --app marketplace.app COMMAND`."""

from __future__ import annotations

import sys

import click
from flask import Flask
from flask.cli import AppGroup

from marketplace.hall import the_hall
from marketplace.jobs import run_worker
from marketplace.ledger.service import balances, broken_postings
from marketplace.migrating import migrate

ledger = AppGroup("ledger", help="The book of every cent.")


@click.command("migrate")
def migrate_command() -> None:
    """Bring the database to the newest shape."""
    migrate(the_hall().database.url)
    click.echo("database up to date")


@click.command("worker")
def worker_command() -> None:
    """Work on jobs until told to stop."""
    run_worker(the_hall())


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
