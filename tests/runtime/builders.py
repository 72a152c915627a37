"""Builders for the engine's tests: records, positions and a loop that is driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.record import Outgoing, Record, TopicPartition
from streams.runtime.committer import Outcome, Verdict
from streams.runtime.limits import LoopLimits
from streams.runtime.loop import Decisions, Loop
from streams.runtime.ports import Position
from streams.runtime.task import Result, Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.runtime.commit_line import Formed
    from streams.runtime.ports import BrokerError

TOPIC_ID = bytes(range(16))
P0 = TopicPartition("in", 0)
P1 = TopicPartition("in", 1)


def record(offset: int, key: str | None = None, partition: TopicPartition = P0) -> Record:
    """Return a record whose key is its own unless one is given."""
    value = f"{partition.topic}-{partition.partition}-{offset}".encode()
    return Record(partition.topic, partition.partition, offset, (key or f"k{offset}").encode(), value, (), 0)


def records(offsets: Iterable[int], key: str | None = None, partition: TopicPartition = P0) -> list[Record]:
    """Return one record an offset."""
    return [record(offset, key, partition) for offset in offsets]


def answer(task: Task) -> list[Outgoing]:
    """Return the output that the tests' handler gives: the record's value, or why it was given up."""
    reason = b"" if task.failure is None else b" " + task.failure.reason.value.encode()
    return [Outgoing("out", task.record.key, (task.record.value or b"") + reason)]


class HandDriven:
    """A loop with the shell played by the test; commits are what a broker would have."""

    def __init__(self, limits: LoopLimits | None = None) -> None:
        self.loop = Loop(limits or LoopLimits(concurrency=4, max_in_flight=4))
        self.now = 100.0
        self.positions: dict[TopicPartition, Position] = {}
        self.outputs: list[bytes] = []
        self.started: list[Task] = []
        self.resumed: list[TopicPartition] = []
        self.last = Decisions()
        self.formed: Formed | None = None

    def assign(self, *partitions: TopicPartition, offset: int | None = 0, metadata: str = "") -> None:
        """Assign, answer the question for the position and commit the opening positions."""
        self.loop.assigned(partitions)
        for partition in self.decide().read:
            found = self.positions.get(partition, Position(offset, metadata))
            self.tell(partition, found)
        self.settle()

    def tell(self, partition: TopicPartition, found: Position, log_start: int = 0) -> None:
        """Answer the question for a position."""
        number = self.loop.incarnation(partition)
        self.loop.position(partition, number, found, topic_id=TOPIC_ID, log_start=log_start)

    def decide(self) -> Decisions:
        """Take one step and remember what was started."""
        self.last = self.loop.decide(self.now)
        self.formed = self.last.commit or self.formed
        self.started += self.last.start
        self.resumed += self.last.resume
        return self.last

    def poll(self, *polled: Record) -> None:
        """Deliver records and take a step."""
        self.loop.polled(polled)
        self.decide()

    def running(self) -> list[int]:
        """Return the offsets that were started, in order, and are not answered."""
        return [task.record.offset for task in self.started]

    def take(self, offset: int) -> Task:
        """Take the running task of this offset."""
        task = next(t for t in self.started if t.record.offset == offset)
        self.started.remove(task)
        return task

    def finish(self, *offsets: int) -> None:
        """Let the handler answer these and take a step."""
        self.finish_tasks(*[self.take(offset) for offset in offsets])

    def finish_tasks(self, *tasks: Task) -> None:
        """Let the handler answer these and take a step; offsets are not enough where there are two partitions."""
        self.started = [task for task in self.started if task not in tasks]
        self.loop.finished([Result(task, answer(task)) for task in tasks], self.now)
        self.decide()

    def fail(self, offset: int, error: Exception) -> None:
        """Let the handler raise and take a step."""
        self.loop.finished([Result(self.take(offset), (), error)], self.now)
        self.decide()

    def settle(
        self,
        verdict: Verdict = Verdict.COMMITTED,
        refused: dict[int, BrokerError] | None = None,
        *,
        visible: bool = True,
    ) -> None:
        """End the transaction under way; a step forms it if the last one did not."""
        formed = self.formed or self.decide().commit
        assert formed is not None
        self.formed = None
        if verdict is Verdict.COMMITTED or (verdict is Verdict.RESOLVED and visible):
            self.positions.update(formed.positions)
            self.outputs += [output.value or b"" for output in formed.outputs]
        self.loop.settled(Outcome(verdict, refused or {}), self.now)
        self.decide()

    def settle_all(self) -> None:
        """Commit until nothing is left to commit."""
        while self.formed or self.decide().commit:
            self.settle()
