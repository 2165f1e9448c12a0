"""The letters that a merchant gets from the association about the terms of its sales."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.delivery.models import DeliveryPolicy, Zone
from marketplace.delivery.policies import terms_in, terms_of
from marketplace.invoices.mandates import get_mandate
from marketplace.mail import Letter, compose
from merchants.commission import rates_on
from merchants.models import CommissionRate, Merchant


def commission(session: Session, rate_id: int, *, site_url: str) -> Letter | None:
    """From when on the association keeps how much, and what until then; None for a merchant without an address."""
    rate = session.get_one(CommissionRate, rate_id)
    merchant = session.get_one(Merchant, rate.merchant_id)
    if not merchant.email:
        return None
    before = rates_on(session, [merchant.id], rate.valid_from - timedelta(days=1))
    return compose(
        "merchants/mail/commission",
        key=f"commission:{rate.id}",
        to=merchant.email,
        language="fr",
        site_url=site_url,
        name=merchant.legal_name,
        rate=rate.permille,
        before=before.get(merchant.id),
        valid_from=rate.valid_from,
    )


def mandate(session: Session, merchant_id: int, ordinal: int, *, to: str | None, site_url: str) -> Letter | None:
    """The mandate as it was signed, word for word: each side has its copy (domain I4). `to` is the association's
    address, None for the merchant's own; None for a merchant without one."""
    merchant = session.get_one(Merchant, merchant_id)
    if not (to or merchant.email):
        return None
    signed = get_mandate(session, seller=f"merchant:{merchant.key}", ordinal=ordinal)
    return compose(
        "merchants/mail/mandate",
        key=f"mandate:{merchant.key}:{ordinal}:{'association' if to else 'merchant'}",
        to=to or merchant.email,
        language="fr",
        site_url=site_url,
        name=merchant.legal_name,
        signed=signed,
        for_association=to is not None,
    )


def shut(session: Session, party: str, since: datetime, *, site_url: str) -> Letter | None:
    """The provider refuses to give the merchant money; None for whoever has no address, or is no merchant."""
    merchant = session.scalars(select(Merchant).where(Merchant.key == party.removeprefix("merchant:"))).one_or_none()
    if merchant is None or not merchant.email:
        return None
    return compose(
        "merchants/mail/shut",
        key=f"shut:{party}:{since.isoformat()}",
        to=merchant.email,
        language="fr",
        site_url=site_url,
        name=merchant.legal_name,
        since=since,
    )


def delivery_terms(session: Session, policy_id: int, merchant_id: int, *, site_url: str) -> Letter:
    """What the merchant bears of each delivery in a zone, from when on, and what until then."""
    policy = session.get_one(DeliveryPolicy, policy_id)
    merchant = session.get_one(Merchant, merchant_id)
    return compose(
        "merchants/mail/delivery_terms",
        key=f"delivery_terms:{policy_id}:{merchant.key}",
        to=merchant.email,
        language="fr",
        site_url=site_url,
        name=merchant.legal_name,
        zone=session.get_one(Zone, policy.zone_id).name,
        terms=terms_in(policy),
        before=terms_of(session, zone_id=policy.zone_id, on=policy.valid_from - timedelta(days=1)),
        valid_from=policy.valid_from,
    )
