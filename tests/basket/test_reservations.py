"""Reserve online, pay in the shop: held like an order's pieces, no money, one end; the pages of both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from threading import Barrier

import pytest
from flask import Flask
from selectolax.lexbor import LexborHTMLParser
from sqlalchemy import func, select, text

from basket import reservation_handlers, reservation_queries, reservations
from basket.models import Line, Reservation, ReservationEvent, ReservationLine
from basket.orders import BasketChanged, KeyUsedOtherwise, WrongCollectionCode
from basket.rules import RESERVATION_NEXT
from marketplace.clock import FixedClock
from marketplace.errors import NotFound
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.ledger.models import Posting
from marketplace.mail import Mailer
from marketplace.money import Money
from marketplace.payments.models import Payment
from merchants.catalogue import change_price
from merchants.models import StockHold, StockMove, Variant
from merchants.stock import NotEnoughStock
from tests.basket.counter import Browser, Keeper
from tests.flows.processes import gate, wait_for_queue
from tests.reserving import open_till, reserve, reserve_command
from tests.sandbox_server import Sandbox, running_sandbox
from tests.smtp_server import MailServer, html_of, running_mail_server, text_of
from tests.staff import browser_of
from tests.walk import Town, fill_basket, register_merchants, work

ACTOR = "member:1"
PERSON = {"name": "Jeanne Martin", "phone": "06 39 98 12 34", "email": "jeanne@example.org"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here: nobody pays."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


@pytest.fixture
def town(hall: Hall, town: Town) -> Town:
    """The cheese shop and the wine shop cannot be paid online; the bookshop can."""
    open_till(hall.database, "fromagerie", "cave", is_open=False)
    return town


def stock_of(hall: Hall, variant_id: int) -> tuple[int, int]:
    """(on hand, held)."""
    with hall.database.reading() as session:
        row = session.execute(select(Variant.on_hand_qty, Variant.held_qty).where(Variant.id == variant_id)).one()
        return row[0], row[1]


def row_of(hall: Hall, made: reservations.Reserved) -> Reservation:
    with hall.database.reading() as session:
        return session.get_one(Reservation, made.id)


def act(hall: Hall, made: reservations.Reserved, event: str, code: str | None = None) -> bool:
    row = row_of(hall, made)
    with hall.database.transaction() as session:
        return reservations.advance(
            session,
            reservation_id=made.id,
            shop_ids=frozenset({row.shop_id}),
            event=event,
            actor=ACTOR,
            now=hall.clock.now(),
            collection_code=row.collection_code if code is None else code,
        )


def cancel(hall: Hall, made: reservations.Reserved) -> bool:
    with hall.database.transaction() as session:
        return reservations.cancel(session, code=made.code, token=made.token, now=hall.clock.now())


def cancel_by_shop(hall: Hall, made: reservations.Reserved, reason: str = "missing") -> bool:
    shop_id = row_of(hall, made).shop_id
    with hall.database.transaction() as session:
        return reservations.cancel_by_shop(
            session,
            reservation_id=made.id,
            shop_ids=frozenset({shop_id}),
            reason=reason,
            actor=ACTOR,
            now=hall.clock.now(),
        )


def lapse(hall: Hall, made: reservations.Reserved) -> bool:
    with hall.database.transaction() as session:
        return reservations.lapse(session, reservation_id=made.id, now=hall.clock.now())


# --- Reserve ---------------------------------------------------------------------------------------------------


def test_each_shop_keeps_its_part_and_the_rest_stays_in_the_basket(hall: Hall, town: Town, clock: FixedClock) -> None:
    made = reserve(hall.database, town, ("F1", "F1", "L1", "C1"), clock=clock)
    rows = [row_of(hall, one) for one in made]
    assert [(row.shop_name, row.state) for row in rows] == [
        ("Fromagerie des Halles", "reserved"),
        ("Cave du Minage", "reserved"),
    ]
    # A Tuesday: Wednesday and Thursday are the next two days on which the doors open.
    assert {row.kept_until_on for row in rows} == {date(2026, 11, 26)}
    assert [stock_of(hall, town.variant(r)) for r in ("F1", "C1", "L1")] == [(8, 2), (12, 1), (5, 0)]
    with hall.database.reading() as session:
        lines = session.execute(
            select(ReservationLine.name, ReservationLine.qty, ReservationLine.unit_price).order_by(ReservationLine.id)
        ).all()
        assert [tuple(line) for line in lines] == [
            ("Tomme fermière", 2, Money(996)),
            ("Rouge des coteaux", 1, Money(1200)),
        ]
        assert session.scalars(select(Line.variant_id)).all() == [town.variant("L1")]
        # Until midnight in Angoulême after the last day.
        assert {at.isoformat() for at in session.scalars(select(StockHold.until_at))} == {"2026-11-26T23:00:00+00:00"}
        for money in (Payment, Posting):
            assert session.scalar(select(func.count()).select_from(money)) == 0


def test_the_same_key_again_gives_the_same_reservations(hall: Hall, town: Town, clock: FixedClock) -> None:
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("F1"): 1, town.variant("C1"): 1})
    command = reserve_command(basket_id)
    made = []
    for _ in range(2):
        with hall.database.transaction() as session:
            made.append(reservations.reserve(session, command, clock=clock))
    assert made[0] == made[1] and len(made[0]) == 2
    with hall.database.transaction() as session, pytest.raises(KeyUsedOtherwise):
        reservations.reserve(session, replace(command, name="Karim Benali"), clock=clock)
    assert stock_of(hall, town.variant("F1")) == (8, 1)


def test_two_clicks_at_once_reserve_once(hall: Hall, town: Town, clock: FixedClock) -> None:
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("F1"): 1})
    command, ready = reserve_command(basket_id), Barrier(4)

    def click(_: int) -> tuple[reservations.Reserved, ...]:
        ready.wait()
        with hall.database.transaction() as session:
            return reservations.reserve(session, command, clock=clock)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(click, range(4)))) == 1
    assert stock_of(hall, town.variant("F1")) == (8, 1)


def test_two_tabs_of_one_basket_reserve_once(hall: Hall, town: Town, clock: FixedClock) -> None:
    """Each tab has a key of its own, and another telephone: nothing but the basket's lines keeps them apart."""
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("F1"): 1})
    ready = Barrier(2)

    def press(n: int) -> str:
        ready.wait()
        try:
            with hall.database.transaction() as session:
                reservations.reserve(session, reserve_command(basket_id, phone=f"+3363998123{n}"), clock=clock)
        except (BasketChanged, reservations.NothingToReserve):
            return "refused"
        return "reserved"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(press, range(2))) == ["refused", "reserved"]
    assert stock_of(hall, town.variant("F1")) == (8, 1)


