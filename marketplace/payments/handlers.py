"""What the worker does about payments."""

from __future__ import annotations

import logging

from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.jobs import periodic, publish, subscribe, without_job
from marketplace.payments import nightly, reading, refunds, service, shares

log = logging.getLogger(__name__)


@subscribe("payment.hinted")
def look_at_payment(hall: Hall, payment_id: int) -> None:
    service.settle(hall, payment_id)


@subscribe("share.due")
def route_share(hall: Hall, share_id: int) -> None:
    shares.send_share(hall, share_id)


@subscribe("refund.requested")
def refund(hall: Hall, refund_id: int) -> None:
    refunds.send_refund(hall, refund_id)


@periodic("* * * * *")
def poll_payments(hall: Hall) -> None:
    """Losing every webhook loses nothing but time (M07). One job each: one that fails holds up no other."""
    with hall.database.transaction() as session:
        for payment_id in service.claim_due_polls(session, hall.clock.now()):
            publish(session, "payment.poll", payment_id=payment_id)


@periodic("23 * * * *")
def send_what_waits(hall: Hall) -> None:
    """A merchant can receive payments again, a dispute was won, the provider was away for longer than a job tries.

    One job each; a share or a refund that has a job already is left to it.
    """
    with hall.database.transaction() as session:
        shares.send_again(session)
        for refund_id in without_job(session, "refund.requested", "refund_id", refunds.requested_refunds(session)):
            publish(session, "refund.requested", refund_id=refund_id)
        for share_id in without_job(session, "share.due", "share_id", shares.due_shares(session)):
            publish(session, "share.due", share_id=share_id)


@subscribe("connection.open")
def send_what_waits_for(hall: Hall, party: str) -> None:
    """One share of the merchant's has gone through: the others follow at once."""
    with hall.database.transaction() as session:
        shares.send_again(session, party=party)
        for share_id in without_job(session, "share.due", "share_id", shares.due_shares(session, party=party)):
            publish(session, "share.due", share_id=share_id)


@periodic("7 4 * * *")
def reconcile_payments(hall: Hall) -> None:
    """Every night; what differs waits on the treasurer's list."""
    outcome = nightly.reconcile(hall)
    if outcome.waiting_qty:
        log.error("%s differences between the provider's book and ours", outcome.waiting_qty)


@periodic("*/10 * * * *")
def read_providers_book(hall: Hall) -> None:
    """Fees and payouts are in the ledger within minutes."""
    reading.read_book(hall)


@subscribe("payment.poll")
def poll_payment(hall: Hall, payment_id: int) -> None:
    """Never tried again as a job: the poller comes back, and a day's outage would leave a heap of jobs."""
    try:
        service.settle(hall, payment_id)
    except GatewayError as trouble:
        log.warning("payment %s could not be looked at: %s", payment_id, trouble)
