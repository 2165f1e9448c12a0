"""Mollie, behind one door: the only module that imports `mollie`.

Values in, values out, one method for each need. Where the client library hides traps they are cured here, once
(measured with mollie-api-python 4.0.0; mollie.md 1.2-1.8). What went wrong is told apart by what it means for money:
`Rejected` nothing happened, `TryAgain` nothing happened yet, `OutcomeUnknown` nobody can say until the same call is
repeated with its key or the object is fetched.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import requests
from mollie.api.client import Client
from mollie.api.error import Error, RequestError, RequestSetupError, ResponseError
from mollie.api.objects.payment import Payment
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

from marketplace.errors import GatewayError
from marketplace.money import ZERO, Money

T = TypeVar("T")

CURRENCY = "EUR"
#: Mollie's largest page.
LIST_LIMIT_QTY = 250
#: To connect and to wait, where somebody looks at a page that can do without the answer.
HURRIED_S = (1.0, 2.0)
#: Enough of a foreign message for a log; a proxy's error page has no end.
MESSAGE_MAXIMUM_CHARS = 300

_NO_KEY = "without a key the library draws one, and a repeated call would be done twice"
_PAYMENT_ID = re.compile(r"\Atr_[A-Za-z0-9]{4,40}\Z")
_ORGANIZATION_ID = re.compile(r"\Aorg_[A-Za-z0-9]{4,40}\Z")
_REFUND_ID = re.compile(r"\Are_[A-Za-z0-9]{4,40}\Z")
_LINE_ID = re.compile(r"\Abaltr_[A-Za-z0-9]{4,40}\Z")


class ProviderError(GatewayError):
    """What the three kinds of trouble share: the provider's HTTP status, where there was one."""

    status: int | None

    def __init__(self, message: str, *, status: int | None = None, field: str | None = None) -> None:
        super().__init__(message[:MESSAGE_MAXIMUM_CHARS], permanent=isinstance(self, Rejected), field=field)
        self.status = status


class Rejected(ProviderError):
    """Nothing happened, and the same call will not do better: a 4xx, or a call that we refuse to make."""


class TryAgain(ProviderError):
    """Nothing happened yet: not connected, 409 (same key still under way, or a repeated refund), 429, 503.

    401 too: our key is not taken. Whoever renews it has not refused a share, a refund or a payment with the old one.
    """


class OutcomeUnknown(ProviderError):
    """It may have happened: no answer in time, another 5xx, or an answer that cannot be read.

    Repeat with the same idempotency key within the hour; later look for the object before any new call.
    """


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """One line of the payment page; `total` is `unit_price` x `quantity`, VAT included.

    `kind` is one of Mollie's types: physical, digital, shipping_fee, discount, store_credit, gift_card, surcharge.
    Weighed goods are quantity 1 with the weight in the description: a quantity is a whole number.
    """

    description: str
    quantity: int
    unit_price: Money
    total: Money
    vat_rate_bp: int
    vat: Money
    kind: str = "physical"


@dataclass(frozen=True, slots=True)
class UpfrontRoute:
    """A share that the provider splits off when the payment is paid; its `id` once the provider has it."""

    organization_id: str
    amount: Money
    release_on: date | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class PayMethod:
    """A way to pay that is switched on, with the sums that it takes; no `maximum`: any."""

    id: str
    minimum: Money
    maximum: Money | None


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """What one payment asks for; no `webhook_url` means that only the return page and the poller will tell."""

    amount: Money
    description: str
    redirect_url: str
    webhook_url: str | None = None
    locale: str = "fr_FR"
    metadata: Mapping[str, str] = field(default_factory=dict)
    lines: tuple[PaymentLine, ...] = ()
    routes: tuple[UpfrontRoute, ...] = ()
    #: Only these ways to pay; none named: all that there are.
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """A payment as Mollie has it; `status` may be a word that did not exist when this was written.

    The sums are in `currency`: ask `is_for` rather than comparing `amount`.
    """

    id: str
    status: str
    mode: str
    amount: Money
    currency: str
    metadata: Mapping[str, str]
    checkout_url: str | None
    created_at: datetime
    paid_at: datetime | None
    amount_refunded: Money
    amount_charged_back: Money
    is_cancelable: bool
    #: What it is split into upfront, our own part left out.
    routes: tuple[UpfrontRoute, ...] = ()

    def is_for(self, amount: Money) -> bool:
        """Whether it is a payment of exactly `amount`, in euros."""
        return self.currency == CURRENCY and self.amount == amount


