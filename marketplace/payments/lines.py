"""What a line of the provider's book is about: its words for movements, and ours."""

from __future__ import annotations

#: What moves money of a payment, and what the ledger writes about by itself.
OF_PAYMENTS = ("paid", "routed", "refund", "reversal", "chargeback")
#: What only the provider knows of before its book is read; then the ledger is told.
TOLD_BY_THE_BOOK = ("fee", "payout")

#: The provider's word → ours. A word that is missing here is a difference: people look at it before anybody books it.
#: `transfer` is money that the association has sent to a merchant by itself; `moved` stays inside the balance.
WHAT: dict[str, str] = {
    **dict.fromkeys(("payment", "capture"), "paid"),
    **dict.fromkeys(("post-payment-split-payment", "split-payment"), "routed"),
    **dict.fromkeys(("refund", "returned-refund"), "refund"),
    **dict.fromkeys(("refund-compensation", "returned-refund-compensation"), "reversal"),
    **dict.fromkeys(
        ("chargeback", "chargeback-reversal", "chargeback-compensation", "reversed-chargeback-compensation"),
        "chargeback",
    ),
    **dict.fromkeys(
        (
            *("payment-fee", "failed-payment-fee", "reimbursement-fee", "bank-charged-failure-fee"),
            *("managed-fee", "returned-managed-fee", "platform-connected-organizations-fee"),
            *("payment-commission", "capture-commission", "fee-prepayment"),
            *("invoice-compensation", "invoice-rounding-compensation"),
        ),
        "fee",
    ),
    **dict.fromkeys(
        ("outgoing-transfer", "canceled-outgoing-transfer", "canceled-transfer", "returned-transfer"), "payout"
    ),
    "outgoing-custom-amount-transfer": "transfer",
    **dict.fromkeys(("movement", "balance-reserve", "balance-reserve-return"), "moved"),
}
