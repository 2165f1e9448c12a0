"""The resident renounces a contract on the order's page: in time, in two steps, with a receipt; the money goes back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from basket import by_hand, orders, withdrawal_rules, withdrawing
from basket.cancelling import cancel_part
from basket.models import Order, OrderLine, OrderRefund, SubOrder, Withdrawal, WithdrawalWord
from basket.money_queries import get_order_money
from basket.shortages import report_shortage
from basket.withdrawal_handlers import watch_the_days
from basket.withdrawal_queries import contracts_of, late_withdrawals, withdrawals_of
from marketplace.clock import FixedClock
from marketplace.errors import FieldError, NotFound
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.ledger.service import balances
from marketplace.mail import Mailer
from marketplace.money import ZERO, Money
from marketplace.payments.chargebacks import apply_chargebacks
from marketplace.payments.claims import open_claims
from marketplace.payments.gateway import ProviderChargeback
from marketplace.payments.models import Refund, RefundPart, Share
from merchants import treasury
from tests.basket.counter import Browser, Keeper, Paid, part_of
from tests.sandbox_server import Sandbox, running_sandbox
from tests.smtp_server import html_of, running_mail_server, text_of
from tests.staff import browser_of
from tests.walk import register_merchants, work


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all tests here."""
    with running_sandbox() as sandbox:
        register_merchants(sandbox)
        yield sandbox


def _line(hall: Hall, part: SubOrder, reference: str) -> int:
    with hall.database.reading() as session:
        query = select(OrderLine.id).where(OrderLine.sub_order_id == part.id, OrderLine.reference == reference)
        return session.scalars(query).one()


def _bring(hall: Hall, placed: orders.PlacedOrder, *slugs: str) -> None:
    """The round brings it home."""
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset(slugs), actor="courier", now=now)
        orders.mark_delivered(session, code=placed.code, actor="courier", now=now)
    work(hall)


def _declare(
    hall: Hall, placed: orders.PlacedOrder, part: SubOrder, pieces: dict[int, int], key: str | None = None
) -> int:
    with hall.database.transaction() as session:
        return withdrawing.declare(
            session,
            code=placed.code,
            token=placed.token,
            sub_order_id=part.id,
            pieces=pieces,
            name="Jeanne Martin",
            email="jeanne@example.org",
            form_key=key or new_token(),
            now=hall.clock.now(),
        ).id


def _settle(hall: Hall, withdrawal_id: int, part: SubOrder) -> bool:
    with hall.database.transaction() as session:
        return withdrawing.settle(
            session,
            withdrawal_id=withdrawal_id,
            shop_ids=frozenset({part.shop_id}),
            basis="goods",
            actor="member:1",
            now=hall.clock.now(),
        )


def _refunds(hall: Hall) -> list[Money]:
    with hall.database.reading() as session:
        return list(session.scalars(select(Refund.amount).order_by(Refund.id)))


# --- The time that the law gives -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "last"),
    [
        (date(2026, 11, 20), date(2026, 12, 4)),
        (date(2026, 11, 21), date(2026, 12, 7)),
        (date(2026, 12, 11), date(2026, 12, 28)),
        (date(2026, 12, 18), date(2027, 1, 4)),
    ],
)
def test_the_last_day_is_a_working_day(received: date, last: date) -> None:
    """The four computed cases of domain W1."""
    assert withdrawal_rules.last_day(received) == last


