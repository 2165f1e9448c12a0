"""The treasurer mends what a merchant's papers name: its address and its register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from marketplace.accounts.people import names_of
from marketplace.errors import FieldError
from marketplace.hall import the_hall
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to, role
from marketplace.web.sentences import sentence
from merchants.files import changes_of, mend_file
from merchants.rules import is_number_sound, number_of
from merchants.schemas import MerchantFile
from merchants.sellers import get_seller_by_id

blueprint = Blueprint("merchant_files", __name__, url_prefix="/tresorerie/commerces")


@blueprint.get("/<int:merchant_id>")
@open_to(role("treasurer"))
def show(merchant_id: int) -> ResponseReturnValue:
    return _page(merchant_id, {}, {})


@blueprint.post("/<int:merchant_id>")
@open_to(role("treasurer"), rate="60 per minute")
def mend(merchant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    try:
        wanted = load_form(MerchantFile(), request.form)
        with hall.database.transaction() as session:
            mend_file(
                session,
                merchant_id=merchant_id,
                wanted=wanted,
                reason=wanted["reason"],
                actor=f"person:{current_user.id}",
                now=hall.clock.now(),
            )
    except FormErrors as refused:
        return _page(merchant_id, refused.errors, {})
    except FieldError as refused:
        return _page(merchant_id, {refused.field: [refused.code]}, refused.details)
    flash(sentence("merchant_file_kept"))
    return redirect(url_for("merchant_files.show", merchant_id=merchant_id), 303)


def _page(merchant_id: int, codes: Mapping[str, Sequence[str]], details: Mapping[str, object]) -> ResponseReturnValue:
    with the_hall().database.reading() as session:
        seller = get_seller_by_id(session, merchant_id)
        changes = changes_of(session, merchant_id)
        names = names_of(session, {change.actor for change in changes})
    page = render_template(
        "merchants/files/show.html",
        seller=seller,
        is_sound=not seller.siren or is_number_sound(number_of(seller.registration)),
        changes=[(change, names.get(change.actor, "")) for change in changes],
        codes=codes,
        details=details,
        typed=request.form
        or {
            "registration": seller.registration,
            "legal_form": seller.legal_form,
            "born_on": f"{seller.born_on:%d/%m/%Y}" if seller.born_on else "",
            "street": seller.street,
            "postcode": seller.postcode,
            "city": seller.city,
        },
    )
    return page, 422 if codes else 200
