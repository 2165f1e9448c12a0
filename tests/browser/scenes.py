"""What a stroll does not meet: full and empty baskets, each step of an order and its refusals, states, roles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from basket import orders, reservations
from basket.documents.handlers import document_sale
from basket.documents.models import CommissionPart, CommissionRun
from basket.giving_back import Returned, give_back, lines_of
from basket.handlers import let_unpaid_orders_lapse
from basket.models import Order, OrderLine, Reservation, SubOrder, Withdrawal
from marketplace.clock import FixedClock, local_day
from marketplace.delivery.models import Booking, Round, Slot
from marketplace.invoices.issuing import credit, issue_for_seller, issue_own
from marketplace.invoices.mandates import end_mandate, sign_mandate
from marketplace.invoices.rules import DEDUCTION
from marketplace.money import Money
from marketplace.payments.chargebacks import apply_chargebacks
from marketplace.payments.gateway import ProviderChargeback
from marketplace.payments.models import MerchantAccount
from marketplace.payments.refunds import left_to_refund
from marketplace.web.failures import refuse
from merchants.catalogue import ProductDraft, VariantDraft, put_product
from merchants.models import Merchant, Product, Shop, Variant
from tests.browser.crawl import Crawl, Snapshot, Visitor, links_of, past_every_round
from tests.browser.live import LiveTown
from tests.marketplace.invoices.cast import ASSOCIATION, CHEESE, sale
from tests.marketplace.ledger.book import seal_and_close
from tests.reserving import open_till
from tests.walk import fill_basket, order_command, pay

#: The longest names that the catalogue's format lets in, one of them in a single word.
LONG_NAME = (
    "Assortiment de confitures extra de fruits rouges du verger, cuites au chaudron de cuivre, en trois pots " * 2
)
LONG_WORD = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz"

ADDRESS = {"mode": "delivery", "street": "12 rue de Montmoreau", "postcode": "16000", "city": "Angoulême"}
PERSON = {"name": "Jeanne Martin", "phone": "06 39 98 12 34", "email": "jeanne@example.org", "shortage": "refund"}
#: Where those who work here go; the market itself has been seen.
ROOMS = (
    *("accounts.", "merchant.", "coordinator.", "calendar.", "courier.", "attention.", "connections."),
    *("commissions.", "delivery_terms."),
)
LONG = "9" * 300
#: Cannot be paid online once its scene has begun.
UNPAID_SHOP = "la-cave-du-guetteur"
HOSTILE = "<script>alert(1)</script>\u202e' OR 1=1 --"


def crawl_everything(town: LiveTown) -> Crawl:
    """All pages in French, then all of them again in English."""
    crawl = Crawl(town)
    _stock_oddities(town)
    _market(crawl)
    _baskets(crawl)
    _checkout(crawl)
    _orders(crawl)
    _reservations(crawl)
    _sunday(crawl)
    _errors(crawl)
    staff(crawl)
    crawl.once_more_in("en")
    return crawl


# --- Goods that are hard to show -------------------------------------------------------------------------------


def _stock_oddities(town: LiveTown) -> None:
    """Sold out, nearly sold out, several variants, very long names: on a shelf of the demo town."""
    odd = (
        ("odd-gone", "Bougie d’hier", (("g1", "", 900, 0),)),
        ("odd-last", "Bougie de demain", (("l1", "", 900, 1),)),
        ("odd-long", LONG_NAME[:200].strip(), (("n1", "", 123_456, 50),)),
        ("odd-word", LONG_WORD, (("w1", LONG_WORD, 1_000, 50), ("w2", "petite", 500, 0), ("w3", "grande", 700, 9))),
        ("odd-more", "Assiettes en faïence, lot de six", (("m1", "", 4_950, 99),)),
    )
    with town.hall.database.transaction() as session:
        shop_id = session.scalars(select(Shop.id).order_by(Shop.id)).first()
        assert shop_id is not None
        for reference, name, variants in odd:
            put_product(
                session,
                shop_id=shop_id,
                draft=ProductDraft(
                    reference=reference,
                    name=name,
                    kind="maison",
                    brand="",
                    description="Pour essayer.",
                    drawing="parcel",
                    allergens=None,
                    variants=[VariantDraft(r, label, Money(cents), qty) for r, label, cents, qty in variants],
                ),
                actor="test",
                now=town.clock.now(),
            )


def _product(session: Session, reference: str) -> str:
    row = session.execute(select(Product.id).where(Product.reference == reference)).scalar_one()
    return f"/produits/{row}"


def variant_of(town: LiveTown, reference: str) -> int:
    with town.hall.database.reading() as session:
        return session.scalars(select(Variant.id).where(Variant.reference == reference)).one()


def goods(town: LiveTown, shops_qty: int, per_shop_qty: int = 1, kind: str | None = None) -> list[int]:
    """Variants that can be bought, from as many shops as asked for."""
    with town.hall.database.reading() as session:
        free = Variant.on_hand_qty - Variant.held_qty
        rank = func.row_number().over(partition_by=Variant.shop_id, order_by=(Variant.position, Variant.id))
        query = select(Variant.id, Variant.shop_id, rank.label("rank")).join(Product, Variant.product_id == Product.id)
        query = query.where(Variant.is_offered, Product.is_published, free > 5)
        query = query.where(Variant.shop_id.not_in(select(Shop.id).where(Shop.slug == UNPAID_SHOP)))
        query = query.where(Product.kind == kind if kind else Product.kind != "alcool")
        ranked = query.subquery()
        rows = session.execute(
            select(ranked.c.id, ranked.c.shop_id).where(ranked.c.rank <= per_shop_qty).order_by(ranked.c.shop_id)
        ).all()
    shops = list(dict.fromkeys(row.shop_id for row in rows))[:shops_qty]
    return [row.id for row in rows if row.shop_id in shops]


# --- Scenes ----------------------------------------------------------------------------------------------------


def _market(crawl: Crawl) -> None:
    who = crawl.visitor("a passer-by")
    for path, label in (
        ("/", "home"),
        ("/produits", "listing"),
        ("/produits?genre=fromage", "listing of a kind"),
        ("/produits?genre=alcool", "listing of alcohol"),
        ("/produits?q=pates", "search without accents"),
        ("/produits?q=fromaje", "search with a slip"),
        ("/produits?q=fromaje&exact=1", "search for the slip itself"),
        ("/produits?q=xyzzyqq", "search that finds nothing"),
        ("/produits?q=confiture", "search with long names"),
        ("/produits?q=" + "a" * 300, "search that is too long"),
        ("/boutiques", "shops"),
        ("/connexion", "sign in"),
        ("/ma-commande", "find an order"),
        ("/panier", "empty basket"),
    ):
        crawl.visit(who, path, label)
    with crawl.town.hall.database.reading() as session:
        paths = [(_product(session, f"odd-{key}"), f"product: {key}") for key in ("gone", "last", "long", "word")]
        counted = select(Shop.slug, func.count(Product.id).label("qty")).join(Product, Product.shop_id == Shop.id)
        by_size = session.execute(counted.group_by(Shop.slug).order_by("qty")).all()
        drink = session.scalars(select(Product.id).where(Product.kind == "alcool").order_by(Product.id)).first()
    for path, label in [*paths, (f"/produits/{drink}", "product: alcohol")]:
        crawl.visit(who, path, label)
    crawl.visit(who, f"/boutiques/{by_size[0].slug}", "shop: smallest")
    crawl.visit(who, f"/boutiques/{by_size[-1].slug}", "shop: largest")
    second = crawl.snapshots[1].tree.css_first("a[rel=next]")
    assert second is not None, "the listing has a second page"
    crawl.visit(who, second.attributes["href"] or "", "listing, page 2")
    crawl.wander(who, "/")
    for path, form, label in (
        ("/ma-commande", {"code": "", "phone_end": ""}, "find an order: empty"),
        ("/ma-commande", {"code": "12345679", "phone_end": "abcd"}, "find an order: wrong"),
        ("/ma-commande", {"code": HOSTILE, "phone_end": "9" * 40}, "find an order: hostile"),
        ("/ma-commande", {"code": LONG, "phone_end": "1234"}, "find an order: too long"),
        ("/connexion", {"email": "", "password": "", "next": ""}, "sign in: empty"),
        ("/connexion", {"email": "nobody@example.org", "password": "x" * 20, "next": ""}, "sign in: wrong"),
        ("/connexion", {"email": HOSTILE, "password": "y" * 2000, "next": "//evil"}, "sign in: hostile"),
        ("/panier/lignes", {"variant_id": "", "qty": "", "back": ""}, "add: empty"),
        ("/panier/lignes", {"variant_id": HOSTILE, "qty": HOSTILE, "back": "//evil"}, "add: hostile"),
    ):
        crawl.refused(who, path, form, label)
    for qty in ("0", "-1", "1.5", "1000000000", "１", LONG):
        variant = str(variant_of(crawl.town, "m1"))
        label = f"add: quantity {qty[:12]}"
        crawl.refused(who, "/panier/lignes", {"variant_id": variant, "qty": qty, "back": "/produits"}, label)
    crawl.refused(
        who,
        "/panier/lignes",
        {"variant_id": str(variant_of(crawl.town, "g1")), "qty": "1", "back": "/produits"},
        "add: sold out",
    )
    with crawl.town.hall.database.reading() as session:
        chosen = _product(session, "odd-word").rsplit("/", 1)[-1]
    back = f"/produits/{chosen}-rien"
    crawl.refused(who, "/panier/lignes", {"product_id": chosen, "qty": "1", "back": back}, "add: nothing chosen")
    crawl.refused(who, "/panier/lignes", {"product_id": chosen, "qty": HOSTILE, "back": back}, "add: nothing at all")
    word = str(variant_of(crawl.town, "w3"))
    form = {"product_id": chosen, "variant_id": word, "qty": "50", "back": back}
    crawl.refused(who, "/panier/lignes", form, "add: more than there are")


def fill(who: Visitor, variants: Sequence[int], qty: int = 1) -> None:
    for variant in variants:
        answer = who.post("/panier/lignes", {"variant_id": str(variant), "qty": str(qty), "back": "/panier"})
        assert answer.status_code == 303, answer.text


def _baskets(crawl: Crawl) -> None:
    town = crawl.town
    one = crawl.visitor("somebody with one thing")
    fill(one, [variant_of(town, "l1")])
    crawl.visit(one, "/panier", "basket of one")
    _refuse_quantities(crawl, one)
    odd = crawl.visitor("somebody with odd things")
    fill(odd, [variant_of(town, r) for r in ("n1", "w1", "w3")])
    crawl.visit(odd, "/panier", "basket with long names")
    many = crawl.visitor("somebody who buys a lot")
    fill(many, goods(town, 40, per_shop_qty=2)[:60])
    crawl.visit(many, "/panier", "basket of sixty")
    crawl.visit(many, "/commande/livraison", "where, with a full basket")
    late = crawl.visitor("somebody too late")
    fill(late, [variant_of(town, "m1")])
    with town.hall.database.transaction() as session:
        session.execute(update(Variant).where(Variant.reference == "m1").values(price=Money(5_200)))
    crawl.visit(late, "/panier", "basket: price changed")
    sold_out = crawl.visitor("somebody whose goods went")
    fill(sold_out, [variant_of(town, "l1"), *goods(town, 2)])
    with town.hall.database.transaction() as session:
        session.execute(update(Variant).where(Variant.reference == "l1").values(on_hand_qty=0))
    crawl.visit(sold_out, "/panier", "basket: sold out")
    crawl.refused(sold_out, "/panier/suite", {}, "basket: cannot go on")


def _refuse_quantities(crawl: Crawl, who: Visitor) -> None:
    form = crawl.snapshots[-1].tree.css_first("form[action^='/panier/lignes/']")
    assert form is not None
    action = form.attributes["action"] or ""
    for qty in ("50", "x", "-1", "1.5", "１０００", "", HOSTILE, LONG):
        crawl.refused(who, action, {"qty": qty}, f"basket: quantity {qty[:12]!r}")


def _checkout(crawl: Crawl) -> None:
    town = crawl.town
    jeanne = crawl.visitor("Jeanne, whose order is delivered")
    fill(jeanne, goods(town, 3) + goods(town, 1, kind="alcool"))
    crawl.visit(jeanne, "/panier", "basket of four shops")
    crawl.send(jeanne, "/panier/suite", {}, "where")
    where = "/commande/livraison"
    for form, label in (
        ({}, "where: empty"),
        ({"mode": "delivery", "street": "", "postcode": "", "city": ""}, "where: no address"),
        ({"mode": "by air", "street": HOSTILE, "postcode": HOSTILE, "city": "x" * 500}, "where: hostile"),
        (ADDRESS | {"street": "1 rue Qui N’Existe Pas"}, "where: unknown street"),
        (ADDRESS | {"street": "rue de Montmoreau", "city": "Angouleme", "postcode": "16160"}, "where: unsure"),
        (ADDRESS | {"postcode": "75001", "city": "Paris"}, "where: far away"),
        (ADDRESS | {"access_note": "n" * 2000}, "where: note too long"),
    ):
        page = crawl.send(jeanne, where, form, label)
        assert page.method == "POST" or label == "where: unsure", page
    _plan(crawl)
    crawl.send(jeanne, where, ADDRESS, "when")
    for slot_id, label in (("", "when: empty"), ("999999", "when: unknown"), (HOSTILE, "when: hostile")):
        crawl.refused(jeanne, "/commande/creneau", {"slot_id": slot_id}, label)
    with town.hall.database.transaction() as session:
        slots = session.scalars(select(Slot).order_by(Slot.starts_at)).all()
        slots[1].capacity_stops = 1
        basket_id = fill_basket(session, {goods(town, 1)[0]: 1}, now=town.clock.now())
        orders.place_order(session, order_command(basket_id, slot_id=slots[1].id), clock=town.clock)
        free, full = slots[2].id, slots[1].id
    crawl.visit(jeanne, "/commande/creneau", "when: one slot full")
    crawl.refused(jeanne, "/commande/creneau", {"slot_id": str(full)}, "when: full")
    crawl.send(jeanne, "/commande/creneau", {"slot_id": str(free)}, "who")
    for form, label in (
        ({}, "who: empty"),
        ({"name": HOSTILE, "phone": "abc", "email": "a@", "shortage": "no"}, "who: hostile"),
        (PERSON | {"name": "n" * 300, "email": "e" * 300 + "@example.org"}, "who: too long"),
    ):
        crawl.refused(jeanne, "/commande/vous", form, label)
    page = crawl.send(jeanne, "/commande/vous", PERSON, "check: delivery")
    for path in (where, "/commande/creneau", "/commande/vous"):
        crawl.visit(jeanne, path, f"{path}, answered")
    hidden = _hidden(page)
    crawl.refused(jeanne, "/commande/verifier", hidden, "check: nothing ticked")
    crawl.refused(jeanne, "/commande/verifier", hidden | {"accepts_terms": HOSTILE}, "check: hostile")
    changed = hidden | {"accepts_terms": "1", "is_adult": "1", "seen_total_cents": "1"}
    crawl.refused(jeanne, "/commande/verifier", changed, "check: total changed")

    karim = crawl.visitor("Karim, who collects")
    fill(karim, goods(town, 2))
    crawl.send(karim, "/panier/suite", {}, "where, second time")
    crawl.send(karim, where, {"mode": "collection"}, "who: collection")
    crawl.send(karim, "/commande/vous", PERSON, "check: collection")


def _plan(crawl: Crawl) -> None:
    """An address that nobody knows, shown by hand: from the whole town to a door, and what is no place."""
    rene = crawl.visitor("René, whose house is new")
    fill(rene, goods(crawl.town, 2))
    new_house = ADDRESS | {"street": "3 chemin des Nouvelles Maisons"}
    where, plan = "/commande/livraison", "/commande/livraison/plan"
    crawl.refused(rene, where, new_house | {"on_plan": "1", "postcode": "75001"}, "plan: far away")
    crawl.send(rene, where, new_house | {"on_plan": "1"}, "plan: the commune")
    for form in ({}, {"lat": HOSTILE}, {"lat": "45.6", "lon": "0.1", "zoom": "１"}):
        crawl.refused(rene, plan, form, f"plan: {form}")
    hub = {"lat": "45.648600", "lon": "0.156200"}
    crawl.refused(rene, plan, hub | {"zoom": "0", "move": "confirm"}, "plan: only a guess")
    away = {"lat": "45.800000", "lon": "0.156200", "zoom": "3"}
    crawl.refused(rene, plan, away | {"move": "confirm"}, "plan: outside the rounds")
    crawl.send(rene, plan, away | {"zoom": "1", "move": "wider"}, "plan: the whole town, the pin outside")
    crawl.send(rene, plan, hub | {"zoom": "2", "small.x": "150", "small.y": "170"}, "plan: a door")
    crawl.send(rene, plan, hub | {"zoom": "3", "move": "confirm"}, "when: pinned by hand")
    crawl.visit(rene, where, "where: pinned by hand")


def _hidden(page: Snapshot, action: str = "/commande/verifier") -> dict[str, str | list[str]]:
    form = page.tree.css_first(f"form[action='{action}']")
    assert form is not None, page
    fields = [(f.attributes["name"] or "", f.attributes["value"] or "") for f in form.css("[type=hidden]")]
    return {name: value for name, value in fields if name != "csrf_token"}


def _orders(crawl: Crawl) -> None:
    """The order's page in each of its states; the link is the key, so that one visitor sees them all."""
    town = crawl.town
    who = crawl.visitor("somebody with links")
    with town.hall.database.reading() as session:
        slot = session.scalars(select(Slot.id).order_by(Slot.starts_at.desc())).first()
        slugs = frozenset(session.scalars(select(Shop.slug)))

    def place(delivered: bool) -> orders.PlacedOrder:
        with town.hall.database.transaction() as session:
            basket_id = fill_basket(session, dict.fromkeys(goods(town, 3), 2), now=town.clock.now())
            command = order_command(basket_id, slot_id=slot if delivered else None)
            return orders.place_order(session, command, clock=town.clock)

    def look(placed: orders.PlacedOrder, label: str, query: str = "") -> None:
        crawl.visit(who, f"/commande/{placed.code}/{placed.token}{query}", label)

    waiting = place(delivered=True)
    town.sandbox.plan_fault("POST /v2/payments", "status", status=500, times=2)
    look(waiting, "order: no payment page yet")
    look(waiting, "order: no payment page, tried again", "?essai=1")
    look(waiting, "order: waits for its payment")
    look(waiting, "order: back without payment", "?retour=1")
    confirmed, collected, delivered = place(True), place(False), place(True)
    for placed in (confirmed, collected, delivered):
        pay(town.hall, town.sandbox, placed)
    now = town.clock.now()
    with town.hall.database.transaction() as session:
        orders.mark_travelling(session, code=delivered.code, shop_slugs=slugs, actor="test", now=now)
    look(delivered, "order: on its way")
    with town.hall.database.transaction() as session:
        orders.mark_delivered(session, code=delivered.code, actor="test", now=now)
    look(confirmed, "order: paid", "?retour=1")
    look(confirmed, "order: confirmed")
    look(collected, "order: to collect")
    look(delivered, "order: delivered")
    given_up = place(False)
    with town.hall.database.transaction() as session:
        orders.cancel_unpaid(session, code=given_up.code, token=given_up.token, now=now)
    look(given_up, "order: given up")
    lapsed = place(True)
    town.clock.advance(timedelta(minutes=16))
    let_unpaid_orders_lapse(town.hall)
    look(lapsed, "order: lapsed")
    town.clock.advance(-timedelta(minutes=16))


