"""The letters about a withdrawal: the durable receipt (domain W6), and word to those who wait for the goods."""

from __future__ import annotations

from basket.withdrawal_queries import WithdrawalRow
from marketplace.mail import Letter, compose


def receipt(row: WithdrawalRow, *, site_url: str) -> Letter:
    """What was declared, when, to whom, and what happens next."""
    return compose(
        "basket/mail/withdrawal_receipt",
        key=f"withdrawal:{row.code}:{row.id}",
        to=row.email,
        language=row.language,
        site_url=site_url,
        row=row,
    )


def notice(row: WithdrawalRow, *, to: str, for_shop: bool, site_url: str) -> Letter:
    """The merchant and the association learn of it: what comes back, and until when the money must."""
    return compose(
        "basket/mail/withdrawal_notice",
        key=f"withdrawal_notice:{row.code}:{row.id}:{'shop' if for_shop else 'association'}",
        to=to,
        language="fr",
        site_url=site_url,
        row=row,
        for_shop=for_shop,
    )


def to_shop(row: WithdrawalRow, what: str, *, site_url: str) -> Letter:
    """What the clock does: `silent`, the money leaves unless the shop says something; `sent_back`, the resident says
    how the goods went back; `unanswered`, the money has left. One for each time that it was so."""
    said_at = {"silent": row.told_at, "sent_back": row.proof_at, "unanswered": row.settled_at}[what]
    return compose(
        "basket/mail/withdrawal_clock",
        key=f"withdrawal_{what}:{row.code}:{row.id}:{said_at:%Y%m%d%H%M%S%f}",
        to=row.shop_email,
        language="fr",
        site_url=site_url,
        row=row,
        what=what,
    )


def held(row: WithdrawalRow, *, site_url: str) -> Letter:
    """The shop says that nothing has come back: the resident learns why their money waits, and what to do."""
    return compose(
        "basket/mail/withdrawal_held",
        key=f"withdrawal_held:{row.code}:{row.id}:{row.held_at:%Y%m%d%H%M%S%f}",
        to=row.email,
        language=row.language,
        site_url=site_url,
        row=row,
    )