def test_received_on_a_saturday_two_weeks_end_on_monday_at_midnight(
    hall: Hall, paid: Paid, clock: FixedClock, client: FlaskClient
) -> None:
    """TEST-4 of domain 9c: received Saturday 2026-11-21, declared Monday 2026-12-07 at 23:58, or four minutes later."""
    clock.at = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
    placed = paid(["C1", "C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part, "C1")
    _bring(hall, placed, "cave")
    page = f"/commande/{placed.code}/{placed.token}"
    clock.at = datetime(2026, 12, 7, 22, 58, tzinfo=UTC)
    assert "Renoncer au contrat ici" in client.get(page).text
    with hall.database.reading() as session:
        withdrawal = session.get_one(Withdrawal, _declare(hall, placed, part, {line: 1}))
        assert (withdrawal.state, withdrawal.refund_due_on) == ("waiting", date(2026, 12, 21))
    clock.at = datetime(2026, 12, 7, 23, 2, tzinfo=UTC)
    assert "Renoncer au contrat ici" not in client.get(page).text
    with pytest.raises(withdrawing.TooLateToWithdraw):
        _declare(hall, placed, part, {line: 1})
    answer = client.get(f"{page}/renoncer/{part.id}")
    assert "Le délai pour renoncer s’est terminé le lundi 7 décembre." in answer.text
    assert 'name="form_key"' not in answer.text
    late = Browser(client).post(
        f"{page}/renoncer/{part.id}",
        step="do",
        name="Jeanne",
        email="jeanne@example.org",
        form_key=new_token(),
        **{f"qty-{line}": "1"},
    )
    assert late.status_code == 409 and "s’est terminé le lundi 7 décembre" in late.text


# --- What goes back, and when ----------------------------------------------------------------------------------


def test_what_never_left_its_shop_goes_back_at_once(hall: Hall, paid: Paid) -> None:
    """Wine of 12.00 beside cheese of 9.96: its share of 4.50 is 2.46, as for a part that is cancelled."""
    placed = paid(["F1", "C1"])
    part = part_of(hall, placed, "cave")
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    assert _refunds(hall) == [Money(1446)]
    with hall.database.reading() as session:
        assert session.get_one(SubOrder, part.id).state == "cancelled"
        assert session.get_one(Withdrawal, withdrawal_id).basis == "not_handed_over"
        assert session.scalars(select(OrderRefund.reason)).one() == "withdrawal"
        assert session.get_one(Order, placed.order_id).state == "confirmed"
    assert not _settle(hall, withdrawal_id, part)


def test_some_pieces_go_back_without_the_delivery_and_the_last_ones_with_it(hall: Hall, paid: Paid) -> None:
    """Two books of 18.00 and wine: 18.00 first; 18.00 and 4.50 x 36 / 48 = 3.38 with the second."""
    placed = paid(["L1", "L1", "C1"])
    part = part_of(hall, placed, "librairie")
    line = _line(hall, part, "L1")
    _declare(hall, placed, part, {line: 1})
    assert _refunds(hall) == [Money(1800)]
    with hall.database.reading() as session:
        assert session.get_one(SubOrder, part.id).state == "received"
    _declare(hall, placed, part, {line: 1})
    assert _refunds(hall) == [Money(1800), Money(2138)]


def test_after_the_delivery_the_money_waits_for_the_goods(hall: Hall, paid: Paid) -> None:
    """The last contract that is renounced takes the rest of the fee with it; the merchant gives its routed share."""
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    assert _refunds(hall) == []
    with pytest.raises(NotFound), hall.database.transaction() as session:
        withdrawing.settle(
            session,
            withdrawal_id=withdrawal_id,
            shop_ids=frozenset({part.shop_id + 1}),
            basis="goods",
            actor="member:1",
            now=hall.clock.now(),
        )
    assert [_settle(hall, withdrawal_id, part) for _ in range(2)] == [True, False]
    work(hall)
    with hall.database.reading() as session:
        parts = session.execute(select(RefundPart.kind, RefundPart.amount, RefundPart.is_reversal))
        assert {row.kind: (row.amount.cents, row.is_reversal) for row in parts} == {
            "goods": (1104, True),
            "commission": (96, False),
            "delivery": (450, False),
        }


def test_the_law_excludes_cheese_and_keeps_the_delivery_of_what_is_kept(hall: Hall, paid: Paid) -> None:
    placed = paid(["F1", "F2"])
    part = part_of(hall, placed, "fromagerie")
    cheese, jam = _line(hall, part, "F1"), _line(hall, part, "F2")
    with hall.database.reading() as session:
        (contract,) = contracts_of(session, placed.order_id, hall.clock.now()).values()
        assert [line.id for line in contract.lines] == [jam]
    with pytest.raises(FieldError):
        _declare(hall, placed, part, {cheese: 1})
    _declare(hall, placed, part, {jam: 1})
    assert _refunds(hall) == [Money(500)]


def test_the_same_form_declares_once_and_nothing_is_declared_twice(hall: Hall, paid: Paid) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part, "C1")
    _bring(hall, placed, "cave")
    key = new_token()
    assert _declare(hall, placed, part, {line: 1}, key) == _declare(hall, placed, part, {line: 1}, key)
    with pytest.raises(FieldError) as refused:
        _declare(hall, placed, part, {line: 1})
    assert (refused.value.field, refused.value.code) == (f"qty-{line}", "more_pieces_than_left")
    with pytest.raises(FieldError):
        _declare(hall, placed, part, {})
    with pytest.raises(NotFound), hall.database.transaction() as session:
        withdrawing.declare(
            session,
            code=placed.code,
            token=new_token(),
            sub_order_id=part.id,
            pieces={line: 1},
            name="x",
            email="x@example.org",
            form_key=new_token(),
            now=hall.clock.now(),
        )


def test_one_that_waits_for_ten_days_is_seen_by_a_person(hall: Hall, paid: Paid, clock: FixedClock) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    for days, found in ((9, []), (2, [(f"{placed.code} Cave du Minage", Money(1200))])):
        clock.advance(timedelta(days=days))
        with hall.database.reading() as session:
            assert [(t.what, t.amount) for t in late_withdrawals(session, clock.now())] == found


# --- The clock (W10) ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "held", "proof", "leaves"),
    [
        (None, None, None, None),
        # Told in time: the day before the law's last one.
        (10, None, None, date(2026, 12, 14)),
        # Told late: two days to answer.
        (13, None, None, date(2026, 12, 16)),
        # The shop has nothing: the law lets it wait.
        (10, 11, None, None),
        # The resident has said since how it went back, and the shop nothing.
        (12, 11, 12, date(2026, 12, 15)),
        # The last word is the shop's.
        (12, 13, 12, None),
    ],
)
def test_the_money_leaves_by_the_clock_unless_the_shop_holds_it(
    told: int | None, held: int | None, proof: int | None, leaves: date | None
) -> None:
    """Declared on 1 December, in days since; the law's last day is the 15th."""

    def at(days: int | None) -> datetime | None:
        return None if days is None else datetime(2026, 12, 1, 9, tzinfo=UTC) + timedelta(days=days)

    declared_on = date(2026, 12, 1)
    assert withdrawal_rules.refund_due_on(declared_on) == date(2026, 12, 15)
    assert withdrawal_rules.goes_back_on(declared_on, told_at=at(told), held_at=at(held), proof_at=at(proof)) == leaves


