"""What is to happen when."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count

Act = Callable[[], None]


class Agenda:
    """Acts in the order of their instants; of two at one instant, the one that was entered first."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Act]] = []
        self._turn = count()

    def at(self, instant: datetime, act: Act) -> None:
        heapq.heappush(self._heap, (instant, next(self._turn), act))

    def due(self) -> Iterator[tuple[datetime, Act]]:
        """Everything, soonest first, with what is entered meanwhile."""
        while self._heap:
            instant, _, act = heapq.heappop(self._heap)
            yield instant, act
