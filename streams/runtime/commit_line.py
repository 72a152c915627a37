"""The line of answers that wait to be committed: forms batches, takes back what a transaction did not carry.

Answers stand in the order in which their records finished; a batch is always cut from the front, and what was aborted
goes back to the front, so outputs of one key can never overtake each other. Only entries of incarnations that are
still owned enter a batch. It knows ledgers and positions; it does not talk to a broker (`streams.runtime.committer`)
or start work.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.runtime.committer import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from schemas.record import Outgoing, TopicPartition
    from streams.runtime.ledger import Ledger
    from streams.runtime.limits import BatchLimits
    from streams.runtime.offset_map import OffsetMap
    from streams.runtime.ports import Position
    from streams.runtime.task import Task

FIRST_PAUSE_S = 0.01
LAST_PAUSE_S = 1.0


class Entry:
    """One finished record and its answer. ``outputs`` is None while a refused answer is being replaced."""

    __slots__ = ("outputs", "task")

    def __init__(self, task: Task, outputs: Sequence[Outgoing] | None) -> None:
        self.task = task
        self.outputs = outputs


@dataclass(slots=True)
class Formed:
    """A batch under way: what went in, to be settled when its outcome is known."""

    entries: list[Entry]
    positions: Mapping[TopicPartition, Position]
    incarnations: Mapping[TopicPartition, int]
    marked: frozenset[TopicPartition]
    outputs: list[Outgoing] = field(default_factory=list)
    unresolved: set[TopicPartition] = field(default_factory=set)


class CommitLine:
    """Finished entries in order, and at most one batch under way."""

    def __init__(self, ledgers: Mapping[TopicPartition, Ledger], limits: BatchLimits) -> None:
        self._ledgers = ledgers
        self._limits = limits
        self._line: deque[Entry] = deque()
        self._formed: Formed | None = None
        self._most = limits.records
        self._not_before = 0.0
        self._pause = FIRST_PAUSE_S
        self._tokens = limits.per_second
        self._filled_at = 0.0

    @property
    def under_way(self) -> bool:
        """True while a transaction runs, or its outcome is being asked for."""
        return self._formed is not None

    def __len__(self) -> int:
        return len(self._line)

    def add(self, entry: Entry) -> None:
        """Append the answer of a record that has just finished."""
        self._line.append(entry)

    def involves(self, partition: TopicPartition) -> bool:
        """Return whether anything of this partition still waits or is under way."""
        if self._formed is not None and partition in self._formed.positions:
            return True
        return any(entry.task.partition == partition for entry in self._line)

    def form(self, now: float, *, hurry: bool, releasing: Iterable[TopicPartition]) -> Formed | None:
        """Cut the next batch, with the positions that belong to it, or None if there is nothing to commit now.

        ``hurry`` ignores the ceiling on transactions per second (draining, revocation).
        """
        if self._formed is not None or now < self._not_before:
            return None
        dirty = [ledger for ledger in self._ledgers.values() if ledger.dirty]
        if not self._line and not dirty:
            return None
        if not self._take_token(now) and not hurry:
            return None
        entries = self._cut()
        if not entries and not dirty:
            return None
        return self._put_together(entries, dirty, frozenset(releasing))

    def settle(self, outcome: Outcome, now: float, refuse: Callable[[Entry, str], bool]) -> list[Ledger]:
        """Take in how the transaction ended; return the ledgers whose positions must be read to know it.

        ``refuse`` is called for every entry that the broker will never take; it returns whether a replacement is
        being made.
        """
        formed = self._formed
        assert formed is not None  # noqa: S101 - the shell runs one transaction at a time
        if outcome.timed_out:
            self._most = max(1, self._most // 2)
        if outcome.verdict is Verdict.COMMITTED:
            self._most = min(self._limits.records, self._most * 2)
            self._not_before, self._pause = 0.0, FIRST_PAUSE_S
            self._commit(formed)
            return []
        self._not_before = now + self._pause
        self._pause = min(self._pause * 2, LAST_PAUSE_S)
        self._refuse(formed, outcome, refuse)
        if outcome.verdict is Verdict.ABORTED:
            self._take_back(formed)
            return []
        owned = self._owned(formed)
        formed.unresolved = {ledger.partition for ledger in owned}
        if not owned:
            self._take_back(formed)
        return owned

    def resolve(self, ledger: Ledger, found: OffsetMap) -> None:
        """Learn from the broker's own answer what became of a transaction nobody knew the end of."""
        formed = self._formed
        if formed is None or ledger.partition not in formed.unresolved:
            return
        mine = [e for e in formed.entries if e.task.partition == ledger.partition and self._is_owned(e.task)]
        shown = [e for e in mine if e.task.record.offset < found.base or e.task.record.offset in found.done]
        ledger.committed([e.task.record for e in shown], found.base)
        gone = set(map(id, shown))
        formed.entries = [e for e in formed.entries if id(e) not in gone]
        formed.unresolved.discard(ledger.partition)
        if not formed.unresolved:
            self._take_back(formed)

    def forget(self, partition: TopicPartition) -> None:
        """The partition is gone: drop its entries; a transaction under way is settled without it."""
        self._line = deque(entry for entry in self._line if entry.task.partition != partition)
        if self._formed is not None and partition in self._formed.unresolved:
            self._formed.unresolved.discard(partition)
            if not self._formed.unresolved:
                self._take_back(self._formed)

    def wake_at(self, now: float) -> float | None:
        """Return when a batch that is not allowed yet may be formed."""
        if self._formed is not None or not self._line:
            return None
        return max(self._not_before, now + max(0.0, (1 - self._tokens) / self._limits.per_second))

    def _cut(self) -> list[Entry]:
        entries: list[Entry] = []
        room = self._limits.bytes
        while self._line and len(entries) < self._most:
            entry = self._line[0]
            if not self._is_owned(entry.task):
                self._line.popleft()
                continue
            if entry.outputs is None:
                break
            room -= sum(len(o.value or b"") for o in entry.outputs)
            if room < 0 and entries:
                break
            entries.append(self._line.popleft())
        return entries

    def _put_together(self, entries: list[Entry], dirty: list[Ledger], releasing: frozenset[TopicPartition]) -> Formed:
        offsets: dict[TopicPartition, set[int]] = {ledger.partition: set() for ledger in dirty}
        for entry in entries:
            offsets.setdefault(entry.task.partition, set()).add(entry.task.record.offset)
        ledgers = [self._ledgers[partition] for partition in offsets]
        positions = {
            ledger.partition: ledger.position(offsets[ledger.partition], releasing=ledger.partition in releasing)
            for ledger in ledgers
        }
        for ledger in dirty:
            ledger.dirty = False
        self._formed = Formed(
            entries,
            positions,
            {ledger.partition: ledger.incarnation for ledger in ledgers},
            frozenset(ledger.partition for ledger in ledgers if ledger.marked is not None),
            [output for entry in entries for output in entry.outputs or ()],
        )
        return self._formed

    def _commit(self, formed: Formed) -> None:
        records: dict[TopicPartition, list[Task]] = {}
        for entry in formed.entries:
            records.setdefault(entry.task.partition, []).append(entry.task)
        for ledger in self._owned(formed):
            position = formed.positions[ledger.partition]
            assert position.offset is not None  # noqa: S101 - a ledger always knows its position
            ledger.committed([task.record for task in records.get(ledger.partition, ())], position.offset)
            ledger.opened = True
            if ledger.partition in formed.marked:
                ledger.mark_committed = True
        self._formed = None

    def _refuse(self, formed: Formed, outcome: Outcome, refuse: Callable[[Entry, str], bool]) -> None:
        if not outcome.refused:
            return
        index = 0
        for entry in formed.entries:
            outputs = entry.outputs or ()
            errors = [outcome.refused[i] for i in range(index, index + len(outputs)) if i in outcome.refused]
            index += len(outputs)
            if errors and self._is_owned(entry.task) and refuse(entry, str(errors[0])):
                entry.outputs = None

    def _take_back(self, formed: Formed) -> None:
        self._line.extendleft(reversed([entry for entry in formed.entries if self._is_owned(entry.task)]))
        for ledger in self._owned(formed):
            ledger.dirty = True
        self._formed = None

    def _owned(self, formed: Formed) -> list[Ledger]:
        found = (self._ledgers.get(partition) for partition in formed.positions)
        return [x for x in found if x is not None and x.incarnation == formed.incarnations[x.partition]]

    def _is_owned(self, task: Task) -> bool:
        ledger = self._ledgers.get(task.partition)
        return ledger is not None and ledger.incarnation == task.incarnation

    def _take_token(self, now: float) -> bool:
        rate = self._limits.per_second
        self._tokens = min(rate, self._tokens + max(0.0, now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