def _reservations(crawl: Crawl) -> None:
    """A shop that cannot be paid online: its goods are reserved; the resident's page and the shop's in each state."""
    town, form_path = crawl.town, "/panier/reserver"
    open_till(town.hall.database, UNPAID_SHOP, is_open=False)
    who = crawl.visitor("somebody who reserves")
    wines = of_shop(town, UNPAID_SHOP, 3)
    fill(who, [*wines, *goods(town, 1)])
    crawl.visit(who, "/panier", "basket: some of it to reserve")
    crawl.refused(who, "/panier/suite", {}, "basket: reserve first")
    with town.hall.database.reading() as session:
        product_id = session.scalar(select(Variant.product_id).where(Variant.id == wines[0]))
    crawl.visit(who, f"/produits/{product_id}", "product: to reserve")
    crawl.visit(who, f"/boutiques/{UNPAID_SHOP}", "shop: not paid online")
    person = {name: PERSON[name] for name in ("name", "phone", "email")}

    def hidden() -> dict[str, str | list[str]]:
        return _hidden(crawl.visit(who, form_path, "reserve"), form_path)

    for form, label in (
        ({}, "reserve: empty"),
        (hidden() | {"name": HOSTILE, "phone": HOSTILE, "email": HOSTILE}, "reserve: hostile"),
        (hidden() | {"name": LONG, "phone": LONG, "email": LONG}, "reserve: too long"),
        (hidden() | person | {"seen_goods_cents": "1"}, "reserve: prices changed"),
    ):
        crawl.refused(who, form_path, form, label)
    made = []
    for label in ("made", "to cancel", "to be cancelled by the shop", "to lapse"):
        page = crawl.send(who, form_path, hidden() | person, f"reservation: {label}")
        made.append(page.path.partition("?")[0])
        fill(who, wines[:2])
    crawl.visit(who, f"{made[1]}/annuler", "reservation: the question")
    crawl.send(who, f"{made[1]}/annuler", {}, "reservation: cancelled")
    keeper = sign_in(crawl, "a merchant who is not paid online", f"{UNPAID_SHOP}@example.org")
    crawl.visit(keeper, "/boutique", "shop: reservations")
    helper = sign_in(crawl, "a coordinator who is asked about a reservation", "coordination@example.org")
    crawl.visit(helper, "/reservations", "what the shops keep: some")
    with town.hall.database.reading() as session:
        codes = {row.code: row for row in session.scalars(select(Reservation))}
    kept, _, refused, lapsed = (codes[path.split("/")[2]] for path in made)
    sheet = f"/boutique/reservations/{kept.id}"
    crawl.visit(keeper, sheet, "shop: a reservation")
    for form, label in (
        ({}, "no act"),
        ({"event": HOSTILE}, "hostile act"),
        ({"event": "collect", "collection_code": ""}, "nothing seen"),
        ({"event": "collect", "collection_code": HOSTILE, "is_adult": HOSTILE}, "hostile code"),
        ({"event": "collect", "collection_code": LONG, "is_adult": "1"}, "code too long"),
        ({"event": "collect", "collection_code": "00 00 0", "is_adult": "1"}, "wrong code"),
    ):
        crawl.refused(keeper, sheet, form, f"shop: reservation, {label}")
    crawl.visit(keeper, f"{sheet}/bordereau", "shop: slip of a reservation")
    crawl.send(keeper, sheet, {"event": "ready"}, "shop: put aside")
    crawl.visit(keeper, "/boutique", "shop: reservations put aside")
    crawl.visit(who, made[0], "reservation: ready")
    collect = {"event": "collect", "collection_code": kept.collection_code, "is_adult": "1"}
    crawl.send(keeper, sheet, collect, "shop: collected")
    crawl.visit(who, made[0], "reservation: collected")
    cancel = f"/boutique/reservations/{refused.id}/annuler"
    crawl.visit(keeper, cancel, "shop: keeps it no more")
    crawl.refused(keeper, cancel, {}, "shop: keeps it no more, no reason")
    crawl.refused(keeper, cancel, {"reason": HOSTILE}, "shop: keeps it no more, hostile")
    crawl.send(keeper, cancel, {"reason": "missing"}, "shop: cancelled")
    crawl.visit(keeper, cancel, "shop: cancelled already")
    crawl.visit(who, made[2], "reservation: cancelled by the shop")
    with town.hall.database.transaction() as session:
        reservations.lapse(session, reservation_id=lapsed.id, now=town.clock.now() + timedelta(days=9))
    crawl.visit(who, made[3], "reservation: lapsed")
    crawl.visit(keeper, "/boutique", "shop: reservations that ended")
    crawl.visit(who, form_path, "reserve once more")


