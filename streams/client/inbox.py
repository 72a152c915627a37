"""What lies between the thread that owns the consumer and the one that handles records: no Kafka, no I/O, one lock.

Offsets here are NEXT offsets, as everywhere; each assignment of a partition has a number, so that a record of an
earlier assignment cannot move a position of this one.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.record import Record, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HIGH_RECORDS: Final = 5000
HIGH_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Taken:
    """A record in somebody's hands."""

    record: Record
    assignment: int

    @property
    def home(self) -> TopicPartition:
        """The partition it was polled from."""
        return TopicPartition(self.record.topic, self.record.partition)


class Inbox:
    """Thread-safe. One thread puts records and moves partitions, one takes and finishes records, in order."""

    def __init__(self, *, high_records: int = HIGH_RECORDS, high_bytes: int = HIGH_BYTES) -> None:
        """Be full with so many records or bytes, and have room again with a quarter of that.

        Wide apart, because a pause throws away what was prefetched, and costs a quarter of a second.
        """
        self._high = high_records
        self._high_bytes = high_bytes
        self._changed = threading.Condition()
        self._waiting: deque[Taken] = deque()
        self._bytes = 0
        self._held: dict[TopicPartition, int] = {}
        self._assignments = 0
        self._in_hand: Taken | None = None
        self._finished: dict[TopicPartition, int] = {}
        self._error: Exception | None = None

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """These came."""
        with self._changed:
            self._assignments += 1
            self._held.update(dict.fromkeys(partitions, self._assignments))
            self._changed.notify_all()

    def was_assigned(self, timeout: float) -> bool:
        """Wait for the first assignment, which may be of no partitions at all; raise what `fail` was told."""
        with self._changed:
            self._changed.wait_for(lambda: self._assignments or self._error, timeout)
            self._raise()
            return self._assignments > 0

    def revoking(self, partitions: Iterable[TopicPartition], patience: float) -> dict[TopicPartition, int]:
        """Let these go: nothing of them is handed out any more, and what is in hand has ``patience`` seconds.

        Return the positions that are still to be committed for them.
        """
        going = set(partitions)
        with self._changed:
            self._drop(going)
            self._changed.wait_for(lambda: self._in_hand is None or self._in_hand.home not in going, patience)
            return self._forget(going)

    def lost(self, partitions: Iterable[TopicPartition]) -> None:
        """These are somebody else's already."""
        with self._changed:
            self._drop(set(partitions))
            self._forget(set(partitions))

    def put(self, records: Iterable[Record]) -> None:
        """Add polled records, in order."""
        with self._changed:
            for record in records:
                number = self._held.get(TopicPartition(record.topic, record.partition))
                if number is not None:
                    self._waiting.append(Taken(record, number))
                    self._bytes += len(record.value or b"")
            self._changed.notify_all()

    def take(self, timeout: float) -> Taken | None:
        """Hand out the next record, None if none came in time; raise what `fail` was told once nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._error, timeout)
            if not self._waiting:
                self._raise()
                return None
            taken = self._waiting.popleft()
            self._bytes -= len(taken.record.value or b"")
            self._in_hand = taken
            return taken

    def finish(self, taken: Taken) -> bool:
        """Move the position past it; False if the partition was taken away meanwhile, and others will see it again."""
        with self._changed:
            self._in_hand = None
            self._changed.notify_all()
            if self._held.get(taken.home) != taken.assignment:
                return False
            self._finished[taken.home] = taken.record.offset + 1
            return True

    def holds(self, taken: Taken) -> bool:
        """Say whether its partition is still this member's."""
        with self._changed:
            return self._held.get(taken.home) == taken.assignment

    def give_back(self, taken: Taken) -> None:
        """Put it in front again: the next `take` yields it."""
        with self._changed:
            self._in_hand = None
            if self._held.get(taken.home) == taken.assignment:
                self._waiting.appendleft(taken)
                self._bytes += len(taken.record.value or b"")
            self._changed.notify_all()

    def to_commit(self) -> dict[TopicPartition, int]:
        """Return, and forget, the positions that moved."""
        with self._changed:
            moved, self._finished = self._finished, {}
            return moved

    def not_committed(self, positions: Mapping[TopicPartition, int]) -> None:
        """Take these back: their commit failed. Newer positions stand."""
        with self._changed:
            for partition, offset in positions.items():
                if partition in self._held:
                    self._finished.setdefault(partition, offset)

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def is_full(self) -> bool:
        """Say whether polling should pause."""
        with self._changed:
            return len(self._waiting) >= self._high or self._bytes >= self._high_bytes

    def has_room(self) -> bool:
        """Say whether polling should go on after a pause."""
        with self._changed:
            return len(self._waiting) <= self._high // 4 and self._bytes <= self._high_bytes // 4

    def held(self) -> set[TopicPartition]:
        """Return the partitions of this member."""
        with self._changed:
            return set(self._held)

    def fail(self, error: Exception) -> None:
        """Let whoever takes know why nothing comes any more; the first error stays."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _drop(self, going: set[TopicPartition]) -> None:
        self._waiting = deque(taken for taken in self._waiting if taken.home not in going)
        self._bytes = sum(len(taken.record.value or b"") for taken in self._waiting)

    def _forget(self, going: set[TopicPartition]) -> dict[TopicPartition, int]:
        for partition in going:
            self._held.pop(partition, None)
        return {partition: self._finished.pop(partition) for partition in going & self._finished.keys()}

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
