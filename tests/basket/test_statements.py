"""A merchant reads every cent of its account: what was sold, kept back, given back and paid out, day by day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from basket import orders, shortages, statements
from basket.models import OrderLine
from basket.part_money import PartMoney, money_of, place_of
from basket.statement_rules import Sums, sums_of, total, vat_along
from basket.statements import Statement
from marketplace.clock import FixedClock
from marketplace.delivery.policies import set_policy
from marketplace.delivery.pricing import DeliveryTerms
from marketplace.hall import Hall
from marketplace.ledger.service import balance, post
from marketplace.money import Money
from marketplace.payments import refunds, service
from marketplace.payments.models import MerchantAccount, Payment, Refund
from marketplace.payments.rules import bear
from merchants.models import Merchant
from tests.basket.counter import Keeper, Paid, part_of
from tests.marketplace.ledger.book import seal_and_close
from tests.sandbox_server import Sandbox, running_sandbox
from tests.walk import NOW, Town, register_merchants, work

BOOKS, WINE = "merchant:librairie", "merchant:cave"
TUESDAY, WEDNESDAY = date(2026, 11, 24), date(2026, 11, 25)


def _always(on: date) -> bool:
    return True


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


def _hand_over(hall: Hall, placed: orders.PlacedOrder, slug: str) -> None:
    part = part_of(hall, placed, slug)
    for event in ("accept", "pack", "hand_over"):
        with hall.database.transaction() as session:
            orders.advance(
                session,
                sub_order_id=part.id,
                shop_ids=frozenset({part.shop_id}),
                event=event,
                collection_code=part.collection_code,
                actor="test",
                now=hall.clock.now(),
            )
    work(hall)


def _lack_one(hall: Hall, placed: orders.PlacedOrder, slug: str, reference: str) -> None:
    part = part_of(hall, placed, slug)
    with hall.database.transaction() as session:
        line = session.scalars(
            select(OrderLine).where(OrderLine.sub_order_id == part.id, OrderLine.reference == reference)
        ).one()
        shortages.report_shortage(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}),
            available={line.id: line.qty - 1},
            actor="test",
            now=hall.clock.now(),
        )


def _give_back(hall: Hall, placed: orders.PlacedOrder, amount: int, commission: int) -> int:
    """After the hand-over the association gives some of the books' money back, at the merchant's expense."""
    with hall.database.transaction() as session:
        refund = refunds.refund_parts(
            session,
            payment_id=placed.payment_id,
            parts=bear(BOOKS, Money(amount), Money(commission), liable="merchant"),
            reason="withdrawal",
            actor="test",
            now=hall.clock.now(),
        )
    refunds.send_refund(hall, refund.id)
    return refund.id


def _paid_on_tuesday(hall: Hall) -> None:
    """By the provider's clock, which the tests here have moved."""
    with hall.database.transaction() as session:
        session.execute(update(Payment).values(paid_at=NOW))


def _month(hall: Hall, party: str = BOOKS) -> Statement:
    with hall.database.reading() as session:
        month = statements.days_of(session, party=party, month=TUESDAY, charges_vat=_always)
        assert month.whole.after == -balance(session, party), "the statement is the account"
        assert total([span.sums for span in month.spans]) == month.whole.sums
        days = [statements.day_of(session, party=party, on=span.from_on, charges_vat=_always) for span in month.spans]
        assert [day.whole for day in days] == list(month.spans), "a day says the same as its month"
        assert tuple(move for day in days for move in day.moves) == month.moves
        year = statements.months_of(session, party=party, year=2026, charges_vat=_always)
        assert (year.whole.after, year.whole.sums) == (month.whole.after, month.whole.sums)
        assert statements.owed(statements.held_of(session, party=party)) == month.whole.after
    return month


def _where(hall: Hall, placed: orders.PlacedOrder, party: str = BOOKS) -> PartMoney:
    with hall.database.reading() as session:
        return money_of(session, party=party, codes=[placed.code])[placed.code]


def test_a_month_adds_up_from_the_sale_to_the_payout(hall: Hall, paid: Paid, clock: FixedClock) -> None:
    """42.50 sold at 8 %; a book was missing, 18.00; the next day the rest is handed over: 22.54 are paid out."""
    placed = paid(["L1", "L1", "L2", "C1"], delivered=False)
    _lack_one(hall, placed, "librairie", "L1")
    work(hall)
    assert _month(hall).whole.after == Money(2254)
    clock.advance(timedelta(days=1))
    _hand_over(hall, placed, "librairie")
    month = _month(hall)
    assert [(span.from_on, span.before.cents, span.after.cents) for span in month.spans] == [
        (TUESDAY, 0, 2254),
        (WEDNESDAY, 2254, 0),
    ]
    assert month.whole.sums == Sums(
        sold=Money(4250),
        commission=Money(340),
        commission_vat=Money(33),
        refunded=Money(1800),
        commission_back=Money(144),
        routed=Money(2254),
    )
    assert [(move.kind, move.code, move.permille, move.vat_bp) for move in month.moves] == [
        ("allocated", placed.code, 80, 2000),
        ("refund", placed.code, 80, 2000),
        ("routed", placed.code, 80, 2000),
    ]
    # The VAT of the 1.96 that the association keeps, and no cent more.
    assert [move.sums.commission_vat.cents for move in month.moves] == [57, -24, 0]
    assert [part.shop_name for part in month.moves[0].parts] == ["Librairie du Rempart"]


