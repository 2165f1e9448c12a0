"""The merchants as sellers: who acts for them, and what their file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import exists, literal, select
from sqlalchemy.orm import Session

from marketplace.errors import NotFound
from marketplace.invoices.mandates import Standing
from marketplace.invoices.rules import Address, Party
from marketplace.payments.service import is_payable, payable_parties
from merchants.models import CommissionRate, Member, Merchant, Shop
from merchants.rules import names_another_siren, siren_of, vat_number_of


@dataclass(frozen=True, slots=True)
class SellerFile:
    """A merchant as somebody who works for it sees it. `is_owner`: may decide where its money goes."""

    id: int
    key: str
    legal_name: str
    registration: str
    legal_form: str
    #: Of a sole trader, for the tax office alone.
    born_on: date | None
    is_vat_exempt: bool
    street: str
    postcode: str
    city: str
    email: str
    is_owner: bool

    @property
    def party(self) -> str:
        """The word of the ledger and of the payments for it."""
        return f"merchant:{self.key}"

    @property
    def siren(self) -> str:
        return siren_of(self.registration)

    @property
    def as_party(self) -> Party:
        """How documents name it today, as seller or as buyer."""
        return Party(
            key=self.party,
            name=self.legal_name,
            legal_form=self.legal_form,
            registration=self.registration,
            siren=self.siren,
            vat_number="" if self.is_vat_exempt else vat_number_of(self.siren),
            address=Address(self.street, self.postcode, self.city),
        )

    def is_to_sign_anew(self, standing: Standing) -> bool:
        """Whether the mandate in force names a SIREN that was corrected since; who has written down its end keeps
        that."""
        is_open = standing.state == "in_force" and standing.ended_on is None
        return is_open and names_another_siren(standing.terms, self.siren)

    @property
    def registration_digits(self) -> str:
        """The SIREN or SIRET in the registration, empty when there is none of their lengths."""
        digits = "".join(c for c in self.registration if c in "0123456789")
        return digits if len(digits) in (9, 14) else ""


def sellers_of(session: Session, user_id: int) -> Sequence[SellerFile]:
    """The merchants that the person works for, by name; none for a stranger."""
    rows = session.execute(
        select(Merchant, Member.role)
        .join(Member, Member.merchant_id == Merchant.id)
        .where(Member.user_id == user_id)
        .order_by(Merchant.legal_name, Merchant.id)
    )
    return [_file(merchant, is_owner=role == "owner") for merchant, role in rows]


def get_seller(session: Session, *, merchant_id: int, user_id: int) -> SellerFile:
    """One of them; NotFound for a merchant of other people."""
    for seller in sellers_of(session, user_id):
        if seller.id == merchant_id:
            return seller
    raise NotFound()


def seller_by_key(session: Session, key: str) -> SellerFile:
    """A merchant by its stable word. NoResultFound for a word that is nobody's."""
    return _file(session.scalars(select(Merchant).where(Merchant.key == key)).one(), is_owner=False)


def get_seller_by_id(session: Session, merchant_id: int) -> SellerFile:
    """A merchant, for the association; NotFound."""
    merchant = session.get(Merchant, merchant_id)
    if merchant is None:
        raise NotFound()
    return _file(merchant, is_owner=False)


def all_sellers(session: Session) -> Sequence[SellerFile]:
    """Every merchant of the market, by name, as its coordinators see it."""
    merchants = session.scalars(select(Merchant).order_by(Merchant.legal_name, Merchant.id))
    return [_file(merchant, is_owner=False) for merchant in merchants]


def _file(merchant: Merchant, *, is_owner: bool) -> SellerFile:
    return SellerFile(
        id=merchant.id,
        key=merchant.key,
        legal_name=merchant.legal_name,
        registration=merchant.registration,
        legal_form=merchant.legal_form,
        born_on=merchant.born_on,
        is_vat_exempt=merchant.is_vat_exempt,
        street=merchant.street,
        postcode=merchant.postcode,
        city=merchant.city,
        email=merchant.email,
        is_owner=is_owner,
    )


def shops_to_reserve(session: Session, *, provider_env: str, on: date) -> frozenset[str]:
    """The slugs of the shops whose goods can only be reserved: their merchant cannot be paid, or has no commission."""
    has_rate = exists().where(CommissionRate.merchant_id == Merchant.id, CommissionRate.valid_from <= on)
    is_payable = (literal("merchant:") + Merchant.key).in_(payable_parties(session, provider_env))
    return frozenset(
        session.scalars(
            select(Shop.slug).join(Merchant, Shop.merchant_id == Merchant.id).where(~(has_rate & is_payable))
        )
    )


def sells_online(session: Session, *, slug: str, provider_env: str, on: date) -> bool:
    """Whether what the shop sells can be bought online: its merchant can be paid, and has a commission that day."""
    has_rate = exists().where(CommissionRate.merchant_id == Merchant.id, CommissionRate.valid_from <= on)
    party = (
        select(literal("merchant:") + Merchant.key)
        .join(Shop, Shop.merchant_id == Merchant.id)
        .where(Shop.slug == slug, has_rate)
        .scalar_subquery()
    )
    return is_payable(session, party=party, provider_env=provider_env)