def test_the_last_piece_is_kept_for_one_of_two(hall: Hall, town: Town, clock: FixedClock) -> None:
    ready = Barrier(2)

    def press(n: int) -> str:
        with hall.database.transaction() as session:
            basket_id = fill_basket(session, {town.variant("F2"): 1})
        ready.wait()
        try:
            with hall.database.transaction() as session:
                reservations.reserve(session, reserve_command(basket_id, phone=f"+3363998123{n}"), clock=clock)
        except (NotEnoughStock, BasketChanged):
            return "refused"
        return "reserved"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(press, range(2))) == ["refused", "reserved"]
    assert stock_of(hall, town.variant("F2")) == (1, 1)


def test_where_one_shop_is_short_no_shop_keeps_anything(hall: Hall, town: Town, clock: FixedClock) -> None:
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("C1"): 1, town.variant("F2"): 1})
    reserve(hall.database, town, ("F2",), clock=clock)
    with pytest.raises(BasketChanged), hall.database.transaction() as session:
        reservations.reserve(session, reserve_command(basket_id), clock=clock)
    assert stock_of(hall, town.variant("C1")) == (12, 0)


def test_what_was_seen_is_what_is_kept(hall: Hall, town: Town, clock: FixedClock) -> None:
    """A price that has changed, a shop that takes payments meanwhile, a piece more: the page is shown again."""
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("F1"): 1, town.variant("C1"): 1})
    command = replace(reserve_command(basket_id), seen_goods=Money(2196))
    open_till(hall.database, "cave", is_open=True)
    with pytest.raises(BasketChanged), hall.database.transaction() as session:
        reservations.reserve(session, command, clock=clock)
    open_till(hall.database, "fromagerie", is_open=True)
    with pytest.raises(reservations.NothingToReserve), hall.database.transaction() as session:
        reservations.reserve(session, command, clock=clock)
    open_till(hall.database, "fromagerie", "cave", is_open=False)
    with hall.database.transaction() as session:
        assert len(reservations.reserve(session, command, clock=clock)) == 2


