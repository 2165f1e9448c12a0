"""The v2 API: balances, their lines and their report; for tokens only (mollie.md D2)."""

from __future__ import annotations

from datetime import date, datetime, time

from flask import Blueprint, request

from marketplace.payments.sandbox import balances, reports, shapes
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation, page_limit, window
from marketplace.payments.sandbox.postings import MOLLIES_TIME
from marketplace.payments.sandbox.refusals import ApiRefusal, no_such

api_balances = Blueprint("api_balances", __name__, url_prefix=API_PREFIX)

#: What a line says of its cause, by its type; the specification's description of `context` has the list.
_PAYMENT = ("paymentId", "paymentDescription")
_REFUND = (*_PAYMENT, "refundId", "refundDescription")
_CHARGEBACK = (*_PAYMENT, "chargebackId", "chargebackDescription")
CONTEXT = {
    "payment": _PAYMENT,
    **dict.fromkeys(reports.CATEGORIES["fee-prepayments"], _PAYMENT),
    "split-payment": (*_PAYMENT, "paymentOwner"),
    "post-payment-split-payment": ("paymentId",),
    **dict.fromkeys(reports.CATEGORIES["refunds"], _REFUND),
    **dict.fromkeys(reports.CATEGORIES["chargebacks"], _CHARGEBACK),
    "outgoing-transfer": ("settlementId", "transferId"),
}


@api_balances.get("/balances")
@operation("balances.read", keys=False)
def list_balances(call: Call) -> Answer:
    found = balances.of_organization(call.db, call.organization_id) if call.is_test else []
    wanted = request.args.get("currency")
    found = [balance for balance in found if wanted in (None, balance.currency)]
    shown, next_path = window(call, [balance.id for balance in found], "balances")
    items = [_show(balance, call.links) for balance in found if balance.id in shown]
    return 200, shapes.list_page("balances", items, call.links, "balances", next_path, "list-balances")


@api_balances.get("/balances/<balance_id>")
@operation("balances.read", keys=False)
def get_balance(call: Call, balance_id: str) -> Answer:
    return 200, _show(_balance(call, balance_id), call.links)


@api_balances.get("/balances/<balance_id>/transactions")
@operation("balances.read", keys=False)
def list_balance_transactions(call: Call, balance_id: str) -> Answer:
    limit = page_limit()
    balance = _balance(call, balance_id)
    found = balances.page(call.db, balance, from_id=request.args.get("from"), limit=limit + 1)
    path = f"balances/{balance.id}/transactions"
    next_path = None
    if len(found) > limit:
        next_path = call.page_path(path, **{"from": found[limit].id, "limit": limit})
    shown = [_show_transaction(line) for line in found[:limit]]
    return 200, shapes.list_page(
        "balance_transactions", shown, call.links, path, next_path, "list-balance-transactions"
    )


@api_balances.get("/balances/<balance_id>/report")
@operation("balances.read", keys=False)
def get_balance_report(call: Call, balance_id: str) -> Answer:
    balance = _balance(call, balance_id)
    from_on, until_on = _day("from"), _day("until")
    if until_on <= from_on:
        raise ApiRefusal(400, "until is after from.", "until")
    grouping = request.args.get("grouping", "status-balances")
    if grouping not in reports.GROUPINGS:
        raise ApiRefusal(400, f"grouping is one of {', '.join(reports.GROUPINGS)}.", "grouping")
    from_at, until_at = (datetime.combine(day, time(), MOLLIES_TIME) for day in (from_on, until_on))
    lines = balances.before(call.db, balance, until_at)
    return 200, {
        "resource": "balance-report",
        "balanceId": balance.id,
        "timeZone": MOLLIES_TIME.key,
        "from": from_on.isoformat(),
        "until": until_on.isoformat(),
        "grouping": grouping,
        "totals": reports.totals(lines, balance.currency, from_at, until_at, grouping),
        "_links": {
            "self": call.links.hal(f"balances/{balance.id}/report"),
            "documentation": call.links.documentation("get-balance-report"),
        },
    }


def _balance(call: Call, balance_id: str) -> balances.Balance:
    if not call.is_test:
        raise no_such("live balance", balance_id)
    return balances.get(call.db, call.organization_id, balance_id)


def _day(name: str) -> date:
    written = request.args.get(name, "")
    try:
        if len(written) != 10:
            raise ValueError
        return date.fromisoformat(written)
    except ValueError as error:
        raise ApiRefusal(400, f"{name} is a day as in 2026-12-31.", name) from error


def _show(balance: balances.Balance, links: shapes.Links) -> shapes.Json:
    return {
        "resource": "balance",
        "id": balance.id,
        "mode": "test",
        "createdAt": shapes.CREATED_AT,
        "currency": balance.currency,
        "description": f"Solde {balance.currency}",
        "status": "active",
        "transferFrequency": "never",
        "transferThreshold": shapes.amount(balance.currency, 0),
        "transferReference": None,
        "transferDestination": None,
        "availableAmount": shapes.amount(balance.currency, balance.standing.available_cents),
        "pendingAmount": shapes.amount(balance.currency, balance.standing.held_cents),
        "_links": {
            "self": links.hal(f"balances/{balance.id}"),
            "documentation": links.documentation("get-balance"),
        },
    }


def _show_transaction(line: balances.Transaction) -> shapes.Json:
    words = {
        "paymentId": line.payment_id,
        "paymentDescription": line.payment_description,
        "paymentOwner": line.payment_owner_id,
        "refundId": line.refund_id,
        "refundDescription": line.refund_description,
        "chargebackId": line.chargeback_id,
        "chargebackDescription": "Contested by the card's owner",
        "settlementId": line.settlement_id,
        "transferId": line.transfer_id,
    }
    context = {name: words[name] for name in CONTEXT.get(line.kind, ())}
    return {
        "resource": "balance-transaction",
        "id": line.id,
        "type": line.kind,
        "resultAmount": shapes.amount(line.currency, line.amount_cents),
        "initialAmount": shapes.amount(line.currency, line.amount_cents + line.deducted_cents),
        "deductions": shapes.amount(line.currency, -line.deducted_cents) if line.deducted_cents else None,
        "createdAt": shapes.instant(line.created_at),
        "context": context or None,
    }
