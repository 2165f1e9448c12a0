"""What the worker does about reservations: letters, the eve of the last day, the end of it, and forgetting."""

from __future__ import annotations

from datetime import timedelta

from basket import reservation_letters as letters
from basket import reservations
from basket.reservation_queries import KeptRow, get_by_id
from marketplace.clock import local_day
from marketplace.hall import Hall
from marketplace.jobs import periodic, subscribe
from marketplace.legal import legal_number
from marketplace.letters import send_once


@periodic("*/10 * * * *")
def let_unfetched_lapse(hall: Hall) -> None:
    """What nobody fetched on its last day goes back to the others."""
    with hall.database.reading() as session:
        overdue = reservations.overdue(session, local_day(hall.clock.now()))
    for reservation_id in overdue:
        with hall.database.transaction() as session:
            reservations.lapse(session, reservation_id=reservation_id, now=hall.clock.now())


@periodic("23 8-17 * * *")
def remind_of_last_day(hall: Hall) -> None:
    """By day, and again every hour: a worker that was away in the morning still reminds."""
    with hall.database.transaction() as session:
        reservations.remind(session, hall.clock.now())


@periodic("47 3 * * *")
def forget_people(hall: Hall) -> None:
    """Whose reservation it was is kept no longer than the market's rule says (domain D1)."""
    now = hall.clock.now()
    kept_for = timedelta(days=legal_number("reservation.forget_days", local_day(now)))
    with hall.database.transaction() as session:
        reservations.forget_people(session, before=now - kept_for)


@subscribe("reservation.made")
def confirm_by_letter(hall: Hall, reservation_id: int) -> None:
    kept = _read(hall, reservation_id)
    if kept.email and kept.is_open:
        send_once(hall, letters.kept(kept, site_url=hall.settings.site_url))


@subscribe("reservation.made")
def tell_shop(hall: Hall, reservation_id: int) -> None:
    kept = _read(hall, reservation_id)
    if kept.is_open:
        send_once(hall, letters.to_keep(kept, site_url=hall.settings.site_url))


@subscribe("reservation.ready")
def tell_it_is_ready(hall: Hall, reservation_id: int) -> None:
    kept = _read(hall, reservation_id)
    if kept.email and kept.is_open:
        send_once(hall, letters.ready(kept, site_url=hall.settings.site_url))


@subscribe("reservation.last_day")
def tell_of_last_day(hall: Hall, reservation_id: int) -> None:
    kept = _read(hall, reservation_id)
    if kept.email and kept.is_open and local_day(hall.clock.now()) <= kept.kept_until_on:
        send_once(hall, letters.last_day(kept, site_url=hall.settings.site_url))


@subscribe("reservation.let_go")
def tell_it_ended(hall: Hall, reservation_id: int) -> None:
    """Whoever ended it knows already; the others are told."""
    kept = _read(hall, reservation_id)
    if kept.email and kept.ending != "resident":
        send_once(hall, letters.ended(kept, site_url=hall.settings.site_url))


@subscribe("reservation.let_go")
def tell_shop_to_put_back(hall: Hall, reservation_id: int) -> None:
    kept = _read(hall, reservation_id)
    if kept.ending in (None, "resident"):
        send_once(hall, letters.put_back(kept, site_url=hall.settings.site_url))


def _read(hall: Hall, reservation_id: int) -> KeptRow:
    with hall.database.reading() as session:
        return get_by_id(session, reservation_id)
