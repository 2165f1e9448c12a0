"""What programs and people read: Factur-X against the official schema, and the PDF/A-3 around it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from facturx import get_facturx_xml_from_pdf, xml_check_xsd
from jinja2 import Environment, FileSystemLoader
from pypdf import PdfReader
from pypdf.generic import DictionaryObject

from marketplace.invoices.facturx import QDT, RAM, RSM, UDT, cross_industry_invoice
from marketplace.invoices.layout import file_name, lay_out
from marketplace.invoices.paper import FONTS, print_pdf
from marketplace.invoices.printing import order_from_json, order_to_json
from marketplace.invoices.rules import (
    CREDIT_NOTE,
    DEDUCTION,
    RECEIPT,
    SERVICES,
    Corrected,
    Document,
    Line,
    issued,
)
from marketplace.language import speaking
from marketplace.money import Money
from marketplace.web.filters import long_day
from tests.marketplace.invoices.cast import ASSOCIATION, CANDLES, CHEESE, JEANNE, NOW, TODAY, sale

NS = {"rsm": RSM, "ram": RAM, "udt": UDT, "qdt": QDT}
SETTLEMENT = ".//ram:ApplicableHeaderTradeSettlement"
SUMS = f"{SETTLEMENT}/ram:SpecifiedTradeSettlementHeaderMonetarySummation"


@pytest.fixture(scope="module")
def words() -> Mapping[str, str]:
    templates = Environment(loader=FileSystemLoader(Path(__file__).parents[3] / "templates"), autoescape=True)
    words: Mapping[str, str] = vars(templates.get_template("marketplace/invoices/words.html").module)["words"]
    return words


def _sold() -> Document:
    """In the merchant's name, to a resident."""
    draft = replace(sale(), is_fictitious=True, has_guaranteed_goods=True, settled_on=date(2026, 11, 20))
    return issued(draft, number="M1-F2026-00001", issuer=ASSOCIATION, on=TODAY)


def _exempt() -> Document:
    draft = sale(CANDLES, (Line("Bougie", 2, Money(999), 0),))
    return issued(draft, number="M1-F2026-00002", issuer=ASSOCIATION, on=TODAY)


def _commission() -> Document:
    lines = (Line("Commande 1", 1, Money(160), 2000), Line("Remboursement 2", 1, Money(-33), 2000))
    draft = replace(sale(ASSOCIATION, lines, buyer=CHEESE), settlement=DEDUCTION, supply=SERVICES)
    draft = replace(draft, supplied_from=date(2026, 11, 1), supplied_on=date(2026, 11, 30), reference="2026-11")
    return issued(draft, number="F2026-00001", issuer=None, on=date(2026, 12, 1))


def _credit() -> Document:
    return issued(
        replace(sale(), kind=CREDIT_NOTE, buyer=replace(JEANNE, address=None)),
        number="M1-A2026-00001",
        issuer=ASSOCIATION,
        on=TODAY,
        corrects=Corrected("M1-F2026-00001", date(2026, 11, 23)),
        reason="Fromage rendu & remboursé",
    )


def _receipt() -> Document:
    draft = sale(CANDLES, (Line("Bougie de Łódź 🕯 à l’ancienne", 1, Money(900), 0),), RECEIPT)
    return issued(draft, number="R2026-00001", issuer=ASSOCIATION, on=TODAY)


INVOICES = {"sold": _sold, "exempt": _exempt, "commission": _commission, "credit": _credit}


def _find(root: ET.Element, path: str) -> list[str]:
    return [element.text or "" for element in root.findall(path, NS)]


# --- For programs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", INVOICES.values(), ids=INVOICES)
def test_the_xml_is_what_the_official_schema_wants_and_agrees_with_the_document(make: Any) -> None:
    document = make()
    xml = cross_industry_invoice(document)
    xml_check_xsd(xml, flavor="factur-x", level="en16931")
    _check_sums(document, ET.fromstring(xml))


