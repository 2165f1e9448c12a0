"""What must hold of money at every instant, and what when everything has come to rest.

Judged by the provider's own book and by the arithmetic of these pages, not by what our tables say of themselves
(reliability.md 9). What is under way is accounted for: the book may know more than we have heard, never less.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from marketplace.money import Money, divide
from tests.flows.money_house import MoneyHouse
from tests.walk import SHELF, SHOPS

#: Reference → (shop, price in cents, pieces on the first morning).
GOODS = {
    reference: (slug, cents, on_hand)
    for slug, shelf in SHELF.items()
    for reference, _name, _kind, cents, on_hand in shelf
}
COMMISSION_PERMILLE = 80
ORGANIZATIONS = tuple(f"org_{slug}" for slug, _, _ in SHOPS)
#: A refund whose reversals the provider has carried out, as far as we know.
ACCEPTED = ("queued", "pending", "processing", "refunded")
SOLD = ("confirmed", "completed")

Row = dict[str, Any]


@dataclass
class Bought:
    """An order as its resident remembers it: what was wanted, what never came, and what was given back besides.

    `back_cents` is what went back of each line, its merchant bearing it; `delivery_back_cents` of the delivery;
    `cancelled` are the parts that nobody gets, and who bears them.
    """

    order_id: int
    code: str
    token: str
    wanted: Counter[str]
    missing: Counter[str] = field(default_factory=Counter)
    back_cents: Counter[str] = field(default_factory=Counter)
    cancelled: dict[str, str] = field(default_factory=dict)
    delivery_back_cents: int = 0
    gestures_cents: int = 0

    @property
    def slugs(self) -> list[str]:
        return sorted({GOODS[ref][0] for ref in self.wanted})

    def refs(self, slug: str) -> list[str]:
        return [ref for ref in self.wanted if GOODS[ref][0] == slug]

    def goods_cents(self, slug: str) -> int:
        """What the pieces of one shop cost."""
        return sum(self.wanted[ref] * GOODS[ref][1] for ref in self.refs(slug))

    def commission_cents(self, slug: str) -> int:
        """The shop's commission, halves rounded up."""
        return (self.goods_cents(slug) * COMMISSION_PERMILLE + 500) // 1000

    def left(self, reference: str) -> int:
        """The pieces that are there."""
        return self.wanted[reference] - self.missing[reference]

    def weigh(self, reference: str, promised_grams: int, weighed_grams: int) -> None:
        """The pieces that are there are paid by their weight, halves of a cent up; nothing is taken for more of it."""
        price = GOODS[reference][1]
        kept = int(Fraction(self.left(reference) * price * weighed_grams, promised_grams) + Fraction(1, 2))
        back = self.wanted[reference] * price - min(kept, self.left(reference) * price)
        self.back_cents[reference] = max(self.back_cents[reference], back)

    def kept_cents(self, slug: str) -> int:
        """What the resident has paid of the shop's goods in the end."""
        if slug in self.cancelled:
            return 0
        return self.goods_cents(slug) - sum(self.back_cents[ref] for ref in self.refs(slug))

    def earned_cents(self, slug: str) -> int:
        """What the shop gets once its part is done: of what goes back, its own part of the commission does too."""
        if self.cancelled.get(slug) == "merchant":
            return 0
        refs = self.refs(slug)
        totals = [self.wanted[ref] * GOODS[ref][1] for ref in refs]
        earned = self.goods_cents(slug) - self.commission_cents(slug)
        for ref, total, share in zip(refs, totals, divide(Money(self.commission_cents(slug)), totals), strict=True):
            commission_back = int(Fraction(share.cents * self.back_cents[ref], total) + Fraction(1, 2))
            earned -= self.back_cents[ref] - commission_back
        return earned


