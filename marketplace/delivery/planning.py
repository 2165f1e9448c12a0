"""From paid bookings to couriers' lines: asked for by a person, reckoned in the worker, replaced whole or not at all.

The question is read in one short transaction, the planner runs in a child process with none open (M05), the answer is
written in another. Who asks again while a plan is under way changes nothing; an answer to an older question is dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session, selectinload

from marketplace.clock import local_instant
from marketplace.delivery.models import Booking, Handling, Round, Shift, Slot, Stop, Vehicle, Zone
from marketplace.delivery.moving import RoundMoved, lock_round, move_round
from marketplace.delivery.planner import GreatCircle, PlannerFailed, plan_in_child, plan_plainly, violations
from marketplace.delivery.planner import problem as planner
from marketplace.delivery.planner.plain import PlanBroken
from marketplace.delivery.queries import vehicles_that_ride
from marketplace.delivery.rules import may_ask_for_plan
from marketplace.errors import FieldError, MarketplaceError
from marketplace.hall import Hall
from marketplace.jobs import publish

log = logging.getLogger(__name__)

PLANNER = "planner"

#: To park and walk in, and to hand over one parcel, at a shop and at a home: what the planner was measured with.
SHOP_SETUP_S, SHOP_SERVICE_S = 60, 15
HOME_SETUP_S, HOME_SERVICE_S = 90, 10
#: The longest that a chilled parcel rides in the cold box; two hours and a half, as the planner was measured with.
CHILL_MAX_S = 9000
#: Without streets the way is the great circle, stretched: too short by a tenth to a third where a river or a hill lies
#: between. Promised windows are therefore planned as if they ended a quarter of an hour earlier.
LATE_MARGIN = timedelta(minutes=15)
#: The planner's times are the earliest. Nobody needs to stand about before the first door opens: the shops are visited
#: later, with this much to spare.
SPARE_S = 10 * 60
#: One seed: the same question, asked again after a crash, gives the same plan.
SEED = 1


class NothingToPlan(MarketplaceError):
    """No paid delivery waits for this round."""

    code = "nothing_to_plan"


@dataclass(frozen=True, slots=True)
class Box:
    """A parcel as the plan's writer knows it."""

    parcel_id: int
    source: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the planner is asked, and whose rows its indices and seconds stand for."""

    round_id: int
    number: int
    problem: planner.Problem
    midnight: datetime
    shift: tuple[datetime, datetime]
    vehicles: tuple[tuple[int, int], ...]
    boxes: dict[int, tuple[Box, ...]]
    has_plan: bool


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """One arrival: a shop (`source`) or a home (`booking_id`), with the parcels that change hands there."""

    planned_at: datetime
    source: str
    booking_id: int | None
    boxes: tuple[tuple[int, Box], ...]


@dataclass(frozen=True, slots=True)
class PlannedLine:
    vehicle_id: int
    courier_id: int
    distance_m: int
    stops: tuple[PlannedStop, ...]


# --- Ask -------------------------------------------------------------------------------------------------------


def ask_for_plan(session: Session, *, round_id: int, vehicle_ids: Sequence[int], actor: str, now: datetime) -> bool:
    """The worker plans the round with these vehicles; False when a plan is under way already.

    FieldError without a vehicle or with one that nobody rides, NothingToPlan without a paid delivery, RoundMoved when
    the round is still open or rides already.
    """
    round_ = lock_round(session, round_id)
    if not may_ask_for_plan(round_.state, round_.plan_asked_at, now):
        if round_.state == "planning":
            return False
        raise RoundMoved(state=round_.state)
    chosen = sorted(set(vehicle_ids))
    if not chosen:
        raise FieldError("vehicle", "choose_couriers")
    riding = {vehicle.id for vehicle, _name in session.execute(vehicles_that_ride())}
    if not riding.issuperset(chosen):
        raise FieldError("vehicle", "not_a_choice")
    paid_qty = session.scalar(
        select(func.count())
        .select_from(Booking)
        .join(Slot, Booking.slot_id == Slot.id)
        .where(Slot.round_id == round_id, Booking.state == "confirmed")
    )
    if not paid_qty:
        raise NothingToPlan()
    number = round_.plan_number + 1
    move_round(
        session,
        round_id=round_id,
        event="plan",
        actor=actor,
        now=now,
        plan_number=number,
        plan_asked_at=now,
        plan_vehicle_ids=chosen,
    )
    publish(session, "round.plan", round_id=round_id, number=number)
    return True


# --- Plan ------------------------------------------------------------------------------------------------------


def plan_round(hall: Hall, *, round_id: int, number: int, plainly: bool = False) -> None:
    """Answer the question `number` of a round: its lines stand, or it is back where it was with a word of why.

    `plainly` without the engines, at once: what a simulated month's money does not depend on.
    """
    with hall.database.reading() as session:
        question = read_question(session, round_id, number)
    if question is None:
        return
    lines, note = _answer(question, plainly)
    with hall.database.transaction() as session:
        write_answer(session, question, lines, note, hall.clock.now())


def planning_seconds(orders_qty: int) -> float:
    """CPU seconds worth spending: a coordinator waits, and beyond these the plan hardly gets shorter.

    40 orders are planned well in 3 s, 150 in 10 s; starting costs half a second.
    """
    return min(1 + orders_qty / 15, 40.0)


def _answer(question: Question, plainly: bool) -> tuple[tuple[PlannedLine, ...] | None, str | None]:
    problem = question.problem
    if not plainly:
        try:
            plan = plan_in_child(problem, seconds=planning_seconds(len(problem.orders)), seed=SEED)
            return lines_of(question, collected_late(problem, plan)), None
        except PlannerFailed as failure:
            log.error("round %s: the planner failed: %s", question.round_id, failure)
        if question.has_plan:
            return None, "kept"
    try:
        return lines_of(question, collected_late(problem, plan_plainly(problem, seed=SEED))), "plain"
    except PlanBroken:
        log.exception("round %s: no plain plan either", question.round_id)
        return None, "failed"


def read_question(session: Session, round_id: int, number: int) -> Question | None:
    """What is to be planned; None when this question was answered already, or asked anew."""
    round_ = session.get(Round, round_id)
    if round_ is None or round_.state != "planning" or round_.plan_number != number:
        return None
    assert round_.plan_asked_at is not None, "written when the plan was asked for"
    bookings = session.scalars(
        select(Booking)
        .join(Slot, Booking.slot_id == Slot.id)
        .where(Slot.round_id == round_id, Booking.state == "confirmed")
        .order_by(Booking.id)
        .options(selectinload(Booking.parcels), selectinload(Booking.slot))
    ).all()
    vehicles = session.scalars(
        select(Vehicle).where(Vehicle.id.in_(round_.plan_vehicle_ids)).order_by(Vehicle.id)
    ).all()
    midnight = local_instant(round_.on_date, time())
    # Nobody rides before the plan exists.
    leave_at = min(max(round_.collect_from_at, round_.plan_asked_at), round_.back_by_at)
    return Question(
        round_id=round_id,
        number=number,
        problem=problem_of(
            session.get_one(Zone, round_.zone_id), bookings, vehicles, midnight, leave_at, round_.back_by_at
        ),
        midnight=midnight,
        shift=(leave_at, round_.back_by_at),
        vehicles=tuple((vehicle.id, vehicle.courier_id) for vehicle in vehicles),
        boxes={booking.id: tuple(Box(p.id, p.source) for p in booking.parcels) for booking in bookings},
        has_plan=round_.planned_at is not None,
    )


def problem_of(
    zone: Zone,
    bookings: Sequence[Booking],
    vehicles: Sequence[Vehicle],
    midnight: datetime,
    leave_at: datetime,
    back_by_at: datetime,
) -> planner.Problem:
    """The round in the planner's units: seconds from midnight, hundreds of grams, litres; sizes are rounded up.

    An order's id is its booking's; its parcels stand in the order of their numbers.
    """

    def second(instant: datetime) -> int:
        return max(0, round((instant - midnight).total_seconds()))

    hub = 0
    places = [planner.Place(zone.hub_lat, zone.hub_lon)]
    shops: list[planner.Shop] = []
    shop_index: dict[tuple[str, datetime, datetime], int] = {}
    orders = []
    for booking in bookings:
        parcels = []
        for parcel in booking.parcels:
            key = (parcel.source, parcel.ready_from_at, parcel.ready_until_at)
            if key not in shop_index:
                shop_index[key] = len(shops)
                window = planner.Window(second(parcel.ready_from_at), second(parcel.ready_until_at))
                shops.append(planner.Shop(len(places), window))
                places.append(planner.Place(parcel.source_lat, parcel.source_lon))
            parcels.append(planner.Parcel(shop_index[key], _load_up(parcel.grams, parcel.ml, parcel.cold_ml)))
        until_at = max(booking.slot.starts_at, booking.slot.ends_at - LATE_MARGIN)
        orders.append(
            planner.HomeOrder(
                id=booking.id,
                place=len(places),
                window=planner.Window(second(booking.slot.starts_at), second(until_at)),
                parcels=tuple(parcels),
            )
        )
        places.append(planner.Place(booking.lat, booking.lon))
    shift = planner.Window(second(leave_at), second(back_by_at))
    distance_m, duration_s = GreatCircle().matrices(places)
    return planner.Problem(
        places=tuple(places),
        shops=tuple(shops),
        orders=tuple(orders),
        vehicles=tuple(
            planner.Vehicle(
                start=hub,
                end=hub,
                capacity=planner.Load(v.capacity_grams // 100, v.capacity_ml // 1000, v.capacity_cold_ml // 1000),
                shift=shift,
                kind=v.kind,
            )
            for v in vehicles
        ),
        shop_setup_s=SHOP_SETUP_S,
        home_setup_s=HOME_SETUP_S,
        shop_service_s=SHOP_SERVICE_S,
        home_service_s=HOME_SERVICE_S,
        chill_max_s=CHILL_MAX_S,
        distance_m=distance_m,
        duration_s=duration_s,
    )


def _load_up(grams: int, ml: int, cold_ml: int) -> planner.Load:
    return planner.Load(-(-grams // 100), -(-ml // 1000), -(-cold_ml // 1000))


def collected_late(problem: planner.Problem, plan: planner.Plan) -> planner.Plan:
    """The same rides with the same times at the homes, the shops as late as is safe; the plan itself if that fails."""
    orders = {order.id: order for order in problem.orders}
    routes = []
    for steps in plan.routes:
        late = list(steps)
        for index in range(len(late) - 2, -1, -1):
            step, then = late[index], late[index + 1]
            if step.kind == "drop":
                continue
            shop = problem.shops[orders[step.order_id].parcels[step.parcel].shop]
            then_order = orders[then.order_id]
            if then.kind == "drop":
                there, setup_s, spare_s = then_order.place, problem.home_setup_s, SPARE_S
            else:
                there = problem.shops[then_order.parcels[then.parcel].shop].place
                setup_s, spare_s = problem.shop_setup_s, 0
            leg_s = problem.duration_s[shop.place][there] + setup_s if there != shop.place else 0
            latest_s = min(then.at_s - leg_s - problem.shop_service_s - spare_s, shop.window.closes_s)
            late[index] = replace(step, at_s=max(step.at_s, latest_s))
        routes.append(tuple(late))
    later = planner.Plan(tuple(routes), plan.unserved)
    return plan if violations(problem, later) else later


def lines_of(question: Question, plan: planner.Plan) -> tuple[PlannedLine, ...]:
    """The plan as lines of arrivals, one for each vehicle that rides; steps at one door are one stop.

    PlannerFailed when a home would be visited twice: no household is (I17).
    """
    lines = []
    seen: set[int] = set()
    for index, (steps, (vehicle_id, courier_id)) in enumerate(zip(plan.routes, question.vehicles, strict=True)):
        stops: list[PlannedStop] = []
        for step in steps:
            booking_id = int(step.order_id)
            box = question.boxes[booking_id][step.parcel]
            is_home = step.kind == "drop"
            source, home = ("", booking_id) if is_home else (box.source, None)
            if stops and (stops[-1].source, stops[-1].booking_id) == (source, home):
                last = stops[-1]
                stops[-1] = PlannedStop(last.planned_at, source, home, (*last.boxes, (booking_id, box)))
                continue
            if is_home and booking_id in seen:
                raise PlannerFailed("broken", f"booking {booking_id} is visited twice")
            if is_home:
                seen.add(booking_id)
            at = question.midnight + timedelta(seconds=step.at_s)
            stops.append(PlannedStop(at, source, home, ((booking_id, box),)))
        if stops:
            alone = planner.Plan(tuple(r if i == index else () for i, r in enumerate(plan.routes)), ())
            lines.append(PlannedLine(vehicle_id, courier_id, alone.distance_m(question.problem), tuple(stops)))
    return tuple(lines)


# --- Write -----------------------------------------------------------------------------------------------------


def write_answer(
    session: Session, question: Question, lines: tuple[PlannedLine, ...] | None, note: str | None, now: datetime
) -> None:
    """The lines stand instead of the former ones; without lines the round is back where it was, with the note why."""
    round_ = lock_round(session, question.round_id)
    if round_.state != "planning" or round_.plan_number != question.number:
        return
    if lines is None:
        event = "plan_kept" if note == "kept" else "plan_failed"
        move_round(session, round_id=round_.id, event=event, actor=PLANNER, now=now, plan_note=note)
        return
    paid = set(
        session.scalars(
            select(Booking.id)
            .join(Slot, Booking.slot_id == Slot.id)
            .where(Slot.round_id == round_.id, Booking.state == "confirmed")
        )
    )
    _forget_plan(session, round_.id)
    for line in lines:
        _write_line(session, question, line, paid)
    move_round(session, round_id=round_.id, event="planned", actor=PLANNER, now=now, plan_note=note, planned_at=now)


def _forget_plan(session: Session, round_id: int) -> None:
    shifts = select(Shift.id).where(Shift.round_id == round_id)
    session.execute(delete(Stop).where(Stop.shift_id.in_(shifts)))
    session.execute(delete(Shift).where(Shift.round_id == round_id))


def _write_line(session: Session, question: Question, line: PlannedLine, paid: set[int]) -> None:
    """The line's rows, without the households that have given their place back since the question was read."""
    stops = []
    for stop in line.stops:
        boxes = tuple((booking_id, box) for booking_id, box in stop.boxes if booking_id in paid)
        if boxes:
            stops.append((stop, boxes))
    if not stops:
        return
    shift = Shift(
        round_id=question.round_id,
        courier_id=line.courier_id,
        vehicle_id=line.vehicle_id,
        starts_at=question.shift[0],
        ends_at=question.shift[1],
        distance_m=line.distance_m,
    )
    session.add(shift)
    session.flush()
    ids = session.scalars(
        insert(Stop).returning(Stop.id, sort_by_parameter_order=True),
        [
            {
                "shift_id": shift.id,
                "position": position,
                "kind": "shop" if stop.booking_id is None else "home",
                "source": stop.source,
                "booking_id": stop.booking_id,
                "planned_at": stop.planned_at,
            }
            for position, (stop, _) in enumerate(stops, start=1)
        ],
    ).all()
    session.execute(
        insert(Handling),
        [
            {
                "stop_id": stop_id,
                "parcel_id": box.parcel_id,
                "act": "collect" if stop.booking_id is None else "deliver",
            }
            for stop_id, (stop, boxes) in zip(ids, stops, strict=True)
            for _, box in boxes
        ],
    )
