"""The pool: calls from many threads, answered by spawned processes that can be killed. It knows nothing of images.

A call occupies one child from its first byte to the last. A child that crashes, hangs or swells is killed and replaced;
the call that did it fails for good, its neighbours do not notice. What must not queue behind long calls gets a pool of
its own. Written here because the libraries do not fit: pebble can kill one worker at a time-out, loky cannot, but both
pickle megabytes through queues that all workers share (5.6 and 8 ms of CPU for 4 MB in and 0.5 MB out; this 0.7), both
unpickle what a child says in the process that holds the secrets, let children inherit the environment, import the
parent's main module into each child, and watch no memory.
"""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import structlog

from schemas.errors import DarkroomError, Permanent, Reason, Transient, Unavailable
from streams.runtime.pool_places import Places, PoolClosed
from streams.runtime.pool_process import (
    Child,
    ChildDiedError,
    OverMemoryError,
    OverTimeError,
    PoolSettings,
    StartError,
)
from streams.runtime.pool_wire import Kind, WireError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from streams.runtime.pool_wire import Frame

__all__ = ["Answer", "Pool", "PoolClosed", "PoolSettings", "PoolStartError", "PoolStats"]

T = TypeVar("T")
_DETAIL = 500
_VERDICTS = (
    (OverTimeError, Reason.TIMED_OUT, "timed_out"),
    (OverMemoryError, Reason.OUT_OF_MEMORY, "out_of_memory"),
    (ChildDiedError, Reason.RENDERER_CRASHED, "crashed"),
    (WireError, Reason.RENDERER_CRASHED, "crashed"),
)
"""What ends a child, the reason its call fails with, and where it is counted."""


class PoolStartError(DarkroomError):
    """No child can be started: a mistake of the installation or the configuration, found at start-up."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the entry point returned. Said by a process that parses hostile bytes: treat the head as data."""

    head: bytes
    parts: tuple[memoryview, ...]
    """Views of one buffer; copy what is to be kept beyond the others."""


@dataclass(frozen=True, slots=True)
class PoolStats:
    """Counters since the pool was made, except ``alive``, ``busy`` and ``waiting``, which are of this moment."""

    alive: int = 0
    busy: int = 0
    waiting: int = 0
    calls: int = 0
    """Answered, whether with a result or with a reason."""
    started: int = 0
    recycled: int = 0
    crashed: int = 0
    timed_out: int = 0
    out_of_memory: int = 0


class Pool:
    """``settings.processes`` children. Thread-safe; a context manager that closes. Starts its children when needed."""

    def __init__(self, settings: PoolSettings) -> None:
        self.settings = settings
        self._places = Places(settings, self._on_start)
        self._lock = threading.Lock()
        self._stats = PoolStats()

    def start(self) -> None:
        """Start every child and wait for the first. Raise `PoolStartError` with its own words if it cannot start.

        Optional: finds a broken installation early, and spares the first calls the wait.
        """
        self._places.fill()
        try:
            self._places.give_back(self._places.take())
        except StartError as error:
            self.close()
            raise PoolStartError(f"the {self.settings.name} cannot start: {error}") from error

    def call(self, command: bytes, data: bytes | memoryview, read: Callable[[Answer], T]) -> T:
        """Have a child answer; wait for a free one first. Return what ``read`` makes of the answer.

        ``read`` distrusts: whatever it raises means that the child lied, which is as bad as a crash.

        Raise `Permanent` with the child's own reason, or TIMED_OUT, OUT_OF_MEMORY or RENDERER_CRASHED if the call did
        that to its child; `Unavailable` while no child can be started; `Transient` if somebody else killed the child;
        `PoolClosed`.
        """
        try:
            child = self._places.take()
        except StartError as error:
            raise Unavailable(self.settings.name, str(error)) from error
        try:
            outcome = _outcome(child.call(command, data), read)
        except BaseException as error:
            self._places.replace(child)
            failure = self._judge(child, error)
            if failure is None:
                raise
            raise failure from error
        self._finish(child)
        if isinstance(outcome, Permanent):
            raise outcome
        return outcome

    def stats(self) -> PoolStats:
        """Return the figures of this moment."""
        alive, busy, waiting = self._places.count()
        with self._lock:
            return replace(self._stats, alive=alive, busy=busy, waiting=waiting)

    def close(self) -> None:
        """Kill every child at once and wake everybody who waits with `PoolClosed`; no process is left. Idempotent."""
        self._places.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _finish(self, child: Child) -> None:
        self._count("calls")
        if child.calls < self.settings.recycle_after:
            self._places.give_back(child)
        else:
            self._count("recycled")
            self._places.replace(child)

    def _judge(self, child: Child, error: BaseException) -> DarkroomError | None:
        """Return what a call that cost its child fails with; None for an error that is not the child's."""
        if self._places.closed:
            return PoolClosed()
        for kind, reason, counter in _VERDICTS:
            if isinstance(error, kind):
                self._count(counter)
                detail = str(error)[:_DETAIL]
                _log().warning("pool_child_lost", pool=self.settings.name, pid=child.pid, reason=reason, detail=detail)
                if isinstance(error, ChildDiedError) and error.returncode == -signal.SIGKILL:
                    # Not by us: an operator, or the kernel, which takes the largest process, whoever is to blame.
                    return Transient(f"the {self.settings.name} was killed from outside")
                return Permanent(reason, detail)
        return None

    def _on_start(self, child: Child) -> None:
        first = not self._stats.started
        self._count("started")
        if first:
            containment = child.containment
            log = _log().warning if containment.missing else _log().info
            log("pool_contained", pool=self.settings.name, by=containment.applied, without=containment.missing)

    def _count(self, counter: str) -> None:
        with self._lock:
            self._stats = replace(self._stats, **{counter: getattr(self._stats, counter) + 1})


def _outcome(frame: Frame, read: Callable[[Answer], T]) -> T | Permanent:
    try:
        if frame.kind is Kind.ANSWER:
            return read(Answer(frame.head, frame.parts))
        reason, _, detail = frame.head.decode(errors="replace").partition("\n")
        return Permanent(Reason(reason), detail[:_DETAIL])
    except Exception as error:
        raise WireError(f"no such answer can be: {error}") from error


def _log() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
    return logger
