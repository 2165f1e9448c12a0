"""The v2 API, resource by resource."""

from __future__ import annotations

from marketplace.payments.sandbox.api_methods import api_methods
from marketplace.payments.sandbox.api_organizations import api_organizations
from marketplace.payments.sandbox.api_payments import api_payments
from marketplace.payments.sandbox.api_refunds import api_refunds

BLUEPRINTS = (api_payments, api_refunds, api_methods, api_organizations)
