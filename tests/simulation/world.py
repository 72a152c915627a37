"""Simulated time: one heap of things to come, one random stream, one trace. The same seed gives the same bytes."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streams.adapters.simulated import SimulatedCluster

if TYPE_CHECKING:
    from collections.abc import Callable

TRACE_LINES = 80


class World:
    """The clock that everything in a schedule lives by."""

    def __init__(self, seed: int, *, session_s: float = 10.0, trace_lines: int = TRACE_LINES) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a schedule is to be repeatable, not secret
        self.cluster = SimulatedCluster(session_s=session_s)
        self.began = self.cluster.now
        self.steps = 0
        self.faults = 0
        self.at_step: dict[int, Callable[[], None]] = {}
        """What is to happen just before the step of that number."""
        self.trace: deque[str] = deque(maxlen=trace_lines)
        self._digest = hashlib.sha256()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0

    @property
    def now(self) -> float:
        """Simulated seconds since the schedule began."""
        return self.cluster.now - self.began

    def utc(self) -> datetime:
        """Return the true time of day."""
        return datetime.fromtimestamp(self.cluster.now, UTC)

    def at(self, delay: float, call: Callable[[], None]) -> None:
        """Have ``call`` happen after ``delay`` seconds."""
        self._scheduled += 1
        heapq.heappush(self._events, (self.now + delay, self._scheduled, call))

    def run_next(self) -> None:
        """Let the next thing happen, at its time."""
        when, _, call = heapq.heappop(self._events)
        self.cluster.advance(max(0.0, when - self.now))
        self.steps += 1
        if self.steps in self.at_step:
            self.at_step[self.steps]()
        call()

    def run_until(self, done: Callable[[], bool], limit: float) -> bool:
        """Run until ``done`` or the time is over; return whether it was done."""
        while self._events and self._events[0][0] <= limit:
            if done():
                return True
            self.run_next()
        return done()

    def fault(self, who: str, what: str) -> None:
        """Count something that goes wrong, and note it."""
        self.faults += 1
        self.note(who, what)

    def note(self, who: str, what: str) -> None:
        """Add a line to the trace and to the digest of the whole schedule."""
        line = f"{self.now:9.3f} {who:<8} {what}"
        self.trace.append(line)
        self._digest.update(line.encode())

    def digest(self) -> str:
        """Return the fingerprint of everything that was noted."""
        return self._digest.hexdigest()

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random.random() < probability