def test_one_telephone_has_eight_open_reservations_at_most(hall: Hall, town: Town, clock: FixedClock) -> None:
    ready = Barrier(4)

    def press(_: int) -> int:
        ready.wait()
        kept = 0
        for _ in range(3):
            try:
                kept += len(reserve(hall.database, town, ("C1",), clock=clock))
            except reservations.TooManyReservations as refused:
                assert refused.details == {"most": 8}
        return kept

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(press, range(4))) == 8
    assert len(reserve(hall.database, town, ("C1",), clock=clock, phone="+33639980000")) == 1
    with hall.database.reading() as session:
        one = session.execute(select(Reservation.id, Reservation.code, Reservation.token).limit(1)).one()
    cancel(hall, reservations.Reserved(*one))
    assert len(reserve(hall.database, town, ("C1",), clock=clock)) == 1


def test_a_shop_that_stays_closed_keeps_nothing(hall: Hall, town: Town, clock: FixedClock) -> None:
    with hall.database.transaction() as session:
        session.execute(text("UPDATE shop SET opening_hours = 'off' WHERE slug = 'cave'"))
    with pytest.raises(reservations.ShopStaysClosed) as refused:
        reserve(hall.database, town, ("F1", "C1"), clock=clock)
    assert refused.value.details == {"shop": "Cave du Minage"}
    assert stock_of(hall, town.variant("F1")) == (8, 0)


# --- One end ---------------------------------------------------------------------------------------------------


def test_collected_pieces_are_sold_and_nothing_is_paid_to_us(hall: Hall, town: Town, clock: FixedClock) -> None:
    (made,) = reserve(hall.database, town, ("F1", "F1"), clock=clock)
    assert [act(hall, made, "ready") for _ in range(2)] == [True, False]
    with pytest.raises(WrongCollectionCode):
        act(hall, made, "collect", code="")
    assert [act(hall, made, "collect") for _ in range(2)] == [True, False]
    assert stock_of(hall, town.variant("F1")) == (6, 0)
    with hall.database.reading() as session:
        move = session.scalars(select(StockMove).where(StockMove.reason == "sold")).one()
        assert (move.qty, move.reference, move.actor) == (-2, f"reservation:{made.code}", ACTOR)
        assert [(e.actor, e.event, e.to_state) for e in session.scalars(select(ReservationEvent))] == [
            ("resident", "reserve", "reserved"),
            (ACTOR, "ready", "ready"),
            (ACTOR, "collect", "collected"),
        ]
        assert session.scalar(select(func.count()).select_from(Posting)) == 0


@pytest.mark.parametrize("end", ["cancel", "cancel_by_shop", "lapse"])
def test_what_is_let_go_is_back_on_the_shelf_once(hall: Hall, town: Town, clock: FixedClock, end: str) -> None:
    (made,) = reserve(hall.database, town, ("F1", "F1"), clock=clock)
    clock.advance(timedelta(days=3))
    ways = {"cancel": cancel, "cancel_by_shop": cancel_by_shop, "lapse": lapse}
    assert [ways[end](hall, made) for _ in range(2)] == [True, False]
    assert stock_of(hall, town.variant("F1")) == (8, 0)
    with pytest.raises(reservations.ReservationOver):
        act(hall, made, "collect")
    row = row_of(hall, made)
    assert (row.state, row.ending) == {
        "cancel": ("cancelled", "resident"),
        "cancel_by_shop": ("cancelled", "missing"),
        "lapse": ("lapsed", None),
    }[end]


def test_it_lapses_after_its_last_day_and_not_before(hall: Hall, town: Town, clock: FixedClock) -> None:
    (made,) = reserve(hall.database, town, ("F1",), clock=clock)
    clock.advance(timedelta(days=2, hours=13, minutes=59))  # Thursday, one minute to midnight
    reservation_handlers.let_unfetched_lapse(hall)
    assert row_of(hall, made).state == "reserved"
    clock.advance(timedelta(minutes=1))
    reservation_handlers.let_unfetched_lapse(hall)
    assert row_of(hall, made).state == "lapsed"


def test_collected_while_it_lapses_ends_one_way(hall: Hall, town: Town, clock: FixedClock) -> None:
    """The shop, the clock, the resident and a colleague end it at once, four times over."""
    collected_qty = 0
    ends = (lambda hall, made: act(hall, made, "collect"), lapse, cancel, cancel_by_shop)
    for _ in range(4):
        (made,) = reserve(hall.database, town, ("C1",), clock=clock)
        clock.advance(timedelta(days=7))
        ready = Barrier(4)

        def end(n: int, made: reservations.Reserved = made, ready: Barrier = ready) -> bool:
            ready.wait()
            try:
                return ends[n](hall, made)
            except reservations.ReservationOver:
                return False

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(end, range(4))) == [False, False, False, True]
        collected_qty += row_of(hall, made).state == "collected"
    assert stock_of(hall, town.variant("C1")) == (12 - collected_qty, 0)


