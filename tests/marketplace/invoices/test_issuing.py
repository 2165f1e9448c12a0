"""Numbers, mandates, credits and months: what stands once it is issued."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from marketplace.invoices.issuing import (
    CommissionLine,
    Issued,
    credit,
    issue_commission_invoice,
    issue_for_seller,
)
from marketplace.invoices.mandates import (
    MandateInUse,
    MandateMissing,
    MandateStands,
    end_mandate,
    find_mandate,
    sign_mandate,
)
from marketplace.invoices.models import IssuedDocument
from marketplace.invoices.rules import (
    CREDIT_NOTE,
    DEDUCTION,
    INVOICE,
    RECEIPT,
    SERVICES,
    CreditTooLarge,
    Line,
)
from marketplace.money import Money
from tests.marketplace.invoices.cast import ASSOCIATION, CANDLES, CHEESE, NOW, TODAY, sale

NOVEMBER = date(2026, 11, 24)


def _sign(session: Session, on: date = date(2026, 11, 1), seller: str = CHEESE.key) -> int:
    return sign_mandate(session, seller=seller, signed_on=on, signed_by="Rose Breuil", now=NOW)


def _sell(session: Session, key: str, now: datetime = NOW) -> Issued:
    return issue_for_seller(session, key=key, draft=sale(), issuer=ASSOCIATION, now=now)


def _commission(session: Session, cents: list[int], month: date = NOVEMBER, now: datetime = NOW) -> tuple[Issued, ...]:
    lines = [CommissionLine(f"Commande {n}", Money(c), f"{n:08d}") for n, c in enumerate(cents)]
    return issue_commission_invoice(
        session,
        association=ASSOCIATION,
        merchant=CHEESE,
        month=month,
        lines=lines,
        reason="Commissions rendues",
        now=now,
    )


# --- Series ----------------------------------------------------------------------------------------------------


def test_numbers_follow_each_other_for_each_seller_kind_and_year(session: Session) -> None:
    _sign(session)
    _sign(session, seller=CANDLES.key)
    assert [_sell(session, f"sale:{n}").document.number for n in range(3)] == [
        "M1-F2026-00001",
        "M1-F2026-00002",
        "M1-F2026-00003",
    ]
    candle = sale(CANDLES, lines=(Line("Bougie", 1, Money(900), 0),))
    others = issue_for_seller(session, key="candle", draft=candle, issuer=ASSOCIATION, now=NOW)
    assert others.document.number == "M1-F2026-00001"
    receipt = issue_for_seller(session, key="r", draft=sale(kind=RECEIPT), issuer=ASSOCIATION, now=NOW)
    assert receipt.document.number == "R2026-00001"
    next_year = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)  # the clocks of the town show half past midnight
    assert _sell(session, "sale:later", next_year).document.number == "M1-F2027-00001"
    assert _sell(session, "sale:later", next_year).document.issued_on == date(2027, 1, 1)


def test_the_same_event_is_issued_once(session: Session) -> None:
    _sign(session)
    first = _sell(session, "sale:1")
    end_mandate(session, seller=CHEESE.key, ended_on=TODAY + timedelta(days=1))
    assert _sell(session, "sale:1", NOW + timedelta(days=40)) == first
    assert session.scalar(select(func.count()).select_from(IssuedDocument)) == 1


def test_days_never_run_backwards_in_a_series(session: Session) -> None:
    """Two hands at midnight: the later clock came first to the series."""
    _sign(session)
    assert _sell(session, "sale:1", datetime(2026, 11, 24, 23, 30, tzinfo=UTC)).document.issued_on == date(2026, 11, 25)
    late = _sell(session, "sale:2", datetime(2026, 11, 24, 22, 59, tzinfo=UTC)).document
    assert (late.number, late.issued_on) == ("M1-F2026-00002", date(2026, 11, 25))


def test_what_is_issued_is_never_changed_nor_forgotten(session: Session) -> None:
    _sign(session)
    _sell(session, "sale:1")
    for statement in (
        "UPDATE issued_document SET total = 0",
        "UPDATE issued_document SET content = '{}'",
        "DELETE FROM issued_document",
        "TRUNCATE issued_document CASCADE",
        "UPDATE issued_line SET amount = 1",
        "DELETE FROM issued_line",
        "DELETE FROM invoice_series",
        "UPDATE invoice_series SET last_ordinal = 5",
        "UPDATE invoice_series SET last_ordinal = last_ordinal",
        "UPDATE invoice_series SET last_ordinal = last_ordinal + 1, prefix = 'X'",
        "UPDATE invoice_series SET last_ordinal = last_ordinal + 1, last_issued_on = '2026-01-01'",
        "UPDATE invoicing_mandate SET signed_on = '2020-01-01'",
        "DELETE FROM invoicing_mandate",
    ):
        with pytest.raises(DBAPIError, match=r"append-only|only counts on|only ends"), session.begin_nested():
            session.execute(text(statement))


def test_the_document_says_what_its_seller_was_called_that_day(session: Session) -> None:
    _sign(session)
    first = _sell(session, "sale:1").document
    renamed = replace(CHEESE, name="Crèmerie du Breuil")
    issue_for_seller(session, key="sale:2", draft=sale(renamed), issuer=ASSOCIATION, now=NOW)
    again = _sell(session, "sale:1").document
    assert again == first
    assert (again.seller.name, again.total) == ("Fromagerie du Breuil", Money(2844))


# --- Mandates --------------------------------------------------------------------------------------------------


def test_without_a_mandate_in_force_there_is_a_receipt_and_no_invoice(session: Session) -> None:
    _sign(session, on=TODAY + timedelta(days=1))
    receipt = _sell(session, "sale:1").document
    assert (receipt.kind, receipt.number) == (RECEIPT, "R2026-00001")
    assert _sell(session, "sale:2", NOW + timedelta(days=1)).document.kind == INVOICE


def test_a_mandate_that_ended_closes_its_series(session: Session) -> None:
    _sign(session)
    _sell(session, "sale:1")
    end_mandate(session, seller=CHEESE.key, ended_on=TODAY + timedelta(days=1))
    assert _sell(session, "sale:2").document.number == "M1-F2026-00002"
    tomorrow = NOW + timedelta(days=1)
    assert _sell(session, "sale:3", tomorrow).document.number == "R2026-00001"
    assert _sign(session, on=date(2026, 11, 25)) == 2
    assert _sell(session, "sale:4", tomorrow).document.number == "M2-F2026-00001"


def test_mandates_do_not_overlap_and_end_once(session: Session) -> None:
    with pytest.raises(MandateMissing):
        end_mandate(session, seller=CHEESE.key, ended_on=TODAY)
    assert _sign(session) == 1
    with pytest.raises(MandateStands):
        _sign(session, on=date(2027, 1, 1))
    with pytest.raises(MandateInUse) as refused:
        end_mandate(session, seller=CHEESE.key, ended_on=date(2026, 10, 31))
    assert refused.value.details == {"used_on": date(2026, 11, 1)}
    end_mandate(session, seller=CHEESE.key, ended_on=date(2026, 11, 20))
    with pytest.raises(MandateMissing):
        end_mandate(session, seller=CHEESE.key, ended_on=date(2026, 11, 22))
    with pytest.raises(MandateStands):
        _sign(session, on=date(2026, 11, 19))
    assert _sign(session, on=date(2026, 11, 20)) == 2
    held = [find_mandate(session, seller=CHEESE.key, on=date(2026, 11, day)) for day in (1, 19, 20)]
    assert [mandate and mandate.ordinal for mandate in held] == [1, 1, 2]
    assert find_mandate(session, seller=CHEESE.key, on=date(2026, 10, 31)) is None


def test_a_mandate_does_not_end_before_what_was_issued_under_it(session: Session) -> None:
    _sign(session)
    _sell(session, "sale:1")
    with pytest.raises(MandateInUse) as refused:
        end_mandate(session, seller=CHEESE.key, ended_on=TODAY)
    assert refused.value.details == {"used_on": TODAY}


# --- Credit notes ----------------------------------------------------------------------------------------------


def test_a_credit_note_names_its_invoice_and_leaves_less_to_credit(session: Session) -> None:
    _sign(session)
    invoice = _sell(session, "sale:1")

    def take(key: str, credits: dict[int, int]) -> Issued:
        amounts = {position: Money(cents) for position, cents in credits.items()}
        return credit(session, key=key, document_id=invoice.id, credits=amounts, reason="Rendu", now=NOW)

    note = take("credit:1", {0: 235, 2: 849}).document
    assert (note.kind, note.number, note.total, note.reason) == (CREDIT_NOTE, "M1-A2026-00001", Money(1084), "Rendu")
    assert note.corrects is not None
    assert (note.corrects.number, note.corrects.issued_on) == ("M1-F2026-00001", TODAY)
    assert take("credit:1", {1: 1290}).document == note
    with pytest.raises(CreditTooLarge) as refused:
        take("credit:2", {0: 471})
    assert refused.value.details == {"position": 0, "left": Money(470)}
    with pytest.raises(CreditTooLarge):
        take("credit:2", {2: 1})
    assert take("credit:2", {0: 470, 1: 1290}).document.total == Money(1760)
    with pytest.raises(CreditTooLarge):
        take("credit:3", {1: 1})


def test_a_credit_in_anothers_name_needs_a_mandate_too(session: Session) -> None:
    _sign(session)
    invoice = _sell(session, "sale:1")
    end_mandate(session, seller=CHEESE.key, ended_on=TODAY + timedelta(days=1))
    tomorrow = NOW + timedelta(days=1)
    with pytest.raises(MandateMissing):
        credit(session, key="c", document_id=invoice.id, credits={0: Money(1)}, reason="Rendu", now=tomorrow)
    _sign(session, on=date(2026, 11, 25))
    note = credit(session, key="c", document_id=invoice.id, credits={0: Money(1)}, reason="Rendu", now=tomorrow)
    assert note.document.number == "M2-A2026-00001"


def test_a_receipt_is_corrected_by_a_refund_receipt_without_any_mandate(session: Session) -> None:
    receipt = _sell(session, "sale:1")
    back = credit(session, key="c", document_id=receipt.id, credits={0: Money(1)}, reason="Rendu", now=NOW)
    assert (back.document.kind, back.document.number) == ("refund_receipt", "RR2026-00001")
    assert back.document.corrects is not None
    assert back.document.corrects.number == receipt.document.number
    assert [mention.code for mention in back.document.mentions] == []


def test_what_takes_back_is_not_credited(session: Session) -> None:
    receipt = _sell(session, "sale:1")
    back = credit(session, key="c", document_id=receipt.id, credits={0: Money(1)}, reason="Rendu", now=NOW)
    with pytest.raises(ValueError, match="takes back itself"):
        credit(session, key="d", document_id=back.id, credits={0: Money(1)}, reason="Rendu", now=NOW)


def test_the_database_too_refuses_a_credit_note_of_nothing(session: Session) -> None:
    _sign(session)
    invoice = _sell(session, "sale:1")
    with pytest.raises(IntegrityError, match="credit_names_its_invoice"), session.begin_nested():
        session.execute(
            text(
                "INSERT INTO issued_document (series_id, ordinal, number, kind, key, seller, buyer, reference, "
                "issued_on, issued_at, total, token, content) SELECT series_id, 2, 'x', 'credit_note', 'x', seller, "
                "'', '', issued_on, issued_at, 1, 'x', content FROM issued_document WHERE id = :id"
            ),
            {"id": invoice.id},
        )


# --- Commission ------------------------------------------------------------------------------------------------


def test_a_months_commission_is_invoiced_once(session: Session) -> None:
    (first,) = _commission(session, [160, 88, -33])
    document = first.document
    assert (document.number, document.total, document.vat, document.base) == (
        "F2026-00001",
        Money(215),
        Money(36),
        Money(179),
    )
    assert (document.supplied_from, document.supplied_on, document.reference) == (
        date(2026, 11, 1),
        date(2026, 11, 30),
        "2026-11",
    )
    assert (document.settlement, document.supply, document.buyer) == (DEDUCTION, SERVICES, CHEESE)
    assert [mention.code for mention in document.mentions] == ["PMD", "PMT", "AAB"]
    assert _commission(session, [9999], month=date(2026, 11, 1)) == (first,)
    assert _commission(session, [100], month=date(2026, 12, 1))[0].document.number == "F2026-00002"


def test_a_month_without_commission_has_no_invoice(session: Session) -> None:
    assert _commission(session, []) == ()
    assert _commission(session, [50, -50]) == ()


def test_an_association_under_the_franchise_charges_no_vat(session: Session) -> None:
    (found,) = issue_commission_invoice(
        session,
        association=replace(ASSOCIATION, vat_number=""),
        merchant=CHEESE,
        month=NOVEMBER,
        lines=[CommissionLine("Commande", Money(160))],
        reason="",
        now=NOW,
    )
    assert (found.document.vat, found.document.mentions[0].text) == (
        Money(0),
        "TVA non applicable, franchise en base, art.\u00a0L.\u00a0223-1 et suivants du CIBS",
    )


def test_refunds_beyond_the_months_sales_are_credited_on_earlier_invoices(session: Session) -> None:
    _commission(session, [300, 200], month=date(2026, 9, 1))
    _commission(session, [100, -20, 50], month=date(2026, 10, 1))
    notes = _commission(session, [30, -330])
    assert [(note.document.number, note.document.total) for note in notes] == [
        ("A2026-00001", Money(130)),
        ("A2026-00002", Money(170)),
    ]
    assert [note.document.corrects and note.document.corrects.number for note in notes] == [
        "F2026-00002",
        "F2026-00001",
    ]
    assert notes[1].document.lines == (Line("Commande 1", 1, Money(170), 2000, "00000001"),)
    assert _commission(session, [1]) == notes
    with pytest.raises(CreditTooLarge) as refused:
        _commission(session, [-331], month=date(2026, 12, 1))
    assert refused.value.details["left"] == Money(330)