def _sunday(crawl: Crawl) -> None:
    """Nobody is open and no round is left to book."""
    town = crawl.town
    who = crawl.visitor("somebody on a Sunday")
    fill(who, goods(town, 2))
    away = past_every_round() - timedelta(days=2)
    town.clock.advance(away)
    for path, label in (
        ("/", "home on a Sunday"),
        ("/boutiques", "shops on a Sunday"),
        ("/produits", "listing without a round"),
        ("/panier", "basket without a round"),
    ):
        crawl.visit(who, path, label)
    crawl.send(who, "/commande/livraison", ADDRESS, "when: no round")
    town.clock.advance(-away)


def _errors(crawl: Crawl) -> None:
    town = crawl.town
    who = crawl.visitor("somebody who meets errors")
    crawl.visit(who, "/nulle-part", "error 404")
    crawl.visit(who, "/produits/999999999-rien", "product that never was")
    crawl.visit(who, "/boutiques/aucune", "shop that never was")
    crawl.visit(who, "/commande/12345678/aucune", "order that never was")
    crawl.visit(who, "/panier/suite", "error 405")
    answer = who.client.post("/langue", data={"language": "en"}, base_url=town.url)
    crawl.keep_answer(who, answer, "/langue", "error 400, form too old")
    answers = [who.post("/connexion", {"email": "", "password": "", "next": ""}) for _ in range(12)]
    answer = answers[-1]
    assert answer.status_code == 429, answer.status_code
    crawl.keep_answer(who, answer, "/connexion", "error 429")
    for status, code in ((403, "http_403"), (410, "http_410"), (413, "http_413"), (500, "http_500"), (503, "busy")):
        with town.app.test_request_context("/"):
            response = town.app.process_response(refuse(status, code, "", incident="0a1b2c3d"))
        answer = type(answer)(response.response, response.status, response.headers, answer.request, ())
        crawl.keep_answer(who, answer, "/erreur", f"error {status}")


