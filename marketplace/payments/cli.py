"""Commands about payments: `flask --app marketplace.app payments …`."""

from __future__ import annotations

import sys
from collections import Counter

import click
from flask.cli import AppGroup

from marketplace.errors import GatewayError
from marketplace.hall import the_hall
from marketplace.payments.nightly import reconcile
from marketplace.payments.reconciling import Found, standing

payments = AppGroup("payments", help="The payment provider's book.")

#: Sentences that are written out; whoever has more than that has one trouble, not many.
MOST_SAID = 50


@payments.command("reconcile")
def reconcile_command() -> None:
    """Compare the payment provider's lists and balance with our book, and note what differs.

    Nothing is corrected: differences stand on the treasurer's page until somebody settles them. Exit 1 when one waits
    for somebody, 2 when the provider cannot be asked.
    """
    hall = the_hall()
    seen: Counter[str] = Counter()

    def advance(what: str, qty: int) -> None:
        seen[what] += qty
        if sys.stderr.isatty():
            click.echo(f"\r{_counted(seen)} ", nl=False, err=True)

    try:
        outcome = reconcile(hall, advance=advance)
    except GatewayError as trouble:
        click.echo(f"the provider cannot be asked: {trouble}", err=True)
        sys.exit(2)
    if sys.stderr.isatty():
        click.echo(err=True)
    for found in outcome.found[:MOST_SAID]:
        click.echo(_sentence(found), err=True)
    if len(outcome.found) > MOST_SAID:
        click.echo(f"and {len(outcome.found) - MOST_SAID} more", err=True)
    if outcome.reads_balance:
        with hall.database.reading() as session:
            stands = standing(session, provider_env=hall.settings.mollie_env)
        click.echo(f"by the provider's book it holds {stands.theirs}, by ours {stands.ours}, apart {stands.gap}")
    else:
        click.echo("the provider's balance was not read: MOLLIE_ACCESS_TOKEN is not set")
    click.echo(f"seen: {_counted(seen)}; looked at again: {outcome.looked_at_qty}")
    click.echo(f"{len(outcome.found)} differences, waiting for somebody: {outcome.waiting_qty}")
    if outcome.waiting_qty:
        sys.exit(1)


def _counted(seen: Counter[str]) -> str:
    return ", ".join(f"{qty} {what}" for what, qty in seen.items()) or "nothing"


def _sentence(found: Found) -> str:
    about = " ".join(filter(None, [found.subject, found.reference and f"({found.reference})"]))
    return f"{found.kind} {about}: ours {found.ours}, the provider's {found.theirs}"
