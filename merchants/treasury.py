"""Where every cent is: what lies with the payment provider, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from marketplace.ledger import accounts
from marketplace.ledger.queries import balances_until
from marketplace.money import ZERO, Money
from marketplace.payments.claims import Claim, open_claims
from marketplace.payments.models import Payment, Share
from marketplace.payments.queries import NOTHING, PartyShares, shares_by_party
from merchants.models import Merchant

#: So long before a share can no longer be routed, somebody has to see to it.
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class MerchantMoney:
    """`owed` is the ledger's word; `shares` what the payments know of it. The two must agree."""

    party: str
    name: str
    owed: Money
    shares: PartyShares
    is_urgent: bool

    @property
    def unexplained(self) -> Money:
        return self.owed - self.shares.owed


@dataclass(frozen=True, slots=True)
class Lack:
    """What a payment no longer held of a merchant's share when it was routed: the association owes it."""

    share_id: int
    reference: str
    name: str
    amount: Money
    routed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Treasury:
    """What the provider holds for us; the other sums say whose it is and add up to it."""

    holding: Money
    owed: Money
    refunds: Money
    unmatched: Money
    #: With merchants already, upfront, though no order has taken it: not in `holding`.
    ahead: Money
    commission: Money
    delivery: Money
    contributions: Money
    gestures: Money
    chargebacks: Money
    fees: Money
    paid_out: Money
    merchants: tuple[MerchantMoney, ...]
    lacks: tuple[Lack, ...]
    #: With the merchant's name instead of its party.
    claims: tuple[Claim, ...]

    @property
    def associations_own(self) -> Money:
        """What is left of it with the provider."""
        earned = self.commission + self.delivery + self.contributions
        return earned - self.gestures - self.chargebacks - self.fees - self.paid_out

    @property
    def unexplained(self) -> Money:
        """What no account and no share explains; anything but zero is a fault of ours."""
        known = self.owed + self.refunds + self.unmatched + self.associations_own - self.ahead
        return abs_of(self.holding - known) + Money.total([abs_of(merchant.unexplained) for merchant in self.merchants])


def abs_of(amount: Money) -> Money:
    return amount if amount >= ZERO else -amount


def look(session: Session, now: datetime) -> Treasury:
    """The treasury at this moment."""
    balances = balances_until(session)

    def owed_to(account: str) -> Money:
        return -balances.get(account, ZERO)

    names = {accounts.merchant(key): name for key, name in session.execute(select(Merchant.key, Merchant.legal_name))}
    shares = shares_by_party(session)
    parties = {account for account in balances if account.startswith(accounts.merchant(""))} | shares.keys()
    rows = [
        MerchantMoney(
            party=party,
            name=names.get(party, party),
            owed=owed_to(party),
            shares=shares.get(party, NOTHING),
            is_urgent=_is_soon(shares.get(party, NOTHING).route_until_at, now),
        )
        for party in parties
    ]
    return Treasury(
        holding=balances.get(accounts.HOLDING, ZERO),
        owed=Money.total([row.owed for row in rows]),
        refunds=owed_to(accounts.REFUNDS),
        unmatched=owed_to(accounts.UNMATCHED),
        ahead=balances.get(accounts.AHEAD, ZERO),
        commission=owed_to(accounts.COMMISSION),
        delivery=owed_to(accounts.DELIVERY),
        contributions=owed_to(accounts.CONTRIBUTIONS),
        gestures=balances.get(accounts.GESTURES, ZERO),
        chargebacks=balances.get(accounts.CHARGEBACKS, ZERO),
        fees=balances.get(accounts.FEES, ZERO),
        paid_out=balances.get(accounts.BANK, ZERO),
        merchants=tuple(
            sorted((row for row in rows if row.owed or row.shares != NOTHING), key=lambda row: (row.name, row.party))
        ),
        lacks=tuple(
            Lack(share.id, reference, names.get(share.party, share.party), share.lacking_amount, share.routed_at)
            for share, reference in session.execute(_lacking())
        ),
        claims=tuple(replace(claim, party=names.get(claim.party, claim.party)) for claim in open_claims(session)),
    )


def _lacking() -> Select[Share, str]:
    return (
        select(Share, Payment.reference)
        .join(Payment, Share.payment_id == Payment.id)
        .where(Share.lacking_amount > ZERO, Share.made_up_at.is_(None), Share.state == "routed")
        .order_by(Share.id)
    )


def _is_soon(route_until_at: datetime | None, now: datetime) -> bool:
    return route_until_at is not None and route_until_at - now < SOON
