"""The last step of every format: nothing twice, then one catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from merchants.imports.cells import shown
from merchants.imports.parsed import ParsedCatalogue, ParsedProduct, Problem


def assemble(
    form: str, products: Iterable[ParsedProduct], problems: Sequence[Problem], notes: Sequence[Problem]
) -> ParsedCatalogue:
    """The catalogue, without the products whose references or labels repeat: those are problems.

    A reference is how the next import finds the article again, so it belongs to one article; two variants with
    one label could not be told apart on the page.
    """
    kept: list[ParsedProduct] = []
    found = list(problems)
    product_line: dict[str, int] = {}
    variant_line: dict[str, int] = {}
    for product in products:
        faults = _repeated(product, product_line, variant_line)
        found.extend(faults)
        if not faults:
            kept.append(product)
        product_line.setdefault(product.reference, product.line)
        for variant in product.variants:
            variant_line.setdefault(variant.reference, variant.line)
    return ParsedCatalogue(form, tuple(kept), _in_order(found), _in_order(notes))


def _in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """By line, each once: a variation's fault may be met again at its sisters."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line))


def _repeated(product: ParsedProduct, products: dict[str, int], variants: dict[str, int]) -> list[Problem]:
    faults = []
    if product.reference in products:
        faults.append(Problem(product.line, "", "reference_twice", shown(product.reference)))
    own: set[str] = set()
    labels: set[str] = set()
    for variant in product.variants:
        if variant.reference in variants or variant.reference in own:
            faults.append(Problem(variant.line, "", "reference_twice", shown(variant.reference)))
        if variant.label.casefold() in labels:
            faults.append(Problem(variant.line, "", "label_twice", shown(variant.label)))
        own.add(variant.reference)
        labels.add(variant.label.casefold())
    # One sentence per line is enough.
    return list({fault.line: fault for fault in reversed(faults)}.values())
