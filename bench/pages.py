"""(a) Listing, its page 50, product page and search against the smallest page that does the same."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask
from sqlalchemy import text

from bench.limit import create_limit
from bench.measuring import Cost, alternated, backend_pid
from bench.reporting import Report
from marketplace.app import create_app
from marketplace.db import Database
from marketplace.hall import Hall
from merchants.queries import list_products

CALLS = 60


def getter(app: Flask, path: str) -> Callable[[], object]:
    client = app.test_client()

    def get() -> object:
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.data

    return get


def page_fifty(database: Database) -> str:
    """The cursor behind the forty-ninth page."""
    cursor = None
    with database.reading() as session:
        for _ in range(49):
            cursor = list_products(session, after=cursor).next
    return str(cursor)


def frequent_words(database: Database, *, fewest: int, most: int) -> list[str]:
    """Words that many products have in their text."""
    with database.reading() as session:
        rows = session.execute(
            text(
                "SELECT word FROM ts_stat('SELECT words FROM naive_search') WHERE ndoc BETWEEN :a AND :b"
                " AND length(word) > 3 ORDER BY ndoc DESC, word LIMIT 20"
            ),
            {"a": fewest, "b": most},
        )
        return [row.word for row in rows]


def cycle(gets: list[Callable[[], object]]) -> Callable[[], object]:
    """Each call the next one."""
    at = [0]

    def get() -> object:
        at[0] = (at[0] + 1) % len(gets)
        return gets[at[0]]()

    return get


def measure_pages(hall: Hall, report: Report) -> None:
    ours, limit = create_app(hall), create_limit(hall.database)
    pid = backend_pid(hall.database)
    cursor = page_fifty(hall.database)
    words = frequent_words(hall.database, fewest=500, most=5_000)
    pages: dict[str, tuple[Callable[[], object], int]] = {
        "listing": (getter(ours, "/produits"), pid),
        "listing limit": (getter(limit, "/produits"), pid),
        "page 50": (getter(ours, f"/produits?apres={cursor}"), pid),
        "page 50 limit": (getter(limit, f"/produits?apres={cursor}"), pid),
        "product": (getter(ours, "/produits/77-x"), pid) if _is_direct(ours) else (getter(ours, _product(ours)), pid),
        "product limit": (getter(limit, "/produits/77"), pid),
        "search": (cycle([getter(ours, f"/produits?q={word}") for word in words]), pid),
        "search naive": (cycle([getter(limit, f"/cherche?q={word}") for word in words]), pid),
    }
    costs = alternated(pages, calls=CALLS)
    report.say(f"(a) pages, CPU ms per request (server + database), {CALLS} requests, three rounds, medians")
    for name in ("listing", "page 50", "product", "search"):
        other = costs[f"{name} {'naive' if name == 'search' else 'limit'}"]
        bar = 1.0 if name == "search" else 2.2
        report.at_most(f"{name} / smallest page", costs[name].total_ms / other.total_ms, bar, _both(costs[name], other))
    report.at_most(
        "page 50 / page 1", costs["page 50"].total_ms / costs["listing"].total_ms, 1.25, str(costs["page 50"])
    )


def _both(ours: Cost, other: Cost) -> str:
    return f"{ours} against {other}"


def _is_direct(app: Flask) -> bool:
    return app.test_client().get("/produits/77-x").status_code == 200


def _product(app: Flask) -> str:
    """A product's own address: another ending of it redirects there."""
    return str(app.test_client().get("/produits/77-x").headers["Location"])


def measure_growth(small: Hall, large: Hall, report: Report) -> None:
    """The same searches on ten times the products."""
    words = frequent_words(small.database, fewest=100, most=5_000)
    works = {
        name: (cycle([getter(create_app(hall), f"/produits?q={word}") for word in words]), backend_pid(hall.database))
        for name, hall in (("small", small), ("large", large))
    }
    costs = alternated(works, calls=CALLS)
    ratio = costs["large"].total_ms / costs["small"].total_ms
    report.at_most("search, 120,000 / 12,000 products", ratio, 3.0, _both(costs["large"], costs["small"]))
