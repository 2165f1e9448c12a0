"""The ways to pay that are enabled, with what each of them can take (mollie.md 2.3, 2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from marketplace.payments.sandbox.refusals import no_such, unprocessable

#: How long a payment whose way is not chosen yet stays open: as a card's.
CARD_SESSION = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Method:
    """`session` is how long a payment that presets it stays open; a wallet is listed only for who supports it."""

    id: str
    description: str
    currencies: tuple[str, ...]
    minimum_cents: int
    maximum_cents: int
    session: timedelta
    is_wallet: bool = False

    def takes(self, currency: str, cents: int) -> bool:
        return currency in self.currencies and self.minimum_cents <= cents <= self.maximum_cents


_ALL = ("EUR", "CHF", "GBP", "USD")
#: PayPal's and Bancontact's limits are assumed, and that limits are the same number in every currency.
METHODS = {
    method.id: method
    for method in (
        Method("creditcard", "Carte bancaire", _ALL, 1, 1_000_000, CARD_SESSION),
        Method("applepay", "Apple Pay", _ALL, 1, 1_000_000, CARD_SESSION, is_wallet=True),
        Method("paypal", "PayPal", _ALL, 1, 800_000, timedelta(hours=72)),
        Method("bancontact", "Bancontact", ("EUR",), 2, 5_000_000, timedelta(hours=1)),
        Method("banktransfer", "Virement", ("EUR",), 1, 100_000_000, timedelta(days=14)),
    )
}


def get(method_id: str) -> Method:
    if method_id not in METHODS:
        raise no_such("method", method_id)
    return METHODS[method_id]


def listed(currency: str | None, cents: int | None, wallets: frozenset[str]) -> list[Method]:
    """The enabled methods that take the amount, if one is given; wallets only when the caller supports them."""
    return [
        method
        for method in METHODS.values()
        if (not method.is_wallet or method.id in wallets)
        and (currency is None or currency in method.currencies)
        and (currency is None or cents is None or method.takes(currency, cents))
    ]


def read_choice(wanted: object, currency: str, cents: int) -> str | None:
    """The preset method: none unless exactly one is named; 422 for one that is not enabled or cannot take the sum."""
    named: list[str] = []
    for name in [] if wanted is None else wanted if isinstance(wanted, list) else [wanted]:
        if not isinstance(name, str) or name not in METHODS:
            raise unprocessable("method", "This method is not enabled.")
        named.append(name)
    fitting = [METHODS[name] for name in named or METHODS if METHODS[name].takes(currency, cents)]
    if not fitting:
        highest = max(METHODS[name].maximum_cents for name in named or METHODS)
        way = f"of {', '.join(named)}" if named else "of every method"
        raise unprocessable("amount", f"The amount is over the maximum {way}, {highest} cents, or under its minimum.")
    return named[0] if len(named) == 1 else None


def used_for(preset: str | None, currency: str, cents: int) -> str:
    """What the payer is taken to have paid with: the preset method, else the first that takes the amount."""
    return preset or next(method.id for method in METHODS.values() if method.takes(currency, cents))


def session_of(preset: str | None) -> timedelta:
    """How long a payment stays open."""
    return METHODS[preset].session if preset else CARD_SESSION
