"""What the worker does about withdrawals: each letter is a job of its own, so that none waits for another."""

from __future__ import annotations

from basket import withdrawal_letters as letters
from basket.withdrawal_queries import WithdrawalRow, get_withdrawal
from marketplace.hall import Hall
from marketplace.jobs import subscribe
from marketplace.letters import send_once


def _read(hall: Hall, withdrawal_id: int) -> WithdrawalRow:
    with hall.database.reading() as session:
        return get_withdrawal(session, withdrawal_id)


@subscribe("withdrawal.declared")
def acknowledge(hall: Hall, withdrawal_id: int) -> None:
    """The receipt on a durable medium goes at once (domain W6)."""
    send_once(hall, letters.receipt(_read(hall, withdrawal_id), site_url=hall.settings.site_url))


@subscribe("withdrawal.declared")
def tell_the_shop(hall: Hall, withdrawal_id: int) -> None:
    row = _read(hall, withdrawal_id)
    send_once(hall, letters.notice(row, to=row.shop_email, for_shop=True, site_url=hall.settings.site_url))


@subscribe("withdrawal.declared")
def tell_the_association(hall: Hall, withdrawal_id: int) -> None:
    row = _read(hall, withdrawal_id)
    to = hall.settings.site_email
    send_once(hall, letters.notice(row, to=to, for_shop=False, site_url=hall.settings.site_url))
