"""Commands of the hall: `flask --app marketplace.app COMMAND`."""

from __future__ import annotations

import sys

import click
from flask import Flask, current_app

from marketplace.hall import the_hall
from marketplace.jobs import LEASE_S, run_worker
from marketplace.migrating import migrate
from marketplace.selfcheck import self_check


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


def init_cli(app: Flask) -> None:
    app.cli.add_command(migrate_command)
    app.cli.add_command(worker_command)
    app.cli.add_command(self_check_command)