#: What each act does to a reservation in each state: done, nothing any more, or refused.
DONE, BEHIND, OVER = "done", "behind", "over"
PAIRS = {
    "reserved": {"ready": DONE, "collect": DONE, "cancel": DONE, "lapse": DONE},
    "ready": {"ready": BEHIND, "collect": DONE, "cancel": DONE, "lapse": DONE},
    "collected": {"ready": OVER, "collect": BEHIND, "cancel": OVER, "lapse": BEHIND},
    "cancelled": {"ready": OVER, "collect": OVER, "cancel": BEHIND, "lapse": BEHIND},
    "lapsed": {"ready": OVER, "collect": OVER, "cancel": OVER, "lapse": BEHIND},
}


def test_every_pair_of_state_and_act_is_decided(hall: Hall, town: Town, clock: FixedClock) -> None:
    def do(made: reservations.Reserved, event: str) -> str:
        try:
            if event in ("ready", "collect"):
                return DONE if act(hall, made, event) else BEHIND
            return DONE if {"cancel": cancel, "lapse": lapse}[event](hall, made) else BEHIND
        except reservations.ReservationOver:
            return OVER

    way = {"ready": "ready", "collected": "collect", "cancelled": "cancel", "lapsed": "lapse"}
    found: dict[str, dict[str, str]] = {}
    for state, pairs in PAIRS.items():
        for event in pairs:
            (made,) = reserve(hall.database, town, ("C1",), clock=clock)
            clock.advance(timedelta(days=7))
            if state in way:
                assert do(made, way[state]) == DONE
            found.setdefault(state, {})[event] = do(made, event)
            if row_of(hall, made).state in reservations.OPEN_STATES:
                cancel(hall, made)
    assert found == PAIRS
    assert RESERVATION_NEXT.keys() == {(s, e) for s in PAIRS for e in PAIRS[s] if PAIRS[s][e] == DONE}


def test_nobody_acts_on_another_shops_reservation(hall: Hall, town: Town, clock: FixedClock) -> None:
    (made,) = reserve(hall.database, town, ("F1",), clock=clock)
    other = frozenset({row_of(hall, made).shop_id + 1})
    now = clock.now()
    with pytest.raises(NotFound), hall.database.transaction() as session:
        reservations.advance(session, reservation_id=made.id, shop_ids=other, event="ready", actor=ACTOR, now=now)
    with pytest.raises(NotFound), hall.database.transaction() as session:
        reservations.cancel_by_shop(
            session, reservation_id=made.id, shop_ids=other, reason="missing", actor=ACTOR, now=now
        )
    with pytest.raises(NotFound), hall.database.transaction() as session:
        reservations.cancel(session, code=made.code, token=new_token(), now=now)
    with pytest.raises(NotFound), hall.database.reading() as session:
        reservation_queries.get_sheet(session, reservation_id=made.id, shop_ids=other)


def test_names_are_forgotten_after_thirty_days(hall: Hall, town: Town, clock: FixedClock) -> None:
    (old,) = reserve(hall.database, town, ("F1",), clock=clock)
    cancel(hall, old)
    clock.advance(timedelta(days=2))
    (young,) = reserve(hall.database, town, ("F1",), clock=clock)
    cancel(hall, young)
    clock.advance(timedelta(days=29))
    reservation_handlers.forget_people(hall)
    assert [(row_of(hall, one).name, row_of(hall, one).phone, row_of(hall, one).email) for one in (old, young)] == [
        ("", "", ""),
        ("Jeanne Martin", "+33639981234", "jeanne@example.org"),
    ]


# --- Letters ---------------------------------------------------------------------------------------------------


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with running_mail_server() as server:
        yield server


@pytest.fixture
def writing_hall(hall: Hall, mail_server: MailServer) -> Hall:
    return replace(hall, mailer=Mailer(host="127.0.0.1", port=mail_server.port, sender=hall.settings.mail_from))


def _subjects(mail_server: MailServer, address: str) -> list[str]:
    return [re.sub(r"\d\d(\s\d\d){3}", "*", str(letter["Subject"])) for letter in mail_server.to(address)]


