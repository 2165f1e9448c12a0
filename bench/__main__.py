"""`make bench`: everything that the project promises in numbers, measured in one run. Exit 1 when a bar is missed."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click
from sqlalchemy import create_engine, make_url, text

from bench.ledger import measure_ledger
from bench.pages import measure_growth, measure_pages
from bench.pairs import measure_pairs
from bench.placing import measure_placing
from bench.planning import measure_planning
from bench.reconciling import measure_reconciling
from bench.reporting import Report
from bench.rush import measure_rush
from bench.town import NOW, build
from marketplace.clock import FixedClock
from marketplace.db import Database, start_embedded, stop_embedded
from marketplace.geo import Geocoder
from marketplace.hall import Hall
from marketplace.mail import Mailer
from marketplace.migrating import migrate
from marketplace.payments.gateway import Gateway
from marketplace.settings import Settings

#: What others wrote lies beside the project, where it is at hand: query pairs, round instances and their checker.
SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def _hall(url: str, name: str, folder: Path) -> Hall:
    """A hall over a new database whose pool holds one connection, so that its backend can be watched."""
    admin = create_engine(make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    database = Database(make_url(url).set(database=name), pool_size=1)
    migrate(database.url)
    settings = Settings.from_env({"INSTANCE_DIR": str(folder), "SECRET_KEY": "b" * 40})
    return Hall(
        settings=settings,
        database=database,
        clock=FixedClock(NOW),
        gateway=Gateway(endpoint="http://127.0.0.1:9", api_key="test_bench"),
        geocoder=Geocoder(scheme="http", domain="127.0.0.1:9"),
        mailer=Mailer(host="127.0.0.1", port=9, sender="bench@example.org"),
    )


PARTS = ("pages", "placing", "rush", "ledger", "reconciling", "rounds")


@click.command()
@click.option("--only", type=click.Choice(PARTS), multiple=True, help="Parts of it.")
def main(only: tuple[str, ...]) -> None:
    """Measure; each line says the figure, the bar, and both sides of a ratio."""
    parts = only or PARTS
    report = Report()
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = Path(name)
        postgres = folder / "postgres"
        try:
            if set(parts) & {"pages", "placing", "rush"}:
                _measure_with_database(start_embedded(postgres), folder, parts, report)
            if "ledger" in parts:
                books = _hall(start_embedded(postgres), "bench_ledger", folder)
                measure_ledger(books.database, report)
                books.database.close()
            if "reconciling" in parts:
                both_books = _hall(start_embedded(postgres), "bench_reconciling", folder)
                measure_reconciling(both_books, report)
                both_books.database.close()
            if "rounds" in parts:
                _with_shared("rounds", report, lambda at: measure_planning(at, folder, report))
        finally:
            stop_embedded(postgres)
    report.say(f"missed: {', '.join(report.missed)}" if report.missed else "every bar holds")
    sys.exit(1 if report.missed else 0)


def _measure_with_database(url: str, folder: Path, parts: tuple[str, ...], report: Report) -> None:
    small = _hall(url, "bench_small", folder)
    report.say("building 60 shops and 12,000 products")
    build(small.database, products_qty=12_000, shops_qty=60)
    if "pages" in parts:
        measure_pages(small, report)
        _with_shared("search", report, lambda at: measure_pairs(small.database, at, report))
        report.say("building 600 shops and 120,000 products")
        large = _hall(url, "bench_large", folder)
        build(large.database, products_qty=120_000, shops_qty=600)
        measure_growth(small, large, report)
        large.database.close()
    if "placing" in parts:
        measure_placing(small, report)
    if "rush" in parts:
        measure_rush(small.database, folder, report)
    small.database.close()


def _with_shared(name: str, report: Report, measure: Callable[[Path], None]) -> None:
    at = SHARED / name
    if at.is_dir():
        measure(at)
    else:
        report.say(f"(not measured: {name}/ is not beside the project)")


if __name__ == "__main__":
    main()
