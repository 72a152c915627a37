"""One worker in simulated time: the real loop and committer; threads, clock and broker are the world's.

It does what ``streams.runtime.shell`` and ``streams.runtime.threads`` do, one event at a time, so that a schedule may
stop, freeze or kill it between any two steps of the protocol.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from streams.adapters.simulated import SimulatedBroker
from streams.runtime.committer import Batch, Committer, Outcome, Step
from streams.runtime.loop import Loop
from streams.runtime.ports import BrokerError, Severity
from streams.runtime.task import Result, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from schemas.record import Outgoing, TopicPartition
    from streams.adapters.simulated_faults import Faults
    from streams.runtime.limits import LoopLimits
    from streams.runtime.loop import Decisions
    from streams.runtime.ports import Position
    from tests.simulation.world import World

GROUP = "workers"
THREADS = 4
REVOKE_S = 2.0


class Killed(Exception):
    """The process is gone; nothing of it runs any more."""


class SimulatedWorker:
    """A process: alive until killed, stopped, fenced or refused by the broker."""

    def __init__(  # noqa: PLR0913 - what a process is made of
        self,
        world: World,
        *,
        name: str,
        slot: str,
        topics: Sequence[str],
        limits: LoopLimits,
        faults: Faults,
        handle: Callable[[SimulatedWorker, Task], tuple[float, list[Outgoing] | Exception]],
    ) -> None:
        self.world, self.name, self.slot = world, name, slot
        self.alive = True
        self.frozen_until = 0.0
        self.loop = Loop(limits)
        self._limits = limits
        self._handle = handle
        broker = SimulatedBroker(world.cluster, faults)
        self._consumer = broker.consumer(GROUP)
        self._reader = broker.positions(GROUP)
        self._slept = 0.0
        self._committer = Committer(
            lambda: broker.producer(slot), lambda: world.cluster.now, self._sleep, transaction_timeout_s=10.0
        )
        self._results: deque[Result] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._queue: deque[Task] = deque()
        self._running = 0
        self._in_callback = False
        self._ready_to_commit = False
        self._batches: deque[Batch] = deque()
        self._seeks: list[tuple[TopicPartition, int]] = []
        self._drive(self._committer.open(), lambda _none: self._opened())
        self._consumer.subscribe(topics, self)
        self._later(0.0, self._tick)

    # --- ends --------------------------------------------------------------------------------------------------

    def kill(self, why: str) -> None:
        """End at once, as by SIGKILL: nothing is left or said."""
        self.world.note(self.name, f"dies: {why}")
        self.alive = False

    def freeze(self, seconds: float) -> None:
        """Stop the process for a while, as by SIGSTOP."""
        self.world.note(self.name, f"frozen for {seconds:.1f} s")
        self.frozen_until = self.world.now + seconds

    def stop(self) -> None:
        """Drain and leave, as by SIGTERM."""
        if not self.loop.stopping:
            self.world.note(self.name, "stops")
            self.loop.stopping = True

    # --- one thing at a time -------------------------------------------------------------------------------------

    def _later(self, delay: float, call: Callable[[], None]) -> None:
        def run() -> None:
            if not self.alive:
                return
            if self.world.now < self.frozen_until:
                self._later(self.frozen_until - self.world.now, call)
                return
            try:
                call()
            except Killed:
                self.alive = False

        self.world.at(delay, run)

    def _tick(self) -> None:
        """Take one step of the owner's thread. Inside a rebalance callback that thread is not free."""
        if not self._in_callback:
            try:
                self.loop.polled(self._consumer.poll(20, 0.0))
            except BrokerError as error:
                if error.severity is Severity.FATAL:
                    self.kill(f"poll: {error}")
                    return
            self._take_in()
            self._act(self.loop.decide(self.world.now))
            self._check_bounds()
            if self.loop.stopping and self.loop.drained:
                self._leave()
                return
        if self.alive:
            self._later(self.world.random.uniform(0.002, 0.03), self._tick)

    def _leave(self) -> None:
        self._consumer.close()
        self.world.note(self.name, "has left")
        self._committer.close()
        self.alive = False

    def _take_in(self) -> None:
        if self._results:
            results = list(self._results)
            self._results.clear()
            self.loop.finished(results, self.world.now)
        while self._calls:
            self._calls.popleft()()

    def _act(self, decisions: Decisions) -> None:
        for partition in decisions.read:
            self._read(partition, self.loop.incarnation(partition))
        self._seeks = [seek for seek in (*self._seeks, *decisions.seek) if not self._seek(*seek)]
        self._consumer.pause(decisions.pause)
        self._consumer.resume(decisions.resume)
        if decisions.commit is not None:
            formed = decisions.commit
            places = {f"{p.topic}{p.partition}": position.offset for p, position in formed.positions.items()}
            self.world.note(self.name, f"forms {[o.value for o in formed.outputs]} {places}")
            self._batches.append(Batch(formed.outputs, formed.positions, self._consumer.group_metadata()))
            self._commit_next()
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
        return True

    def _check_bounds(self) -> None:
        counts = self.loop.counts()
        assert counts["held"] <= self._limits.max_held + 20, f"{counts['held']} records held"
        assert counts["in_flight"] <= self._limits.max_in_flight, f"{counts['in_flight']} in flight"

    # --- handler threads -----------------------------------------------------------------------------------------

    def _run_tasks(self) -> None:
        while self._queue and self._running < THREADS:
            task = self._queue.popleft()
            if not self.loop.wanted(task):
                self.loop.unwanted(task)
                continue
            self._running += 1
            self.world.note(self.name, f"starts {task.record.value!r} attempt {task.attempts}")
            seconds, answer = self._handle(self, task)
            if not self.alive:
                raise Killed
            self._later(seconds, lambda task=task, answer=answer: self._done(task, answer))  # type: ignore[misc]

    def _done(self, task: Task, answer: list[Outgoing] | Exception) -> None:
        self._running -= 1
        failed = isinstance(answer, Exception)
        self.world.note(self.name, f"answers {task.record.value!r}" + (f" with {answer!r}" if failed else ""))
        self._results.append(Result(task, (), answer) if isinstance(answer, Exception) else Result(task, answer))
        self._run_tasks()

    # --- the commit thread ---------------------------------------------------------------------------------------

    def _opened(self) -> None:
        self._ready_to_commit = True
        self._commit_next()

    def _commit_next(self) -> None:
        if self._ready_to_commit and self._batches:
            self._ready_to_commit = False
            self._drive(self._committer.transaction(self._batches.popleft()), self._settled)

    def _settled(self, outcome: Outcome) -> None:
        self.world.note(self.name, f"transaction {outcome.verdict.value} {outcome.error or ''}")
        self._calls.append(lambda: self.loop.settled(outcome, self.world.now))
        self._opened()

    def _drive(self, steps: Generator[Step, Any, Any], then: Callable[[Any], None]) -> None:
        """Run a protocol step by step, each at its own time; the world may end between any two."""

        def advance(result: Any, error: BrokerError | None) -> None:  # noqa: ANN401
            try:
                step = steps.throw(error) if error else steps.send(result)
            except StopIteration as stop:
                then(stop.value)
                return
            except BrokerError as end:
                self.kill(f"committer: {end}")
                return
            self._later(self.world.random.uniform(0.0002, 0.004), lambda: run(step))

        def run(step: Step) -> None:
            self._slept = 0.0
            try:
                result = step.run()
            except BrokerError as error:
                self.world.note(self.name, f"{step.name}: {error.severity.value} {error}")
                failed = error
                self._later(0.001, lambda: advance(None, failed))
            else:
                if step.name != "sleep":
                    self.world.note(self.name, step.name)
                self._later(self._slept, lambda: advance(result, None))

        self._later(0.0, lambda: advance(None, None))

    def _sleep(self, seconds: float) -> None:
        self._slept = seconds

    # --- positions -----------------------------------------------------------------------------------------------

    def _read(self, partition: TopicPartition, incarnation: int) -> None:
        def ask() -> None:
            try:
                found: Position = self._reader.read([partition], 5.0)[partition]
                topic_id = self._reader.topic_ids([partition.topic], 5.0)[partition.topic]
                start = self._reader.log_starts([partition], 5.0)[partition]
            except BrokerError:
                if self.loop.incarnation(partition) == incarnation:
                    self._later(0.05, ask)
                return
            self._calls.append(
                lambda: self.loop.position(partition, incarnation, found, topic_id=topic_id, log_start=start)
            )

        self._later(self.world.random.uniform(0.001, 0.02), ask)

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
        self._in_callback = True
        try:
            while not self.loop.released(partitions) and self.world.now < until:
                self._act(self.loop.decide(self.world.now))
                self._later(0.004, _nothing)
                self.world.run_next()
                if not self.alive:
                    raise Killed
                if self.world.now >= self.frozen_until:
                    self._take_in()
        finally:
            self._in_callback = False
        self.world.note(self.name, f"gives {_short(partitions)}")
        self.loop.drop(partitions)

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop at once."""
        self.world.note(self.name, f"has lost {_short(partitions)}")
        self.loop.drop(partitions)


def _short(partitions: Sequence[TopicPartition]) -> str:
    return " ".join(f"{p.topic}{p.partition}" for p in partitions)


def _nothing() -> None:
    """Let time pass."""
