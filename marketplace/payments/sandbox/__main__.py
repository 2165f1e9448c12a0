"""`python -m marketplace.payments.sandbox`: serve the sandbox until stopped."""

from __future__ import annotations

import contextlib
import logging
import signal
import sqlite3
import sys
from pathlib import Path

import click

from marketplace.payments.sandbox.accounts import Application
from marketplace.payments.sandbox.app import DEFAULT_KEY, DEFAULT_MERCHANT, Options, create_sandbox
from marketplace.payments.sandbox.organizations import read_file
from marketplace.payments.sandbox.postings import NO_FEE, Fee
from marketplace.payments.sandbox.server import Server, raise_interrupt


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=5051, envvar="SANDBOX_PORT", show_default=True)
@click.option(
    "--book",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("instance/sandbox.sqlite"),
    envvar="SANDBOX_BOOK",
    show_default=True,
    help="The file that remembers what was paid.",
)
@click.option(
    "--time-factor",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    envvar="SANDBOX_TIME_FACTOR",
    show_default=True,
    help="Divides the waits between call-backs and between the states of a refund.",
)
@click.option("--key", "keys", multiple=True, default=[DEFAULT_KEY], envvar="SANDBOX_KEYS", show_default=True)
@click.option(
    "--access-token",
    "access_tokens",
    multiple=True,
    envvar="SANDBOX_ACCESS_TOKENS",
    help="Opens everything that the first key's organisation has.",
)
@click.option(
    "--fee-basis-points",
    type=click.IntRange(0, 10_000),
    default=NO_FEE.basis_points,
    envvar="SANDBOX_FEE_BASIS_POINTS",
    show_default=True,
    help="What the provider keeps of each payment, in hundredths of a per cent; European cards cost 180.",
)
@click.option(
    "--fee-fixed-cents",
    type=click.IntRange(min=0),
    default=NO_FEE.fixed_cents,
    envvar="SANDBOX_FEE_FIXED_CENTS",
    show_default=True,
    help="And a fixed sum; European cards cost 25.",
)
@click.option(
    "--fee-refund-cents",
    type=click.IntRange(min=0),
    default=NO_FEE.refund_cents,
    envvar="SANDBOX_FEE_REFUND_CENTS",
    show_default=True,
    help="What it keeps for each refund.",
)
@click.option(
    "--fee-chargeback-cents",
    type=click.IntRange(min=0),
    default=NO_FEE.chargeback_cents,
    envvar="SANDBOX_FEE_CHARGEBACK_CENTS",
    show_default=True,
    help="What it keeps for each chargeback, won or lost.",
)
@click.option("--merchant", default=DEFAULT_MERCHANT, envvar="SANDBOX_MERCHANT", help="Named on the payment page.")
@click.option("--public-url", default=None, envvar="SANDBOX_PUBLIC_URL", help="Where browsers find it.")
@click.option(
    "--organizations",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    envvar="SANDBOX_ORGANIZATIONS",
    help="A JSON list of {id, name, canReceivePayments} to connect at the start; may be absent.",
)
@click.option("--client-id", default="", envvar="SANDBOX_CLIENT_ID", help="The application that may ask for consent.")
@click.option("--client-secret", default="", envvar="SANDBOX_CLIENT_SECRET", help="How it proves who it is.")
@click.option(
    "--redirect-uri",
    "redirect_uris",
    multiple=True,
    envvar="SANDBOX_REDIRECT_URIS",
    help="Where browsers may be sent back with its answer.",
)
@click.option(
    "--allow-loopback-webhooks/--no-loopback-webhooks",
    "allows_loopback_webhooks",
    default=True,
    envvar="SANDBOX_ALLOW_LOOPBACK_WEBHOOKS",
    show_default=True,
    help="Call back on this machine, which Mollie never does; else webhooks are refused.",
)
@click.option("--verbose", is_flag=True, help="Log every request.")
def main(
    port: int,
    book: Path,
    time_factor: float,
    keys: tuple[str, ...],
    access_tokens: tuple[str, ...],
    fee_basis_points: int,
    fee_fixed_cents: int,
    fee_refund_cents: int,
    fee_chargeback_cents: int,
    merchant: str,
    public_url: str | None,
    organizations: Path | None,
    client_id: str,
    client_secret: str,
    redirect_uris: tuple[str, ...],
    allows_loopback_webhooks: bool,
    verbose: bool,
) -> None:
    """Serve a payment provider of our own, with play money, on this machine only."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.INFO if verbose else logging.WARNING)
    try:
        connected = read_file(organizations) if organizations else ()
        application = Application(client_id, client_secret, redirect_uris) if client_id else None
        options = Options(
            book=book.absolute(),
            keys=keys,
            merchant=merchant,
            time_factor=time_factor,
            public_url=public_url or None,
            organizations=connected,
            application=application,
            access_tokens=access_tokens,
            fee=Fee(fee_basis_points, fee_fixed_cents, fee_refund_cents, fee_chargeback_cents),
            allows_loopback_webhooks=allows_loopback_webhooks,
        )
        server = Server(create_sandbox(options), port)
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.exit(f"The payment sandbox cannot start: {error}")
    if allows_loopback_webhooks:
        logging.getLogger("marketplace.payments.sandbox").info(
            "webhooks on this machine are called back; Mollie refuses such addresses"
        )
    signal.signal(signal.SIGTERM, raise_interrupt)
    print(f"Payment sandbox ready on {server.url} (no real money, book {book})", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve()
    print("Payment sandbox stopped", flush=True)


main()
