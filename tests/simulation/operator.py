"""The operator of a schedule: where a partition has stopped, the fleet is stopped and the position decided.

As ``darkroom offsets init`` and ``darkroom offsets rebuild`` do it: only while the group has no member.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas.record import TopicPartition
from streams.runtime.offset_map import encode
from streams.runtime.ports import BrokerError, Position, Severity
from streams.runtime.rebuild import rebuild
from tests.simulation.worker import GROUP, SimulatedWorker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.adapters.simulated import SimulatedBroker
    from streams.adapters.simulated_offsets import Start
    from tests.simulation.promises import Answers, Promises
    from tests.simulation.world import World


class Operator:
    """Looks now and then, stops the fleet, decides, and lets it start again."""

    def __init__(self, world: World, broker: SimulatedBroker, promises: Promises, work: Answers) -> None:
        self._world = world
        self._offsets = broker.offsets(GROUP)
        self._promises = promises
        self._lanes, self._outputs = tuple(work.lanes), tuple(work.outputs)
        self.mending = False
        """True: nothing is to be started."""

    def look(self, workers: Iterable[SimulatedWorker]) -> None:
        """Do what is to be done next."""
        alive = [worker for worker in workers if worker.alive]
        if not self.mending:
            self.mending = any(worker.loop.stopped for worker in alive)
        if self.mending:
            for worker in alive:
                worker.stop()
            self._decide()

    def lost_slot(self, workers: Iterable[SimulatedWorker]) -> str | None:
        """Return the slot of a worker that is gone for good and left positions pending: it is to be started again."""
        slots = {worker.slot for worker in workers}
        return next((s for s in self._world.cluster.coordinator.left_behind(GROUP) if s not in slots), None)

    def _decide(self) -> None:
        try:
            self._offsets.demand_idle()
            if self._world.chance(0.5):
                self._rebuild()
            else:
                self._begin_again()
        except BrokerError:
            return  # somebody is still there, or a transaction is open: later
        self.mending = False

    def _begin_again(self) -> None:
        time = datetime.fromtimestamp(self._world.cluster.now - self._world.random.uniform(0, 40), UTC)
        choices: tuple[Start, ...] = ("earliest", "latest", time)
        to = self._world.random.choice(choices)
        for at in self._offsets.initialise(self._lanes, to):
            self._world.note("operator", f"{at} by {to}")
            self._promises.begun_again(TopicPartition(*at[:2]), at.offset, known=frozenset())

    def _rebuild(self) -> None:
        cluster = self._world.cluster
        outputs = [cluster.log(p) for topic in self._outputs for p in cluster.partitions(topic)]
        if any(log.stable_end < log.end for log in outputs):
            raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT", "an open transaction hides answers")
        self._promises.observe()
        for partition in [p for lane in self._lanes for p in cluster.partitions(lane)]:
            answered = {p[2] for p, count in self._promises.answers.items() if count and p[:2] == partition}
            log = cluster.log(partition)
            made = rebuild(cluster.topic_id(partition.topic), log.start, log.end, answered).map
            self._offsets.write({partition: Position(made.base, encode(made))})
            self._world.note("operator", f"rebuilds {partition} at {made.base}")
            self._promises.begun_again(partition, made.base, known=made.done)
