"""One partition's log: records and control markers on consecutive offsets, and what of it is decided.

Knows transactions only as numbers that are open, committed or aborted; who may open one is not its business.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.record import Headers, Outgoing, Record, TopicPartition


class Entry(NamedTuple):
    """What one offset holds; a marker has no record and is never delivered."""

    offset: int
    timestamp_ms: int
    record: Outgoing | None
    transaction: int | None


class PartitionLog:
    """Append-only but for its start, which retention moves."""

    def __init__(self, partition: TopicPartition) -> None:
        self._partition = partition
        self._entries: list[Entry] = []
        self._open: dict[int, int] = {}
        """Transactions that are not decided, by the first offset they hold."""
        self._aborted: set[int] = set()
        self.start = 0

    @property
    def end(self) -> int:
        """The offset that the next entry gets."""
        return self.start + len(self._entries)

    @property
    def stable_end(self) -> int:
        """The last stable offset: read_committed sees nothing from here on, not even what is committed."""
        return min(self._open.values(), default=self.end)

    def append(self, record: Outgoing, now_ms: int, transaction: int | None = None) -> int:
        """Add a record and return its offset."""
        offset = self.end
        if transaction is not None:
            self._open.setdefault(transaction, offset)
        self._entries.append(Entry(offset, now_ms, record, transaction))
        return offset

    def decide(self, transaction: int, now_ms: int, *, commit: bool) -> None:
        """End a transaction here. Its marker takes an offset."""
        if self._open.pop(transaction, None) is None:
            return
        if not commit:
            self._aborted.add(transaction)
        self._entries.append(Entry(self.end, now_ms, None, None))

    def read(self, position: int, limit: int, *, committed: bool) -> tuple[list[Record], int]:
        """Return at most ``limit`` records from ``position`` on and the position behind all that was looked at."""
        stop = self.stable_end if committed else self.end
        found: list[Record] = []
        while position < stop and len(found) < limit:
            entry = self._entries[position - self.start]
            position += 1
            if entry.record is not None and not (committed and entry.transaction in self._aborted):
                found.append(self._record(entry, entry.record))
        return found, position

    def offset_at(self, timestamp_ms: int) -> int:
        """Return the first offset whose time is not before this one; the end if there is none."""
        return next((e.offset for e in self._entries if e.timestamp_ms >= timestamp_ms), self.end)

    def truncate(self, offset: int) -> None:
        """Drop what lies before ``offset``; nothing undecided is dropped."""
        offset = min(offset, self.stable_end)
        if offset > self.start:
            del self._entries[: offset - self.start]
            self.start = offset

    def _record(self, entry: Entry, record: Outgoing) -> Record:
        headers: Headers = record.headers
        topic, partition = self._partition
        return Record(topic, partition, entry.offset, record.key, record.value, headers, entry.timestamp_ms)
