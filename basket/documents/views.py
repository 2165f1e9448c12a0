"""The treasurer's page of commission invoices: each month's run, how far it is, and what waits for a person."""

from __future__ import annotations

from datetime import date, timedelta

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from basket.documents import commissions, queries
from marketplace.clock import local_day
from marketplace.errors import NotFound
from marketplace.hall import the_hall
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence

blueprint = Blueprint("commission_runs", __name__, url_prefix="/tresorerie/commissions")


@blueprint.get("")
@open_to(role("treasurer"))
def home() -> ResponseReturnValue:
    """Every month with its run, the newest first; and what the running month has earned so far."""
    return _home()


def _home(said: str | None = None, status: int = 200) -> ResponseReturnValue:
    hall = the_hall()
    with hall.database.reading() as session:
        runs = queries.commission_runs(session)
        waiting = [month for month in commissions.months_to_run(session) if month not in {run.month for run in runs}]
        this_month = local_day(hall.clock.now()).replace(day=1)
        so_far = commissions.kept_of(session, this_month)
    page = render_template(
        "basket/documents/commissions.html",
        runs=runs,
        waiting=waiting,
        this_month=this_month,
        next_month=(this_month + timedelta(days=32)).replace(day=1),
        so_far=so_far,
        said=said,
    )
    return page, status


@blueprint.get("/<month>")
@open_to(role("treasurer"))
def show(month: str) -> ResponseReturnValue:
    """One run, merchant by merchant."""
    first_on = _month(month)
    with the_hall().database.reading() as session:
        run = next((run for run in queries.commission_runs(session) if run.month == first_on), None)
        if run is None:
            raise NotFound()
        parts = queries.commission_parts(session, first_on)
    return render_template("basket/documents/commission_run.html", run=run, parts=parts)


@blueprint.post("/<month>/lancer")
@open_to(role("treasurer"), rate="20 per minute")
def start(month: str) -> ResponseReturnValue:
    """Plan a closed month's invoices, or take up a run that was broken off; the worker writes them."""
    hall = the_hall()
    first_on = _month(month)
    try:
        with hall.database.transaction() as session:
            commissions.start_run(session, month=first_on, actor=f"treasurer:{current_user.id}", now=hall.clock.now())
    except (commissions.MonthNotClosed, commissions.CommissionUnexplained) as refused:
        return _home(sentence(refused.code, **refused.details), refused.status)
    flash(sentence("commissions_started"))
    return redirect(url_for("commission_runs.show", month=month), 303)


@blueprint.post("/<month>/<int:part_id>/reprendre")
@open_to(role("treasurer"), rate="60 per minute")
def again(month: str, part_id: int) -> ResponseReturnValue:
    """One merchant's invoice that was stuck is written again; the worker says how it went."""
    with the_hall().database.transaction() as session:
        is_new = commissions.run_again(session, part_id=part_id, month=_month(month))
    flash(sentence("commission_again" if is_new else "commission_under_way"))
    return redirect(url_for("commission_runs.show", month=month), 303)


def _month(text: str) -> date:
    """2026-11; NotFound for anything else."""
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise NotFound() from None
    if f"{found:%Y-%m}" != text:
        raise NotFound()
    return found
