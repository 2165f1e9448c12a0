"""How a merchant is paid: its people connect its account at the provider, see how far it is, and may end it.

The staff of the association sees who is connected and who is not.
"""

from __future__ import annotations

from flask import Blueprint, Flask, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.delivery.policies import zones_with_terms
from marketplace.errors import GatewayError, MarketplaceError
from marketplace.hall import the_hall
from marketplace.payments.connecting import application, consenting, leaving, looking, standing
from marketplace.payments.oauth import ClientFile
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.headers import keep_nothing
from marketplace.web.sentences import sentence
from marketplace.web.site import add_staff_area
from merchants.access import merchant_member
from merchants.commission import commissions
from merchants.schemas import WayToConnect
from merchants.sellers import SellerFile, all_sellers, get_seller, sellers_of
from merchants.views.counter import actor, blueprint

staff_blueprint = Blueprint("connections", __name__)


class OwnerDecides(MarketplaceError):
    """Where a merchant's money goes is decided by those who own it, not by everybody who packs."""

    code = "connection_owner_decides"
    status = 403


@blueprint.get("/encaissement")
@open_to(merchant_member)
def payouts() -> ResponseReturnValue:
    """Each merchant of this person, and what to do next so that it is paid."""
    return _page()


@blueprint.post("/encaissement/<int:merchant_id>/relier")
@open_to(merchant_member, rate="20 per minute")
def connect_account(merchant_id: int) -> ResponseReturnValue:
    """Off to the provider: to the consent, or to a form for a new account, filled in with the merchant's file."""
    hall = the_hall()
    try:
        form = load_form(WayToConnect(), request.form)
        with hall.database.reading() as session:
            seller = _own(session, merchant_id)
        file = _client_file(seller) if form["way"] == "new" else None
        address = consenting.way_to_consent(
            hall, party=seller.party, actor=actor(), browser=current_user.get_id(), file=file
        )
    except FormErrors:
        return _page(said=sentence("connection_state_wrong"), status=422)
    except application.NotSwitchedOn as refused:
        return _page(said=sentence(refused.code), status=refused.status)
    except GatewayError:
        return _page(said=sentence("connection_away"), status=503)
    return redirect(address, 303)


@blueprint.get("/encaissement/retour")
@open_to(merchant_member)
def connection_return() -> ResponseReturnValue:
    """The provider sends the browser back here. A GET that changes something, as OAuth has it: the state guards it."""
    hall = the_hall()
    now, env, who = hall.clock.now(), hall.settings.mollie_env, actor()
    code, state = request.args.get("code", ""), request.args.get("state", "")
    if not request.args:
        return _page()  # an address that somebody kept
    try:
        with hall.database.transaction() as session:
            party = consenting.redeem(
                session, state=state, settings=hall.settings, actor=who, browser=current_user.get_id(), now=now
            )
            # Between the click and the consent an owner may have been relieved: it is their money no longer.
            if not any(seller.party == party and seller.is_owner for seller in sellers_of(session, current_user.id)):
                raise OwnerDecides()
            if not code:
                consenting.note_refusal(session, party=party, provider_env=env, actor=who, now=now)
        if not code:
            raise consenting.ConsentRefused()
        consenting.connect(hall, party=party, code=code, actor=who)
    except MarketplaceError as refused:
        return _page(said=sentence(refused.code), status=refused.status)
    except GatewayError:
        return _page(said=sentence("connection_away"), status=503)
    flash(sentence("connection_made"))
    return redirect(url_for("merchant.payouts"), 303)


@blueprint.post("/encaissement/<int:merchant_id>/regarder")
@open_to(merchant_member, rate="20 per minute")
def look_again(merchant_id: int) -> ResponseReturnValue:
    """Ask the provider now how far it is."""
    hall = the_hall()
    with hall.database.reading() as session:
        seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
    try:
        looking.check(hall, party=seller.party, provider_env=hall.settings.mollie_env)
    except standing.NotConnected as refused:
        return _page(said=sentence(refused.code), status=refused.status)
    except GatewayError:
        return _page(said=sentence("connection_away"), status=503)
    flash(sentence("connection_looked_at"))
    return redirect(url_for("merchant.payouts"), 303)