def sign_in(crawl: Crawl, name: str, email: str) -> Visitor:
    who = crawl.visitor(name)
    page = crawl.send(who, "/connexion", {"email": email, "password": crawl.town.password, "next": ""}, f"{name}: home")
    assert page.status == 200, page
    return who


def staff(crawl: Crawl) -> None:
    """A day of the house: three households order for tonight; the shop packs, the coordinator plans, the courier rides.

    Each of them then follows every link.
    """
    town = crawl.town
    with town.hall.database.reading() as session:
        tonight = session.scalars(select(Round).order_by(Round.collect_from_at)).first()
        assert tonight is not None
        round_id, slot_id = tonight.id, session.scalars(select(Slot.id).where(Slot.round_id == tonight.id)).first()
    shop = "la-page-cornee"
    wine = goods(town, 1, kind="alcool")
    for variants in ([*of_shop(town, shop, 2), *goods(town, 2)], [*of_shop(town, shop, 1), *wine], goods(town, 3)):
        pay(town.hall, town.sandbox, _place(town, variants, slot_id))
    collected = _place(town, of_shop(town, shop, 1), None)
    pay(town.hall, town.sandbox, collected)
    _shop_packs(crawl, shop)
    _coordinator_plans(crawl, round_id)
    _courier_rides(crawl)
    _withdrawals(crawl)
    _lighter(crawl)
    _owed_credit_notes(crawl)
    coordinator = next(who for who in crawl.visitors if who.name == "a coordinator")
    crawl.visit(coordinator, f"/tournees/{round_id}", "round: rides")
    crawl.visit(coordinator, "/encaissements", "who can be paid")
    _books(crawl, next(who for who in crawl.visitors if who.name == "the treasurer"))


def of_shop(town: LiveTown, slug: str, qty: int) -> list[int]:
    with town.hall.database.reading() as session:
        free = Variant.on_hand_qty - Variant.held_qty
        query = select(Variant.id).join(Shop, Variant.shop_id == Shop.id).where(Shop.slug == slug, free > 5)
        query = query.where(Variant.is_offered).where(Variant.reference.not_in(("n1", "w1", "w3")))
        return list(session.scalars(query.order_by(Variant.id).limit(qty)))


def _place(town: LiveTown, variants: Sequence[int], slot_id: int | None) -> orders.PlacedOrder:
    with town.hall.database.transaction() as session:
        basket_id = fill_basket(session, dict.fromkeys(variants, 1), now=town.clock.now())
        return orders.place_order(session, order_command(basket_id, slot_id=slot_id), clock=town.clock)


def _payouts(crawl: Crawl, who: Visitor, slug: str) -> None:
    """A merchant's page of its account at each stage, an answer nobody asked for, and the question before the end."""
    party = f"merchant:{slug}"
    stages = (
        ("ended", "needs_data", False),
        ("connected", "needs_data", False),
        ("connected", "in_review", False),
        ("connected", "completed", False),
        ("reconnect", "completed", True),
        ("leaving", "completed", True),
        ("connected", "completed", True),
    )
    for standing, onboarding, can_receive in stages:
        with crawl.town.hall.database.transaction() as session:
            # Whose papers are complete and who gets nothing is refused money.
            refused_at = crawl.town.clock.now() if onboarding == "completed" and not can_receive else None
            values = {"standing": standing, "onboarding": onboarding, "can_receive_payments": can_receive}
            values["refused_at"] = refused_at
            session.execute(update(MerchantAccount).where(MerchantAccount.party == party).values(values))
        crawl.visit(who, "/boutique/encaissement", f"payouts: {standing}, {onboarding}")
    crawl.visit(who, "/boutique/encaissement/retour?code=auth_x&state=forged", "payouts: forged")
    with crawl.town.hall.database.reading() as session:
        merchant_id = session.scalars(select(Merchant.id).where(Merchant.key == slug)).one()
    crawl.visit(who, f"/boutique/encaissement/{merchant_id}/delier", "payouts: before leaving")


def _commissions(crawl: Crawl, who: Visitor) -> None:
    """The rates of all merchants, and one of them: with its form, refused, and with a change to come."""
    crawl.visit(who, "/commissions", "commissions")
    with crawl.town.hall.database.reading() as session:
        page = f"/commissions/{session.scalars(select(Merchant.id).order_by(Merchant.legal_name)).first()}"
    crawl.visit(who, page, "commission")
    crawl.refused(who, page, {"rate": "", "valid_from": ""}, "commission: nothing said")
    crawl.refused(who, page, {"rate": HOSTILE, "valid_from": LONG}, "commission: hostile")
    day = local_day(crawl.town.clock.now()) + timedelta(days=40)
    crawl.send(who, page, {"rate": "12,5", "valid_from": f"{day}"}, "commission: to come")
    crawl.visit(who, "/commissions", "commissions: one to come")


def _delivery_terms(crawl: Crawl, who: Visitor) -> None:
    """What deliveries cost: all zones, and one of them with its form, refused, tried out, and with a change to come."""
    crawl.visit(who, "/prix-des-livraisons", "delivery terms")
    page = next(
        path for path in links_of(crawl.visit(who, "/prix-des-livraisons")) if re.search(r"livraisons/\d+$", path)
    )
    crawl.visit(who, page, "delivery terms of a zone")
    day = local_day(crawl.town.clock.now()) + timedelta(days=40)
    form = {"cost": "7,50", "fee": "4,90", "free_from": "60", "merchants_rate": "2", "per_parcel": "0,30"}
    crawl.refused(who, page, {"act": "save"}, "delivery terms: nothing said")
    crawl.refused(who, page, {**form, "cost": HOSTILE, "valid_from": LONG, "act": "save"}, "delivery terms: hostile")
    crawl.send(who, page, {**form, "valid_from": f"{day}", "act": "look"}, "delivery terms: tried out")
    crawl.send(who, page, {**form, "valid_from": f"{day}", "act": "save"}, "delivery terms: to come")
    crawl.visit(who, "/prix-des-livraisons", "delivery terms: one to come")


