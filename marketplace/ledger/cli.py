"""Commands about the ledger: `flask --app marketplace.app ledger …`."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from marketplace.hall import the_hall
from marketplace.ledger.proof import everything_broken, last_closed, last_seal, work_qty
from marketplace.ledger.service import balances

ledger = AppGroup("ledger", help="The book of every cent.")

#: Sentences that are written out; whoever has more broken rows than that has one trouble, not many.
MOST_SAID = 50


@ledger.command("check")
def check() -> None:
    """Prove that the book is the one that was written: every sum, every seal, every closing.

    Prints every account's balance, and the last number with its hash: whoever keeps that line elsewhere can tell
    later if the book was written anew. Exit 1 when something is wrong.
    """
    with the_hall().database.reading() as session:
        with click.progressbar(
            length=work_qty(session), label="ledger", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            broken = list(everything_broken(session, advance=bar.update))
        totals, sealed, closed = balances(session), last_seal(session), last_closed(session)
    for account, total in totals.items():
        click.echo(f"{account:<40} {total!s:>14}")
    for sentence in broken[:MOST_SAID]:
        click.echo(sentence, err=True)
    if len(broken) > MOST_SAID:
        click.echo(f"and {len(broken) - MOST_SAID} more", err=True)
    click.echo(f"sealed until number {sealed.number}, {sealed.hash.hex()}; closed until number {closed.number}")
    click.echo(f"{len(totals)} accounts, sum {sum(t.cents for t in totals.values())}, {len(broken)} things wrong")
    if broken:
        sys.exit(1)
