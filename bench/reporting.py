"""What a measurement says beside what it must not exceed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Report:
    """Lines for people, and how many bars were missed."""

    missed: list[str] = field(default_factory=list)

    def at_most(self, name: str, value: float, bar: float, detail: str = "") -> None:
        self._line(name, value, f"<= {bar:g}", value <= bar, detail)

    def at_least(self, name: str, value: float, bar: float, detail: str = "") -> None:
        self._line(name, value, f">= {bar:g}", value >= bar, detail)

    def exactly(self, name: str, value: int, bar: int, detail: str = "") -> None:
        self._line(name, value, f"= {bar}", value == bar, detail)

    def say(self, sentence: str) -> None:
        print(sentence, flush=True)

    def _line(self, name: str, value: float, bar: str, holds: bool, detail: str) -> None:
        if not holds:
            self.missed.append(name)
        print(f"  {name:<46} {value:8.3g}  {bar:<9} {'ok  ' if holds else 'OVER'} {detail}", flush=True)