def test_any_basket_adds_up_without_vat_too() -> None:
    """What EN 16931 asks of every invoice (BR-CO-10, -13, -14, -15, BR-S-08, -09), on seeded baskets."""
    draw = random.Random(16931)
    for _ in range(150):
        lines = tuple(
            Line("Produit", draw.randint(1, 9), Money(draw.randint(1, 9_000)), draw.choice((210, 550, 1000, 2000)))
            for _ in range(draw.randint(1, 25))
        )
        document = issued(sale(lines=lines), number="M1-F2026-00001", issuer=ASSOCIATION, on=TODAY)
        _check_sums(document, ET.fromstring(cross_industry_invoice(document)))


def _check_sums(document: Document, root: ET.Element) -> None:
    lines = root.findall(".//ram:IncludedSupplyChainTradeLineItem", NS)
    nets: dict[str, Decimal] = {}
    for line in lines:
        (net,) = _find(line, ".//ram:LineTotalAmount")
        (price,) = _find(line, ".//ram:NetPriceProductTradePrice/ram:ChargeAmount")
        (per,), (qty,) = _find(line, ".//ram:BasisQuantity"), _find(line, ".//ram:BilledQuantity")
        assert Decimal(price) * Decimal(qty) == Decimal(net) * Decimal(per)
        assert Decimal(price) >= 0
        (rate,) = _find(line, ".//ram:RateApplicablePercent")
        nets[rate] = nets.get(rate, Decimal(0)) + Decimal(net)
    taxes = root.findall(f"{SETTLEMENT}/ram:ApplicableTradeTax", NS)
    by_rate = {_find(tax, "ram:RateApplicablePercent")[0]: tax for tax in taxes}
    assert {rate: Decimal(_find(tax, "ram:BasisAmount")[0]) for rate, tax in by_rate.items()} == nets
    for rate, tax in by_rate.items():
        exact = Decimal(_find(tax, "ram:BasisAmount")[0]) * Decimal(rate) / 100
        assert abs(Decimal(_find(tax, "ram:CalculatedAmount")[0]) - exact) < Decimal("0.01")
    vat = sum(Decimal(_find(tax, "ram:CalculatedAmount")[0]) for tax in taxes)
    total = Decimal(str(document.total))
    assert [Decimal(value) for value in _find(root, f"{SUMS}/*")] == [
        sum(nets.values()),
        sum(nets.values()),
        vat,
        total,
        total,
        Decimal(0),
    ]
    assert sum(nets.values()) + vat == total


def test_the_xml_says_who_what_when_and_why() -> None:
    root = ET.fromstring(cross_industry_invoice(_commission(), ("Inventé",)))
    assert _find(root, ".//ram:GuidelineSpecifiedDocumentContextParameter/ram:ID") == ["urn:cen.eu:en16931:2017"]
    assert _find(root, ".//ram:BusinessProcessSpecifiedDocumentContextParameter/ram:ID") == ["S2"]
    assert _find(root, "rsm:ExchangedDocument/ram:ID") == ["F2026-00001"]
    assert _find(root, "rsm:ExchangedDocument/ram:TypeCode") == ["380"]
    assert _find(root, ".//ram:IssueDateTime/udt:DateTimeString") == ["20261201"]
    assert _find(root, ".//ram:IncludedNote/ram:Content")[0] == "Inventé"
    assert _find(root, ".//ram:IncludedNote/ram:SubjectCode") == ["PMD", "PMT", "AAB"]
    assert _find(root, ".//ram:SpecifiedLegalOrganization/ram:ID") == ["000000018", "000000026"]
    assert _find(root, ".//ram:SpecifiedTaxRegistration/ram:ID") == ["FR18000000018", "FR42000000026"]
    assert _find(root, ".//ram:BilledQuantity") == ["1", "-1"]
    assert _find(root, f"{SETTLEMENT}/ram:BillingSpecifiedPeriod//udt:DateTimeString") == ["20261101", "20261130"]
    credit = ET.fromstring(cross_industry_invoice(_credit()))
    assert _find(credit, "rsm:ExchangedDocument/ram:TypeCode") == ["381"]
    assert _find(credit, f"{SETTLEMENT}/ram:InvoiceReferencedDocument/ram:IssuerAssignedID") == ["M1-F2026-00001"]
    assert _find(credit, f"{SETTLEMENT}/ram:InvoiceReferencedDocument//qdt:DateTimeString") == ["20261123"]
    assert _find(credit, ".//ram:IncludedNote/ram:Content")[-1] == "Fromage rendu & remboursé"


