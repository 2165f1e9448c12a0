"""The shop's work on its orders: what is to do today, one part at a time, and its slip for the parcel."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from basket import cancelling, fulfilment_queries, orders, shortages, weighing
from basket.reservation_queries import todays_reservations
from basket.schemas import Act, available, weights
from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to
from marketplace.web.limits import few_wrong_tries
from marketplace.web.sentences import sentence
from merchants.access import merchant_member, my_shop_ids, my_shops
from merchants.views.counter import actor, blueprint


@blueprint.get("")
@open_to(merchant_member)
def home() -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    with hall.database.reading() as session:
        work = fulfilment_queries.todays_work(session, shop_ids=my_shop_ids(), now=now)
        kept = todays_reservations(session, shop_ids=my_shop_ids(), now=now)
    return render_template("basket/fulfilment/home.html", work=work, kept=kept, my_shops=my_shops(), now=now)


@blueprint.get("/commandes/<int:sub_order_id>")
@open_to(merchant_member)
def sub_order(sub_order_id: int) -> ResponseReturnValue:
    return _sheet(sub_order_id, {}), 200


@blueprint.get("/commandes/<int:sub_order_id>/bordereau")
@open_to(merchant_member)
def slip(sub_order_id: int) -> ResponseReturnValue:
    """The paper that goes into the parcel."""
    hall = the_hall()
    with hall.database.reading() as session:
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=my_shop_ids())
    return render_template("basket/fulfilment/slip.html", sheet=sheet)


@blueprint.post("/commandes/<int:sub_order_id>")
@open_to(merchant_member, rate="120 per minute")
@few_wrong_tries(lambda: str((request.view_args or {})["sub_order_id"]))
def act(sub_order_id: int) -> ResponseReturnValue:
    """Accept, pack or hand over; an act that is already done shows its result."""
    hall = the_hall()
    try:
        form = load_form(Act(), request.form)
        with hall.database.transaction() as session:
            orders.advance(
                session,
                sub_order_id=sub_order_id,
                shop_ids=my_shop_ids(),
                event=form["event"],
                collection_code="".join(form["collection_code"].split()),
                actor=actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _sheet(sub_order_id, refused.errors), 422
    except orders.WrongCollectionCode as refused:
        return _sheet(sub_order_id, {"collection_code": [refused.code]}), refused.status
    return redirect(url_for("merchant.sub_order", sub_order_id=sub_order_id), 303)


@blueprint.get("/commandes/<int:sub_order_id>/manque")
@open_to(merchant_member)
def lack(sub_order_id: int) -> ResponseReturnValue:
    """How much of each product is there."""
    return _lack_page(sub_order_id, {}), 200


@blueprint.post("/commandes/<int:sub_order_id>/manque")
@open_to(merchant_member, rate="60 per minute")
def report_lack(sub_order_id: int) -> ResponseReturnValue:
    """What is missing is refunded at once; the resident is told."""
    hall = the_hall()
    with hall.database.reading() as session:
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=my_shop_ids())
    try:
        form = load_form(available(line.id for line in sheet.lines), request.form)
        with hall.database.transaction() as session:
            report = shortages.report_shortage(
                session,
                sub_order_id=sub_order_id,
                shop_ids=my_shop_ids(),
                available={line.id: form[f"available-{line.id}"] for line in sheet.lines},
                actor=actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        said = {
            field: ["more_than_ordered" if code == "out_of_range" else code for code in codes]
            for field, codes in refused.errors.items()
        }
        return _lack_page(sub_order_id, said), 422
    except FieldError as refused:
        return _lack_page(sub_order_id, {refused.field: [refused.code]}), refused.status
    except shortages.NothingLeftToPack as refused:
        return _lack_page(sub_order_id, {f"available-{sheet.lines[0].id}": [refused.code]}), refused.status
    flash(sentence("nothing_was_missing" if report is None else "shortage_reported"))
    return redirect(url_for("merchant.sub_order", sub_order_id=sub_order_id), 303)


@blueprint.get("/commandes/<int:sub_order_id>/annuler")
@open_to(merchant_member)
def cancel(sub_order_id: int) -> ResponseReturnValue:
    """Whether the shop really has nothing for this household."""
    hall = the_hall()
    with hall.database.reading() as session:
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=my_shop_ids())
    return render_template("basket/fulfilment/cancel.html", sheet=sheet)


@blueprint.post("/commandes/<int:sub_order_id>/annuler")
@open_to(merchant_member, rate="60 per minute")
def do_cancel(sub_order_id: int) -> ResponseReturnValue:
    """The whole part is cancelled and refunded; pressed once more, it is."""
    hall = the_hall()
    with hall.database.transaction() as session:
        cancelling.cancel_part(
            session, sub_order_id=sub_order_id, shop_ids=my_shop_ids(), actor=actor(), now=hall.clock.now()
        )
    flash(sentence("part_cancelled"))
    return redirect(url_for("merchant.sub_order", sub_order_id=sub_order_id), 303)


@blueprint.get("/commandes/<int:sub_order_id>/poids")
@open_to(merchant_member)
def weigh(sub_order_id: int) -> ResponseReturnValue:
    """What the scale says of each product that is sold with its weight."""
    return _weigh_page(sub_order_id, {}), 200


@blueprint.post("/commandes/<int:sub_order_id>/poids")
@open_to(merchant_member, rate="60 per minute")
def report_weight(sub_order_id: int) -> ResponseReturnValue:
    """The price of what lacks is refunded at once; nobody pays for more than was promised."""
    hall = the_hall()
    with hall.database.reading() as session:
        fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=my_shop_ids())
        line_ids = [line.id for line in weighing.weighable_lines(session, sub_order_id)]
    try:
        # Whatever is left empty was not weighed.
        form = load_form(weights(line_ids), {name: value for name, value in request.form.items() if value.strip()})
        weighed = {line_id: form[f"grams-{line_id}"] for line_id in line_ids if f"grams-{line_id}" in form}
        if not weighed:
            raise FieldError(f"grams-{line_ids[0]}" if line_ids else "ticket", "nothing_weighed")
        with hall.database.transaction() as session:
            report = weighing.report_weights(
                session,
                sub_order_id=sub_order_id,
                shop_ids=my_shop_ids(),
                weighed=weighed,
                ticket=form["ticket"],
                actor=actor(),
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        said = {
            field: ["not_grams" if code in ("out_of_range", "not_a_count") else code for code in codes]
            for field, codes in refused.errors.items()
        }
        return _weigh_page(sub_order_id, said), 422
    except FieldError as refused:
        return _weigh_page(sub_order_id, {refused.field: [refused.code]}), refused.status
    flash(sentence("nothing_was_lighter" if report is None else "lighter_refunded"))
    return redirect(url_for("merchant.sub_order", sub_order_id=sub_order_id), 303)


def _weigh_page(sub_order_id: int, codes: dict[str, list[str]]) -> str:
    hall = the_hall()
    with hall.database.reading() as session:
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=my_shop_ids())
        lines = weighing.weighable_lines(session, sub_order_id)
    return render_template("basket/fulfilment/weigh.html", sheet=sheet, lines=lines, codes=codes, typed=request.form)


def _lack_page(sub_order_id: int, codes: dict[str, list[str]]) -> str:
    hall = the_hall()
    with hall.database.reading() as session:
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=my_shop_ids())
    return render_template("basket/fulfilment/lack.html", sheet=sheet, codes=codes, typed=request.form)


def _sheet(sub_order_id: int, codes: dict[str, list[str]]) -> str:
    hall = the_hall()
    with hall.database.reading() as session:
        sheet = fulfilment_queries.get_sheet(session, sub_order_id=sub_order_id, shop_ids=my_shop_ids())
    return render_template(
        "basket/fulfilment/sub_order.html", sheet=sheet, codes=codes, typed=request.form, now=hall.clock.now()
    )