@dataclass(frozen=True, slots=True)
class ProviderRoute:
    """A share of a payment that an organisation got."""

    id: str
    payment_id: str
    organization_id: str
    amount: Money
    description: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a refund takes back from an organisation."""

    organization_id: str
    amount: Money


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as Mollie has it: queued, pending, processing, refunded, failed, canceled, or a later word."""

    id: str
    payment_id: str
    status: str
    amount: Money
    currency: str
    description: str
    metadata: Mapping[str, str]
    created_at: datetime
    reversals: tuple[Reversal, ...]


@dataclass(frozen=True, slots=True)
class ProviderChargeback:
    """What the payer's bank has taken back; `reversed_at` when it was won back."""

    id: str
    payment_id: str
    amount: Money
    created_at: datetime
    reversed_at: datetime | None


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """One line of our balance at the provider, which stands for ever.

    `amount` is what the balance gained by it, negative for what left; `fee` what the provider kept of it, so that
    amount + fee is what moved before. `kind` is the provider's word; the ids say what it was about, where it says so.
    """

    id: str
    kind: str
    amount: Money
    fee: Money
    payment_id: str | None
    refund_id: str | None
    chargeback_id: str | None
    created_at: datetime


class _Client(Client):
    """The library's client without what must not happen in a web worker."""

    #: The library would send the machine's name with every call.
    UNAME = "marche-commun"
    #: What carries the calls; the network unless somebody brings another way.
    transport: BaseAdapter | None = None

    def _setup_retry(self) -> None:
        """One call is one request, and it goes where the settings say.

        The library's own retries sleep as long as a Retry-After header wants, ten times over; ours are the
        worker's, with the same idempotency key. A proxy from the environment may stand before Mollie but never
        before this machine. A redirect is an error: the key would travel with it.
        """
        session = self._client
        session.trust_env = self.api_endpoint.startswith("https://")
        session.max_redirects = 0
        adapter = self.transport or HTTPAdapter(max_retries=0)
        session.mount("https://", adapter)
        session.mount("http://", adapter)


