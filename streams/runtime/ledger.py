"""The ledger of one assigned partition: what was polled, runs, is done, and which position may be committed.

WHY it is shaped like this. Records of one partition finish in any order, because only records of the SAME key wait
for each other. Kafka keeps one number a partition, so the committed offset can only be the smallest unfinished one
(the base); what is finished beyond it goes into the commit metadata (`streams.runtime.offset_map`), and a restart
skips it. Offsets have gaps (commit markers, aborted records, compaction), so the base is always an offset that was
polled, or the one past the last polled; it never waits for an offset to exist.

A ledger belongs to one incarnation, that is one assignment of the partition. It is thrown away when the partition
goes; nothing of it outlives that. It decides nothing about time, lanes or transactions: that is the loop.

"Finished" here means that the handler answered; "committed" that the answer's transaction committed. A key is free
when its record is FINISHED: the batch keeps answers in the order they finished, one transaction at a time, so the
next record of the key can only be committed with or after this one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from streams.runtime.fair import FairQueue, tenant_of
from streams.runtime.limits import SuspectPolicy
from streams.runtime.offset_map import HORIZON, MAX_SUSPECTS, OffsetMap, encode
from streams.runtime.ports import Position

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from schemas.record import Record, TopicPartition


RECORD_OVERHEAD = 200
"""Bytes of Python objects that a held record costs beside its key and value (measured with sys.getsizeof, rounded
up).
"""


def size(record: Record) -> int:
    """Return the bytes that a held record counts for."""
    return len(record.value or b"") + len(record.key or b"") + RECORD_OVERHEAD


class Ledger:
    """One partition at one incarnation. Offsets are "next" offsets except where a record's own is meant."""

    __slots__ = (
        "_committed",
        "_keys",
        "_opened_at",
        "_order",
        "_policy",
        "_queue",
        "_suspects",
        "_tried",
        "base",
        "careful",
        "dirty",
        "held",
        "held_bytes",
        "incarnation",
        "mark_committed",
        "marked",
        "next_poll",
        "opened",
        "partition",
        "ready",
        "running",
        "topic_id",
    )

    def __init__(
        self,
        partition: TopicPartition,
        incarnation: int,
        found: OffsetMap,
        policy: SuspectPolicy | None = None,
        queue: FairQueue | None = None,
    ) -> None:
        self.partition = partition
        self.incarnation = incarnation
        self.topic_id = found.topic_id
        self.base = found.base
        """The committed position, as far as this worker knows."""
        self.next_poll = found.base
        """Past the last polled record."""
        self._opened_at = found.base
        self._policy = policy or SuspectPolicy()
        self._committed = set(found.done)
        self._order: deque[int] = deque()
        self.ready: dict[bytes, deque[Record]] = {}
        """Records whose key is free, by tenant; never an empty queue."""
        self._queue = FairQueue() if queue is None else queue
        self._keys: dict[bytes, deque[Record] | None] = {}
        self._suspects = dict(found.suspects)
        self._tried = found.tried + 1
        self.careful = self._policy.window if found.tried >= self._policy.tries or found.suspects else 0
        """How many more records are to be started one by one, each marked before."""
        self.marked: Record | None = None
        """Taken to be started alone; waits until its mark is committed."""
        self.mark_committed = False
        """True once the mark is committed: now the marked record may start."""
        self.dirty = True
        """The position has news of its own (tries, marks), to be committed even without any finished record."""
        self.opened = False
        """True once the first position of this incarnation is committed: nothing starts before."""
        self.running = 0
        """Records that a handler thread has, or is about to have."""
        self.held = 0
        """Records polled and not committed: what this partition costs in memory."""
        self.held_bytes = 0
        """The sum of their `size`."""

    def add(self, records: Iterable[Record]) -> None:
        """Enter records as they were polled, in the order of their offsets."""
        for record in records:
            offset = record.offset
            self.next_poll = offset + 1
            if offset in self._committed or offset < self.base:
                self.dirty = True  # known as done: the position may move past it now, with or without other news
                continue
            self._order.append(offset)
            self.held += 1
            self.held_bytes += size(record)
            key = record.key
            if key is None:
                self._enqueue(record)
            elif key in self._keys:
                waiting = self._keys[key]
                if waiting is None:
                    self._keys[key] = deque((record,))
                else:
                    waiting.append(record)
            else:
                self._keys[key] = None
                self._enqueue(record)

    def within_reach(self, tenant: bytes) -> bool:
        """Return whether the map can still tell of the tenant's next record; ask only if it has one ready."""
        return self.ready[tenant][0].offset < self.base + HORIZON

    @property
    def can_start(self) -> bool:
        """True if the oldest record that is ready may start now."""
        return bool(self.ready) and self.within_reach(self._oldest())

    def start(self, tenant: bytes | None = None) -> Record:
        """Take a record to start: the tenant's next, or the oldest of all; only if it is within reach."""
        return self._queue.take(self._oldest() if tenant is None else tenant, self)

    def _oldest(self) -> bytes:
        return min(self.ready, key=lambda tenant: self.ready[tenant][0].offset)

    def finish(self, record: Record) -> None:
        """The handler answered: free the key. The answer still has to be committed."""
        if self._suspects.pop(record.offset, None) is not None:
            self.dirty = True
        key = record.key
        if key is None:
            return
        waiting = self._keys[key]
        if waiting:
            self._enqueue(waiting.popleft(), freed=True)
        else:
            del self._keys[key]

    def _enqueue(self, record: Record, *, freed: bool = False) -> None:
        """Make a record ready: behind the others, or before them if it waited for its key.

        It waited long enough, and may be the oldest unfinished, which holds the base. Out of the map's reach it
        goes behind all the same: before them it would hold up the very records that let the base move.
        """
        tenant = tenant_of(record.key)
        queue = self.ready.get(tenant)
        if queue is None:
            self.ready[tenant] = deque((record,))
            self._queue.arrived(tenant, self)
        elif freed and record.offset < self.base + HORIZON:
            queue.appendleft(record)
        else:
            queue.append(record)

    def mark(self) -> tuple[int, Record]:
        """Take the next record to start alone and note it as a suspect; return how often it was before, and it."""
        record = self.start()
        before = self._suspects.get(record.offset, 0)
        if len(self._suspects) < MAX_SUSPECTS or record.offset in self._suspects:
            self._suspects[record.offset] = before + 1
        self.marked = record
        self.careful -= 1
        self.dirty = True
        return before, record

    def acquit(self, record: Record) -> None:
        """The record's start came back, with whatever error: it has not killed its worker this time."""
        marks = self._suspects.pop(record.offset, 0)
        if marks:
            self.dirty = True
        if marks > 1:
            self._suspects[record.offset] = marks - 1

    def unmark(self) -> None:
        """The marked record starts now: its mark is committed, or it is given up without a start."""
        self.marked = None
        self.mark_committed = False

    def position(self, batch: Collection[int], *, releasing: bool = False) -> Position:
        """Return offset and metadata to commit together with the answers to the records in ``batch``.

        ``releasing``: the partition is handed over in order, so its next owner has no reason to suspect anything.
        """
        base = max(self.next_poll, self.base)
        for offset in self._order:
            if offset not in batch and offset not in self._committed:
                base = offset
                break
        while base in self._committed:  # done, not polled again yet: the map tells only of what is beyond the base
            base += 1
        done = frozenset(o for o in (*self._committed, *batch) if o > base)
        tried = 0 if releasing else self._tried if base == self._opened_at else 1
        suspects = tuple(sorted(item for item in self._suspects.items() if item[0] >= base and item[0] not in batch))
        return Position(base, encode(OffsetMap(self.topic_id, base, done, suspects, tried)))

    def committed(self, batch: Iterable[Record], base: int) -> None:
        """A transaction with these records' answers and this position committed."""
        for record in batch:
            self._committed.add(record.offset)
            self.held -= 1
            self.held_bytes -= size(record)
        order, done = self._order, self._committed
        while order and order[0] in done:
            order.popleft()
        if base > self.base:
            self.base = base
            self._committed = {offset for offset in done if offset >= base}
