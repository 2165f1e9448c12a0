"""A document as the text that is kept, and back: what was issued reads the same for ever."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from marketplace.invoices.rules import Address, Corrected, Document, Line, Mention, Party
from marketplace.money import Money

#: Of the kept form. Earlier forms are read beside it: kept texts are not rewritten. Form 1 knew no `credited_before`.
FORM = 2


def to_kept(document: Document) -> dict[str, Any]:
    """JSON-ready: sums as whole cents, days as ISO dates."""
    kept = asdict(document)
    kept["form"] = FORM
    kept["lines"] = [
        {
            "text": line.text,
            "qty": line.qty,
            "unit_price_cents": line.unit_price.cents,
            "vat_bp": line.vat_bp,
            "reference": line.reference,
        }
        for line in document.lines
    ]
    kept["credited_before"] = [[vat_bp, amount.cents] for vat_bp, amount in document.credited_before]
    for name in ("issued_on", "supplied_on", "supplied_from", "settled_on"):
        kept[name] = kept[name] and kept[name].isoformat()
    if document.corrects is not None:
        kept["corrects"]["issued_on"] = document.corrects.issued_on.isoformat()
    return kept


def from_kept(kept: dict[str, Any]) -> Document:
    """The document that `to_kept` wrote. ValueError for a form that this program does not know."""
    if kept["form"] not in (1, FORM):
        raise ValueError(f"a document kept in form {kept['form']}")
    corrects = kept["corrects"]
    return Document(
        kind=kept["kind"],
        number=kept["number"],
        issued_on=date.fromisoformat(kept["issued_on"]),
        seller=_party(kept["seller"]),
        buyer=_party(kept["buyer"]),
        issuer=_party(kept["issuer"]) if kept["issuer"] else None,
        lines=tuple(
            Line(line["text"], line["qty"], Money(line["unit_price_cents"]), line["vat_bp"], line["reference"])
            for line in kept["lines"]
        ),
        supplied_from=date.fromisoformat(kept["supplied_from"]) if kept["supplied_from"] else None,
        supplied_on=date.fromisoformat(kept["supplied_on"]),
        supply=kept["supply"],
        settlement=kept["settlement"],
        settled_on=date.fromisoformat(kept["settled_on"]),
        reference=kept["reference"],
        mentions=tuple(Mention(mention["code"], mention["text"]) for mention in kept["mentions"]),
        corrects=Corrected(corrects["number"], date.fromisoformat(corrects["issued_on"])) if corrects else None,
        reason=kept["reason"],
        is_fictitious=kept["is_fictitious"],
        credited_before=tuple((vat_bp, Money(cents)) for vat_bp, cents in kept.get("credited_before", ())),
    )


def _party(kept: dict[str, Any]) -> Party:
    return Party(**{**kept, "address": Address(**kept["address"]) if kept["address"] else None})
