"""Asking a merchant for consent at Mollie, and what the tokens that this brings may read.

Plain requests: the library's own OAuth ignores the endpoint that the settings name, draws its `state` where nobody can
keep it, and refuses the sandbox (mollie.md 1.2). Trouble is told apart as in `gateway`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import requests

from marketplace.payments.gateway import OutcomeUnknown, Rejected, TryAgain

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Asked for at once: a later scope would need a new consent by every merchant (mollie.md 2.5).
SCOPE = "organizations.read onboarding.read profiles.read payments.read"
#: Of these Mollie's pages are; a link of its answers that leads elsewhere is not shown.
PROVIDER_DOMAIN = ".mollie.com"

_ORGANIZATION_ID = re.compile(r"\Aorg_[A-Za-z0-9]{4,40}\Z")


class TokenRefused(Rejected):
    """The code or the token is not good any more: its owner must consent again."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """`access_token` reads for `expires_in_s` seconds; `refresh_token` brings the next one."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: int


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Onboarding:
    """How far the provider is with a merchant. `status`: needs_data, in_review or completed."""

    status: str
    can_receive_payments: bool
    can_receive_settlements: bool
    dashboard_url: str | None


@dataclass(frozen=True, slots=True)
class ClientFile:
    """What the merchant's file knows, for the form of a new account; `registration` digits only, or empty."""

    email: str
    given_name: str
    family_name: str
    legal_name: str
    street: str
    postcode: str
    city: str
    registration: str


