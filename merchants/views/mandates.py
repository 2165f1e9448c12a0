"""The invoicing mandate: a merchant reads what it means, signs, declines, or ends it from a day on (domain I4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from flask import flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from sqlalchemy.orm import Session

from marketplace.clock import local_day
from marketplace.errors import MarketplaceError
from marketplace.hall import the_hall
from marketplace.invoices import mandates
from marketplace.invoices.parties import association_party
from marketplace.jobs import publish
from marketplace.language import speaking
from marketplace.schemas import FormErrors, load_form
from marketplace.web.access import open_to
from marketplace.web.filters import long_day
from marketplace.web.headers import keep_nothing
from marketplace.web.sentences import sentence
from merchants.access import merchant_member
from merchants.files import describe_itself
from merchants.rules import vat_number_of
from merchants.schemas import MandateEnd, MandateSignature
from merchants.sellers import SellerFile, get_seller
from merchants.views.counter import blueprint


class OwnerSigns(MarketplaceError):
    """A mandate binds the merchant: those who own it sign, not everybody who packs."""

    code = "mandate_owner_signs"
    status = 403


@blueprint.get("/factures/mandat/<int:merchant_id>")
@open_to(merchant_member)
def mandate(merchant_id: int) -> ResponseReturnValue:
    """What the mandate says, who answered what and when, and the forms to answer."""
    return _page(merchant_id)


@blueprint.post("/factures/mandat/<int:merchant_id>/signer")
@open_to(merchant_member, rate="20 per minute")
def sign_mandate(merchant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    today = local_day(now)
    try:
        with hall.database.transaction() as session:
            seller = _own(session, merchant_id)
            form = load_form(MandateSignature(), request.form)
            if not form["agrees"]:
                raise FormErrors({"agrees": ["mandate_not_agreed"]}, request.form)
            if not seller.siren:
                raise FormErrors({"signed_by": ["mandate_without_siren"]}, request.form)
            is_exempt = form["vat"] == "exempt"
            describe_itself(
                session,
                merchant_id=seller.id,
                legal_form=form["legal_form"],
                is_vat_exempt=is_exempt,
                actor=f"member:{current_user.id}",
                now=now,
            )
            # Read again: the terms name the merchant as it has just described itself.
            seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
            standing = mandates.standing_of(session, seller=seller.party, on=today)
            if seller.is_to_sign_anew(standing):
                mandates.end_mandate(session, seller=seller.party, ended_on=today, ended_by=form["signed_by"])
            ordinal = mandates.sign_mandate(
                session,
                seller=seller.party,
                signed_on=today,
                signed_by=form["signed_by"],
                now=now,
                terms=f"{_terms(seller, is_exempt=is_exempt)}\n\n{_signature(form['signed_by'])}",
            )
            publish(session, "mandate.signed", merchant_id=seller.id, ordinal=ordinal)
    except FormErrors as refused:
        return _page(merchant_id, codes=refused.errors, typed=request.form)
    except mandates.MandateInUse:
        return _page(merchant_id, said=sentence("mandate_sign_tomorrow"))
    except mandates.MandateStands as refused:
        return _page(merchant_id, said=sentence(refused.code))
    flash(sentence("mandate_signed"))
    return redirect(url_for("merchant.mandate", merchant_id=merchant_id), 303)


@blueprint.post("/factures/mandat/<int:merchant_id>/refuser")
@open_to(merchant_member, rate="20 per minute")
def decline_mandate(merchant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    now = hall.clock.now()
    try:
        with hall.database.transaction() as session:
            seller = _own(session, merchant_id)
            mandates.decline_mandate(
                session, seller=seller.party, refused_on=local_day(now), refused_by=current_user.name, now=now
            )
    except mandates.MandateStands as refused:
        return _page(merchant_id, said=sentence(refused.code))
    flash(sentence("mandate_declined"))
    return redirect(url_for("merchant.mandate", merchant_id=merchant_id), 303)


@blueprint.post("/factures/mandat/<int:merchant_id>/terminer")
@open_to(merchant_member, rate="20 per minute")
def end_mandate(merchant_id: int) -> ResponseReturnValue:
    hall = the_hall()
    today = local_day(hall.clock.now())
    try:
        with hall.database.transaction() as session:
            seller = _own(session, merchant_id)
            form = load_form(MandateEnd(), request.form)
            if form["ended_on"] <= today:
                raise FormErrors({"ended_on": ["mandate_end_too_early"]}, request.form)
            mandates.end_mandate(session, seller=seller.party, ended_on=form["ended_on"], ended_by=current_user.name)
    except FormErrors as refused:
        return _page(merchant_id, codes=refused.errors, typed=request.form)
    except mandates.MandateInUse:
        return _page(merchant_id, codes={"ended_on": ["mandate_end_too_early"]}, typed=request.form)
    except mandates.MandateMissing as refused:
        return _page(merchant_id, said=sentence(refused.code))
    flash(sentence("mandate_ended", day=form["ended_on"]))
    return redirect(url_for("merchant.mandate", merchant_id=merchant_id), 303)


def _own(session: Session, merchant_id: int) -> SellerFile:
    """The merchant, for one of its owners: NotFound for a stranger, OwnerSigns for who only works there."""
    seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
    if not seller.is_owner:
        raise OwnerSigns()
    return seller


def _terms(seller: SellerFile, *, is_exempt: bool | None) -> str:
    """The words; without `is_exempt`, which is said when signing, those to read before."""
    return render_template(
        "merchants/counter/mandate_terms.txt",
        seller=seller.as_party,
        # The mandate names the association without its VAT number, which may change under it.
        association=association_party(the_hall().settings.association, vat_number=""),
        is_exempt=is_exempt,
        vat_number=vat_number_of(seller.siren),
    ).strip()


def _signature(signed_by: str) -> str:
    """The last line of what is kept: whose hand, from which account, on which day."""
    with speaking("fr"):
        day = long_day(local_day(the_hall().clock.now()))
    return render_template(
        "merchants/counter/mandate_signature.txt", signed_by=signed_by, email=current_user.email, day=day
    ).strip()


def _page(
    merchant_id: int,
    *,
    codes: Mapping[str, Sequence[str]] | None = None,
    typed: Mapping[str, str] | None = None,
    said: str | None = None,
) -> ResponseReturnValue:
    hall = the_hall()
    today = local_day(hall.clock.now())
    with hall.database.reading() as session:
        seller = get_seller(session, merchant_id=merchant_id, user_id=current_user.id)
        standing = mandates.standing_of(session, seller=seller.party, on=today)
    is_outdated = seller.is_to_sign_anew(standing)
    signed = standing.terms if standing.state == "in_force" and not is_outdated else ""
    page = render_template(
        "merchants/counter/mandate.html",
        seller=seller,
        standing=standing,
        is_outdated=is_outdated,
        terms=signed or _terms(seller, is_exempt=None),
        vat_number=vat_number_of(seller.siren),
        tomorrow=today + timedelta(days=1),
        codes=codes or {},
        typed=typed or {},
        said=said,
    )
    return keep_nothing(make_response(page, 422 if codes else 409 if said else 200))
