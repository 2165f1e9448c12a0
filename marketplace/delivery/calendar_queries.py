"""What the calendar's pages show of its rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from marketplace.delivery.calendar_rules import WITH_WINDOWS, RulePlan, next_days, plan_of
from marketplace.delivery.models import RoundRule, Zone
from marketplace.errors import NotFound

#: As many days as a card names.
NEXT_QTY = 4


@dataclass(frozen=True, slots=True)
class RuleCard:
    id: int
    zone_id: int
    zone_name: str
    plan: RulePlan
    is_paused: bool
    next_days: tuple[date, ...]


def rule_cards(session: Session, *, now: datetime) -> Sequence[RuleCard]:
    """All rules by zone and name, those that are paused last."""
    rows = session.execute(
        select(RoundRule, Zone.name)
        .join(Zone, RoundRule.zone_id == Zone.id)
        .order_by(RoundRule.paused_at.is_not(None), Zone.name, RoundRule.name, RoundRule.id)
        .options(WITH_WINDOWS)
    )
    return [_card(rule, zone_name, now) for rule, zone_name in rows]


def get_rule(session: Session, *, rule_id: int, now: datetime) -> RuleCard:
    """One rule; NotFound."""
    row = session.execute(
        select(RoundRule, Zone.name)
        .join(Zone, RoundRule.zone_id == Zone.id)
        .where(RoundRule.id == rule_id)
        .options(WITH_WINDOWS)
    ).one_or_none()
    if row is None:
        raise NotFound()
    return _card(*row, now)


def _card(rule: RoundRule, zone_name: str, now: datetime) -> RuleCard:
    plan = plan_of(rule)
    return RuleCard(
        id=rule.id,
        zone_id=rule.zone_id,
        zone_name=zone_name,
        plan=plan,
        is_paused=rule.paused_at is not None,
        next_days=next_days(plan, now, NEXT_QTY),
    )
