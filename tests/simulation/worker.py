"""One worker in simulated time: the real loop and committer; threads, clock and broker are the world's.

It does what ``streams.runtime.shell`` and ``streams.runtime.threads`` do, one event at a time, so that a schedule may
stop, freeze or kill it between any two steps of the protocol. Idle, it sleeps until something comes.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from streams.runtime.committer import Batch, Outcome
from streams.runtime.loop import Loop
from streams.runtime.ports import BrokerError, Severity
from streams.runtime.task import Result, Task
from tests.simulation.process import Killed, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from schemas.record import Outgoing, TopicPartition
    from streams.adapters.simulated import SimulatedBroker
    from streams.runtime.limits import LoopLimits
    from streams.runtime.loop import Decisions
    from streams.runtime.ports import Position
    from tests.simulation.clock import WorkerClock
    from tests.simulation.world import World

GROUP = "workers"
THREADS = 4
REVOKE_S = 2.0
POLL_RECORDS = 20
LONGEST_BUSY_S = 0.1
LOOK_S = 0.02
"""How often a worker looks that waits inside a rebalance callback."""
IDLE_S = 0.3
"""Between two heartbeats of a worker that has nothing to do: far below every session."""

Answer = list["Outgoing"] | Exception


class Work(Protocol):
    """What the handler threads do: it answers through ``done``, in its own time, or never."""

    def run(self, worker: SimulatedWorker, task: Task, done: Callable[[Answer], None]) -> None:
        """Begin to handle a task."""
        ...

    def died(self, worker: SimulatedWorker) -> None:
        """Forget what a worker that is gone was doing."""
        ...


class SimulatedWorker(Process):
    """A process: alive until killed, stopped, fenced or refused by the broker."""

    def __init__(  # noqa: PLR0913 - what a process is made of
        self,
        world: World,
        broker: SimulatedBroker,
        *,
        name: str,
        slot: str,
        topics: Sequence[str],
        limits: LoopLimits,
        work: Work,
        clock: WorkerClock,
    ) -> None:
        super().__init__(world, name, slot, broker, clock)
        self.loop = Loop(limits)
        self._limits = limits
        self._work = work
        self._consumer = broker.consumer(GROUP)
        self._reader = broker.positions(GROUP)
        self._results: deque[Result] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._queue: deque[Task] = deque()
        self._running = 0
        self._in_callback = False
        self._ready_to_commit = False
        self._batches: deque[Batch] = deque()
        self._seeks: list[tuple[TopicPartition, int]] = []
        self._ticks = 0
        self._next_tick = 0.0
        self._pause = 0.004
        self.drive(self.committer.open(), lambda _none: self._opened())
        self._consumer.subscribe(topics, self)
        self._tick_in(0.0)

    # --- ends --------------------------------------------------------------------------------------------------

    def kill(self, why: str) -> None:
        """End at once; nothing that its threads were doing goes on."""
        super().kill(why)
        self._work.died(self)

    def stop(self) -> None:
        """Drain and leave, as by SIGTERM."""
        if not self.loop.stopping:
            self.world.note(self.name, "stops")
            self.loop.stopping = True
            self.wake()

    # --- one thing at a time -------------------------------------------------------------------------------------

    def wake(self, within: float = 0.01) -> None:
        """Have the owner's thread look soon, because something came."""
        delay = self.world.random.uniform(0.0005, within)
        if self.world.now + delay < self._next_tick:
            self._tick_in(delay)

    def _tick_in(self, delay: float) -> None:
        self._ticks += 1
        number = self._ticks
        self._next_tick = self.world.now + delay
        self.later(delay, lambda: self._tick() if number == self._ticks else None)

    def _tick(self) -> None:
        """Take one step of the owner's thread. Inside a rebalance callback that thread is not free."""
        if not self._in_callback and self._step():
            return
        if self.alive:
            self._tick_in(self.world.random.uniform(0.5, 1.0) * (IDLE_S if self.loop.idle else self._pause))

    def _step(self) -> bool:
        """Poll, take in, act; return whether that was the last step."""
        came = bool(self._results or self._calls)
        try:
            records = self._consumer.poll(POLL_RECORDS, 0.0)
        except BrokerError as error:
            if error.severity is Severity.FATAL:
                self.kill(f"poll: {error}")
                return True
        else:
            came = came or bool(records)
            self.loop.polled(records)
        self._pause = 0.004 if came else min(2 * self._pause, LONGEST_BUSY_S)
        self._take_in()
        self._act(self.loop.decide(self.clock.monotonic()))
        self._check_bounds()
        if self.loop.stopping and self.loop.drained:
            self._leave()
            return True
        return False

    def _leave(self) -> None:
        self._consumer.close()
        self.world.note(self.name, "has left")
        self.committer.close()
        self.alive = False
        self._work.died(self)

    def _take_in(self) -> None:
        if self._results:
            results = list(self._results)
            self._results.clear()
            self.loop.finished(results, self.clock.monotonic())
        while self._calls:
            self._calls.popleft()()

    def _act(self, decisions: Decisions) -> None:
        for partition in decisions.read:
            self._read(partition, self.loop.incarnation(partition))
        if self._seeks or decisions.seek:
            self._seeks = [seek for seek in (*self._seeks, *decisions.seek) if not self._seek(*seek)]
        self._consumer.pause(decisions.pause)
        self._consumer.resume(decisions.resume)
        if decisions.commit is not None:
            formed = decisions.commit
            places = {f"{p.topic}{p.partition}": position.offset for p, position in formed.positions.items()}
            self.world.note(self.name, f"forms {len(formed.outputs)} answers {places}")
            self._batches.append(Batch(formed.outputs, formed.positions, self._consumer.group_metadata()))
            self._commit_next()
        if decisions.start:
            self._queue.extend(decisions.start)
        self._run_tasks()
        if self.loop.fenced is not None:
            self.kill("fenced by a rival")
            raise Killed

    def _seek(self, partition: TopicPartition, offset: int) -> bool:
        if self.loop.incarnation(partition):
            try:
                self._consumer.seek(partition, offset)
            except BrokerError:
                return False
            self.wake()
        return True

    def _check_bounds(self) -> None:
        counts = self.loop.counts()
        assert counts["held"] <= self._limits.max_held + POLL_RECORDS, f"{counts['held']} records held"
        assert counts["in_flight"] <= self._limits.max_in_flight, f"{counts['in_flight']} in flight"

    # --- handler threads -----------------------------------------------------------------------------------------

    def _run_tasks(self) -> None:
        while self._queue and self._running < THREADS:
            task = self._queue.popleft()
            if not self.loop.wanted(task):
                self.loop.unwanted(task)
                continue
            self._running += 1
            self.world.note(self.name, f"starts {_place(task)} attempt {task.attempts}")
            self._work.run(self, task, lambda answer, task=task: self._done(task, answer))  # type: ignore[misc]
            if not self.alive:
                raise Killed

    def _done(self, task: Task, answer: Answer) -> None:
        self._running -= 1
        failed = isinstance(answer, Exception)
        self.world.note(self.name, f"answers {_place(task)}" + (f" with {answer!r}" if failed else ""))
        self._results.append(Result(task, (), answer) if isinstance(answer, Exception) else Result(task, answer))
        self._run_tasks()
        self.wake()

    # --- the commit thread ---------------------------------------------------------------------------------------

    def _opened(self) -> None:
        self._ready_to_commit = True
        self._commit_next()

    def _commit_next(self) -> None:
        if self._ready_to_commit and self._batches:
            self._ready_to_commit = False
            self.drive(self.committer.transaction(self._batches.popleft()), self._settled)

    def _settled(self, outcome: Outcome) -> None:
        self.world.note(self.name, f"transaction {outcome.verdict.value} {outcome.error or ''}")
        self._call(lambda: self.loop.settled(outcome, self.clock.monotonic()))
        self._opened()

    def _call(self, call: Callable[[], None]) -> None:
        self._calls.append(call)
        self.wake(0.004)

    # --- positions -----------------------------------------------------------------------------------------------

    def _read(self, partition: TopicPartition, incarnation: int) -> None:
        def ask() -> None:
            try:
                topic_id = self._reader.topic_ids([partition.topic], 5.0)[partition.topic]
                start = self._reader.log_starts([partition], 5.0)[partition]
                found: Position = self._reader.read([partition], 5.0)[partition]
            except BrokerError:
                if self.loop.incarnation(partition) == incarnation:
                    self.later(0.05, ask)
                return
            self._call(lambda: self.loop.position(partition, incarnation, found, topic_id=topic_id, log_start=start))

        self.later(self.world.random.uniform(0.001, 0.02), ask)

    # --- the group's callbacks -------------------------------------------------------------------------------------

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Start over with these."""
        self.world.note(self.name, f"gets {_short(partitions)}")
        self.loop.assigned(partitions)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Wait, bounded, while the rest of the world goes on."""
        self.world.note(self.name, f"is to give {_short(partitions)}")
        self.loop.revoke(partitions)
        until = self.world.now + REVOKE_S
        look = self.world.now
        self._in_callback = True
        try:
            while (not self.loop.released(partitions) and self.world.now < until) or self.frozen:
                if not self.frozen and (self._results or self._calls or self.world.now >= look):
                    self._take_in()
                    self._act(self.loop.decide(self.clock.monotonic()))
                    look = self.world.now + LOOK_S
                    self.later(LOOK_S, _nothing)
                self.world.run_next()
                if not self.alive:
                    raise Killed
        finally:
            self._in_callback = False
        self.world.note(self.name, f"gives {_short(partitions)}")
        self.loop.drop(partitions)

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop at once."""
        self.world.note(self.name, f"has lost {_short(partitions)}")
        self.loop.drop(partitions)


def _place(task: Task) -> str:
    record = task.record
    return f"{record.topic}[{record.partition}]@{record.offset}"


def _short(partitions: Sequence[TopicPartition]) -> str:
    return " ".join(f"{p.topic}{p.partition}" for p in partitions)


def _nothing() -> None:
    """Let time pass."""
