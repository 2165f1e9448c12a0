"""The v2 API: settlements; for tokens only. They know no test mode at Mollie, so none is asked for."""

from __future__ import annotations

from flask import Blueprint, request

from marketplace.payments.sandbox import balances, settlements, shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation, window
from marketplace.payments.sandbox.postings import MOLLIES_TIME
from marketplace.payments.sandbox.settlements import Settlement

api_settlements = Blueprint("api_settlements", __name__, url_prefix=API_PREFIX)

#: How a settlement counts what is not a payment: (its description, its method); other lines are neither.
_KINDS = {
    "refund": ("Remboursements", "refund"),
    "returned-refund": ("Remboursements rendus", "refund"),
    "chargeback": ("Contestations", "chargeback"),
    "chargeback-reversal": ("Contestations gagnées", "chargeback"),
    "split-payment": ("Parts", None),
    "post-payment-split-payment": ("Parts", None),
}


@api_settlements.get("/settlements")
@operation("settlements.read", keys=False)
def list_settlements(call: Call) -> Answer:
    wanted = request.args.get("balanceId")
    found = settlements.of_organization(call.db, call.organization_id)
    found = [settlement for settlement in found if wanted in (None, settlement.balance_id)]
    shown, next_path = window(call, [settlement.id for settlement in found], "settlements")
    items = [_show(settlement, call.links) for settlement in found if settlement.id in shown]
    return 200, shapes.list_page("settlements", items, call.links, "settlements", next_path, "list-settlements")


@api_settlements.get("/settlements/<settlement_id>")
@operation("settlements.read", keys=False)
def get_settlement(call: Call, settlement_id: str) -> Answer:
    return 200, _show(settlements.get(call.db, call.organization_id, settlement_id), call.links)


def _show(settlement: Settlement, links: shapes.Links) -> shapes.Json:
    settled_at = shapes.instant(settlement.settled_at) if settlement.settled_at else None
    page = f"get-{settlement.id}-settlement" if settlement.id in ("open", "next") else "get-settlement"
    return {
        "resource": "settlement",
        "id": settlement.id,
        "reference": settlement.reference,
        "status": settlement.status,
        "createdAt": settled_at or shapes.CREATED_AT,
        "settledAt": settled_at,
        "amount": shapes.amount(settlement.currency, settlement.amount_cents),
        "balanceId": settlement.balance_id,
        "invoiceId": None,
        "periods": _periods(settlement),
        "_links": {
            "self": links.hal(f"settlements/{settlement.id}"),
            "documentation": links.documentation(page),
        },
    }


def _periods(settlement: Settlement) -> shapes.Json:
    """The lines by year and month: what came in and went out, and what the provider kept; not what only moved on."""
    periods: shapes.Json = {}
    months: dict[tuple[str, str], list[balances.Transaction]] = {}
    for line in settlement.lines:
        if line.kind == "movement":
            continue
        day = line.created_at.astimezone(MOLLIES_TIME)
        months.setdefault((f"{day:%Y}", f"{day:%m}"), []).append(line)
    for (year, month), lines in months.items():
        fees = [line for line in lines if line.kind == "payment-fee"]
        periods.setdefault(year, {})[month] = {
            "revenue": [
                _sum(description, method, group, settlement.currency)
                for (description, method), group in _grouped(lines).items()
            ],
            "costs": [
                {
                    **_sum("Frais", method, group, settlement.currency, sign=-1),
                    "rate": {"fixed": shapes.amount(settlement.currency, 0), "percentage": None},
                }
                for method, group in _by_method(fees).items()
            ],
            "invoiceReference": None,
        }
    return periods


def _grouped(lines: list[balances.Transaction]) -> dict[tuple[str, str | None], list[balances.Transaction]]:
    found: dict[tuple[str, str | None], list[balances.Transaction]] = {}
    for line in lines:
        if line.kind == "payment":
            found.setdefault(("Paiements", line.method), []).append(line)
        elif line.kind in _KINDS:
            found.setdefault(_KINDS[line.kind], []).append(line)
        elif line.kind != "payment-fee":
            found.setdefault((line.kind, None), []).append(line)
    return found


def _by_method(lines: list[balances.Transaction]) -> dict[str, list[balances.Transaction]]:
    found: dict[str, list[balances.Transaction]] = {}
    for line in lines:
        found.setdefault(line.method, []).append(line)
    return found


def _sum(
    description: str, method: str | None, lines: list[balances.Transaction], currency: str, *, sign: int = 1
) -> shapes.Json:
    total = shapes.amount(currency, sign * sum(line.amount_cents for line in lines))
    return {
        "description": description,
        "method": method,
        "count": len(lines),
        "amountNet": total,
        "amountVat": None,
        "amountGross": total,
    }
