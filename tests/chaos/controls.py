"""The negative controls: the verifier of the chaos run over workers that cannot keep it, and must be caught."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from streams.client.publisher import Publisher
from streams.compose.client import make_parts
from tests.chaos.fleet import Fleet
from tests.chaos.history import History
from tests.chaos.looking import hashes
from tests.chaos.reading import Records, Watcher, read_all
from tests.chaos.traffic import KnownObjects, Traffic, bad_sources, make_sources, steps
from tests.chaos.verify import verify
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.chaos.history import Violation
    from tests.chaos.place import Place

START_S: Final = 60.0
ANSWERS_S: Final = 60.0
QUIET_S: Final = 1.0


class Control:
    """One odd worker at a time, traffic for it, and the verifier's view."""

    def __init__(self, place: Place, kind: str, folder: Path, stack: ExitStack) -> None:
        parts = make_parts(place.settings)
        stack.callback(parts.release)
        self._place, self._parts = place, parts
        self._store = parts.store()
        sources, known = make_sources(), KnownObjects(self._store)
        self._records = Records(parts.codec, parts.topics, bad_sources(sources))
        publisher = Publisher(replace(parts, store=lambda: known))
        stack.callback(publisher.close)
        self._traffic = Traffic(publisher, parts.kafka, parts.topics, steps(1, 200, sources))
        command = [sys.executable, "-m", "tests.chaos.odd_worker", kind]
        self.fleet = Fleet(place.workers, folder, command)
        stack.callback(self.fleet.stop)
        self._watcher = Watcher(place.settings.kafka.bootstrap_servers, parts.topics.outputs, self._records)
        self._watcher.start()
        stack.callback(self._watcher.stop)

    def start(self, name: str) -> None:
        """Start a worker and wait until it says so."""
        before = self.fleet.started()
        self.fleet.start(name)
        wait_until(lambda: self.fleet.started() > before, START_S, what="a worker's start")

    def publish(self, count: int) -> None:
        """Publish, and wait until it is confirmed."""
        self._traffic.publish(count)
        self._traffic.flush()

    def answers(self) -> int:
        """Return how many answers came."""
        return len(self._watcher.told)

    def wait_answered(self) -> None:
        """Wait until everything is answered at least once, and nothing more comes."""
        wait_until(lambda: self._traffic.confirmed <= {told.cause for told in self._watcher.told}, ANSWERS_S)
        seen, since = self.answers(), time.monotonic()
        while time.monotonic() - since < QUIET_S:
            if seen != self.answers():
                seen, since = self.answers(), time.monotonic()
            time.sleep(QUIET_S / 10)

    def verdict(self) -> list[Violation]:
        """Return what the verifier says of everything so far."""
        bootstrap, topics = self._place.settings.kafka.bootstrap_servers, self._parts.topics
        afterwards = tuple(self._records.told(message) for message in read_all(bootstrap, topics.outputs))
        history = History(
            tuple(self._records.asked(message) for message in read_all(bootstrap, topics.inputs)),
            tuple(self._watcher.told),
            afterwards,
            frozenset(self._traffic.confirmed),
            hashes(self._store, self._place.settings.store.bucket, afterwards),
        )
        return verify(history)


@contextmanager
def control(place: Place, kind: str, folder: Path) -> Iterator[Control]:
    """Set one up; nothing of it is left at the end."""
    with ExitStack() as stack:
        yield Control(place, kind, folder, stack)
