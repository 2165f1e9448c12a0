"""The v2 API: balance transfers; for tokens only (mollie.md D2)."""

from __future__ import annotations

from flask import Blueprint

from marketplace.payments.sandbox import shapes, transfers
from marketplace.payments.sandbox.operations import API_PREFIX, Answer, Call, operation, window
from marketplace.payments.sandbox.refusals import no_such, unprocessable

api_transfers = Blueprint("api_transfers", __name__, url_prefix=f"{API_PREFIX}/connect/balance-transfers")

MESSAGES = {
    transfers.SUCCESS: "The money has moved.",
    "source_not_allowed": "The source has not consented to transfers.",
    "destination_not_allowed": "The destination has not consented to transfers.",
    "insufficient_funds": "The source has not that much available.",
}


@api_transfers.post("")
@operation("balance-transfers.write", keys=False)
def create_transfer(call: Call) -> Answer:
    if not call.is_test:
        raise unprocessable("testmode", "The simulator moves no real money.")
    return 201, _show(transfers.create(call.db, call.organization_id, call.body))


@api_transfers.get("")
@operation("balance-transfers.read", keys=False)
def list_transfers(call: Call) -> Answer:
    path = "connect/balance-transfers"
    found = transfers.of_organization(call.db, call.organization_id) if call.is_test else []
    shown, next_path = window(call, [transfer.id for transfer in found], path)
    items = [_show(transfer) for transfer in found if transfer.id in shown]
    return 200, shapes.list_page(
        "connect_balance_transfers", items, call.links, path, next_path, "list-connect-balance-transfers"
    )


@api_transfers.get("/<transfer_id>")
@operation("balance-transfers.read", keys=False)
def get_transfer(call: Call, transfer_id: str) -> Answer:
    if not call.is_test:
        raise no_such("live balance transfer", transfer_id)
    return 200, _show(transfers.get(call.db, call.organization_id, transfer_id))


def _show(transfer: transfers.Transfer) -> shapes.Json:
    done = transfer.reason == transfers.SUCCESS
    return {
        "resource": "connect-balance-transfer",
        "id": transfer.id,
        "mode": "test",
        "amount": shapes.amount(transfer.currency, transfer.amount_cents),
        **transfer.request,
        "status": "succeeded" if done else "failed",
        "statusReason": {"code": transfer.reason, "message": MESSAGES[transfer.reason]},
        "createdAt": shapes.instant(transfer.created_at),
        "executedAt": shapes.instant(transfer.created_at) if done else None,
    }
