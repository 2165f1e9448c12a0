"""The letters about a reservation: each once, in the resident's language; to the merchant in French."""

from __future__ import annotations

from basket.reservation_queries import KeptRow
from marketplace.mail import Letter, compose


def kept(reservation: KeptRow, *, site_url: str) -> Letter:
    """What is kept where, until when, and the code that fetches it."""
    return _to_resident("reservation_kept", reservation, site_url)


def ready(reservation: KeptRow, *, site_url: str) -> Letter:
    """The shop has put it aside."""
    return _to_resident("reservation_ready", reservation, site_url)


def last_day(reservation: KeptRow, *, site_url: str) -> Letter:
    """Tomorrow is the last day."""
    return _to_resident("reservation_last_day", reservation, site_url)


def ended(reservation: KeptRow, *, site_url: str) -> Letter:
    """Nothing is kept any more: the shop cancelled, or nobody came."""
    return _to_resident("reservation_ended", reservation, site_url)


def to_keep(reservation: KeptRow, *, site_url: str) -> Letter:
    """To the merchant: what to put aside, for whom, until when."""
    return _to_merchant("reservation_to_keep", reservation, site_url)


def put_back(reservation: KeptRow, *, site_url: str) -> Letter:
    """To the merchant: what may be sold to others again."""
    return _to_merchant("reservation_put_back", reservation, site_url)


def _to_resident(name: str, reservation: KeptRow, site_url: str) -> Letter:
    return _letter(name, reservation, to=reservation.email, language=reservation.language, site_url=site_url)


def _to_merchant(name: str, reservation: KeptRow, site_url: str) -> Letter:
    return _letter(name, reservation, to=reservation.shop_email, language="fr", site_url=site_url)


def _letter(name: str, reservation: KeptRow, *, to: str, language: str, site_url: str) -> Letter:
    return compose(
        f"basket/mail/{name}",
        key=f"{name}:{reservation.code}",
        to=to,
        language=language,
        site_url=site_url,
        reservation=reservation,
    )