def _papers(crawl: Crawl, who: Visitor, slug: str) -> None:
    """A merchant's page of papers before there are any, and with one of each kind; each of them on screen."""
    crawl.visit(who, "/boutique/factures", "shop: no papers")
    with crawl.town.hall.database.reading() as session:
        mandate = f"/boutique/factures/mandat/{session.scalars(select(Merchant.id).where(Merchant.key == slug)).one()}"
    crawl.visit(who, mandate, "mandate: unasked")
    crawl.refused(who, f"{mandate}/signer", {"legal_form": HOSTILE, "signed_by": ""}, "mandate: half signed")
    crawl.refused(who, f"{mandate}/signer", {}, "mandate: not filled in")
    crawl.refused(who, f"{mandate}/signer", {"signed_by": LONG, "legal_form": LONG}, "mandate: too long a name")
    crawl.send(who, f"{mandate}/refuser", {}, "mandate: declined")
    seller, now = replace(CHEESE, key=f"merchant:{slug}"), crawl.town.clock.now()
    with crawl.town.hall.database.transaction() as session:
        receipt = issue_for_seller(session, key=f"r:{slug}", draft=sale(seller), issuer=ASSOCIATION, now=now)
        sign_mandate(session, seller=seller.key, signed_on=local_day(now), signed_by="Rose Breuil", now=now)
        draft = replace(sale(seller), is_fictitious=True)
        invoice = issue_for_seller(session, key=f"f:{slug}", draft=draft, issuer=ASSOCIATION, now=now)
        note = credit(
            session, key=f"a:{slug}", document_id=invoice.id, credits={0: Money(235)}, reason=LONG_NAME, now=now
        )
        own = replace(sale(ASSOCIATION, buyer=seller), settlement=DEDUCTION)
        fee = issue_own(session, key=f"c:{slug}", draft=own, now=now)
    crawl.visit(who, "/boutique/factures", "shop: papers")
    crawl.visit(who, "/boutique/factures/a-ecrire", "shop: papers to write")
    crawl.visit(who, mandate, "mandate: in force")
    for day, label in ((HOSTILE, "hostile"), (LONG, "too long"), ("", "empty")):
        crawl.refused(who, f"{mandate}/terminer", {"ended_on": day}, f"mandate: {label} day")
    crawl.send(who, f"{mandate}/terminer", {"ended_on": "31/12/2030"}, "mandate: ends")
    for issued, label in ((receipt, "receipt"), (invoice, "invoice"), (note, "credit note"), (fee, "commission")):
        crawl.visit(who, f"/documents/{issued.token}", f"paper: {label}")


def _shop_packs(crawl: Crawl, slug: str) -> None:
    who = sign_in(crawl, "a merchant", f"{slug}@example.org")
    crawl.visit(who, "/boutique", "shop: to accept")
    crawl.wander(who, "/boutique", within=ROOMS)
    parts = [path for path in links_of(crawl.visit(who, "/boutique")) if re.fullmatch(r"/boutique/commandes/\d+", path)]
    crawl.refused(who, parts[0], {}, "shop: no act")
    crawl.refused(who, parts[0], {"event": HOSTILE}, "shop: hostile act")
    for path in parts:
        crawl.send(who, path, {"event": "accept"}, "shop: accepted")
    crawl.visit(who, "/boutique", "shop: to pack")
    _shop_lacks(crawl, who, parts)
    for path in parts:
        crawl.send(who, path, {"event": "pack"}, "shop: packed")
    crawl.visit(who, "/boutique", "shop: packed")
    for path in parts:
        if crawl.visit(who, path).tree.css_first("[name=collection_code]") is not None:
            for code, label in (("00 00", "wrong"), (HOSTILE, "hostile"), (LONG, "too long")):
                crawl.refused(who, path, {"event": "hand_over", "collection_code": code}, f"shop: {label} code")
            break
    crawl.visit(who, f"{parts[0]}/bordereau", "shop: slip")
    _statements(crawl, who)
    _papers(crawl, who, slug)
    _payouts(crawl, who, slug)
    shelf = crawl.visit(who, "/boutique/rayon").tree
    actions = [form.attributes["action"] or "" for form in shelf.css("form[action*='/boutique/rayon/']")]
    for form in ({"qty": "", "seen_qty": "1"}, {"qty": "1.5", "seen_qty": "1"}, {"qty": HOSTILE, "seen_qty": "1"}):
        crawl.refused(who, next(a for a in actions if "/stock" in a), form, f"shelf: count {form['qty']!r}")
    crawl.refused(who, next(a for a in actions if "/stock" in a), {"qty": LONG, "seen_qty": "1"}, "shelf: long count")
    for price in ("", "0", HOSTILE, LONG):
        crawl.refused(who, next(a for a in actions if "/prix" in a), {"price": price}, f"shelf: price {price[:50]!r}")
    crawl.visit(who, "/boutique/rayon?q=xyzzy", "shelf: nothing found")


def _books(crawl: Crawl, who: Visitor) -> None:
    """What the accountant gets, before a month is closed and after; months that cannot be had."""
    book = "/tresorerie/comptabilite"
    crawl.visit(who, book, "accounts: nothing closed")
    seal_and_close(crawl.town.hall.database, crawl.town.clock.now() + timedelta(days=8))
    crawl.visit(who, "/tresorerie/dac7", "sellers' year")
    crawl.visit(who, "/tresorerie/dac7?annee=2024", "sellers' year without a sale")
    crawl.visit(who, book, "accounts: a month")
    crawl.visit(who, f"{book}?du=2026-11&au=2026-11", "accounts: its sums")
    crawl.visit(who, "/tresorerie/tva", "association's VAT")
    crawl.refused(who, "/tresorerie/tva", {}, "association's VAT: empty")
    crawl.refused(who, "/tresorerie/tva", {"vat": HOSTILE, "valid_from": LONG}, "association's VAT: hostile")
    crawl.refused(who, "/tresorerie/tva", {"vat": "exempt", "valid_from": "2026-12-24"}, "association's VAT: mid-month")
    crawl.send(who, "/tresorerie/tva", {"vat": "exempt", "valid_from": "2027-01-01"}, "association's VAT: noted")
    for months in ("du=2026-12&au=2026-11", "du=2026-11&au=2026-12", f"du={HOSTILE}&au=2026-11", "au=2026-11"):
        crawl.visit(who, f"{book}/fec?{months}", f"accounts: {months}")


def _statements(crawl: Crawl, who: Visitor) -> None:
    """The merchant's money after a refund: the year, its month, its day, and times in which nothing happened."""
    months = links_of(crawl.visit(who, "/boutique/releves", "statements"))
    month = next(path for path in months if re.fullmatch(r"/boutique/releves/\d+/\d{4}-\d\d", path))
    crawl.visit(who, month, "statement: month")
    crawl.visit(who, f"{month}-24", "statement: day")
    crawl.visit(who, f"{month}-01", "statement: quiet day")
    crawl.visit(who, f"{month[:-2]}01", "statement: quiet month")
    crawl.visit(who, "/boutique/releves?annee=2025", "statements: quiet year")


def _shop_lacks(crawl: Crawl, who: Visitor, parts: Sequence[str]) -> None:
    """What is missing in a parcel: what the form refuses, and one report that the slip and the order then show."""

    def asked(path: str) -> list[str]:
        form = crawl.visit(who, f"{path}/manque", "shop: lack").tree
        return [field.attributes["name"] or "" for field in form.css("form [name^=available-]")]

    for typed, label in (("", "no"), (HOSTILE, "hostile"), (LONG, "too long"), ("99", "too many"), ("0", "not one")):
        crawl.refused(who, f"{parts[0]}/manque", dict.fromkeys(asked(parts[0]), typed), f"shop: {label} pieces")
    rich = next(path for path in parts if len(asked(path)) > 1)
    first, *others = asked(rich)
    crawl.send(who, f"{rich}/manque", {first: "0", **dict.fromkeys(others, "1")}, "shop: lack reported")
    crawl.visit(who, f"{rich}/bordereau", "shop: slip without")
    crawl.visit(who, f"{rich}/annuler", "shop: cancel")
    crawl.send(who, f"{rich}/annuler", {}, "shop: cancelled")
    crawl.visit(who, f"{rich}/bordereau", "shop: slip of nothing")


