"""The ways to pay that the provider has for us now: asked of it, kept for minutes, never written into code (D6).

One answer serves every basket of a language: the provider says with each way which sums it takes. Where it does not
answer, nothing is said and nothing is excluded; the payment page itself knows better.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from marketplace.clock import Clock
from marketplace.errors import GatewayError
from marketplace.money import Money
from marketplace.payments.gateway import Gateway, PayMethod
from marketplace.payments.rules import NOT_UPFRONT, SLOW_METHODS

log = logging.getLogger(__name__)

#: Methods are switched on and off by people, seldom; who does it looks whether it shows.
KEPT = timedelta(minutes=5)
#: After a silence: no page waits for the same silence again at once.
SILENT = timedelta(minutes=1)


@dataclass(slots=True)
class Ways:
    """What the provider last said, by language. Shared between threads; two that ask at once ask twice."""

    _kept: dict[str, tuple[datetime, tuple[PayMethod, ...]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def offered(self, gateway: Gateway, *, locale: str, clock: Clock) -> tuple[PayMethod, ...]:
        """Every way that is switched on, as of some minutes ago; none when the provider does not say."""
        now = clock.now()
        with self._lock:
            until, methods = self._kept.get(locale, (now, ()))
        if now < until:
            return methods
        try:
            methods, until = tuple(gateway.methods(locale=locale)), now + KEPT
        except GatewayError as trouble:
            log.warning("the provider does not say which ways to pay there are: %s", trouble)
            methods, until = (), now + SILENT
        with self._lock:
            self._kept[locale] = (until, methods)
        return methods


def fitting(
    methods: Sequence[PayMethod], amount: Money, *, takes_slow: bool, routing: str = "delayed"
) -> tuple[PayMethod, ...]:
    """Those that take the sum, can be split as the hall splits, and are not too slow for what is bought."""
    return tuple(
        method
        for method in methods
        if method.minimum <= amount
        and (method.maximum is None or amount <= method.maximum)
        and (takes_slow or method.id not in SLOW_METHODS)
        and (routing != "upfront" or method.id not in NOT_UPFRONT)
    )
