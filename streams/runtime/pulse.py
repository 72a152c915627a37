"""Whether Kafka answers: a question asked when nothing has been heard of it for a while, on a thread of its own.

Records that arrive prove nothing, since a client hands out for a while what it fetched before; commits, assignments and
positions do. The client's own errors are not asked: a frozen broker causes none for a minute.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from streams.runtime.ports import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.runtime.ports import PositionReader

PATIENCE_S = 1.0
"""Silence after which somebody who waits for an answer wonders."""
IDLE_S = 5.0
"""Silence after which an idle worker does."""
QUESTION_S = 3.0
"""A broker that does not answer within this does not answer."""
FIRST_WAIT_S = 0.5
LAST_WAIT_S = 5.0


class Pulse:
    """When to ask, and what follows from the answers; a step function, ``now`` in seconds of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self.silent = ""
        """Why Kafka counts as silent; empty while it does not."""
        self._heard = now
        self._asked = now
        self._asking = False
        self._wait = FIRST_WAIT_S

    def heard(self, now: float) -> None:
        """Kafka has answered something."""
        self._heard, self.silent, self._wait = now, "", FIRST_WAIT_S

    def ask(self, now: float, *, waiting: bool) -> bool:
        """Return whether to ask now, counting it as asked. ``waiting``: an answer to something else is due."""
        if self._asking:
            return False
        quiet = min(now - self._heard, now - self._asked)
        if quiet < (self._wait if self.silent else PATIENCE_S if waiting else IDLE_S):
            return False
        self._asking = True
        return True

    def told(self, error: BrokerError | None, now: float) -> None:
        """Take in how the question ended. An error that a broker sent is an answer too."""
        self._asking, self._asked = False, now
        if error is None or not error.code.startswith("_"):
            self.heard(now)
            return
        if self.silent:
            self._wait = min(2 * self._wait, LAST_WAIT_S)
        self.silent = f"no broker answers ({error})"


class KafkaProbe:
    """Asks for the topics' metadata, once a call, on one thread."""

    def __init__(
        self, reader: PositionReader, topics: Sequence[str], tell: Callable[[BrokerError | None], None]
    ) -> None:
        self._reader = reader
        self._topics = topics
        self._tell = tell
        self._bell = threading.Semaphore(0)
        self._closed = False
        threading.Thread(target=self._run, name="kafka-probe", daemon=True).start()

    def ask(self) -> None:
        """Ask; the answer goes to ``tell``, on the probe's thread."""
        self._bell.release()

    def close(self) -> None:
        """End the thread; does not wait for it."""
        self._closed = True
        self._bell.release()

    def _run(self) -> None:
        while True:
            self._bell.acquire()
            if self._closed:
                return
            error = None
            try:
                self._reader.topic_ids(self._topics, QUESTION_S)
            except BrokerError as failed:
                error = failed
            self._tell(error)
