"""A balance over a time: what it opened with, what came and went, what it closed with. Rules over lines, no book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from marketplace.payments.sandbox.balances import Transaction
from marketplace.payments.sandbox.shapes import Json, amount

GROUPINGS = ("status-balances", "transaction-categories")
CATEGORIES = {
    "payments": ("payment", "split-payment", "post-payment-split-payment", "movement"),
    "refunds": (
        *("refund", "refund-compensation", "platform-payment-refund"),
        *("returned-refund", "returned-refund-compensation", "returned-platform-payment-refund"),
    ),
    "chargebacks": (
        *("chargeback", "chargeback-compensation", "platform-payment-chargeback"),
        *("chargeback-reversal", "reversed-chargeback-compensation", "reversed-platform-payment-chargeback"),
    ),
    "capital": (),
    "transfers": ("outgoing-transfer", "outgoing-custom-amount-transfer", "incoming-transfer"),
    "fee-prepayments": ("payment-fee", "reimbursement-fee"),
    "corrections": (),
    "topups": (),
}
#: What is held becomes usable by a pair of lines of this type; only the one that comes in says so.
MOVED = "movement"

#: (type, method, cents) of one line's part.
Part = tuple[str, str, int]


def totals(lines: Sequence[Transaction], currency: str, from_at: datetime, until_at: datetime, grouping: str) -> Json:
    """The report's totals: in each group open + pending - moved = close, and open + moved + immediate = close."""
    earlier = [line for line in lines if line.created_at < from_at]
    inside = [line for line in lines if from_at <= line.created_at < until_at]
    pending = [_part(line, line.held_cents) for line in inside if line.kind != MOVED and line.held_cents]
    moved = [_part(line, line.amount_cents) for line in inside if line.kind == MOVED and line.amount_cents > 0]
    immediate = [
        _part(line, line.amount_cents - line.held_cents)
        for line in inside
        if line.kind != MOVED and line.amount_cents != line.held_cents
    ]
    opened, closed = _standing(earlier), _standing([*earlier, *inside])
    if grouping == "status-balances":
        return {
            "pendingBalance": {
                "open": {"amount": amount(currency, opened["pending"])},
                "pending": _group(pending, currency),
                "movedToAvailable": _group(moved, currency),
                "close": {"amount": amount(currency, closed["pending"])},
            },
            "availableBalance": {
                "open": {"amount": amount(currency, opened["available"])},
                "movedFromPending": _group(moved, currency),
                "immediatelyAvailable": _group(immediate, currency),
                "close": {"amount": amount(currency, closed["available"])},
            },
        }
    by_category = {
        name: {
            "pending": _group(_of(kinds, pending), currency),
            "movedToAvailable": _group(_of(kinds, moved), currency),
            "immediatelyAvailable": _group(_of(kinds, immediate), currency),
        }
        for name, kinds in CATEGORIES.items()
    }
    return {
        "open": {name: {"amount": amount(currency, cents)} for name, cents in opened.items()},
        **by_category,
        "close": {name: {"amount": amount(currency, cents)} for name, cents in closed.items()},
    }


def _standing(lines: Iterable[Transaction]) -> dict[str, int]:
    pending = available = 0
    for line in lines:
        pending += line.held_cents
        available += line.amount_cents - line.held_cents
    return {"pending": pending, "available": available}


def _part(line: Transaction, cents: int) -> Part:
    return line.kind, line.method, cents


def _of(kinds: Sequence[str], parts: Sequence[Part]) -> list[Part]:
    return [part for part in parts if part[0] in kinds]


def _group(parts: Sequence[Part], currency: str) -> Json:
    """The sum, and below it the sums of each type, and of each method for payments."""
    group: dict[str, Any] = {"amount": amount(currency, sum(cents for _, _, cents in parts))}
    if parts:
        group["subtotals"] = [
            _subtotal("transactionType", kind, _of((kind,), parts), currency)
            for kind in dict.fromkeys(kind for kind, _, _ in parts)
        ]
    return group


def _subtotal(name: str, value: str, parts: Sequence[Part], currency: str) -> Json:
    body: Json = {
        name: value,
        "count": len(parts),
        "amount": amount(currency, sum(cents for _, _, cents in parts)),
    }
    if value == "payment":
        body["subtotals"] = [
            _subtotal("method", method, [part for part in parts if part[1] == method], currency)
            for method in dict.fromkeys(method for _, method, _ in parts)
        ]
    return body