@dataclass(frozen=True)
class Seen:
    """Our own rows and the provider's, at one instant; `accounts` are the ledger's balances in cents."""

    orders: list[Row]
    parts: list[Row]
    payments: list[Row]
    shares: list[Row]
    refunds: list[Row]
    taken: list[Row]
    chargebacks: list[Row]
    accounts: dict[str, int]
    jobs_qty: int
    their_payments: list[Row]
    their_routes: list[Row]
    their_refunds: list[Row]
    their_reversals: list[Row]
    their_chargebacks: list[Row]
    their_lines: list[Row]
    platform_id: str


_OURS = """
SELECT json_build_object(
  'orders', (SELECT coalesce(json_agg(o ORDER BY o.id), '[]') FROM (SELECT id, code, state, mode, payment_id,
     delivery_fee, ending FROM orders) o),
  'parts', (SELECT coalesce(json_agg(s ORDER BY s.id), '[]') FROM (SELECT id, order_id, shop_id, party, state, goods,
     commission, collection_code FROM sub_order) s),
  'payments', (SELECT coalesce(json_agg(p ORDER BY p.id), '[]') FROM (SELECT id, token, reference, amount, state,
     provider_id, idempotency_key, trouble FROM payment) p),
  'shares', (SELECT coalesce(json_agg(s ORDER BY s.id), '[]') FROM (SELECT id, payment_id, party, kind, amount, state,
     routed_amount, lacking_amount, organization_id, provider_route_id FROM payment_share) s),
  'refunds', (SELECT coalesce(json_agg(r ORDER BY r.id), '[]') FROM (SELECT id, payment_id, amount, reason, state,
     idempotency_key, provider_id, followed_by_id FROM refund) r),
  'taken', (SELECT coalesce(json_agg(p ORDER BY p.id), '[]') FROM (SELECT id, refund_id, party, kind, amount,
     is_reversal, reversed_amount, claimed_amount, claim_ended_at FROM refund_part) p),
  'chargebacks', (SELECT coalesce(json_agg(c ORDER BY c.id), '[]') FROM (SELECT id, payment_id, provider_id, amount,
     reversed_at IS NOT NULL AS is_won FROM chargeback) c),
  'accounts', (SELECT coalesce(json_object_agg(account, cents), '{}') FROM (SELECT account, sum(amount) AS cents
     FROM ledger_entry GROUP BY 1) a),
  'jobs_qty', (SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'))
"""

_THEIRS = {
    "their_payments": "SELECT id, status, amount_cents, json_extract(request, '$.metadata.payment_key') AS key"
    " FROM payments ORDER BY position",
    "their_routes": "SELECT id, payment_id, organization_id, amount_cents FROM routes ORDER BY position",
    "their_refunds": "SELECT id, payment_id, amount_cents, status, json_extract(metadata, '$.refund_key') AS key"
    " FROM refunds ORDER BY position",
    "their_reversals": "SELECT refund_id, organization_id, amount_cents FROM reversals",
    "their_chargebacks": "SELECT id, payment_id, amount_cents, reversed_at IS NOT NULL AS is_won"
    " FROM chargebacks ORDER BY position",
    "their_lines": "SELECT organization_id, type, amount_cents, payment_id, refund_id, chargeback_id"
    " FROM balance_transactions ORDER BY position",
}


def look(house: MoneyHouse) -> Seen:
    """Everything about money, on both sides."""
    (((ours),),) = house.ask(_OURS)
    theirs: dict[str, Any] = {name: [dict(row) for row in house.sandbox.read(query)] for name, query in _THEIRS.items()}
    return Seen(**ours, **theirs, platform_id=house.sandbox.platform_id)


# --- At every instant ----------------------------------------------------------------------------------------------


def disagreements(seen: Seen, bought: Iterable[Bought]) -> Iterator[str]:
    """A sentence for each thing that the ledger, the rows, the provider's book and the residents do not agree on."""
    yield from _payments_as_asked(seen)
    yield from _split_to_the_cent(seen, bought)
    yield from _routes_as_written(seen)
    yield from _refunds_as_written(seen)
    yield from _nobody_paid_twice(seen, bought)
    yield from _nothing_oversold(seen, bought)
    yield from _the_ledger_says_what_the_rows_say(seen)
    yield from _the_book_holds_what_we_think(seen)