def _strike(hall: Hall) -> None:
    watch_the_days(hall)
    work(hall)


def test_a_shop_that_does_not_answer_is_told_and_the_money_leaves_on_its_day(
    hall: Hall, paid: Paid, clock: FixedClock
) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    with running_mail_server() as post:
        posted = replace(hall, mailer=Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from))
        work(posted)
        for days, subjects in (
            (9, []),
            (1, ["sans un mot de vous"]),
            (3, ["sans un mot de vous", "le client est remboursé"]),
        ):
            clock.advance(timedelta(days=days))
            _strike(posted)
            letters = [one["Subject"] for one in post.to("cave@example.org")]
            said = [one for one in letters if "sans un mot" in one or "est remboursé" in one]
            assert [subject in one for subject, one in zip(subjects, said, strict=True)] == [True] * len(subjects)
        (warned,) = [one for one in post.to("cave@example.org") if "sans un mot" in one["Subject"]]
        assert "Sans un mot de vous, il repart le lundi 7 décembre." in text_of(warned).replace("\xa0", " ")
        assert [one for one in post.to("jeanne@example.org") if "16,50" in text_of(one)]
    assert _refunds(hall) == [Money(1650)]
    with hall.database.reading() as session:
        withdrawal = session.get_one(Withdrawal, withdrawal_id)
        assert (withdrawal.basis, withdrawal.settled_by) == ("unanswered", "clock")