def _coordinator_opens(crawl: Crawl, who: Visitor) -> None:
    """New rounds: the form, what it refuses, several days at once, one that is taken back."""
    page = crawl.visit(who, "/tournees/ouvrir", "open rounds").tree
    action = page.css_first("form.opening").attributes["action"] or ""
    fields = page.css("form.opening input:not([type=checkbox], [type=radio], [name=csrf_token])")
    form: dict[str, str | list[str]] = {f.attributes["name"] or "": f.attributes["value"] or "" for f in fields}
    form |= {"cut_off_on": "day", "cut_off": "08:00", "collect_from": "09:00", "collect_until": "11:00"}
    form |= {"window_1_from": "10:00", "window_1_until": "12:00", "window_2_from": "11:00", "window_2_until": "13:00"}
    free = [f.attributes["value"] or "" for f in page.css("[name=day]")][1:]
    crawl.refused(who, action, form, "open rounds: no day")
    crawl.refused(who, action, form | {"day": free[0], "other_day": "2020-01-01"}, "open rounds: past")
    crawl.refused(who, action, form | {"day": free[0], "window_1_from": "21:00"}, "open rounds: window ends first")
    crawl.refused(who, action, form | {"day": free[0], "window_4_from": "12:00", "litres": "１"}, "open rounds: half")
    hostile = dict.fromkeys(("cut_off", "window_1_places", "kilograms"), HOSTILE)
    crawl.refused(who, action, form | {"day": HOSTILE, **hostile}, "open rounds: hostile")
    crawl.refused(who, action, {}, "open rounds: empty")
    crawl.refused(who, action, form | {"day": free[0], "kilograms": LONG}, "open rounds: too long")
    crawl.send(who, action, form | {"day": free[:2]}, "rounds: two more")
    opened = crawl.send(who, action, form | {"day": free[2], "key": "another"}, "round: just opened")
    crawl.send(who, f"{opened.path}/retirer", {}, "rounds: one taken back")
    crawl.visit(who, opened.path, "round: taken back")


def _coordinator_writes_rules(crawl: Crawl, who: Visitor) -> None:
    """Calendar rules: none yet, the form and what it refuses, the days of one, two that stand, one paused."""
    crawl.visit(who, "/tournees/calendrier", "calendar: no rule")
    page = crawl.visit(who, "/tournees/calendrier/nouvelle", "calendar: a new rule").tree
    action = page.css_first("form.opening").attributes["action"] or ""
    fields = page.css("form.opening input:not([type=checkbox], [type=radio], [name=csrf_token])")
    form: dict[str, str | list[str]] = {f.attributes["name"] or "": f.attributes["value"] or "" for f in fields}
    form |= {"step": "keep", "rule_name": "Le dimanche", "pattern": "weekly", "on_holidays": "eve", "cut_off_on": "eve"}
    days = form | {"weekday": ["6", "2"]}
    crawl.refused(who, action, form, "calendar: no day")
    crawl.refused(who, action, {}, "calendar: empty")
    crawl.refused(who, action, days | {"pattern": "monthly", "last_on": "2020-01-01"}, "calendar: no month's day")
    crawl.refused(who, action, days | {"pattern": "dates", "dates": HOSTILE}, "calendar: hostile dates")
    crawl.refused(
        who, action, days | dict.fromkeys(("rule_name", "cut_off", "ahead_days"), HOSTILE), "calendar: hostile"
    )
    crawl.refused(who, action, days | {"rule_name": LONG * 2, "except_on": LONG * 9}, "calendar: too long")
    crawl.send(who, action, days | {"step": "look"}, "calendar: its days")
    crawl.send(who, action, days, "calendar: a rule")
    monthly = days | {
        "key": "another",
        "pattern": "monthly",
        "nth": ["1", "5"],
        "rule_name": LONG[:60],
        "collect_from": "05:00",
    }
    listed = crawl.send(
        who, action, monthly | dict.fromkeys(("collect_from", "window_1_from"), "05:00"), "calendar: two rules"
    )
    one = listed.tree.css_first("article h2 a").attributes["href"] or ""
    crawl.visit(who, one, "calendar: a rule as it stands")
    crawl.refused(who, one, {}, "calendar: changed, empty")
    crawl.refused(who, one, days | {"rule_name": LONG * 2}, "calendar: changed, too long")
    crawl.refused(who, one, days | {"ahead_days": HOSTILE}, "calendar: changed, hostile")
    crawl.send(who, f"{one}/suspendre", {}, "calendar: one paused")
    crawl.send(who, f"{one}/reprendre", {}, "calendar: it goes on")


def _coordinator_plans(crawl: Crawl, round_id: int) -> None:
    who = sign_in(crawl, "a coordinator", "coordination@example.org")
    _coordinator_opens(crawl, who)
    _coordinator_writes_rules(crawl, who)
    page = f"/tournees/{round_id}"
    crawl.visit(who, "/tournees", "rounds")
    crawl.visit(who, "/a-regarder", "what waits for a person")
    crawl.visit(who, "/reservations", "what the shops keep")
    treasurer = sign_in(crawl, "the treasurer", "tresorerie@example.org")
    crawl.visit(treasurer, "/espace", "the treasurer's rooms")
    crawl.visit(treasurer, "/tresorerie", "treasury")
    crawl.visit(treasurer, "/tresorerie/a-ecrire", "treasury: papers to write")
    _commissions(crawl, treasurer)
    _delivery_terms(crawl, treasurer)
    crawl.visit(treasurer, "/tresorerie/ecarts", "differences")
    _commission_runs(crawl, treasurer)
    _order_money(crawl, treasurer)
    crawl.visit(who, page, "round: open")
    crawl.wander(who, "/tournees", within=ROOMS)
    crawl.send(who, f"{page}/fermer", {}, "round: closed")
    vehicles = [f.attributes["value"] or "" for f in crawl.visit(who, page).tree.css("[name=vehicle]")]
    crawl.refused(who, f"{page}/preparer", {}, "round: nobody rides")
    crawl.refused(who, f"{page}/preparer", {"vehicle": "999999"}, "round: unknown vehicle")
    crawl.refused(who, f"{page}/preparer", {"vehicle": HOSTILE}, "round: hostile vehicle")
    crawl.send(who, f"{page}/preparer", {"vehicle": vehicles}, "round: being planned")
    crawl.town.work()
    crawl.visit(who, page, "round: planned")
    crawl.visit(who, f"{page}/feuille", "round: sheet")
    crawl.send(who, f"{page}/confier", {}, "round: handed out")


def _commission_runs(crawl: Crawl, treasurer: Visitor) -> None:
    """Commission invoices before any month is over, and of a month with an invoice at each stage."""
    crawl.visit(treasurer, "/tresorerie/commissions", "commission: no month is over")
    crawl.refused(treasurer, "/tresorerie/commissions/2026-11/lancer", {}, "commission: a month that is not over")
    with crawl.town.hall.database.transaction() as session:
        parties = [f"merchant:{key}" for key in session.scalars(select(Merchant.key).order_by(Merchant.key).limit(3))]
        session.add(CommissionRun(month=date(2020, 1, 1), started_at=crawl.town.clock.now(), started_by="test"))
        session.flush()
        for party, state in zip(parties, ("planned", "issued", "stuck"), strict=True):
            why = "no_siren" if state == "stuck" else None
            part = CommissionPart(month=date(2020, 1, 1), party=party, amount=Money(123_456), lines=[], state=state)
            part.stuck_reason = why
            session.add(part)
        session.flush()
        stuck_id, seller_id = part.id, session.scalars(select(Merchant.id).where(Merchant.key == party[9:])).one()
    crawl.visit(treasurer, "/tresorerie/commissions", "commission: a month under way")
    crawl.visit(treasurer, "/tresorerie/commissions/2020-01", "commission: one month")
    page = f"/tresorerie/commerces/{seller_id}"
    crawl.visit(treasurer, page, "merchant's file")
    crawl.refused(treasurer, page, {}, "merchant's file: empty")
    names = ("registration", "street", "postcode", "city", "reason")
    crawl.refused(treasurer, page, dict.fromkeys(names, HOSTILE), "merchant's file: hostile")
    crawl.refused(treasurer, page, dict.fromkeys(names, LONG * 9), "merchant's file: too long")
    crawl.send(treasurer, f"/tresorerie/commissions/2020-01/{stuck_id}/reprendre", {}, "commission: one again")