def _payments_as_asked(seen: Seen) -> Iterator[str]:
    ours = {payment["provider_id"]: payment for payment in seen.payments if payment["provider_id"]}
    theirs = {payment["id"]: payment for payment in seen.their_payments}
    for provider_id, payment in ours.items():
        found = theirs.get(provider_id)
        if found is None or found["key"] != payment["idempotency_key"] or found["amount_cents"] != payment["amount"]:
            yield f"I05 payment {payment['id']} is not what the provider has: {found}"
        elif payment["state"] == "paid" and found["status"] != "paid":
            yield f"I05 payment {payment['id']} is paid here and {found['status']} there"
    keys = Counter(payment["key"] for payment in seen.their_payments)
    yield from (f"I04 the provider has payment {key} {qty} times" for key, qty in keys.items() if qty > 1)
    open_now = Counter(
        payment["reference"]
        for payment in seen.payments
        if payment["state"] in ("creating", "unknown", "open", "pending")
    )
    yield from (f"I04 {reference} has {qty} open attempts" for reference, qty in open_now.items() if qty > 1)


def _split_to_the_cent(seen: Seen, bought: Iterable[Bought]) -> Iterator[str]:
    """I1, I5: each merchant its goods less its own commission, the association the rest."""
    rows = {order["code"]: order for order in seen.orders}
    shares: defaultdict[int, dict[tuple[str, str], int]] = defaultdict(dict)
    for share in seen.shares:
        shares[share["payment_id"]][share["party"], share["kind"]] = share["amount"]
    for one in bought:
        expected = {
            (f"merchant:{slug}", "goods"): one.goods_cents(slug) - one.commission_cents(slug) for slug in one.slugs
        }
        expected["association", "commission"] = sum(one.commission_cents(slug) for slug in one.slugs)
        expected["association", "delivery"] = rows[one.code]["delivery_fee"]
        expected = {share: cents for share, cents in expected.items() if cents}
        for payment in seen.payments:
            if payment["reference"] == one.code and shares[payment["id"]] != expected:
                yield f"I1 the shares of {one.code} are {shares[payment['id']]}, not {expected}"


def _routes_as_written(seen: Seen) -> Iterator[str]:
    """I4, I11: each of the provider's routes is one share of ours, with its amount; what we call routed is there."""
    payments = {payment["id"]: payment for payment in seen.payments}
    written = {
        (payments[share["payment_id"]]["provider_id"], share["organization_id"]): share
        for share in seen.shares
        if share["kind"] == "goods" and share["organization_id"]
    }
    made = Counter((route["payment_id"], route["organization_id"]) for route in seen.their_routes)
    yield from (f"I4 {where} was routed {qty} times" for where, qty in made.items() if qty > 1)
    ids = set()
    for route in seen.their_routes:
        ids.add(route["id"])
        share = written.get((route["payment_id"], route["organization_id"]))
        if share is None or share["routed_amount"] != route["amount_cents"]:
            yield f"I4 a route that no share asked for: {route}, {share}"
        elif share["state"] not in ("sending", "unknown", "routed"):
            yield f"I4 share {share['id']} is {share['state']} and was routed"
    for share in seen.shares:
        if share["state"] == "routed" and share["routed_amount"] and share["provider_route_id"] not in ids:
            yield f"I4 share {share['id']} was never routed"


