"""Each rule of the self-check finds the fault that it is there for."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

import basket.checks
import basket.documents.checks
import marketplace.payments.checks
import merchants.checks
from basket import orders, reservations
from basket.models import Reservation
from marketplace.clock import FixedClock, local_day
from marketplace.hall import Hall
from marketplace.invoices.mandates import sign_mandate
from marketplace.ledger.proof import WAITING
from marketplace.ledger.sealing import seal
from marketplace.payments import service as payments
from marketplace.selfcheck import self_check
from tests.caretaker import Caretaker
from tests.reserving import open_till, reserve
from tests.sandbox_server import Sandbox
from tests.walk import Town, open_payment, pay, place, work

STRANGE = "I07 a paid payment whose money is in the ledger and should not be, or should be and is not"

#: Rule → the fault, as statements that no use case would make.
FAULTS: dict[str, tuple[str, ...]] = {
    "I01 held is not the sum of the live holds": ("UPDATE variant SET held_qty = held_qty + 1 WHERE id = 1",),
    "I01 on hand is not the sum of the moves": ("UPDATE variant SET on_hand_qty = on_hand_qty + 1 WHERE id = 1",),
    "I01 sold pieces are not the moves of their order": ("UPDATE stock_move SET reference = '' WHERE reason = 'sold'",),
    "I14 a price that nobody recorded": ("UPDATE variant SET price = price + 1 WHERE id = 1",),
    "I21 a merchant's file says something else than its last change": (
        "INSERT INTO file_change (merchant_id, at, actor, changed)"
        " SELECT id, now(), 'test', '{\"is_vat_exempt\": [false, true]}'::jsonb FROM merchant",
    ),
    "I02 an order that waits does not hold what it promises": (
        "UPDATE stock_hold SET qty = 2 WHERE state = 'held'",
        "UPDATE variant SET held_qty = 2 WHERE held_qty = 1",
    ),
    "I02 a confirmed order without its pieces": ("DELETE FROM stock_hold WHERE state = 'sold'",),
    "I02 an ended order still holds": ("UPDATE orders SET state = 'lapsed' WHERE state = 'awaiting_payment'",),
    "I02 an open reservation does not hold what it promises": (
        "UPDATE stock_hold SET state = 'released' WHERE state = 'held' AND reference LIKE 'reservation:%'",
        "UPDATE variant SET held_qty = (SELECT coalesce(sum(qty), 0) FROM stock_hold WHERE variant_id = variant.id"
        " AND state = 'held')",
    ),
    "I02 a collected reservation without its pieces": (
        "UPDATE reservation SET state = 'collected', ended_at = now() WHERE state = 'reserved'",
    ),
    "I02 pieces held for a reservation that has ended, or never was": (
        "UPDATE reservation SET state = 'lapsed', ended_at = now() WHERE state = 'reserved'",
    ),
    "I16 a move that a reservation does not have": (
        "UPDATE reservation_event SET to_state = 'reserved' WHERE event = 'collect'",
    ),
    "I06 a confirmed order that no paid payment of its amount confirms": (
        "UPDATE orders SET delivery_fee = delivery_fee + 1 WHERE state = 'confirmed'",
    ),
    "I07 money that no order took, nobody gives back and no job will look at": (
        "UPDATE payment SET trouble = NULL WHERE trouble = 'paid_late'",
    ),
    "I09 a sub-order whose lines, commission or contribution do not add up": (
        "UPDATE order_line SET commission = commission + 1",
    ),
    "I09 what merchants bear of a delivery is not what the payment keeps for it": (
        "UPDATE payment_share SET kind = 'contribution' WHERE kind = 'delivery'",
    ),
    "I09 a share routed before its goods were handed over": (
        "UPDATE sub_order SET state = 'packed' WHERE state = 'delivered'",
    ),
    "I09 a share of money that confirmed no order": (
        "UPDATE payment_share SET state = 'due' WHERE state = 'cancelled'",
    ),
    "I09 a part sold at another rate than its merchant's of that day": ("DELETE FROM commission_rate WHERE id = 1",),
    "I17 a confirmed delivery without a place on a round": (
        "UPDATE booking SET reference = 'not ' || reference WHERE state = 'confirmed'",
    ),
    "I16 a move that the state table does not have": (
        "UPDATE order_event SET to_state = 'completed' WHERE event = 'confirm' AND sub_order_id IS NULL",
    ),
    "I19 goods that were handed over, without a document": (
        "UPDATE issued_document SET key = 'x' || key WHERE key LIKE 'sale:%'",
    ),
    "I19 a delivery without a document": ("UPDATE issued_document SET key = 'x' || key WHERE key LIKE 'delivery:%'",),
    "I19 an invoiced sale whose documents are not what was paid less what was given back": (
        "UPDATE issued_document SET total = total - 1 WHERE key LIKE 'sale:%' AND kind = 'invoice'",
    ),
    "I19 a refund that the merchant has credited itself, and we as well": (
        "INSERT INTO order_refund (order_id, sub_order_id, reason, liable, at, actor)"
        " SELECT order_id, id, 'complaint', 'merchant', now(), 'test' FROM sub_order WHERE state = 'delivered' LIMIT 1",
        "INSERT INTO documented_refund SELECT o.id, 'goods', d.id FROM order_refund o, issued_document d LIMIT 1",
        "INSERT INTO own_credit_note (order_refund_id, number, noted_at, noted_by)"
        " SELECT order_refund_id, 'AV-1', now(), 'test' FROM documented_refund",
    ),
    "I19 a refund of what has a receipt, without a paper": (
        "UPDATE issued_document SET kind = 'receipt' WHERE key LIKE 'sale:%'",
        "INSERT INTO order_refund (order_id, sub_order_id, reason, liable, at, actor)"
        " SELECT order_id, id, 'complaint', 'merchant', now(), 'test' FROM sub_order WHERE state = 'delivered'",
        "INSERT INTO refunded_line (order_refund_id, order_line_id, qty, amount, commission)"
        " SELECT o.id, l.id, 0, 100, 8 FROM order_refund o JOIN order_line l USING (sub_order_id)"
        " WHERE o.reason = 'complaint'",
    ),
    "I19 an invoiced delivery whose documents are not what was paid less what was given back": (
        "UPDATE issued_document SET total = total - 1 WHERE key LIKE 'delivery:%'",
    ),
    "I19 a run of commission invoices that is not the book's commission of its month": (
        "INSERT INTO commission_run (month, started_at, started_by) VALUES ('2026-11-01', now(), 'test')",
    ),
    "I19 a commission invoice that is not its merchant's part": (
        "INSERT INTO commission_run (month, started_at, started_by) VALUES ('2026-11-01', now(), 'test')",
        "INSERT INTO commission_part (month, party, amount, lines, state)"
        " VALUES ('2026-11-01', 'merchant:cave', 96, '[]', 'issued')",
    ),
    "I21 strange money that is settled, or open again, without the last word that says so": (
        "UPDATE payment SET trouble_settled_at = now(), trouble_settled_by = 'person:1' WHERE trouble = 'paid_late'",
    ),
    "I04 two open attempts for one reference": (
        "DROP INDEX uq_payment_one_open_per_reference",
        "UPDATE payment SET state = 'open' WHERE id IN (1, 2)",
        "UPDATE payment SET reference = 'one', attempt = id WHERE id IN (1, 2)",
    ),
    "I05 a paid payment without the provider's id": ("UPDATE payment SET provider_id = NULL WHERE id = 1",),
    "I07 a paid payment that the ledger does not know": ("UPDATE ledger_posting SET key = 'x' WHERE key = 'paid:1'",),
    STRANGE: ("UPDATE payment SET trouble = 'money_elsewhere' WHERE id = 1",),
    "I09 shares that do not sum to their payment": ("DELETE FROM payment_share WHERE payment_id = 2",),
    "I09 a routed share that the ledger does not know": (
        "UPDATE payment_share SET provider_route_id = NULL WHERE state = 'routed'",
    ),
    "I09 a share routed from a payment that is not paid": (
        "UPDATE payment SET state = 'expired' WHERE id = (SELECT min(payment_id) FROM payment_share"
        " WHERE state = 'routed')",
    ),
    "I09 an upfront payment whose split the ledger does not know": ("UPDATE payment SET routing = 'upfront'",),
    "I10 more refunded than paid": ("UPDATE refund SET amount = amount + 1",),
    "I10 a settled refund that the ledger does not know": ("UPDATE refund SET state = 'refunded'",),
    "I10 more pieces refunded than bought": (
        "INSERT INTO order_refund (order_id, sub_order_id, reason, liable, at, actor)"
        " SELECT order_id, min(id), 'shortage', 'merchant', now(), 'test' FROM sub_order GROUP BY 1 LIMIT 1",
        "INSERT INTO refunded_line (order_refund_id, order_line_id, qty, amount, commission)"
        " SELECT o.id, l.id, l.qty + 1, 0, 0 FROM order_refund o JOIN order_line l USING (sub_order_id)",
    ),
    "I10 the refund of an order is not that of its lines": (
        "INSERT INTO order_refund (order_id, sub_order_id, reason, liable, at, actor)"
        " SELECT order_id, min(id), 'shortage', 'merchant', now(), 'test' FROM sub_order GROUP BY 1 LIMIT 1",
        "INSERT INTO refunded_line (order_refund_id, order_line_id, qty, amount, commission)"
        " SELECT o.id, l.id, 1, 1, 0 FROM order_refund o JOIN order_line l USING (sub_order_id)",
    ),
    "I10 a merchant gives of a refund what its lines do not say": (
        "INSERT INTO order_refund (order_id, sub_order_id, reason, liable, at, actor)"
        " SELECT order_id, min(id), 'shortage', 'merchant', now(), 'test' FROM sub_order GROUP BY 1 LIMIT 1",
        "INSERT INTO refunded_line (order_refund_id, order_line_id, qty, amount, commission)"
        " SELECT o.id, l.id, 1, 1, 0 FROM order_refund o JOIN order_line l USING (sub_order_id)",
    ),
    "I10 more of a delivery fee goes back than was paid": (
        "INSERT INTO order_refund (order_id, reason, liable, delivery, at, actor)"
        " SELECT id, 'complaint', 'association', delivery_fee + 1, now(), 'test' FROM orders",
    ),
    "I08 a claim on a merchant has ended, and the ledger does not know": (
        "INSERT INTO refund_part (refund_id, party, kind, amount, is_reversal, claimed_amount, claim_ended_at,"
        " claim_ended_by, claim_end)"
        " SELECT id, 'merchant:cave', 'goods', 1, true, 1, now(), 'test', 'paid' FROM refund",
    ),
    "I10 more of gestures was counted than was given": (
        "INSERT INTO order_refund (order_id, reason, liable, gesture, at, actor)"
        " SELECT id, 'withdrawal', 'merchant', -1, now(), 'test' FROM orders",
    ),
    "I10 a paid part was cancelled and its money not given back": (
        "UPDATE sub_order s SET state = 'cancelled' FROM orders o WHERE o.id = s.order_id AND o.payment_id IS NOT NULL",
    ),
    "I17 a parcel travels for a part that was cancelled": (
        "UPDATE sub_order s SET state = 'cancelled' FROM orders o WHERE o.id = s.order_id AND o.payment_id IS NOT NULL",
    ),
    "I10 a weighing names a refund that has nothing of its line": (
        "INSERT INTO order_refund (order_id, sub_order_id, reason, liable, at, actor)"
        " SELECT order_id, min(id), 'weight', 'merchant', now(), 'test' FROM sub_order GROUP BY 1 LIMIT 1",
        "INSERT INTO weighing (order_line_id, promised_grams, weighed_grams, at, actor, order_refund_id)"
        " SELECT l.id, 400, 380, now(), 'test', o.id FROM order_refund o JOIN order_line l USING (sub_order_id)",
    ),
    "I10 a weighing promises another weight than the sale": (
        "UPDATE order_line SET net_grams = 400",
        "INSERT INTO weighing (order_line_id, promised_grams, weighed_grams, at, actor)"
        " SELECT min(id), 401, 380, now(), 'test' FROM order_line",
    ),
    "I10 more pieces withdrawn than bought": (
        "INSERT INTO withdrawal (sub_order_id, form_key, name, email, declared_at, refund_due_on, state)"
        " SELECT min(id), 'k', 'x', 'x', now(), now(), 'waiting' FROM sub_order",
        "INSERT INTO withdrawal_line SELECT w.id, l.id, l.qty + 1 FROM withdrawal w JOIN order_line l"
        " USING (sub_order_id)",
    ),
    "I10 a withdrawal was paid by the clock while its shop held it, or was not told": (
        "INSERT INTO withdrawal (sub_order_id, form_key, name, email, declared_at, refund_due_on, state, basis,"
        " settled_at, told_at, held_at) SELECT min(id), 'k', 'x', 'x', now(), now(), 'settled', 'unanswered', now(),"
        " now(), now() FROM sub_order",
    ),
    "I10 a withdrawal was settled and nothing went back for it": (
        "INSERT INTO withdrawal (sub_order_id, form_key, name, email, declared_at, refund_due_on, state, basis,"
        " settled_at) SELECT min(id), 'k', 'x', 'x', now(), now(), 'settled', 'goods', now() FROM sub_order",
    ),
    "I21 what was last said of a withdrawal is not its last word, with who said it": (
        "INSERT INTO withdrawal (sub_order_id, form_key, name, email, declared_at, refund_due_on, state, proof,"
        " proof_at) SELECT min(id), 'k', 'x', 'x', now(), now(), 'waiting', 'x', now() FROM sub_order"
        " WHERE state = 'delivered'",
    ),
    "I10 a withdrawal waits for goods that never left": (
        "INSERT INTO withdrawal (sub_order_id, form_key, name, email, declared_at, refund_due_on, state)"
        " SELECT min(id), 'k', 'x', 'x', now(), now(), 'waiting' FROM sub_order WHERE state = 'received'",
    ),
    "I10 a withdrawal has given back what it does not name": (
        "INSERT INTO order_refund (order_id, sub_order_id, reason, liable, at, actor)"
        " SELECT order_id, min(id), 'withdrawal', 'merchant', now(), 'test' FROM sub_order GROUP BY 1 LIMIT 1",
        "INSERT INTO refunded_line (order_refund_id, order_line_id, qty, amount, commission)"
        " SELECT o.id, l.id, 1, 0, 0 FROM order_refund o JOIN order_line l USING (sub_order_id)",
        "INSERT INTO withdrawal (sub_order_id, form_key, name, email, declared_at, refund_due_on, state, basis,"
        " settled_at, order_refund_id) SELECT sub_order_id, 'k', 'x', 'x', now(), now(), 'settled', 'goods', now(), id"
        " FROM order_refund",
    ),
    "I10 the parts of a refund do not sum to it": (
        "INSERT INTO refund_part (refund_id, party, kind, amount, is_reversal)"
        " SELECT id, 'association', 'gesture', amount - 1, false FROM refund",
    ),
    "I10 more taken from a party than its share": (
        "INSERT INTO refund_part (refund_id, party, kind, amount, is_reversal)"
        " SELECT r.id, s.party, s.kind, s.amount + 1, false FROM refund r"
        " JOIN payment_share s ON s.payment_id = r.payment_id AND s.kind = 'goods'",
    ),
    "I08 a chargeback that the ledger does not know": (
        "INSERT INTO chargeback (payment_id, provider_id, amount, created_at) SELECT min(id), 'chb_1', 100, now()"
        " FROM payment",
    ),
    "I08 a fee or a payout of the provider's book that the ledger does not know": (
        "INSERT INTO provider_line (provider_env, provider_id, kind, amount, fee, created_at, read_at, is_booked)"
        " VALUES ('sandbox', 'baltr_1', 'outgoing-transfer', -100, 0, now(), now(), true)",
    ),
    "I10 a refund that nobody has asked the provider for in three days": (
        "UPDATE refund SET state = 'requested', requested_at = now() - interval '73 hours'",
    ),
    "I08 what somebody paid by bank that the ledger does not know": (
        "UPDATE payment_share SET made_up_at = now(), made_up_by = 'person:1' WHERE state = 'routed'",
    ),
    "I08 a merchant is owed what no share explains": (
        "UPDATE payment_share SET amount = amount - 1 WHERE state = 'planned'",
    ),
    "I08 a merchant is owed less than nothing": (
        "UPDATE ledger_entry SET account = 'merchant:cave' WHERE account = 'holding' AND amount > 0",
    ),
    "I08 posting is off by so many cents": (
        "DELETE FROM ledger_seal",
        "INSERT INTO ledger_unsealed SELECT id, at FROM ledger_posting",
        "UPDATE ledger_entry SET amount = amount + 1 WHERE id = (SELECT min(id) FROM ledger_entry)",
    ),
    "I08 posting waits for a seal and is gone, or has one": (
        "INSERT INTO ledger_unsealed SELECT id, at FROM ledger_posting WHERE key = 'paid:1'",
    ),
    "I08 number 1: posting": ("UPDATE ledger_posting SET actor = 'nobody'",),
    "I08 number 2: posting": (
        "UPDATE ledger_entry SET amount = amount + 1 WHERE posting_id ="
        " (SELECT posting_id FROM ledger_seal WHERE number = 2)",
    ),
    "I08 numbers 2 to 2 are missing": ("DELETE FROM ledger_seal WHERE number = 2",),
    "I08 closing 1": (
        "INSERT INTO ledger_closing SELECT 1, 'day', booked_on, booked_on + 1, sealed_at, number, hash, hash"
        " FROM ledger_seal ORDER BY number DESC LIMIT 1",
    ),
    "search misses product": ("UPDATE product SET is_published = false WHERE id = 1",),
}


def test_every_rule_has_its_fault() -> None:
    rules = (
        *basket.checks.RULES,
        *basket.documents.checks.RULES,
        *merchants.checks.RULES,
        *marketplace.payments.checks.RULES,
    )
    waiting = {f"I08 {name}" for name, _ in WAITING}
    assert {name for name, _ in rules} | waiting <= FAULTS.keys()


@pytest.fixture
def house(hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock) -> Hall:
    """One order was brought home and routed, one is paid, one waits; one was paid too late and given back.

    One reservation was collected, one is open. All that was posted is sealed, and no day is closed.
    """
    late = place(hall.database, town, ("F2",), clock=clock, delivered=False)
    late_id = open_payment(hall, late)
    clock.advance(timedelta(minutes=16))
    with hall.database.transaction() as session:
        orders.lapse(session, order_id=late.order_id, now=clock.now())
    with hall.database.transaction() as session:
        day = local_day(clock.now())
        sign_mandate(session, seller="merchant:cave", signed_on=day, signed_by="Rose Breuil", now=clock.now())
    brought = place(hall.database, town, ("F2", "C1"), clock=clock)
    pay(hall, sandbox, brought)
    with hall.database.transaction() as session:
        slugs = frozenset({"fromagerie", "cave"})
        orders.mark_travelling(session, code=brought.code, shop_slugs=slugs, actor="courier", now=clock.now())
        orders.mark_delivered(session, code=brought.code, actor="courier", now=clock.now())
    work(hall)
    sandbox.conclude(late_id, "paid", notify=False)
    payments.settle(hall, late.payment_id)
    work(hall)
    pay(hall, sandbox, place(hall.database, town, ("L1",), clock=clock))
    place(hall.database, town, ("L2",), clock=clock)
    _reserve_twice(hall, town)
    with hall.database.transaction() as session:
        seal(session, now=clock.now())
    return hall


def _reserve_twice(hall: Hall, town: Town) -> None:
    open_till(hall.database, "cave", is_open=False)
    (collected,) = reserve(hall.database, town, ("C1",), clock=hall.clock)
    reserve(hall.database, town, ("C1",), clock=hall.clock)
    open_till(hall.database, "cave", is_open=True)
    with hall.database.transaction() as session:
        row = session.get_one(Reservation, collected.id)
        reservations.advance(
            session,
            reservation_id=row.id,
            shop_ids=frozenset({row.shop_id}),
            event="collect",
            actor="member:1",
            now=hall.clock.now(),
            collection_code=row.collection_code,
        )


def test_each_fault_is_found(house: Hall, caretaker: Caretaker) -> None:
    """By the connection that looks after each test, with what it prepared when all was well."""
    missed = {}
    for rule, statements in FAULTS.items():
        with caretaker.undoing() as session:
            assert self_check(session) == []
            # As somebody with a database console could: the append-only tables refuse everybody else.
            session.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                session.execute(text(statement))
            found = self_check(session)
            if not any(sentence.startswith(rule) for sentence in found):
                missed[rule] = found
    assert missed == {}
    # The rule of strange money from its other side: euros that stand in the book as nothing.
    with house.database.reading() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        first = "SELECT id FROM ledger_posting WHERE key = 'paid:1'"
        session.execute(text(f"DELETE FROM ledger_entry WHERE posting_id = ({first})"))
        assert f"{STRANGE}: 1" in self_check(session)


def test_money_that_a_job_has_still_to_take_is_not_lost(
    hall: Hall, town: Town, sandbox: Sandbox, clock: FixedClock
) -> None:
    placed = place(hall.database, town, ("L1",), clock=clock)
    sandbox.conclude(open_payment(hall, placed), "paid", notify=False)
    payments.settle(hall, placed.payment_id)
    with hall.database.reading() as session:
        assert self_check(session) == []
        session.execute(text("DELETE FROM procrastinate_jobs"))
        assert self_check(session) == [
            "I07 money that no order took, nobody gives back and no job will look at: 1",
        ]
