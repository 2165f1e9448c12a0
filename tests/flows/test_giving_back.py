"""Parts of a payment go back to the resident, each from whom it belongs to; what a bank takes back, nobody is sent.

The worked example of mollie.md 6, to the cent: three merchants, 8 % of commission, a delivery of 4.90.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from marketplace.clock import FixedClock
from marketplace.errors import NotFound
from marketplace.hall import Hall
from marketplace.ledger.service import balances
from marketplace.money import ZERO, Money
from marketplace.payments import refunds, service, shares
from marketplace.payments.claims import end_claim, open_claims
from marketplace.payments.gateway import OutcomeUnknown, TryAgain
from marketplace.payments.handlers import send_what_waits
from marketplace.payments.models import MerchantAccount, Payment, Refund, RefundPart, Share
from marketplace.payments.queries import shares_by_party
from marketplace.payments.reading import read_book
from marketplace.payments.rules import Bearing, MerchantPart, bear, split
from merchants import treasury
from tests.sandbox_server import Sandbox
from tests.walk import Town, work

#: The three merchants of the example, played by the town's.
M1, M2, M3 = "merchant:librairie", "merchant:fromagerie", "merchant:cave"
EXAMPLE = (
    MerchantPart(M1, Money(1995), Money(160)),
    MerchantPart(M2, Money(1095), Money(88)),
    MerchantPart(M3, Money(849), Money(68)),
)


@pytest.fixture
def payment_id(hall: Hall, town: Town, sandbox: Sandbox) -> int:
    """44.29 paid, and allocated: 18.35, 10.07 and 7.81 are the merchants', 3.16 and 4.90 the association's.

    The provider keeps nothing of it here.
    """
    sandbox.set_fee(0, 0)
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
    sandbox.conclude(_provider_id(hall, its_id), "paid", notify=False)
    service.settle(hall, its_id)
    with hall.database.transaction() as session:
        # In the example no order takes it: the job that would look for one has nothing to say here.
        shares.allocate(session, payment_id=its_id, now=hall.clock.now())
        session.get_one(Payment, its_id).trouble = "example"
    return its_id


def _provider_id(hall: Hall, payment_id: int) -> str:
    with hall.database.reading() as session:
        return session.get_one(Payment, payment_id).provider_id or ""


def _balances(hall: Hall) -> dict[str, int]:
    with hall.database.reading() as session:
        return {account: total.cents for account, total in balances(session).items() if total}


def _route(hall: Hall, payment_id: int, *parties: str) -> None:
    with hall.database.transaction() as session:
        for party in parties:
            shares.make_due(session, payment_id=payment_id, party=party)
        due = shares.due_shares(session)
    for share_id in due:
        shares.send_share(hall, share_id)


def _share(hall: Hall, party: str) -> Share:
    with hall.database.reading() as session:
        found: Share = session.query(Share).filter_by(party=party, kind="goods").one()
        return found


def _refund(hall: Hall, payment_id: int, *parts: Bearing) -> int:
    with hall.database.transaction() as session:
        refund = refunds.refund_parts(
            session, payment_id=payment_id, parts=parts, reason="shortage", actor="person:1", now=hall.clock.now()
        )
        return refund.id


def _book(sandbox: Sandbox, provider_id: str) -> dict[str, object]:
    """What the provider's own book says of the payment."""
    (found,) = [payment for payment in sandbox.book()["payments"] if payment["id"] == provider_id]
    return dict(found)


def _routed(sandbox: Sandbox, provider_id: str) -> dict[str, str]:
    answer = sandbox.call("GET", f"payments/{provider_id}/routes").json()
    return {route["destination"]["organizationId"]: route["amount"]["value"] for route in answer["_embedded"]["routes"]}