class Gateway:
    """Calls Mollie, or the sandbox, at `endpoint` with one API key. Safe to share between threads.

    With the association's `access_token` it also reads the balance, which no API key may (mollie.md D2).
    """

    def __init__(
        self,
        *,
        endpoint: str,
        api_key: str,
        access_token: str = "",
        timeout_s: tuple[float, float] = (3, 10),
        transport: BaseAdapter | None = None,
    ) -> None:
        """`timeout_s` is (to connect, to wait for an answer), reliability.md M05; ValueError for a bad key.

        `transport` carries the calls instead of the network: a simulated month's provider lives in its own process.
        """
        self._transport = transport
        self._endpoint = endpoint
        self._api_key = api_key
        self._access_token = access_token
        self._timeout_s = timeout_s
        self._of_thread = threading.local()
        self._new_client()
        if access_token:
            self._new_client(access_token)

    @property
    def reads_balance(self) -> bool:
        """Whether the provider's book can be asked for at all."""
        return bool(self._access_token)

    @staticmethod
    def is_payment_id(text: str) -> bool:
        """Whether `text` can be a payment's id; anything else must not become part of an address."""
        return _PAYMENT_ID.match(text) is not None

    def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> ProviderPayment:
        """An open payment; the resident pays at its `checkout_url`."""
        assert idempotency_key, _NO_KEY
        body: dict[str, Any] = {
            "amount": _amount(request.amount),
            "description": request.description,
            "redirectUrl": request.redirect_url,
            "locale": request.locale,
            "metadata": dict(request.metadata),
        }
        if request.webhook_url is not None:
            body["webhookUrl"] = request.webhook_url
        if request.lines:
            body["lines"] = [_line(line) for line in request.lines]
        if request.methods:
            body["method"] = list(request.methods)
        if request.routes:
            body["routing"] = [_upfront(route) for route in request.routes]
        return _call(lambda: _payment(self._client.payments.create(body, idempotency_key=idempotency_key)))

    def methods(self, *, locale: str) -> list[PayMethod]:
        """Every way to pay that a buyer in France may be offered, with phones' wallets."""

        def ask() -> list[PayMethod]:
            answer = self._hurried.methods.list(
                locale=locale, billingCountry="FR", includeWallets="applepay,googlepay", resource="payments"
            )
            return [_method(item) for item in answer["_embedded"]["methods"]]

        return _call(ask)

    def get_payment(self, provider_id: str) -> ProviderPayment:
        """The payment as it is now; Rejected (404) when it is not ours."""
        _check(_PAYMENT_ID, provider_id)
        return _call(lambda: _payment(self._client.payments.get(provider_id)))

    def cancel_payment(self, provider_id: str) -> ProviderPayment:
        """The payment, canceled; Rejected when it can no longer be."""
        _check(_PAYMENT_ID, provider_id)
        return _call(lambda: _payment(self._client.payments.delete(provider_id)))

    def payments_since(
        self, *, from_id: str | None = None, limit: int = LIST_LIMIT_QTY
    ) -> tuple[list[ProviderPayment], str | None]:
        """One page of payments, oldest first, from `from_id` (included) on; and where the next page begins."""
        params: dict[str, Any] = {"limit": limit, "sort": "asc"}
        if from_id is not None:
            _check(_PAYMENT_ID, from_id)
            params["from"] = from_id

        def ask() -> tuple[list[ProviderPayment], str | None]:
            page = self._client.payments.list(**params)
            return [_payment(item) for item in page["_embedded"]["payments"]], _next_id(page)

        return _call(ask)

    def create_route(
        self, provider_id: str, *, amount: Money, organization_id: str, description: str, idempotency_key: str
    ) -> ProviderRoute:
        """A share of a paid payment, handed to an organisation; it has no undo but a refund's reversal."""
        assert idempotency_key, _NO_KEY
        _check(_PAYMENT_ID, provider_id)
        _check(_ORGANIZATION_ID, organization_id)
        body = {
            "amount": _amount(amount),
            "destination": {"type": "organization", "organizationId": organization_id},
            "description": description,
        }
        # The library has no resource for routes; its generic call wants {} for the parameters, never None.
        return _call(
            lambda: _route(
                self._client.payments.perform_api_call(
                    "POST", f"payments/{provider_id}/routes", body, {}, idempotency_key
                )
            )
        )

    def routes_of(self, provider_id: str) -> list[ProviderRoute]:
        """Every route of the payment; Mollie does not page them."""
        _check(_PAYMENT_ID, provider_id)

        def ask() -> list[ProviderRoute]:
            answer = self._client.payments.perform_api_call("GET", f"payments/{provider_id}/routes", params={})
            return [_route(item) for item in answer["_embedded"]["routes"]]

        return _call(ask)

    def create_refund(
        self,
        provider_id: str,
        *,
        amount: Money,
        description: str,
        metadata: Mapping[str, str],
        reversals: tuple[Reversal, ...] = (),
        idempotency_key: str,
    ) -> ProviderRefund:
        """Money on its way back to the resident; without `reversals` all of it is the association's.

        TryAgain with status 409: Mollie takes it for a repetition of an equal refund; look at `refunds_of` first.
        """
        assert idempotency_key, _NO_KEY
        _check(_PAYMENT_ID, provider_id)
        body: dict[str, Any] = {
            "amount": _amount(amount),
            "description": description,
            "metadata": dict(metadata),
        }
        for reversal in reversals:
            _check(_ORGANIZATION_ID, reversal.organization_id)
        if reversals:
            body["routingReversals"] = [
                {
                    "amount": _amount(reversal.amount),
                    "source": {"type": "organization", "organizationId": reversal.organization_id},
                }
                for reversal in reversals
            ]
        return _call(
            lambda: _refund(self._bare_payment(provider_id).refunds.create(body, idempotency_key=idempotency_key))
        )

    def refunds_of(self, provider_id: str) -> list[ProviderRefund]:
        """Every refund of the payment, all pages."""
        _check(_PAYMENT_ID, provider_id)

        def ask() -> list[ProviderRefund]:
            found: list[ProviderRefund] = []
            params: dict[str, Any] = {"limit": LIST_LIMIT_QTY}
            while True:
                page = self._bare_payment(provider_id).refunds.list(**params)
                found += [_refund(item) for item in page["_embedded"]["refunds"]]
                next_id = _next_id(page)
                if next_id is None:
                    return found
                params["from"] = next_id

        return _call(ask)

    def chargebacks_of(self, provider_id: str) -> list[ProviderChargeback]:
        """Every chargeback of the payment in our currency, won ones too; Mollie does not page them."""
        _check(_PAYMENT_ID, provider_id)

        def ask() -> list[ProviderChargeback]:
            answer = self._bare_payment(provider_id).chargebacks.list()
            return _chargebacks(answer)

        return _call(ask)

    def latest_chargebacks(self) -> list[ProviderChargeback]:
        """The newest of all payments in our currency, one page: far more than come between two nights."""

        def ask() -> list[ProviderChargeback]:
            page = self._client.chargebacks.list(limit=LIST_LIMIT_QTY)
            return _chargebacks(page)

        return _call(ask)

    def refunds_since(self, *, from_id: str | None = None) -> tuple[list[ProviderRefund], str | None]:
        """One page of all payments' refunds, newest first, from `from_id` (included) on; and where the next begins."""
        params: dict[str, Any] = {"limit": LIST_LIMIT_QTY}
        if from_id is not None:
            _check(_REFUND_ID, from_id)
            params["from"] = from_id

        def ask() -> tuple[list[ProviderRefund], str | None]:
            page = self._client.refunds.list(**params)
            return [_refund(item) for item in page["_embedded"]["refunds"]], _next_id(page)

        return _call(ask)

    def balance_lines(
        self, *, from_id: str | None = None, limit: int = LIST_LIMIT_QTY
    ) -> tuple[list[BalanceLine], str | None]:
        """One page of our balance's lines, newest first, from `from_id` (included) on; and where the next begins."""
        params: dict[str, Any] = {"limit": limit, **self._mode}
        if from_id is not None:
            _check(_LINE_ID, from_id)
            params["from"] = from_id

        def ask() -> tuple[list[BalanceLine], str | None]:
            page = self._book.balances.perform_api_call("GET", "balances/primary/transactions", params=params)
            return [_balance_line(item) for item in page["_embedded"]["balance_transactions"]], _next_id(page)

        return _call(ask)

    def balance(self) -> Money:
        """What our balance holds, whether or not it can be used yet."""

        def ask() -> Money:
            answer = self._book.balances.perform_api_call("GET", "balances/primary", params=dict(self._mode))
            return _read_sum(answer["availableAmount"], CURRENCY) + _read_sum(answer["pendingAmount"], CURRENCY)

        return _call(ask)

    @property
    def _mode(self) -> dict[str, str]:
        """A token sees both worlds; the key says which is ours. Only the word "true" means anything to Mollie."""
        return {"testmode": "true"} if self._api_key.startswith("test_") else {}

    @property
    def _book(self) -> Client:
        """This thread's client with the association's token."""
        if not self._access_token:
            raise Rejected("without an access token nobody may look into the balance")
        if not hasattr(self._of_thread, "book"):
            self._of_thread.book = self._new_client(self._access_token)
        client: Client = self._of_thread.book
        return client

    @property
    def _client(self) -> Client:
        """This thread's client: a client holds one HTTP session, which is not for sharing."""
        if not hasattr(self._of_thread, "client"):
            self._of_thread.client = self._new_client()
        client: Client = self._of_thread.client
        return client

    @property
    def _hurried(self) -> Client:
        """The same for questions whose answer a page can do without."""
        if not hasattr(self._of_thread, "hurried"):
            self._of_thread.hurried = self._new_client(timeout_s=HURRIED_S)
        client: Client = self._of_thread.hurried
        return client

    def _new_client(self, access_token: str = "", *, timeout_s: tuple[float, float] | None = None) -> Client:
        # requests takes fractions of a second; the library's annotation leaves them out.
        timeout = cast(tuple[int, int], timeout_s or self._timeout_s)
        client = _Client(api_endpoint=self._endpoint, timeout=timeout, retry=0)
        client.transport = self._transport
        try:
            if access_token:
                client.set_access_token(access_token)
            else:
                client.set_api_key(self._api_key)
        except RequestSetupError:
            # The library's message shows the key.
            raise ValueError("a Mollie key looks like test_... or live_..., a token like access_...") from None
        return client

    def _bare_payment(self, provider_id: str) -> Payment:
        """The payment's address without fetching it: enough to reach what hangs on it."""
        return Payment({"id": provider_id}, self._client)


