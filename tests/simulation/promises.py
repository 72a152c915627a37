"""What must be true: read from the logs as a committed reader would, all along, and judged when all is at rest.

How often each input may be answered is known exactly: once, unless retention took it first (then at most once) or an
operator chose to begin again before it (then once more for each such choice).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from schemas.record import TopicPartition
from streams.runtime.offset_map import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.record import Record
    from streams.adapters.simulated import SimulatedCluster
    from streams.runtime.ports import Position

Place = tuple[str, int, int]
"""Topic, partition and offset of an input: who it is."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that a schedule broke."""

    promise: str
    detail: str


class Answers(Protocol):
    """What the work knows of its answers."""

    @property
    def lanes(self) -> Mapping[str, int]: ...
    @property
    def outputs(self) -> Mapping[str, int]: ...
    def cause(self, record: Record) -> Place:
        """Return which input an answer answers."""
        ...

    def observed(self, record: Record) -> list[Violation]:
        """Judge one answer when it becomes visible."""
        ...


class Reader:
    """A read_committed reader of some topics that goes on where it was."""

    def __init__(self, cluster: SimulatedCluster, topics: Mapping[str, int]) -> None:
        self._cluster = cluster
        self._next = {TopicPartition(topic, n): 0 for topic, count in topics.items() for n in range(count)}

    def read(self) -> list[Record]:
        """Return what is new."""
        found: list[Record] = []
        for partition, position in self._next.items():
            log = self._cluster.log(partition)
            if position < log.stable_end:
                records, self._next[partition] = log.read(max(position, log.start), log.end - log.start, committed=True)
                found += records
        return found


class Promises:
    """The bookkeeping of one schedule."""

    def __init__(
        self, cluster: SimulatedCluster, work: Answers, committed: Callable[[TopicPartition], Position]
    ) -> None:
        self._cluster = cluster
        self._work = work
        self._committed = committed
        self.lanes = tuple(work.lanes)
        self._inputs = Reader(cluster, work.lanes)
        self._outputs = Reader(cluster, work.outputs)
        self.inputs: dict[Place, Record] = {}
        self.answers: Counter[Place] = Counter()
        self._most: Counter[Place] = Counter()
        """How often an input may be answered beyond once."""
        self._open: set[Place] = set()
        """Inputs that are to be answered and are not yet."""
        self._last: dict[TopicPartition, int] = {}
        """The last input of each partition."""
        self._rebuilt: set[TopicPartition] = set()
        """Where a position was made from answers: it may stand on a gap with everything behind it in the map."""
        self._orders: dict[tuple[str, bytes | None, str], int] = {}
        """The last answered offset by lane, key and topic of the answers: across topics there is no order."""
        self.found: list[Violation] = []

    def observe(self) -> None:
        """Read on; inputs first, because an answer can only be to what could be read."""
        for record in self._inputs.read():
            place = (record.topic, record.partition, record.offset)
            self.inputs[place] = record
            self._open.add(place)
            self._last[TopicPartition(*place[:2])] = record.offset
        for record in self._outputs.read():
            self._answered(self._work.cause(record), record.topic)
            self.found += self._work.observed(record)

    def _answered(self, place: Place, topic: str) -> None:
        if place not in self.inputs:
            self.found.append(Violation("nothing else is answered", f"{place}"))
            return
        self.answers[place] += 1
        self._open.discard(place)
        if self.answers[place] > 1 + self._most[place]:
            self.found.append(Violation("each record is answered once", f"{place}: {self.answers[place]} times"))
        lane = (place[0], self.inputs[place].key, topic)
        if place[2] < self._orders.get(lane, -1):
            detail = f"{lane}: {place[2]} after {self._orders[lane]}"
            self.found.append(Violation("answers of a key come in the order of its records", detail))
        self._orders[lane] = place[2]

    # --- what others may do to an input --------------------------------------------------------------------------

    def taken(self, partition: TopicPartition, offset: int) -> None:
        """Retention is about to take what lies before ``offset``: it need not be answered any more."""
        self.observe()
        self._open -= {p for p in self._open if p[:2] == partition and p[2] < offset}

    def begun_again(self, partition: TopicPartition, offset: int, *, known: frozenset[int]) -> None:
        """An operator set the position: what is not ``known`` as done behind it may be answered once more.

        What an earlier choice (to begin at the latest) passed over and this one does not, is to be answered again.
        """
        self.observe()
        if known:
            self._rebuilt.add(partition)
        for place in [p for p in self.inputs if p[:2] == partition]:
            if place[2] < offset:
                self._open.discard(place)
            elif place[2] not in known and place not in self._open:  # answered already, or passed over until now
                self._again(place)

    def _again(self, place: Place) -> None:
        """An input that lies behind the position again: after answers to later records of its key, if need be."""
        if self.answers[place]:
            self._most[place] += 1
        elif place[2] >= self._cluster.log(TopicPartition(*place[:2])).start:
            self._open.add(place)
        for topic in self._work.outputs:
            self._orders.pop((place[0], self.inputs[place].key, topic), None)

    # --- the end -------------------------------------------------------------------------------------------------

    @property
    def kept(self) -> bool:
        """Whether all that is to be answered is, and every position has moved past it."""
        return not self._open and not self.behind()

    def behind(self) -> list[TopicPartition]:
        """Return the partitions whose committed position and map do not tell of all their records."""
        return [p for p, last in self._last.items() if self._is_behind(p, last)]

    def _is_behind(self, partition: TopicPartition, last: int) -> bool:
        position = self._committed(partition)
        offset = position.offset or 0
        if last < max(offset, self._cluster.log(partition).start):
            return False
        if partition not in self._rebuilt:
            return True
        done = decode(position.metadata, self._cluster.topic_id(partition.topic), offset).done
        mine = (place[2] for place in self.inputs if place[:2] == partition)
        return any(number >= offset and number not in done for number in mine)

    def _is_passed(self, place: Place) -> bool:
        return (self._committed(TopicPartition(*place[:2])).offset or 0) > place[2]

    def judge(self, *, done: bool) -> list[Violation]:
        """Return everything that was broken."""
        self.observe()
        found = [*self.found]
        passed = sorted(p for p in self._open if self._is_passed(p))
        if passed:
            found.append(Violation("nothing is committed ahead of unfinished work", f"no answer to {passed[:5]}"))
        elif self._open:
            found.append(Violation("progress", f"no answer to {sorted(self._open)[:5]}"))
        elif not done:
            found.append(Violation("progress", f"positions stay behind: {self.behind()[:5]}"))
        return found
