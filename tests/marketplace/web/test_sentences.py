from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from marketplace.hall import Hall
from marketplace.money import Money
from marketplace.web.sentences import sentence
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import Shop, Variant
from tests.walk import NOW, Town

NAME = "Fish & Chips 'maison' <b>"


def test_a_sentence_is_plain_text(app: Flask) -> None:
    with app.test_request_context():
        assert sentence("added", name=NAME, qty=2).endswith(f"2 × {NAME}.")


def test_a_page_shows_a_name_in_a_sentence_as_its_shop_wrote_it(client: FlaskClient, hall: Hall, town: Town) -> None:
    with hall.database.transaction() as session:
        shop_id = session.scalars(select(Shop.id).where(Shop.slug == "fromagerie")).one()
        draft = ProductDraft(
            reference="FC", name=NAME, kind="epicerie", brand="", description="", drawing="jar", allergens=None,
            variants=(VariantDraft("FC", "", Money(900), 3),),
        )  # fmt: skip
        put_product(session, shop_id=shop_id, draft=draft, actor="test", now=NOW)
        variant_id = session.scalars(select(Variant.id).where(Variant.reference == "FC")).one()
    token = client.get("/aide").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    form = {"variant_id": variant_id, "qty": 2, "csrf_token": token}
    page = client.post("/panier/lignes", data=form, follow_redirects=True).text
    assert "2 × Fish &amp; Chips &#39;maison&#39; &lt;b&gt;." in page
    assert "&amp;amp;" not in page
