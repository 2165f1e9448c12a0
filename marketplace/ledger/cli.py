"""Commands about the ledger: `flask --app marketplace.app ledger …`."""

from __future__ import annotations

import re
import sys

import click
from flask.cli import AppGroup

from marketplace.hall import the_hall
from marketplace.ledger.proof import (
    Place,
    contradicted,
    everything_broken,
    last_closed,
    last_seal,
    waiting_qty,
    work_qty,
)
from marketplace.ledger.service import balances

ledger = AppGroup("ledger", help="The book of every cent.")

#: Sentences that are written out; whoever has more broken rows than that has one trouble, not many.
MOST_SAID = 50


class KeptPlace(click.ParamType):
    """NUMBER:HASH, as `ledger check` prints it."""

    name = "number:hash"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        number, _, digest = value.partition(":")
        if not (number.isascii() and number.isdigit() and re.fullmatch("[0-9a-f]{64}", digest)):
            self.fail(f"{value!r} is not a number, a colon and 64 hexadecimal digits", param, ctx)
        return Place(int(number), bytes.fromhex(digest))


@ledger.command("check")
@click.option(
    "--kept",
    type=KeptPlace(),
    multiple=True,
    metavar="NUMBER:HASH",
    help="What an earlier check printed as the last seal: whether the book still has it. May be repeated.",
)
def check(kept: tuple[Place, ...]) -> None:
    """Prove that the book is the one that was written: every sum, every seal, every closing.

    Prints every account's balance, and the last number with its hash: whoever keeps that line elsewhere can tell
    later if the book was written anew (--kept). Exit 1 when something is wrong.
    """
    with the_hall().database.reading() as session:
        with click.progressbar(
            length=work_qty(session), label="ledger", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            broken = list(everything_broken(session, advance=bar.update))
        broken += [sentence for place in kept for sentence in contradicted(session, place)]
        totals, waiting = balances(session), waiting_qty(session)
        sealed, closed = last_seal(session), last_closed(session)
    for account, total in totals.items():
        click.echo(f"{account:<40} {total!s:>14}")
    for sentence in broken[:MOST_SAID]:
        click.echo(sentence, err=True)
    if len(broken) > MOST_SAID:
        click.echo(f"and {len(broken) - MOST_SAID} more", err=True)
    click.echo(f"sealed until {sealed.number}:{sealed.hash.hex()}, closed until {closed.number}, waiting: {waiting}")
    click.echo(f"{len(totals)} accounts, sum {sum(t.cents for t in totals.values())}, things wrong: {len(broken)}")
    if broken:
        sys.exit(1)
