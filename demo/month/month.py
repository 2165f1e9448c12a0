"""The month itself: mornings, ticks of the clock, everybody's acts in between, and the days until all is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta

from demo.month.aftermath import Aftermath
from demo.month.agenda import Agenda
from demo.month.bank import Bank
from demo.month.errands import Errand
from demo.month.house import House
from demo.month.market import Market
from demo.month.reckoning import faults_of, orders_by_state, paid_in
from demo.month.residents import Residents
from demo.month.rounds import Rounds
from demo.month.shops import Shops
from demo.month.treasurer import Treasurer
from marketplace.clock import local_day, local_instant
from marketplace.ledger.handlers import seal_and_close
from marketplace.money import Money
from marketplace.payments.handlers import reconcile_payments
from merchants.treasury import Treasury, look

MORNING = time(7, 30)
OPENS, SHUTS = time(8, 0), time(21, 0)
#: How often anybody looks by day: the worker's clock, the shops, the coordinator.
TICK = timedelta(minutes=30)
#: The same once nothing is sold any more.
SLOW_TICK = timedelta(hours=1)
#: When the house's own nightly work is over: all of it is done then.
NIGHT = time(5, 0)
#: So often the provider pays out what is the association's.
PAYS_OUT_EVERY_DAYS = 7
#: After the last order the rounds are ridden and refunds arrive in so many days.
LIVELY_DAYS = 6
#: Disputes end later.
SETTLING_DAYS = 12


@dataclass(frozen=True, slots=True)
class Progress:
    """After a day: how many orders there are, and what was paid."""

    day: int
    orders_qty: int
    paid: Money


@dataclass(frozen=True, slots=True)
class Outcome:
    """The month in figures, the same for the same seed; `faults` are sentences, none when all is explained."""

    treasury: Treasury
    orders: dict[str, int]
    troubles: dict[str, int]
    letters_qty: int
    turned_away: dict[str, int]
    balances_cents: dict[str, int]
    faults: tuple[str, ...]


class Month:
    """A month in a house whose town stands already."""

    def __init__(
        self,
        house: House,
        errands: Sequence[Errand],
        *,
        first_day: date,
        days: int,
        settling_days: int = SETTLING_DAYS,
        tick: timedelta = TICK,
        slow_tick: timedelta = SLOW_TICK,
        tell: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.house, self.errands, self.agenda, self.bank = house, errands, Agenda(), Bank(house)
        self._first_day, self._days, self._settling_days, self._tell = first_day, days, settling_days, tell
        self._tick_of_day, self._slow_tick = tick, slow_tick
        self.market = Market(house)
        self.residents = Residents(house, self.bank, self.agenda, self.market)
        self.shops = Shops(house, self.agenda, self.residents.errands)
        self.rounds = Rounds(house, self.agenda, self.residents.errands)
        self.aftermath = Aftermath(house, self.bank, self.agenda)
        self.treasurer = Treasurer(house)

    def run(self) -> None:
        """Everything happens, until nothing is left to happen."""
        self.aftermath.open_accounts()
        for n in range(self._days + self._settling_days):
            self._enter_day(self._first_day + timedelta(days=n))
        for errand in self.errands:
            self.agenda.at(errand.at, lambda errand=errand: self._begin(errand))  # type: ignore[misc]  # bound at once
        for instant, act in self.agenda.due():
            self.house.move_to(instant)
            act()
            self.house.pass_on()
        reconcile_payments(self.house.hall)
        self.house.pass_on()
        seal_and_close(self.house.hall)

    def outcome(self) -> Outcome:
        book, page = self.bank.book(), self.treasurer.page()
        with self.house.hall.database.reading() as session:
            return Outcome(
                treasury=look(session, self.house.now),
                orders=dict(orders_by_state(session)),
                troubles=dict(sorted(Counter(e.has_met for e in self.errands if e.has_met).items())),
                letters_qty=self.house.letterbox.letters_qty,
                turned_away=dict(sorted(Counter(e.refused for e in self.errands if e.placed is None).items())),
                balances_cents={row["id"]: row["balance_cents"] for row in book["organizations"]},
                faults=tuple(faults_of(session, self.house, book, page)),
            )

    def _enter_day(self, day: date) -> None:
        self.agenda.at(local_instant(day, MORNING), self._begin_day)
        self.agenda.at(local_instant(day, NIGHT), self.house.strike)
        number = (day - self._first_day).days
        if number >= self._days + LIVELY_DAYS:
            return
        at, shuts_at = local_instant(day, OPENS), local_instant(day, SHUTS)
        while at <= shuts_at:
            self.agenda.at(at, self._tick)
            at += self._tick_of_day if number < self._days else self._slow_tick

    def _begin(self, errand: Errand) -> None:
        self.residents.begin(errand)
        if errand.placed is not None:
            self.aftermath.expect(errand)

    def _begin_day(self) -> None:
        number = (local_day(self.house.now) - self._first_day).days
        if 0 < number <= self._days + LIVELY_DAYS:
            self._tell_of(number)
        if number < self._days:
            self.market.put_out()
            self.rounds.open_ahead()
        if number % PAYS_OUT_EVERY_DAYS == 0:
            self.bank.pay_out()
        self.aftermath.send_failed_refunds_again()
        self.rounds.undo_what_did_not_arrive()

    def _tick(self) -> None:
        self.house.strike()
        self.shops.look_through_orders()
        self.rounds.see_to_closed()

    def _tell_of(self, number: int) -> None:
        with self.house.hall.database.reading() as session:
            self._tell(Progress(number, len(self.residents.errands), paid_in(session)))
