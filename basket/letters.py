"""The letters about an order: to the resident, one for all shops; to each merchant, about its own part only."""

from __future__ import annotations

from basket.fulfilment_queries import Sheet
from basket.queries import GivenBack, OrderRow
from marketplace.clock import local_day
from marketplace.legal import legal_number
from marketplace.mail import Letter, compose
from merchants.kinds import get_kind


def confirmed(order: OrderRow, *, site_url: str) -> Letter:
    """The confirmation on a durable medium (domain C4): what was bought from whom, paid, when it comes, and how to
    change one's mind."""
    day = local_day(order.placed_at)
    kinds = {line.kind for part in order.parts for line in part.lines}
    return compose(
        "basket/mail/confirmed",
        key=f"confirmed:{order.code}",
        to=order.email,
        language=order.language,
        site_url=site_url,
        order=order,
        rights={kind: get_kind(kind, day).withdrawal for kind in kinds},
        withdrawal_days=legal_number("withdrawal.days", day),
    )


def refunded(order: OrderRow, *, site_url: str) -> Letter:
    """The money came too late and goes back."""
    return compose(
        "basket/mail/refunded",
        key=f"refunded:{order.code}",
        to=order.email,
        language=order.language,
        site_url=site_url,
        order=order,
    )


def given_back(given: GivenBack, *, site_url: str) -> Letter:
    """What of a paid order goes back, and why; for a shortage: what is missing."""
    return compose(
        "basket/mail/shortage" if given.reason == "shortage" else "basket/mail/given_back",
        key=f"given_back:{given.order.code}:{given.id}",
        to=given.order.email,
        language=given.order.language,
        site_url=site_url,
        order=given.order,
        given=given,
    )


def merchant_order(sheet: Sheet, *, to: str, site_url: str) -> Letter:
    """What the shop has to prepare, until when, and where to say that it accepts."""
    return compose(
        "basket/mail/merchant_order",
        key=f"merchant_order:{sheet.code}:{sheet.shop.slug}",
        to=to,
        language="fr",
        site_url=site_url,
        sheet=sheet,
    )


def merchant_cancelled(sheet: Sheet, *, to: str, site_url: str) -> Letter:
    """The association has cancelled what the shop was to prepare."""
    return compose(
        "basket/mail/merchant_cancelled",
        key=f"merchant_cancelled:{sheet.code}:{sheet.shop.slug}",
        to=to,
        language="fr",
        site_url=site_url,
        sheet=sheet,
    )