def _call(ask: Callable[[], T]) -> T:
    """The answer, read; every trouble as Rejected, TryAgain or OutcomeUnknown."""
    try:
        return ask()
    except ResponseError as error:
        raise _trouble_of(error) from error
    except RequestSetupError as error:
        raise Rejected(f"the call could not be prepared: {error}") from error
    except RequestError as error:
        if _never_connected(error):
            raise TryAgain(str(error)) from error
        raise OutcomeUnknown(str(error)) from error
    except (Error, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        # Not JSON, JSON of another shape, or an error without the members that the library takes for granted.
        raise OutcomeUnknown(f"unreadable answer: {type(error).__name__}: {error}") from error


def _trouble_of(error: ResponseError) -> ProviderError:
    status = error.status if isinstance(error.status, int) else None
    kind: type[ProviderError] = OutcomeUnknown
    if status in (401, 409, 429, 503):
        kind = TryAgain
    elif status is not None and 400 <= status < 500:
        kind = Rejected
    field = error.field if isinstance(error.field, str) else None
    return kind(str(error), status=status, field=field)


def _never_connected(error: RequestError) -> bool:
    """Whether the request certainly never left: refused, no such host, or no connection in time."""
    cause = error.__context__
    if isinstance(cause, requests.ConnectTimeout):
        return True
    if isinstance(cause, requests.ConnectionError) and cause.args and isinstance(cause.args[0], MaxRetryError):
        return isinstance(cause.args[0].reason, NewConnectionError)
    return False


def _check(pattern: re.Pattern[str], its_id: str) -> None:
    """Rejected before anything is sent: the library would make `tr_x/../../organizations/me` a call of ours."""
    if pattern.match(its_id) is None:
        raise Rejected("not an id of Mollie's", field="id")


def _amount(amount: Money) -> dict[str, str]:
    return {"currency": CURRENCY, "value": str(amount)}


def _line(line: PaymentLine) -> dict[str, Any]:
    return {
        "type": line.kind,
        "description": line.description,
        "quantity": line.quantity,
        "unitPrice": _amount(line.unit_price),
        "totalAmount": _amount(line.total),
        "vatRate": f"{line.vat_rate_bp // 100}.{line.vat_rate_bp % 100:02d}",
        "vatAmount": _amount(line.vat),
    }


def _method(answer: Mapping[str, Any]) -> PayMethod:
    maximum = answer.get("maximumAmount")
    return PayMethod(
        id=_read_text(answer["id"]),
        minimum=_read_sum(answer["minimumAmount"], CURRENCY),
        maximum=_read_sum(maximum, CURRENCY) if maximum else None,
    )


def _upfront(route: UpfrontRoute) -> dict[str, Any]:
    _check(_ORGANIZATION_ID, route.organization_id)
    item: dict[str, Any] = {
        "amount": _amount(route.amount),
        "destination": {"type": "organization", "organizationId": route.organization_id},
    }
    if route.release_on is not None:
        item["releaseDate"] = route.release_on.isoformat()
    return item


def _payment(answer: Mapping[str, Any]) -> ProviderPayment:
    currency = answer["amount"]["currency"]
    checkout = answer["_links"].get("checkout")
    paid_at = answer.get("paidAt")
    return ProviderPayment(
        id=_read_id(answer["id"]),
        status=_read_text(answer["status"]),
        mode=_read_text(answer["mode"]),
        amount=Money.parse(answer["amount"]["value"]),
        currency=_read_text(currency),
        metadata=_read_metadata(answer.get("metadata")),
        checkout_url=checkout["href"] if checkout else None,
        created_at=_read_instant(answer["createdAt"]),
        paid_at=_read_instant(paid_at) if paid_at else None,
        amount_refunded=_read_sum(answer.get("amountRefunded"), currency),
        amount_charged_back=_read_sum(answer.get("amountChargedBack"), currency),
        is_cancelable=answer.get("isCancelable") is True,
        routes=tuple(
            UpfrontRoute(
                _read_text(item["destination"]["organizationId"]),
                _read_sum(item["amount"], currency),
                id=_read_text(item["id"]),
            )
            for item in answer.get("routing") or ()
            if item["destination"]["organizationId"] != "me"
        ),
    )


def _route(answer: Mapping[str, Any]) -> ProviderRoute:
    return ProviderRoute(
        id=_read_text(answer["id"]),
        payment_id=_read_id(answer["paymentId"]),
        organization_id=_read_text(answer["destination"]["organizationId"]),
        amount=_read_sum(answer["amount"], CURRENCY),
        description=answer.get("description") or "",
        created_at=_read_instant(answer["createdAt"]),
    )


def _refund(answer: Mapping[str, Any]) -> ProviderRefund:
    currency = answer["amount"]["currency"]
    return ProviderRefund(
        id=_read_text(answer["id"]),
        payment_id=_read_id(answer["paymentId"]),
        status=_read_text(answer["status"]),
        amount=Money.parse(answer["amount"]["value"]),
        currency=_read_text(currency),
        description=answer.get("description") or "",
        metadata=_read_metadata(answer.get("metadata")),
        created_at=_read_instant(answer["createdAt"]),
        reversals=tuple(
            Reversal(_read_text(item["source"]["organizationId"]), _read_sum(item["amount"], currency))
            for item in answer.get("routingReversals") or ()
        ),
    )


def _chargebacks(answer: Mapping[str, Any]) -> list[ProviderChargeback]:
    """Those in our currency: what came in another was never in the ledger, so no bank can take it out."""
    return [_chargeback(item) for item in answer["_embedded"]["chargebacks"] if item["amount"]["currency"] == CURRENCY]


def _chargeback(answer: Mapping[str, Any]) -> ProviderChargeback:
    reversed_at = answer.get("reversedAt")
    return ProviderChargeback(
        id=_read_text(answer["id"]),
        payment_id=_read_id(answer["paymentId"]),
        amount=_read_sum(answer["amount"], CURRENCY),
        created_at=_read_instant(answer["createdAt"]),
        reversed_at=_read_instant(reversed_at) if reversed_at else None,
    )


def _balance_line(answer: Mapping[str, Any]) -> BalanceLine:
    kind = _read_text(answer["type"])
    context = answer.get("context") or {}
    # Mollie's documentation shows the ids in the context itself, its specification one step deeper, under the type.
    about = {**context, **(context.get(kind) or {})}
    deductions = answer.get("deductions")
    return BalanceLine(
        id=_read_text(answer["id"]),
        kind=kind,
        amount=_read_sum(answer["resultAmount"], CURRENCY),
        fee=-_read_sum(deductions, CURRENCY),
        payment_id=about.get("paymentId"),
        refund_id=about.get("refundId"),
        chargeback_id=about.get("chargebackId"),
        created_at=_read_instant(answer["createdAt"]),
    )


def _read_sum(amount: Mapping[str, Any] | None, currency: str) -> Money:
    """The sum, zero where Mollie leaves it out; ValueError in another currency than the payment's."""
    if amount is None:
        return ZERO
    if amount["currency"] != currency:
        raise ValueError(f"{amount['currency']} where {currency} was expected")
    return Money.parse(amount["value"])


def _read_metadata(metadata: object) -> dict[str, str]:
    """What we sent; nothing where somebody else wrote something of another shape."""
    if not isinstance(metadata, dict):
        return {}
    return {str(key): str(value) for key, value in metadata.items()}


def _read_instant(value: object) -> datetime:
    at = datetime.fromisoformat(_read_text(value))
    if at.tzinfo is None:
        raise ValueError("an instant without its offset")
    return at


def _read_id(value: object) -> str:
    text = _read_text(value)
    if not Gateway.is_payment_id(text):
        raise ValueError("not a payment's id")
    return text


def _read_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text is missing")
    return value


def _next_id(page: Mapping[str, Any]) -> str | None:
    """The id at which the next page begins; its link's address itself is not followed."""
    link = page["_links"].get("next")
    return parse_qs(urlsplit(link["href"]).query)["from"][0] if link else None
