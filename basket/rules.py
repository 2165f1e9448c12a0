"""What a basket costs and how an order moves: pure decisions over values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from marketplace.delivery.pricing import DeliveryTerms
from marketplace.legal import legal_number
from marketplace.money import ZERO, Money, divide, half_up

#: How long pieces and a place are kept while the resident pays (domain T5).
HOLD = timedelta(minutes=15)

#: (state, event) → next state. What is missing is refused; states that begin no pair are ends (I16).
ORDER_NEXT: dict[tuple[str, str], str] = {
    ("awaiting_payment", "confirm"): "confirmed",
    ("awaiting_payment", "lapse"): "lapsed",
    ("awaiting_payment", "cancel"): "cancelled",
    # Money that comes late may still find everything on the shelf (M08).
    ("lapsed", "confirm"): "confirmed",
    ("lapsed", "cancel"): "cancelled",
    ("confirmed", "complete"): "completed",
    # Every part was cancelled.
    ("confirmed", "cancel"): "cancelled",
}

SUB_ORDER_NEXT: dict[tuple[str, str], str] = {
    ("awaiting_payment", "confirm"): "received",
    ("awaiting_payment", "cancel"): "cancelled",
    ("received", "accept"): "accepted",
    ("accepted", "pack"): "packed",
    ("packed", "hand_over"): "handed_over",
    ("handed_over", "deliver"): "delivered",
    ("received", "cancel"): "cancelled",
    ("accepted", "cancel"): "cancelled",
    ("packed", "cancel"): "cancelled",
    # It came back from the round, or was lost on it.
    ("handed_over", "cancel"): "cancelled",
}

#: A shop that has not said "ready" still hands over to whoever stands before it.
RESERVATION_NEXT: dict[tuple[str, str], str] = {
    ("reserved", "ready"): "ready",
    ("reserved", "collect"): "collected",
    ("reserved", "cancel"): "cancelled",
    ("reserved", "lapse"): "lapsed",
    ("ready", "collect"): "collected",
    ("ready", "cancel"): "cancelled",
    ("ready", "lapse"): "lapsed",
}

SUB_ORDER_STATES = ("awaiting_payment", "received", "accepted", "packed", "handed_over", "delivered", "cancelled")

#: The letter by which the resident reads the state of the whole (residents.md T2).
PROGRESS = ("received", "accepted", "packed", "handed_over", "delivered")


@dataclass(frozen=True, slots=True)
class Fee:
    """What a delivery costs its resident. `book_floor` is what the law wants charged for new books; within `total`.

    `reason`: usual, free (the basket is large enough) or law (it is the floor, B7). `to_free` is what is missing to a
    free delivery; None where there is none, nothing is missing, or new books are in the basket.
    """

    total: Money
    book_floor: Money
    reason: str = "usual"
    to_free: Money | None = None


def book_floor(book_goods: Sequence[Money], on: date) -> Money:
    """The least that the delivery of these new books may cost, by their shops (domain B3, B8)."""
    threshold = Money(legal_number("book.delivery_threshold_cents", on))
    below = Money(legal_number("book.delivery_floor_below_cents", on))
    above = Money(legal_number("book.delivery_floor_above_cents", on))
    return Money.total([below if goods < threshold else above for goods in book_goods if goods])


def delivery_fee(terms: DeliveryTerms, goods: Money, book_goods: Sequence[Money], on: date) -> Fee:
    """The fee of one common delivery of `goods`: the zone's, but never below what the law asks for new books.

    `book_goods` is the value of new books at each shop that sells some; the floor is each retailer's own duty, so
    floors add up (domain B3, B8). They are contained in the round's fee where it is high enough (B10).
    """
    floor = book_floor(book_goods, on)
    asked = terms.fee_for(goods)
    reason = "law" if floor and floor >= asked else "usual" if asked or not terms.fee else "free"
    to_free = None
    if terms.free_from is not None and goods < terms.free_from and not floor:
        to_free = terms.free_from - goods
    return Fee(total=max(asked, floor), book_floor=floor, reason=reason, to_free=to_free)


NO_FEE = Fee(ZERO, ZERO)


def delivery_back(fee: Money, goods: Sequence[Money], part: int, *, back: Money, is_last: bool, floor: Money) -> Money:
    """What of a delivery fee goes back when the part with that index is cancelled; `back` went back before.

    Its share of the fee is by its goods, largest remainder (mollie.md 6). With the last part all that is left of the
    fee goes; before that the resident pays no less than `floor`, which the law asks for the books that still come
    (domain B3, B7).
    """
    if is_last:
        return fee - back
    share = divide(fee, [amount.cents for amount in goods])[part]
    return max(ZERO, min(share, fee - back - floor))


def lighter(paid: Money, *, promised_grams: int, weighed_grams: int) -> Money:
    """What of a price goes back because less was put in than promised: the real weight is paid, half-up to the cent.

    Nothing for as much or more: never is more taken (domain P18, P19).
    """
    if weighed_grams >= promised_grams:
        return ZERO
    return paid - Money(half_up(Fraction(paid.cents * weighed_grams, promised_grams)))


def progress_of(states: Sequence[str]) -> str:
    """The state of an order from its sub-orders': that of the slowest which is not cancelled."""
    live = [state for state in states if state != "cancelled"]
    if not live:
        return "cancelled"
    return min(live, key=SUB_ORDER_STATES.index)


def is_behind(state: str, event: str) -> bool:
    """Whether a part in that state has the event behind it, so that the same act once more has nothing to do."""
    after = next(after for (_, name), after in SUB_ORDER_NEXT.items() if name == event)
    return state in PROGRESS and SUB_ORDER_STATES.index(state) >= SUB_ORDER_STATES.index(after)


def initials(name: str) -> str:
    """First name and initial, all that a courier or a merchant needs: "Jeanne Martin" → "Jeanne M." (D6, D7)."""
    words = name.split()
    return f"{words[0]} {words[-1][0].upper()}." if len(words) > 1 else name.strip()
