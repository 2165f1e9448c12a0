"""The letter to a merchant about its commission invoice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from basket.documents.queries import PaperRow
from marketplace.mail import Letter, compose
from merchants.sellers import SellerFile


def commission(month: date, seller: SellerFile, papers: Sequence[PaperRow], *, site_url: str) -> Letter:
    """What the association kept of a month's sales, or gave back, and where its paper is. French, like the paper."""
    return compose(
        "basket/mail/commission",
        key=f"commission:{seller.key}:{month:%Y-%m}",
        to=seller.email,
        language="fr",
        site_url=site_url,
        month=month,
        seller=seller,
        papers=papers,
    )