def test_each_letter_goes_once_to_whom_it_concerns(
    writing_hall: Hall, town: Town, clock: FixedClock, mail_server: MailServer
) -> None:
    hall = writing_hall
    (made,) = reserve(hall.database, town, ("F1", "F1"), clock=clock)
    work(hall)
    act(hall, made, "ready")
    clock.advance(timedelta(days=1))
    for _ in range(2):
        reservation_handlers.remind_of_last_day(hall)
        work(hall)
    clock.advance(timedelta(days=2))
    reservation_handlers.let_unfetched_lapse(hall)
    work(hall)
    assert _subjects(mail_server, "jeanne@example.org") == [
        "Réservation * chez Fromagerie des Halles",
        "Réservation * : tout est mis de côté",
        "Réservation * : demain est le dernier jour",
        "Réservation * : elle est terminée",
    ]
    assert _subjects(mail_server, "fromagerie@example.org") == [
        "Réservation * à mettre de côté",
        "Réservation * : à remettre en rayon",
    ]
    first = mail_server.to("jeanne@example.org")[0]
    code = row_of(hall, made).collection_code
    for body in (text_of(first), html_of(first)):
        for said in (
            f"http://127.0.0.1:5000/reservation/{made.code}/{made.token}",
            f"{code[:2]}\xa0{code[2:]}",
            "jeudi 26 novembre",
            "19,92\xa0€",
            "SARL Fromagerie des Halles",
        ):
            assert said in body, said
    to_shop = text_of(mail_server.to("fromagerie@example.org")[0])
    assert "Jeanne M." in to_shop and "Martin" not in to_shop
    assert code not in to_shop and "3998" not in to_shop
    assert "retournés en rayon" in text_of(mail_server.to("jeanne@example.org")[3])


def test_whoever_ends_it_is_not_written_to(
    writing_hall: Hall, town: Town, clock: FixedClock, mail_server: MailServer
) -> None:
    hall = writing_hall
    (mine,) = reserve(hall.database, town, ("F1",), clock=clock)
    (theirs,) = reserve(hall.database, town, ("C1",), clock=clock)
    work(hall)
    cancel(hall, mine)
    cancel_by_shop(hall, theirs, "unreachable")
    work(hall)
    assert _subjects(mail_server, "fromagerie@example.org")[1:] == ["Réservation * : à remettre en rayon"]
    assert _subjects(mail_server, "cave@example.org")[1:] == []
    assert _subjects(mail_server, "jeanne@example.org")[2:] == ["Réservation * : elle est terminée"]
    assert "n’a pas pu vous joindre" in text_of(mail_server.to("jeanne@example.org")[2])


def test_letters_speak_the_residents_language(
    writing_hall: Hall, town: Town, clock: FixedClock, mail_server: MailServer
) -> None:
    with writing_hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("C1"): 1})
        reservations.reserve(session, reserve_command(basket_id, language="en"), clock=clock)
    work(writing_hall)
    body = text_of(mail_server.to("jeanne@example.org")[0])
    assert "keeps these items for you until the end of Thursday 26 November" in body
    assert "€12.00" in body and "you are 18" in body
    assert "Réservation" in str(mail_server.to("cave@example.org")[0]["Subject"])


def test_a_reservation_of_today_is_not_reminded_today(hall: Hall, town: Town, clock: FixedClock) -> None:
    with hall.database.transaction() as session:
        session.execute(text("UPDATE shop SET opening_hours = 'We 10:00-19:00' WHERE slug = 'cave'"))
        session.execute(text("UPDATE shop SET opening_hours = 'We 10:00-19:00; Th off' WHERE slug = 'fromagerie'"))
    (made,) = reserve(hall.database, town, ("C1",), clock=clock)
    assert row_of(hall, made).kept_until_on == date(2026, 11, 25)
    with hall.database.transaction() as session:
        assert reservations.remind(session, clock.now()) == 0


# --- The resident's pages --------------------------------------------------------------------------------------


@pytest.fixture
def jeanne(app: Flask) -> Browser:
    return Browser(app.test_client())


def fill(browser: Browser, town: Town, *references: str) -> None:
    for reference in references:
        answer = browser.post("/panier/lignes", variant_id=town.variant(reference), qty="1", back="/panier")
        assert answer.status_code == 303


def hidden(page: str) -> dict[str, str]:
    """What the form carries and nobody types."""
    fields = LexborHTMLParser(page).css("form[action='/panier/reserver'] [type=hidden]")
    return {f.attributes["name"] or "": f.attributes["value"] or "" for f in fields}


