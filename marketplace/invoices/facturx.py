"""The document for programs: UN/CEFACT's Cross Industry Invoice in the profile EN 16931, as Factur-X embeds it.

Prices here are VAT included, and EN 16931 counts without: each line says what is left of it without VAT
(`rules.net_amounts`), and gives its price for the whole quantity, so that no division leaves a remainder.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from xml.etree import ElementTree as ET

from marketplace.invoices.rules import (
    CREDIT_NOTE,
    DEDUCTION,
    GOODS,
    NO_INVOICE,
    ONLINE,
    SERVICES,
    Document,
    Party,
)
from marketplace.money import ZERO, Money

RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
QDT = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"
for _prefix, _namespace in (("rsm", RSM), ("ram", RAM), ("udt", UDT), ("qdt", QDT)):
    ET.register_namespace(_prefix, _namespace)

PROFILE = "urn:cen.eu:en16931:2017"
FILE_NAME = "factur-x.xml"

#: UNTDID 1001: a commercial invoice, a credit note.
_TYPE = {False: "380", True: "381"}
#: The French cadre de facturation, all of sums that are settled already: goods, services or both.
_PROCESS = {GOODS: "B2", SERVICES: "S2"}
_MIXED_PROCESS = "M2"
#: UNTDID 4461: an online payment service; a set-off between partners.
_MEANS = {ONLINE: "68", DEDUCTION: "97"}
#: The subjects of UNTDID 4451 among our mentions; the franchise stands with the VAT, others have none.
_SUBJECTS = ("PMD", "PMT", "AAB")
#: ISO 6523: a SIREN as a legal registration, and as an electronic address.
_SIREN, _SIREN_ADDRESS = "0002", "0225"


def cross_industry_invoice(document: Document, warnings: Sequence[str] = ()) -> bytes:
    """The XML of an invoice or credit note, UTF-8; `warnings` are what the paper says above all else.

    ValueError for a receipt, which is no invoice.
    """
    if document.kind in NO_INVOICE:
        raise ValueError("a receipt has no invoice's XML")
    root = ET.Element(f"{{{RSM}}}CrossIndustryInvoice")
    context = _in(root, RSM, "ExchangedDocumentContext")
    _text(_in(context, RAM, "BusinessProcessSpecifiedDocumentContextParameter"), "ID", _process(document))
    _text(_in(context, RAM, "GuidelineSpecifiedDocumentContextParameter"), "ID", PROFILE)
    head = _in(root, RSM, "ExchangedDocument")
    _text(head, "ID", document.number)
    _text(head, "TypeCode", _TYPE[document.kind == CREDIT_NOTE])
    _day(head, "IssueDateTime", document.issued_on)
    for text, subject in [*((warning, "") for warning in warnings), *_notes(document)]:
        note = _in(head, RAM, "IncludedNote")
        _text(note, "Content", text)
        if subject:
            _text(note, "SubjectCode", subject)
    deal = _in(root, RSM, "SupplyChainTradeTransaction")
    _lines(deal, document)
    agreement = _in(deal, RAM, "ApplicableHeaderTradeAgreement")
    _party(agreement, "SellerTradeParty", document.seller)
    _party(agreement, "BuyerTradeParty", document.buyer)
    if document.reference:
        _text(_in(agreement, RAM, "BuyerOrderReferencedDocument"), "IssuerAssignedID", document.reference)
    delivery = _in(deal, RAM, "ApplicableHeaderTradeDelivery")
    _day(_in(delivery, RAM, "ActualDeliverySupplyChainEvent"), "OccurrenceDateTime", document.supplied_on)
    _settlement(deal, document)
    ET.indent(root)
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True)


def _process(document: Document) -> str:
    return _PROCESS.get(document.supply, _MIXED_PROCESS)


def _notes(document: Document) -> list[tuple[str, str]]:
    """(text, subject): mentions but the franchise, and why a credit note was made."""
    said = [
        (mention.text, mention.code if mention.code in _SUBJECTS else "")
        for mention in document.mentions
        if mention.code != "franchise"
    ]
    return [*said, (document.reason, "")] if document.reason else said


def _lines(deal: ET.Element, document: Document) -> None:
    for number, (line, net) in enumerate(zip(document.lines, document.net_amounts, strict=True), 1):
        item = _in(deal, RAM, "IncludedSupplyChainTradeLineItem")
        _text(_in(item, RAM, "AssociatedDocumentLineDocument"), "LineID", str(number))
        _text(_in(item, RAM, "SpecifiedTradeProduct"), "Name", line.text)
        price = _in(_in(item, RAM, "SpecifiedLineTradeAgreement"), RAM, "NetPriceProductTradePrice")
        # A price is never negative (BR-27): what a line takes away is a negative quantity.
        _text(price, "ChargeAmount", str(net if net >= ZERO else -net))
        _text(price, "BasisQuantity", str(line.qty), unitCode="C62")
        quantity = line.qty if net >= ZERO else -line.qty
        _text(_in(item, RAM, "SpecifiedLineTradeDelivery"), "BilledQuantity", str(quantity), unitCode="C62")
        settlement = _in(item, RAM, "SpecifiedLineTradeSettlement")
        tax = _in(settlement, RAM, "ApplicableTradeTax")
        _text(tax, "TypeCode", "VAT")
        _text(tax, "CategoryCode", _category(document, line.vat_bp))
        _text(tax, "RateApplicablePercent", _percent(line.vat_bp))
        _text(_in(settlement, RAM, "SpecifiedTradeSettlementLineMonetarySummation"), "LineTotalAmount", str(net))


def _party(parent: ET.Element, role: str, party: Party) -> None:
    element = _in(parent, RAM, role)
    _text(element, "Name", party.name)
    if role == "SellerTradeParty" and (party.legal_form or party.registration):
        _text(element, "Description", " ".join(filter(None, (party.legal_form, party.registration))))
    if party.siren:
        _text(_in(element, RAM, "SpecifiedLegalOrganization"), "ID", party.siren, schemeID=_SIREN)
    address = _in(element, RAM, "PostalTradeAddress")
    if party.address is not None:
        _text(address, "PostcodeCode", party.address.postcode)
        _text(address, "LineOne", party.address.street)
        _text(address, "CityName", party.address.city)
    _text(address, "CountryID", party.address.country if party.address else "FR")
    if party.siren:
        _text(_in(element, RAM, "URIUniversalCommunication"), "URIID", party.siren, schemeID=_SIREN_ADDRESS)
    if party.vat_number:
        _text(_in(element, RAM, "SpecifiedTaxRegistration"), "ID", party.vat_number, schemeID="VA")
    elif party.siren and role == "SellerTradeParty":
        # Whoever is exempt still says by which number the tax office knows them (BR-E-02).
        _text(_in(element, RAM, "SpecifiedTaxRegistration"), "ID", party.siren, schemeID="FC")


def _settlement(deal: ET.Element, document: Document) -> None:
    settlement = _in(deal, RAM, "ApplicableHeaderTradeSettlement")
    _text(settlement, "InvoiceCurrencyCode", "EUR")
    _text(_in(settlement, RAM, "SpecifiedTradeSettlementPaymentMeans"), "TypeCode", _MEANS[document.settlement])
    for total in document.vat_totals:
        category = _category(document, total.vat_bp)
        tax = _in(settlement, RAM, "ApplicableTradeTax")
        _text(tax, "CalculatedAmount", str(total.vat))
        _text(tax, "TypeCode", "VAT")
        if category == "E":
            _text(tax, "ExemptionReason", next(m.text for m in document.mentions if m.code == "franchise"))
        _text(tax, "BasisAmount", str(total.base))
        _text(tax, "CategoryCode", category)
        if category == "E":
            _text(tax, "ExemptionReasonCode", "VATEX-FR-FRANCHISE")
        _text(tax, "RateApplicablePercent", _percent(total.vat_bp))
    if document.supplied_from is not None:
        period = _in(settlement, RAM, "BillingSpecifiedPeriod")
        _day(period, "StartDateTime", document.supplied_from)
        _day(period, "EndDateTime", document.supplied_on)
    # France's cadres of settled sums want the day of payment as the day on which it was due.
    _day(_in(settlement, RAM, "SpecifiedTradePaymentTerms"), "DueDateDateTime", document.settled_on)
    sums = _in(settlement, RAM, "SpecifiedTradeSettlementHeaderMonetarySummation")
    _text(sums, "LineTotalAmount", str(document.base))
    _text(sums, "TaxBasisTotalAmount", str(document.base))
    _text(sums, "TaxTotalAmount", str(document.vat), currencyID="EUR")
    _text(sums, "GrandTotalAmount", str(document.total))
    _text(sums, "TotalPrepaidAmount", str(document.total))
    _text(sums, "DuePayableAmount", str(Money(0)))
    if document.corrects is not None:
        named = _in(settlement, RAM, "InvoiceReferencedDocument")
        _text(named, "IssuerAssignedID", document.corrects.number)
        _day(named, "FormattedIssueDateTime", document.corrects.issued_on, QDT)


def _category(document: Document, vat_bp: int) -> str:
    """UNTDID 5305: S taxed, E exempt (a seller under the franchise), Z at nothing."""
    if not document.seller.vat_number:
        return "E"
    return "S" if vat_bp else "Z"


def _percent(vat_bp: int) -> str:
    return f"{vat_bp // 100}.{vat_bp % 100:02d}"


def _in(parent: ET.Element, namespace: str, name: str) -> ET.Element:
    return ET.SubElement(parent, f"{{{namespace}}}{name}")


def _text(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, f"{{{RAM}}}{name}", attributes).text = text


def _day(parent: ET.Element, name: str, day: date, namespace: str = UDT) -> None:
    holder = _in(parent, RAM, name)
    ET.SubElement(holder, f"{{{namespace}}}DateTimeString", {"format": "102"}).text = f"{day:%Y%m%d}"