def test_the_law_lets_a_shop_wait_until_the_resident_says_how_it_went_back(
    hall: Hall, paid: Paid, keeper: Keeper, client: FlaskClient, clock: FixedClock
) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    page = f"/commande/{placed.code}/{placed.token}/renoncement/{withdrawal_id}"
    clock.advance(timedelta(days=11))
    with running_mail_server() as post:
        posted = replace(hall, mailer=Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from))
        _strike(posted)
        cellar = keeper("cave")
        assert "l’argent repart de lui-même le lundi 7 décembre" in cellar.get("/boutique/retours").text
        assert keeper("librairie").post(f"/boutique/retours/{withdrawal_id}/pas-revenu").status_code == 404
        for said in ("l’argent attend le produit", "Rien à refaire"):
            assert cellar.post(f"/boutique/retours/{withdrawal_id}/pas-revenu").status_code == 303
            assert said in cellar.get("/boutique/retours").text
        clock.advance(timedelta(days=30))
        _strike(posted)
        assert _refunds(hall) == []
        with hall.database.reading() as session:
            assert [trouble.why for trouble in late_withdrawals(session, clock.now())] == ["withdrawal_held"]
        (held,) = [one for one in post.to("jeanne@example.org") if "attend votre retour" in one["Subject"]]
        assert f"{page}" in text_of(held)
        assert "Rien n’est encore revenu" in client.get(page).text
        browser = Browser(client)
        empty = browser.post(page, proof=" ")
        assert empty.status_code == 422 and "Où, quand" in empty.text
        assert browser.post(page.replace(placed.token, new_token()), proof="x").status_code == 404
        for _ in range(2):
            assert browser.post(page, proof="Rapporté <b>jeudi</b>.").status_code == 303
        _strike(posted)
        (proof,) = [one for one in post.to("cave@example.org") if "a rendu le produit" in one["Subject"]]
        assert "Rapporté <b>jeudi</b>." in text_of(proof)
        assert "Rapporté &lt;b&gt;jeudi&lt;/b&gt;." in html_of(proof)
        assert _refunds(hall) == []
        clock.advance(timedelta(days=2))
        _strike(posted)
    assert _refunds(hall) == [Money(1650)]


# --- On the telephone ----------------------------------------------------------------------------------------------