def test_what_a_shop_bears_of_a_delivery_is_told_apart(hall: Hall, town: Town, paid: Paid, clock: FixedClock) -> None:
    """2 % of the goods and 0.30 of each delivery: 0.90 of three cheeses, and 0.30 back for the one that was missing."""
    clock.advance(-timedelta(days=16))
    with hall.database.transaction() as session:
        terms = DeliveryTerms(Money(800), Money(450), Money(3000), 20, Money(30))
        set_policy(session, zone_id=town.zone_id, terms=terms, valid_from=TUESDAY, actor="test", now=hall.clock.now())
    clock.advance(timedelta(days=16))
    placed = paid(["F1", "F1", "F1"])
    _lack_one(hall, placed, "fromagerie", "F1")
    work(hall)
    whole = _month(hall, "merchant:fromagerie").whole
    assert whole.sums == Sums(
        sold=Money(2988),
        commission=Money(239),
        contribution=Money(60),
        commission_vat=Money(37),
        refunded=Money(996),
        commission_back=Money(80),
    )
    assert whole.after == Money(1773)
    assert _where(hall, placed, "merchant:fromagerie").refunded == Money(996)


def test_what_is_given_back_after_the_payout_is_fetched_from_the_merchant(hall: Hall, paid: Paid) -> None:
    placed = paid(["L1", "L2"], delivered=False)
    _hand_over(hall, placed, "librairie")
    _give_back(hall, placed, 1800, 144)
    sums = _month(hall).whole.sums
    assert (sums.sold, sums.refunded, sums.commission_back) == (Money(2450), Money(1800), Money(144))
    assert (sums.routed, sums.taken_back, sums.change) == (Money(2254), Money(1656), Money(0))
    where = _where(hall, placed)
    assert (where.place, where.amount, where.refunded) == ("with_you", Money(598), Money(1800))
    assert where.reasons == ("withdrawal",)


def test_a_refund_that_fails_is_undone_on_the_statement_too(hall: Hall, paid: Paid, sandbox: Sandbox) -> None:
    """The provider had fetched 16.56 from the merchant, and gave it back: no entry is left of that, two lines are."""
    placed = paid(["L1", "L2"], delivered=False)
    _hand_over(hall, placed, "librairie")
    refund_id = _give_back(hall, placed, 1800, 144)
    sandbox.advance_clock(10 * 24 * 3600)
    with hall.database.reading() as session:
        provider_id = session.get_one(Refund, refund_id).provider_id or ""
    sandbox.fail_refund(provider_id)
    service.settle(hall, placed.payment_id)
    month = _month(hall)
    assert month.whole.sums == Sums(
        sold=Money(2450), commission=Money(196), commission_vat=Money(33), routed=Money(2254)
    )
    assert [move.kind for move in month.moves] == ["allocated", "routed", "refund", "reversed", "failed"]
    assert month.moves[-1].sums == Sums(
        refunded=Money(-1800), commission_back=Money(-144), commission_vat=Money(24), taken_back=Money(-1656)
    )


def test_a_refund_that_fails_before_the_payout_leaves_all_of_it_to_pay_out(
    hall: Hall, paid: Paid, sandbox: Sandbox
) -> None:
    placed = paid(["L1", "L1"], delivered=False)
    _lack_one(hall, placed, "librairie", "L1")
    work(hall)
    sandbox.advance_clock(10 * 24 * 3600)
    with hall.database.reading() as session:
        provider_id = session.scalars(select(Refund.provider_id)).one() or ""
    sandbox.fail_refund(provider_id)
    service.settle(hall, placed.payment_id)
    assert _month(hall).whole.after == Money(3312)
    assert (_where(hall, placed).place, _where(hall, placed).amount) == ("kept", Money(3312))


def test_a_chargeback_takes_nothing_off_the_statement_and_is_said(hall: Hall, paid: Paid, sandbox: Sandbox) -> None:
    placed = paid(["L1", "C1"], delivered=False)
    with hall.database.reading() as session:
        provider_id = session.get_one(Payment, placed.payment_id).provider_id or ""
    sandbox.charge_back(provider_id, "30.00")
    service.settle(hall, placed.payment_id)
    _hand_over(hall, placed, "librairie")
    assert _month(hall).whole.after == Money(1656)
    assert _where(hall, placed).place == "bank"