def _lighter(crawl: Crawl) -> None:
    """A cheese that weighs less than promised: what the form refuses, and one report."""
    town = crawl.town
    with town.hall.database.reading() as session:
        row = session.execute(
            select(Variant.id, Shop.slug)
            .join(Shop, Variant.shop_id == Shop.id)
            .join(Product, Variant.product_id == Product.id)
            .where(
                Variant.net_unit == "g", Shop.slug == "la-tomme-et-le-pre", Variant.on_hand_qty > 5, Variant.is_offered
            )
            .order_by(Variant.id)
        ).first()
    assert row is not None, "somebody sells cheese with its weight"
    pay(town.hall, town.sandbox, _place(town, [row.id], None))
    who = sign_in(crawl, "a cheesemonger", f"{row.slug}@example.org")
    paths = [path for path in links_of(crawl.visit(who, "/boutique")) if re.fullmatch(r"/boutique/commandes/\d+", path)]
    url = f"{paths[-1]}/poids"
    form = crawl.visit(who, url, "shop: weigh").tree
    (field,) = [one.attributes["name"] or "" for one in form.css("[name^=grams-]")]
    crawl.refused(who, url, {}, "shop: not one weight")
    crawl.refused(who, url, {field: HOSTILE}, "shop: hostile weight")
    crawl.refused(who, url, {field: LONG, "ticket": LONG}, "shop: too long a weight")
    crawl.send(who, url, {field: "100", "ticket": "12"}, "shop: lighter")


def _owed_credit_notes(crawl: Crawl) -> None:
    """A merchant whose mandate ended yesterday owes a credit note: its form, what that refuses, said and taken back."""
    town, shop = crawl.town, "la-toupie-filante"
    with town.hall.database.reading() as session:
        slot_id = session.scalars(select(Slot.id).order_by(Slot.starts_at.desc())).first()
    placed = _place(town, of_shop(town, shop, 1), slot_id)
    pay(town.hall, town.sandbox, placed)
    now = town.clock.now()
    before = now - timedelta(days=2)
    with town.hall.database.transaction() as session:
        sign_mandate(session, seller=f"merchant:{shop}", signed_on=local_day(before), signed_by=LONG_NAME, now=before)
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset([shop]), actor="test", now=now)
        orders.mark_delivered(session, code=placed.code, actor="test", now=now)
        part = session.scalars(select(SubOrder).where(SubOrder.order_id == placed.order_id)).one()
    with town.app.app_context():
        document_sale(replace(town.hall, clock=FixedClock(before)), part.id)
    with town.hall.database.transaction() as session:
        end_mandate(session, seller=f"merchant:{shop}", ended_on=local_day(now) - timedelta(days=1))
        order, part = session.get_one(Order, placed.order_id), session.get_one(SubOrder, part.id)
        returned = [Returned(lines_of(session, part.id)[0].id, 0, Money(100))]
        said = {"reason": "complaint", "liable": "merchant", "actor": "test", "now": now}
        give_back(session, order, part, returned=returned, **said)
    town.work()
    who = sign_in(crawl, "a merchant who owes a credit note", f"{shop}@example.org")
    listed = "/boutique/factures/a-ecrire"
    page = next(path for path in links_of(crawl.visit(who, listed)) if re.fullmatch(rf"{listed}/\d+/\d+", path))
    crawl.visit(who, page, "owed credit note: form")
    crawl.refused(who, page, {}, "owed credit note: nothing said")
    crawl.refused(who, page, {"number": HOSTILE, "written_on": HOSTILE}, "owed credit note: hostile")
    crawl.refused(who, page, {"number": LONG, "written_on": LONG}, "owed credit note: too long")
    crawl.send(who, page, {"number": "AV-" + "9" * 37, "written_on": ""}, "owed credit note: written")
    crawl.send(who, f"{page}/reprendre", {}, "owed credit note: taken back")


def _withdrawals(crawl: Crawl) -> None:
    """The withdrawal function: what it asks, refuses and confirms, its receipt; and the shop with its goods back."""
    town = crawl.town
    with town.hall.database.reading() as session:
        row = session.execute(
            select(Order.code, Order.token, SubOrder.id, Shop.slug, OrderLine.id)
            .join(SubOrder, SubOrder.order_id == Order.id)
            .join(Shop, SubOrder.shop_id == Shop.id)
            .join(OrderLine, OrderLine.sub_order_id == SubOrder.id)
            .where(SubOrder.state == "delivered", Shop.slug == "la-page-cornee")
            .order_by(Order.id)
        ).first()
    assert row is not None, "somebody has bought what may be renounced"
    code, token, part_id, slug, line_id = row
    who = crawl.visitor("somebody who changes their mind")
    page = f"/commande/{code}/{token}"
    url = f"{page}/renoncer/{part_id}"
    crawl.visit(who, page, "order: may be renounced")
    staff = sign_in(crawl, "a coordinator on the telephone", "coordination@example.org")
    by_telephone = f"/tresorerie/commandes/{code}/renoncer/{part_id}"
    said: dict[str, str | list[str]] = {"form_key": "said", "name": "Jeanne Martin"}
    crawl.visit(staff, by_telephone, "telephone withdrawal: form")
    crawl.refused(staff, by_telephone, {}, "telephone withdrawal: empty form")
    crawl.refused(staff, by_telephone, said | {"email": HOSTILE}, "telephone withdrawal: hostile form")
    crawl.refused(staff, by_telephone, said | {"name": LONG * 2}, "telephone withdrawal: too long a form")
    crawl.visit(who, url, "withdrawal: form")
    crawl.refused(who, url, {}, "withdrawal: empty")
    form: dict[str, str | list[str]] = {"form_key": "once", "name": "Jeanne Martin", "email": "jeanne@example.org"}
    crawl.refused(who, url, form | dict.fromkeys(("name", "email", f"qty-{line_id}"), HOSTILE), "withdrawal: hostile")
    crawl.refused(who, url, form | {"name": LONG * 2}, "withdrawal: too long")
    crawl.refused(who, url, form | {f"qty-{line_id}": "99"}, "withdrawal: too many")
    crawl.send(who, url, form | {f"qty-{line_id}": "1", "step": "look"}, "withdrawal: confirm")
    crawl.send(who, url, form | {f"qty-{line_id}": "1", "step": "do"}, "withdrawal: receipt")
    crawl.visit(who, page, "order: renounced")
    with town.hall.database.reading() as session:
        withdrawal_id = session.scalars(select(func.max(Withdrawal.id))).one()
    receipt = f"{page}/renoncement/{withdrawal_id}"
    crawl.refused(who, receipt, {}, "withdrawal: went back, nothing said")
    crawl.refused(who, receipt, {"proof": LONG * 2, "other": HOSTILE}, "withdrawal: went back, too long")
    crawl.refused(who, receipt, {"proof": "", "other": HOSTILE}, "withdrawal: went back, hostile")
    crawl.send(who, receipt, {"proof": HOSTILE}, "withdrawal: went back")
    crawl.visit(staff, by_telephone, "telephone withdrawal: nothing left")
    paper = f"/tresorerie/commandes/{code}/renoncement/{withdrawal_id}"
    crawl.visit(staff, paper, "telephone withdrawal: receipt")
    crawl.refused(staff, paper, {}, "telephone withdrawal: receipt, nothing said")
    crawl.refused(staff, paper, {"basis": HOSTILE}, "telephone withdrawal: hostile")
    crawl.visit(who, url, "withdrawal: nothing left")
    keeper = sign_in(crawl, "a merchant who gets something back", f"{slug}@example.org")
    returns = crawl.visit(keeper, "/boutique/retours", "shop: a return")
    action = returns.tree.css_first("form[action^='/boutique/retours/']").attributes["action"] or ""
    crawl.send(keeper, f"{action}/pas-revenu", {}, "shop: nothing came back")
    crawl.visit(who, receipt, "withdrawal: held")
    with town.hall.database.transaction() as session:
        session.get_one(Withdrawal, withdrawal_id).email = ""
    crawl.visit(staff, paper, "telephone withdrawal: somebody to call")
    crawl.send(staff, f"{paper}/prevenu", {}, "telephone withdrawal: called")
    crawl.refused(staff, f"{paper}/rendu", {}, "telephone withdrawal: went back, nothing said")
    crawl.refused(staff, f"{paper}/rendu", {"proof": LONG * 2}, "telephone withdrawal: went back, too long")
    crawl.refused(staff, f"{paper}/rendu", {"proof": "", "other": HOSTILE}, "telephone withdrawal: went back, hostile")
    crawl.send(staff, f"{paper}/rendu", {"proof": HOSTILE}, "telephone withdrawal: went back")
    crawl.refused(keeper, action, {}, "shop: return, nothing said")
    crawl.refused(keeper, action, {"basis": HOSTILE}, "shop: return, hostile")
    # So much went back as a gesture before that the shop will owe some of its part.
    with town.hall.database.transaction() as session:
        order = session.scalars(select(Order).where(Order.code == code).with_for_update()).one()
        assert order.payment_id is not None, "it is paid"
        left = left_to_refund(session, order.payment_id)
        give_back(
            session,
            order,
            None,
            reason="complaint",
            liable="association",
            gesture=left - Money(100),
            actor="test",
            now=town.clock.now(),
        )
    crawl.send(keeper, action, {"basis": "goods"}, "shop: returned")
    crawl.visit(who, page, "order: renounced and given back")
    treasurer = sign_in(crawl, "the treasurer who is owed something", "tresorerie@example.org")
    crawl.visit(treasurer, f"/tresorerie/commandes/{code}", "money: gestures counted, a claim")
    owed = crawl.visit(treasurer, "/tresorerie", "treasury: a shop owes").tree
    claim = owed.css_first("form[action^='/tresorerie/creances/'][action$='/payee']").attributes["action"] or ""
    crawl.send(treasurer, claim, {}, "treasury: a shop has paid")