def test_a_mixed_basket_is_reserved_first_and_then_ordered(hall: Hall, town: Town, jeanne: Browser) -> None:
    fill(jeanne, town, "L1", "F1", "C1")
    page = jeanne.get("/panier").text
    assert "À réserver, à payer en boutique" in page
    assert 'href="/panier/reserver"' in page
    assert 'action="/panier/suite"' not in page
    refused = jeanne.post("/panier/suite")
    assert refused.status_code == 422
    assert "Réservez d’abord ce qui se paie en boutique, ou retirez-le." in refused.text
    page = jeanne.get("/panier/reserver").text
    assert "Gardé jusqu’au jeudi 26 novembre inclus" in page
    assert "21,96\xa0€" not in page, "each shop asks its own sum"
    assert "L’Assommoir" not in page
    assert "une preuve que vous avez 18 ans" in page
    answer = jeanne.post("/panier/reserver", **{**hidden(page), **PERSON})
    assert answer.status_code == 303
    page = jeanne.get(answer.location).text
    assert "C’est réservé" in page
    assert "Il reste 1 article dans votre panier, à commander en ligne." in page
    assert "Cave du Minage" in page, "what was reserved at the same time"
    page = jeanne.get("/panier").text
    assert 'action="/panier/suite"' in page and 'href="/panier/reserver"' not in page
    assert jeanne.post("/panier/suite").location == "/commande/livraison"


def test_a_second_click_leads_to_the_same_reservation(hall: Hall, town: Town, jeanne: Browser) -> None:
    fill(jeanne, town, "F1")
    form = {**hidden(jeanne.get("/panier/reserver").text), **PERSON}
    first = jeanne.post("/panier/reserver", **form)
    second = jeanne.post("/panier/reserver", **form)
    assert (first.status_code, first.location) == (second.status_code, second.location)
    assert stock_of(hall, town.variant("F1")) == (8, 1)


def test_refusals_stand_at_their_place_and_keep_what_was_typed(hall: Hall, town: Town, jeanne: Browser) -> None:
    fill(jeanne, town, "F2", "C1")
    form = {**hidden(jeanne.get("/panier/reserver").text), **PERSON}
    answer = jeanne.post("/panier/reserver", **{**form, "name": "", "phone": "abc", "email": "jeanne@"})
    assert answer.status_code == 422
    for said in (
        "Remplissez « Votre nom ».".replace("« ", "«\xa0").replace(" »", "\xa0»"),
        "Écrivez un numéro de téléphone complet",
        "Écrivez une adresse de courriel complète",
        'value="abc"',
    ):
        assert said in answer.text, said
    damaged = jeanne.post("/panier/reserver", **{**form, "request_key": "?"})
    assert damaged.status_code == 422 and "Rechargez-la, puis recommencez." in damaged.text
    # Somebody else takes the last jam.
    with hall.database.transaction() as session:
        reservations.reserve(
            session,
            reserve_command(fill_basket(session, {town.variant("F2"): 1}), phone="+33639980000"),
            clock=hall.clock,
        )
    answer = jeanne.post("/panier/reserver", **form)
    assert answer.status_code == 422
    assert "Ce produit est épuisé." in answer.text
    assert "Corrigez les produits signalés, puis continuez." in answer.text
    assert stock_of(hall, town.variant("C1")) == (12, 0)


def test_a_price_that_has_changed_is_read_again_before_it_is_promised(hall: Hall, town: Town, jeanne: Browser) -> None:
    fill(jeanne, town, "C1")
    form = {**hidden(jeanne.get("/panier/reserver").text), **PERSON}
    with hall.database.transaction() as session:
        change_price(session, variant_id=town.variant("C1"), price=Money(1300), actor=ACTOR, now=hall.clock.now())
    answer = jeanne.post("/panier/reserver", **form)
    assert answer.status_code == 422
    assert "Vos articles ont changé depuis la dernière page. Relisez-les, puis réservez." in answer.text
    assert "13,00\xa0€" in answer.text and 'value="Jeanne Martin"' in answer.text
    assert jeanne.post("/panier/reserver", **{**hidden(answer.text), **PERSON}).status_code == 303
    with hall.database.reading() as session:
        assert session.scalars(select(ReservationLine.unit_price)).all() == [Money(1300)]


