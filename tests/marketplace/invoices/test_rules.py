"""What documents add up to and have to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.invoices.freezing import from_kept, to_kept
from marketplace.invoices.rules import (
    CREDIT_NOTE,
    INVOICE,
    RECEIPT,
    Corrected,
    CreditTooLarge,
    Line,
    VatTotal,
    credit_draft,
    issued,
    mentions_for,
    net_amounts,
    number_of,
    series_prefix,
    spread_credit,
    total_of,
    vat_totals,
)
from marketplace.money import Money
from tests.marketplace.invoices.cast import ASSOCIATION, BASKET, CANDLES, CHEESE, JEANNE, TODAY, sale

LINES = st.lists(
    st.builds(
        Line,
        text=st.just("Produit"),
        qty=st.integers(1, 20),
        unit_price=st.integers(-5_000, 50_000).map(Money),
        vat_bp=st.sampled_from([0, 210, 550, 1000, 2000]),
    ),
    min_size=1,
    max_size=30,
)


def test_vat_is_taken_out_of_each_rates_whole_sum() -> None:
    """The worked example's lines, summed: 19.95 holds 1.04 (1.0400…), where the lines alone say 0.37 + 0.67; 8.49 at
    20 % holds exactly 1.415, so 1.42."""
    assert vat_totals(BASKET) == (
        VatTotal(550, Money(1891), Money(104), Money(1995)),
        VatTotal(2000, Money(707), Money(142), Money(849)),
    )
    # Three times 0.10 at 20 %: 0.05 of 0.30, not three times 0.02.
    assert vat_totals([Line("Clou", 3, Money(10), 2000)]) == (VatTotal(2000, Money(25), Money(5), Money(30)),)


def test_lines_without_vat_sum_to_the_base_of_their_rate() -> None:
    assert net_amounts(BASKET, vat_totals(BASKET)) == (Money(668), Money(1223), Money(707))
    nails = [Line("Clou", 1, Money(10), 2000)] * 3
    assert net_amounts(nails, vat_totals(nails)) == (Money(9), Money(8), Money(8))


@given(LINES)
def test_no_cent_is_lost_between_lines_rates_and_total(lines: list[Line]) -> None:
    totals = vat_totals(lines)
    assert Money.total([total.total for total in totals]) == total_of(lines)
    nets = net_amounts(lines, totals)
    for total in totals:
        assert total.base + total.vat == total.total
        exact = Fraction(total.total.cents * total.vat_bp, 10_000 + total.vat_bp)
        assert abs(total.vat.cents - exact) <= Fraction(1, 2)
        same = [(line, net) for line, net in zip(lines, nets, strict=True) if line.vat_bp == total.vat_bp]
        assert Money.total([net for _, net in same]) == total.base
        for line, net in same:
            assert abs(net.cents - Fraction(line.amount.cents * 10_000, 10_000 + line.vat_bp)) <= 1


def test_a_document_reads_back_as_it_was_kept() -> None:
    document = issued(
        replace(sale(), supplied_from=date(2026, 11, 1)),
        number="M1-A2026-00001",
        issuer=ASSOCIATION,
        on=TODAY,
        corrects=Corrected("M1-F2026-00007", date(2026, 11, 2)),
        reason="Fromage rendu",
    )
    assert from_kept(to_kept(document)) == document
    plain = issued(replace(sale(), buyer=replace(JEANNE, address=None)), number="R2026-00001", issuer=None, on=TODAY)
    assert from_kept(to_kept(plain)) == plain
    with pytest.raises(ValueError, match="form 99"):
        from_kept({**to_kept(plain), "form": 99})


def _said(kind: str, on: date, *, seller=CHEESE, buyer=JEANNE, issuer=None, guaranteed=False) -> list[str]:  # type: ignore[no-untyped-def]  # the cast's values
    lines = (Line("Bougie", 1, Money(1200), 0 if not seller.vat_number else 2000),)
    draft = replace(sale(seller, lines, kind, buyer), has_guaranteed_goods=guaranteed)
    return [mention.text for mention in mentions_for(draft, issuer=issuer, on=on)]


def test_the_franchise_is_named_by_the_law_of_the_day() -> None:
    before, after = date(2026, 8, 31), date(2026, 9, 1)
    assert _said(INVOICE, before, seller=CANDLES) == ["TVA non applicable, art.\u00a0293 B du CGI"]
    assert _said(INVOICE, after, seller=CANDLES) == [
        "TVA non applicable, franchise en base, art.\u00a0L.\u00a0223-1 et suivants du CIBS"
    ]
    assert _said(INVOICE, after) == []


def test_professionals_read_what_a_late_payment_costs() -> None:
    for kind in (INVOICE, CREDIT_NOTE):
        assert _said(kind, TODAY, seller=ASSOCIATION, buyer=CHEESE) == [
            "Pénalités de retard\u00a0: trois fois le taux d’intérêt légal.",
            "Indemnité forfaitaire pour frais de recouvrement en cas de retard\u00a0: 40,00\u00a0€.",
            "Pas d’escompte pour paiement anticipé.",
        ]
    assert _said(RECEIPT, TODAY, seller=ASSOCIATION, buyer=CHEESE) == []


def test_who_draws_up_in_anothers_name_says_so() -> None:
    assert _said(INVOICE, TODAY, issuer=ASSOCIATION) == [
        "Facture établie par Les Halles d’Angoulême au nom et pour le compte de Fromagerie du Breuil."
    ]
    assert _said(RECEIPT, TODAY, issuer=ASSOCIATION) == []


def test_goods_with_the_legal_guarantee_say_so_on_every_paper() -> None:
    assert _said(RECEIPT, TODAY, guaranteed=True) == [
        "Garantie légale de conformité\u00a0: deux ans à compter de la délivrance du bien."
    ]


def test_a_draft_that_cannot_be_issued_is_refused() -> None:
    with pytest.raises(ValueError, match="without a line"):
        sale(lines=())
    with pytest.raises(ValueError, match="less than nothing"):
        sale(lines=(Line("Remise", 1, Money(-1), 2000),))
    with pytest.raises(ValueError, match="charges no VAT"):
        sale(seller=CANDLES)
    with pytest.raises(ValueError, match="do not know"):
        sale(kind="quote")
    with pytest.raises(ValueError, match="not a line"):
        Line("Rien", 0, Money(100), 2000)


def test_a_credit_takes_what_is_left_of_each_line_and_no_more() -> None:
    invoice = issued(sale(), number="M1-F2026-00001", issuer=ASSOCIATION, on=TODAY)
    whole = [line.amount for line in invoice.lines]
    draft = credit_draft(invoice, {0: Money(705), 2: Money(400)}, whole)
    assert draft.lines == (BASKET[0], Line("Cidre", 1, Money(400), 2000))
    assert (draft.kind, draft.seller, draft.buyer) == (CREDIT_NOTE, CHEESE, JEANNE)
    with pytest.raises(CreditTooLarge) as refused:
        credit_draft(invoice, {2: Money(450)}, [Money(705), Money(1290), Money(449)])
    assert refused.value.details == {"position": 2, "left": Money(449)}
    for wrong in ({3: Money(1)}, {0: Money(0)}, {0: Money(-1)}, {-1: Money(1)}):
        with pytest.raises(ValueError, match="cannot credit"):
            credit_draft(invoice, wrong, whole)


def test_a_credit_is_no_more_than_the_whole_where_a_line_took_away() -> None:
    lines = (Line("Tomme", 1, Money(1000), 550), Line("Remise", 1, Money(-300), 550))
    invoice = issued(sale(lines=lines), number="M1-F2026-00001", issuer=ASSOCIATION, on=TODAY)
    left = [Money(1000), Money(-300)]
    assert total_of(credit_draft(invoice, {0: Money(700)}, left).lines) == Money(700)
    with pytest.raises(CreditTooLarge) as refused:
        credit_draft(invoice, {0: Money(701)}, left)
    assert refused.value.details == {"position": None, "left": Money(700)}


def test_a_sum_to_give_back_starts_with_the_last_lines() -> None:
    left = [Money(500), Money(-100), Money(0), Money(200)]
    assert spread_credit(Money(250), left) == {3: Money(200), 0: Money(50)}
    assert spread_credit(Money(9_000), left) == {3: Money(200), 0: Money(400)}
    assert spread_credit(Money(10), [Money(0)]) == {}


def test_numbers_say_what_and_when_and_under_which_mandate() -> None:
    assert number_of(series_prefix(INVOICE, 2026, None), 42) == "F2026-00042"
    assert number_of(series_prefix(CREDIT_NOTE, 2026, 2), 1) == "M2-A2026-00001"
    assert number_of(series_prefix(RECEIPT, 2027, None), 123_456) == "R2027-123456"
