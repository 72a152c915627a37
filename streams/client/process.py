"""Says in which process a client was made, because Kafka clients do not survive a fork.

A forked child has the client's memory but none of its threads: it would wait for ever for an answer, or crash when the
handle is freed. Every client asks here first and raises a clear error in the child. The handle itself is also held by
the frame of the thread that serves it; that thread is gone in the child and its frame is never unwound there, so the
child cannot free the handle by accident.
"""

from __future__ import annotations

import os

from streams.client.errors import ForkedError


class HomeProcess:
    """Remembers the process it was made in."""

    __slots__ = ("_pid", "_what")

    def __init__(self, what: str) -> None:
        self._what = what
        self._pid = os.getpid()

    def is_here(self) -> bool:
        """Say whether this is still that process."""
        return os.getpid() == self._pid

    def demand(self) -> None:
        """Raise `ForkedError` in a forked child."""
        if not self.is_here():
            raise ForkedError(self._what)