def _refunds_as_written(seen: Seen) -> Iterator[str]:
    """I3, I10: one row is one refund of the provider's, with its amount and what it takes back from whom."""
    ours = {refund["idempotency_key"]: refund for refund in seen.refunds}
    made = Counter(refund["key"] for refund in seen.their_refunds)
    yield from (f"I10 refund {key} was made {qty} times" for key, qty in made.items() if qty > 1)
    organizations = {(share["payment_id"], share["party"]): share["organization_id"] for share in seen.shares}
    for theirs in seen.their_refunds:
        refund = ours.get(theirs["key"])
        if refund is None or refund["amount"] != theirs["amount_cents"]:
            yield f"I10 a refund that nobody asked for: {theirs}, {refund}"
            continue
        taken_back = {
            row["organization_id"]: row["amount_cents"]
            for row in seen.their_reversals
            if row["refund_id"] == theirs["id"]
        }
        expected = {
            organizations[refund["payment_id"], part["party"]]: part["reversed_amount"]
            for part in seen.taken
            if part["refund_id"] == refund["id"] and part["reversed_amount"]
        }
        if taken_back != expected:
            yield f"I10 refund {refund['id']} takes back {taken_back}, not {expected}"
    known = {refund["id"] for refund in seen.their_refunds}
    for refund in seen.refunds:
        if refund["provider_id"] and refund["provider_id"] not in known:
            yield f"I10 refund {refund['id']} is not the provider's"


def _nobody_paid_twice(seen: Seen, bought: Iterable[Bought]) -> Iterator[str]:
    """I2: no merchant has more than it earned, no resident gets back more than they gave."""
    reference = {payment["provider_id"]: payment["reference"] for payment in seen.payments}
    has: Counter[tuple[str, str]] = Counter()
    for line in seen.their_lines:
        if line["organization_id"] != seen.platform_id and line["payment_id"]:
            has[reference[line["payment_id"]], line["organization_id"]] += line["amount_cents"]
    orders = {order["code"]: order for order in seen.orders}
    states = {(part["order_id"], part["party"]): part["state"] for part in seen.parts}
    for one in bought:
        for slug in one.slugs:
            # What goes back may be on its way still.
            most = one.goods_cents(slug) - one.commission_cents(slug)
            if not _is_done(states[orders[one.code]["id"], f"merchant:{slug}"], one, slug):
                most = 0
            if has[one.code, f"org_{slug}"] > most:
                yield f"I2 org_{slug} has {has[one.code, f'org_{slug}']} of {one.code}, and earned {most} at most"
    gone: Counter[str] = Counter()
    for refund in seen.their_refunds:
        if refund["status"] not in ("failed", "canceled"):
            gone[refund["payment_id"]] += refund["amount_cents"]
    for chargeback in seen.their_chargebacks:
        if not chargeback["is_won"]:
            gone[chargeback["payment_id"]] += chargeback["amount_cents"]
    for payment in seen.their_payments:
        paid = payment["amount_cents"] if payment["status"] == "paid" else 0
        if gone[payment["id"]] > paid:
            yield f"I3 {gone[payment['id']]} went back of {payment['id']}, which paid {paid}"


def _is_done(state: str, one: Bought, slug: str) -> bool:
    """Whether the shop has earned what it sold: handed it over, or the association bears that it could not."""
    return state == "delivered" or (state == "cancelled" and one.cancelled.get(slug) == "association")


def _nothing_oversold(seen: Seen, bought: Iterable[Bought]) -> Iterator[str]:
    sold: Counter[str] = Counter()
    states = {order["code"]: order["state"] for order in seen.orders}
    for one in bought:
        if states[one.code] in SOLD:
            sold += one.wanted
    for reference, qty in sold.items():
        if qty > GOODS[reference][2]:
            yield f"I01 {qty} pieces of {reference} are sold, and there were {GOODS[reference][2]}"


def _of_holding(refund: Row, back_cents: int) -> int:
    """What a refund has moved at the provider, as far as we know."""
    if refund["state"] not in ACCEPTED:
        return 0
    return back_cents - (refund["amount"] if refund["state"] == "refunded" else 0)


