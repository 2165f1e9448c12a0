"""The smallest page that does the same: Flask, SQLAlchemy, one query, one template. No session, no words, no guards."""

from __future__ import annotations

from flask import Flask, render_template, request
from jinja2 import DictLoader
from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from marketplace.db import Database
from merchants.models import Merchant, Product, Shop, Variant
from merchants.search.models import ProductSearch

LIST = """<!doctype html><title>Produits</title><h1>Produits</h1><ul>
{% for p in rows %}<li><a href="/produits/{{ p.id }}">{{ p.name }}</a> {{ p.shop }} {{ p.price.cents / 100 }} €</li>
{% endfor %}</ul>{% if count is defined %}<p>{{ count }}</p>{% endif %}"""

PRODUCT = """<!doctype html><title>{{ p.name }}</title><h1>{{ p.name }}</h1><p>{{ p.description }}</p>
<p>{{ p.shop }}</p><p>{{ p.legal_name }} {{ p.street }} {{ p.city }}</p><form method="post"><select name="v">
{% for v in variants %}<option value="{{ v.id }}">{{ v.label }} {{ v.price.cents / 100 }} € {{ v.on_hand_qty }}</option>
{% endfor %}</select><button>Ajouter</button></form>"""

SEARCH = text(
    "SELECT p.id, p.name, s.name AS shop, v.price, count(*) OVER () AS n, ts_rank(f.words, q) AS rank"
    " FROM naive_search f, to_tsquery('french', :q) q, product p, shop s, variant v"
    " WHERE f.words @@ q AND p.id = f.product_id AND s.id = p.shop_id AND v.product_id = p.id"
    " ORDER BY rank DESC, p.id LIMIT 24"
)


class _Price:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def create_limit(database: Database) -> Flask:
    app = Flask("limit")
    app.jinja_loader = DictLoader({"list.html": LIST, "product.html": PRODUCT})  # compiled once, as files are
    columns = (Product.id, Product.name, Shop.name.label("shop"), Variant.price)
    listing = (
        select(*columns)
        .join(ProductSearch, ProductSearch.product_id == Product.id)
        .join(Shop, Product.shop_id == Shop.id)
        .join(Variant, Variant.product_id == Product.id)
        .order_by(ProductSearch.score.desc(), ProductSearch.product_id.desc())
        .limit(24)
    )

    @app.get("/produits")
    def products() -> str:
        query = listing
        if "apres" in request.args:
            score, _, product_id = request.args["apres"].partition("-")
            place = tuple_(ProductSearch.score, ProductSearch.product_id)
            query = query.where(place < (int(score), int(product_id)))
        with Session(database.engine) as session:
            return render_template("list.html", rows=session.execute(query).all())

    @app.get("/produits/<int:product_id>")
    def product(product_id: int) -> str:
        with Session(database.engine) as session:
            row = session.execute(
                select(
                    Product.id,
                    Product.name,
                    Product.description,
                    Shop.name.label("shop"),
                    Merchant.legal_name,
                    Merchant.street,
                    Merchant.city,
                )
                .join(Shop, Product.shop_id == Shop.id)
                .join(Merchant, Shop.merchant_id == Merchant.id)
                .where(Product.id == product_id)
            ).one()
            variants = session.execute(
                select(Variant.id, Variant.label, Variant.price, Variant.on_hand_qty).where(
                    Variant.product_id == product_id
                )
            ).all()
            return render_template("product.html", p=row, variants=variants)

    @app.get("/cherche")
    def search() -> str:
        with Session(database.engine) as session:
            rows = session.execute(SEARCH, {"q": request.args["q"]}).all()
        shown = [{"id": r.id, "name": r.name, "shop": r.shop, "price": _Price(r.price)} for r in rows]
        return render_template("list.html", rows=shown, count=rows[0].n if rows else 0)

    return app
