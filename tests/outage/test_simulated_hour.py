"""An hour without Kafka, in simulated time: what the engine holds in minute 60 is what it held in minute 5."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.record import Outgoing
from streams.adapters.simulated import SimulatedBroker
from streams.adapters.simulated_faults import SUCCEED, Call, Fault, Kind
from streams.runtime.limits import LoopLimits
from streams.runtime.ports import Position
from tests.simulation.clock import WorkerClock
from tests.simulation.worker import GROUP, SimulatedWorker
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.runtime.task import Task
    from tests.simulation.worker import Answer

IN, OUT = "in", "out"
BEFORE_S, HOUR_S, AFTER_S = 3.0, 3600.0, 300.0
RECORDS = 400
LIMITS = LoopLimits(concurrency=4, max_in_flight=8, max_held=60)
DOWN = Fault(Kind.RETRIABLE)


@dataclass(slots=True)
class Echo:
    """Answers each record with itself after a tenth of a second."""

    began: int = 0

    def run(self, worker: SimulatedWorker, task: Task, done: Callable[[Answer], None]) -> None:
        """Answer."""
        self.began += 1
        worker.later(0.1, lambda: done([Outgoing(OUT, task.record.key, task.record.value)]))

    def died(self, worker: SimulatedWorker) -> None:
        """Nothing is kept."""


@dataclass(slots=True)
class Hour:
    """A worker under load, a broker that is gone for an hour, and a look at the worker every minute."""

    world: World = field(default_factory=lambda: World(1))
    work: Echo = field(default_factory=Echo)
    held: list[dict[str, int]] = field(default_factory=list)
    """What the loop counts, minute by minute of the outage."""
    reachable: list[int] = field(default_factory=list)
    """Things that loop and committer hold on to, whatever they are."""
    calls: int = 0
    """Calls that met the outage."""

    def run(self) -> list[bytes]:
        """Let it happen and return what was answered."""
        world, cluster = self.world, self.world.cluster
        cluster.create_topic(IN, 4)
        cluster.create_topic(OUT, 4)
        cluster.group(GROUP).committed.update({p: Position(0, "") for p in cluster.partitions(IN)})
        for number in range(RECORDS):
            cluster.append(Outgoing(IN, b"key%d" % (number % 40), b"%d" % number))
        worker = SimulatedWorker(
            world,
            SimulatedBroker(cluster, self._faults),
            name="w",
            slot="slot",
            topics=(IN,),
            limits=LIMITS,
            work=self.work,
            clock=WorkerClock(world),
        )
        for minute in range(1, 61):
            world.at(BEFORE_S + 60 * minute - 1, lambda: self._look(worker))
        world.run_until(lambda: len(cluster.read(OUT)) >= RECORDS, BEFORE_S + HOUR_S + AFTER_S)
        assert worker.alive
        return [record.value or b"" for record in cluster.read(OUT)]

    def _faults(self, _call: Call) -> Fault:
        if not BEFORE_S <= self.world.now < BEFORE_S + HOUR_S:
            return SUCCEED
        self.calls += 1
        return DOWN

    def _look(self, worker: SimulatedWorker) -> None:
        self.held.append(worker.loop.counts())
        self.reachable.append(census(worker.loop) + census(worker.committer))


def census(root: object) -> int:
    """Return how many things can be reached from an object of the engine, through containers and the engine's own."""
    seen: set[int] = set()
    left: deque[object] = deque([root])
    while left:
        thing = left.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict):
            left.extend((*thing.keys(), *thing.values()))
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            left.extend(thing)
        elif type(thing).__module__.startswith(("streams.runtime", "schemas.record")):
            names = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}
            left.extend(
                getattr(thing, name) for name in (*names, *getattr(thing, "__dict__", ())) if hasattr(thing, name)
            )
    return len(seen)


def test_an_hour_without_kafka_costs_no_memory() -> None:
    """Loaded when it begins: bounded throughout, the same at minute 5 and 60, and afterwards each answer once."""
    hour = Hour()

    answers = hour.run()

    assert sorted(answers, key=int) == [b"%d" % number for number in range(RECORDS)]
    assert len(hour.held) == 60
    assert hour.held[0]["held"] > 0, "the outage met an idle worker"
    assert all(held["held"] <= LIMITS.max_held + 20 for held in hour.held)
    assert hour.held[4] == hour.held[59]
    assert hour.reachable[4] == hour.reachable[59]
    assert max(hour.reachable) == hour.reachable[4]
    assert hour.calls > 3600, "the worker did not try again"