def _taken_back(seen: Seen) -> Counter[int]:
    return Counter(
        {
            refund["id"]: sum(part["reversed_amount"] for part in seen.taken if part["refund_id"] == refund["id"])
            for refund in seen.refunds
        }
    )


def _the_ledger_says_what_the_rows_say(seen: Seen) -> Iterator[str]:
    """I8, I9: what lies with the provider, in the ledger's words and in those of the rows."""
    back = _taken_back(seen)
    expected = (
        sum(payment["amount"] for payment in seen.payments if payment["state"] == "paid")
        - sum(share["routed_amount"] for share in seen.shares if share["state"] == "routed")
        + sum(_of_holding(refund, back[refund["id"]]) for refund in seen.refunds)
        - sum(chargeback["amount"] for chargeback in seen.chargebacks if not chargeback["is_won"])
        - seen.accounts.get("association:fees", 0)
    )
    if seen.accounts.get("holding", 0) != expected:
        yield f"I9 the ledger holds {seen.accounts.get('holding', 0)}, the rows say {expected}"
    waiting = sum(
        refund["amount"] for refund in seen.refunds if refund["state"] in ("requested", "unknown", *ACCEPTED[:3])
    )
    if -seen.accounts.get("residents:refunds", 0) != waiting:
        yield f"I8 {waiting} are on their way to residents, the ledger says {seen.accounts.get('residents:refunds')}"


def _the_book_holds_what_we_think(seen: Seen) -> Iterator[str]:
    """I9: the provider's balance is the ledger's, once what only one of them knows is counted."""
    balance = sum(line["amount_cents"] for line in seen.their_lines if line["organization_id"] == seen.platform_id)
    ours = {payment["provider_id"]: payment for payment in seen.payments if payment["state"] == "paid"}
    unheard = sum(
        payment["amount_cents"]
        for payment in seen.their_payments
        if payment["status"] == "paid" and payment["id"] not in ours
    )
    routed = {share["provider_route_id"] for share in seen.shares if share["state"] == "routed"}
    unheard -= sum(route["amount_cents"] for route in seen.their_routes if route["id"] not in routed)
    back = _taken_back(seen)
    known = {refund["idempotency_key"]: _of_holding(refund, back[refund["id"]]) for refund in seen.refunds}
    moved: Counter[str] = Counter()
    for line in seen.their_lines:
        if line["organization_id"] == seen.platform_id and line["refund_id"]:
            moved[line["refund_id"]] += line["amount_cents"]
    unheard += sum(moved[refund["id"]] - known[refund["key"]] for refund in seen.their_refunds)
    standing = {row["provider_id"]: row["amount"] for row in seen.chargebacks if not row["is_won"]}
    unheard -= sum(
        (0 if chargeback["is_won"] else chargeback["amount_cents"]) - standing.get(chargeback["id"], 0)
        for chargeback in seen.their_chargebacks
    )
    fees = -sum(line["amount_cents"] for line in seen.their_lines if line["type"] == "payment-fee")
    unheard -= fees - seen.accounts.get("association:fees", 0)
    if seen.accounts.get("holding", 0) + unheard != balance:
        yield f"I9 the provider holds {balance}, the ledger {seen.accounts.get('holding', 0)}, under way {unheard}"


# --- At rest -------------------------------------------------------------------------------------------------------


def unrest(seen: Seen) -> Iterator[str]:
    """What has still to happen, once everybody has done what they had to."""
    if seen.jobs_qty:
        yield f"{seen.jobs_qty} jobs wait"
    yield from (
        f"payment {payment['id']} is {payment['state']}"
        for payment in seen.payments
        if payment["state"] in ("creating", "unknown", "open", "pending")
    )
    yield from (
        f"share {share['id']} is {share['state']}"
        for share in seen.shares
        if share["state"] in ("due", "sending", "unknown", "refused")
    )
    yield from (
        f"refund {refund['id']} is {refund['state']}"
        for refund in seen.refunds
        if refund["state"] in ("requested", "unknown", "pending", "processing")
        or (refund["state"] in ("failed", "canceled") and refund["followed_by_id"] is None)
    )
    yield from (f"order {order['code']} waits" for order in seen.orders if order["state"] == "awaiting_payment")


