"""What a merchant's token may read, client links, and the page on which a tester moves an account's papers on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from marketplace.payments.sandbox import accounts, bodies, faults, shapes
from marketplace.payments.sandbox.credentials import profiles_of
from marketplace.payments.sandbox.oauth import SCOPES
from marketplace.payments.sandbox.operations import HAL, authenticate, links_of
from marketplace.payments.sandbox.pages import error_page, sealed
from marketplace.payments.sandbox.refusals import ApiRefusal, no_such, unprocessable
from marketplace.payments.sandbox.server_state import state_of

onboarding = Blueprint("onboarding", __name__)

#: What the marketplace appends to a client link, and the consent page wants.
LINK_MEMBERS = ("client_id", "state", "scope", "redirect_uri")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks. `account` is the merchant's behind the token, None for the marketplace's own credentials."""

    profile: shapes.Profile
    scopes: frozenset[str]
    account: accounts.Account | None = None
    is_api_key: bool = False

    def check_partner(self) -> None:
        """403 unless it is the marketplace with its organisation's token (mollie.md D2)."""
        if self.account is not None or self.is_api_key:
            raise ApiRefusal(403, "This needs the partner's organization access token.")


def reading(scope: str | None) -> Callable[[Callable[..., shapes.Json]], Callable[..., Response]]:
    """The view as a GET that a merchant's token with `scope` may make, and the marketplace's own credentials."""

    def declare(view: Callable[..., shapes.Json]) -> Callable[..., Response]:
        @wraps(view)
        def run(**ids: str) -> Response:
            fault = state_of(current_app).faults.take(request.method, request.path)
            spoiled = faults.spoils_before(fault) if fault else None
            if spoiled is not None:
                return spoiled
            reader = _reader()
            if scope is not None and scope not in reader.scopes:
                raise ApiRefusal(403, f"The token lacks the scope {scope}.")
            answer = json.dumps(view(reader, **ids))
            response = Response(answer, status=200, content_type=HAL)
            return faults.spoils_after(fault, request, response) if fault else response

        return run

    return declare


def _reader() -> Reader:
    state = state_of(current_app)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.startswith("access_"):
        with state.book.transaction() as db:
            found = accounts.find_access(db, token)
            if found is not None:
                account = accounts.get_account(db, found.organization_id)
                profile = shapes.Profile(
                    id=f"pfl_{account.organization_id[4:14]}",
                    organization_id=account.organization_id,
                    name=account.name,
                )
                return Reader(profile, frozenset(found.scope.split()), account)
    credential = authenticate(state)
    if credential.profile is not None:
        return Reader(credential.profile, SCOPES, is_api_key=True)
    with state.book.transaction() as db:
        return Reader(profiles_of(db, credential.organization_id)[0], credential.scopes)


@onboarding.get("/v2/organizations/<organization_id>")
@reading("organizations.read")
def show_organization(reader: Reader, organization_id: str) -> shapes.Json:
    links = links_of(state_of(current_app))
    if organization_id not in ("me", reader.profile.organization_id):
        raise no_such("organization", organization_id)
    return shapes.organization(reader.profile.organization_id, reader.profile.name, links)


@onboarding.get("/v2/onboarding/me")
@reading("onboarding.read")
def show_onboarding(reader: Reader) -> shapes.Json:
    links = links_of(state_of(current_app))
    body = shapes.onboarding(reader.profile, links)
    account = reader.account
    if account is None:
        return body
    body["status"] = account.status
    body["canReceivePayments"] = account.can_receive_payments
    body["canReceiveSettlements"] = account.can_receive_settlements
    body["signedUpAt"] = shapes.instant(account.signed_up_at)
    body["_links"]["dashboard"] = links.page(f"onboarding/{account.organization_id}")
    return body


@onboarding.get("/v2/capabilities")
@reading("onboarding.read")
def list_capabilities(reader: Reader) -> shapes.Json:
    """Payments and settlements, each enabled, pending or waiting for papers."""
    links = links_of(state_of(current_app))
    account = reader.account
    flags = (True, True) if account is None else (account.can_receive_payments, account.can_receive_settlements)
    waiting = "pending" if account is not None and account.status == "in-review" else "disabled"
    shown: list[shapes.Json] = []
    for name, is_enabled in zip(("payments", "settlements"), flags, strict=True):
        status = "enabled" if is_enabled else waiting
        shown.append(
            {
                "resource": "capability",
                "name": name,
                "status": status,
                "statusReason": "requirement-past-due" if status == "disabled" else None,
                "requirements": [],
            }
        )
    body = shapes.whole_list("capabilities", shown, links, "capabilities", "list-capabilities")
    del body["_links"]["self"]
    return body


@onboarding.get("/v2/permissions")
@reading(None)
def list_permissions(reader: Reader) -> shapes.Json:
    """Every scope, and whether this token has it."""
    links = links_of(state_of(current_app))
    shown = [
        {
            "resource": "permission",
            "id": scope,
            "description": scope,
            "granted": scope in reader.scopes,
            "_links": {"self": links.hal(f"permissions/{scope}")},
        }
        for scope in sorted(SCOPES)
    ]
    return shapes.whole_list("permissions", shown, links, "permissions", "list-permissions")


@onboarding.get("/v2/profiles/me")
@reading("profiles.read")
def show_profile(reader: Reader) -> shapes.Json:
    return shapes.profile(reader.profile, links_of(state_of(current_app)))


