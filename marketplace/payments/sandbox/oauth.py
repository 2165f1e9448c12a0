"""OAuth: the page on which an organisation lets an application in, and the tokens that this brings (mollie.md 2.5)."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from marketplace.payments.sandbox import accounts, faults
from marketplace.payments.sandbox.accounts import Application
from marketplace.payments.sandbox.bodies import split_url
from marketplace.payments.sandbox.pages import sealed
from marketplace.payments.sandbox.server_state import state_of

oauth = Blueprint("oauth", __name__, url_prefix="/oauth2")

#: The scopes that can be asked for here; the consent page words them (templates/sandbox/consent.html).
SCOPES = frozenset(
    {
        "balance-transfers.write",
        "balances.read",
        "clients.read",
        "onboarding.read",
        "onboarding.write",
        "organizations.read",
        "payments.read",
        "profiles.read",
        "refunds.read",
        "settlements.read",
    }
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for consent that may be shown."""

    client_id: str
    redirect_uri: str
    state: str
    scope: str

    @property
    def scopes(self) -> list[str]:
        return self.scope.split()

    def back(self, **answer: str) -> str:
        """The application's address with our answer."""
        joint = "&" if "?" in self.redirect_uri else "?"
        return self.redirect_uri + joint + urlencode({**answer, "state": self.state})


class TokenRefusal(Exception):
    """OAuth's own shape of a refusal (RFC 6749, 5.2)."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(error)
        self.status, self.error, self.description = status, error, description


@oauth.get("/authorize")
def show_consent() -> AnyResponse:
    """Who asks for what; the tester chooses whose account answers, and says yes or no."""
    asked = _read_asked()
    if isinstance(asked, AnyResponse):
        return asked
    return _consent_page(asked)


@oauth.post("/authorize")
def decide() -> AnyResponse:
    """Back to the application, with a code or with access_denied."""
    asked = _read_asked()
    if isinstance(asked, AnyResponse):
        return asked
    decision, chosen = request.form.get("decision"), request.form.get("organization", "")
    if decision == "refuse":
        return redirect(asked.back(error="access_denied", error_description="The owner has refused."), 303)
    name = " ".join(request.form.get("name", "").split())[:100]
    with state_of(current_app).book.transaction() as db:
        account = accounts.find_account(db, chosen) if chosen else None
        if account is None and not chosen and name:
            account = accounts.open_account(db, name)
        if account is not None and decision == "accept":
            code = accounts.consent(db, account, redirect_uri=asked.redirect_uri, scope=asked.scope)
            return redirect(asked.back(code=code), 303)
    return _consent_page(asked, status=422)


def _consent_page(asked: Asked, *, status: int = 200) -> Response:
    state = state_of(current_app)
    with state.book.transaction() as db:
        link = accounts.find_account(db, request.args.get("organization", ""))
        names = accounts.all_names(db)
    page = render_template(
        "sandbox/consent.html",
        asked=asked,
        application=next(iter(state.profiles.values())).name,
        accounts=names,
        own=link,
        unclear=status != 200,
        typed=request.form,
    )
    back = split_url(asked.redirect_uri)
    return sealed(page, status, f"form-action 'self' {back[0]}" if back else "form-action 'self'")


def _read_asked() -> Asked | AnyResponse:
    """What stands in the address; a page where the browser may not be sent back, else the way back with an error."""
    application = state_of(current_app).application
    args = request.args
    redirect_uri = args.get("redirect_uri") or next(iter(application.redirect_uris if application else ()), "")
    if application is None or args.get("client_id") != application.client_id:
        return _wrong_page("client_id")
    if redirect_uri not in application.redirect_uris:
        return _wrong_page("redirect_uri")
    asked = Asked(application.client_id, redirect_uri, args.get("state", ""), args.get("scope", ""))
    if not asked.state:
        return _wrong_page("state")
    if args.get("response_type") != "code":
        return redirect(asked.back(error="unsupported_response_type"), 303)
    if not asked.scopes or not set(asked.scopes) <= SCOPES:
        return redirect(asked.back(error="invalid_scope"), 303)
    return asked


def _wrong_page(member: str) -> Response:
    return sealed(render_template("sandbox/consent_refused.html", member=member), 400, "form-action 'none'")


TokenView = Callable[[sqlite3.Connection], Response]


def _for_application(view: TokenView) -> Callable[[], Response]:
    """The view, once the application has proved who it is: by HTTP Basic or in the body."""

    @wraps(view)
    def run() -> Response:
        state = state_of(current_app)
        fault = state.faults.take(request.method, request.path)
        spoiled = faults.spoils_before(fault) if fault else None
        if spoiled is not None:
            return spoiled
        try:
            _check_application(state.application)
            with state.book.transaction() as db:
                response = view(db)
        except TokenRefusal as refusal:
            response = jsonify(error=refusal.error, error_description=refusal.description)
            response.status_code = refusal.status
        response.headers["Cache-Control"] = "no-store"
        return faults.spoils_after(fault, request, response) if fault else response

    return run


def _check_application(application: Application | None) -> None:
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        client_id, secret = basic.username or "", basic.password or ""
    else:
        client_id, secret = request.form.get("client_id", ""), request.form.get("client_secret", "")
    if (
        application is None
        or client_id != application.client_id
        or not secrets.compare_digest(secret.encode(), application.client_secret.encode())
    ):
        raise TokenRefusal(401, "invalid_client", "Client authentication failed.")


@oauth.post("/tokens")
@_for_application
def give_tokens(db: sqlite3.Connection) -> Response:
    """A code or a refresh token becomes an access token for an hour."""
    kind = request.form.get("grant_type")
    if kind == "authorization_code":
        code = accounts.use_code(db, request.form.get("code", ""))
        if code is None or code.redirect_uri != request.form.get("redirect_uri", code.redirect_uri):
            return _no_grant()
        refresh_token = accounts.grant(db, code)
    elif kind == "refresh_token":
        refresh_token = request.form.get("refresh_token", "")
    else:
        raise TokenRefusal(400, "unsupported_grant_type", "authorization_code or refresh_token.")
    its_grant = accounts.find_grant(db, refresh_token)
    if its_grant is None:
        return _no_grant()
    return jsonify(
        access_token=accounts.issue_access(db, its_grant),
        expires_in=int(accounts.ACCESS_LIFE.total_seconds()),
        token_type="bearer",  # noqa: S106  # a word of the protocol
        scope=its_grant.scope,
        refresh_token=refresh_token,
    )


def _no_grant() -> Response:
    """An answer and not an exception: the code is used up all the same."""
    response = jsonify(error="invalid_grant", error_description="The code or token is unknown, used or too old.")
    response.status_code = 400
    return response


@oauth.delete("/tokens")
@_for_application
def revoke_token(db: sqlite3.Connection) -> Response:
    """204 whether or not the token was good: its holder learns nothing from asking."""
    accounts.revoke(db, request.form.get("token", ""))
    return Response(status=204)
