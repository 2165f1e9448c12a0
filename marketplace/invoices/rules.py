"""What a document says and adds up to: frozen values, no session, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from itertools import cycle, islice
from types import MappingProxyType

from marketplace.errors import MarketplaceError
from marketplace.legal import legal_value
from marketplace.money import ZERO, Money, vat_in

INVOICE, CREDIT_NOTE, RECEIPT, REFUND_RECEIPT = "invoice", "credit_note", "receipt", "refund_receipt"
KINDS = (INVOICE, CREDIT_NOTE, RECEIPT, REFUND_RECEIPT)
#: What takes back from a document that it names: a credit note from an invoice, a refund receipt from a receipt.
TAKING_BACK = (CREDIT_NOTE, REFUND_RECEIPT)
#: What is no invoice, and says so: it needs no mandate.
NO_INVOICE = (RECEIPT, REFUND_RECEIPT)

#: How the sum was settled, and a credit will be: paid online by the buyer, or kept back from the merchant's sales.
ONLINE, DEDUCTION = "online", "deduction"
SETTLEMENTS = (ONLINE, DEDUCTION)

#: What was supplied (the category that invoices have to name, domain I6).
GOODS, SERVICES, MIXED = "goods", "services", "mixed"
SUPPLIES = (GOODS, SERVICES, MIXED)


class CreditTooLarge(MarketplaceError):
    """More would be credited than is left of a line (`position`), or of the whole (None): `left` is what is left."""

    code = "credit_too_large"


@dataclass(frozen=True, slots=True)
class Address:
    street: str
    postcode: str
    city: str
    country: str = "FR"


@dataclass(frozen=True, slots=True)
class Party:
    """Who sells or buys. `key` is the ledger's word ("association", "merchant:<key>"), empty for a resident.

    `siren` is empty for a private person; `vat_number` is empty for whoever has none: for a seller that means the
    franchise (no VAT is charged). `registration` is what people read ("RCS Angoulême 123 456 789").
    """

    key: str
    name: str
    legal_form: str = ""
    registration: str = ""
    siren: str = ""
    vat_number: str = ""
    address: Address | None = None

    @property
    def is_professional(self) -> bool:
        return bool(self.siren)


@dataclass(frozen=True, slots=True)
class Line:
    """`qty` pieces at `unit_price`, VAT included; a reduction has a negative unit price.

    Goods by weight are one piece of what they really cost, with the weight in `text`. `reference` is the caller's own
    word for the line.
    """

    text: str
    qty: int
    unit_price: Money
    vat_bp: int
    reference: str = ""

    def __post_init__(self) -> None:
        if self.qty < 1 or not 0 <= self.vat_bp <= 10_000:
            raise ValueError(f"not a line: {self!r}")

    @property
    def amount(self) -> Money:
        """VAT included."""
        return self.unit_price * self.qty


@dataclass(frozen=True, slots=True)
class VatTotal:
    """Of all lines at one rate: base + vat = total, to the cent."""

    vat_bp: int
    base: Money
    vat: Money
    total: Money


@dataclass(frozen=True, slots=True)
class Mention:
    """A sentence that the law asks for; `code` is its subject in EN 16931 (UNTDID 4451), or our own word."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """The invoice or receipt that is corrected."""

    number: str
    issued_on: date


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller asks to be issued; number, day of issue and mentions are given when it is.

    Supplied from `supplied_from` (None: on one day) to `supplied_on`; paid on `settled_on` (None: on the day of
    issue). `reference` is the order's code or the month.
    `is_fictitious`: seller and buyer exist in the demo town only, and the document says so.
    """

    kind: str
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    supplied_on: date
    supply: str
    settlement: str
    reference: str
    supplied_from: date | None = None
    settled_on: date | None = None
    has_guaranteed_goods: bool = False
    is_fictitious: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.supply not in SUPPLIES or self.settlement not in SETTLEMENTS:
            raise ValueError("a word that documents do not know")
        if not self.lines:
            raise ValueError("a document without a line")
        if total_of(self.lines) < ZERO:
            raise ValueError("a document of less than nothing: credit an invoice instead")
        # A receipt says what was paid, also where the seller's file lacks the number that its invoice would need.
        if self.kind not in NO_INVOICE and not self.seller.vat_number and charges_vat(self.lines):
            raise ValueError("a seller without a VAT number charges no VAT")


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was issued; nothing in it follows later changes elsewhere (reliability I15).

    `issuer` is who drew it up, where that is not the seller; `reason` and `corrects` are of what takes back.
    """

    kind: str
    number: str
    issued_on: date
    seller: Party
    buyer: Party
    issuer: Party | None
    lines: tuple[Line, ...]
    supplied_from: date | None
    supplied_on: date
    supply: str
    settlement: str
    settled_on: date
    reference: str
    mentions: tuple[Mention, ...]
    corrects: Corrected | None = None
    reason: str = ""
    is_fictitious: bool = False
    #: Of a credit note: what earlier ones took from the same invoice at each of its rates, VAT included.
    credited_before: tuple[tuple[int, Money], ...] = ()

    @property
    def total(self) -> Money:
        """VAT included."""
        return total_of(self.lines)

    @property
    def vat_totals(self) -> tuple[VatTotal, ...]:
        return vat_totals(self.lines, dict(self.credited_before))

    @property
    def net_amounts(self) -> tuple[Money, ...]:
        """Each line without VAT."""
        return net_amounts(self.lines, self.vat_totals)

    @property
    def base(self) -> Money:
        return Money.total([total.base for total in self.vat_totals])

    @property
    def vat(self) -> Money:
        return Money.total([total.vat for total in self.vat_totals])


def total_of(lines: Sequence[Line]) -> Money:
    return Money.total([line.amount for line in lines])


def charges_vat(lines: Sequence[Line]) -> bool:
    return any(line.vat_bp for line in lines)


def vat_totals(lines: Sequence[Line], before: Mapping[int, Money] = MappingProxyType({})) -> tuple[VatTotal, ...]:
    """One per rate, lowest first. VAT is taken out of the rate's whole sum, half-up, and the base is the rest:
    prices are VAT included, so what the buyer pays is never touched (domain R0.4, mollie.md 6).

    With `before`, what earlier credits took at each rate, VAT is reckoned on the sum so far: credits in small steps
    give back no cent more VAT than one whole.
    """
    found = []
    for vat_bp in sorted({line.vat_bp for line in lines}):
        total = total_of([line for line in lines if line.vat_bp == vat_bp])
        taken = before.get(vat_bp, ZERO)
        vat = vat_in(taken + total, vat_bp) - vat_in(taken, vat_bp)
        found.append(VatTotal(vat_bp, total - vat, vat, total))
    return tuple(found)


def net_amounts(lines: Sequence[Line], totals: Sequence[VatTotal]) -> tuple[Money, ...]:
    """Each line without VAT; those of one rate sum exactly to that rate's base in `totals`.

    Rounded to the cent, then the cents that lack or are too many go to the lines whose rounding was furthest off that
    way, ties to the first line.
    """
    nets = [Fraction(line.amount.cents * 10_000, 10_000 + line.vat_bp) for line in lines]
    cents = [net.numerator // net.denominator for net in nets]
    for total in totals:
        same = [i for i, line in enumerate(lines) if line.vat_bp == total.vat_bp]
        left = total.base.cents - sum(cents[i] for i in same)
        # Reckoned on the sum so far, a base can lie a cent below all that was rounded down.
        step = 1 if left > 0 else -1
        for i in islice(cycle(sorted(same, key=lambda i: (step * (cents[i] - nets[i]), i))), abs(left)):
            cents[i] += step
    return tuple(Money(value) for value in cents)


def mentions_for(draft: Draft, *, issuer: Party | None, on: date) -> tuple[Mention, ...]:
    """The sentences that this document has to carry on the day of its issue.

    LookupError when the legal tables hold none for that day. Sources stand in the tables (domain I4, I6, I8, C6).
    """
    said = []
    if draft.kind not in NO_INVOICE and issuer is not None:
        text = legal_value("invoice.mandate_mention", on).value
        said.append(Mention("mandate", text.format(issuer=issuer.name, seller=draft.seller.name)))
    if not draft.seller.vat_number and not charges_vat(draft.lines):
        said.append(Mention("franchise", legal_value("vat.franchise_mention", on).value))
    if draft.kind not in NO_INVOICE and draft.buyer.is_professional:
        # Subjects as French invoices between firms name them: PMD penalties, PMT indemnity, AAB discount. The public
        # portal's rules want all three on credit notes too (BR-FR-05).
        for code, key in (
            ("PMD", "invoice.late_penalty_mention"),
            ("PMT", "invoice.recovery_mention"),
            ("AAB", "invoice.no_discount_mention"),
        ):
            said.append(Mention(code, legal_value(key, on).value))
    if draft.has_guaranteed_goods:
        said.append(Mention("guarantee", legal_value("sale.guarantee_mention", on).value))
    return tuple(said)


def issued(
    draft: Draft,
    *,
    number: str,
    issuer: Party | None,
    on: date,
    corrects: Corrected | None = None,
    reason: str = "",
    credited_before: tuple[tuple[int, Money], ...] = (),
) -> Document:
    """The draft, frozen on its day under its number, with its mentions."""
    return Document(
        kind=draft.kind,
        number=number,
        issued_on=on,
        seller=draft.seller,
        buyer=draft.buyer,
        issuer=issuer,
        lines=draft.lines,
        supplied_from=draft.supplied_from,
        supplied_on=draft.supplied_on,
        supply=draft.supply,
        settlement=draft.settlement,
        settled_on=draft.settled_on or on,
        reference=draft.reference,
        mentions=mentions_for(draft, issuer=issuer, on=on),
        corrects=corrects,
        reason=reason,
        is_fictitious=draft.is_fictitious,
        credited_before=credited_before,
    )


def credit_draft(invoice: Document, credits: Mapping[int, Money], left: Sequence[Money]) -> Draft:
    """What takes back these amounts (VAT included) by the positions of the lines of an invoice or receipt, from 0.

    `left` is what earlier credit notes left of each line. A line that is credited whole keeps its quantity and price.
    CreditTooLarge for more than is left; ValueError for a line that is not there or an amount that is not positive.
    """
    lines = []
    for position, amount in sorted(credits.items()):
        if not 0 <= position < len(invoice.lines) or amount <= ZERO:
            raise ValueError(f"cannot credit {amount} of line {position}")
        if amount > left[position]:
            raise CreditTooLarge(position=position, left=left[position])
        line = invoice.lines[position]
        lines.append(line if amount == line.amount else replace(line, qty=1, unit_price=amount))
    # Reductions are lines too: the whole can be less than its positive lines.
    if total_of(lines) > Money.total(left):
        raise CreditTooLarge(position=None, left=Money.total(left))
    return Draft(
        kind=REFUND_RECEIPT if invoice.kind == RECEIPT else CREDIT_NOTE,
        seller=invoice.seller,
        buyer=invoice.buyer,
        lines=tuple(lines),
        supplied_from=invoice.supplied_from,
        supplied_on=invoice.supplied_on,
        supply=invoice.supply,
        settlement=invoice.settlement,
        reference=invoice.reference,
        is_fictitious=invoice.is_fictitious,
    )


def spread_credit(amount: Money, left: Sequence[Money]) -> dict[int, Money]:
    """Credits by position that sum to `amount`, or to all that is left if that is less; the last lines first."""
    room = min(amount, Money.total(left))
    credits = {}
    for position in reversed(range(len(left))):
        taken = min(room, left[position])
        if taken > ZERO:
            credits[position] = taken
            room -= taken
    return credits


def series_prefix(kind: str, year: int, mandate_ordinal: int | None) -> str:
    """What a series' numbers begin with: "F2026" for one's own, "M1-F2026" for those under a seller's first mandate.

    The M keeps our numbers apart from those that the shop's own till gives; a mandate's number, because a mandate
    that has ended closes its series for good (domain I4, I5).
    """
    letter = {INVOICE: "F", CREDIT_NOTE: "A", RECEIPT: "R", REFUND_RECEIPT: "RR"}[kind]
    own = f"{letter}{year}"
    return own if mandate_ordinal is None else f"M{mandate_ordinal}-{own}"


def number_of(prefix: str, ordinal: int) -> str:
    """F2026-00042. Five digits sort a year's documents; a sixth would only make it longer."""
    return f"{prefix}-{ordinal:05d}"
