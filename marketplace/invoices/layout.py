"""A document as it is laid out: the same words and sums on paper and on screen."""

from __future__ import annotations

from collections.abc import Mapping

from marketplace.invoices.rules import NO_INVOICE, RECEIPT, TAKING_BACK, Document, Party
from marketplace.invoices.sheet import Sheet, Table
from marketplace.language import speaking
from marketplace.web.filters import FIXED, long_day, money


def lay_out(document: Document, words: Mapping[str, str]) -> Sheet:
    """`words` are those of templates/marketplace/invoices/words.html."""
    with speaking("fr"):
        return Sheet(
            title=words["title"] % {"kind": words[document.kind], "number": document.number},
            seller_name=document.seller.name,
            warnings=tuple(_warnings(document, words)),
            seller=tuple(address_block(document.seller, words)),
            buyer=tuple(address_block(document.buyer, words)),
            facts=tuple(_facts(document, words)),
            lines=_lines(document, words),
            vat=_vat(document, words),
            totals=(
                (words["total_net"], money(document.base)),
                (words["total_vat"], money(document.vat)),
                (words["total"], money(document.total)),
            ),
            notes=(_settled(document, words), *(mention.text for mention in document.mentions)),
            words=words,
        )


def file_name(document: Document, words: Mapping[str, str]) -> str:
    """Facture-F2026-00042.pdf: what it is called in the reader's folder."""
    return f"{words[document.kind]}-{document.number}.pdf"


def _warnings(document: Document, words: Mapping[str, str]) -> list[str]:
    said = [words["fictitious"]] if document.is_fictitious else []
    if document.kind in NO_INVOICE:
        said.append(
            words["no_invoice" if document.kind == RECEIPT else "no_credit_note"] % {"seller": document.seller.name}
        )
    return said


def address_block(party: Party, words: Mapping[str, str]) -> list[str]:
    """Name, address and numbers of a party, line by line. `words`: siren, vat_number."""
    block = [party.name, party.legal_form]
    if party.address is not None:
        block += [party.address.street, f"{party.address.postcode} {party.address.city}"]
    block.append(party.registration)
    if party.siren:
        block.append(words["siren"] % {"siren": FIXED.join((party.siren[:3], party.siren[3:6], party.siren[6:]))})
    if party.vat_number:
        block.append(words["vat_number"] % {"number": party.vat_number})
    return [line for line in block if line]


def _facts(document: Document, words: Mapping[str, str]) -> list[tuple[str, str]]:
    supplied = long_day(document.supplied_on)
    if document.supplied_from is not None:
        supplied = words["from_to"] % {"start": long_day(document.supplied_from), "end": supplied}
    facts = [
        (words["issued_on"], long_day(document.issued_on)),
        (words[f"supplied_on_{document.supply}"], supplied),
        (words["supply"], words[f"supply_{document.supply}"]),
    ]
    if document.reference:
        facts.append((words["reference"], document.reference))
    if document.corrects is not None:
        named = {"number": document.corrects.number, "day": long_day(document.corrects.issued_on)}
        which = words["corrects_receipt" if document.kind in NO_INVOICE else "corrects_which"]
        facts.append((words["corrects"], which % named))
    if document.reason:
        facts.append((words["reason"], document.reason))
    if document.issuer is not None:
        facts.append((words["issuer"], document.issuer.name))
    return facts


def _lines(document: Document, words: Mapping[str, str]) -> Table:
    rows = [
        (
            line.text,
            str(line.qty),
            money(line.unit_price),
            _percent(line.vat_bp, words),
            money(net),
            money(line.amount),
        )
        for line, net in zip(document.lines, document.net_amounts, strict=True)
    ]
    return Table(tuple(words[name] for name in ("text", "qty", "unit_price", "rate", "net", "amount")), tuple(rows))


def _vat(document: Document, words: Mapping[str, str]) -> Table:
    rows = [
        (_percent(total.vat_bp, words), money(total.base), money(total.vat), money(total.total))
        for total in document.vat_totals
    ]
    return Table(tuple(words[name] for name in ("vat_rate", "vat_base", "vat", "amount")), tuple(rows))


def _settled(document: Document, words: Mapping[str, str]) -> str:
    if document.kind in TAKING_BACK:
        return words[f"credited_{document.settlement}"]
    return words[f"settled_{document.settlement}"] % {"day": long_day(document.settled_on)}


def _percent(vat_bp: int, words: Mapping[str, str]) -> str:
    """20 %, 5,5 %."""
    whole, rest = divmod(vat_bp, 100)
    rate = f"{whole},{rest:02d}".rstrip("0").rstrip(",")
    return words["percent"] % {"rate": rate}
