"""`python -m demo.townsfolk`: play the world outside the hall until stopped."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from pathlib import Path
from types import FrameType

import click

from demo.townsfolk.server import Townsfolk

Port = click.IntRange(0, 65535)


def raise_interrupt(signum: int, frame: FrameType | None) -> None:
    """A supervisor's SIGTERM ends the server as Ctrl-C does."""
    raise KeyboardInterrupt


@click.command()
@click.option(
    "--port", type=Port, default=5002, envvar="TOWNSFOLK_PORT", show_default=True, help="Geocoder and letters."
)
@click.option("--smtp-port", type=Port, default=5003, envvar="SMTP_PORT", show_default=True, help="Mail server.")
@click.option(
    "--letters",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("instance/letters.sqlite"),
    envvar="TOWNSFOLK_LETTERS",
    show_default=True,
    help="The file that keeps the letters.",
)
def main(port: int, smtp_port: int, letters: Path) -> None:
    """Answer as the national geocoder does, for one town, and receive everybody's mail."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        townsfolk = Townsfolk(letters=letters.absolute(), http_port=port, smtp_port=smtp_port)
    except OSError as error:
        sys.exit(f"The townsfolk cannot start: {error}")
    signal.signal(signal.SIGTERM, raise_interrupt)
    print(f"Townsfolk ready on {townsfolk.url} (letters over SMTP on port {townsfolk.smtp_port})", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        townsfolk.serve()
    print("Townsfolk stopped", flush=True)


main()
