"""The shopkeeper's rooms: what has to be done, who may do it, and what a second press does."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select

from basket import orders
from basket.models import Order, OrderEvent, SubOrder
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.money import Money
from marketplace.payments.models import Share
from merchants import stock
from merchants.models import PriceChange, StockMove, Variant
from tests.basket.counter import Browser, Keeper, Paid, part_of
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import Town, place, register_merchants

#: Words of the other shops and of the resident that a shop's pages must not hold (I13, D7).
CANARIES = ("Librairie", "L’Assommoir", "Cave du Minage", "Rouge des coteaux", "Martin", "+33639981234", "Montmoreau")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here: they only pay."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


def test_a_day_without_orders_says_how_it_will_begin(keeper: Keeper, town: Town) -> None:
    page = keeper("fromagerie").get("/boutique").get_data(as_text=True)
    assert "Rien à préparer pour le moment" in page


def test_the_day_lists_what_is_to_accept_to_pack_waiting_and_done(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    fromagerie = keeper("fromagerie")
    parts = [part_of(hall, paid(["F1"], delivered=False), "fromagerie") for _ in range(4)]
    for part, acts in zip(parts, ([], ["accept"], ["accept", "pack"], ["accept", "pack", "hand_over"]), strict=True):
        for act in acts:
            url = f"/boutique/commandes/{part.id}"
            assert fromagerie.post(url, event=act, collection_code=part.collection_code).status_code == 303
    page = fromagerie.get("/boutique").get_data(as_text=True)
    assert "1 commande à accepter, 1 commande à préparer." in page
    places = [page.index(f'id="{heading}"') for heading in ("a-accepter", "a-preparer", "pretes", "remises")]
    cards = [page.index(f'href="/boutique/commandes/{part.id}"') for part in parts]
    assert sorted([*places, *cards]) == [n for pair in zip(places, cards, strict=True) for n in pair]
    assert "Remise à 10" in page
    assert "Jeanne M." in page


def test_a_part_must_be_ready_when_the_round_collects(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    part = part_of(hall, paid(["F1", "L1"]), "fromagerie")
    page = keeper("fromagerie").get(f"/boutique/commandes/{part.id}").get_data(as_text=True)
    assert "aujourd’hui à 15\xa0h" in page
    assert "mardi 24 novembre, entre 16\xa0h et 18\xa0h" in page


def test_a_collection_is_ready_after_the_shops_own_time_with_doors_open(
    keeper: Keeper, hall: Hall, clock: FixedClock, paid: Paid
) -> None:
    clock.advance(timedelta(hours=8, minutes=50))  # ten to seven, the shop closes at seven
    part = part_of(hall, paid(["F1"], delivered=False), "fromagerie")
    page = keeper("fromagerie").get(f"/boutique/commandes/{part.id}").get_data(as_text=True)
    assert "mercredi 25 novembre à 10\xa0h\xa020" in page


def test_a_late_part_says_so(keeper: Keeper, hall: Hall, clock: FixedClock, paid: Paid) -> None:
    paid(["F1"], delivered=False)
    fromagerie = keeper("fromagerie")
    assert "En retard" not in fromagerie.get("/boutique").get_data(as_text=True)
    clock.advance(timedelta(minutes=31))
    assert "En retard" in fromagerie.get("/boutique").get_data(as_text=True)


def test_the_walk_of_a_delivered_part(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    placed = paid(["F1", "L1"])
    part = part_of(hall, placed, "fromagerie")
    fromagerie, url = keeper("fromagerie"), f"/boutique/commandes/{part.id}"
    for event, state, next_button in (
        ("accept", "accepted", "Tout est prêt"),
        ("pack", "packed", "Remis"),
        ("hand_over", "handed_over", "Le colis est avec le livreur"),
    ):
        answer = fromagerie.post(url, event=event)
        assert (answer.status_code, answer.location) == (303, url)
        assert part_of(hall, placed, "fromagerie").state == state
        assert next_button in fromagerie.get(url).get_data(as_text=True)
    assert part_of(hall, placed, "librairie").state == "received"


def test_a_second_press_shows_the_result_and_is_written_once(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    placed = paid(["F1"], delivered=False)
    part = part_of(hall, placed, "fromagerie")
    fromagerie, url = keeper("fromagerie"), f"/boutique/commandes/{part.id}"
    for event in ("accept", "accept", "pack", "pack", "accept"):
        assert fromagerie.post(url, event=event).status_code == 303
    for _ in range(2):
        assert fromagerie.post(url, event="hand_over", collection_code=part.collection_code).status_code == 303
    with hall.database.reading() as session:
        events = session.scalars(
            select(OrderEvent.event).where(OrderEvent.sub_order_id == part.id).order_by(OrderEvent.id)
        ).all()
    assert events == ["confirm", "accept", "pack", "hand_over", "deliver"]


def test_shops_that_end_their_parts_together_complete_the_order(hall: Hall, paid: Paid) -> None:
    """Each ends its own part and then looks at the others: whoever is second sees the whole order done."""
    placed = paid(["L1", "F1", "C1"], delivered=False)
    parts = [part_of(hall, placed, slug) for slug in ("librairie", "fromagerie", "cave")]
    barrier = Barrier(3)

    def hand_over(part: SubOrder) -> None:
        for event in ("accept", "pack", "hand_over"):
            barrier.wait(timeout=20)
            with hall.database.transaction() as session:
                orders.advance(
                    session,
                    sub_order_id=part.id,
                    shop_ids=frozenset({part.shop_id}),
                    event=event,
                    collection_code=part.collection_code,
                    actor="member:1",
                    now=hall.clock.now(),
                )

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(hand_over, part) for part in parts]:
            done.result()
    with hall.database.reading() as session:
        assert session.get_one(Order, placed.order_id).state == "completed"


def test_an_act_out_of_turn_is_refused_in_words(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    placed = paid(["F1"])
    part = part_of(hall, placed, "fromagerie")
    answer = keeper("fromagerie").post(f"/boutique/commandes/{part.id}", event="hand_over")
    assert answer.status_code == 409
    assert "Ce n’est plus possible à ce stade" in answer.get_data(as_text=True)
    assert part_of(hall, placed, "fromagerie").state == "received"


def _packed_collection(hall: Hall, fromagerie: Browser, paid: Paid) -> tuple[str, str]:
    part = part_of(hall, paid(["F1"], delivered=False), "fromagerie")
    url = f"/boutique/commandes/{part.id}"
    for event in ("accept", "pack"):
        fromagerie.post(url, event=event)
    return url, part.collection_code


@pytest.mark.parametrize("typed", ["", "0", "１２３４", "12345678", "é", "'; --", "\ud800"])
def test_a_wrong_collection_code_keeps_the_parcel_here(keeper: Keeper, hall: Hall, paid: Paid, typed: str) -> None:
    fromagerie = keeper("fromagerie")
    url, _code = _packed_collection(hall, fromagerie, paid)
    answer = fromagerie.post(url, event="hand_over", collection_code=typed.encode(errors="surrogatepass"))
    assert answer.status_code == 422
    page = answer.get_data(as_text=True)
    assert '<a href="#collection_code">' in page
    assert "<title>Erreur" in page
    with hall.database.reading() as session:
        assert session.scalars(select(Share.state).where(Share.kind == "goods")).all() == ["planned"]


def test_a_collection_code_cannot_be_found_by_trying(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    """It frees the shop's share: four digits that a script would have tried within the hour."""
    fromagerie = keeper("fromagerie")
    url, code = _packed_collection(hall, fromagerie, paid)
    wrong = [f"{number:04d}" for number in range(11) if f"{number:04d}" != code][:10]
    statuses = [fromagerie.post(url, event="hand_over", collection_code=digits).status_code for digits in wrong]
    assert statuses == [422] * 10
    assert fromagerie.post(url, event="hand_over", collection_code=code).status_code == 429
    with hall.database.reading() as session:
        assert session.scalars(select(Share.state).where(Share.kind == "goods")).all() == ["planned"]