def losses(seen: Seen, bought: Iterable[Bought]) -> Iterator[str]:
    """I07, I6, I12: at rest everybody has exactly what is theirs, to the cent, in the provider's own book."""
    if seen.accounts.get("residents:unmatched", 0):
        yield f"I07 {seen.accounts['residents:unmatched']} are nobody's"
    kept: Counter[str] = Counter()
    reference = {payment["provider_id"]: payment["reference"] for payment in seen.payments}
    keys = {payment["idempotency_key"]: payment["reference"] for payment in seen.payments}
    for payment in seen.their_payments:
        if payment["status"] == "paid":
            kept[keys[payment["key"]]] += payment["amount_cents"]
            if payment["id"] not in reference:
                yield f"I07 the paid payment {payment['id']} was never heard of"
    for refund in seen.their_refunds:
        if refund["status"] not in ("failed", "canceled"):
            kept[reference[refund["payment_id"]]] -= refund["amount_cents"]
    has: Counter[tuple[str, str]] = Counter()
    for line in seen.their_lines:
        if line["organization_id"] != seen.platform_id and line["payment_id"]:
            has[reference[line["payment_id"]], line["organization_id"]] += line["amount_cents"]
    # What a payment could not hold for its routes is owed by bank; of that nothing is ever taken back.
    codes = {payment["id"]: payment["reference"] for payment in seen.payments}
    lacking: Counter[tuple[str, str]] = Counter()
    for share in seen.shares:
        lacking[codes[share["payment_id"]], share["party"]] += share["lacking_amount"]
    codes_of_refunds = {
        refund["id"]: codes[refund["payment_id"]]
        for refund in seen.refunds
        if refund["state"] not in ("failed", "canceled")
    }
    claimed: Counter[tuple[str, str]] = Counter()
    for part in seen.taken:
        if part["refund_id"] in codes_of_refunds:
            claimed[codes_of_refunds[part["refund_id"]], part["party"]] += part["claimed_amount"]
    # A gesture never takes what a route will need: only what was owed to the resident afterwards, and the fee.
    own_back: Counter[str] = Counter()
    for part in seen.taken:
        if part["refund_id"] in codes_of_refunds and part["kind"] in ("commission", "delivery", "contribution"):
            own_back[codes_of_refunds[part["refund_id"]]] += part["amount"]
    for (code, party), cents in lacking.items():
        if cents > own_back[code] + seen.accounts.get("association:fees", 0):
            yield f"I7 the share of {party} in {code} lacks {cents}, and {own_back[code]} were owed to the resident"
    orders = {order["code"]: order for order in seen.orders}
    states = {(part["order_id"], part["party"]): part["state"] for part in seen.parts}
    for one in bought:
        order = orders[one.code]
        due = 0
        if order["state"] in SOLD or order["ending"] == "refunded":
            due = sum(one.kept_cents(slug) for slug in one.slugs) + order["delivery_fee"]
            due -= one.delivery_back_cents + one.gestures_cents
        # Nobody gets back more than they paid: gestures of before count.
        due = max(due, 0)
        if kept[one.code] != due:
            yield f"I2 the resident of {one.code} ({order['state']}) has paid {kept[one.code]} in the end, not {due}"
        for slug in one.slugs:
            is_done = _is_done(states[order["id"], f"merchant:{slug}"], one, slug)
            earned = one.earned_cents(slug) if is_done else 0
            lacks = lacking[one.code, f"merchant:{slug}"]
            got = has[one.code, f"org_{slug}"] + lacks - claimed[one.code, f"merchant:{slug}"]
            if got != earned:
                yield f"I6 org_{slug} has {has[one.code, f'org_{slug}']} of {one.code}, not {earned}"