@onboarding.get("/v2/clients")
@reading("clients.read")
def list_clients(reader: Reader) -> shapes.Json:
    """The organisations whose consent the marketplace holds; an API key may not ask (mollie.md D2)."""
    reader.check_partner()
    links = links_of(state_of(current_app))
    with state_of(current_app).book.transaction() as db:
        rows = db.execute(
            "SELECT organization_id, min(granted_at) AS granted_at FROM oauth_grants WHERE revoked_at IS NULL"
            " GROUP BY organization_id ORDER BY min(position) DESC"
        ).fetchall()
    shown = [
        {
            "resource": "client",
            "id": row["organization_id"],
            "organizationCreatedAt": row["granted_at"],
            "_links": {
                "self": links.hal(f"clients/{row['organization_id']}"),
                "organization": links.hal(f"organizations/{row['organization_id']}"),
            },
        }
        for row in rows
    ]
    return shapes.list_page("clients", shown, links, "clients", None, "list-clients")


@onboarding.post("/v2/client-links")
def create_client_link() -> Response:
    """A page on which a merchant opens an account, filled in with what the marketplace knows."""
    state = state_of(current_app)
    fault = state.faults.take(request.method, request.path)
    spoiled = faults.spoils_before(fault) if fault else None
    if spoiled is not None:
        return spoiled
    _reader().check_partner()
    prefilled = _read_client(bodies.read_json(request.get_data()))
    links = links_of(state)
    with state.book.transaction() as db:
        link_id = accounts.create_link(db, prefilled)
    body = {
        "resource": "client-link",
        "id": link_id,
        "_links": {
            "clientLink": links.page(f"client-link/{link_id}"),
            "documentation": links.documentation("create-client-link"),
        },
    }
    response = Response(json.dumps(body), status=201, content_type=HAL)
    return faults.spoils_after(fault, request, response) if fault else response


def _read_client(body: bodies.Body) -> dict[str, str]:
    """Who is invited; 422 unless owner, name and country are there."""
    owner, address = body.get("owner"), body.get("address")
    owner = owner if isinstance(owner, Mapping) else {}
    for member in ("email", "givenName", "familyName"):
        if not isinstance(owner.get(member), str) or not owner[member].strip():
            raise unprocessable(f"owner.{member}", "This is missing.")
    if not isinstance(body.get("name"), str) or not body["name"].strip():
        raise unprocessable("name", "The name is missing.")
    country = address.get("country") if isinstance(address, Mapping) else None
    if not isinstance(country, str) or len(country) != 2 or not country.isupper():
        raise unprocessable("address.country", "A country as in 'FR'.")
    registration = body.get("registrationNumber")
    return {
        "name": body["name"],
        "email": owner["email"],
        "registration": registration if isinstance(registration, str) else "",
    }


@onboarding.get("/client-link/<link_id>")
def show_client_link(link_id: str) -> AnyResponse:
    """The new account's form, filled in; it ends at the consent page."""
    return _client_link_page(link_id)


@onboarding.post("/client-link/<link_id>")
def follow_client_link(link_id: str) -> AnyResponse:
    """The account is open; now its owner is asked for consent."""
    name = " ".join(request.form.get("name", "").split())[:100]
    if not name:
        return _client_link_page(link_id, status=422)
    with state_of(current_app).book.transaction() as db:
        link = accounts.find_link(db, link_id)
        if link is None:
            return error_page(404)
        account = accounts.follow_link(db, link, name)
    asked = {
        name: request.args[name] for name in ("client_id", "state", "scope", "redirect_uri") if name in request.args
    }
    query = urlencode({**asked, "response_type": "code", "organization": account.organization_id})
    return redirect(f"{url_for('oauth.show_consent')}?{query}", 303)


def _client_link_page(link_id: str, *, status: int = 200) -> Response:
    with state_of(current_app).book.transaction() as db:
        link = accounts.find_link(db, link_id)
    if link is None:
        return error_page(404)
    page = render_template("sandbox/client_link.html", link=link, unclear=status != 200)
    return sealed(page, status, "form-action 'self'")


@onboarding.get("/onboarding/<organization_id>")
def show_papers(organization_id: str) -> AnyResponse:
    """How far the account's papers are."""
    return _papers_page(organization_id)


@onboarding.post("/onboarding/<organization_id>")
def set_papers(organization_id: str) -> AnyResponse:
    """The tester moves the papers on, or throws the application out."""
    form = request.form
    is_thrown_out = form.get("act") == "revoke"
    if not is_thrown_out and form.get("status") not in accounts.STATUSES:
        return _papers_page(organization_id, status=422)
    with state_of(current_app).book.transaction() as db:
        account = accounts.find_account(db, organization_id)
        if account is None:
            return error_page(404)
        if is_thrown_out:
            accounts.revoke_all(db, organization_id)
        else:
            accounts.set_onboarding(
                db,
                account,
                form["status"],
                can_receive_payments="payments" in form,
                can_receive_settlements="settlements" in form,
            )
    return redirect(url_for("onboarding.show_papers", organization_id=organization_id, noted=1), 303)


def _papers_page(organization_id: str, *, status: int = 200) -> Response:
    with state_of(current_app).book.transaction() as db:
        account = accounts.find_account(db, organization_id)
        is_granted = accounts.is_granted(db, organization_id)
    if account is None:
        return error_page(404)
    page = render_template(
        "sandbox/papers.html",
        account=account,
        is_granted=is_granted,
        unclear=status != 200,
        noted="noted" in request.args,
    )
    return sealed(page, status, "form-action 'self'")
