"""A merchant connects its account, is looked at, and leaves: pages against the sandbox, over HTTP."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update

from basket import orders
from marketplace.accounts.models import SignIn, User
from marketplace.accounts.people import grant_role
from marketplace.app import create_app
from marketplace.clock import FixedClock
from marketplace.errors import GatewayError
from marketplace.hall import Hall
from marketplace.ids import new_token
from marketplace.payments.connect_jobs import look_at_accounts
from marketplace.payments.connecting import application, consenting, leaving, looking, refusing, tokens
from marketplace.payments.connecting.standing import CHECK_READY, CHECK_WAITING, stage_of
from marketplace.payments.gateway import TryAgain
from marketplace.payments.models import ConnectionAttempt, ConnectionEvent, MerchantAccount, Share
from marketplace.payments.oauth import Consent, TokenRefused
from marketplace.payments.service import payable_parties
from merchants.models import Member, Merchant
from merchants.search.index import index_products
from tests.apps import app_over
from tests.basket.counter import Browser, part_of
from tests.marketplace.payments.test_gateway import provider_on_a_free_port
from tests.sandbox_server import APPLICATION, Sandbox
from tests.walk import Town, pay, place, product_id_of, work

PARTY, ENV = "merchant:librairie", "sandbox"
ORGANIZATION_TOKEN = "access_platform"
Keeper = Callable[..., Browser]


@pytest.fixture
def hall(hall: Hall, sandbox: Sandbox) -> Hall:
    """A hall whose association has an application at the provider, and an organisation's token."""
    sandbox.control("POST", "access-tokens", {"token": ORGANIZATION_TOKEN})
    settings = replace(
        hall.settings,
        mollie_endpoint=sandbox.url,
        mollie_authorize_url=f"{sandbox.url}/oauth2/authorize",
        mollie_client_id=APPLICATION.client_id,
        mollie_client_secret=APPLICATION.client_secret,
        mollie_access_token=ORGANIZATION_TOKEN,
    )
    return replace(hall, settings=settings)


@pytest.fixture
def app(hall: Hall, town: Town) -> Flask:
    """The bookshop has no account yet; the two others were noted by the association."""
    with hall.database.transaction() as session:
        session.delete(session.get_one(MerchantAccount, (PARTY, ENV)))
    return app_over(hall, "app")


@pytest.fixture
def keeper(app: Flask, hall: Hall) -> Keeper:
    """A browser in which somebody is signed in: for the merchants of these slugs, or with a part in the association."""

    def open_browser(*slugs: str, member: str = "owner", part: str | None = None) -> Browser:
        now, token = hall.clock.now(), new_token()
        with hall.database.transaction() as session:
            user = User(email=f"{token}@example.org".lower(), name="Claire Aubertin", created_at=now)
            session.add(user)
            session.flush()
            for merchant_id in session.scalars(select(Merchant.id).where(Merchant.key.in_(slugs))).all():
                session.add(Member(user_id=user.id, merchant_id=merchant_id, role=member))
            if part is not None:
                grant_role(session, user_id=user.id, role=part, actor="test", now=now)
            session.add(SignIn(token=token, user_id=user.id, signed_in_at=now, seen_at=now))
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"] = token
            cookie["_fresh"] = True
        return Browser(client)

    return open_browser


def merchant_id(hall: Hall, slug: str = "librairie") -> int:
    with hall.database.reading() as session:
        return session.scalars(select(Merchant.id).where(Merchant.key == slug)).one()


def set_off(hall: Hall, who: Browser, *, way: str = "consent", slug: str = "librairie") -> str:
    """Press the button; the provider's address."""
    answer = who.post(f"/boutique/encaissement/{merchant_id(hall, slug)}/relier", way=way)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def come_back(who: Browser, location: str) -> tuple[int, str]:
    """Where the provider sends the browser: the status, and the page that it ends on."""
    parts = urlsplit(location)
    answer = who.get(f"{parts.path}?{parts.query}")
    page = who.get(answer.headers["Location"]) if answer.status_code == 303 else answer
    return answer.status_code, page.get_data(as_text=True)


