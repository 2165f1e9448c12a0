"""What the association tells the tax office once a year about each seller (DAC7, CGI 1649 ter A to E; domain M10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from marketplace.legal import legal_number
from marketplace.money import ZERO, Money
from marketplace.payments.models import MerchantAccount
from merchants.rules import is_natural_person
from merchants.sellers import SellerFile, all_sellers

#: By party and quarter of the book's days. A sale that was wholly given back within the year is no operation.
_QUARTERS = text(
    """
    WITH moves AS (
      SELECT e.account AS party, p.reference AS code, s.booked_on, -e.amount AS net,
             coalesce(sale.fees, 0) AS fees, true AS is_sale
      FROM ledger_seal s JOIN ledger_posting p ON p.id = s.posting_id AND p.kind = 'allocated'
      JOIN ledger_entry e ON e.posting_id = p.id AND e.account LIKE 'merchant:%'
      LEFT JOIN LATERAL (
        SELECT sum(part.commission + part.contribution) AS fees FROM orders o
        JOIN sub_order part ON part.order_id = o.id AND part.party = e.account WHERE o.code = p.reference
      ) sale ON true
      WHERE s.booked_on >= :from_on AND s.booked_on < :until_on
      UNION ALL
      SELECT goods.party, p.reference, s.booked_on, way.sign * goods.amount,
             way.sign * coalesce(fees.amount, 0), false
      FROM ledger_seal s JOIN ledger_posting p ON p.id = s.posting_id AND p.kind IN ('refund', 'failed', 'canceled')
      JOIN LATERAL (SELECT CASE p.kind WHEN 'refund' THEN -1 ELSE 1 END AS sign) way ON true
      JOIN refund_part goods ON goods.kind = 'goods' AND goods.refund_id =
        CASE WHEN p.kind IN ('refund', 'failed', 'canceled') THEN split_part(p.key, ':', 2)::bigint END
      LEFT JOIN LATERAL (
        SELECT sum(part.amount) AS amount FROM refund_part part
        WHERE part.refund_id = goods.refund_id AND part.kind IN ('commission', 'contribution')
      ) fees ON true
      WHERE s.booked_on >= :from_on AND s.booked_on < :until_on
    ), orders_left AS (
      SELECT party, code, sum(net + fees) AS gross FROM moves GROUP BY party, code
    )
    SELECT m.party, extract(quarter FROM m.booked_on)::int AS quarter, sum(m.net) AS net, sum(m.fees) AS fees,
           count(*) FILTER (WHERE m.is_sale AND o.gross > 0) AS operations_qty
    FROM moves m JOIN orders_left o USING (party, code) GROUP BY m.party, 2
    """
)


@dataclass(frozen=True, slots=True)
class Quarter:
    """`consideration`: what the seller gets of its sales, fees taken off; `fees`: commission and the
    seller's part of deliveries, VAT included."""

    consideration: Money = ZERO
    operations_qty: int = 0
    fees: Money = ZERO

    def __add__(self, more: Quarter) -> Quarter:
        return Quarter(
            self.consideration + more.consideration, self.operations_qty + more.operations_qty, self.fees + more.fees
        )


@dataclass(frozen=True, slots=True)
class SellerYear:
    """A seller's four quarters. `account_id`: its account at the payment provider, "" for none. `missing`: words for
    what its file lacks: siren, legal_form, address, birth, account."""

    seller: SellerFile
    account_id: str
    quarters: tuple[Quarter, Quarter, Quarter, Quarter]
    is_reported: bool
    missing: tuple[str, ...]

    @property
    def year(self) -> Quarter:
        first, second, third, fourth = self.quarters
        return first + second + third + fourth


def is_reported(year: Quarter, on: date) -> bool:
    """Few sales of little money are left out: both thresholds, as they hold on a day (`legal`)."""
    is_small = year.operations_qty < legal_number("dac7.excluded_below_operations_qty", on)
    return not (is_small and year.consideration <= Money(legal_number("dac7.excluded_up_to_cents", on)))


def missing_of(seller: SellerFile, account_id: str) -> tuple[str, ...]:
    """What the tax office asks for and the merchant's file does not say."""
    has = {
        "siren": bool(seller.siren),
        "legal_form": bool(seller.legal_form),
        "address": bool(seller.street and seller.postcode and seller.city),
        "birth": seller.born_on is not None or not is_natural_person(seller.legal_form),
        "account": bool(account_id),
    }
    return tuple(word for word, is_there in has.items() if not is_there)


def sellers_year(session: Session, *, year: int, provider_env: str) -> tuple[SellerYear, ...]:
    """Every seller of whom the book says something in the year, by name; sealed entries only."""
    found: dict[str, dict[int, Quarter]] = {}
    for row in session.execute(_QUARTERS, {"from_on": date(year, 1, 1), "until_on": date(year + 1, 1, 1)}):
        quarter = Quarter(Money(int(row.net)), row.operations_qty, Money(int(row.fees)))
        found.setdefault(row.party, {})[row.quarter] = quarter
    accounts = select(MerchantAccount.party, MerchantAccount.organization_id)
    rows = session.execute(accounts.where(MerchantAccount.provider_env == provider_env))
    account_of = {row.party: row.organization_id for row in rows}
    return tuple(
        _year(seller, account_of.get(seller.party, ""), found[seller.party], date(year, 12, 31))
        for seller in all_sellers(session)
        if seller.party in found
    )


def _year(seller: SellerFile, account_id: str, found: dict[int, Quarter], last_day: date) -> SellerYear:
    first, second, third, fourth = (found.get(number, Quarter()) for number in (1, 2, 3, 4))
    whole = first + second + third + fourth
    return SellerYear(
        seller=seller,
        account_id=account_id,
        quarters=(first, second, third, fourth),
        is_reported=is_reported(whole, last_day),
        missing=missing_of(seller, account_id),
    )
