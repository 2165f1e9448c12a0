"""A synthetic catalogue of any size on a database of its own: the demo town's words, drawn with a seed."""

from __future__ import annotations

import csv
import random
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import text

from marketplace.db import Database
from merchants.search.index import rebuild

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TOWN = Path(__file__).resolve().parent.parent / "demo" / "town"
BATCH = 2_000


def _words() -> tuple[list[str], list[str], list[str]]:
    """Names, brands and description sentences of the demo town's catalogues."""
    names, brands, sentences = [], [], []
    for path in sorted((TOWN / "catalogues").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter=";"):
                names += row["nom"].split()
                brands.append(row["marque"])
                sentences += [s for s in row["description"].split(". ") if s]
    return names, sorted(set(brands)), sentences


def build(database: Database, *, products_qty: int, shops_qty: int, seed: int = 1) -> None:
    """Fill an empty, migrated database with shops and products, and index them for search and for the naive page."""
    draw = random.Random(seed)  # noqa: S311  # a catalogue, not a secret
    names, brands, sentences = _words()
    kinds = ("epicerie", "maison", "vetement", "jouet", "livre-neuf", "fromage", "alcool", "chocolat")
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(
            text(
                "INSERT INTO merchant (key, legal_name, registration, street, postcode, city, phone, email, created_at)"
                " VALUES (:k, :n, 'SIREN 0', '1 rue', '16000', 'Angoulême', '0', 'a@example.org', :now)"
            ),
            [{"k": f"m{i}", "n": f"SARL {names[i % len(names)]} {i}", "now": NOW} for i in range(shops_qty)],
        )
        connection.execute(
            text(
                "INSERT INTO commission_rate (merchant_id, permille, valid_from, set_at, actor)"
                " SELECT id, 80, :d, :now, 'bench' FROM merchant"
            ),
            {"d": date(2026, 1, 1), "now": NOW},
        )
        connection.execute(
            text(
                "INSERT INTO shop (merchant_id, slug, name, sort_name, trade, street, postcode, city, lat, lon,"
                " opening_hours, phone, preparation_minutes, awning) SELECT id, 's' || id, 'Boutique ' || id,"
                " 'boutique ' || id, 'grocery', id || ' rue Hergé', '16000', 'Angoulême', 45.6489, 0.1560,"
                " 'Tu-Sa 10:00-19:00', '0', 30, id % 24 FROM merchant"
            )
        )
        connection.execute(
            text(
                "INSERT INTO merchant_account (party, provider_env, organization_id, can_receive_payments, checked_at)"
                " SELECT 'merchant:' || key, 'sandbox', 'org_' || key || '00', true, :now FROM merchant"
            ),
            {"now": NOW},
        )
        for start in range(0, products_qty, BATCH):
            rows = [
                {
                    "shop": n % shops_qty + 1,
                    "ref": f"r{n}",
                    "name": " ".join(draw.choice(names) for _ in range(draw.randint(2, 4))),
                    "kind": draw.choice(kinds),
                    "brand": draw.choice(brands),
                    "text": ". ".join(draw.choice(sentences) for _ in range(4)),
                    "now": NOW,
                }
                for n in range(start, min(start + BATCH, products_qty))
            ]
            connection.execute(
                text(
                    "INSERT INTO product (shop_id, reference, name, kind, brand, description, drawing, created_at,"
                    " updated_at) VALUES (:shop, :ref, :name, :kind, :brand, :text, 'parcel', :now, :now)"
                ),
                rows,
            )
        connection.execute(
            text(
                "INSERT INTO variant (product_id, shop_id, reference, price, on_hand_qty, weight_grams, volume_ml)"
                " SELECT id, shop_id, reference, 200 + id % 5000, 1000000, 300, 500 FROM product"
            )
        )
        connection.execute(
            text(
                "INSERT INTO price_change (variant_id, price, at, actor) SELECT id, price, :now, 'bench' FROM variant"
            ),
            {"now": NOW},
        )
        connection.execute(
            text(
                "INSERT INTO stock_move (variant_id, qty, reason, at, actor)"
                " SELECT id, on_hand_qty, 'opening', :now, 'bench' FROM variant"
            ),
            {"now": NOW},
        )
        connection.execute(
            text(
                "CREATE TABLE naive_search AS SELECT p.id AS product_id, to_tsvector('french', p.name || ' ' ||"
                " p.brand || ' ' || s.name || ' ' || p.description) AS words FROM product p"
                " JOIN shop s ON s.id = p.shop_id"
            )
        )
        connection.execute(text("CREATE INDEX ON naive_search USING gin (words)"))
        connection.execute(text("ALTER TABLE naive_search ADD PRIMARY KEY (product_id)"))
    with database.transaction() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        rebuild(session)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("RESET statement_timeout"))
