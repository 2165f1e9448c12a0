"""The API, resource by resource, and the pages on which merchants let the marketplace in."""

from __future__ import annotations

from marketplace.payments.sandbox.api_balances import api_balances
from marketplace.payments.sandbox.api_methods import api_methods
from marketplace.payments.sandbox.api_payments import api_payments
from marketplace.payments.sandbox.api_refunds import api_refunds
from marketplace.payments.sandbox.api_settlements import api_settlements
from marketplace.payments.sandbox.api_transfers import api_transfers
from marketplace.payments.sandbox.oauth import oauth
from marketplace.payments.sandbox.onboarding import onboarding

BLUEPRINTS = (api_payments, api_refunds, api_methods, api_balances, api_settlements, api_transfers, onboarding, oauth)