@dataclass(frozen=True, slots=True)
class Consent:
    """The association's application at Mollie. `access_token` is its own organisation's; empty without client links."""

    endpoint: str
    authorize_page: str
    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str
    access_token: str = field(repr=False)
    timeout_s: tuple[float, float] = (3, 10)

    def authorize_url(self, state: str) -> str:
        """Where the merchant says yes or no."""
        asked = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "state": state,
            "scope": SCOPE,
            "response_type": "code",
            "approval_prompt": "auto",
        }
        return f"{self.authorize_page}?{urlencode(asked)}"

    def client_link(self, file: ClientFile, state: str) -> str:
        """Where a merchant without an account opens one, filled in with the file; it ends at the consent."""
        body: dict[str, Any] = {
            "owner": {"email": file.email, "givenName": file.given_name, "familyName": file.family_name},
            "name": file.legal_name,
            "address": {
                "streetAndNumber": file.street,
                "postalCode": file.postcode,
                "city": file.city,
                "country": "FR",
            },
        }
        if file.registration:
            body["registrationNumber"] = file.registration
        answer = self._ask("POST", "/v2/client-links", token=self.access_token, json=body)
        href = _read(lambda: self._trusted(answer["_links"]["clientLink"]["href"]))
        if href is None:
            raise OutcomeUnknown("a client link that leads away from the provider")
        asked = {"client_id": self.client_id, "state": state, "scope": SCOPE, "approval_prompt": "auto"}
        return f"{href}{'&' if '?' in href else '?'}{urlencode(asked)}"

    def exchange(self, code: str) -> Tokens:
        """The code's tokens; TokenRefused for one that is unknown, used or older than 30 seconds."""
        return self._tokens(grant_type="authorization_code", code=code, redirect_uri=self.redirect_uri)

    def refresh(self, refresh_token: str) -> Tokens:
        """The next access token; TokenRefused once the merchant has taken the consent back."""
        return self._tokens(grant_type="refresh_token", refresh_token=refresh_token)

    def revoke(self, refresh_token: str) -> None:
        """The refresh token and what came of it open nothing any more; harmless to repeat."""
        self._ask(
            "DELETE",
            "/oauth2/tokens",
            data={"token_type_hint": "refresh_token", "token": refresh_token},
            auth=(self.client_id, self.client_secret),
        )

    def organization(self, access_token: str) -> Organization:
        answer = self._ask("GET", "/v2/organizations/me", token=access_token)

        def read() -> Organization:
            if not _ORGANIZATION_ID.match(answer["id"]):
                raise ValueError("not an organisation's id")
            return Organization(answer["id"], str(answer.get("name") or answer["id"]))

        return _read(read)

    def onboarding(self, access_token: str) -> Onboarding:
        """A status that did not exist when this was written counts as in review: nothing follows from it."""
        answer = self._ask("GET", "/v2/onboarding/me", token=access_token)

        def read() -> Onboarding:
            status = str(answer["status"]).replace("-", "_")
            if status not in ("needs_data", "in_review", "completed"):
                log.error("onboarding status %r is unknown here", status[:40])
                status = "in_review"
            dashboard = answer.get("_links", {}).get("dashboard") or {}
            return Onboarding(
                status=status,
                can_receive_payments=answer["canReceivePayments"] is True,
                can_receive_settlements=answer["canReceiveSettlements"] is True,
                dashboard_url=self._trusted(dashboard.get("href")),
            )

        return _read(read)

    def _tokens(self, **form: str) -> Tokens:
        answer = self._ask("POST", "/oauth2/tokens", data=form, auth=(self.client_id, self.client_secret))

        def read() -> Tokens:
            access, refresh = answer["access_token"], answer.get("refresh_token") or form.get("refresh_token")
            if not (isinstance(access, str) and access and isinstance(refresh, str) and refresh):
                raise ValueError("a token is missing")
            return Tokens(access, refresh, int(answer["expires_in"]))

        return _read(read)

    def _trusted(self, href: object) -> str | None:
        """The link if it leads to the provider's own pages, else None."""
        if not isinstance(href, str) or not href.isprintable():
            return None
        parts, ours = urlsplit(href), urlsplit(self.authorize_page)
        host = parts.hostname or ""
        is_mollies = parts.scheme == "https" and host.endswith(PROVIDER_DOMAIN)
        is_same = (parts.scheme, parts.netloc) == (ours.scheme, ours.netloc)
        return href if is_mollies or is_same else None

    def _ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        auth: tuple[str, str] | None = None,
        data: Mapping[str, str] | None = None,
        json: object = None,
    ) -> Any:
        """The answer's JSON. What is raised names the call and never what was sent: tokens stay out of logs."""
        call = f"{method} {path}"
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        try:
            with requests.Session() as session:
                # As in the gateway: a proxy may stand before Mollie, never before this machine.
                session.trust_env = self.endpoint.startswith("https://")
                answer = session.request(
                    method,
                    f"{self.endpoint}{path}",
                    headers=headers,
                    auth=auth,
                    data=data,
                    json=json,
                    timeout=self.timeout_s,
                    allow_redirects=False,
                )
        except requests.ConnectTimeout:
            raise TryAgain(f"{call}: no connection in time") from None
        except requests.RequestException as error:
            # Asking again is harmless here: no call of this module moves money.
            raise TryAgain(f"{call}: {type(error).__name__}") from None
        if 200 <= answer.status_code < 300:
            return _read(answer.json) if answer.content else {}
        raise _refusal(call, answer, is_bearer=token is not None)


def _refusal(call: str, answer: requests.Response, *, is_bearer: bool) -> Exception:
    status, what = answer.status_code, f"{call}: {answer.status_code}"
    if is_bearer and status in (401, 403):
        return TokenRefused(what, status=status)
    if status == 400 and _error_word(answer) == "invalid_grant":
        return TokenRefused(what, status=status)
    if status in (401, 409, 429) or status >= 500:
        return TryAgain(what, status=status)
    return Rejected(what, status=status)


def _error_word(answer: requests.Response) -> str | None:
    try:
        word = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        return None
    return word if isinstance(word, str) else None


def _read(read: Callable[[], T]) -> T:
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OutcomeUnknown(f"unreadable answer: {type(error).__name__}") from None