def test_what_is_renounced_goes_back_once_not_by_hand_and_by_the_clock(app: Flask, hall: Hall, paid: Paid) -> None:
    """Two bottles of 12.00, one renounced: given back by hand as well, the clock would pay for the other one too."""
    placed = paid(["C1", "C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part, "C1")
    _bring(hall, placed, "cave")
    withdrawal_id = _declare(hall, placed, part, {line: 1})

    form = browser_of(app, hall, role="treasurer").get(f"/tresorerie/commandes/{placed.code}/rendre/{part.id}").text
    assert "Le client a renoncé à 1 pièce" in form
    for reason, qty in (("withdrawal", 1), ("complaint", 2)):
        with pytest.raises(FieldError) as refused:
            _give(
                hall,
                placed,
                by_hand.Wish(part.id, reason, "merchant", {line: by_hand.Wished(qty, None)}, ZERO, ZERO, ""),
            )
        assert (refused.value.field, refused.value.code) == (f"qty-{line}", "renounced_already")
    assert _settle(hall, withdrawal_id, part)
    assert _refunds(hall) == [Money(1200)]


def _give(hall: Hall, placed: orders.PlacedOrder, wish: by_hand.Wish) -> None:
    with hall.database.transaction() as session:
        by_hand.give_by_hand(
            session,
            code=placed.code,
            seen_refund_id=by_hand.last_refund_id(session, placed.order_id),
            wish=wish,
            actor="person:1",
            now=hall.clock.now(),
        )


def test_a_withdrawal_whose_goods_were_lost_ends_without_a_word(hall: Hall, paid: Paid, clock: FixedClock) -> None:
    """Renounced on the round; then the part is cancelled as lost: all of it goes back, nothing is left to wait for."""
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    with hall.database.transaction() as session:
        now = hall.clock.now()
        orders.mark_travelling(session, code=placed.code, shop_slugs=frozenset({"cave"}), actor="courier", now=now)
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    with hall.database.transaction() as session:
        cancel_part(session, sub_order_id=part.id, shop_ids=None, actor="person:1", now=hall.clock.now())
    with running_mail_server() as post:
        posted = replace(hall, mailer=Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from))
        work(posted)
        for days in (11, 3):
            clock.advance(timedelta(days=days))
            _strike(posted)
        assert not [one for one in post.to("cave@example.org") if "sans un mot" in one["Subject"]]
        assert not [one for one in post.to("jeanne@example.org") if re.search(r"(?<!\d)0,00", text_of(one))]
    with hall.database.reading() as session:
        withdrawal = session.get_one(Withdrawal, withdrawal_id)
        assert (withdrawal.basis, withdrawal.order_refund_id) == ("otherwise", None)
    assert _refunds(hall) == [Money(1650)]


def _dispute(hall: Hall, placed: orders.PlacedOrder, *, won: bool = False, cents: int = 1650) -> None:
    with hall.database.transaction() as session:
        payment_id = session.get_one(Order, placed.order_id).payment_id
        assert payment_id is not None
        now = hall.clock.now()
        said = ProviderChargeback("chb_1", "tr_1", Money(cents), now, now if won else None)
        apply_chargebacks(session, payment_id, [said], now)


def test_nothing_goes_back_twice_while_the_bank_has_the_money(
    app: Flask, hall: Hall, paid: Paid, keeper: Keeper, clock: FixedClock
) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    _dispute(hall, placed)
    clock.advance(timedelta(days=14))
    _strike(hall)
    refused = keeper("cave").post(f"/boutique/retours/{withdrawal_id}", basis="goods")
    assert refused.status_code == 409 and "Attendez la fin du litige" in refused.text
    staff = browser_of(app, hall, role="coordinator")
    url = f"/tresorerie/commandes/{placed.code}/renoncement/{withdrawal_id}"
    assert staff.post(url, basis="goods").status_code == 409
    assert "sa banque a repris l’argent" in staff.get("/a-regarder").text
    assert _refunds(hall) == []
    # Won: the shop was never told, so it has its days; then the money leaves.
    _dispute(hall, placed, won=True)
    _strike(hall)
    clock.advance(timedelta(days=2))
    _strike(hall)
    assert _refunds(hall) == [Money(1650)]


def test_after_a_lost_dispute_the_shop_that_has_its_goods_back_owes_its_money(
    app: Flask, hall: Hall, paid: Paid, clock: FixedClock
) -> None:
    """16.50 paid, 2.00 given as a gesture, and all of it taken by the bank: nothing leaves, the shop owes its 11.04."""
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    _give(hall, placed, by_hand.Wish(None, "complaint", "association", {}, ZERO, Money(200), "en retard"))
    work(hall)
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    _dispute(hall, placed)
    staff = browser_of(app, hall, role="treasurer")
    assert staff.post(f"/tresorerie/commandes/{placed.code}/litige-perdu").status_code == 303
    url = f"/tresorerie/commandes/{placed.code}/renoncement/{withdrawal_id}"
    assert staff.post(url, basis="goods").status_code == 303
    assert "rien d’autre ne part" in staff.get(url).text
    assert _refunds(hall) == [Money(200), ZERO]
    with hall.database.reading() as session:
        assert [claim.amount for claim in open_claims(session)] == [Money(1104)]
        assert treasury.look(session, clock.now()).unexplained == ZERO
    # The bank gives it back after all: what was counted may be owed, and a person looks.
    assert "La banque a rendu l’argent" not in staff.get("/a-regarder").text
    _dispute(hall, placed, won=True)
    assert "La banque a rendu l’argent" in staff.get("/a-regarder").text


def test_a_lost_dispute_sends_what_is_still_owed_and_pays_the_shops(app: Flask, hall: Hall, paid: Paid) -> None:
    """16.50 paid, 10.00 of it kept by the bank: renounced in the shop, 6.50 are still owed, and the shop gets nothing.

    The association has lost nothing: what the bank took is counted.
    """
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _dispute(hall, placed, cents=1000)
    _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    work(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(Refund.state)).all() == ["requested"]
    url = f"/tresorerie/commandes/{placed.code}"
    staff = browser_of(app, hall, role="treasurer")
    assert "Le litige est perdu" in staff.get(url).text
    for said in ("la banque garde cet argent", "ce litige est déjà fini"):
        assert staff.post(f"{url}/litige-perdu").status_code == 303
        assert said in staff.get(url).text
    work(hall)
    with hall.database.reading() as session:
        refunds = session.execute(select(Refund.amount, Refund.state).order_by(Refund.id)).all()
        assert [tuple(row) for row in refunds] == [(Money(1650), "canceled"), (Money(650), "pending")]
        book = balances(session)
        assert {account: book.get(account, ZERO).cents for account in ("association:chargebacks", "merchant:cave")} == {
            "association:chargebacks": 1000,
            "merchant:cave": 0,
        }
        assert book["association:gestures"] == Money(-1000)
        assert [row.given_back for row in withdrawals_of(session, placed.order_id)] == [Money(650)]
        (given,) = get_order_money(session, placed.code).given
        assert given.amount == Money(650)


def test_a_lost_dispute_of_a_part_that_was_handed_over_pays_its_shop(hall: Hall, paid: Paid, app: Flask) -> None:
    """16.50 paid and all of it kept by the bank: the shop has sold, and is owed 11.04 by bank."""
    placed = paid(["C1"])
    _dispute(hall, placed)
    _bring(hall, placed, "cave")
    browser_of(app, hall, role="treasurer").post(f"/tresorerie/commandes/{placed.code}/litige-perdu")
    work(hall)
    with hall.database.reading() as session:
        share = session.scalars(select(Share).where(Share.kind == "goods")).one()
        assert (share.state, share.routed_amount, share.lacking_amount) == ("routed", ZERO, Money(1104))
        assert treasury.look(session, hall.clock.now()).unexplained == ZERO


def test_what_is_renounced_in_the_shop_while_a_bank_has_the_money_promises_none(
    hall: Hall, paid: Paid, clock: FixedClock
) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _dispute(hall, placed)
    with running_mail_server() as post:
        posted = replace(hall, mailer=Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from))
        _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
        work(posted)
        letters = [text_of(one).replace("\xa0", " ") for one in post.to("jeanne@example.org")]
    assert any("Votre banque a repris ce paiement" in one for one in letters)
    assert not any("repartent sur votre moyen de paiement" in one or "Nous vous rendons" in one for one in letters)


