"""What a request's body says: checked as Mollie checks it, read into values."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from marketplace.payments.sandbox.refusals import ApiRefusal, unprocessable

Body = Mapping[str, Any]

#: Currencies with two decimals, enough to show what the marketplace does with a payment that is not in euros.
CURRENCIES = frozenset({"CHF", "EUR", "GBP", "USD"})
DESCRIPTION_MAXIMUM_CHARS = 255
METADATA_MAXIMUM_BYTES = 1024

_AMOUNT = re.compile(r"(-?)([0-9]{1,9})\.([0-9]{2})")
_VAT_RATE = re.compile(r"([0-9]{1,2})\.([0-9]{2})")
_LINE_TYPES = frozenset(
    {"physical", "digital", "shipping_fee", "discount", "store_credit", "gift_card", "surcharge", "tip"}
)
_CREDIT_LINE_TYPES = frozenset({"discount", "store_credit", "gift_card"})


def read_json(raw: bytes) -> Body:
    """The JSON object in `raw`, an empty one for an empty body; 400 for anything else."""
    if not raw:
        return {}
    try:
        body = json.loads(raw)
        # Half of a surrogate pair is JSON but no text: it could be neither stored nor shown.
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ApiRefusal(400, "The body is not JSON.") from error
    if not isinstance(body, dict):
        raise ApiRefusal(400, "The body must be a JSON object.")
    return body


def read_signed_amount(value: object, field: str, currency: str | None = None) -> tuple[str, int]:
    """(currency, cents) of a Mollie amount object; 422 unless well formed and in `currency` if that is given."""
    if not isinstance(value, dict):
        raise unprocessable(field, "An amount has a currency and a value.")
    written = value.get("currency")
    if written not in CURRENCIES:
        raise unprocessable(f"{field}.currency", "This currency is not accepted here.")
    if currency is not None and written != currency:
        raise unprocessable(f"{field}.currency", f"The currency must be that of the payment, {currency}.")
    match = _AMOUNT.fullmatch(value["value"]) if isinstance(value.get("value"), str) else None
    if match is None:
        raise unprocessable(f"{field}.value", "The value must be a string with two decimals, as in '10.00'.")
    cents = int(match[2]) * 100 + int(match[3])
    return written, -cents if match[1] else cents


def read_amount(value: object, field: str = "amount", currency: str | None = None) -> tuple[str, int]:
    """As `read_signed_amount`, and more than zero."""
    written, cents = read_signed_amount(value, field, currency)
    if cents <= 0:
        raise unprocessable(field, "The amount must be more than zero.")
    return written, cents


def read_description(body: Body, *, required: bool) -> str:
    text = body.get("description")
    if text is None and not required:
        return ""
    if not isinstance(text, str) or (required and not text.strip()):
        raise unprocessable("description", "The description is missing.")
    if len(text) > DESCRIPTION_MAXIMUM_CHARS:
        raise unprocessable("description", f"The description is over {DESCRIPTION_MAXIMUM_CHARS} characters.")
    return text


def check_metadata(body: Body) -> None:
    """422 when the metadata are over Mollie's limit of about a kilobyte."""
    if len(json.dumps(body.get("metadata")).encode()) > METADATA_MAXIMUM_BYTES:
        raise unprocessable("metadata", f"The metadata are over {METADATA_MAXIMUM_BYTES} bytes of JSON.")


def check_page_url(body: Body, field: str, *, required: bool) -> None:
    """422 unless the browser can be sent to `field`."""
    url = body.get(field)
    if url is None and not required:
        return
    parts = split_url(url)
    if parts is None:
        raise unprocessable(field, "This must be a full http(s) address.")


def check_webhook_url(body: Body) -> None:
    """422 unless the webhook stays on this machine.

    Mollie refuses exactly these addresses. The sandbox accepts nothing else, so that a demo open to others cannot
    be made to call into a network.
    """
    url = body.get("webhookUrl")
    if url is None:
        return
    parts = split_url(url)
    if parts is None or not is_loopback(parts[1]):
        raise unprocessable("webhookUrl", "The webhook's address must be on this machine (127.0.0.1, localhost).")


def split_url(url: object) -> tuple[str, str] | None:
    """(origin, host) of a full http(s) address, else None."""
    if not isinstance(url, str) or not url.isascii() or any(c <= " " or c in "\"';,\\" for c in url):
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{f':{port}' if port else ''}", host


def is_loopback(host: str) -> bool:
    """Whether `host`, as it stands in an address, can only be this machine; no name is looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_lines(lines: object, currency: str, amount_cents: int) -> None:
    """422 unless each line and their sum add up to the cent.

    totalAmount = unitPrice x quantity - discountAmount; vatAmount = totalAmount x rate / (100 + rate), half-up;
    the lines' totals make the payment's amount (mollie.md 2.3).
    """
    if lines is None:
        return
    if not isinstance(lines, Sequence) or isinstance(lines, str):
        raise unprocessable("lines", "The lines must be a list.")
    sum_cents = sum(_check_line(line, f"lines.{i}", currency) for i, line in enumerate(lines))
    if sum_cents != amount_cents:
        raise unprocessable("lines", f"The lines come to {sum_cents} cents, the payment to {amount_cents}.")


def _check_line(line: object, field: str, currency: str) -> int:
    if not isinstance(line, dict):
        raise unprocessable(field, "A line must be an object.")
    if not isinstance(line.get("description"), str) or not line["description"].strip():
        raise unprocessable(f"{field}.description", "The line's description is missing.")
    kind = line.get("type", "physical")
    if kind not in _LINE_TYPES:
        raise unprocessable(f"{field}.type", "This type of line is unknown.")
    quantity = line.get("quantity")
    if type(quantity) is not int or quantity < 1:
        raise unprocessable(f"{field}.quantity", "The quantity must be a whole number from 1.")
    _, unit_cents = read_signed_amount(line.get("unitPrice"), f"{field}.unitPrice", currency)
    _, total_cents = read_signed_amount(line.get("totalAmount"), f"{field}.totalAmount", currency)
    discount_cents = 0
    if line.get("discountAmount") is not None:
        _, discount_cents = read_signed_amount(line["discountAmount"], f"{field}.discountAmount", currency)
    if unit_cents < 0 and kind not in _CREDIT_LINE_TYPES:
        raise unprocessable(f"{field}.unitPrice", "Only a discount or a credit may be negative.")
    if total_cents != unit_cents * quantity - discount_cents:
        raise unprocessable(f"{field}.totalAmount", "The total is not unit price x quantity - discount.")
    if (line.get("vatRate") is None) != (line.get("vatAmount") is None):
        raise unprocessable(f"{field}.vatAmount", "The VAT rate and the VAT amount go together.")
    if line.get("vatRate") is not None:
        _check_vat(line, field, currency, total_cents)
    return total_cents


def _check_vat(line: Body, field: str, currency: str, total_cents: int) -> None:
    match = _VAT_RATE.fullmatch(line["vatRate"]) if isinstance(line["vatRate"], str) else None
    if match is None:
        raise unprocessable(f"{field}.vatRate", "The VAT rate must be a string as in '5.50'.")
    rate_bp = int(match[1]) * 100 + int(match[2])
    _, vat_cents = read_signed_amount(line["vatAmount"], f"{field}.vatAmount", currency)
    expected = (2 * abs(total_cents) * rate_bp + 10_000 + rate_bp) // (2 * (10_000 + rate_bp))
    if vat_cents != (expected if total_cents >= 0 else -expected):
        raise unprocessable(f"{field}.vatAmount", f"The VAT in {total_cents} cents at this rate is {expected}.")
