"""The pieces on the shelves: held for an order, sold, put back. Never more than there are.

Every change is one conditional, relative UPDATE, in the order of the variants' ids: no reader's stale number can
oversell, and two orders over the same shelves cannot deadlock (M01, reliability.md 2.1 and 2.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from marketplace.errors import MarketplaceError
from merchants.models import StockHold, StockMove, Variant


class NotEnoughStock(MarketplaceError):
    """Fewer pieces are left than were asked for; `short` is {variant id: pieces left}."""

    code = "not_enough_stock"


def lock(session: Session, *, variant_ids: Iterable[int]) -> None:
    """Nobody else holds or sells these before the transaction ends.

    For whoever holds for several references at once: one hold after the other would take the variants out of order,
    and two of them could wait for each other.
    """
    session.execute(
        select(Variant.id)
        .where(Variant.id.in_(sorted(variant_ids)))
        .order_by(Variant.id)
        .with_for_update(key_share=True)
    )


def hold(session: Session, *, reference: str, quantities: Mapping[int, int], until_at: datetime) -> None:
    """Promise pieces (variant id → quantity) to `reference` until an instant; all of them or none.

    NotEnoughStock names every variant that is short, with what is left of it.
    """
    short: dict[int, int] = {}
    for variant_id, qty in sorted(quantities.items()):
        taken = session.scalar(
            update(Variant)
            .where(
                Variant.id == variant_id,
                Variant.is_offered,
                Variant.on_hand_qty - Variant.held_qty >= qty,
            )
            .values(held_qty=Variant.held_qty + qty)
            .returning(Variant.id)
        )
        if taken is None:
            left = session.execute(
                select(Variant.on_hand_qty - Variant.held_qty, Variant.is_offered).where(Variant.id == variant_id)
            ).one_or_none()
            short[variant_id] = left[0] if left and left[1] else 0
    if short:
        raise NotEnoughStock(short=short)
    session.execute(
        insert(StockHold),
        [
            {"variant_id": variant_id, "reference": reference, "qty": qty, "state": "held", "until_at": until_at}
            for variant_id, qty in sorted(quantities.items())
        ],
    )


def sell(session: Session, *, reference: str, actor: str, now: datetime) -> int:
    """Turn the pieces held for `reference` into sold ones; how many holds there were (0 the second time)."""
    return _end(session, reference=reference, state="sold", actor=actor, now=now)


def release(session: Session, *, reference: str, actor: str, now: datetime) -> int:
    """Put the pieces held for `reference` back on the shelf; how many holds there were (0 the second time)."""
    return _end(session, reference=reference, state="released", actor=actor, now=now)


def _end(session: Session, *, reference: str, state: str, actor: str, now: datetime) -> int:
    # RETURNING from the compare-and-swap is what makes an end happen once, whoever comes at the same time.
    ended = session.execute(
        update(StockHold)
        .where(StockHold.reference == reference, StockHold.state == "held")
        .values(state=state)
        .returning(StockHold.variant_id, StockHold.qty)
    ).all()
    moves = []
    for variant_id, qty in sorted((row[0], row[1]) for row in ended):
        leaving = qty if state == "sold" else 0
        session.execute(
            update(Variant)
            .where(Variant.id == variant_id)
            .values(held_qty=Variant.held_qty - qty, on_hand_qty=Variant.on_hand_qty - leaving)
        )
        if leaving:
            moves.append(
                StockMove(variant_id=variant_id, qty=-qty, reason="sold", reference=reference, at=now, actor=actor)
            )
    session.add_all(moves)
    session.flush()
    return len(ended)


class CountedMeanwhile(MarketplaceError):
    """A sale or a colleague has changed the count since the merchant looked; `left` pieces are there now."""

    code = "counted_meanwhile"


def count(
    session: Session, *, variant_id: int, on_hand_qty: int, actor: str, now: datetime, seen_qty: int | None = None
) -> None:
    """The merchant has counted: so many pieces are on the shelf, those held for orders included.

    NotEnoughStock when more are promised to orders than were counted: the merchant decides which order is short.
    CountedMeanwhile when the merchant saw `seen_qty` on the page and that is no longer so: counting over a sale
    would sell its pieces twice. The same count once more changes nothing.
    """
    variant = session.get_one(Variant, variant_id, with_for_update=True, populate_existing=True)
    if seen_qty is not None and variant.on_hand_qty not in (seen_qty, on_hand_qty):
        raise CountedMeanwhile(left=variant.on_hand_qty)
    if on_hand_qty < variant.held_qty:
        raise NotEnoughStock(short={variant_id: on_hand_qty}, held_qty=variant.held_qty)
    change = on_hand_qty - variant.on_hand_qty
    if change:
        variant.on_hand_qty = on_hand_qty
        session.add(StockMove(variant_id=variant_id, qty=change, reason="counted", at=now, actor=actor))
        session.flush()
