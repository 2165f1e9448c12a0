"""What the layout shows everywhere: who we are, and the way to each part that a signed-in person plays."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, current_app

from marketplace.language import current_language
from marketplace.settings import Settings
from marketplace.web.access import Check, signed_in

STAFF_AREAS = "staff_areas"


@dataclass(frozen=True, slots=True)
class Site:
    name: str
    phone: str
    email: str
    language: str


def add_staff_area(app: Flask, endpoint: str, check: Check) -> None:
    """Show the way to `endpoint` to those whom `check` lets in."""
    app.extensions[STAFF_AREAS].append((endpoint, check))


def staff_areas() -> list[str]:
    """The endpoints of the parts that the signed-in person plays, in the order in which they were shown to us."""
    if not signed_in():
        return []
    return [endpoint for endpoint, check in current_app.extensions[STAFF_AREAS] if check()]


def init(app: Flask, settings: Settings) -> None:
    app.extensions[STAFF_AREAS] = []

    @app.context_processor
    def context() -> dict[str, object]:
        site = Site(settings.site_name, settings.site_phone, settings.site_email, current_language())
        # The basket package says how many pieces are in the visitor's basket; without it there is none.
        return {"site": site, "basket_count": 0, "staff_areas": staff_areas()}
