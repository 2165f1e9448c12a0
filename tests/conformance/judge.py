"""Whether each exchange is one of Mollie's: judged by the client that Mollie generates from its own specification.

Runs in a virtualenv of its own, with `mollie-api-py` and without the project: both libraries call their package
`mollie`. Reads what `record` wrote, names every member that the specification does not know, lacks or spells otherwise,
every value of another type and every word outside of its lists; exit 1 if there is one.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

models: Any = importlib.import_module("mollie.models")

_ID = r"[a-z]+_\w+"
#: Method, path → what is asked and what is answered, in the specification's words.
KNOWN: tuple[tuple[str, str | None, str | None], ...] = (
    ("POST payments", "PaymentRequest", "PaymentResponse"),
    (f"GET payments/{_ID}", None, "PaymentResponse"),
    (f"DELETE payments/{_ID}", None, "PaymentResponse"),
    ("GET payments", None, "ListPaymentsResponseBody"),
    (f"POST payments/{_ID}/routes", "RouteCreateRequest", "RouteCreateResponse"),
    (f"GET payments/{_ID}/routes", None, "PaymentListRoutesResponse"),
    (f"POST payments/{_ID}/refunds", "RefundRequest", "RefundResponse"),
    (f"GET payments/{_ID}/refunds", None, "ListRefundsResponseBody"),
    ("GET refunds", None, "ListAllRefundsResponseBody"),
    (f"GET payments/{_ID}/chargebacks", None, "ListChargebacksResponseBody"),
    ("GET chargebacks", None, "ListAllChargebacksResponseBody"),
    ("GET methods", None, "ListMethodsResponse"),
    ("GET balances/primary/transactions", None, "ListBalanceTransactionsResponseBody"),
    ("GET balances/primary/report", None, "EntityBalanceReport"),
    ("GET balances/primary", None, "EntityBalance"),
    ("GET balances", None, "ListBalancesResponseBody"),
    ("GET settlements", None, "ListSettlementsResponseBody"),
    ("GET settlements/open", None, "GetOpenSettlementResponse"),
    ("GET settlements/next", None, "GetNextSettlementResponse"),
    ("GET organizations/me", None, "EntityOrganization"),
    ("GET onboarding/me", None, "EntityOnboardingStatus"),
    ("GET capabilities", None, "ListCapabilitiesResponse"),
    ("GET permissions", None, "ListPermissionsResponse"),
    ("GET profiles/me", None, "ProfileResponse"),
    ("GET clients", None, "ListClientsResponseBody"),
    ("POST client-links", "ClientLinkRequest", "ClientLinkResponse"),
)


#: Where the specification contradicts itself, and its own text and examples say what we say.
CONTRADICTED = {
    "its text shows these members in the context itself": (
        r"GET balances/primary/transactions answer: \._embedded\.balance_transactions\[\]\.context\.\w+ is not .*"
    ),
    "its examples show subtotals with their sums, and subtotals below them": (
        r"GET balances/primary/report answer: .*\.subtotals\[\]\.(amount|subtotals) is not .*"
    ),
}


def main() -> int:
    # A judge who finds nothing wrong with this would find nothing wrong at all.
    spoiled = {"type": "organization", "organizationId": 5, "name": "x"}
    for wrong in (spoiled, {**spoiled, "organizationId": "org_1"}):
        assert list(complaints("RouteCreateResponseDestination", wrong)), "this judge is asleep"
    found: dict[str, int] = {}
    judged_qty = 0
    for line in sys.stdin:
        exchange = json.loads(line)
        call = f"{exchange['method']} {exchange['path'].removeprefix('/v2/').partition('?')[0]}"
        pattern, asked, answered = next(one for one in KNOWN if re.fullmatch(one[0], call))
        if exchange["status"] >= 400:
            # Asked on purpose for what is refused: only the refusal is judged.
            asked, answered = None, "ErrorResponseData"
        for what, name in (("request", asked), ("answer", answered)):
            if name is not None:
                judged_qty += 1
                for complaint in complaints(name, exchange[what]):
                    sentence = f"{pattern} {what}: {complaint}"
                    found[sentence] = found.get(sentence, 0) + 1
    for reason, pattern in CONTRADICTED.items():
        excused = {sentence for sentence in found if re.fullmatch(pattern, sentence)}
        if not excused:
            found[f"nothing needs this excuse any more: {reason}"] = 1
        found = {sentence: qty for sentence, qty in found.items() if sentence not in excused}
    for sentence, qty in sorted(found.items()):
        print(f"{sentence} ({qty} times)")
    print(f"{judged_qty} requests and answers judged, {len(found)} complaints")
    return 1 if found or not judged_qty else 0


def complaints(name: str, value: Any) -> Iterator[str]:
    """What the specification has against a value in the place of its `name`."""
    try:
        read = getattr(models, name).model_validate(value)
    except ValueError as error:
        for one in error.errors():  # type: ignore[attr-defined]  # pydantic's own
            yield f"{_spelled(one['loc'])}: {one['msg']}"
        return
    yield from _strange(value, read, "")


def _strange(value: Any, read: Any, where: str) -> Iterator[str]:
    """Members of `value` that no field has taken, and words that are in no list."""
    if type(read).__name__ == "UnrecognizedStr":
        yield f"{where}: {value!r} is no word of its list"
    fields = getattr(type(read), "model_fields", None)
    if isinstance(value, dict) and fields:
        by_alias = {field.alias or name: name for name, field in fields.items()}
        for key, part in value.items():
            if key not in by_alias:
                yield f"{where}.{key} is not in the specification"
            else:
                yield from _strange(part, getattr(read, by_alias[key]), f"{where}.{key}")
    elif isinstance(value, list) and isinstance(read, list):
        for part, one in zip(value, read, strict=True):
            yield from _strange(part, one, f"{where}[]")


def _spelled(location: tuple[Any, ...]) -> str:
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in location)


if __name__ == "__main__":
    sys.exit(main())