def test_money_waits_while_the_account_takes_nothing(hall: Hall, paid: Paid) -> None:
    placed = paid(["L1"], delivered=False)
    _paid_on_tuesday(hall)
    assert (_where(hall, placed).place, _where(hall, placed).route_until_at.date()) == ("kept", date(2027, 2, 22))
    with hall.database.transaction() as session:
        session.get_one(MerchantAccount, (BOOKS, "sandbox")).can_receive_payments = False
    _hand_over(hall, placed, "librairie")
    assert _where(hall, placed).place == "account"
    with hall.database.transaction() as session:
        session.get_one(MerchantAccount, (BOOKS, "sandbox")).can_receive_payments = True
    assert _where(hall, placed).place == "going"


@pytest.mark.parametrize(
    ("state", "left", "can_receive", "is_disputed", "place"),
    [
        ("planned", 100, True, False, "kept"),
        ("planned", 100, False, True, "kept"),
        ("planned", 0, True, False, "nothing"),
        ("cancelled", 100, True, False, "nothing"),
        ("due", 100, True, False, "going"),
        ("due", 100, True, True, "bank"),
        ("due", 100, False, False, "account"),
        ("sending", 100, False, True, "going"),
        ("unknown", 100, False, False, "going"),
        ("refused", 100, False, False, "account"),
        ("refused", 100, True, False, "going"),
        ("routed", 100, False, False, "with_you"),
        ("routed", 0, True, False, "nothing"),
    ],
)
def test_every_state_of_a_share_has_its_place(
    state: str, left: int, can_receive: bool, is_disputed: bool, place: str
) -> None:
    assert place_of(state, Money(left), can_receive=can_receive, is_disputed=is_disputed) == place


@pytest.mark.parametrize("kind", ["allocated", "refund", "failed", "canceled", "routed", "reversed", "correction"])
@pytest.mark.parametrize("cents", [-1656, 0, 1656])
def test_whatever_the_kind_the_sums_are_the_entry(kind: str, cents: int) -> None:
    sums = sums_of(kind, Money(cents), commission=Money(144), goods_back=Money(1656), reversed_back=Money(1000))
    assert sums.change == Money(-cents)


def test_an_association_under_the_franchise_has_no_vat_in_its_commission(hall: Hall, paid: Paid) -> None:
    paid(["L1"])
    with hall.database.reading() as session:
        month = statements.days_of(session, party=BOOKS, month=TUESDAY, charges_vat=lambda on: False)
    assert (month.whole.sums.commission, month.whole.sums.commission_vat) == (Money(144), Money(0))


def test_the_vat_of_many_commissions_is_that_of_their_sum() -> None:
    assert [vat.cents for vat in vat_along([(Money(4), 2000)] * 3)] == [1, 0, 1]
    assert [vat.cents for vat in vat_along([(Money(144), 2000), (Money(50), 0), (Money(-144), 2000)])] == [24, 0, -24]


@pytest.mark.parametrize(
    ("instants", "days"),
    [
        # The autumn night has 25 hours, the spring night 23: midnight is the town's.
        (("2026-10-24T22:30", "2026-10-25T22:59", "2026-10-25T23:00"), (25, 25, 26)),
        (("2026-03-28T22:59", "2026-03-28T23:00", "2026-03-29T21:59", "2026-03-29T22:00"), (28, 29, 29, 30)),
    ],
)
def test_a_day_is_the_towns_day(session: Session, instants: Sequence[str], days: Sequence[int]) -> None:
    for instant in instants:
        at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
        _owe(session, instant, at, 100)
    month = statements.days_of(session, party=BOOKS, month=date.fromisoformat(instants[0][:10]), charges_vat=_always)
    assert [move.on.day for move in month.moves] == list(days)
    assert [span.after.cents for span in month.spans][-1] == 100 * len(instants)


def _owe(session: Session, key: str, at: datetime, cents: int) -> None:
    entries = {"holding": Money(cents), BOOKS: Money(-cents)}
    post(session, key=key, kind="test", reference="AB12", entries=entries, actor="test", now=at)


def test_a_day_that_is_closed_stays_as_it_was_told(hall: Hall) -> None:
    """What comes to light after the close counts for the first open day, sealed or not yet."""
    noon = datetime(2026, 11, 24, 11, tzinfo=UTC)
    with hall.database.transaction() as session:
        _owe(session, "in time", noon, 100)
    seal_and_close(hall.database, noon + timedelta(days=1))
    with hall.database.transaction() as session:
        _owe(session, "late", noon, 20)
    for _ in range(2):
        month = _month(hall)
        assert [(span.from_on, span.after.cents) for span in month.spans] == [(TUESDAY, 100), (WEDNESDAY, 120)]
        seal_and_close(hall.database, noon + timedelta(days=1))


