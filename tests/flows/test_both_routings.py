"""The worked example of mollie.md 6 and what goes back of it, routed after hand-over and upfront: the same cents."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from basket import orders
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import refunds, service, shares
from marketplace.payments.models import MerchantAccount, Payment, Refund, Share
from marketplace.payments.rules import Bearing, bear, split
from marketplace.payments.upfront import release_day
from merchants import treasury
from tests.flows.test_giving_back import EXAMPLE, M1, M2, M3
from tests.sandbox_server import Sandbox
from tests.walk import Town, book_payments, late_money, open_payment, pay, place, work

ORGANIZATIONS = {"org_librairie", "org_fromagerie", "org_cave"}


@pytest.fixture(params=["delayed", "upfront"])
def routing(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def hall(hall: Hall, routing: str) -> Hall:
    return replace(hall, settings=replace(hall.settings, mollie_routing=routing))


@pytest.fixture
def payment_id(hall: Hall, town: Town, sandbox: Sandbox) -> int:
    """44.29 paid, and allocated."""
    with hall.database.transaction() as session:
        payment = service.request_payment(
            session,
            reference="12345678",
            description="Commande 12345678",
            shares=split(EXAMPLE, Money(490)),
            redirect_url="http://127.0.0.1:5000/retour",
            language="fr",
            provider_env="sandbox",
            now=hall.clock.now(),
        )
        its_id = payment.id
    service.open_at_provider(hall, its_id)
    with hall.database.reading() as session:
        provider_id = session.get_one(Payment, its_id).provider_id or ""
    sandbox.conclude(provider_id, "paid", notify=False)
    service.settle(hall, its_id)
    with hall.database.transaction() as session:
        # In the example no order takes it: the job that would look for one has nothing to say here.
        shares.allocate(session, payment_id=its_id, now=hall.clock.now())
        session.get_one(Payment, its_id).trouble = "example"
    return its_id


def _hand_over(hall: Hall, payment_id: int) -> None:
    with hall.database.transaction() as session:
        for party in (M1, M2, M3):
            shares.make_due(session, payment_id=payment_id, party=party)
        due = shares.due_shares(session)
    for share_id in due:
        shares.send_share(hall, share_id)


def _refund(hall: Hall, payment_id: int, *parts: Bearing) -> None:
    with hall.database.transaction() as session:
        refund = refunds.refund_parts(
            session, payment_id=payment_id, parts=parts, reason="shortage", actor="person:1", now=hall.clock.now()
        )
        refund_id = refund.id
    refunds.send_refund(hall, refund_id)


def _settle(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    sandbox.advance_clock(10 * 24 * 3600)
    service.settle(hall, payment_id)


def _balances(hall: Hall) -> dict[str, int]:
    with hall.database.reading() as session:
        return {account: total.cents for account, total in balances(session).items() if total}


def _with_merchants(sandbox: Sandbox) -> dict[str, int]:
    """What the provider's own book says that the organisations have."""
    return {
        organization["id"]: organization["balance_cents"]
        for organization in sandbox.book()["organizations"]
        if organization["id"] in ORGANIZATIONS and organization["balance_cents"]
    }


# --- The example -----------------------------------------------------------------------------------------------


