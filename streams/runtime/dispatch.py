"""What starts next: retries that are due, suspects one by one, then new records lane by lane.

It knows ledgers and lanes; what became of a task is the loop's business.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from schemas.errors import Reason
from streams.runtime.lanes import Lanes
from streams.runtime.retry import RetryQueue
from streams.runtime.task import Failure, Task

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from schemas.record import TopicPartition
    from streams.runtime.ledger import Ledger
    from streams.runtime.limits import LoopLimits


class Dispatcher:
    """Chooses tasks; one a worker."""

    def __init__(
        self, ledgers: Mapping[TopicPartition, Ledger], releasing: Collection[TopicPartition], limits: LoopLimits
    ) -> None:
        self._ledgers = ledgers
        self._releasing = releasing
        self._limits = limits
        self._lanes = Lanes(limits.lanes)
        self._turns: dict[str, deque[TopicPartition]] = {}
        self._ahead = limits.concurrency
        self._careful: Task | None = None
        self._probing = False
        self.retries = RetryQueue()
        self.in_flight = 0
        """Tasks handed out and not come back, of whatever incarnation."""

    def open(self, partition: TopicPartition) -> None:
        """Let the partition take part; its ledger says when records may start."""
        self._turns.setdefault(partition.topic, deque()).append(partition)

    def forget(self, partition: TopicPartition) -> None:
        """The partition is gone."""
        if partition in self._turns.get(partition.topic, ()):
            self._turns[partition.topic].remove(partition)
        if self._careful is not None and self._careful.partition == partition:
            self._careful = None

    def came_back(self, tasks: Collection[Task]) -> None:
        """These are no longer with a thread. Adapt how much is started ahead of the threads.

        As much as gets done between two steps is kept started, so fast handlers never idle; with slow ones little is,
        so that the lanes have their say late.
        """
        self.in_flight -= len(tasks)
        if any(task.probe for task in tasks):
            self._probing = False
        most = max(self._limits.max_in_flight, self._limits.concurrency)
        if len(tasks) * 2 >= self._ahead:
            self._ahead = min(self._ahead * 2, most)
        elif len(tasks) * 8 < self._ahead:
            self._ahead = max(self._ahead * 3 // 4, self._limits.concurrency)

    def answered(self, task: Task) -> None:
        """The task needs no further start."""
        if self._careful is task:
            self._careful = None

    def choose(self, now: float) -> Iterator[Task]:
        """Yield what starts now, counting it as in flight."""
        for task in self.retries.due(now, self._room()):
            yield from self._hand_out(task)
        if self._room():
            yield from self._choose_careful()
        room = self._room()
        if not room:
            return
        self._lanes.waiting([topic for topic, turns in self._turns.items() if any(map(self._may_start, turns))])
        while room > 0 and (topic := self._lanes.next()) is not None:
            fresh = self._next_of(topic)
            if fresh is None:
                self._lanes.empty(topic)
            else:
                room -= 1
                yield from self._hand_out(fresh)

    def probe(self) -> Iterator[Task]:
        """Yield one record that is to try whether a service is back, unless one is trying already."""
        if self._probing or not self._room():
            return
        task = self.retries.take_first()
        while task is not None and not self._is_ours(task):
            task = self.retries.take_first()
        if task is None:
            task = next(filter(None, map(self._next_of, self._turns)), None)
        found = self._choose_careful() if task is None else self._hand_out(task)
        for probing in found:
            probing.probe = self._probing = True
            yield probing

    def _room(self) -> int:
        return max(0, self._ahead - self.in_flight)

    def _is_ours(self, task: Task) -> bool:
        ledger = self._ledgers.get(task.partition)
        return ledger is not None and ledger.incarnation == task.incarnation

    def _hand_out(self, task: Task) -> Iterator[Task]:
        if self._is_ours(task):
            self._ledgers[task.partition].running += 1
            self.in_flight += 1
            yield task

    def _may_start(self, partition: TopicPartition) -> bool:
        ledger = self._ledgers[partition]
        return ledger.opened and not ledger.careful and ledger.can_start and partition not in self._releasing

    def _next_of(self, topic: str) -> Task | None:
        turns = self._turns[topic]
        for _ in range(len(turns)):
            partition = turns[0]
            turns.rotate(-1)
            if self._may_start(partition):
                ledger = self._ledgers[partition]
                return Task(partition, ledger.incarnation, ledger.start())
        return None

    def _choose_careful(self) -> Iterator[Task]:
        """Start suspects one by one over ALL partitions, so that a crash accuses the right one."""
        task = self._careful
        if task is None:
            yield from self._accuse()
            return
        ledger = self._ledgers[task.partition]
        if ledger.marked is not None and ledger.mark_committed and task.partition not in self._releasing:
            ledger.unmark()
            yield from self._hand_out(task)

    def _accuse(self) -> Iterator[Task]:
        """Mark the next suspect; it starts when its mark is committed, or is given up if it was marked too often."""
        for partition, ledger in self._ledgers.items():
            if not (ledger.opened and ledger.careful and ledger.can_start) or partition in self._releasing:
                continue
            before, record = ledger.mark()
            self._careful = task = Task(partition, ledger.incarnation, record)
            if before >= self._limits.suspects.marks:
                ledger.unmark()
                detail = f"was started {before} times by workers that never came back"
                task.failure, task.attempts = Failure(Reason.WORKER_CRASHED, detail), before
                yield from self._hand_out(task)
            return
