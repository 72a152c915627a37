"""The places of a pool: which of its children are idle, busy, being started or missing, and when to start another.

Hands out children one call at a time and replaces the lost ones; what a call does, and what its failure means, is
``streams.runtime.pool``'s business.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from schemas.errors import Transient
from streams.runtime.pool_process import Child, StartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.runtime.pool_process import PoolSettings

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_LAST_CALLS_S = 10.0
"""How long closing waits for the calls whose children it has killed to notice."""


class PoolClosed(Transient):
    """The pool was closed before or during the call: the worker is stopping, nothing is wrong with the work."""


class Places:
    """``settings.processes`` places, each empty, being filled, or with an idle or busy child. Thread-safe."""

    def __init__(self, settings: PoolSettings, on_start: Callable[[Child], None]) -> None:
        self._settings = settings
        self._on_start = on_start
        self._changed = threading.Condition()
        self._idle: deque[Child] = deque()
        """Taken from the right: the child used last is the warmest."""
        self._busy: set[Child] = set()
        self._ordered = 0
        self._empty = settings.processes
        self._waiting = 0
        self._closed = False
        self._failures = 0
        self._failure = ""
        self._retry_at = 0.0
        # The kernel kills a child when the THREAD that started it ends: one thread starts them all and outlives them.
        self._keeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{settings.name}-keeper")

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def count(self) -> tuple[int, int, int]:
        """Return how many children are alive, how many of them busy, and how many callers wait for one."""
        with self._changed:
            return len(self._idle) + len(self._busy), len(self._busy), self._waiting

    def fill(self) -> None:
        """Have every empty place filled, without waiting for it."""
        with self._changed:
            while self._empty and not self._closed:
                self._order()

    def take(self) -> Child:
        """Wait for a ready child; `give_back` or `replace` it afterwards. Raise `StartError` or `PoolClosed`."""
        while True:
            child = self._next()
            if child.ready:
                if child.is_sound():
                    return child
                self.replace(child)
                continue
            try:
                child.await_ready()
            except BaseException as error:
                self._note_failure(str(error))
                self.replace(child)
                if self._closed:
                    raise PoolClosed from error
                raise
            self._failures = 0
            self._on_start(child)
            return child

    def give_back(self, child: Child) -> None:
        """Make a child that answered idle again."""
        with self._changed:
            if not self._closed:
                self._busy.discard(child)
                self._idle.append(child)
                self._changed.notify()
                return
        self.replace(child)

    def replace(self, child: Child) -> None:
        """Kill a child, and have its place filled at once unless starting is what fails."""
        child.release()
        with self._changed:
            self._busy.discard(child)
            self._empty += 1
            if not self._closed and not self._must_pause():
                self._order()
            self._changed.notify_all()

    def close(self) -> None:
        """Kill every child and wake everybody who waits with `PoolClosed`. Idempotent."""
        with self._changed:
            self._closed = True
            busy = list(self._busy)
            self._changed.notify_all()
        for child in busy:
            child.kill()  # the thread that waits for its answer finds out, and releases it
        self._keeper.shutdown(wait=True)
        with self._changed:
            idle = list(self._idle)
            self._idle.clear()
            self._changed.wait_for(lambda: not self._busy, timeout=_LAST_CALLS_S)
        for child in idle:
            child.release()

    def _next(self) -> Child:
        with self._changed:
            self._waiting += 1
            try:
                while not self._idle and not self._closed:
                    self._order_or_complain()
                    self._changed.wait()
            finally:
                self._waiting -= 1
            if self._closed:
                raise PoolClosed
            child = self._idle.pop()
            self._busy.add(child)
            return child

    def _order_or_complain(self) -> None:
        """With the lock held: see to it that waiting makes sense. Raise `StartError` if no child would ever come."""
        if not self._must_pause():
            if self._empty:
                self._order()
        elif not self._busy and not self._ordered:
            raise StartError(self._failure)

    def _order(self) -> None:
        """With the lock held: have the keeper fill an empty place."""
        self._empty -= 1
        self._ordered += 1
        self._keeper.submit(self._fill_one)

    def _fill_one(self) -> None:
        child = None
        try:
            child = Child(self._settings)
        except (StartError, OSError) as error:
            self._note_failure(str(error))
        with self._changed:
            self._ordered -= 1
            if child is None:
                self._empty += 1
            else:
                self._idle.appendleft(child)
            self._changed.notify_all()

    def _note_failure(self, failure: str) -> None:
        with self._changed:
            self._failures += 1
            self._failure = failure
            pause = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10))
            self._retry_at = time.monotonic() + pause

    def _must_pause(self) -> bool:
        """Whether starting failed lately: a broken installation must not become a loop of processes."""
        return self._failures > 0 and time.monotonic() < self._retry_at
