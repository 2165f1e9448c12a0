"""What the worker does about withdrawals: each letter is a job of its own, so that none waits for another."""

from __future__ import annotations

from basket import withdrawal_letters as letters
from basket import withdrawal_waiting
from basket.withdrawal_queries import WithdrawalRow, get_withdrawal
from marketplace.hall import Hall
from marketplace.jobs import periodic, publish, subscribe, without_job
from marketplace.letters import send_once


def _read(hall: Hall, withdrawal_id: int) -> WithdrawalRow:
    with hall.database.reading() as session:
        return get_withdrawal(session, withdrawal_id)


@subscribe("withdrawal.declared")
def acknowledge(hall: Hall, withdrawal_id: int) -> None:
    """The receipt on a durable medium goes at once (domain W6); who has no address is given it on paper."""
    row = _read(hall, withdrawal_id)
    if row.email:
        send_once(hall, letters.receipt(row, site_url=hall.settings.site_url))


@subscribe("withdrawal.declared")
def tell_the_shop(hall: Hall, withdrawal_id: int) -> None:
    row = _read(hall, withdrawal_id)
    send_once(hall, letters.notice(row, to=row.shop_email, for_shop=True, site_url=hall.settings.site_url))


@subscribe("withdrawal.declared")
def tell_the_association(hall: Hall, withdrawal_id: int) -> None:
    row = _read(hall, withdrawal_id)
    to = hall.settings.site_email
    send_once(hall, letters.notice(row, to=to, for_shop=False, site_url=hall.settings.site_url))


# --- The clock ---------------------------------------------------------------------------------------------------


@periodic("14 * * * *")
def watch_the_days(hall: Hall) -> None:
    """Shops that have not said anything are told; where they have still not, the money goes back on its day (W10)."""
    now = hall.clock.now()
    with hall.database.transaction() as session:
        withdrawal_waiting.tell_shops(session, now)
        due = withdrawal_waiting.unanswered(session, now)
        for withdrawal_id in without_job(session, "withdrawal.due", "withdrawal_id", due):
            publish(session, "withdrawal.due", withdrawal_id=withdrawal_id)


@subscribe("withdrawal.due")
def give_back(hall: Hall, withdrawal_id: int) -> None:
    with hall.database.transaction() as session:
        withdrawal_waiting.settle_unanswered(session, withdrawal_id=withdrawal_id, now=hall.clock.now())


@subscribe("withdrawal.silent")
def warn_the_shop(hall: Hall, withdrawal_id: int) -> None:
    row = _read(hall, withdrawal_id)
    if row.state == "waiting" and not row.is_held:
        send_once(hall, letters.to_shop(row, "silent", site_url=hall.settings.site_url))


@subscribe("withdrawal.sent_back")
def tell_the_shop_of_the_proof(hall: Hall, withdrawal_id: int) -> None:
    row = _read(hall, withdrawal_id)
    if row.state == "waiting" and not row.is_held:
        send_once(hall, letters.to_shop(row, "sent_back", site_url=hall.settings.site_url))


@subscribe("withdrawal.unanswered")
def tell_the_shop_of_its_silence(hall: Hall, withdrawal_id: int) -> None:
    send_once(hall, letters.to_shop(_read(hall, withdrawal_id), "unanswered", site_url=hall.settings.site_url))


@subscribe("withdrawal.held")
def tell_who_renounced(hall: Hall, withdrawal_id: int) -> None:
    """The shop has nothing: whoever has sent it back says so, and how."""
    row = _read(hall, withdrawal_id)
    if row.email and row.is_held:
        send_once(hall, letters.held(row, site_url=hall.settings.site_url))


@subscribe("order.refunded")
def end_what_went_back_otherwise(hall: Hall, order_refund_id: int) -> None:
    """Nobody is told of money that has gone back already."""
    with hall.database.transaction() as session:
        withdrawal_waiting.end_emptied(session, order_refund_id=order_refund_id, now=hall.clock.now())
