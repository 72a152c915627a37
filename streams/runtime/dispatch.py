"""What starts next: retries that are due, suspects one by one, then new records lane by lane.

It knows ledgers and lanes; what became of a task is the loop's business.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from schemas.errors import Reason
from streams.runtime.fair import FairQueue, tenant_of
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
        self._queues: defaultdict[str, FairQueue] = defaultdict(FairQueue)
        self._ahead = limits.concurrency
        self._careful: Task | None = None
        self._probing = False
        self.retries = RetryQueue()
        self.in_flight = 0
        """Tasks handed out and not come back, of whatever incarnation."""

    def queue(self, topic: str) -> FairQueue:
        """Return the queue in which the ledgers of this lane say what they have ready."""
        return self._queues[topic]

    def forget(self, partition: TopicPartition, ledger: Ledger | None) -> None:
        """The partition is gone, and its ledger with it."""
        if ledger is not None:
            self._queues[partition.topic].gone(ledger)
        if self._careful is not None and self._careful.partition == partition:
            self._careful = None

    def came_back(self, tasks: Collection[Task]) -> None:
        """These are no longer with a thread. Adapt how much is started ahead of the threads.

        As much as gets done between two steps is kept started, so fast handlers never idle; with slow ones little is,
        so that the lanes have their say late.
        """
        self.in_flight -= len(tasks)
        for task in tasks:
            self._queues[task.partition.topic].ended(tenant_of(task.record.key))
            if task.probe:
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
        self._look_again()
        self._lanes.waiting([topic for topic, queue in self._queues.items() if queue])
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
            self._look_again()
            task = next(filter(None, map(self._next_of, list(self._queues))), None)
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
            self._queues[task.partition.topic].started(tenant_of(task.record.key))
            yield task

    def _may_start(self, ledger: Ledger) -> bool:
        return ledger.opened and not ledger.careful and ledger.partition not in self._releasing

    def _look_again(self) -> None:
        for queue in self._queues.values():
            queue.look_again()

    def _next_of(self, topic: str) -> Task | None:
        found = self._queues[topic].next(self._may_start)
        if found is None:
            return None
        ledger, record = found
        return Task(ledger.partition, ledger.incarnation, record)

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
