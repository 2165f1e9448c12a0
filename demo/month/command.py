"""`flask simulate-month`: run it, watch it, and read what the treasurer would see at its end."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path

import click
from flask import current_app
from sqlalchemy import func, make_url, select, text

from demo.month.errands import draw_errands
from demo.month.house import House
from demo.month.month import Month, Outcome, Progress
from demo.seed import seed_town
from marketplace.clock import local_instant
from marketplace.db import Database, start_embedded, stop_embedded
from marketplace.hall import the_hall
from marketplace.migrating import migrate
from marketplace.web.filters import money
from merchants.models import Shop

ROOF = "simulate-month: the roof"
#: The house is opened before the first resident is up.
BEGINS = time(6, 0)
MOST_SAID = 50


@click.command("simulate-month")
@click.option("--orders", "orders_qty", type=click.IntRange(1, 100_000), default=1500, show_default=True)
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same month.")
@click.option(
    "--trouble",
    "trouble_percent",
    type=click.IntRange(0, 100),
    default=8,
    show_default=True,
    help="Per cent of the orders that meet some.",
)
@click.option("--first-day", type=click.DateTime(["%Y-%m-%d"]), default="2026-10-01", show_default=True)
@click.option(
    "--routing",
    type=click.Choice(("delayed", "upfront")),
    default="delayed",
    show_default=True,
    help="When merchants get their shares: after hand-over, or as the payment is made (MOLLIE_ROUTING).",
)
@click.option("--kill", "is_killed", is_flag=True, help="Kill the process at every outside call, before and after it.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder, for the INSTANCE_DIR of a house to look at.",
)
@click.option("--database-url", help="An empty database of its own instead of an embedded one.")
def simulate_month(
    orders_qty: int,
    days: int,
    seed: int,
    trouble_percent: int,
    first_day: datetime,
    routing: str,
    is_killed: bool,
    keep: Path | None,
    database_url: str | None,
) -> None:
    """Let the town trade for a month, with all that goes wrong, and explain every cent of it.

    The month has a database and a payment provider of its own; the town's is not touched. Exit 1, with sentences,
    when something is unexplained, lost or left over.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"{keep} n’est pas vide : donnez un nouveau dossier à --keep")
    on = first_day.date()
    with _folder(keep) as folder, _database(database_url, folder, is_kept=keep is not None) as database:
        click.echo("la ville ouvre ses boutiques…")
        roof = current_app.extensions[ROOF]
        house = House(roof, database, folder, local_instant(on, BEGINS), routing=routing)
        seed_town(house.hall, log=False)
        killer = house.kill_everywhere() if is_killed else None
        errands = draw_errands(
            seed=seed, orders_qty=orders_qty, first_day=on, days=days, trouble_percent=trouble_percent
        )
        month = Month(house, errands, first_day=on, days=days, tell=lambda progress: _tell(progress, days))
        month.run()
        outcome = month.outcome()
        house.close()
    if killer is not None:
        click.echo(f"{house.deaths_qty} arrêts brutaux, à {killer.calls_qty} appels vers l’extérieur")
    _show(outcome)
    if keep is not None:
        click.echo(f"gardé dans {keep} : INSTANCE_DIR={keep} python -m demo.run, puis la page de la trésorerie")
    if outcome.faults:
        sys.exit(1)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="month-") as thrown_away:
        yield Path(thrown_away)


@contextmanager
def _database(url: str | None, folder: Path, *, is_kept: bool) -> Iterator[Database]:
    """An empty, migrated database: the one at `url` if nobody lives there, else an embedded one in `folder`."""
    if url is None:
        embedded = folder / "postgres"
        database = Database(start_embedded(embedded), pool_size=4)
        if not is_kept:
            # Whoever pulls the plug begins the month again.
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ALTER SYSTEM SET fsync = off"))
                connection.execute(text("SELECT pg_reload_conf()"))
        try:
            migrate(database.url)
            yield database
        finally:
            database.close()
            stop_embedded(embedded)
        return
    if make_url(url).set(drivername="") == the_hall().database.url.set(drivername=""):
        raise click.UsageError("cette base est celle de la ville : le mois simulé en veut une à lui")
    database = Database(url, pool_size=4)
    try:
        migrate(database.url)
        with database.reading() as session:
            if session.scalar(select(func.count()).select_from(Shop)):
                raise click.UsageError("cette base est habitée : le mois simulé en veut une vide")
        yield database
    finally:
        database.close()


def _tell(progress: Progress, days: int) -> None:
    day = f"jour {progress.day}" if progress.day <= days else f"jour {progress.day}, plus rien n’est vendu"
    click.echo(f"{day:<34} {progress.orders_qty:>6} commandes {money(progress.paid):>16} payés")


def _show(outcome: Outcome) -> None:
    seen = outcome.treasury
    click.echo("\nCe que voit la trésorerie")
    for label, amount in (
        ("Chez le prestataire de paiement", seen.holding),
        ("  dû aux commerçants", seen.owed),
        ("  remboursements en route", seen.refunds),
        ("  argent sans commande", seen.unmatched),
        ("  à l’association", seen.associations_own),
        ("    commission", seen.commission),
        ("    livraison", seen.delivery),
        ("    part des boutiques à la livraison", seen.contributions),
        ("    gestes", -seen.gestures),
        ("    repris par les banques", -seen.chargebacks),
        ("    frais du prestataire", -seen.fees),
        ("    versé à la banque", -seen.paid_out),
        ("  avancé par l’association", -seen.ahead),
        ("  inexpliqué", seen.unexplained),
    ):
        click.echo(f"{label:<40} {money(amount):>16}")
    for title, figures in (
        ("Commandes", outcome.orders),
        ("Refusées avant tout paiement", outcome.turned_away),
        ("Ce qui est allé de travers", outcome.troubles),
    ):
        click.echo(f"\n{title}")
        for name, qty in figures.items():
            click.echo(f"  {name:<38} {qty:>16}")
    click.echo("")
    for sentence in outcome.faults[:MOST_SAID]:
        click.echo(sentence, err=True)
    if len(outcome.faults) > MOST_SAID:
        click.echo(f"et {len(outcome.faults) - MOST_SAID} de plus", err=True)
    click.echo("chaque centime est expliqué" if not outcome.faults else f"{len(outcome.faults)} choses ne vont pas")