def test_a_seller_under_the_franchise_is_exempt_and_says_by_which_law() -> None:
    root = ET.fromstring(cross_industry_invoice(_exempt()))
    (tax,) = root.findall(f"{SETTLEMENT}/ram:ApplicableTradeTax", NS)
    assert _find(tax, "ram:CategoryCode") == ["E"]
    assert _find(tax, "ram:ExemptionReasonCode") == ["VATEX-FR-FRANCHISE"]
    assert _find(tax, "ram:ExemptionReason") == [
        "TVA non applicable, franchise en base, art.\u00a0L.\u00a0223-1 et suivants du CIBS"
    ]
    assert [element.get("schemeID") for element in root.findall(".//ram:SpecifiedTaxRegistration/ram:ID", NS)] == ["FC"]


def test_a_receipt_has_no_invoices_xml() -> None:
    with pytest.raises(ValueError, match="no invoice"):
        cross_industry_invoice(_receipt())


# --- For people ------------------------------------------------------------------------------------------------


def _printed(document: Document, words: Mapping[str, str]) -> bytes:
    sheet = lay_out(document, words)
    xml = None if document.kind == RECEIPT else cross_industry_invoice(document, sheet.warnings)
    return print_pdf(sheet, issued_at=NOW, xml=xml)


def _text(pdf: bytes) -> str:
    """What the paper says, its fixed spaces as plain ones."""
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).replace("\u00a0", " ")


def test_the_paper_reads_as_it_was_issued(words: Mapping[str, str]) -> None:
    said = _text(_printed(_sold(), words))
    for expected in (
        "Facture n° M1-F2026-00001",
        "Document de démonstration : ce vendeur et cette vente sont inventés.",
        "Fromagerie du Breuil",
        "SIREN 000 000 026",
        "N° de TVA FR42000000026",
        "Jeanne Œuvrard",
        "Date d’émission 24 novembre 2026",
        "Panier de légumes 1 12,90 € 5,5 % 12,23 € 12,90 €",
        "Total TTC 28,44 €",
        "20 % 7,07 € 1,42 € 8,49 €",
        "Payé en ligne le 20 novembre 2026. Reste à payer : 0,00 €.",
        "Facture établie par Les Halles d’Angoulême au nom et pour le compte de Fromagerie du Breuil.",
        "Garantie légale de conformité : deux ans à compter de la délivrance du bien.",
        "Page 1 sur 1",
    ):
        assert expected in said, expected


def test_a_receipt_says_that_it_is_no_invoice_and_every_sign_has_a_drawing(words: Mapping[str, str]) -> None:
    pdf = _printed(_receipt(), words)
    said = _text(pdf)
    assert "Ce reçu n’est pas une facture. Pour une facture, demandez-la à Cire & Mèche." in said
    assert "Bougie de Lódz ? à l’ancienne" in said
    assert PdfReader(BytesIO(pdf)).attachments == {}


def test_a_credit_note_names_what_it_corrects(words: Mapping[str, str]) -> None:
    said = _text(_printed(_credit(), words))
    assert "Corrige facture n° M1-F2026-00001 du 23 novembre 2026" in said
    assert "Motif Fromage rendu & remboursé" in said


def test_a_long_invoice_goes_on_with_its_headings(words: Mapping[str, str]) -> None:
    lines = tuple(Line(f"Commande {n}", 1, Money(160), 2000) for n in range(120))
    document = issued(sale(ASSOCIATION, lines, buyer=CHEESE), number="F2026-00001", issuer=None, on=TODAY)
    pages = PdfReader(BytesIO(_printed(document, words))).pages
    assert len(pages) == 4
    assert [page.extract_text().count("Désignation") for page in pages] == [1, 1, 1, 1]
    assert "Page 4 sur 4" in pages[3].extract_text()


