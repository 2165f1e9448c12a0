"""The words for accounts. A positive entry debits, a negative one credits.

holding                   what lies with the payment provider for us: debited by what residents pay
merchants:ahead           what the provider gave merchants with a payment that no order has taken yet (upfront routing)
merchant:<key>            what a merchant is owed (credit) until it is routed
association:commission    what the association earned by commission
association:delivery      what residents paid for rounds
association:contributions what merchants bear of the rounds, out of their sales
association:gestures      what the association gave back to residents out of its own pocket
association:chargebacks   what residents' banks have taken back and not returned: the association bears it
association:fees          what the provider kept for its services: of payments, refunds, chargebacks
association:bank          what the provider has paid out to the association's bank
residents:refunds         refunds asked for and not yet executed by the provider
residents:unmatched       money that came without an order it could pay: a person decides, or it goes back
"""

from __future__ import annotations

HOLDING = "holding"
AHEAD = "merchants:ahead"
COMMISSION = "association:commission"
DELIVERY = "association:delivery"
CONTRIBUTIONS = "association:contributions"
GESTURES = "association:gestures"
CHARGEBACKS = "association:chargebacks"
FEES = "association:fees"
BANK = "association:bank"
REFUNDS = "residents:refunds"
UNMATCHED = "residents:unmatched"


def merchant(key: str) -> str:
    """The account, and the party of a payment's share, of a merchant."""
    return f"merchant:{key}"


def of_share(party: str, kind: str) -> str:
    """The account of a share or of a part of a refund: goods are their merchant's, the rest is the association's."""
    own = {"commission": COMMISSION, "delivery": DELIVERY, "contribution": CONTRIBUTIONS, "gesture": GESTURES}
    return own.get(kind, party)