def test_a_shop_that_takes_payments_meanwhile_sends_back_to_the_basket(hall: Hall, town: Town, jeanne: Browser) -> None:
    fill(jeanne, town, "F1")
    form = {**hidden(jeanne.get("/panier/reserver").text), **PERSON}
    open_till(hall.database, "fromagerie", is_open=True)
    answer = jeanne.post("/panier/reserver", **form)
    assert (answer.status_code, answer.location) == (303, "/panier")
    page = jeanne.get("/panier").text
    assert "tout s’y commande en ligne" in page and 'action="/panier/suite"' in page
    assert jeanne.get("/panier/reserver").location == "/panier"


def test_too_many_and_closed_shops_are_said_in_sentences(
    hall: Hall, town: Town, jeanne: Browser, clock: FixedClock
) -> None:
    for _ in range(8):
        reserve(hall.database, town, ("C1",), clock=clock)
    fill(jeanne, town, "F1")
    answer = jeanne.post("/panier/reserver", **{**hidden(jeanne.get("/panier/reserver").text), **PERSON})
    assert answer.status_code == 422
    assert "Ce numéro a déjà des réservations en cours, 8 au plus." in answer.text
    with hall.database.transaction() as session:
        session.execute(text("UPDATE shop SET opening_hours = 'off' WHERE slug = 'fromagerie'"))
    page = jeanne.get("/panier/reserver").text
    assert "Fromagerie des Halles n’ouvre pas ces prochains jours." in page
    other = {**hidden(page), **PERSON, "phone": "06 39 98 00 00"}
    assert jeanne.post("/panier/reserver", **other).status_code == 422


def test_the_resident_cancels_by_the_link_after_one_question(
    hall: Hall, town: Town, jeanne: Browser, clock: FixedClock
) -> None:
    (made,) = reserve(hall.database, town, ("F1",), clock=clock)
    url = f"/reservation/{made.code}/{made.token}"
    assert f'href="{url}/annuler"' in jeanne.get(url).text
    assert stock_of(hall, town.variant("F1")) == (8, 1)
    assert "Cela ne se défait pas" in jeanne.get(f"{url}/annuler").text
    for _ in range(2):
        assert jeanne.post(f"{url}/annuler").location == url
    page = jeanne.get(url).text
    assert "Vous avez annulé cette réservation. Vous n’avez rien à payer." in page
    assert "Votre code de retrait" not in page
    assert jeanne.get(f"{url}/annuler").location == url
    assert jeanne.get(f"/reservation/{made.code}/{new_token()}").status_code == 404
    assert jeanne.post(f"/reservation/{made.code}/{new_token()}/annuler").status_code == 404


def test_what_is_collected_cannot_be_cancelled_any_more(
    hall: Hall, town: Town, jeanne: Browser, clock: FixedClock
) -> None:
    (made,) = reserve(hall.database, town, ("F1",), clock=clock)
    act(hall, made, "collect")
    url = f"/reservation/{made.code}/{made.token}"
    assert jeanne.post(f"{url}/annuler").location == url
    page = jeanne.get(url).text
    assert "Cette réservation est déjà terminée." in page and "Retiré et payé" in page


def test_the_product_page_says_reserve_and_leads_to_the_form(hall: Hall, town: Town, jeanne: Browser) -> None:
    with hall.database.reading() as session:
        product_id = session.scalar(select(Variant.product_id).where(Variant.id == town.variant("F1")))
    page = jeanne.get(f"/produits/{product_id}-tomme-fermiere").text
    assert "À réserver, à payer en boutique" in page
    assert '<span>Réserver<span class="hidden">' in page
    assert 'name="back" value="/panier/reserver"' in page
    assert "après la livraison" not in page and "Une seule livraison" not in page
    for asked in ("/produits", "/produits?q=tomme", "/boutiques/fromagerie"):
        grid = LexborHTMLParser(jeanne.get(asked).text).css("article.product")
        marked = {card.css_first("a").text() for card in grid if "À réserver" in card.text()}  # type: ignore[union-attr]  # each card has a link
        assert "Tomme fermière" in marked and "L’Assommoir" not in marked, asked


# --- The shop's rooms ------------------------------------------------------------------------------------------