def _refunds(sandbox: Sandbox, provider_id: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """(amount, what was taken back from whom) of each refund, oldest first."""
    found = sandbox.call("GET", f"payments/{provider_id}/refunds").json()["_embedded"]["refunds"]
    return [
        (
            refund["amount"]["value"],
            [(r["source"]["organizationId"], r["amount"]["value"]) for r in refund.get("routingReversals", [])],
        )
        for refund in reversed(found)
    ]


def test_the_split_of_the_example(hall: Hall, payment_id: int) -> None:
    assert _balances(hall) == {
        "holding": 4429,
        M1: -1835,
        M2: -1007,
        M3: -781,
        "association:commission": -316,
        "association:delivery": -490,
    }


def test_a_missing_line_before_routing_is_simply_never_routed(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    refund_id = _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    refunds.send_refund(hall, refund_id)
    _route(hall, payment_id, M1, M2, M3)
    provider_id = _provider_id(hall, payment_id)
    assert _routed(sandbox, provider_id) == {"org_librairie": "18.35", "org_fromagerie": "6.25", "org_cave": "7.81"}
    assert _refunds(sandbox, provider_id) == [("4.15", [])]
    assert _balances(hall) == {
        "holding": 4429 - 1835 - 625 - 781,
        "association:commission": -283,
        "association:delivery": -490,
        "residents:refunds": -415,
    }


def test_a_missing_line_after_routing_is_taken_back_from_its_merchant(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    _route(hall, payment_id, M1, M2, M3)
    assert _balances(hall)["holding"] == 806
    refund_id = _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    # Asked for, and not yet done: the merchant has it still.
    assert _balances(hall)[M2] == 382
    refunds.send_refund(hall, refund_id)
    assert _refunds(sandbox, _provider_id(hall, payment_id)) == [("4.15", [("org_fromagerie", "3.82")])]
    sandbox.advance_clock(10 * 24 * 3600)
    service.settle(hall, payment_id)
    assert _balances(hall) == {
        "holding": 806 + 382 - 415,
        "association:commission": -283,
        "association:delivery": -490,
    }


def test_a_merchant_that_cancels_all_is_never_routed(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    """Step 3 before routing: 8.49 and its share of the delivery, 1.06, go back; no seller can be negative."""
    _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    _refund(
        hall,
        payment_id,
        *bear(M3, Money(849), Money(68), liable="merchant"),
        Bearing("association", "delivery", Money(106)),
    )
    assert _share(hall, M3).state == "cancelled"
    _route(hall, payment_id, M1, M2, M3)
    for refund_id in _all_refunds(hall):
        refunds.send_refund(hall, refund_id)
    sandbox.advance_clock(10 * 24 * 3600)
    service.settle(hall, payment_id)
    provider_id = _provider_id(hall, payment_id)
    assert _routed(sandbox, provider_id) == {"org_librairie": "18.35", "org_fromagerie": "6.25"}
    assert _refunds(sandbox, provider_id) == [("4.15", []), ("9.55", [])]
    # 5.99 is the association's: 2.15 of commission and 3.84 of delivery.
    assert _balances(hall) == {"holding": 599, "association:commission": -215, "association:delivery": -384}


def _all_refunds(hall: Hall) -> list[int]:
    with hall.database.reading() as session:
        return [refund.id for refund in session.query(Refund).order_by(Refund.id)]


def test_nobody_gives_back_more_than_they_have(hall: Hall, payment_id: int) -> None:
    _refund(hall, payment_id, Bearing(M3, "goods", Money(700)))
    with pytest.raises(refunds.RefundTooLarge):
        _refund(hall, payment_id, Bearing(M3, "goods", Money(82)))
    with pytest.raises(refunds.RefundTooLarge):
        _refund(hall, payment_id, Bearing("association", "delivery", Money(491)))
    with pytest.raises(refunds.RefundTooLarge):
        _refund(hall, payment_id, Bearing("merchant:elsewhere", "goods", Money(1)))
    with pytest.raises(refunds.RefundTooLarge):
        _refund(hall, payment_id, Bearing("association", "gesture", Money(3730)))
    _refund(hall, payment_id, Bearing(M3, "goods", Money(81)))


def test_a_gesture_leaves_the_merchants_what_is_theirs(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    """The provider routes no more than the payment still holds: 8.06 is all that the association can give of it."""
    with pytest.raises(refunds.NothingLeftToBear):
        _refund(hall, payment_id, Bearing("association", "gesture", Money(807)))
    refund_id = _refund(hall, payment_id, Bearing("association", "gesture", Money(806)))
    refunds.send_refund(hall, refund_id)
    read_book(hall)  # so near to the last cent, the fee must be known before anything is routed
    _route(hall, payment_id, M1, M2, M3)
    assert {share.state for share in (_share(hall, M1), _share(hall, M2), _share(hall, M3))} == {"routed"}
    assert _balances(hall)["association:gestures"] == 806


def test_once_the_merchants_have_theirs_the_association_gives_from_its_own(hall: Hall, payment_id: int) -> None:
    _route(hall, payment_id, M1, M2, M3)
    assert _refund(hall, payment_id, Bearing("association", "gesture", Money(1000))) > 0


def test_what_is_owed_goes_back_though_a_gesture_left_the_route_too_little(hall: Hall, payment_id: int) -> None:
    """The association has given all of its own part; then 4.00 of M3 are missing, of which 0.32 were commission.

    The provider holds 7.81 - 3.68 - 0.32 for the 4.13 that are M3's: the association owes it 0.32.
    """
    _refund(hall, payment_id, Bearing("association", "gesture", Money(806)))
    _refund(hall, payment_id, *bear(M3, Money(400), Money(32), liable="merchant"))
    for refund_id in _all_refunds(hall):
        refunds.send_refund(hall, refund_id)
    read_book(hall)
    _route(hall, payment_id, M1, M2, M3)
    share = _share(hall, M3)
    assert (share.state, share.routed_amount, share.lacking_amount) == ("routed", Money(381), Money(32))


def test_with_a_refund_the_provider_takes_back_no_more_than_it_gives(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    """M1 has 18.35 of 19.95 when 31.00 went back as a gesture: the 13.29 that are left come from it; it owes 5.06."""
    _route(hall, payment_id, M1, M2, M3)
    _refund(hall, payment_id, Bearing("association", "gesture", Money(3100)))
    with hall.database.reading() as session:
        assert refunds.left_to_refund(session, payment_id) == Money(1329)
    parts = bear(M1, Money(1995), Money(160), liable="merchant")
    counted = Bearing("association", "gesture", Money(1329 - 1995))
    refund_id = _refund(hall, payment_id, *parts, counted)
    with hall.database.reading() as session:
        kept = {
            part.kind: (part.amount, part.reversed_amount, part.claimed_amount)
            for part in session.query(RefundPart).filter_by(refund_id=refund_id)
        }
    assert kept == {
        "goods": (Money(1835), Money(1329), Money(506)),
        "commission": (Money(160), Money(0), Money(0)),
        "gesture": (Money(-666), Money(0), Money(0)),
    }
    for one in _all_refunds(hall):
        refunds.send_refund(hall, one)
    assert _refunds(sandbox, _provider_id(hall, payment_id))[-1] == ("13.29", [("org_librairie", "13.29")])
    assert _balances(hall)[M1] == 506


@pytest.mark.parametrize(("end", "account"), [("paid", "association:bank"), ("waived", "association:gestures")])
def test_what_a_merchant_owes_ends_once(hall: Hall, payment_id: int, end: str, account: str) -> None:
    _route(hall, payment_id, M1, M2, M3)
    _refund(hall, payment_id, Bearing("association", "gesture", Money(3100)))
    counted = Bearing("association", "gesture", Money(1329 - 1995))
    _refund(hall, payment_id, *bear(M1, Money(1995), Money(160), liable="merchant"), counted)
    for refund_id in _all_refunds(hall):
        refunds.send_refund(hall, refund_id)
    with hall.database.reading() as session:
        (claim,) = open_claims(session)
        assert (claim.party, claim.amount, treasury.look(session, hall.clock.now()).unexplained) == (
            M1,
            Money(506),
            ZERO,
        )
    before = _balances(hall).get(account, 0)

    def press() -> bool:
        with hall.database.transaction() as session:
            return end_claim(session, part_id=claim.part_id, end=end, actor="person:1", now=hall.clock.now())

    assert [press(), press()] == [True, False]
    assert (_balances(hall).get(M1, 0), _balances(hall)[account] - before) == (0, 506)
    with hall.database.reading() as session:
        assert not open_claims(session)
        assert treasury.look(session, hall.clock.now()).unexplained == ZERO
    with pytest.raises(NotFound), hall.database.transaction() as session:
        end_claim(session, part_id=10_000, end=end, actor="person:1", now=hall.clock.now())


def test_a_share_that_was_refused_is_still_to_be_routed(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    sandbox.register_organization("org_cave", "Cave", can_receive_payments=False)
    _route(hall, payment_id, M1, M2, M3)
    assert _share(hall, M3).state == "refused"
    with pytest.raises(refunds.NothingLeftToBear):
        _refund(hall, payment_id, Bearing("association", "gesture", Money(807)))


def test_a_shared_fault_is_borne_by_both(hall: Hall, payment_id: int) -> None:
    parts = bear(M2, Money(415), Money(33), liable="shared")
    assert [(part.party, part.kind, part.amount.cents) for part in parts] == [
        (M2, "goods", 191),
        ("association", "commission", 16),
        ("association", "gesture", 208),
    ]
    _refund(hall, payment_id, *parts)
    assert _balances(hall)[M2] == -1007 + 191


def test_a_refund_waits_for_a_share_that_is_on_its_way(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    """The route's answer is lost: what it takes is taken back only when it is known to have arrived."""
    sandbox.plan_fault("POST /v2/payments/*/routes", "drop_after")
    with hall.database.transaction() as session:
        shares.make_due(session, payment_id=payment_id, party=M2)
        (share_id,) = shares.due_shares(session)
    with pytest.raises(OutcomeUnknown):
        shares.send_share(hall, share_id)
    assert _share(hall, M2).state == "sending"
    refund_id = _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    with pytest.raises(TryAgain):
        refunds.send_refund(hall, refund_id)
    shares.send_share(hall, share_id)
    refunds.send_refund(hall, refund_id)
    assert _routed(sandbox, _provider_id(hall, payment_id)) == {"org_fromagerie": "10.07"}
    assert _refunds(sandbox, _provider_id(hall, payment_id)) == [("4.15", [("org_fromagerie", "3.82")])]


def test_a_refund_that_fails_has_not_happened_and_can_be_asked_for_again(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    _route(hall, payment_id, M1, M2, M3)
    before = _balances(hall)
    refund_id = _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    refunds.send_refund(hall, refund_id)
    with hall.database.reading() as session:
        provider_refund = session.get_one(Refund, refund_id).provider_id or ""
    sandbox.advance_clock(10 * 24 * 3600)
    sandbox.fail_refund(provider_refund)
    service.settle(hall, payment_id)
    assert _balances(hall) == before
    with hall.database.transaction() as session:
        (again,) = [
            r.id for r in refunds.request_again(session, payment_id=payment_id, actor="p:2", now=hall.clock.now())
        ]
    with hall.database.transaction() as session:
        assert refunds.request_again(session, payment_id=payment_id, actor="p:2", now=hall.clock.now()) == []
        assert session.get_one(Payment, payment_id).trouble is None
        session.get_one(Payment, payment_id).trouble = "example"
    refunds.send_refund(hall, again)
    sandbox.advance_clock(10 * 24 * 3600)
    service.settle(hall, payment_id)
    assert _balances(hall)["holding"] == before["holding"] + 382 - 415


def test_a_refund_that_somebody_cancels_on_the_providers_pages_has_not_happened(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    before = _balances(hall)
    refund_id = _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"))
    refunds.send_refund(hall, refund_id)
    with hall.database.reading() as session:
        refund = session.get_one(Refund, refund_id)
    address = f"payments/{_provider_id(hall, payment_id)}/refunds/{refund.provider_id}"
    assert sandbox.call("DELETE", address).status_code == 204
    service.settle(hall, payment_id)
    assert _balances(hall) == before
    with hall.database.reading() as session:
        assert session.get_one(Refund, refund_id).state == "canceled"
        assert session.get_one(Payment, payment_id).trouble == "refund_failed"


def test_money_that_a_bank_sends_back_later_is_with_the_provider_again(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    """Of all ends only `refunded` has a sequel: the account was closed, and the money returns."""
    before = _balances(hall)
    refund_id = _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"))
    refunds.send_refund(hall, refund_id)
    sandbox.advance_clock(10 * 24 * 3600)
    service.settle(hall, payment_id)
    assert _balances(hall)["holding"] == 4429 - 849
    with hall.database.reading() as session:
        provider_refund = session.get_one(Refund, refund_id).provider_id or ""
    sandbox.fail_refund(provider_refund)
    service.settle(hall, payment_id)
    service.settle(hall, payment_id)
    assert _balances(hall) == before
    # All of its share had been taken: it is the merchant's again, until somebody sends the refund once more.
    assert _share(hall, M3).state == "planned"
    with hall.database.reading() as session:
        assert session.get_one(Payment, payment_id).trouble == "refund_failed"


def test_what_was_never_routed_is_not_taken_back(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    """Missing before routing, so 6.25 went out; the refund fails and goes again: the merchant has given already."""
    refund_id = _refund(hall, payment_id, *bear(M2, Money(415), Money(33), liable="merchant"))
    refunds.send_refund(hall, refund_id)
    _route(hall, payment_id, M2)
    with hall.database.reading() as session:
        provider_refund = session.get_one(Refund, refund_id).provider_id or ""
    sandbox.fail_refund(provider_refund)
    service.settle(hall, payment_id)
    with hall.database.reading() as session:
        # Kept for the resident, until a person sends it again: the ledger and the shares say the same.
        assert (shares_by_party(session)[M2].held, _balances(hall)[M2]) == (Money(382), -382)
    with hall.database.transaction() as session:
        (again,) = refunds.request_again(session, payment_id=payment_id, actor="p:2", now=hall.clock.now())
        again_id = again.id
    refunds.send_refund(hall, again_id)
    provider_id = _provider_id(hall, payment_id)
    assert _refunds(sandbox, provider_id) == [("4.15", []), ("4.15", [])]
    assert _routed(sandbox, provider_id) == {"org_fromagerie": "6.25"}
    assert M2 not in _balances(hall)
    with hall.database.reading() as session:
        assert M2 not in shares_by_party(session)
    with hall.database.transaction() as session:
        session.get_one(Payment, payment_id).trouble = "example"


def test_an_answer_that_says_nothing_refunds_nothing_twice(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    """The refund's own answer is lost, and the list is refused: it has neither failed nor may it be made again."""
    refund_id = _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"))
    sandbox.plan_fault("POST /v2/payments/*/refunds", "drop_after")
    with pytest.raises(OutcomeUnknown):
        refunds.send_refund(hall, refund_id)
    sandbox.plan_fault("GET /v2/payments/*/refunds", "status", status=403)
    with pytest.raises(TryAgain):
        refunds.send_refund(hall, refund_id)
    refunds.send_refund(hall, refund_id)
    assert _refunds(sandbox, _provider_id(hall, payment_id)) == [("8.49", [])]
    with hall.database.reading() as session:
        assert session.get_one(Refund, refund_id).state == "pending"


def test_money_that_a_bank_has_does_not_go_back_a_second_time(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    _clear_trouble(hall, payment_id)
    provider_id = _provider_id(hall, payment_id)
    chargeback_id = sandbox.charge_back(provider_id, "8.49")
    service.settle(hall, payment_id)
    refund_id = _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"))
    refunds.send_refund(hall, refund_id)
    assert _refunds(sandbox, provider_id) == []
    sandbox.reverse_chargeback(chargeback_id)
    service.settle(hall, payment_id)
    send_what_waits(hall)
    work(hall)
    assert _refunds(sandbox, provider_id) == [("8.49", [])]


def test_a_refund_without_a_job_is_taken_up_again(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"))
    with hall.database.transaction() as session:
        session.execute(text("DELETE FROM procrastinate_jobs"))  # it has tried for a day and given up
    send_what_waits(hall)
    send_what_waits(hall)
    work(hall)
    assert _refunds(sandbox, _provider_id(hall, payment_id)) == [("8.49", [])]


def test_a_share_that_was_refused_goes_once_its_merchant_is_back(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    sandbox.register_organization("org_cave", "Cave", can_receive_payments=False)
    _route(hall, payment_id, M3)
    assert _share(hall, M3).state == "refused"
    refund_id = _refund(hall, payment_id, Bearing(M3, "goods", Money(100)))
    refunds.send_refund(hall, refund_id)
    sandbox.register_organization("org_cave", "Cave")
    send_what_waits(hall)
    work(hall)
    assert _routed(sandbox, _provider_id(hall, payment_id)) == {"org_cave": "6.81"}


def test_a_gesture_leaves_a_refused_share_for_its_merchant(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    sandbox.register_organization("org_cave", "Cave", can_receive_payments=False)
    _route(hall, payment_id, M1, M2, M3)
    with pytest.raises(refunds.NothingLeftToBear):
        _refund(hall, payment_id, Bearing("association", "gesture", Money(807)))
    refunds.send_refund(hall, _refund(hall, payment_id, Bearing("association", "gesture", Money(806))))
    sandbox.register_organization("org_cave", "Cave")
    read_book(hall)
    send_what_waits(hall)
    work(hall)
    assert _routed(sandbox, _provider_id(hall, payment_id))["org_cave"] == "7.81"


def test_a_refund_that_failed_is_sent_again_as_far_as_nothing_went_back_meanwhile(
    hall: Hall, sandbox: Sandbox, payment_id: int
) -> None:
    """8.49 and 4.90 fail at the bank; a gesture of 36.00 leaves 8.29: the first goes in full but for 0.20, the last not
    at all."""
    _route(hall, payment_id, M1, M2, M3)
    failing = [
        _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant")),
        _refund(hall, payment_id, Bearing("association", "delivery", Money(490))),
    ]
    for refund_id in failing:
        refunds.send_refund(hall, refund_id)
    with hall.database.reading() as session:
        theirs = session.query(Refund.provider_id).order_by(Refund.id).all()
    for (provider_id,) in theirs:
        sandbox.fail_refund(provider_id)
    service.settle(hall, payment_id)
    _refund(hall, payment_id, Bearing("association", "gesture", Money(3600)))
    with hall.database.transaction() as session:
        again = refunds.request_again(session, payment_id=payment_id, actor="person:1", now=hall.clock.now())
        assert [refund.amount for refund in again] == [Money(829), ZERO]
        assert refunds.left_to_refund(session, payment_id) == ZERO
    with hall.database.reading() as session:
        assert session.get_one(Payment, payment_id).trouble is None


def test_two_people_refund_at_once_and_one_is_told(hall: Hall, payment_id: int) -> None:
    def ask(_: int) -> bool:
        try:
            _refund(hall, payment_id, *bear(M3, Money(849), Money(68), liable="merchant"))
        except refunds.RefundTooLarge:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [False, False, False, True]
    assert _share(hall, M3).state == "cancelled"


# --- The payer's bank --------------------------------------------------------------------------------------------


def test_nothing_is_routed_while_a_bank_has_the_money(
    hall: Hall, sandbox: Sandbox, clock: FixedClock, payment_id: int
) -> None:
    _clear_trouble(hall, payment_id)
    provider_id = _provider_id(hall, payment_id)
    chargeback_id = sandbox.charge_back(provider_id, "44.29")
    service.settle(hall, payment_id)
    _route(hall, payment_id, M1)
    # The hourly round leaves it out; the hand-over's own job does not ask whether it may.
    shares.send_share(hall, _share(hall, M1).id)
    assert _share(hall, M1).state == "due"
    assert _routed(sandbox, provider_id) == {}
    assert _balances(hall)["association:chargebacks"] == 4429
    with hall.database.reading() as session:
        assert session.get_one(Payment, payment_id).trouble == "charged_back"
    sandbox.reverse_chargeback(chargeback_id)
    service.settle(hall, payment_id)
    service.settle(hall, payment_id)
    assert "association:chargebacks" not in _balances(hall)
    with hall.database.reading() as session:
        assert session.get_one(Payment, payment_id).trouble is None
    with hall.database.transaction() as session:
        session.get_one(Payment, payment_id).trouble = "example"  # no order takes it, and nobody gives it back
    work(hall)
    assert _routed(sandbox, provider_id) == {"org_librairie": "18.35"}


def _clear_trouble(hall: Hall, payment_id: int) -> None:
    """As an order that took it: nobody gives the example's money back."""
    with hall.database.transaction() as session:
        session.get_one(Payment, payment_id).trouble = None


def test_a_share_waits_until_its_merchant_can_receive_it(hall: Hall, sandbox: Sandbox, payment_id: int) -> None:
    with hall.database.transaction() as session:
        session.get_one(MerchantAccount, (M1, "sandbox")).can_receive_payments = False
    _route(hall, payment_id, M1)
    assert _share(hall, M1).state == "due"
    with hall.database.transaction() as session:
        session.get_one(MerchantAccount, (M1, "sandbox")).can_receive_payments = True
    send_what_waits(hall)
    send_what_waits(hall)
    work(hall)
    assert _routed(sandbox, _provider_id(hall, payment_id)) == {"org_librairie": "18.35"}