@pytest.mark.parametrize("gesture", [Money(500), Money(1200), Money(1650)])
def test_after_a_gesture_the_rest_of_what_was_paid_goes_back_and_no_more(
    hall: Hall, paid: Paid, clock: FixedClock, gesture: Money
) -> None:
    """12.00 and 4.50 paid, 11.04 with the shop: all of it comes back once, whatever was given before."""
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    _give(hall, placed, by_hand.Wish(None, "complaint", "association", {}, ZERO, gesture, "en retard"))
    work(hall)
    withdrawal_id = _declare(hall, placed, part, {_line(hall, part, "C1"): 1})
    clock.at += timedelta(days=11)
    watch_the_days(hall)
    work(hall)
    clock.at += timedelta(days=3)
    watch_the_days(hall)
    work(hall)
    rest = Money(1650) - gesture
    assert _refunds(hall) == [gesture, rest]
    with hall.database.reading() as session:
        withdrawal = session.get_one(Withdrawal, withdrawal_id)
        assert (withdrawal.state, withdrawal.basis) == ("settled", "unanswered")
        given = session.get_one(OrderRefund, withdrawal.order_refund_id)
        assert (given.delivery, given.gesture) == (Money(450), -gesture)
        refund = session.get_one(Refund, given.refund_id)
        assert refund.state == ("pending" if rest else "refunded")
        part = session.scalars(select(RefundPart).where(RefundPart.is_reversal)).one()
        back = min(Money(1104), rest)
        assert (part.amount, part.reversed_amount, part.claimed_amount) == (Money(1104), back, Money(1104) - back)


