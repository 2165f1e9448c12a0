"""A statement as files: a table for spreadsheets, and a sheet for paper. Both say what the page says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from basket.statement_rules import Sums
from basket.statements import Move, Statement
from marketplace.clock import TOWN_ZONE
from marketplace.invoices.layout import address_block
from marketplace.invoices.rules import Party
from marketplace.invoices.sheet import Sheet, Table
from marketplace.language import speaking
from marketplace.money import ZERO, Money
from marketplace.spreadsheets import Cell, decimal_comma
from marketplace.web.filters import code_pairs, hour, long_day, money, percent
from merchants.sellers import SellerFile

#: Shares of the paper's width: the first column holds a day, or an order and what happened to it.
_DAYS, _MOVES = (22, 15, 16, 15, 16, 16), (30, 13, 14, 13, 15, 15)


def rows_of(statement: Statement, words: Mapping[str, str]) -> Iterator[Sequence[Cell]]:
    """Titles, then one row for each entry, with what is kept for the merchant after it."""
    yield [
        words[name]
        for name in (
            "day",
            "hour",
            "order",
            "shop",
            "what",
            "sold",
            "rate",
            "commission",
            "vat_rate",
            "commission_vat",
            "refunded",
            "commission_back",
            "contribution",
            "routed_sum",
            "taken_back",
            "other_sum",
            "kept",
        )
    ]
    kept = statement.whole.before
    for move in statement.moves:
        sums = move.sums
        kept += sums.change
        yield [
            move.on,
            f"{move.at.astimezone(TOWN_ZONE):%H:%M}",
            move.code,
            ", ".join(part.shop_name for part in move.parts),
            words.get(move.kind, words["other"]),
            sums.sold,
            "" if move.permille is None else decimal_comma(Money(move.permille * 10)),
            sums.commission,
            decimal_comma(Money(move.vat_bp)),
            sums.commission_vat,
            sums.refunded,
            sums.commission_back,
            sums.contribution,
            sums.routed,
            sums.taken_back,
            sums.other,
            kept,
        ]


def lay_out(
    statement: Statement,
    seller: SellerFile,
    words: Mapping[str, str],
    *,
    association: Party,
    today: date,
    is_fictitious: bool,
) -> Sheet:
    """A month by its days, a day by its entries."""
    whole = statement.whole
    last_day = whole.until_on - timedelta(days=1)
    with speaking("fr"):
        return Sheet(
            title=words["title"] % {"period": period_name(whole.from_on, last_day)},
            seller_name=seller.legal_name,
            warnings=(words["fictitious"],) if is_fictitious else (),
            seller=tuple(address_block(association, words)),
            buyer=tuple(address_block(seller.as_party, words)),
            facts=(
                (words["period"], words["from_to"] % {"start": long_day(whole.from_on), "end": long_day(last_day)}),
                (words["drawn_up"], long_day(today)),
            ),
            lines=_moves(statement, words) if whole.from_on == last_day else _days(statement, words),
            vat=_vat(statement, words),
            totals=(
                (words["kept_before"], money(whole.before)),
                *((words[name], money(amount)) for name, amount in _terms(whole.sums) if amount),
                (words["kept_after"], money(whole.after)),
            ),
            notes=tuple(words[name] for name in ("note_adds_up", "note_net", "note_invoice")),
            words=words,
        )


def period_name(first: date, last: date) -> str:
    """24 novembre 2026 for a day, novembre 2026 for a month."""
    day = long_day(first)
    return day if first == last else day.partition(" ")[2]


def _terms(sums: Sums) -> Iterator[tuple[str, Money]]:
    """What leads from one balance to the next, with its sign."""
    yield "sold", sums.sold
    yield "commission", -sums.commission
    yield "refunded", -sums.refunded
    yield "commission_back", sums.commission_back
    yield "contribution", -sums.contribution
    yield "routed_sum", -sums.routed
    yield "taken_back", sums.taken_back
    yield "other_sum", sums.other


def _days(statement: Statement, words: Mapping[str, str]) -> Table:
    rows = [(long_day(span.from_on), *_figures(span.sums, span.after)) for span in statement.spans]
    return Table(_headings(words, "day", statement.whole.sums), tuple(rows), _DAYS)


def _moves(statement: Statement, words: Mapping[str, str]) -> Table:
    rows, kept = [], statement.whole.before
    for move in statement.moves:
        kept += move.sums.change
        rows.append((_named(move, words), *_figures(move.sums, kept)))
    return Table(_headings(words, "order", statement.whole.sums), tuple(rows), _MOVES)


def _named(move: Move, words: Mapping[str, str]) -> str:
    return f"{hour(move.at)} {code_pairs(move.code)} {words.get(move.kind, words['other'])}"


def _headings(words: Mapping[str, str], first: str, whole: Sums) -> tuple[str, ...]:
    kept_back = "contribution_net" if whole.contribution else "commission_net"
    return tuple(words[name] for name in (first, "sold", kept_back, "refunds_net", "routed_net", "kept"))


def _figures(sums: Sums, kept: Money) -> tuple[str, ...]:
    given_back = sums.refunded - sums.commission_back - sums.other
    return tuple(
        money(amount)
        for amount in (
            sums.sold,
            -sums.commission - sums.contribution,
            -given_back,
            sums.taken_back - sums.routed,
            kept,
        )
    )


def _vat(statement: Statement, words: Mapping[str, str]) -> Table:
    """What the association keeps, by rate."""
    kept: dict[int, tuple[Money, Money]] = {}
    for move in statement.moves:
        amount, vat = kept.get(move.vat_bp, (ZERO, ZERO))
        kept[move.vat_bp] = (amount + move.sums.kept, vat + move.sums.commission_vat)
    rows = [
        (percent(rate_bp), money(amount - vat), money(vat), money(amount))
        for rate_bp, (amount, vat) in sorted(kept.items())
    ]
    return Table(tuple(words[name] for name in ("vat_rate", "vat_base", "vat", "amount")), tuple(rows))
