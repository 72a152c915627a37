"""When to try a record again, and when to give it up; step functions without a clock of their own."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.runtime.task import Task


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds that hold while no breaker is open."""

    max_attempts: int = 20
    max_age_s: float = 600.0
    """Seconds from the first failure to the last attempt."""
    first_s: float = 0.1
    last_s: float = 30.0

    def delay(self, attempts: int) -> float:
        """Return the seconds to wait after this many attempts: doubled each time, bounded."""
        return float(min(self.last_s, self.first_s * 2 ** max(0, attempts - 1)))

    def exhausted(self, attempts: int, age_s: float) -> bool:
        """Return whether a record that failed this often, over this time, is to be given up."""
        return attempts >= self.max_attempts or age_s >= self.max_age_s


class RetryQueue:
    """Tasks that wait for their time, earliest first."""

    __slots__ = ("_heap", "_made")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._made = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due: float, task: Task) -> None:
        """Keep ``task`` until ``due``."""
        self._made += 1
        heapq.heappush(self._heap, (due, self._made, task))

    def due(self, now: float, most: int) -> list[Task]:
        """Take at most ``most`` tasks whose time has come."""
        taken: list[Task] = []
        while self._heap and self._heap[0][0] <= now and len(taken) < most:
            taken.append(heapq.heappop(self._heap)[2])
        return taken

    def take_first(self) -> Task | None:
        """Take the earliest task whether its time has come or not (a breaker's probe)."""
        return heapq.heappop(self._heap)[2] if self._heap else None

    def hurry(self, now: float) -> None:
        """Make everything due now: the service they waited for is back."""
        self._heap = [(min(due, now), made, task) for due, made, task in self._heap]
        heapq.heapify(self._heap)

    def next_due(self) -> float | None:
        """Return when the earliest task is due."""
        return self._heap[0][0] if self._heap else None