def test_the_right_code_completes_the_part_and_frees_the_shops_share(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    fromagerie = keeper("fromagerie")
    url, code = _packed_collection(hall, fromagerie, paid)
    wrong = "0000" if code != "0000" else "0001"
    page = fromagerie.post(url, event="hand_over", collection_code=wrong).get_data(as_text=True)
    assert "ce n’est pas celui de cette commande" in page
    assert f'value="{wrong}"' in page
    assert fromagerie.post(url, event="hand_over", collection_code=f"{code[:2]} {code[2:]}").status_code == 303
    assert "Le client a ses achats" in fromagerie.get(url).get_data(as_text=True)
    with hall.database.reading() as session:
        assert session.scalars(select(Share.state).where(Share.kind == "goods")).all() == ["due"]


def test_a_shop_sees_its_own_lines_and_a_first_name_only(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    part = part_of(hall, paid(["F1", "L1", "C1"]), "fromagerie")
    fromagerie = keeper("fromagerie")
    for url in ("/boutique", f"/boutique/commandes/{part.id}", f"/boutique/commandes/{part.id}/bordereau"):
        page = fromagerie.get(url).get_data(as_text=True)
        assert "Jeanne M." in page
        assert [word for word in CANARIES if word in page] == [], url


def test_the_slip_says_which_parcel_of_how_many(keeper: Keeper, hall: Hall, paid: Paid) -> None:
    placed = paid(["F1", "L1", "C1"])
    said = []
    for slug in ("librairie", "fromagerie", "cave"):
        part = part_of(hall, placed, slug)
        page = keeper(slug).get(f"/boutique/commandes/{part.id}/bordereau").get_data(as_text=True)
        said += [f"Colis {n} sur 3" for n in (1, 2, 3) if f"Colis {n} sur 3" in page]
    assert sorted(said) == ["Colis 1 sur 3", "Colis 2 sur 3", "Colis 3 sur 3"]


def test_nobody_else_comes_near_a_part(keeper: Keeper, app: Flask, hall: Hall, paid: Paid, town: Town) -> None:
    """Who: nobody, a signed-in stranger, another merchant's keeper, the right one."""
    placed = paid(["F1"])
    part = part_of(hall, placed, "fromagerie")
    url, count = f"/boutique/commandes/{part.id}", f"/boutique/rayon/{town.variant('F1')}/stock"
    nobody, stranger = Browser(app.test_client()), keeper()
    other, right = keeper("librairie"), keeper("fromagerie")
    for path in ("/boutique", url, f"{url}/bordereau", "/boutique/rayon"):
        assert nobody.get(path).status_code == 303
        assert stranger.get(path).status_code == 403
        assert right.get(path).status_code == 200
    for path in (url, f"{url}/bordereau", "/boutique/rayon?boutique=fromagerie", "/boutique/commandes/999999"):
        assert other.get(path).status_code == 404
    for path, form in (
        (url, {"event": "accept"}),
        (count, {"qty": "1", "seen_qty": "8"}),
        (count, {"qty": "x", "seen_qty": "8"}),
        (count.replace("stock", "prix"), {"price": "1,00"}),
        (count.replace("stock", "prix"), {"price": "x"}),
    ):
        assert nobody.post(path, **form).status_code == 403
        assert stranger.post(path, **form).status_code == 403
        answer = other.post(path, **form)
        assert answer.status_code == 404
        assert "Tomme" not in answer.get_data(as_text=True)
    assert part_of(hall, placed, "fromagerie").state == "received"
    with hall.database.reading() as session:
        variant = session.get_one(Variant, town.variant("F1"))
    assert (variant.on_hand_qty, variant.price) == (7, Money(996))


def test_an_order_that_waits_for_its_money_is_none_of_the_shops_business(
    keeper: Keeper, hall: Hall, town: Town
) -> None:
    placed = place(hall.database, town, ["F1"], clock=hall.clock)
    part = part_of(hall, placed, "fromagerie")
    fromagerie = keeper("fromagerie")
    assert "Rien à préparer" in fromagerie.get("/boutique").get_data(as_text=True)
    assert fromagerie.get(f"/boutique/commandes/{part.id}").status_code == 404
    assert fromagerie.post(f"/boutique/commandes/{part.id}", event="accept").status_code == 409


def test_the_way_to_the_shop_is_shown_to_those_who_work_there(keeper: Keeper, town: Town) -> None:
    assert keeper("fromagerie").get("/espace").location == "/boutique"
    of_nobody = keeper().get("/espace")
    assert of_nobody.status_code == 200
    assert 'href="/boutique"' not in of_nobody.get_data(as_text=True)


# --- The shelf -------------------------------------------------------------------------------------------------


def _count(browser: Browser, town: Town, reference: str, **form: object) -> int:
    return browser.post(f"/boutique/rayon/{town.variant(reference)}/stock", **form).status_code


def _on_hand(hall: Hall, town: Town, reference: str) -> int:
    with hall.database.reading() as session:
        return session.get_one(Variant, town.variant(reference)).on_hand_qty


def test_plus_and_minus_move_one_piece_and_a_double_click_moves_one_too(keeper: Keeper, hall: Hall, town: Town) -> None:
    fromagerie = keeper("fromagerie")
    for _ in range(2):
        assert _count(fromagerie, town, "F1", qty="8", seen_qty="8", step="1") == 303
    assert _on_hand(hall, town, "F1") == 9
    assert _count(fromagerie, town, "F1", qty="9", seen_qty="9", step="-1") == 303
    assert _on_hand(hall, town, "F1") == 8


def test_a_count_is_written_with_who_and_why(keeper: Keeper, hall: Hall, town: Town) -> None:
    answer = keeper("fromagerie").post(f"/boutique/rayon/{town.variant('F1')}/stock", qty="3", seen_qty="8")
    assert answer.location == f"/boutique/rayon#variante-{town.variant('F1')}"
    with hall.database.reading() as session:
        move = session.scalars(select(StockMove).order_by(StockMove.id.desc()).limit(1)).one()
    assert (move.qty, move.reason, move.actor.split(":")[0]) == (-5, "counted", "member")


def test_a_count_does_not_bring_back_what_was_sold_meanwhile(
    keeper: Keeper, hall: Hall, town: Town, paid: Paid
) -> None:
    fromagerie = keeper("fromagerie")
    paid(["F1"])
    answer = fromagerie.post(f"/boutique/rayon/{town.variant('F1')}/stock", qty="8", seen_qty="8", step="1")
    assert answer.status_code == 422
    assert "Le nombre vient de changer" in answer.get_data(as_text=True)
    assert "il en reste 7" in answer.get_data(as_text=True)
    assert _on_hand(hall, town, "F1") == 7


def test_fewer_than_promised_is_refused_at_the_field(keeper: Keeper, hall: Hall, town: Town) -> None:
    place(hall.database, town, ["F1"], clock=hall.clock)
    answer = keeper("fromagerie").post(f"/boutique/rayon/{town.variant('F1')}/stock", qty="0", seen_qty="8")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "Comptez au moins 1 pièce" in page
    assert f'href="#reste-{town.variant("F1")}"' in page
    assert _on_hand(hall, town, "F1") == 8


@pytest.mark.parametrize("typed", ["", "-1", "1.5", "1000000000", "１", "douze", "9" * 400])
def test_what_is_no_count_is_refused_and_kept(keeper: Keeper, hall: Hall, town: Town, typed: str) -> None:
    answer = keeper("fromagerie").post(f"/boutique/rayon/{town.variant('F1')}/stock", qty=typed, seen_qty="8")
    assert answer.status_code == 422
    assert f'value="{typed}"' in answer.get_data(as_text=True)
    assert _on_hand(hall, town, "F1") == 8


@pytest.mark.parametrize(("typed", "cents"), [("9,50", 950), ("10", 1000), ("1 299,00 €", 129900), ("12.5", 1250)])
def test_a_price_is_changed_for_whoever_orders_next(
    keeper: Keeper, hall: Hall, town: Town, paid: Paid, typed: str, cents: int
) -> None:
    placed = paid(["F1"])
    answer = keeper("fromagerie").post(f"/boutique/rayon/{town.variant('F1')}/prix", price=typed)
    assert answer.status_code == 303
    with hall.database.reading() as session:
        assert session.get_one(Variant, town.variant("F1")).price == Money(cents)
        changes = session.scalars(
            select(PriceChange.price).where(PriceChange.variant_id == town.variant("F1")).order_by(PriceChange.id)
        ).all()
    assert changes == [Money(996), Money(cents)]
    assert part_of(hall, placed, "fromagerie").goods == Money(996)


@pytest.mark.parametrize("typed", ["", "0", "-3", "12 $", "douze", "1,2,3", "100000000", "<b>"])
def test_what_is_no_price_is_refused_at_its_field(keeper: Keeper, hall: Hall, town: Town, typed: str) -> None:
    answer = keeper("fromagerie").post(f"/boutique/rayon/{town.variant('F1')}/prix", price=typed)
    assert answer.status_code == 422
    assert f'href="#prix-{town.variant("F1")}"' in answer.get_data(as_text=True)
    with hall.database.reading() as session:
        assert session.get_one(Variant, town.variant("F1")).price == Money(996)


def test_the_shelf_shows_one_shops_products_by_name(keeper: Keeper, town: Town) -> None:
    page = keeper("fromagerie").get("/boutique/rayon").get_data(as_text=True)
    assert page.index("Confiture de figues") < page.index("Tomme fermière")
    assert "L’Assommoir" not in page


def test_somebody_who_works_for_two_merchants_chooses_the_shelf(keeper: Keeper, town: Town) -> None:
    both = keeper("fromagerie", "cave")
    assert "Rouge des coteaux" in both.get("/boutique/rayon?boutique=cave").get_data(as_text=True)
    assert "Rouge des coteaux" not in both.get("/boutique/rayon?boutique=fromagerie").get_data(as_text=True)


def test_a_product_is_found_by_its_reference(keeper: Keeper, town: Town) -> None:
    page = keeper("fromagerie").get("/boutique/rayon?q=f2").get_data(as_text=True)
    assert "Confiture de figues" in page
    assert "Tomme fermière" not in page
    assert "Rien de ce nom" in keeper("fromagerie").get("/boutique/rayon?q=L1").get_data(as_text=True)


@pytest.mark.parametrize("query", ["apres=x", "avant=-1", "apres=99999999999999999999", "q=%00", "boutique=%F0"])
def test_a_damaged_address_of_the_shelf_is_no_accident(keeper: Keeper, town: Town, query: str) -> None:
    assert keeper("fromagerie").get(f"/boutique/rayon?{query}").status_code in (200, 404)


def test_held_pieces_are_released_and_counted_again(hall: Hall, town: Town) -> None:
    """The guard compares with what is on the shelf, held pieces included."""
    place(hall.database, town, ["F1"], clock=hall.clock)
    with hall.database.transaction() as session:
        stock.count(
            session, variant_id=town.variant("F1"), on_hand_qty=1, seen_qty=8, actor="member:1", now=hall.clock.now()
        )
    assert _on_hand(hall, town, "F1") == 1
