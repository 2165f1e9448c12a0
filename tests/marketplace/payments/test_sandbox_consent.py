"""The provider's part of connecting: the consent page, its codes and tokens, client links, and an account's papers."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import html5lib
import pytest
import requests
from selectolax.lexbor import LexborHTMLParser

from tests.sandbox_server import APPLICATION, KEY, Sandbox

BACK = APPLICATION.redirect_uris[0]
SCOPE = "organizations.read onboarding.read"


def address(sandbox: Sandbox, **changed: str | None) -> str:
    """The address of the consent page, with members changed, or left out for None."""
    members = {
        "client_id": APPLICATION.client_id,
        "redirect_uri": BACK,
        "state": "s-1",
        "scope": SCOPE,
        "response_type": "code",
        **changed,
    }
    return f"{sandbox.url}/oauth2/authorize?" + urlencode({k: v for k, v in members.items() if v is not None})


def query_of(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def code_of(sandbox: Sandbox, *, organization: str = "org_librairie", scope: str = SCOPE) -> str:
    return query_of(sandbox.consent(address(sandbox, scope=scope), organization=organization))["code"]


def ask(sandbox: Sandbox, *, in_body: bool = False, method: str = "POST", **form: str) -> requests.Response:
    """The token endpoint, as the application."""
    proof = (APPLICATION.client_id, APPLICATION.client_secret)
    if in_body:
        form |= {"client_id": proof[0], "client_secret": proof[1]}
    url = f"{sandbox.url}/oauth2/tokens"
    return requests.request(method, url, data=form, auth=None if in_body else proof, timeout=10)


def tokens(sandbox: Sandbox, **kwargs: str) -> Any:
    answer = ask(sandbox, grant_type="authorization_code", code=code_of(sandbox, **kwargs), redirect_uri=BACK)
    assert answer.status_code == 200, answer.text
    return answer.json()


def read(sandbox: Sandbox, path: str, token: str) -> requests.Response:
    return sandbox.call("GET", path, key=token)


@pytest.fixture(autouse=True)
def known(sandbox: Sandbox) -> None:
    sandbox.register_organization("org_librairie", "Librairie du Rempart")


def test_the_page_says_who_asks_for_what_and_is_clearly_a_simulator(sandbox: Sandbox) -> None:
    answer = requests.get(address(sandbox), timeout=10)
    html5lib.HTMLParser(strict=True).parse(answer.text)
    body = LexborHTMLParser(answer.text).body
    assert body is not None
    text = " ".join(body.text(separator=" ").split())
    assert answer.status_code == 200
    assert "Simulateur de paiement : aucun argent réel" in text
    assert "Autoriser Le marché commun ?" in text
    assert "lire le nom et l’adresse de votre organisation lire où en est l’ouverture de votre compte" in text
    assert "Librairie du Rempart (org_librairie)" in text
    assert "form-action 'self' http://127.0.0.1:5000" in answer.headers["Content-Security-Policy"]


def test_a_consent_leads_back_with_a_code_and_the_state(sandbox: Sandbox) -> None:
    location = sandbox.consent(address(sandbox), organization="org_librairie")
    assert location.startswith(f"{BACK}?code=auth_")
    assert query_of(location)["state"] == "s-1"


def test_a_refusal_leads_back_with_access_denied(sandbox: Sandbox) -> None:
    location = sandbox.consent(address(sandbox), accept=False)
    assert query_of(location)["error"] == "access_denied"
    assert query_of(location)["state"] == "s-1"


def test_an_address_with_a_query_of_its_own_keeps_it(sandbox: Sandbox) -> None:
    location = sandbox.consent(
        address(sandbox, redirect_uri=APPLICATION.redirect_uris[1]), name="Nouvelle", accept=True
    )
    assert location.startswith("http://[::1]:8000/r?a=b&code=auth_")


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "app_else"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{BACK}/more"},
        {"state": None},
        {"state": ""},
    ],
)
def test_the_browser_is_sent_nowhere_when_nobody_known_asks(sandbox: Sandbox, changed: dict[str, str | None]) -> None:
    for method in ("GET", "POST"):
        url = address(sandbox, **changed)
        answer = requests.request(method, url, data={"decision": "accept"}, allow_redirects=False, timeout=10)
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
        assert "Cette demande d’autorisation est mal faite" in answer.text


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"scope": None}, "invalid_scope"),
        ({"scope": "payments.read everything"}, "invalid_scope"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_a_wrong_question_is_told_to_the_application(
    sandbox: Sandbox, changed: dict[str, str | None], error: str
) -> None:
    answer = requests.get(address(sandbox, **changed), allow_redirects=False, timeout=10)
    assert query_of(answer.headers["Location"]) == {"error": error, "state": "s-1"}


@pytest.mark.parametrize("form", [{}, {"decision": "accept"}, {"decision": "maybe", "organization": "org_librairie"}])
def test_an_unclear_answer_is_asked_again(sandbox: Sandbox, form: dict[str, str]) -> None:
    answer = requests.post(address(sandbox), data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 422
    assert "Choisissez un compte" in answer.text


@pytest.mark.parametrize("in_body", [False, True])
def test_a_code_brings_tokens_once(sandbox: Sandbox, in_body: bool) -> None:
    code = code_of(sandbox)
    first = ask(sandbox, in_body=in_body, grant_type="authorization_code", code=code, redirect_uri=BACK)
    second = ask(sandbox, in_body=in_body, grant_type="authorization_code", code=code, redirect_uri=BACK)
    body = first.json()
    assert body["access_token"].startswith("access_")
    assert body["refresh_token"].startswith("refresh_")
    assert (body["expires_in"], body["token_type"], body["scope"]) == (3600, "bearer", SCOPE)
    assert (second.status_code, second.json()["error"]) == (400, "invalid_grant")


def test_a_code_is_good_for_thirty_seconds(sandbox: Sandbox) -> None:
    code = code_of(sandbox)
    sandbox.advance_clock(31)
    answer = ask(sandbox, grant_type="authorization_code", code=code, redirect_uri=BACK)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_code_is_good_for_the_address_it_was_asked_for_only(sandbox: Sandbox) -> None:
    answer = ask(
        sandbox, grant_type="authorization_code", code=code_of(sandbox), redirect_uri=APPLICATION.redirect_uris[1]
    )
    assert answer.json()["error"] == "invalid_grant"


@pytest.mark.parametrize("proof", [("app_sandbox", "wrong"), ("app_else", "secret-of-the-site"), ("", "")])
def test_nobody_else_gets_the_tokens(sandbox: Sandbox, proof: tuple[str, str]) -> None:
    form = {"grant_type": "authorization_code", "code": code_of(sandbox), "redirect_uri": BACK}
    answer = requests.post(f"{sandbox.url}/oauth2/tokens", data=form, auth=proof, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_an_access_token_lives_an_hour_and_is_renewed_without_end(sandbox: Sandbox) -> None:
    got = tokens(sandbox)
    assert read(sandbox, "organizations/me", got["access_token"]).json()["id"] == "org_librairie"
    sandbox.advance_clock(3601)
    assert read(sandbox, "organizations/me", got["access_token"]).status_code == 401
    renewed = ask(sandbox, in_body=True, grant_type="refresh_token", refresh_token=got["refresh_token"]).json()
    assert read(sandbox, "organizations/me", renewed["access_token"]).json()["name"] == "Librairie du Rempart"


def test_what_was_revoked_opens_nothing(sandbox: Sandbox) -> None:
    got = tokens(sandbox)
    answer = ask(sandbox, method="DELETE", token=got["refresh_token"], token_type_hint="refresh_token")
    assert answer.status_code == 204
    assert read(sandbox, "onboarding/me", got["access_token"]).status_code == 401
    again = ask(sandbox, grant_type="refresh_token", refresh_token=got["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    (organization,) = sandbox.book()["organizations"]
    assert organization["can_receive_payments"] == 0


def test_the_owner_may_throw_the_application_out(sandbox: Sandbox) -> None:
    got = tokens(sandbox)
    sandbox.throw_out("org_librairie")
    assert read(sandbox, "onboarding/me", got["access_token"]).status_code == 401


def test_a_token_reads_what_its_scope_allows(sandbox: Sandbox) -> None:
    token = tokens(sandbox, scope="organizations.read")["access_token"]
    assert read(sandbox, "organizations/me", token).status_code == 200
    assert read(sandbox, "onboarding/me", token).status_code == 403
    assert read(sandbox, "profiles/me", token).status_code == 403
    assert read(sandbox, "clients", token).status_code == 403
    granted = [
        item for item in read(sandbox, "permissions", token).json()["_embedded"]["permissions"] if item["granted"]
    ]
    assert [item["id"] for item in granted] == ["organizations.read"]


def test_another_organisation_is_not_to_be_seen(sandbox: Sandbox) -> None:
    token = tokens(sandbox)["access_token"]
    assert read(sandbox, "organizations/org_librairie", token).status_code == 200
    assert read(sandbox, "organizations/org_fromagerie", token).status_code == 404


def test_a_new_account_begins_without_papers_and_a_tester_moves_them_on(sandbox: Sandbox) -> None:
    location = sandbox.consent(address(sandbox), name="Chez Odette")
    got = ask(sandbox, grant_type="authorization_code", code=query_of(location)["code"], redirect_uri=BACK).json()
    token = got["access_token"]
    organization_id = read(sandbox, "organizations/me", token).json()["id"]

    def papers() -> tuple[str, bool, bool]:
        body = read(sandbox, "onboarding/me", token).json()
        return body["status"], body["canReceivePayments"], body["canReceiveSettlements"]

    def capabilities() -> list[str]:
        body = read(sandbox, "capabilities", token).json()
        return [item["status"] for item in body["_embedded"]["capabilities"]]

    assert papers() == ("needs-data", False, False)
    assert capabilities() == ["disabled", "disabled"]
    sandbox.move_papers(organization_id, "in-review", payments=True)
    assert papers() == ("in-review", True, False)
    assert capabilities() == ["enabled", "pending"]
    sandbox.move_papers(organization_id, "completed", payments=True, settlements=True)
    assert papers() == ("completed", True, True)
    dashboard = read(sandbox, "onboarding/me", token).json()["_links"]["dashboard"]["href"]
    page = requests.get(dashboard, timeout=10)
    html5lib.HTMLParser(strict=True).parse(page.text)
    assert "Le dossier de Chez Odette" in page.text


def test_papers_of_nobody_and_nonsense_about_papers(sandbox: Sandbox) -> None:
    assert requests.get(f"{sandbox.url}/onboarding/org_nobody", timeout=10).status_code == 404
    answer = requests.post(f"{sandbox.url}/onboarding/org_librairie", data={"status": "holy"}, timeout=10)
    assert answer.status_code == 422


def test_the_marketplaces_own_key_still_reads_its_own_account(sandbox: Sandbox) -> None:
    assert read(sandbox, "onboarding/me", KEY).json()["status"] == "completed"
    assert read(sandbox, "clients", KEY).status_code == 403
    assert sandbox.call("POST", "client-links", {}).status_code == 403
    assert read(sandbox, "onboarding/me", "access_nobody").status_code == 401


INVITED = {
    "owner": {"email": "o@example.org", "givenName": "Odette", "familyName": "Roy"},
    "name": "Chez Odette",
    "address": {"country": "FR"},
}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"owner": {}}, "owner.email"),
        ({"owner": {"email": "o@example.org", "givenName": "Odette"}}, "owner.familyName"),
        ({"name": ""}, "name"),
        ({"address": {"country": "France"}}, "address.country"),
        ({"address": None}, "address.country"),
    ],
)
def test_an_invitation_that_lacks_something_is_refused(sandbox: Sandbox, changed: dict[str, Any], field: str) -> None:
    sandbox.control("POST", "access-tokens", {"token": "access_platform"})
    answer = sandbox.call("POST", "client-links", {**INVITED, **changed}, key="access_platform")
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_an_invitation_opens_one_account_and_ends_after_thirty_days(sandbox: Sandbox) -> None:
    sandbox.control("POST", "access-tokens", {"token": "access_platform"})
    answer = sandbox.call("POST", "client-links", INVITED, key="access_platform")
    assert answer.status_code == 201
    link = answer.json()["_links"]["clientLink"]["href"]
    page = requests.get(link, timeout=10)
    html5lib.HTMLParser(strict=True).parse(page.text)
    assert 'value="Chez Odette"' in page.text
    ways = [
        requests.post(f"{link}?state=s", data={"name": "Chez Odette"}, allow_redirects=False, timeout=10)
        for _ in range(2)
    ]
    assert len({query_of(way.headers["Location"])["organization"] for way in ways}) == 1
    assert requests.post(link, data={"name": " "}, timeout=10).status_code == 422
    sandbox.advance_clock(30 * 24 * 3600)
    assert requests.get(link, timeout=10).status_code == 404