def connect_by(
    hall: Hall, sandbox: Sandbox, who: Browser, *, organization: str = "org_librairie", slug: str = "librairie"
) -> tuple[int, str]:
    return come_back(who, sandbox.consent(set_off(hall, who, slug=slug), organization=organization))


def account(hall: Hall, party: str = PARTY) -> MerchantAccount | None:
    with hall.database.reading() as session:
        return session.get(MerchantAccount, (party, ENV))


def payable(hall: Hall) -> frozenset[str]:
    with hall.database.reading() as session:
        return payable_parties(session, ENV)


def events(hall: Hall) -> list[tuple[str, str]]:
    with hall.database.reading() as session:
        found = session.scalars(select(ConnectionEvent).order_by(ConnectionEvent.id)).all()
        return [(event.kind, event.party) for event in found]


def look(hall: Hall) -> None:
    looking.check(hall, party=PARTY, provider_env=ENV)


def consent(hall: Hall) -> Consent:
    found = application.consent_of(hall.settings)
    assert found is not None
    return found


# --- The way there and back ------------------------------------------------------------------------------------


def test_a_merchant_connects_its_account_and_can_be_paid(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    who = keeper("librairie")
    assert "Pas encore relié" in who.get("/boutique/encaissement").text
    assert PARTY not in payable(hall)
    status, page = connect_by(hall, sandbox, who)
    assert status == 303
    assert "Votre compte Mollie est relié." in page
    assert "Librairie du Rempart (org_librairie)" in page
    assert "Vos produits sont vendus en ligne." in page
    assert PARTY in payable(hall)
    assert events(hall) == [("connected", PARTY)]


def test_what_is_asked_for_goes_to_the_providers_page_with_our_address(
    hall: Hall, sandbox: Sandbox, keeper: Keeper
) -> None:
    location = set_off(hall, keeper("librairie"))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(f"{sandbox.url}/oauth2/authorize?")
    assert asked["redirect_uri"] == "http://127.0.0.1:5000/boutique/encaissement/retour"
    assert asked["scope"] == "organizations.read onboarding.read profiles.read payments.read"
    assert asked["response_type"] == "code"


def test_a_merchant_without_an_account_opens_one_that_knows_its_file(
    hall: Hall, sandbox: Sandbox, keeper: Keeper
) -> None:
    who = keeper("librairie")
    link = set_off(hall, who, way="new")
    assert link.startswith(f"{sandbox.url}/client-link/")
    assert 'value="SARL Librairie du Rempart"' in sandbox.http.get(link, timeout=10).text
    opened = sandbox.http.post(link, data={"name": "SARL Librairie du Rempart"}, allow_redirects=False, timeout=10)
    own = parse_qs(urlsplit(opened.headers["Location"]).query)["organization"][0]
    status, page = come_back(who, sandbox.consent(f"{sandbox.url}{opened.headers['Location']}", organization=own))
    assert status == 303
    assert "À compléter chez Mollie" in page
    assert f"{sandbox.url}/onboarding/{own}" in page
    assert PARTY not in payable(hall)


def test_who_refuses_reads_that_nothing_changed(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    who = keeper("librairie")
    status, page = come_back(who, sandbox.consent(set_off(hall, who), accept=False))
    assert status == 409
    assert "l’accord n’a pas été donné" in page
    assert account(hall) is None
    assert events(hall) == [("refused", PARTY)]


def test_an_answer_is_taken_once(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    who = keeper("librairie")
    location = sandbox.consent(set_off(hall, who), organization="org_librairie")
    assert come_back(who, location)[0] == 303
    status, page = come_back(who, location)
    assert status == 409
    assert "elle a déjà servi" in page


def test_an_answer_after_an_hour_is_too_late(hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock) -> None:
    who = keeper("librairie")
    location = sandbox.consent(set_off(hall, who), organization="org_librairie")
    clock.advance(timedelta(hours=1))
    assert come_back(who, location)[0] == 409
    assert account(hall) is None


def test_a_code_that_is_too_old_is_said(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    who = keeper("librairie")
    location = sandbox.consent(set_off(hall, who), organization="org_librairie")
    sandbox.advance_clock(31)
    status, page = come_back(who, location)
    assert status == 409
    assert "qui ne vaut que trente secondes" in page
    assert account(hall) is None


def test_nobody_brings_another_persons_answer(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    """A code slipped to a merchant would pay its sales to the attacker's account."""
    attacker, colleague, victim = keeper("cave"), keeper("librairie"), keeper("librairie")
    location = sandbox.consent(set_off(hall, attacker, slug="cave"), organization="org_librairie")
    own = sandbox.consent(set_off(hall, colleague), organization="org_librairie")
    for answer in (location, own):
        status, page = come_back(victim, answer)
        assert status == 403
        assert "n’est pas celle de votre demande" in page
    assert account(hall) is None
    assert come_back(colleague, own)[0] == 303


@pytest.mark.parametrize("state", ["", "x", "WyJsaXZlIiwieCJd.forged", "\u00e9" * 50])
def test_a_forged_state_is_refused(hall: Hall, keeper: Keeper, state: str) -> None:
    who = keeper("librairie")
    answer = who.client.get("/boutique/encaissement/retour", query_string={"code": "auth_x", "state": state})
    assert answer.status_code == 403
    assert account(hall) is None


def test_play_money_and_real_money_are_not_mixed(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    who = keeper("librairie")
    location = sandbox.consent(set_off(hall, who), organization="org_librairie")
    live = create_app(replace(hall, settings=replace(hall.settings, mollie_env="live"))).test_client()
    with who.client.session_transaction() as cookie, live.session_transaction() as other:
        other.update(cookie)
    status, page = come_back(Browser(live), location)
    assert status == 409
    assert "argent d’essai" in page


def test_two_merchants_are_not_paid_through_one_organisation(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    who = keeper("librairie")
    status, page = connect_by(hall, sandbox, who, organization="org_fromagerie")
    assert status == 409
    assert "sert déjà à un autre commerce du marché" in page
    assert account(hall) is None


@pytest.mark.parametrize("call", ["POST /oauth2/tokens", "GET /v2/organizations/me", "GET /v2/onboarding/me"])
@pytest.mark.parametrize("trouble", [{"action": "status"}, {"action": "html"}, {"action": "drop_after"}])
def test_a_provider_that_is_away_changes_nothing(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, call: str, trouble: dict[str, str]
) -> None:
    who = keeper("librairie")
    location = sandbox.consent(set_off(hall, who), organization="org_librairie")
    sandbox.plan_fault(call, **trouble)
    status, page = come_back(who, location)
    assert status == 503
    assert "Mollie ne répond pas en ce moment" in page
    assert account(hall) is None
    assert connect_by(hall, sandbox, who)[0] == 303


def test_a_provider_that_is_away_gives_no_link(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    sandbox.plan_fault("POST /v2/client-links", "half_json")
    answer = keeper("librairie").post(f"/boutique/encaissement/{merchant_id(hall)}/relier", way="new")
    assert answer.status_code == 503


def test_without_an_application_the_page_says_so(hall: Hall, town: Town, keeper: Keeper) -> None:
    off = create_app(replace(hall, settings=replace(hall.settings, mollie_client_id=""))).test_client()
    with keeper("librairie").client.session_transaction() as cookie, off.session_transaction() as other:
        other.update(cookie)
    who = Browser(off)
    assert "L’association n’a pas encore ouvert cette possibilité." in who.get("/boutique/encaissement").text
    answer = who.post(f"/boutique/encaissement/{merchant_id(hall)}/relier", way="consent")
    assert answer.status_code == 409


# --- Who may ---------------------------------------------------------------------------------------------------


def test_only_owners_decide_where_the_money_goes(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    helper, its_id = keeper("librairie", member="staff"), merchant_id(hall)
    assert "Prêt" in helper.get("/boutique/encaissement").text
    assert helper.post(f"/boutique/encaissement/{its_id}/relier", way="consent").status_code == 403
    assert helper.get(f"/boutique/encaissement/{its_id}/delier").status_code == 403
    assert helper.post(f"/boutique/encaissement/{its_id}/delier").status_code == 403
    assert helper.post(f"/boutique/encaissement/{its_id}/regarder").status_code == 303
    assert PARTY in payable(hall)


def test_a_stranger_finds_nothing(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    stranger, its_id = keeper("cave"), merchant_id(hall)
    assert "Rempart" not in stranger.get("/boutique/encaissement").text
    for path, form in (("relier", {"way": "consent"}), ("regarder", {}), ("delier", {})):
        assert stranger.post(f"/boutique/encaissement/{its_id}/{path}", **form).status_code == 404
    assert stranger.get(f"/boutique/encaissement/{its_id}/delier").status_code == 404
    assert keeper().get("/boutique/encaissement").status_code == 403
    assert PARTY in payable(hall)


def test_forms_need_the_token_of_the_page(hall: Hall, keeper: Keeper) -> None:
    who, its_id = keeper("librairie"), merchant_id(hall)
    for path in ("relier", "regarder", "delier"):
        answer = who.client.post(f"/boutique/encaissement/{its_id}/{path}", data={"way": "consent"})
        assert answer.status_code == 400


def test_the_association_sees_who_is_connected(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    coordinator = keeper(part="coordinator")
    page = coordinator.get("/encaissements").text
    assert "2 commerces sur 3 peuvent être payés en ligne." in page
    first = re.search(r'<th scope="row">([^<]+)</th>', page)
    assert first is not None
    assert first[1] == "SARL Librairie du Rempart"
    connect_by(hall, sandbox, keeper("librairie"))
    assert "3 commerces sur 3" in coordinator.get("/encaissements").text
    assert keeper("librairie").get("/encaissements").status_code == 403
    assert keeper(part="courier").get("/encaissements").status_code == 403


# --- Onboarding and tokens -------------------------------------------------------------------------------------


def test_papers_are_looked_at_again_by_the_worker(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    who = keeper("librairie")
    come_back(who, sandbox.consent(set_off(hall, who), name="SARL Librairie"))
    row = account(hall)
    assert row is not None
    assert "À compléter chez Mollie" in who.get("/boutique/encaissement").text
    sandbox.move_papers(row.organization_id, "in-review")
    assert who.post(f"/boutique/encaissement/{merchant_id(hall)}/regarder").status_code == 303
    assert "En cours d’examen" in who.get("/boutique/encaissement").text
    sandbox.move_papers(row.organization_id, "in-review", payments=True)
    clock.advance(timedelta(minutes=10))
    with hall.database.transaction() as session:
        assert looking.claim_due_checks(session, provider_env=ENV, now=clock.now()) == [PARTY]
        assert looking.claim_due_checks(session, provider_env=ENV, now=clock.now()) == []
    look(hall)
    page = who.get("/boutique/encaissement").text
    assert "Vos produits sont vendus en ligne." in page
    assert "il lui manque une pièce pour le virer à votre banque" in page
    assert PARTY in payable(hall)
    sandbox.move_papers(row.organization_id, "needs-data")
    look(hall)
    assert PARTY not in payable(hall)
    assert [kind for kind, _ in events(hall)] == ["connected", "papers", "papers", "papers"]


def test_the_round_looks_at_every_account_that_is_due(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    sandbox.move_papers("org_librairie", "needs-data")
    look_at_accounts(hall)
    work(hall)
    assert PARTY in payable(hall), "not due yet"
    clock.advance(CHECK_READY)
    sandbox.plan_fault("POST /oauth2/tokens", "status", status=503)
    look_at_accounts(hall)
    work(hall)
    assert PARTY in payable(hall), "the provider was away"
    clock.advance(CHECK_WAITING)
    look_at_accounts(hall)
    work(hall)
    assert PARTY not in payable(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(ConnectionAttempt)).all() != []
    clock.advance(consenting.ATTEMPTS_KEPT)
    look_at_accounts(hall)
    with hall.database.reading() as session:
        assert session.scalars(select(ConnectionAttempt)).all() == []


def test_a_token_that_could_not_be_given_back_is_given_back_by_the_next_round(
    hall: Hall, sandbox: Sandbox, keeper: Keeper
) -> None:
    who = keeper("librairie")
    connect_by(hall, sandbox, who)
    sandbox.plan_fault("DELETE /oauth2/tokens", "status", status=503, times=9)
    who.post(f"/boutique/encaissement/{merchant_id(hall)}/delier")
    work(hall)
    row = account(hall)
    assert row is not None
    assert row.standing == "leaving"
    sandbox.clear_faults()
    look_at_accounts(hall)
    work(hall)
    row = account(hall)
    assert row is not None
    assert row.standing == "ended"


def test_a_token_is_renewed_when_its_hour_is_over(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    first = tokens.access_token(hall, consent(hall), party=PARTY)
    clock.advance(timedelta(minutes=58))
    assert tokens.access_token(hall, consent(hall), party=PARTY) == first
    clock.advance(timedelta(minutes=1))
    assert tokens.access_token(hall, consent(hall), party=PARTY) != first


def test_a_token_that_ended_early_is_renewed_once(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    sandbox.advance_clock(3601)
    look(hall)
    row = account(hall)
    assert row is not None
    assert row.standing == "connected"


def test_two_refreshers_ask_the_provider_once(hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    clock.advance(timedelta(hours=2))
    sandbox.plan_fault("POST /oauth2/tokens", "delay", seconds=1.0, times=2)
    got: list[str] = []
    together = threading.Barrier(2)

    def renew() -> None:
        together.wait()
        try:
            got.append(tokens.access_token(hall, consent(hall), party=PARTY))
        except TryAgain:
            got.append("later")

    threads = [threading.Thread(target=renew) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(token == "later" for token in got) == [False, True]
    assert sandbox.control("GET", "faults")[0]["times"] == 1
    assert tokens.access_token(hall, consent(hall), party=PARTY) in got


def test_a_refresher_that_died_is_not_waited_for_long(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    clock.advance(timedelta(hours=2))
    with hall.database.transaction() as session:
        session.execute(
            update(MerchantAccount)
            .where(MerchantAccount.party == PARTY)
            .values(refreshing_until_at=clock.now() + tokens.REFRESH_LEASE)
        )
    with pytest.raises(TryAgain):
        tokens.access_token(hall, consent(hall), party=PARTY)
    clock.advance(tokens.REFRESH_LEASE)
    assert tokens.access_token(hall, consent(hall), party=PARTY).startswith("access_")


def test_a_renewal_that_failed_can_be_tried_at_once(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    clock.advance(timedelta(hours=2))
    sandbox.plan_fault("POST /oauth2/tokens", "status", status=503)
    with pytest.raises(GatewayError):
        look(hall)
    look(hall)
    row = account(hall)
    assert row is not None
    assert (row.standing, row.checked_at) == ("connected", clock.now())


def test_a_consent_taken_back_stops_the_sale_until_it_is_given_again(
    hall: Hall, sandbox: Sandbox, keeper: Keeper
) -> None:
    who = keeper("librairie")
    connect_by(hall, sandbox, who)
    sandbox.throw_out("org_librairie")
    look(hall)
    row = account(hall)
    assert row is not None
    assert (row.standing, row.sealed_refresh_token, row.sealed_access_token) == ("reconnect", None, None)
    assert PARTY not in payable(hall)
    page = who.get("/boutique/encaissement").text
    assert "À relier de nouveau" in page
    assert connect_by(hall, sandbox, who)[0] == 303
    assert PARTY in payable(hall)
    assert [kind for kind, _ in events(hall)] == ["connected", "reconnect", "connected"]


def test_an_account_that_is_refused_money_is_looked_at_at_once_and_sells_again_when_its_papers_say_so(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    who = keeper("librairie")
    connect_by(hall, sandbox, who)
    sandbox.register_organization("org_librairie", can_receive_payments=False)
    asked = {"party": PARTY, "provider_env": ENV}
    with hall.database.transaction() as session:
        refusing.shut(session, organization_id="org_of_before", now=clock.now(), **asked)
    assert PARTY in payable(hall), "another account was refused"
    with hall.database.transaction() as session:
        refusing.shut(session, organization_id="org_librairie", now=clock.now(), **asked)
    assert PARTY not in payable(hall)
    sandbox.register_organization("org_librairie", can_receive_payments=True)
    work(hall)
    assert PARTY in payable(hall), "the look that was due at once"
    assert [kind for kind, _ in events(hall)] == ["connected", "shut", "papers"]


def test_a_look_that_was_under_way_spares_the_account_that_is_connected_anew(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    """The old refresh token is refused a second after the same organisation has consented again."""
    who = keeper("librairie")
    connect_by(hall, sandbox, who)
    sandbox.throw_out("org_librairie")
    clock.advance(timedelta(hours=2))
    who = keeper("librairie")
    way = set_off(hall, who)
    sandbox.plan_fault("POST /oauth2/tokens", "delay", seconds=1.0)
    looks = threading.Thread(target=look, args=(hall,))
    looks.start()
    while sandbox.control("GET", "faults"):
        pass  # until the provider has the question
    assert come_back(who, sandbox.consent(way, organization="org_librairie"))[0] == 303
    assert looks.is_alive(), "the old answer is still to come"
    looks.join()
    row = account(hall)
    assert row is not None
    assert row.standing == "connected"
    assert [kind for kind, _ in events(hall)] == ["connected", "connected"]


def test_a_changed_secret_key_asks_for_a_new_consent_unless_it_is_kept_beside(
    hall: Hall, sandbox: Sandbox, keeper: Keeper
) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    kept = replace(hall.settings, secret_key="n" * 40, secret_key_fallbacks=(hall.settings.secret_key,))
    look(replace(hall, settings=kept))
    row = account(hall)
    assert row is not None
    assert row.standing == "connected"
    look(replace(hall, settings=replace(hall.settings, secret_key="o" * 40)))
    row = account(hall)
    assert row is not None
    assert row.standing == "reconnect"


# --- Leaving ---------------------------------------------------------------------------------------------------


def test_who_leaves_reads_first_what_happens_and_is_no_longer_sold(
    hall: Hall, sandbox: Sandbox, keeper: Keeper
) -> None:
    who = keeper("librairie")
    connect_by(hall, sandbox, who)
    token = tokens.access_token(hall, consent(hall), party=PARTY)
    path = f"/boutique/encaissement/{merchant_id(hall)}/delier"
    page = who.get(path).text
    assert "vos produits ne sont plus vendus en ligne, dès maintenant" in page
    assert "leur argent vous est versé comme prévu" in page
    assert PARTY in payable(hall)
    assert who.post(path).status_code == 303
    assert PARTY not in payable(hall)
    assert "Fin demandée" in who.get("/boutique/encaissement").text
    work(hall)
    row = account(hall)
    assert row is not None
    assert (row.standing, row.sealed_refresh_token) == ("ended", None)
    with pytest.raises(TokenRefused):
        consent(hall).onboarding(token)
    assert "Pas encore relié" in who.get("/boutique/encaissement").text
    assert [kind for kind, _ in events(hall)] == ["connected", "leaving", "ended"]
    assert connect_by(hall, sandbox, who)[0] == 303
    assert PARTY in payable(hall)


def test_what_was_sold_is_paid_out_before_the_token_is_given_back(
    hall: Hall, town: Town, sandbox: Sandbox, keeper: Keeper, clock: FixedClock
) -> None:
    who = keeper("librairie")
    connect_by(hall, sandbox, who)
    placed = place(hall.database, town, ("L1",), clock=clock, delivered=False)
    pay(hall, sandbox, placed)
    assert who.post(f"/boutique/encaissement/{merchant_id(hall)}/delier").status_code == 303
    work(hall)
    row = account(hall)
    assert row is not None
    assert row.standing == "leaving"
    part = part_of(hall, placed, "librairie")
    for event in ("accept", "pack", "hand_over"):
        with hall.database.transaction() as session:
            orders.advance(
                session,
                sub_order_id=part.id,
                shop_ids=frozenset({part.shop_id}),
                event=event,
                collection_code=part.collection_code or "",
                actor="test",
                now=clock.now(),
            )
    work(hall)
    leaving.finish_leaving(hall, party=PARTY, provider_env=ENV)
    with hall.database.reading() as session:
        states = session.scalars(select(Share.state).where(Share.party == PARTY)).all()
    row = account(hall)
    assert row is not None
    assert (states, row.standing) == (["routed"], "ended")


def test_who_never_connected_cannot_leave(hall: Hall, keeper: Keeper) -> None:
    who, path = keeper("librairie"), f"/boutique/encaissement/{merchant_id(hall)}/delier"
    assert who.get(path).status_code == 303
    assert who.post(path).status_code == 409
    assert who.post(f"/boutique/encaissement/{merchant_id(hall)}/regarder").status_code == 409


# --- On the market ---------------------------------------------------------------------------------------------


def test_goods_that_cannot_be_paid_say_so_where_they_are_met(
    hall: Hall, town: Town, sandbox: Sandbox, keeper: Keeper, app: Flask
) -> None:
    visitor = Browser(app.test_client())
    with hall.database.transaction() as session:
        product_id = product_id_of(session, "Carnet bleu")
        index_products(session, [product_id])
    product, shop = f"/produits/{product_id}-carnet-bleu", "/boutiques/librairie"
    said = "Cette boutique ne prend pas encore de paiement en ligne."
    assert said in visitor.get(product).text
    assert 'name="back" value="/panier/reserver"' in visitor.get(product).text, "it is reserved instead"
    assert said in visitor.get(shop).text
    added = visitor.post("/panier/lignes", variant_id=town.variant("L2"), qty="1", back="/panier")
    assert added.status_code == 303
    assert said in visitor.get("/panier").text
    assert visitor.post("/panier/suite").status_code == 422
    assert visitor.get("/commande/livraison").status_code == 303
    connect_by(hall, sandbox, keeper("librairie"))
    assert said not in visitor.get(product).text + visitor.get(shop).text + visitor.get("/panier").text
    assert f'name="back" value="{product}"' in visitor.get(product).text
    assert visitor.post("/panier/suite").status_code == 303


# --- Secrets ---------------------------------------------------------------------------------------------------


def test_tokens_are_in_no_log_no_page_no_error_and_not_readable_in_the_database(
    hall: Hall, sandbox: Sandbox, keeper: Keeper, caplog: pytest.LogCaptureFixture, clock: FixedClock
) -> None:
    caplog.set_level(logging.DEBUG)
    who = keeper("librairie")
    _, page = connect_by(hall, sandbox, who)
    granted = consent(hall).exchange(_fresh_code(hall, sandbox, who))
    access = tokens.access_token(hall, consent(hall), party=PARTY)
    secrets = [access, granted.access_token, granted.refresh_token, APPLICATION.client_secret, ORGANIZATION_TOKEN]
    clock.advance(timedelta(hours=2))
    said = [
        page,
        repr(granted),
        repr(consent(hall)),
        repr(account(hall)),
        keeper(part="treasurer").get("/encaissements").text,
    ]
    for action in ("status", "html", "half_json", "drop_after"):
        sandbox.plan_fault("POST /oauth2/tokens", action)
        with pytest.raises(GatewayError) as trouble:
            consent(hall).refresh(granted.refresh_token)
        said.append(f"{trouble.value!r} {trouble.value} {trouble.value.__cause__}")
        sandbox.plan_fault("GET /v2/onboarding/me", action)
        with pytest.raises(GatewayError) as trouble:
            consent(hall).onboarding(granted.access_token)
        said.append(f"{trouble.value!r} {trouble.value} {trouble.value.__cause__}")
    sandbox.throw_out("org_librairie")
    look(hall)
    with hall.database.reading() as session:
        said += [str(dict(row)) for row in session.execute(select(MerchantAccount.__table__)).mappings()]
    said.append(caplog.text)
    for secret in secrets:
        assert [text[:80] for text in said if secret in text] == []


def _fresh_code(hall: Hall, sandbox: Sandbox, who: Browser) -> str:
    location = sandbox.consent(set_off(hall, who), organization="org_librairie")
    return parse_qs(urlsplit(location).query)["code"][0]


def test_a_sealed_token_opens_in_its_own_row_only(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    connect_by(hall, sandbox, keeper("librairie"))
    with hall.database.transaction() as session:
        mine = session.get_one(MerchantAccount, (PARTY, ENV))
        other = session.get_one(MerchantAccount, ("merchant:cave", ENV))
        other.sealed_refresh_token = mine.sealed_refresh_token
    looking.check(hall, party="merchant:cave", provider_env=ENV)
    row = account(hall, "merchant:cave")
    assert row is not None
    assert row.standing == "reconnect"


def test_neither_a_proxy_nor_a_redirect_gets_the_secret(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    with provider_on_a_free_port() as provider, provider_on_a_free_port() as elsewhere:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, elsewhere.url)
        provider.status, provider.headers["Location"] = 307, f"{elsewhere.url}/oauth2/tokens"
        with pytest.raises(GatewayError):
            replace(consent(hall), endpoint=provider.url).exchange("auth_code")
        assert (len(provider.requests), elsewhere.requests) == (1, [])


def test_a_link_of_an_answer_that_leads_elsewhere_is_not_shown(hall: Hall) -> None:
    trusted = consent(hall)._trusted
    assert trusted("https://my.mollie.com/dashboard") == "https://my.mollie.com/dashboard"
    for href in (
        "https://mollie.com.evil.example/",
        "http://my.mollie.com/",
        "javascript:alert(1)",
        "//x.mollie.com",
        7,
    ):
        assert trusted(href) is None


@pytest.mark.parametrize(
    ("standing", "onboarding", "can_receive", "stage"),
    [
        ("connected", "needs_data", False, "to_complete"),
        ("connected", "needs_data", True, "ready"),
        ("connected", "in_review", False, "in_review"),
        ("connected", "in_review", True, "ready"),
        ("connected", "completed", False, "in_review"),
        ("connected", "completed", True, "ready"),
        ("reconnect", "completed", True, "reconnect"),
        ("leaving", "completed", True, "leaving"),
        ("ended", "completed", True, "none"),
    ],
)
def test_where_a_merchant_stands(standing: str, onboarding: str, can_receive: bool, stage: str) -> None:
    assert stage_of(standing, onboarding, can_receive_payments=can_receive) == stage


def test_an_owner_who_was_relieved_on_the_way_decides_nothing(hall: Hall, sandbox: Sandbox, keeper: Keeper) -> None:
    """The way to the consent takes an hour at most; who owns the merchant is asked again at its end."""
    who = keeper("librairie")
    connect_by(hall, sandbox, who)
    location = set_off(hall, who)
    with hall.database.transaction() as session:
        session.execute(update(Member).values(role="staff"))
    sandbox.register_organization("org_elsewhere", "Ailleurs")
    status, _page = come_back(who, sandbox.consent(location, organization="org_elsewhere"))
    assert status == 403
    connected = account(hall)
    assert connected is not None and connected.organization_id == "org_librairie"


@pytest.mark.parametrize(
    ("standing", "token", "can_receive", "is_refused", "may_be_tried"),
    [
        ("connected", "sealed", True, False, True),
        ("connected", "sealed", True, True, True),
        # Its papers tell when it is open again.
        ("connected", "sealed", False, True, False),
        ("connected", None, False, True, True),
        ("leaving", "sealed", False, True, True),
        ("connected", None, False, False, False),
        ("reconnect", None, False, True, False),
        ("ended", None, True, False, False),
    ],
)
def test_a_refused_account_is_tried_where_nobody_can_look_at_it(
    standing: str, token: str | None, can_receive: bool, is_refused: bool, may_be_tried: bool, clock: FixedClock
) -> None:
    row = MerchantAccount(
        standing=standing,
        sealed_refresh_token=token,
        can_receive_payments=can_receive,
        refused_at=clock.now() if is_refused else None,
    )
    assert row.may_be_tried is may_be_tried