def test_each_merchant_has_its_share_and_the_association_the_rest(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    _hand_over(hall, payment_id)
    assert _balances(hall) == {"holding": 806, "association:commission": -316, "association:delivery": -490}
    assert _with_merchants(sandbox) == {"org_librairie": 1835, "org_fromagerie": 1007, "org_cave": 781}


def test_the_share_follows_its_payment_or_its_goods(hall: Hall, routing: str, payment_id: int) -> None:
    """Before the hand-over: kept with us, or with the merchant already."""
    with hall.database.reading() as session:
        share = session.query(Share).filter_by(party=M2, kind="goods").one()
        assert (share.state, share.routed_amount) == {
            "delayed": ("planned", None),
            "upfront": ("routed", Money(1007)),
        }[routing]
    assert _balances(hall).get(M2, 0) == {"delayed": -1007, "upfront": 0}[routing]


def test_a_missing_line_before_the_hand_over_ends_in_the_same_cents(
    hall: Hall, sandbox: Sandbox, routing: str, payment_id: int
) -> None:
    _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    _hand_over(hall, payment_id)
    _settle(hall, sandbox, payment_id)
    assert _balances(hall) == {"holding": 773, "association:commission": -283, "association:delivery": -490}
    assert _with_merchants(sandbox) == {"org_librairie": 1835, "org_fromagerie": 625, "org_cave": 781}
    with hall.database.reading() as session:
        provider_id = session.get_one(Payment, payment_id).provider_id or ""
    refund = sandbox.call("GET", f"payments/{provider_id}/refunds").json()["_embedded"]["refunds"][0]
    taken_back = [reversal["amount"]["value"] for reversal in refund.get("routingReversals", [])]
    # Never routed, or taken back again.
    assert taken_back == {"delayed": [], "upfront": ["3.82"]}[routing]


def test_a_missing_line_after_the_hand_over_is_taken_back_from_its_merchant(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    _hand_over(hall, payment_id)
    _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    _settle(hall, sandbox, payment_id)
    assert _balances(hall) == {"holding": 773, "association:commission": -283, "association:delivery": -490}
    assert _with_merchants(sandbox) == {"org_librairie": 1835, "org_fromagerie": 625, "org_cave": 781}


def test_a_merchant_that_cancels_all_keeps_nothing(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    """Steps 2 and 3: 18.35 and 6.25 are left to merchants, 5.99 to the association."""
    _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    delivery = Bearing("association", "delivery", Money(106))
    _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"), delivery)
    _hand_over(hall, payment_id)
    _settle(hall, sandbox, payment_id)
    assert _balances(hall) == {"holding": 599, "association:commission": -215, "association:delivery": -384}
    assert _with_merchants(sandbox) == {"org_librairie": 1835, "org_fromagerie": 625}


def test_a_refund_that_fails_has_not_happened(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    before = _balances(hall)
    _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"))
    with hall.database.reading() as session:
        provider_refund = session.query(Refund).one().provider_id or ""
    sandbox.advance_clock(10 * 24 * 3600)
    sandbox.fail_refund(provider_refund)
    service.settle(hall, payment_id)
    assert _balances(hall) == before


# --- Orders ----------------------------------------------------------------------------------------------------


def test_an_order_is_paid_brought_home_and_every_cent_is_somebodys(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("F1", "C1"), clock=clock)
    pay(hall, sandbox, placed)
    with hall.database.transaction() as session:
        slugs = frozenset({"fromagerie", "cave"})
        orders.mark_travelling(session, code=placed.code, shop_slugs=slugs, actor="courier", now=clock.now())
        orders.mark_delivered(session, code=placed.code, actor="courier", now=clock.now())
    work(hall)
    assert _balances(hall) == {"holding": 626, "association:commission": -176, "association:delivery": -450}
    assert _with_merchants(sandbox) == {"org_fromagerie": 916, "org_cave": 1104}


def test_money_that_no_order_takes_goes_back_whole_also_from_merchants(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, routing: str
) -> None:
    late = late_money(hall, town, sandbox, clock)
    with hall.database.reading() as session:
        seen = treasury.look(session, clock.now())
    assert (seen.unmatched, seen.unexplained) == (Money(950), Money(0))
    assert seen.ahead == {"delayed": Money(0), "upfront": Money(460)}[routing]
    work(hall)
    sandbox.advance_clock(10 * 24 * 3600)
    service.settle(hall, late.payment_id)
    # What is left is the other household's.
    with hall.database.reading() as session:
        seen = treasury.look(session, clock.now())
    assert (seen.unmatched, seen.refunds, seen.ahead, seen.unexplained) == (Money(0), Money(0), Money(0), Money(0))
    paid = [payment for payment in book_payments(sandbox) if payment["status"] == "paid"]
    assert sorted(sum(refund["amount_cents"] for refund in payment["refunds"]) for payment in paid) == [0, 950]


def test_a_payment_keeps_its_mode_whatever_the_setting_says_later(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock, routing: str
) -> None:
    placed = place(hall.database, town, ("F1",), clock=clock)
    provider_id = open_payment(hall, placed)
    other = {"delayed": "upfront", "upfront": "delayed"}[routing]
    later = replace(hall, settings=replace(hall.settings, mollie_routing=other))
    sandbox.conclude(provider_id, "paid", notify=False)
    service.settle(later, placed.payment_id)
    work(later)
    with hall.database.reading() as session:
        assert session.get_one(Payment, placed.payment_id).routing == routing
    assert _with_merchants(sandbox) == {"delayed": {}, "upfront": {"org_fromagerie": 916}}[routing]


def _sandbox_today() -> date:
    """The sandbox lives in its own time, which is this machine's."""
    return datetime.now(ZoneInfo("Europe/Amsterdam")).date()


# --- Upfront only ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("routing", ["upfront"], indirect=True)
def test_the_merchant_waits_until_the_day_after_the_planned_hand_over(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("F1",), clock=clock)
    with hall.database.transaction() as session:
        session.get_one(Payment, placed.payment_id).handover_on = _sandbox_today() + timedelta(days=3)
    provider_id = open_payment(hall, placed)
    (item,) = sandbox.call("GET", f"payments/{provider_id}").json()["routing"]
    assert item["releaseDate"] == (_sandbox_today() + timedelta(days=4)).isoformat()


@pytest.mark.parametrize("routing", ["upfront"], indirect=True)
def test_who_cannot_be_routed_to_is_promised_nothing(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("F1", "C1"), clock=clock)
    with hall.database.transaction() as session:
        session.get_one(MerchantAccount, ("merchant:cave", "sandbox")).can_receive_payments = False
    pay(hall, sandbox, placed)
    with hall.database.reading() as session:
        assert session.get_one(Payment, placed.payment_id).routing == "delayed"
    assert _with_merchants(sandbox) == {}


@pytest.mark.parametrize("routing", ["upfront"], indirect=True)
def test_a_merchant_whom_the_provider_refuses_is_routed_to_later(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    """Our word is older than the provider's: the resident can pay all the same, and nobody is promised anything."""
    sandbox.register_organization("org_fromagerie", "Fromagerie", can_receive_payments=False)
    placed = place(hall.database, town, ("F1", "C1"), clock=clock)
    pay(hall, sandbox, placed)
    with hall.database.reading() as session:
        payment = session.get_one(Payment, placed.payment_id)
        assert (payment.state, payment.routing, payment.release_on, payment.trouble) == ("paid", "delayed", None, None)
        assert service.payable_parties(session, "sandbox") == {"merchant:librairie", "merchant:cave"}
    assert _with_merchants(sandbox) == {}


@pytest.mark.parametrize("routing", ["upfront"], indirect=True)
def test_another_split_than_the_one_asked_for_is_looked_at_by_a_person(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("F1",), clock=clock)
    provider_id = open_payment(hall, placed)
    with hall.database.transaction() as session:
        session.execute(text("UPDATE payment_share SET routed_amount = routed_amount - 1 WHERE kind = 'goods'"))
    sandbox.conclude(provider_id, "paid", notify=False)
    service.settle(hall, placed.payment_id)
    with hall.database.reading() as session:
        assert session.get_one(Payment, placed.payment_id).trouble == "split_differs"


def test_a_share_is_released_within_the_providers_limits() -> None:
    today = date(2026, 11, 24)
    assert release_day(date(2026, 11, 27), provider_env="live", today=today) == date(2026, 11, 28)
    assert release_day(None, provider_env="live", today=today) == date(2026, 11, 25)
    assert release_day(date(2026, 11, 20), provider_env="live", today=today) == date(2026, 11, 25)
    assert release_day(date(2026, 12, 24), provider_env="test", today=today) == date(2026, 12, 4)
    assert release_day(date(2036, 12, 24), provider_env="live", today=today) == date(2028, 11, 22)