def test_the_shop_sets_aside_hands_over_and_sees_only_its_own(
    app: Flask, hall: Hall, town: Town, keeper: Keeper, clock: FixedClock
) -> None:
    cheese, wine = reserve(hall.database, town, ("F1", "C1"), clock=clock)
    shop = keeper("cave")
    work_page = shop.get("/boutique").text
    assert "Réservations à mettre de côté" in work_page and "1 réservation à mettre de côté" in work_page
    assert "Jeanne M." in work_page and "Martin" not in work_page
    url = f"/boutique/reservations/{wine.id}"
    page = shop.get(url).text
    assert "Tomme" not in page and "06\xa039\xa098\xa012\xa034" in page
    assert shop.get(f"/boutique/reservations/{cheese.id}").status_code == 404
    assert shop.post(f"/boutique/reservations/{cheese.id}", event="ready").status_code == 404
    assert shop.post(url, event="ready").location == url
    assert "mises de côté, à payer chez vous" in shop.get("/boutique").text
    seen = browser_of(app, hall, role="coordinator").get("/reservations").text
    assert "SARL" not in seen and "Cave du Minage" in seen and "Jeanne M." in seen and "Mis de côté" in seen
    assert "06\xa039" not in seen
    assert "12,00\xa0€" in shop.get(f"{url}/bordereau").text
    code = row_of(hall, wine).collection_code
    wrong = f"{(int(code) + 1) % 10_000:04d}"
    refused = shop.post(url, event="collect", collection_code=wrong, is_adult="1")
    assert refused.status_code == 422 and "ce n’est pas celui de cette réservation" in refused.text
    refused = shop.post(url, event="collect", collection_code=code)
    assert refused.status_code == 422 and "Dites si la personne a prouvé sa majorité." in refused.text
    assert shop.post(url, event="collect", collection_code=f"{code[:2]} {code[2:]}", is_adult="1").location == url
    page = shop.get(url).text
    assert "Le client a payé chez vous." in page and "06\xa039" not in page
    assert "Réservations retirées aujourd’hui" in shop.get("/boutique").text


def test_the_four_digits_cannot_be_tried(hall: Hall, town: Town, keeper: Keeper, clock: FixedClock) -> None:
    (made,) = reserve(hall.database, town, ("F1",), clock=clock)
    right = row_of(hall, made).collection_code
    shop, url = keeper("fromagerie"), f"/boutique/reservations/{made.id}"
    wrong = f"{(int(right) + 1) % 10_000:04d}"
    statuses = [shop.post(url, event="collect", collection_code=wrong).status_code for _ in range(11)]
    assert statuses == [422] * 10 + [429]


def test_a_shop_that_cannot_keep_it_says_why(hall: Hall, town: Town, keeper: Keeper, clock: FixedClock) -> None:
    (made,) = reserve(hall.database, town, ("F1",), clock=clock)
    shop, url = keeper("fromagerie"), f"/boutique/reservations/{made.id}/annuler"
    refused = shop.post(url)
    assert refused.status_code == 422 and "Choisissez une réponse à «\xa0Pourquoi\xa0?\xa0»." in refused.text
    for _ in range(2):
        assert shop.post(url, reason="missing").location == f"/boutique/reservations/{made.id}"
    assert "Corrigez aussi le nombre dans votre rayon." in shop.get(f"/boutique/reservations/{made.id}").text
    assert "à remettre en rayon" in shop.get("/boutique").text
    assert keeper("cave").get(url).status_code == 404


# --- In the order of the shelves -------------------------------------------------------------------------------


def test_pieces_of_several_shops_are_taken_in_one_order(hall: Hall, town: Town, clock: FixedClock) -> None:
    """Whoever waits for the first piece of the order of ids holds none of the later ones: so no two deadlock."""
    with hall.database.transaction() as session:
        basket_id = fill_basket(session, {town.variant("C1"): 1, town.variant("F1"): 1})  # the later id first

    def press() -> int:
        with hall.database.transaction() as session:
            return len(reservations.reserve(session, reserve_command(basket_id), clock=clock))

    with ThreadPoolExecutor(1) as pool:
        with gate(hall.database, "SELECT 1 FROM variant WHERE id = :id FOR NO KEY UPDATE", id=town.variant("F1")):
            pressed = pool.submit(press)
            wait_for_queue(hall.database, 1)
            with hall.database.reading() as session:
                free = "SELECT id FROM variant WHERE id = :id FOR NO KEY UPDATE NOWAIT"
                assert session.scalar(text(free), {"id": town.variant("C1")}) == town.variant("C1")
        assert pressed.result() == 2


def test_who_lost_the_link_finds_the_reservation_by_its_number(
    hall: Hall, town: Town, jeanne: Browser, clock: FixedClock
) -> None:
    (made,) = reserve(hall.database, town, ("F1",), clock=clock)
    found = jeanne.post("/ma-commande", code=made.code, phone_end="1234")
    assert found.location == f"/reservation/{made.code}/{made.token}"
    assert jeanne.post("/ma-commande", code=made.code, phone_end="4321").status_code == 422
