"""The provider's book is read, kept once, and compared with ours; what differs waits for a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from basket import orders
from basket.models import OrderLine
from basket.shortages import report_shortage
from marketplace.clock import FixedClock
from marketplace.hall import Hall
from marketplace.ledger.models import Posting
from marketplace.ledger.service import balances
from marketplace.money import Money
from marketplace.payments import nightly
from marketplace.payments.book_models import ProviderLine
from marketplace.payments.differing import note, over, settle_difference, waiting
from marketplace.payments.gateway import Gateway, PaymentRequest, Rejected, TryAgain
from marketplace.payments.models import Payment, Refund, Share
from marketplace.payments.reading import read_book
from marketplace.payments.reconciling import Found, Standing, differences, standing
from marketplace.payments.refunds import refund_parts
from marketplace.payments.rules import Bearing, bear
from marketplace.payments.service import settle
from merchants import treasury
from tests.apps import app_over
from tests.basket.counter import part_of
from tests.sandbox_server import KEY, TOKEN, Sandbox
from tests.walk import Town, open_payment, pay, place, work

A_DAY_S = 24 * 3600


def _balances(hall: Hall) -> dict[str, int]:
    with hall.database.reading() as session:
        return {account: total.cents for account, total in balances(session).items() if total}


def _differences(hall: Hall) -> list[Found]:
    with hall.database.reading() as session:
        return differences(session, provider_env="sandbox")


def _standing(hall: Hall) -> Standing:
    with hall.database.reading() as session:
        return standing(session, provider_env="sandbox")


def _read_lines(hall: Hall) -> list[str]:
    with hall.database.reading() as session:
        return list(session.scalars(select(ProviderLine.kind)))


def _provider_id(hall: Hall, placed: orders.PlacedOrder) -> str:
    with hall.database.reading() as session:
        return session.get_one(Payment, placed.payment_id).provider_id or ""


def _bring_home(hall: Hall, placed: orders.PlacedOrder, *slugs: str) -> None:
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset(slugs), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
    work(hall)


def _lack(hall: Hall, placed: orders.PlacedOrder, slug: str) -> None:
    """Of two pieces the shop has one."""
    part = part_of(hall, placed, slug)
    with hall.database.transaction() as session:
        line_id = session.scalars(select(OrderLine.id).where(OrderLine.sub_order_id == part.id)).one()
        report_shortage(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}),
            available={line_id: 1},
            actor="test",
            now=hall.clock.now(),
        )
    work(hall)


def test_fees_and_payouts_reach_the_ledger_once(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring_home(hall, placed, "cave")
    for _ in range(2):
        assert read_book(hall)
    # 16.50: 11.04 is the shop's; 0.55 = 1.80 % + 0.25 is the provider's; the rest is held until the 90 days are over.
    assert _balances(hall) == {
        "holding": 1650 - 1104 - 55,
        "association:commission": -96,
        "association:delivery": -450,
        "association:fees": 55,
    }
    sandbox.advance_clock(91 * A_DAY_S)
    sandbox.pay_out()
    for _ in range(2):
        read_book(hall)
    assert _balances(hall) == {
        "association:commission": -96,
        "association:delivery": -450,
        "association:fees": 55,
        "association:bank": 491,
    }
    with hall.database.reading() as session:
        kinds = select(Posting.kind, Posting.reference).where(Posting.kind.in_(("fee", "payout"))).order_by(Posting.id)
        (fee, payout) = session.execute(kinds).all()
        assert fee == ("fee", placed.code)
        assert payout.reference.startswith("baltr_")
    assert (_differences(hall), _standing(hall).gap) == ([], Money(0))


def test_the_book_is_read_in_pages_however_often_somebody_is_killed(
    hall: Hall, town: Town, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of three lines; the reader dies after each, and money comes in meanwhile."""
    for _ in range(3):
        pay(hall, sandbox, place(hall.database, town, ("L2",), clock=hall.clock))

    class Killed(Exception):
        pass

    def die(qty: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        read_book(hall, page_qty=2, advance=die)
    pay(hall, sandbox, place(hall.database, town, ("L2",), clock=hall.clock))
    with pytest.raises(Killed):
        read_book(hall, page_qty=2, advance=die)
    pages: list[int] = []
    read_book(hall, page_qty=2, advance=pages.append)
    assert pages == [2]
    # The walk that was interrupted is over; the next one brings what came in meanwhile, and stops there.
    read_book(hall, page_qty=2, advance=pages.append)
    assert pages == [2, 2, 2]
    with hall.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(ProviderLine)) == 8
    assert (_differences(hall), _standing(hall).gap) == ([], Money(0))