def test_the_file_is_a_pdf_a_3b_that_carries_its_factur_x(words: Mapping[str, str]) -> None:
    document = _sold()
    pdf = _printed(document, words)
    reader = PdfReader(BytesIO(pdf))
    root = reader.trailer["/Root"]
    assert root["/Lang"] == "fr-FR"
    # The attachment, by both doors, and what it is to the document.
    (associated,) = root["/AF"]
    assert associated.get_object()["/AFRelationship"] == "/Alternative"
    assert associated.get_object()["/UF"] == "factur-x.xml"
    assert associated.get_object()["/EF"]["/F"]["/Subtype"] == "/text/xml"
    assert list(reader.attachments) == ["factur-x.xml"]
    # Another program's reader finds it, and finds it valid.
    name, xml = get_facturx_xml_from_pdf(pdf, check_schematron=False)
    assert (name, xml) == ("factur-x.xml", cross_industry_invoice(document, lay_out(document, words).warnings))
    # What the file says of itself.
    metadata = root["/Metadata"].get_object().get_data().decode()
    described = ET.fromstring(metadata[metadata.index("<x:xmpmeta") : metadata.index("<?xpacket end")])
    values = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in described.iter()}
    assert (values["part"], values["conformance"]) == ("3", "B")
    assert (values["DocumentFileName"], values["DocumentType"], values["Version"], values["ConformanceLevel"]) == (
        "factur-x.xml",
        "INVOICE",
        "1.0",
        "EN 16931",
    )
    assert "Facture n°\u00a0M1-F2026-00001" in "".join(described.itertext())
    # Colours mean the same everywhere, and nothing is encrypted or runs.
    (intent,) = root["/OutputIntents"]
    assert intent.get_object()["/S"] == "/GTS_PDFA1"
    assert intent.get_object()["/DestOutputProfile"].get_object()["/N"] == 3
    assert not reader.is_encrypted
    assert "/ID" in reader.trailer
    assert {"/AA", "/AcroForm"} & set(root) == set()
    assert b"/JavaScript" not in pdf


def test_every_font_is_embedded(words: Mapping[str, str]) -> None:
    found = {}
    for page in PdfReader(BytesIO(_printed(_sold(), words))).pages:
        resources = page["/Resources"]
        assert isinstance(resources, DictionaryObject)
        for font in resources["/Font"].values():  # type: ignore[attr-defined]  # pypdf types what is looked up as an object
            (descendant,) = font.get_object()["/DescendantFonts"]
            descriptor = descendant.get_object()["/FontDescriptor"]
            found[font.get_object()["/BaseFont"]] = "/FontFile2" in descriptor and "/ToUnicode" in font.get_object()
    assert len(found) == 3
    assert set(found.values()) == {True}
    assert sorted(path.name for path in FONTS.glob("OFL-*")) == [
        "OFL-Atkinson-Hyperlegible-Next.txt",
        "OFL-Fraunces.txt",
    ]


def test_the_same_document_is_the_same_file(words: Mapping[str, str]) -> None:
    assert _printed(_sold(), words) == _printed(_sold(), words)


def test_a_sheet_reaches_the_printing_process_whole(words: Mapping[str, str]) -> None:
    for make in (_sold, _receipt):
        sheet = lay_out(make(), words)
        xml = None if make is _receipt else cross_industry_invoice(_sold())
        assert order_from_json(order_to_json(sheet, NOW, xml)) == (sheet, NOW, xml)


def test_a_file_is_named_as_people_look_for_it(words: Mapping[str, str]) -> None:
    assert file_name(_receipt(), words) == "Reçu-R2026-00001.pdf"


def test_days_on_papers_have_their_year() -> None:
    with speaking("fr"):
        assert [long_day(date(2026, 12, day)) for day in (1, 11)] == ["1er décembre 2026", "11 décembre 2026"]
    with speaking("en"):
        assert long_day(date(2026, 12, 1)) == "1 December 2026"
