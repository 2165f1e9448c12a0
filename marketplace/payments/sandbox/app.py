"""The sandbox's application: `create_sandbox(options)`."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from marketplace.clock import Clock
from marketplace.language import bind_sentences
from marketplace.payments.sandbox import controls, credentials, pages
from marketplace.payments.sandbox.accounts import Application
from marketplace.payments.sandbox.api import BLUEPRINTS
from marketplace.payments.sandbox.book import Book
from marketplace.payments.sandbox.credentials import ACCESS_TOKEN
from marketplace.payments.sandbox.deliverer import Deliverer
from marketplace.payments.sandbox.faults import Faults
from marketplace.payments.sandbox.idempotency import Turns
from marketplace.payments.sandbox.operations import HAL
from marketplace.payments.sandbox.organizations import Organization, connect
from marketplace.payments.sandbox.postings import NO_FEE, Fee, adopt_old_book, set_fee
from marketplace.payments.sandbox.refusals import ApiRefusal
from marketplace.payments.sandbox.server_state import ServerState, state_of
from marketplace.payments.sandbox.shapes import Profile

DEFAULT_KEY = "test_sandbox"
DEFAULT_MERCHANT = "Le marché commun"
#: No request of the API comes near; anything larger is a mistake.
BODY_MAXIMUM_BYTES = 256 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How a sandbox is set up.

    Each key of `keys` is a profile of its own, so that somebody else's payments exist. `time_factor` divides
    Mollie's waits between call-backs and between the states of a refund. `public_url` is where browsers find the
    sandbox when that is not where the API's caller finds it. `organizations` are connected from the start.
    `application` may ask merchants for their consent. Each of `access_tokens` opens everything that the first key's
    organisation has. `fee` is what the provider keeps of each payment from now on.
    `clock` stands in the place of the machine's.
    Without `allows_loopback_webhooks` it refuses every webhook, as Mollie refuses those of a laptop.
    """

    book: Path
    keys: tuple[str, ...] = (DEFAULT_KEY,)
    merchant: str = DEFAULT_MERCHANT
    time_factor: float = 1.0
    public_url: str | None = None
    organizations: tuple[Organization, ...] = ()
    application: Application | None = None
    access_tokens: tuple[str, ...] = ()
    fee: Fee = NO_FEE
    allows_loopback_webhooks: bool = True
    clock: Clock | None = None

    def __post_init__(self) -> None:
        """ValueError unless the keys are test keys: a real key has no business here."""
        for key in self.keys:
            if not (key.startswith("test_") and key[5:].replace("_", "a").isalnum() and key.isascii()):
                raise ValueError("a sandbox key looks like test_ and letters, digits or _")
        for token in self.access_tokens:
            if not ACCESS_TOKEN.fullmatch(token):
                raise ValueError("a sandbox access token looks like access_ and letters, digits or _")
        if not self.keys or self.time_factor <= 0:
            raise ValueError("a sandbox needs a key, and a time factor over zero")


def create_sandbox(options: Options) -> Flask:
    """The application on `options.book`; its deliverer thread is started by whoever serves it."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_MAXIMUM_BYTES
    # A web page elsewhere must not reach the controls under a name of its own (DNS rebinding).
    public_host = urlsplit(options.public_url or "").hostname
    app.config["TRUSTED_HOSTS"] = ["localhost", ".localhost", "127.0.0.1", "[::1]", *filter(None, [public_host])]
    app.extensions["sandbox"] = open_book(options)
    bind_sentences(app)
    for blueprint in (*BLUEPRINTS, pages.pages, controls.controls):
        app.register_blueprint(blueprint)
    app.register_error_handler(ApiRefusal, _refuse)
    app.register_error_handler(HTTPException, _refuse_http)
    return app


def open_book(options: Options) -> ServerState:
    """The book at `options.book`, with the keys, tokens, organisations and fee that the options name."""
    book = Book(options.book, options.clock)
    profiles = {key: _profile_of(key, options.merchant) for key in options.keys}
    with book.transaction() as db:
        for profile in profiles.values():
            credentials.register_profile(db, profile)
        set_fee(db, NO_FEE)
        adopt_old_book(db)
        set_fee(db, options.fee)
        for token in options.access_tokens:
            credentials.issue(db, token, profiles[options.keys[0]].organization_id, credentials.SCOPES)
        for organization in options.organizations:
            connect(db, organization)
    return ServerState(
        book=book,
        deliverer=Deliverer(book, options.time_factor),
        faults=Faults(),
        turns=Turns(),
        profiles=profiles,
        time_factor=options.time_factor,
        public_url=options.public_url.rstrip("/") if options.public_url else None,
        application=options.application,
        allows_loopback_webhooks=options.allows_loopback_webhooks,
    )


def _profile_of(key: str, merchant: str) -> Profile:
    """The key's profile and organisation: the same after every restart."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return Profile(id=f"pfl_{digest[:10]}", organization_id=f"org_{int(digest[:7], 16):08d}", name=merchant)


def _refuse(refusal: ApiRefusal) -> Response:
    return Response(json.dumps(refusal.as_json()), status=refusal.status, content_type=HAL)


def _refuse_http(error: HTTPException) -> Response:
    """Mollie's shape for what is not emulated, counted so that a silent gap is seen; a page for people."""
    status = error.code or 500
    if request.path.startswith("/v2/"):
        if status in (404, 405):
            _count_unknown_call(f"{request.method} {request.path}")
        return _refuse(ApiRefusal(status, "The simulator does not know this call."))
    if request.path.startswith("/_sandbox/"):
        return _refuse(ApiRefusal(status, "There is no such control."))
    return pages.error_page(status)


def _count_unknown_call(call: str) -> None:
    log.warning("not emulated: %s", call)
    with state_of(current_app).book.transaction() as db:
        db.execute(
            "INSERT INTO unknown_calls (call, calls_qty) VALUES (?, 1)"
            " ON CONFLICT (call) DO UPDATE SET calls_qty = calls_qty + 1",
            (call[:200],),
        )
