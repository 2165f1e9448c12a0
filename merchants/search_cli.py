"""`flask search rebuild`: write the whole search anew."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from marketplace.hall import the_hall
from merchants.search.index import rebuild

search_group = AppGroup("search", help="The search of products.")


@search_group.command("rebuild")
def rebuild_command() -> None:
    """Index every product anew. Nothing is found less while it runs; edits wait."""
    bar = click.progressbar(length=1, label="Recherche", file=sys.stderr)

    def show(done_qty: int, total_qty: int) -> None:
        bar.length = total_qty
        bar.update(done_qty - bar.pos)

    with bar, the_hall().database.transaction() as session:
        indexed_qty = rebuild(session, progress=show)
    click.echo(f"{indexed_qty} produits")
