"""Somebody reserves in a shop that cannot be paid online yet."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update

from basket import reservations
from basket.reservations import Reserved
from marketplace.clock import Clock
from marketplace.db import Database
from marketplace.ids import new_token
from marketplace.payments.models import MerchantAccount
from tests.walk import Town, fill_basket


def open_till(database: Database, *slugs: str, is_open: bool) -> None:
    """These merchants can be paid online from now on, or no longer."""
    with database.transaction() as session:
        session.execute(
            update(MerchantAccount)
            .where(MerchantAccount.party.in_([f"merchant:{slug}" for slug in slugs]))
            .values(can_receive_payments=is_open)
        )


def reserve_command(
    basket_id: int, *, key: str | None = None, phone: str = "+33639981234", language: str = "fr"
) -> reservations.Reserve:
    """What Jeanne asks for."""
    return reservations.Reserve(
        basket_id=basket_id,
        request_key=key or new_token(),
        name="Jeanne Martin",
        phone=phone,
        email="jeanne@example.org",
        language=language,
        provider_env="sandbox",
    )


def reserve(
    database: Database, town: Town, references: Sequence[str], *, clock: Clock, phone: str = "+33639981234"
) -> tuple[Reserved, ...]:
    """A reservation of one piece for each time a reference is named, at every shop of them that is not paid online."""
    with database.transaction() as session:
        basket_id = fill_basket(session, {town.variant(r): references.count(r) for r in references}, now=clock.now())
        return reservations.reserve(session, reserve_command(basket_id, phone=phone), clock=clock)
