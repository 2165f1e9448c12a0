"""A merchant's file: what its papers name of it, who mends it, and what stays as it was written."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from marketplace.clock import FixedClock
from marketplace.errors import FieldError
from marketplace.hall import Hall
from marketplace.invoices.issuing import find_issued, issue_for_seller
from marketplace.invoices.mandates import sign_mandate, standing_of
from merchants.files import mend_file
from merchants.models import SIREN_IN_REGISTRATION, FileChange, Merchant
from merchants.rules import is_number_sound, number_of, siren_of
from merchants.sellers import seller_by_key
from tests.marketplace.invoices.cast import ASSOCIATION, sale
from tests.staff import browser_of
from tests.walk import Town

ADDRESS = {"street": "3 rue de Beaulieu", "postcode": "16000", "city": "Angoulême"}


@pytest.mark.parametrize(
    ("registration", "is_sound"),
    [
        ("SIREN 732 829 320", True),
        ("SIREN 732 829 321", False),
        ("SIREN 723 829 320", False),
        ("SIRET 732 829 320 00074", True),
        ("SIRET 732 829 320 00075", False),
        # The head of the SIRET is wrong, and its own key holds.
        ("SIRET 732 829 321 00007", False),
        # La Poste's seat has a key like anybody's; the digits of its counters sum to a multiple of five.
        ("SIRET 356 000 000 00048", True),
        ("SIRET 356 000 000 37718", True),
        ("SIRET 356 000 000 37717", False),
        ("SIREN 356 000 000", True),
        ("SIREN 356 000 010", False),
    ],
)
def test_a_number_with_a_wrong_digit_is_known_by_its_key(registration: str, is_sound: bool) -> None:
    assert is_number_sound(number_of(registration)) is is_sound


def test_a_wrong_siren_is_corrected_with_its_reason_and_what_is_written_stays(
    hall: Hall, town: Town, app: Flask, clock: FixedClock
) -> None:
    now = clock.now()
    with hall.database.transaction() as session:
        before = seller_by_key(session, "cave")
        sign_mandate(
            session, seller=before.party, signed_on=now.date(), signed_by="Rose", now=now, terms="SIREN 000 000 042"
        )
        issue_for_seller(session, key="s", draft=sale(before.as_party), issuer=ASSOCIATION, now=now)
    treasurer = browser_of(app, hall, role="treasurer")
    page = f"/tresorerie/commerces/{before.id}"
    wrong = treasurer.post(page, registration="RCS Angoulême 000 000 051", reason="Faute de frappe", **ADDRESS)
    assert wrong.status_code == 422 and "Relisez le numéro 000000051" in wrong.text
    silent = treasurer.post(page, registration="RCS Angoulême 000 000 059", **ADDRESS)
    assert silent.status_code == 422 and "Une autre entreprise est un autre commerce" in silent.text
    assert 'href="#reason"' in silent.text and 'value="RCS Angoulême 000 000 059"' in silent.text
    said = {"registration": "RCS Angoulême 000 000 059", "reason": "Deux chiffres inversés, vu sur le Kbis.", **ADDRESS}
    assert treasurer.post(page, **said).status_code == 303
    assert "Deux chiffres inversés, vu sur le Kbis." in treasurer.get(page).text
    with hall.database.reading() as session:
        after = seller_by_key(session, "cave").as_party
        assert (after.siren, after.vat_number) == ("000000059", "FR92000000059")
        kept = find_issued(session, "s")
        assert kept is not None and kept.document.seller.siren == "000000042"
        assert standing_of(session, seller=before.party, on=now.date()).terms == "SIREN 000 000 042"
        change = session.scalars(select(FileChange)).one()
    assert change.changed == {"registration": ["SIREN 000000042", "RCS Angoulême 000 000 059"]}
    assert (change.actor.partition(":")[0], change.reason) == ("person", "Deux chiffres inversés, vu sur le Kbis.")
    # Whose mandate names the old number is asked to sign anew.
    asked = treasurer.get("/tresorerie/a-ecrire").text
    assert "Des mandats à signer de nouveau" in asked and f'href="{page}"' in asked


def test_a_company_is_one_merchant(hall: Hall, town: Town, app: Flask) -> None:
    with hall.database.reading() as session:
        cave, books = (seller_by_key(session, key) for key in ("cave", "librairie"))
        alike = (
            "SIREN 000000042",
            "SIRET 000 000 042 00012",
            "RCS 000.000.042",
            "W161000000",
            "en cours",
            "0000000421",
        )
        found = f"SELECT {SIREN_IN_REGISTRATION} FROM unnest(CAST(:alike AS text[])) registration"
        assert session.scalars(text(found), {"alike": list(alike)}).all() == [siren_of(one) or None for one in alike]
    treasurer, form = browser_of(app, hall, role="treasurer"), {**ADDRESS, "reason": "Faute de frappe"}
    page = f"/tresorerie/commerces/{cave.id}"
    refused = treasurer.post(page, registration=f"RCS Angoulême {books.siren}", **form)
    assert refused.status_code == 422 and f"Ce SIREN est celui de {books.legal_name}." in refused.text
    assert 'href="#registration"' in refused.text
    with pytest.raises(IntegrityError, match="uq_merchant_siren"), hall.database.transaction() as session:
        session.get_one(Merchant, cave.id).registration = f"SIRET {books.siren} 00012"


def test_an_address_is_mended_beside_a_number_that_was_wrong_all_along(
    hall: Hall, town: Town, app: Flask, clock: FixedClock
) -> None:
    with hall.database.transaction() as session:
        merchant = session.scalars(select(Merchant).where(Merchant.key == "cave")).one()
        merchant.registration = "SIREN 000000043"
        session.flush()
        asked = {"merchant_id": merchant.id, "actor": "test", "now": clock.now() + timedelta(hours=1)}
        moved = {**ADDRESS, "registration": "RCS Angoulême 000 000 043", "street": "9 rue des Postes"}
        assert mend_file(session, wanted=moved, reason="", **asked)
        assert not mend_file(session, wanted=moved, reason="", **asked)
        # The same company's SIRET needs no reason, but a key that holds.
        with pytest.raises(FieldError) as refused:
            mend_file(session, wanted={**moved, "registration": "SIRET 000 000 043 00012"}, reason="", **asked)
        assert (refused.value.field, refused.value.code) == ("registration", "siren_unsound")
        page = f"/tresorerie/commerces/{merchant.id}"
    assert "Ce SIREN a une faute" in browser_of(app, hall, role="treasurer").get(page).text


@pytest.mark.parametrize(
    "operation", ["UPDATE file_change SET reason = 'x'", "DELETE FROM file_change", "TRUNCATE file_change"]
)
def test_what_was_changed_in_a_file_is_never_rewritten(
    hall: Hall, town: Town, clock: FixedClock, operation: str
) -> None:
    with hall.database.transaction() as session:
        merchant_id = session.scalars(select(Merchant.id).where(Merchant.key == "cave")).one()
        wanted = {**ADDRESS, "registration": "SIREN 000000042", "street": "9 rue des Postes"}
        assert mend_file(session, merchant_id=merchant_id, wanted=wanted, reason="", actor="test", now=clock.now())
    with pytest.raises(DBAPIError, match="file_change is append-only"), hall.database.transaction() as session:
        session.execute(text(operation))


def test_a_birth_date_is_a_persons_and_its_history_does_not_tell_it(hall: Hall, town: Town, app: Flask) -> None:
    with hall.database.reading() as session:
        cave = seller_by_key(session, "cave")
    treasurer, page = browser_of(app, hall, role="treasurer"), f"/tresorerie/commerces/{cave.id}"
    file = {"registration": "SIREN 000000042", **ADDRESS}
    for legal_form, born_on, said in (
        ("SARL", "28/11/1974", "une société n’en a pas"),
        ("EI", "28/11/2020", "aurait moins de 16 ans"),
        ("EI", "28/13/1974", "28/11/2026"),
        ("EI", "28/11/1974", ""),
        ("", "28/11/1974", "Forme juridique"),
    ):
        answer = treasurer.post(page, legal_form=legal_form, born_on=born_on, **file)
        assert (answer.status_code, said in answer.text) == (422 if said else 303, True), (legal_form, born_on)
    shown = treasurer.get(page).text
    assert 'value="28/11/1974"' in shown and shown.count("1974") == 2, "in the field and in the hint"
    with hall.database.reading() as session:
        person = seller_by_key(session, "cave")
        change = session.scalars(select(FileChange)).one()
    assert (person.legal_form, person.born_on) == ("EI", date(1974, 11, 28))
    assert change.changed == {"legal_form": ["", "EI"], "born_on": [False, True]}
