"""The town as `flask seed` makes it, without its shelves."""

from __future__ import annotations

from pathlib import Path

from demo.seed import NOT_PAID_ONLINE, seed_town
from marketplace.clock import FixedClock
from marketplace.db import Database
from marketplace.payments.models import MerchantAccount
from marketplace.payments.service import payable_parties
from tests.factories import quiet_hall


def test_one_shop_cannot_be_paid_online_until_its_owner_opens_an_account(
    empty_database: Database, clock: FixedClock, tmp_path: Path
) -> None:
    hall = quiet_hall(empty_database, clock, tmp_path)
    shops = NOT_PAID_ONLINE | {"la-page-cornee"}

    def paid_online() -> frozenset[str]:
        seed_town(hall, catalogues=False, shops=shops, not_paid_online=NOT_PAID_ONLINE, log=False)
        with empty_database.reading() as session:
            return payable_parties(session, "sandbox")

    assert paid_online() == {"merchant:la-page-cornee"}
    with empty_database.transaction() as session:
        account = MerchantAccount(
            party="merchant:la-pelote-vagabonde",
            provider_env="sandbox",
            organization_id="org_lapelotevagabonde",
            can_receive_payments=True,
            checked_at=clock.now(),
        )
        session.add(account)
    assert paid_online() == {"merchant:la-page-cornee", "merchant:la-pelote-vagabonde"}, "what happened stays"
