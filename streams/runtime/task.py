"""One piece of work on its way between the loop and the handler threads, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.errors import Reason
    from schemas.record import Outgoing, Record, TopicPartition
    from streams.runtime.commit_line import Entry


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record is given up instead of tried again."""

    reason: Reason
    detail: str


class Task:
    """A record that was started, and how it fared so far. Only the loop changes it, and only while no thread has it."""

    __slots__ = ("attempts", "entry", "failing_since", "failure", "incarnation", "partition", "probe", "record")

    def __init__(self, partition: TopicPartition, incarnation: int, record: Record) -> None:
        self.partition = partition
        self.incarnation = incarnation
        self.record = record
        self.attempts = 0
        self.failing_since: float | None = None
        self.failure: Failure | None = None
        """Set: the handler's ``give_up`` answers the record."""
        self.probe = False
        """True: this one was let through an open breaker."""
        self.entry: Entry | None = None
        """Set: the answer that this task is to replace, in its place in the commit line."""


class Result:
    """What a handler thread made of a task: outputs, or the exception."""

    __slots__ = ("error", "outputs", "task")

    def __init__(self, task: Task, outputs: Sequence[Outgoing], error: Exception | None = None) -> None:
        self.task = task
        self.outputs = outputs
        self.error = error