@blueprint.get("/encaissement/<int:merchant_id>/delier")
@open_to(merchant_member)
def leave_form(merchant_id: int) -> ResponseReturnValue:
    """What ending the connection means, before it is ended."""
    hall = the_hall()
    with hall.database.reading() as session:
        seller = _own(session, merchant_id)
        connection = _connection(session, seller)
    if connection.stage in ("none", "leaving"):
        return redirect(url_for("merchant.payouts"), 303)
    page = render_template("merchants/counter/payouts_leave.html", seller=seller, connection=connection)
    return keep_nothing(make_response(page))


@blueprint.post("/encaissement/<int:merchant_id>/delier")
@open_to(merchant_member, rate="20 per minute")
def leave(merchant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        with hall.database.transaction() as session:
            seller = _own(session, merchant_id)
            leaving.leave(
                session,
                party=seller.party,
                provider_env=hall.settings.mollie_env,
                actor=actor(),
                now=hall.clock.now(),
            )
    except standing.NotConnected as refused:
        return _page(said=sentence(refused.code), status=refused.status)
    flash(sentence("connection_left"))
    return redirect(url_for("merchant.payouts"), 303)


def _own(session: Session, merchant_id: int) -> SellerFile:
    """The merchant, for one of its owners: NotFound for a stranger, OwnerDecides for who only works there."""
    seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
    if not seller.is_owner:
        raise OwnerDecides()
    return seller


def _connection(session: Session, seller: SellerFile) -> standing.Connection:
    env = the_hall().settings.mollie_env
    return standing.connections(session, provider_env=env, parties=[seller.party])[seller.party]


def _client_file(seller: SellerFile) -> ClientFile:
    """The person who asks is whom the provider writes to."""
    given, _, family = current_user.name.partition(" ")
    return ClientFile(
        email=current_user.email,
        given_name=given,
        family_name=family or given,
        legal_name=seller.legal_name,
        street=seller.street,
        postcode=seller.postcode,
        city=seller.city,
        registration=seller.registration_digits,
    )


def _page(*, said: str | None = None, status: int = 200) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        sellers = sellers_of(session, current_user.id)
        found = standing.connections(
            session, provider_env=hall.settings.mollie_env, parties=[seller.party for seller in sellers]
        )
        rates = commissions(session, on=local_day(hall.clock.now()), merchant_ids=[seller.id for seller in sellers])
        zones = zones_with_terms(session, on=local_day(hall.clock.now()))
    agreed = {commission.merchant_id: commission for commission in rates}
    consent = application.consent_of(hall.settings)
    page = render_template(
        "merchants/counter/payouts.html",
        rows=[(seller, found[seller.party], agreed[seller.id]) for seller in sellers],
        zones=zones,
        is_switched_on=consent is not None,
        opens_accounts=consent is not None and consent.access_token != "",
        is_play=hall.settings.mollie_env != "live",
        said=said,
    )
    return keep_nothing(make_response(page, status))


# --- The association -------------------------------------------------------------------------------------------


def _staff() -> bool:
    return role("coordinator")() or role("treasurer")()


@staff_blueprint.get("/encaissements")
@open_to(_staff)
def home() -> ResponseReturnValue:
    """Who can be paid online and who cannot, those who cannot first."""
    hall = the_hall()
    with hall.database.reading() as session:
        sellers = all_sellers(session)
        found = standing.connections(
            session, provider_env=hall.settings.mollie_env, parties=[seller.party for seller in sellers]
        )
    rows = [(seller, found[seller.party]) for seller in sellers]
    rows.sort(key=lambda row: row[1].stage == "ready")
    return render_template(
        "merchants/counter/connections.html",
        rows=rows,
        ready_qty=sum(connection.stage == "ready" for _, connection in rows),
    )


def init(app: Flask) -> None:
    app.register_blueprint(staff_blueprint)
    add_staff_area(app, "connections.home", _staff)