def test_without_a_token_nobody_looks_into_the_balance(hall: Hall, sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="a token like access_"):
        Gateway(endpoint=sandbox.url, api_key=KEY, access_token="test_x")
    gateway = sandbox.gateway()
    assert not gateway.reads_balance
    with pytest.raises(Rejected):
        gateway.balance()
    with pytest.raises(Rejected, match="not an id"):
        sandbox.gateway(access_token=TOKEN).balance_lines(from_id="baltr_x/../../organizations/me")
    assert not read_book(replace(hall, gateway=gateway))
    outcome = nightly.reconcile(replace(hall, gateway=gateway))
    assert (outcome.found, outcome.reads_balance) == ([], False)


def test_a_token_that_was_revoked_writes_nothing_and_reads_on_once_there_is_another(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    pay(hall, sandbox, place(hall.database, town, ("C1",), clock=hall.clock))
    before = _balances(hall)
    sandbox.revoke_token()
    for ask in (read_book, nightly.reconcile):
        with pytest.raises(TryAgain) as told:
            ask(hall)
        assert told.value.status == 401
    assert (_balances(hall), _read_lines(hall)) == (before, [])
    sandbox.issue_token()
    assert (nightly.reconcile(hall).found, _balances(hall)["association:fees"]) == ([], 55)


def test_a_refund_on_its_way_is_in_neither_book_twice(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    """The provider takes it when it sets out, the ledger when it has arrived; in between the page says so."""
    placed = place(hall.database, town, ("C1", "L1", "L1"), clock=hall.clock)
    pay(hall, sandbox, placed)
    _lack(hall, placed, "librairie")
    read_book(hall)
    stands = _standing(hall)
    assert (stands.holding, stands.on_their_way) == (Money(5250 - 120), Money(1800))
    assert (_differences(hall), stands.gap, stands.theirs) == ([], Money(0), Money(5250 - 120 - 1800))
    sandbox.advance_clock(2 * A_DAY_S)
    settle(hall, placed.payment_id)
    stands = _standing(hall)
    assert (_differences(hall), stands.gap, stands.on_their_way) == ([], Money(0), Money(0))


def test_what_comes_back_from_a_merchant_and_what_a_bank_takes_agree_too(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("C1", "F1"), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring_home(hall, placed, "cave", "fromagerie")
    with hall.database.transaction() as session:
        parts = bear("merchant:cave", Money(600), Money(48), liable="merchant")
        refund_parts(
            session, payment_id=placed.payment_id, parts=parts, reason="gesture", actor="person:1", now=hall.clock.now()
        )
    work(hall)
    read_book(hall)
    assert (_differences(hall), _standing(hall).gap) == ([], Money(0))
    chargeback_id = sandbox.charge_back(_provider_id(hall, placed), "20.46")
    read_book(hall)
    assert [(one.kind, one.ours, one.theirs) for one in _differences(hall)] == [
        ("chargeback", Money(0), Money(-2046)),
    ]
    settle(hall, placed.payment_id)
    assert _differences(hall) == []
    sandbox.reverse_chargeback(chargeback_id)
    nightly.reconcile(hall)
    assert (_differences(hall), _standing(hall).gap) == ([], Money(0))


def test_what_the_provider_keeps_of_refunds_and_chargebacks_is_explained(
    hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    """A refund's fee is a line of its own, a chargeback's is deducted from its line and kept when it is won."""
    placed = place(hall.database, town, ("C1", "F1"), clock=hall.clock)
    pay(hall, sandbox, placed)
    nightly.reconcile(hall)
    before = _balances(hall)["association:fees"]
    sandbox.set_fee(180, 25, refund_cents=25, chargeback_cents=1500)
    with hall.database.transaction() as session:
        parts = [Bearing("association", "gesture", Money(100))]
        refund_parts(
            session, payment_id=placed.payment_id, parts=parts, reason="gesture", actor="person:1", now=hall.clock.now()
        )
    work(hall)
    chargeback_id = sandbox.charge_back(_provider_id(hall, placed), "10.00")
    nightly.reconcile(hall)
    assert (_differences(hall), _standing(hall).gap) == ([], Money(0))
    assert _balances(hall)["association:fees"] - before == 25 + 1500
    sandbox.reverse_chargeback(chargeback_id)
    nightly.reconcile(hall)
    assert (_differences(hall), _standing(hall).gap) == ([], Money(0))
    assert _balances(hall)["association:fees"] - before == 25 + 1500
    with hall.database.reading() as session:
        assert treasury.look(session, hall.clock.now()).unexplained == Money(0)


# --- What differs ------------------------------------------------------------------------------------------------


def test_money_of_nobody_here_waits_for_a_person(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    """A restored backup does not know it; its fee is not booked either, and the machine corrects nothing."""
    asked = PaymentRequest(Money(500), "Commande 00000000", "http://127.0.0.1:5000/", metadata={"payment_key": "lost"})
    lost = hall.gateway.create_payment(asked, idempotency_key="lost")
    sandbox.conclude(lost.id, "paid", notify=False)
    outcome = nightly.reconcile(hall)
    assert [(one.kind, one.subject, one.ours, one.theirs) for one in outcome.found] == [
        ("unknown_payment", lost.id, Money(0), Money(466)),
    ]
    assert (outcome.waiting_qty, _balances(hall), _standing(hall).gap) == (1, {}, Money(466))
    with hall.database.transaction() as session:
        (one,) = waiting(session, provider_env="sandbox")
        now = hall.clock.now()
        for is_new in (True, False):
            said = settle_difference(session, difference_id=one.id, note="Essai du 3 mars.", actor="person:7", now=now)
            assert said is is_new
    assert nightly.reconcile(hall).waiting_qty == 0
    with hall.database.reading() as session:
        (settled,) = over(session, provider_env="sandbox")
        assert (settled.note, settled.settled_by, settled.gone_at) == ("Essai du 3 mars.", "person:7", None)


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        ("UPDATE provider_line SET amount = amount - 1 WHERE kind = 'payment'", ("paid", 1650, 1649)),
        (
            "UPDATE provider_line SET amount = amount + 4 WHERE kind = 'post-payment-split-payment'",
            ("routed", -1104, -1100),
        ),
        ("UPDATE provider_line SET kind = 'loan' WHERE kind = 'payment-fee'", ("unknown_kind", 0, -55)),
        (
            "UPDATE ledger_entry SET amount = amount + 5 WHERE account = 'holding' AND amount = 1650",
            ("paid", 1655, 1650),
        ),
        (
            "UPDATE ledger_posting SET kind = 'mystery' WHERE kind = 'routed'",
            ("ledger", -1104, 0),
        ),
        ("UPDATE book_reading SET balance = balance + 1", ("balance", 491, 492)),
    ],
)
def test_every_kind_of_difference_is_found(
    fault: str, found: tuple[str, int, int], hall: Hall, town: Town, sandbox: Sandbox
) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring_home(hall, placed, "cave")
    read_book(hall)
    assert _differences(hall) == []
    with hall.database.reading() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text(fault))
        assert found in [(d.kind, d.ours.cents, d.theirs.cents) for d in differences(session, provider_env="sandbox")]


def test_a_difference_that_goes_by_itself_leaves_the_list(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    with hall.database.transaction() as session:
        one = Found("paid", _provider_id(hall, placed), placed.code, Money(1650), Money(1649))
        assert note(session, provider_env="sandbox", found=[one, one], now=hall.clock.now()) == 1
        assert note(session, provider_env="sandbox", found=[one], now=hall.clock.now()) == 1
    assert nightly.reconcile(hall).waiting_qty == 0
    with hall.database.reading() as session:
        assert waiting(session, provider_env="sandbox") == []
        (gone,) = over(session, provider_env="sandbox")
        assert (gone.reference, gone.settled_at) == (placed.code, None)
        assert gone.gone_at is not None


def test_what_happened_this_hour_is_no_difference_yet(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("C1",), clock=clock)
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    read_book(hall)
    with hall.database.reading() as session:
        at = session.scalars(select(ProviderLine.created_at).limit(1)).one()
        assert differences(session, provider_env="sandbox", until_at=at - timedelta(minutes=1)) == []
        assert [d.kind for d in differences(session, provider_env="sandbox", until_at=at)] == ["paid"]


def test_a_refund_that_nobody_here_asked_for_is_a_difference(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    """Made on the provider's own pages."""
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    body = {"amount": {"currency": "EUR", "value": "2.00"}, "description": "à la main", "metadata": None}
    sandbox.call("POST", f"payments/{_provider_id(hall, placed)}/refunds", body).raise_for_status()
    outcome = nightly.reconcile(hall)
    assert [(one.kind, one.reference, one.ours, one.theirs) for one in outcome.found] == [
        ("refund", placed.code, Money(0), Money(-200)),
    ]


def test_a_route_to_somebody_else_is_a_difference(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("C1",), clock=hall.clock)
    pay(hall, sandbox, placed)
    _bring_home(hall, placed, "cave")
    with hall.database.transaction() as session:
        session.execute(update(Share).values(organization_id="org_librairie").where(Share.kind == "goods"))
    (one,) = nightly.reconcile(hall).found
    assert (one.kind, one.reference, one.ours, one.theirs) == ("recipient", placed.code, Money(1104), Money(1104))


def test_a_refund_that_has_moved_on_unheard_is_looked_at(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    placed = place(hall.database, town, ("L1", "L1"), clock=hall.clock)
    pay(hall, sandbox, placed)
    _lack(hall, placed, "librairie")
    sandbox.advance_clock(2 * A_DAY_S)
    outcome = nightly.reconcile(hall)
    assert (outcome.looked_at_qty, outcome.found) == (1, [])
    with hall.database.reading() as session:
        assert session.scalars(select(Refund.state)).all() == ["refunded"]


def test_the_command_says_what_differs_and_whether(hall: Hall, town: Town, sandbox: Sandbox) -> None:
    app = app_over(hall, "app")
    pay(hall, sandbox, place(hall.database, town, ("C1",), clock=hall.clock))
    said = app.test_cli_runner().invoke(args=["payments", "reconcile"])
    assert said.exit_code == 0
    assert "by the provider's book it holds 15.95, by ours 15.95, apart 0.00" in said.output
    assert "0 differences, waiting for somebody: 0" in said.output
    with hall.database.transaction() as session:
        session.execute(update(ProviderLine).where(ProviderLine.kind == "payment").values(amount=Money(1600)))
        session.execute(update(ProviderLine).values(created_at=hall.clock.now() - timedelta(days=9)))
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(update(Posting).values(at=hall.clock.now() - timedelta(days=9)))
    said = app.test_cli_runner().invoke(args=["payments", "reconcile"])
    assert said.exit_code == 1
    assert "ours 16.50, the provider's 16.00" in said.output
    assert "1 differences, waiting for somebody: 1" in said.output
    sandbox.plan_fault("GET /v2/payments", "status", status=503, times=1)
    said = app.test_cli_runner().invoke(args=["payments", "reconcile"])
    assert said.exit_code == 2
    assert "the provider cannot be asked" in said.output
