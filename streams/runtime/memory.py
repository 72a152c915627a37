"""How much decoded picture may be in the making at once: admission by bytes, first come first served.

Callers say how many bytes their work will hold, wait for that much of the budget, and give it back when they are done.
Nothing is measured here; the pool watches what its processes really use.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Iterator


class BudgetClosed(Transient):
    """The budget was closed before a share of it was free: the worker is stopping, the work is not to blame."""


@dataclass(frozen=True, slots=True)
class BudgetStats:
    """One moment of a budget; ``total``, ``used`` and ``peak`` in bytes."""

    total: int
    used: int
    """May exceed ``total``: what is larger than the whole budget is admitted when it is alone."""
    peak: int
    """The most that was ever in use at once."""
    holders: int
    waiting: int


class MemoryBudget:
    """A number of bytes that threads share. Strictly first in, first out, so that a large request is never starved."""

    def __init__(self, total: int) -> None:
        if total <= 0:
            msg = f"a memory budget needs a positive number of bytes, not {total}"
            raise ValueError(msg)
        self._total = total
        self._used = 0
        self._peak = 0
        self._holders = 0
        self._line: deque[threading.Event] = deque()
        self._amounts: dict[threading.Event, int] = {}
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def admit(self, amount: int) -> Iterator[None]:
        """Hold ``amount`` bytes inside the ``with`` block; wait in line for them first.

        Raise `BudgetClosed` if the budget is closed or gets closed meanwhile.
        """
        if amount < 0:
            msg = f"nobody can hold {amount} bytes"
            raise ValueError(msg)
        self._enter(amount)
        try:
            yield
        finally:
            with self._lock:
                self._used -= amount
                self._holders -= 1
                self._admit_next()

    def close(self) -> None:
        """Wake everybody who waits with `BudgetClosed`, and refuse whoever comes later; holders keep what they have."""
        with self._lock:
            self._closed = True
            for turn in self._line:
                turn.set()

    def stats(self) -> BudgetStats:
        """Return the figures of this moment."""
        with self._lock:
            return BudgetStats(self._total, self._used, self._peak, self._holders, len(self._line))

    def _enter(self, amount: int) -> None:
        turn = threading.Event()
        with self._lock:
            if self._closed:
                raise BudgetClosed
            self._line.append(turn)
            self._amounts[turn] = amount
            self._admit_next()
        try:
            turn.wait()
        finally:
            self._leave_line(turn)

    def _leave_line(self, turn: threading.Event) -> None:
        """Raise `BudgetClosed` if the wait ended without a share."""
        with self._lock:
            if self._amounts.pop(turn, None) is None:
                return
            self._line.remove(turn)
            self._admit_next()
            if self._closed:
                raise BudgetClosed

    def _admit_next(self) -> None:
        while self._line and not self._closed:
            amount = self._amounts[self._line[0]]
            if self._holders and self._used + amount > self._total:
                return
            turn = self._line.popleft()
            del self._amounts[turn]
            self._used += amount
            self._peak = max(self._peak, self._used)
            self._holders += 1
            turn.set()
