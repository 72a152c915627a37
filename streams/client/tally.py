"""Keeps count of publications: which are on their way, and which failed without anybody having seen it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streams.client.errors import UndeliveredError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.client.publication import Publication
    from streams.client.sender import Delivery


class Tally:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on_the_way: set[Publication] = set()
        self._failed: set[Publication] = set()

    @contextmanager
    def telling(self, publication: Publication) -> Iterator[None]:
        """Count it from now on; but what is raised inside, the caller is told at once, so then it counts no more."""
        with self._lock:
            self._on_the_way.add(publication)
        try:
            yield
        except BaseException:
            with self._lock:
                self._on_the_way.discard(publication)
            raise

    def end(self, publication: Publication, outcome: Delivery | BaseException) -> None:
        """Settle it."""
        if isinstance(outcome, BaseException):
            with self._lock:  # before it is settled: whoever waits for it must then find the failure
                self._failed.add(publication)
        publication.settle(outcome)
        with self._lock:
            self._on_the_way.discard(publication)

    def wait(self) -> None:
        """Wait for all that were begun before this call, by any thread."""
        with self._lock:
            waiting = list(self._on_the_way)
        for publication in waiting:
            publication.wait()

    def raise_unseen(self) -> None:
        """Raise `UndeliveredError` for the failures that nobody has asked for; each is raised once."""
        with self._lock:
            ended = {publication for publication in self._failed if publication.done()}
            self._failed -= ended
        unseen = [publication for publication in ended if publication.unseen_failure()]
        if unseen:
            raise UndeliveredError(sorted(unseen, key=lambda publication: publication.hlc))