def _id_of(hall: Hall, slug: str) -> int:
    with hall.database.reading() as session:
        return session.scalars(select(Merchant.id).where(Merchant.key == slug)).one()


def test_people_read_the_statements_of_their_merchants_and_of_no_other(hall: Hall, paid: Paid, keeper: Keeper) -> None:
    paid(["L1", "L2", "C1", "F1"])
    books, wine, cheese = (_id_of(hall, slug) for slug in ("librairie", "cave", "fromagerie"))
    both = keeper("librairie", "cave")
    page = both.get("/boutique/releves").text
    assert page.index("SARL Cave du Minage") < page.index("SARL Librairie du Rempart")
    assert "11,04\xa0€" in page and "22,54\xa0€" in page and "Fromagerie" not in page
    for merchant_id in (books, wine):
        assert both.get(f"/boutique/releves/{merchant_id}/2026-11").status_code == 200
    for ending in ("", "/csv", "/pdf"):
        for period in ("2026-11", "2026-11-24"):
            assert both.get(f"/boutique/releves/{cheese}/{period}{ending}").status_code == 404
            assert keeper().get(f"/boutique/releves/{cheese}/{period}{ending}").status_code == 403
    for period in ("2026-13", "2026-11-31", "20261124", "2026-1", "1999-11", "9999-12", "novembre"):
        assert both.get(f"/boutique/releves/{books}/{period}").status_code == 404, period
    assert both.get("/boutique/releves?annee=1999").status_code == 404


def test_a_merchant_without_a_sale_reads_how_it_begins(hall: Hall, town: object, keeper: Keeper) -> None:
    page = keeper("librairie").get("/boutique/releves").text
    assert "Pas encore de vente" in page
    assert (
        "Rien ne s’est passé" in keeper("librairie").get(f"/boutique/releves/{_id_of(hall, 'librairie')}/2026-11").text
    )


def test_the_day_leads_to_the_order_and_tells_until_when_the_money_is_kept(
    hall: Hall, paid: Paid, keeper: Keeper
) -> None:
    placed = paid(["L1", "L2", "C1"])
    _paid_on_tuesday(hall)
    part = part_of(hall, placed, "librairie")
    claire = keeper("librairie")
    day = claire.get(f"/boutique/releves/{_id_of(hall, 'librairie')}/2026-11-24").text
    assert f'href="/boutique/commandes/{part.id}"' in day
    kept = (
        "22,54\xa0€ sont gardés pour vous jusqu’à la livraison (mardi 24 novembre), puis versés sur votre compte, "
        "au plus tard le lundi 22 février."
    )
    assert kept in day
    assert "Commission de 8\xa0%, TVA de 20\xa0% comprise." in day
    assert kept in claire.get(f"/boutique/commandes/{part.id}").text


def test_the_table_is_what_a_french_spreadsheet_opens(hall: Hall, paid: Paid, keeper: Keeper) -> None:
    placed = paid(["L1", "L1", "L2"], delivered=False)
    _lack_one(hall, placed, "librairie", "L1")
    answer = keeper("librairie").get(f"/boutique/releves/{_id_of(hall, 'librairie')}/2026-11/csv")
    assert answer.headers["Content-Disposition"] == "attachment; filename=releve-librairie-2026-11.csv"
    assert answer.mimetype == "text/csv"
    titles, sale, refund, rest = answer.data.decode("utf-8").split("\r\n")
    assert titles.startswith("\ufeffJour;Heure;Commande;Boutique;Opération;Ventes TTC;")
    assert sale == (
        f"24/11/2026;10:00;{placed.code};Librairie du Rempart;Vente;"
        "42,50;8,00;3,40;20,00;0,57;0,00;0,00;0,00;0,00;0,00;0,00;39,10"
    )
    assert refund == (
        f"24/11/2026;10:00;{placed.code};Librairie du Rempart;Remboursement au client;"
        "0,00;8,00;0,00;20,00;-0,24;18,00;1,44;0,00;0,00;0,00;0,00;22,54"
    )
    assert rest == ""


def test_the_paper_says_what_the_page_says(hall: Hall, paid: Paid, keeper: Keeper) -> None:
    paid(["L1", "L1", "L2"], delivered=False)
    for period in ("2026-11", "2026-11-24"):
        answer = keeper("librairie").get(f"/boutique/releves/{_id_of(hall, 'librairie')}/{period}/pdf")
        assert answer.headers["Content-Disposition"] == f"attachment; filename=releve-librairie-{period}.pdf"
        assert answer.data.startswith(b"%PDF-")