def _order_money(crawl: Crawl, who: Visitor) -> None:
    """An order's money, what its forms refuse, who would give what, and what was given."""
    crawl.visit(who, "/tresorerie/commandes", "money: which order")
    crawl.visit(who, "/tresorerie/commandes?code=12", "money: no such number")
    with crawl.town.hall.database.reading() as session:
        code = session.scalars(
            select(Order.code).where(Order.state == "confirmed", Order.mode == "delivery").order_by(Order.id)
        ).first()
    page = f"/tresorerie/commandes/{code}"
    links = links_of(crawl.visit(who, page, "money: nothing given"))
    lines = next(path for path in links if re.search(r"/rendre/\d+$", path))
    whole = next(path for path in links if re.search(r"/annuler/\d+$", path))
    form = crawl.visit(who, lines, "money: lines").tree
    qty = next(f.attributes["name"] or "" for f in form.css("[name^=qty-]"))
    seen: dict[str, str | list[str]] = {"step": "look", "seen_refund_id": "0"}
    why = seen | {"note": "Un pot cassé.", "liable": "merchant", "reason": "complaint"}
    crawl.visit(who, whole, "money: a whole part")
    crawl.visit(who, f"{page}/rendre", "money: gesture")
    for address, fields in (
        (lines, (qty, "gesture", "liable")),
        (whole, ("liable",)),
        (f"{page}/rendre", ("gesture",)),
    ):
        crawl.refused(who, address, {}, "money: empty")
        crawl.refused(who, address, seen | dict.fromkeys(("note", *fields), HOSTILE), "money: hostile")
        crawl.refused(who, address, seen | {"note": LONG * 2}, "money: too long")
    crawl.refused(who, lines, why | {qty: "99"}, "money: too many")
    crawl.send(who, whole, seen | {"note": HOSTILE, "liable": "shared"}, "money: who gives what of a part")
    crawl.send(who, lines, why | {qty: "1"}, "money: who gives what")
    crawl.send(who, f"{page}/rendre", seen | {"note": LONG_NAME, "delivery": "0,50", "step": "do"}, "money: given")
    crawl.visit(who, page, "money: something given")
    with crawl.town.hall.database.transaction() as session:
        order = session.scalars(select(Order).where(Order.code == code)).one()
        assert order.payment_id is not None, "it is paid"
        now, link = crawl.town.clock.now(), f"/commande/{code}/{order.token}"
        taken = ProviderChargeback("chb_crawl", "tr_crawl", Money(500), now, None)
        apply_chargebacks(session, order.payment_id, [taken], now)
    crawl.visit(who, page, "money: a dispute")
    crawl.visit(who, lines, "money: lines in a dispute")
    crawl.visit(who, "/a-regarder", "what waits for a person: a dispute")
    crawl.visit(crawl.visitor("somebody with a dispute"), link, "order: in a dispute")
    crawl.send(who, f"{page}/litige-perdu", {}, "money: the dispute is lost")


def _courier_rides(crawl: Crawl) -> None:
    """One courier rides the whole line, and shows each stop before and after; the other looks at theirs."""
    town = crawl.town
    with town.hall.database.reading() as session:
        token, reference = session.execute(
            select(Booking.token, Booking.reference).order_by(Booking.id.desc())
        ).first() or ("", "")
    resident = crawl.visitor("somebody who waits")
    crawl.visit(resident, f"/suivre/{token}", "tracking: planned")
    samia = sign_in(crawl, "a courier", "samia.coursiere@example.org")
    leo = sign_in(crawl, "another courier", "leo.coursier@example.org")
    for who in (samia, leo):
        page = crawl.visit(who, "/ma-tournee", "courier: first stop")
        crawl.wander(who, "/ma-tournee", within=ROOMS)
        for number in range(40):
            form = page.tree.css_first("form[action^='/ma-tournee/arret/']")
            if form is None:
                break
            action = form.attributes["action"] or ""
            page = (
                _collect(crawl, who, page, action)
                if action.endswith("collecte")
                else _deliver(crawl, who, page, action, number)
            )
    crawl.visit(resident, f"/suivre/{token}", f"tracking: after {reference and 'the ride'}")


def _collect(crawl: Crawl, who: Visitor, page: Snapshot, action: str) -> Snapshot:
    parcels = [f.attributes["value"] or "" for f in page.tree.css("[name=parcel]")]
    crawl.refused(who, action, {}, "courier: nothing ticked")
    crawl.refused(who, action, {"parcel": HOSTILE}, "courier: hostile parcel")
    return crawl.send(who, action, {"parcel": parcels}, "courier: collected")


def _deliver(crawl: Crawl, who: Visitor, page: Snapshot, action: str, number: int) -> Snapshot:
    adult: dict[str, str | list[str]] = (
        {"is_adult": "yes"} if page.tree.css_first("[name=is_adult]") is not None else {}
    )
    crawl.refused(who, action, adult, "courier: no proof")
    crawl.refused(who, action, adult | {"code": "0000"} | ({"is_adult": ""} if adult else {}), "courier: wrong code")
    crawl.refused(who, action, adult | {"code": HOSTILE, "receiver": "x" * 300}, "courier: hostile proof")
    if number % 2:
        crawl.send(who, action.replace("remise", "absent"), {}, "courier: nobody opened")
        crawl.visit(who, action.removesuffix("/remise"), "courier: stop over")
        return crawl.visit(who, "/ma-tournee", "courier: next stop")
    return crawl.send(who, action, adult | {"receiver": "Jeanne Martin"}, "courier: delivered")
