"""What one running sandbox shares between its requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask

from marketplace.payments.sandbox.accounts import Application
from marketplace.payments.sandbox.book import Book
from marketplace.payments.sandbox.deliverer import Deliverer
from marketplace.payments.sandbox.faults import Faults
from marketplace.payments.sandbox.idempotency import Turns
from marketplace.payments.sandbox.shapes import Profile


@dataclass(frozen=True, slots=True)
class ServerState:
    book: Book
    deliverer: Deliverer
    faults: Faults
    turns: Turns
    profiles: Mapping[str, Profile]
    time_factor: float
    public_url: str | None
    application: Application | None
    allows_loopback_webhooks: bool


def state_of(app: Flask) -> ServerState:
    state: ServerState = app.extensions["sandbox"]
    return state
