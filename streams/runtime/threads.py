"""The threads around the loop: handler threads, the commit thread and the position reader. They decide nothing.

What they hand back goes to one inbox as plain calls on the loop, run by the owner's thread. Handler threads take
tasks from a shared deque without a lock of their own, so a record costs no thread hop: one wake-up may bring
hundreds.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import structlog

from schemas.errors import DarkroomError
from streams.runtime.committer import Step
from streams.runtime.ports import BrokerError, Severity
from streams.runtime.task import Result, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from schemas.record import TopicPartition
    from streams.runtime.committer import Batch, Committer, Outcome
    from streams.runtime.handler import Handler
    from streams.runtime.ports import Position, PositionReader

log = structlog.get_logger()
POSITION_TIMEOUT_S = 5.0
READ_BACKOFF_S = 0.05
HANGS_S = 20.0
"""No call may take so long: the longest, a commit that first delivers, is bounded by twice its time-out of 5 s."""
WAIT = "wait for a batch"


class Inbox:
    """What the threads have for the owner. Putting never blocks; the owner is woken only while it waits."""

    def __init__(self) -> None:
        self.results: deque[Result] = deque()
        self.unwanted: deque[Task] = deque()
        self.calls: deque[Callable[[], None]] = deque()
        self._bell = threading.Event()

    def ring(self) -> None:
        """Wake the owner."""
        self._bell.set()

    def __bool__(self) -> bool:
        return bool(self.results or self.calls or self.unwanted)

    def wait(self, seconds: float) -> bool:
        """Wait until something came, somebody rang or the time is over; return False for the last."""
        rung = bool(self) or self._bell.wait(seconds)
        self._bell.clear()
        return rung


class HandlerThreads:
    """Runs tasks on a fixed number of threads."""

    def __init__(self, handler: Handler, count: int, inbox: Inbox, wanted: Callable[[Task], bool]) -> None:
        self._handler = handler
        self._inbox = inbox
        self._wanted = wanted
        self._tasks: deque[Task] = deque()
        self._free = threading.Semaphore(0)
        self._sleeping = 0
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"handler-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def hand_over(self, tasks: Sequence[Task]) -> None:
        """Queue tasks and wake as many threads as can be of use."""
        self._tasks.extend(tasks)
        with self._lock:
            wake = min(self._sleeping, len(tasks))
            self._sleeping -= wake
        if wake:
            self._free.release(wake)

    def close(self) -> None:
        """Let the threads end after what they are doing; does not wait for them."""
        self._closed = True
        self._tasks.clear()
        self._free.release(len(self._threads))

    def _work(self) -> None:
        tasks, inbox = self._tasks, self._inbox
        while not self._closed:
            try:
                task = tasks.popleft()
            except IndexError:
                inbox.ring()
                with self._lock:
                    if not tasks:
                        self._sleeping += 1
                    else:
                        continue
                self._free.acquire()
                continue
            if not self._wanted(task):
                inbox.unwanted.append(task)
            else:
                inbox.results.append(self._run(task))
            if not tasks or len(inbox.results) == 1:
                inbox.ring()

    def _run(self, task: Task) -> Result:
        try:
            if task.failure is None:
                return Result(task, self._handler(task.record))
            failure = task.failure
            return Result(
                task, self._handler.give_up(task.record, failure.reason, failure.detail, max(1, task.attempts))
            )
        except DarkroomError as error:
            log.debug("attempt_failed", **_where(task), error=str(error))
            return Result(task, (), error)
        except Exception as error:
            # A defect of the handler: the record is answered `internal`, the traceback is for us.
            log.exception("handler_failed", **_where(task))
            return Result(task, (), error)


class CommitThread:
    """Runs one transaction at a time; the loop never forms a second one before the first is settled.

    A call of the client may never come back, whatever its time-out says (librdkafka's send_offsets, as its coordinator
    moved: seen twice, for minutes). `watch` then leaves its thread behind and goes on with another, telling the
    protocol that nobody knows what became of the call: it takes a new producer, whose epoch shuts the old one out.
    """

    def __init__(
        self,
        committer: Committer,
        inbox: Inbox,
        settled: Callable[[Outcome], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._committer = committer
        self._inbox = inbox
        self._settled = settled
        self._failed = failed
        self._work: SimpleQueue[Batch | None] = SimpleQueue()
        self._steps = self._life()
        self._lock = threading.Lock()
        """Held while the steps go on; never during a call."""
        self._call: tuple[Step, float] | None = None
        """The call that is out, and since when."""
        self._thread = self._start(None)

    def commit(self, batch: Batch) -> None:
        """Carry the batch through; the outcome comes by the inbox."""
        self._work.put(batch)

    def watch(self, now: float) -> None:
        """Give up a call that has been out for too long. ``now`` is of the monotonic clock."""
        call = self._call
        if call is None or now - call[1] < HANGS_S:
            return
        with self._lock:
            if self._call is call:
                log.error("kafka_call_hangs", call=call[0].name, seconds=round(now - call[1], 1))
                self._thread = self._start(
                    BrokerError(Severity.INDEFINITE, "_HANGS", f"{call[0].name} never came back")
                )

    def close(self, timeout: float) -> None:
        """End the thread after what it is doing and discard the producer."""
        self._work.put(None)
        self._thread.join(timeout)

    def _start(self, error: BrokerError | None) -> threading.Thread:
        self._call = None
        thread = threading.Thread(target=self._run, args=(error,), name="committer", daemon=True)
        thread.start()
        return thread

    def _life(self) -> Generator[Step, Any, None]:
        yield from self._committer.open()
        while True:
            batch = yield Step(WAIT, self._work.get)
            if batch is None:
                return
            outcome = yield from self._committer.transaction(batch)
            if outcome.error is not None:
                log.warning("transaction_ended", verdict=outcome.verdict.value, error=str(outcome.error))
            self._put(partial(self._settled, outcome))

    def _run(self, error: BrokerError | None) -> None:
        """Go on with the steps from where they are, until their end or until another thread has taken over."""
        result: Any = None
        call: tuple[Step, float] | None = None
        try:
            while True:
                with self._lock:
                    if self._call is not call:
                        return
                    step = self._steps.throw(error) if error else self._steps.send(result)
                    self._call = call = (step, math.inf if step.name == WAIT else time.monotonic())
                result, error = None, None
                try:
                    result = step.run()
                except BrokerError as failed:
                    error = failed
        except StopIteration:
            self._committer.close()
        except Exception as failure:  # noqa: BLE001 - handed to the owner, which raises it
            self._committer.close()
            self._put(partial(self._failed, failure))

    def _put(self, call: Callable[[], None]) -> None:
        self._inbox.calls.append(call)
        self._inbox.ring()


class PositionThread:
    """Asks where the group stands, again and again until there is a stable answer; the owner never waits for it."""

    def __init__(
        self,
        reader: PositionReader,
        inbox: Inbox,
        answer: Callable[[TopicPartition, int, Position, bytes, int], None],
    ) -> None:
        self._reader = reader
        self._inbox = inbox
        self._answer = answer
        self._wanted: deque[tuple[TopicPartition, int]] = deque()
        self._bell = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="positions", daemon=True)
        self._thread.start()

    def read(self, wanted: Sequence[tuple[TopicPartition, int]]) -> None:
        """Ask for these partitions at these incarnations."""
        self._wanted.extend(wanted)
        self._bell.set()

    def close(self) -> None:
        """End the thread; does not wait for it."""
        self._closed = True
        self._bell.set()

    def _run(self) -> None:
        while not self._closed:
            self._bell.wait()
            self._bell.clear()
            wanted: dict[TopicPartition, int] = {}
            while self._wanted:
                partition, incarnation = self._wanted.popleft()
                wanted[partition] = incarnation
            if wanted and not self._closed:
                self._ask(wanted)

    def _ask(self, wanted: dict[TopicPartition, int]) -> None:
        partitions = list(wanted)
        try:
            ids = self._reader.topic_ids(sorted({p.topic for p in partitions}), POSITION_TIMEOUT_S)
            starts = self._reader.log_starts(partitions, POSITION_TIMEOUT_S)
            found = self._reader.read(partitions, POSITION_TIMEOUT_S)
        except BrokerError as error:
            level = log.debug if error.severity is Severity.RETRIABLE else log.warning
            level("positions_not_read", error=str(error), partitions=len(partitions))
            time.sleep(READ_BACKOFF_S)
            self.read([(p, i) for p, i in wanted.items() if p not in {q for q, _ in self._wanted}])
            return

        def tell() -> None:
            for partition, incarnation in wanted.items():
                self._answer(partition, incarnation, found[partition], ids[partition.topic], starts[partition])

        self._inbox.calls.append(tell)
        self._inbox.ring()


def _where(task: Task) -> dict[str, object]:
    record = task.record
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset, "attempts": task.attempts}