def test_who_says_it_on_the_telephone_gets_the_same_receipt_on_paper(
    app: Flask, hall: Hall, paid: Paid, client: FlaskClient
) -> None:
    placed = paid(["C1", "C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part, "C1")
    _bring(hall, placed, "cave")
    staff = browser_of(app, hall, role="coordinator")
    shown = staff.get(f"/tresorerie/commandes/{placed.code}").text
    url = f"/tresorerie/commandes/{placed.code}/renoncer/{part.id}"
    assert f'href="{url}"' in shown and "Il peut renoncer jusqu’au" in staff.get(url).text
    form = {"name": "Jeanne Martin", "email": "", "form_key": new_token(), f"qty-{line}": "1"}
    assert staff.post(url, step="do", **{**form, f"qty-{line}": "3"}).status_code == 422
    look = staff.post(url, step="look", **form)
    assert "Lisez-le au client" in look.text and "la page suivante s’imprime" in look.text
    done = {staff.post(url, step="do", **form).location for _ in range(2)}
    (receipt,) = done
    paper = staff.get(receipt or "").text.replace("\xa0", " ")
    for said in ("Reçue le", "mardi 24 novembre 2026 à 10 h", "dite au téléphone", "data-print", "Imprimez cette page"):
        assert said in paper, said
    assert staff.get((receipt or "").replace(placed.code, "AAAAAA")).status_code == 404
    with hall.database.reading() as session:
        assert (session.scalars(select(Withdrawal.taken_by)).one() or "").startswith("person:")
    assert staff.post(receipt or "").status_code == 422
    assert staff.post(receipt or "", basis="sent").status_code == 303
    assert _refunds(hall) == [Money(1200)]


def test_who_reads_no_letters_is_called_and_says_on_the_telephone_how_it_went_back(
    app: Flask, hall: Hall, paid: Paid, keeper: Keeper, clock: FixedClock
) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    _bring(hall, placed, "cave")
    line = _line(hall, part, "C1")
    said = withdrawing.Declaration(part.id, {line: 1}, "Jeanne Martin", "", new_token(), taken_by="person:1")
    with hall.database.transaction() as session:
        withdrawal_id = withdrawing.take_by_telephone(session, code=placed.code, said=said, now=clock.now()).id
    staff = browser_of(app, hall, role="coordinator")
    assert "n’a pas de courriel" not in staff.get("/a-regarder").text
    cellar = keeper("cave")
    url = f"/tresorerie/commandes/{placed.code}/renoncement/{withdrawal_id}"
    cellar.post(f"/boutique/retours/{withdrawal_id}/pas-revenu")
    assert "Le client n’a pas de courriel, et la boutique dit que rien n’est revenu" in staff.get("/a-regarder").text
    assert "Appelez le client" in staff.get(url).text
    assert staff.post(f"{url.replace(placed.code, 'AAAAAA')}/prevenu").status_code == 404
    for said_then in ("le client sait que la boutique attend", "Rien à refaire"):
        assert staff.post(f"{url}/prevenu").status_code == 303
        shown = staff.get(url).text
        assert said_then in shown and "Appelez le client" not in shown
    assert "n’a pas de courriel" not in staff.get("/a-regarder").text
    clock.advance(timedelta(hours=1))
    assert staff.post(f"{url}/rendu", proof="").status_code == 422
    assert staff.post(f"{url.replace(placed.code, 'AAAAAA')}/rendu", proof="x").status_code == 404
    for said_then in ("la boutique est prévenue, et elle a deux jours", "Rien à refaire"):
        assert staff.post(f"{url}/rendu", proof="Rapporté jeudi à la patronne").status_code == 303
        assert said_then in staff.get(url).text
    shown = cellar.get("/boutique/retours").text
    assert "Rapporté jeudi à la patronne" in shown and "Le client l’a dit au téléphone à l’association" in shown
    # The shop waits no more: there is nothing to tell.
    assert staff.post(f"{url}/prevenu").status_code == 303
    assert "Rien à refaire" in staff.get(url).text
    # Nothing came, says the shop once more: they are called again.
    clock.advance(timedelta(hours=1))
    cellar.post(f"/boutique/retours/{withdrawal_id}/pas-revenu")
    assert "n’a pas de courriel" in staff.get("/a-regarder").text
    clock.advance(timedelta(hours=1))
    own = f"/commande/{placed.code}/{placed.token}/renoncement/{withdrawal_id}"
    assert staff.post(own, proof="Colis 6A12").status_code == 303
    shown = staff.get(own).text
    # The staff's words are not the resident's, and the new ones take none away.
    assert shown.count("Écrit au téléphone par l’association") == shown.count("Rapporté jeudi") == 1
    assert shown.count("Vous avez écrit") == shown.count("Colis 6A12") == 1 and "Ce qui a été dit" not in shown
    with hall.database.reading() as session:
        words = session.execute(select(WithdrawalWord.word, WithdrawalWord.actor).order_by(WithdrawalWord.id)).all()
    assert [(one.word, one.actor.partition(":")[0]) for one in words] == [
        ("held", "member"),
        ("told", "person"),
        ("proof", "person"),
        ("held", "member"),
        ("proof", "resident"),
    ]
    assert "La boutique\xa0: rien n’est revenu" in staff.get(url).text
    with running_mail_server() as post:
        mailer = Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from)
        work(replace(hall, mailer=mailer))
        assert [one["Subject"] for one in post.to("jeanne@example.org") if "rétractation" in one["Subject"]] == []
        assert [one for one in post.to("cave@example.org") if "renonce" in one["Subject"]]


def test_pieces_renounced_before_the_hand_over_are_not_missing(
    hall: Hall, paid: Paid, keeper: Keeper, client: FlaskClient
) -> None:
    placed = paid(["C1", "C1", "C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part, "C1")
    _declare(hall, placed, part, {line: 1})
    with hall.database.transaction() as session:
        report_shortage(
            session,
            sub_order_id=part.id,
            shop_ids=frozenset({part.shop_id}),
            available={line: 1},
            actor="member:1",
            now=hall.clock.now(),
        )
    shop = keeper("cave").get(f"/boutique/commandes/{part.id}").text.replace("\xa0", " ")
    assert "Le client renonce à 1 pièce : remettez-la en rayon" in shop and "1 manque<" in shop
    mine = client.get(f"/commande/{placed.code}/{placed.token}").text
    assert "Vous avez renoncé à 1 pièce<" in mine and "1 manque<" in mine


# --- The pages and the letters ---------------------------------------------------------------------------------


def test_two_steps_a_timed_receipt_and_word_to_the_shop(
    hall: Hall, paid: Paid, keeper: Keeper, client: FlaskClient
) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part, "C1")
    _bring(hall, placed, "cave")
    page = f"/commande/{placed.code}/{placed.token}"
    url = f"{page}/renoncer/{part.id}"
    assert f'href="{url}"' in client.get(page).text
    browser = Browser(client)
    form = {"name": "Jeanne M.", "email": "moi@example.org", "form_key": new_token(), f"qty-{line}": "1"}
    look = browser.post(url, step="look", **form)
    assert look.status_code == 200 and "Confirmer la rétractation</span></button>" in look.text
    with hall.database.reading() as session:
        assert session.scalars(select(Withdrawal)).all() == []
    for _ in range(2):
        done = browser.post(url, step="do", **form)
        assert done.status_code == 303
    receipt = client.get(done.location or "").text.replace("\xa0", " ")
    assert "mardi 24 novembre 2026 à 10 h" in receipt
    assert "au plus tard le mardi 8 décembre" in receipt
    with running_mail_server() as post:
        mailer = Mailer(host="127.0.0.1", port=post.port, sender=hall.settings.mail_from)
        work(replace(hall, mailer=mailer))
        (letter,) = post.to("moi@example.org")
        for body in (text_of(letter), html_of(letter)):
            for said in ("Le mardi 24 novembre 2026 à 10 h, vous avez renoncé", "1 × Rouge des coteaux", "12,00 €"):
                assert said in re.sub(r"\s+", " ", body), said
        (to_shop,) = [one for one in post.to("cave@example.org") if "renonce" in one["Subject"]]
        assert "/boutique/retours" in text_of(to_shop)
        (to_staff,) = post.to(hall.settings.site_email)
        assert f"/tresorerie/commandes/{placed.code}" in text_of(to_staff)
    cellar = keeper("cave")
    shown = cellar.get("/boutique/retours").text
    assert "L’argent doit repartir au plus tard le mardi 8 décembre." in shown
    with hall.database.reading() as session:
        withdrawal_id = session.scalars(select(Withdrawal.id)).one()
    assert keeper("librairie").post(f"/boutique/retours/{withdrawal_id}", basis="goods").status_code == 404
    assert cellar.post(f"/boutique/retours/{withdrawal_id}").status_code == 422
    for said in ("l’argent repart vers le client", "déjà remboursé"):
        assert cellar.post(f"/boutique/retours/{withdrawal_id}", basis="goods").location == "/boutique/retours"
        assert said in cellar.get("/boutique/retours").text
    assert _refunds(hall) == [Money(1650)]
    assert "argent rendu" in client.get(page).text


def test_a_refused_declaration_says_where(hall: Hall, paid: Paid, client: FlaskClient) -> None:
    placed = paid(["C1"])
    part = part_of(hall, placed, "cave")
    line = _line(hall, part, "C1")
    url = f"/commande/{placed.code}/{placed.token}/renoncer/{part.id}"
    good = {"name": "Jeanne M.", "email": "moi@example.org", "form_key": new_token(), f"qty-{line}": "1"}
    for form, said in (
        ({f"qty-{line}": ""}, "Écrivez combien de pièces"),
        ({f"qty-{line}": "2"}, "Écrivez au plus 1 pièce"),
        ({"qty-999999": "1"}, "c’est ce qui reste"),
        ({"email": "moi"}, "Écrivez une adresse de courriel complète"),
        ({"form_key": ""}, "Cette page était ouverte depuis trop longtemps"),
    ):
        answer = Browser(client).post(url, step="do", **{**good, **form})
        assert answer.status_code == 422, form
        assert said in answer.text.replace("\xa0", " "), form
    assert client.get(url.replace(placed.token, new_token())).status_code == 404
    assert _refunds(hall) == []
