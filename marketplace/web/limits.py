"""How often one address may ask for what costs something (S18).

Counts live in the process: with several processes a limit is that many times larger, which still stops a flood.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter

from marketplace.settings import Settings
from marketplace.web.failures import refuse
from marketplace.web.sentences import sentence

View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

#: One household gets that many bits of IPv6 to itself: counting single addresses would count nobody.
IPV6_HOUSEHOLD_BITS = 64


def caller(address: str) -> str:
    """Whom a limit counts: an IPv4 address, the household that an IPv6 address belongs to, else the text itself."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    # A socket for both families names callers over IPv4 like this; they would all be one household.
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    kept_bits = 128 - IPV6_HOUSEHOLD_BITS
    return f"{IPv6Address(int(found) >> kept_bits << kept_bits)}/{IPV6_HOUSEHOLD_BITS}"


limiter = Limiter(
    key_func=lambda: caller(request.remote_addr or ""),
    storage_uri="memory://",
    headers_enabled=True,
    retry_after="delta-seconds",
)


def few_wrong_tries(about: Callable[[], str | None]) -> Callable[[View], View]:
    """Ten refused answers (422) an hour about one thing, from everybody together; then none is taken.

    For what four digits protect: whoever may ask from many addresses, or ask all night, would try them all. `about`
    names the thing from the request, None when there is nothing to protect.
    """

    def declare(view: View) -> View:
        limit = limiter.limit(
            "10 per hour",
            key_func=lambda: about() or "",
            methods=["POST"],
            exempt_when=lambda: about() is None,
            deduct_when=_is_refused,
            on_breach=lambda _: refuse(429, "too_many_tries", sentence("too_many_tries")),
        )
        return limit(view)  # type: ignore[return-value]  # the decorator keeps the signature, its stub forgets it

    return declare


def _is_refused(response: Response) -> bool:
    return response.status_code == 422


def init(app: Flask, settings: Settings) -> None:
    app.config["RATELIMIT_ENABLED"] = settings.rate_limits
    limiter.init_app(app)
