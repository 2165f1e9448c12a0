"""The order's own page: by its link, without an account; and the way to it for somebody who lost the link."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from basket import orders, queries, reservation_queries, withdrawal_queries
from basket.following import look_up
from basket.schemas import FindOrder
from marketplace.errors import GatewayError
from marketplace.hall import the_hall
from marketplace.ids import normalize_order_code
from marketplace.invoices.queries import documents_about
from marketplace.payments.models import OPEN_STATES
from marketplace.payments.service import cancel_attempt, open_at_provider
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import everyone, open_to
from marketplace.web.headers import keep_nothing
from marketplace.web.limits import few_wrong_tries

blueprint = Blueprint("orders", __name__)
blueprint.after_request(keep_nothing)


@blueprint.get("/commande/<code>/<token>")
@open_to(everyone)
def show(code: str, token: str) -> ResponseReturnValue:
    hall = the_hall()
    order = look_up(hall, code=code, token=token)
    now = hall.clock.now()
    with hall.database.glance() as session:
        documents = documents_about(session, reference=order.code)
        contracts = withdrawal_queries.contracts_of(session, order.id, now)
        withdrawals = withdrawal_queries.withdrawals_of(session, order.id)
    return render_template(
        "basket/order.html",
        order=order,
        documents=documents,
        contracts=contracts,
        withdrawals=withdrawals,
        is_back="retour" in request.args,
        has_tried="essai" in request.args,
        is_watching="suite" in request.args,
        now=now,
    )


@blueprint.post("/commande/<code>/<token>/payer")
@open_to(everyone, rate="20 per minute")
def pay(code: str, token: str) -> ResponseReturnValue:
    """To the payment page, of the open attempt if there is one: pressed twice, it opens one payment (I14)."""
    hall = the_hall()
    with hall.database.transaction() as session:
        payment_id = orders.pay_again(
            session,
            code=code,
            token=token,
            provider_env=hall.settings.mollie_env,
            site_url=hall.settings.site_url,
            now=hall.clock.now(),
        )
    address = open_at_provider(hall, payment_id)
    return redirect(address or url_for("orders.show", code=code, token=token, essai=1), 303)


@blueprint.post("/commande/<code>/<token>/abandonner")
@open_to(everyone, rate="20 per minute")
def give_up(code: str, token: str) -> ResponseReturnValue:
    """The resident will not pay: what was held is free again, the basket stays."""
    hall = the_hall()
    with hall.database.reading() as session:
        order = queries.get_order(session, code=code, token=token)
    if order.payment is not None and order.payment.state in OPEN_STATES:
        with suppress(GatewayError):
            cancel_attempt(hall, order.payment.id)
    with hall.database.transaction() as session:
        orders.cancel_unpaid(session, code=code, token=token, now=hall.clock.now())
    return redirect(url_for("basket.show"), 303)


def _code_asked_for() -> str | None:
    """The number of an order: shops and couriers know it, and must not try the four digits that go with it."""
    return normalize_order_code(request.form.get("code", ""))


@blueprint.get("/ma-commande")
@open_to(everyone)
def find() -> ResponseReturnValue:
    return render_template("basket/find_order.html", typed={}, codes={})


@blueprint.post("/ma-commande")
@open_to(everyone, rate="10 per minute")
@few_wrong_tries(_code_asked_for)
def find_submit() -> ResponseReturnValue:
    try:
        form = load_form(FindOrder(), request.form)
    except FormErrors as refused:
        return render_template("basket/find_order.html", typed=refused.typed, codes=refused.errors), 422
    code = normalize_order_code(form["code"])
    if code is None:
        return _not_found("code_wrong")
    phone_end = "".join(c for c in form["phone_end"] if c.isascii() and c.isdigit())
    with the_hall().database.reading() as session:
        order = queries.find_order_link(session, code=code, phone_end=phone_end)
        kept = reservation_queries.find_link(session, code=code, phone_end=phone_end)
    if order is not None:
        return redirect(url_for("orders.show", code=order[0], token=order[1]), 303)
    if kept is not None:
        return redirect(url_for("reservations.show", code=kept[0], token=kept[1]), 303)
    return _not_found("order_unknown")


def _not_found(code: str) -> ResponseReturnValue:
    return render_template("basket/find_order.html", typed=request.form, codes={"code": [code]}), 422
