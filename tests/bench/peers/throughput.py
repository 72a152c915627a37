"""How fast a contestant gets through a preloaded topic, by what a reader of committed records may see.

While it works only the last stable offsets are asked for, a few dozen times a second; afterwards all answers are read
and verified, and each look becomes a count of committed answers. The clock starts when the warm-up part is visible, so
neither an interpreter's start nor a JVM's first second nor the joining of the group counts for or against anybody.
"""

from __future__ import annotations

import bisect
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.bench.peers.broker import PARTITIONS, Answers
from tests.bench.peers.contestants import Job, started
from tests.bench.peers.events import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.peers.broker import Cluster
    from tests.bench.peers.contestants import Contestant, Running
    from tests.bench.peers.events import Answer, Event, Verdict

LOOK_S: Final = 0.03
QUIET_S: Final = 0.4
"""Without news for this long, the answers are read and counted."""
SETTLE_S: Final = 60.0
"""Without any news for this long, a contestant has failed."""
WARM_UP: Final = 0.1
"""The share of the events before the clock starts."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is in the source topic."""

    topic: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Throughput:
    """One run."""

    events: int
    """Answered while the clock ran."""
    seconds: float
    cpu_seconds: float
    verdict: Verdict

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def cpu_per_10000(self) -> float:
        """CPU-seconds for 10 000 events."""
        return 10_000 * self.cpu_seconds / self.events


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    ends: tuple[int, ...]
    cpu_seconds: float


def run(cluster: Cluster, contestant: Contestant, load: Load) -> Throughput:
    """Have a contestant answer everything; raise if it ends or stops before that."""
    job = Job(load.topic, cluster.topic("sink"), cluster.group(load.topic))
    with closing(Answers(cluster, job.sink)) as answers, started(contestant, cluster, job) as running:
        looks = _watch(cluster, job.sink, running, answers, len(load.events))
    found = answers.found
    cluster.drop(job.sink)
    return _figures(looks, found, verify(load.events, found))


def _watch(cluster: Cluster, sink: str, running: Running, answers: Answers, wanted: int) -> list[_Look]:
    """Look until all answers are there, or no more come."""
    looks = [_Look(time.perf_counter(), (0,) * PARTITIONS, 0.0)]
    read = looks[0].ends
    while len(answers.found) < wanted:
        time.sleep(LOOK_S)
        ends, now = cluster.stable_ends(sink), time.perf_counter()
        if ends != looks[-1].ends:
            if not any(looks[-1].ends):
                running.find_children()
            looks.append(_Look(now, ends, running.cpu_seconds()))
        elif now - looks[-1].at > QUIET_S and sum(ends) >= wanted and ends != read:
            read = ends
            answers.read(ends)
        elif now - looks[-1].at > SETTLE_S:
            answers.read(ends)
            break
        running.demand_alive()
    return looks


def _figures(looks: Sequence[_Look], found: Sequence[Answer], verdict: Verdict) -> Throughput:
    """Turn looks into the time between the end of the warm-up and the last answer."""
    offsets: list[list[int]] = [[] for _ in range(PARTITIONS)]
    for answer in found:
        offsets[answer.partition].append(answer.offset)

    def visible(look: _Look) -> int:
        return sum(bisect.bisect_left(own, end) for own, end in zip(offsets, look.ends, strict=True))

    counts = [visible(look) for look in looks]
    first = next(index for index, count in enumerate(counts) if count >= WARM_UP * len(found) and count)
    last = counts.index(counts[-1])
    if first == last:  # it all came at once: there is no other clock than its own start
        first = 0
    begin, end = looks[first], looks[last]
    return Throughput(counts[last] - counts[first], end.at - begin.at, end.cpu_seconds - begin.cpu_seconds, verdict)
