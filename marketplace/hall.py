"""The running hall: the settings and the doors to everything outside a transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask import current_app

from marketplace.clock import Clock, SystemClock
from marketplace.db import Database, open_database
from marketplace.geo import Geocoder
from marketplace.mail import Mailer
from marketplace.payments.gateway import Gateway
from marketplace.payments.ways import Ways
from marketplace.settings import Settings


@dataclass(frozen=True, slots=True)
class Hall:
    """What views, commands and job handlers work with; tests put other parts in its places."""

    settings: Settings
    database: Database
    clock: Clock
    gateway: Gateway
    geocoder: Geocoder
    mailer: Mailer
    ways: Ways = field(default_factory=Ways)

    @classmethod
    def open(cls, settings: Settings) -> Hall:
        return cls(
            settings=settings,
            database=open_database(settings),
            clock=SystemClock(),
            gateway=Gateway(
                endpoint=settings.mollie_endpoint,
                api_key=settings.mollie_api_key,
                access_token=settings.mollie_access_token,
            ),
            geocoder=Geocoder(scheme=settings.geocoder_scheme, domain=settings.geocoder_domain),
            mailer=Mailer(host=settings.smtp_host, port=settings.smtp_port, sender=settings.mail_from),
        )


def the_hall() -> Hall:
    """The hall of the current Flask application."""
    hall: Hall = current_app.extensions["hall"]
    return hall
