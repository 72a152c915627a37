"""How long an event takes from its publication until a reader of committed records sees its answer.

One clock for both ends: the bench itself publishes, by a timetable, and reads. Before the timetable begins some events
go through and are waited for, so that everybody has joined and warmed up.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.bench.peers.contestants import Job, started
from tests.bench.peers.events import Answer, Event, event, number_of, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from confluent_kafka import Consumer

    from tests.bench.peers.broker import Cluster
    from tests.bench.peers.contestants import Contestant, Running
    from tests.bench.peers.events import Verdict

FIRST: Final = 240
"""Events before the timetable."""
FIRST_GAP_S: Final = 0.005
START_S: Final = 90.0
END_S: Final = 30.0
"""How long the last answer may take; commits every five seconds are somebody's default."""


class Due(NamedTuple):
    """One line of the timetable."""

    at: float
    """Seconds after its beginning."""
    event: Event
    """Numbered from `FIRST`."""


@dataclass(frozen=True, slots=True)
class Live:
    """One run, by the number of the event, in seconds on one clock."""

    published: dict[int, float]
    visible: dict[int, float]
    verdict: Verdict

    def latency(self, number: int) -> float:
        """Return the seconds between publication and sight; endless if it was never seen."""
        return self.visible.get(number, math.inf) - self.published[number]


@dataclass(slots=True)
class _Seen:
    """What the reading thread finds."""

    visible: dict[int, float] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    closed: bool = False

    def read(self, consumer: Consumer) -> None:
        while not self.closed:
            message = consumer.poll(0.05)
            if message is None or message.error() is not None:
                continue
            now, value = time.perf_counter(), message.value() or b""
            self.visible.setdefault(number_of(value), now)
            self.answers.append(Answer(message.key(), value, message.partition() or 0, message.offset() or 0))


def run(cluster: Cluster, contestant: Contestant, timetable: Sequence[Due]) -> Live:
    """Publish by the timetable to a contestant at work, and time its answers."""
    source, sink = cluster.topic("source"), cluster.topic("sink")
    first = [Due(number * FIRST_GAP_S, event(number)) for number in range(FIRST)]
    job = Job(source, sink, cluster.group(source))
    with _reading(cluster, sink) as seen, started(contestant, cluster, job) as running:
        _publish(cluster, source, first)
        _await(seen, running, FIRST, START_S)
        published = _publish(cluster, source, timetable)
        _await(seen, running, FIRST + len(timetable), END_S)
    cluster.drop(source, sink)
    asked = [due.event for due in (*first, *timetable)]
    return Live(published, seen.visible, verify(asked, seen.answers))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that so large a share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@contextmanager
def _reading(cluster: Cluster, sink: str) -> Iterator[_Seen]:
    seen = _Seen()
    with closing(cluster.reader(sink)) as consumer:
        thread = threading.Thread(target=seen.read, args=(consumer,), daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            seen.closed = True
            thread.join()


def _publish(cluster: Cluster, source: str, timetable: Sequence[Due]) -> dict[int, float]:
    """Publish each when it is due and return when that was."""
    producer, published = cluster.producer(**{"linger.ms": 0}), {}
    producer.list_topics(source, timeout=10)  # connected before the clock starts
    begin = time.perf_counter()
    for number, due in enumerate(timetable, start=number_of(timetable[0].event.value)):
        wait = begin + due.at - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        published[number] = time.perf_counter()
        producer.produce(source, due.event.value, due.event.key)
        producer.poll(0)
    producer.flush(END_S)
    return published


def _await(seen: _Seen, running: Running, count: int, limit: float) -> None:
    """Wait for so many different answers; give up after the limit, for the verdict will say what is missing."""
    end = time.monotonic() + limit
    while len(seen.visible) < count and time.monotonic() < end:
        running.demand_alive()
        time.sleep(0.02)
