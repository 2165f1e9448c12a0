"""The treasurer's pages: where every cent is, and where the provider's book says something else."""

from __future__ import annotations

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.accounts.people import names_of
from marketplace.hall import the_hall
from marketplace.payments import claims, differing, shares
from marketplace.payments.reconciling import standing
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence
from marketplace.web.site import add_staff_area
from merchants import treasury
from merchants.schemas import Settled

blueprint = Blueprint("treasury", __name__)


@blueprint.get("/tresorerie")
@open_to(role("treasurer"))
def home() -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        # Balances and shares as of one instant: a payment in between would look like a difference.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        seen = treasury.look(session, hall.clock.now())
        stands = standing(session, provider_env=hall.settings.mollie_env)
        waiting_qty = differing.waiting_qty(session, provider_env=hall.settings.mollie_env)
        settled_gap = differing.settled_gap(session, provider_env=hall.settings.mollie_env)
    return render_template(
        "merchants/treasury.html",
        treasury=seen,
        standing=stands,
        settled_gap=settled_gap,
        waiting_qty=waiting_qty,
        routing=hall.settings.mollie_routing,
    )


@blueprint.post("/tresorerie/manques/<int:share_id>/paye")
@open_to(role("treasurer"), rate="30 per minute")
def make_up(share_id: int) -> ResponseReturnValue:
    """The treasurer has paid a merchant by bank what its route lacked; a second press finds it said."""
    hall = the_hall()
    with hall.database.transaction() as session:
        is_new = shares.make_up(session, share_id=share_id, actor=f"person:{current_user.id}", now=hall.clock.now())
    flash(sentence("lack_made_up" if is_new else "lack_made_up_before"))
    return redirect(url_for("treasury.home"), 303)


@blueprint.post("/tresorerie/creances/<int:part_id>/payee")
@open_to(role("treasurer"), rate="30 per minute")
def claim_paid(part_id: int) -> ResponseReturnValue:
    """A merchant has paid by bank what the provider could not take back from it."""
    return _end_claim(part_id, "paid")


@blueprint.post("/tresorerie/creances/<int:part_id>/abandonnee")
@open_to(role("treasurer"), rate="30 per minute")
def claim_waived(part_id: int) -> ResponseReturnValue:
    """The association bears it: it was its own gesture."""
    return _end_claim(part_id, "waived")


def _end_claim(part_id: int, end: str) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.transaction() as session:
        is_new = claims.end_claim(
            session, part_id=part_id, end=end, actor=f"person:{current_user.id}", now=hall.clock.now()
        )
    flash(sentence(f"claim_{end}" if is_new else "claim_ended_before"))
    return redirect(url_for("treasury.home"), 303)


@blueprint.get("/tresorerie/ecarts")
@open_to(role("treasurer"))
def differences() -> ResponseReturnValue:
    return _differences({}, {}, 200)


@blueprint.post("/tresorerie/ecarts/<int:difference_id>/classer")
@open_to(role("treasurer"), rate="30 per minute")
def settle(difference_id: int) -> ResponseReturnValue:
    """Somebody says what it was; a second press finds it settled."""
    hall = the_hall()
    try:
        form = load_form(Settled(), request.form)
    except FormErrors as refused:
        name = f"note-{difference_id}"
        return _differences({name: refused.typed.get("note", "")}, {name: next(iter(refused.errors.values()))}, 422)
    with hall.database.transaction() as session:
        is_new = differing.settle_difference(
            session,
            difference_id=difference_id,
            note=form["note"],
            actor=f"person:{current_user.id}",
            now=hall.clock.now(),
        )
    flash(sentence("difference_settled" if is_new else "difference_settled_before"))
    return redirect(url_for("treasury.differences"), 303)


def _differences(typed: dict[str, str], codes: dict[str, list[str]], status: int) -> ResponseReturnValue:
    hall = the_hall()
    env = hall.settings.mollie_env
    with hall.database.reading() as session:
        waiting = differing.waiting(session, provider_env=env)
        over = differing.over(session, provider_env=env)
        names = names_of(session, {one.settled_by for one in over if one.settled_by is not None})
        body = render_template(
            "merchants/differences.html", waiting=waiting, over=over, names=names, typed=typed, codes=codes
        )
    return body, status


def init(app: Flask) -> None:
    app.register_blueprint(blueprint)
    add_staff_area(app, "treasury.home", role("treasurer"))
