"""One seed, one schedule: a fleet, its input, a replay beside it, its troubles, and what must be true at the end."""

from __future__ import annotations

from functools import partial

from schemas.record import Outgoing, TopicPartition
from streams.adapters.simulated import SimulatedBroker
from streams.runtime.limits import LoopLimits
from streams.runtime.ports import Position
from streams.runtime.retry import RetryPolicy
from tests.simulation.copier import COPIER, Copier
from tests.simulation.images import ImageWork
from tests.simulation.operator import Operator
from tests.simulation.plain import PlainWork
from tests.simulation.promises import Promises, Violation
from tests.simulation.store_troubles import StoreTroubles
from tests.simulation.troubles import Troubles
from tests.simulation.worker import GROUP, SimulatedWorker
from tests.simulation.world import World

TROUBLE_S = 40.0
"""How long things go wrong; then the fleet has to come to rest."""
REST_S = 900.0
LOOK_S = 0.25
"""Between two looks at what became visible."""
BUNCH_S = 4.0
IMAGES_EVERY = 4
"""One schedule of so many handles images, with the real handler and a store; the others try the engine alone."""


class Schedule:
    """A fleet, its input and its troubles, all out of one seed."""

    def __init__(self, seed: int) -> None:
        self.world = world = World(seed, session_s=world_session(seed))
        self._troubles = Troubles(world, TROUBLE_S)
        store = StoreTroubles.of(world, TROUBLE_S)
        images = seed % IMAGES_EVERY == IMAGES_EVERY - 1
        self._work = ImageWork(world, store, TROUBLE_S) if images else PlainWork(world, store, TROUBLE_S)
        self._broker = SimulatedBroker(world.cluster, self._troubles.faults)
        self.workers: list[SimulatedWorker] = []
        self._copier: Copier | None = None
        self._made = 0
        self._aborted = 0
        first, *_, self._replays = self._work.lanes
        self._limits = LoopLimits(
            concurrency=4, max_in_flight=8, max_held=60, retry=RetryPolicy(max_attempts=20), lanes={first: 4.0}
        )
        for topic, partitions in (self._work.lanes | self._work.outputs).items():
            world.cluster.create_topic(topic, partitions)
        group = world.cluster.group(GROUP)
        for topic in self._work.lanes:
            group.committed.update({p: Position(0, "") for p in world.cluster.partitions(topic)})
        self.promises = Promises(world.cluster, self._work, lambda p: group.committed[p])
        self._operator = Operator(world, SimulatedBroker(world.cluster), self.promises, self._work)

    def run(self) -> list[Violation]:
        """Let it all happen and return the broken promises."""
        world = self.world
        for slot in range(world.random.randint(1, 3)):
            self.start(f"slot-{slot}")
        self._publish(world.random.randint(20, 120))
        self._troubles.plan(self.promises)
        if world.chance(0.35):
            world.at(world.random.uniform(5, TROUBLE_S * 0.7), self._replay)
        world.at(0.5, self._trouble)
        world.at(LOOK_S, self._look)
        self._rested = False
        try:
            done = world.run_until(lambda: self._rested, TROUBLE_S + REST_S)
        except AssertionError as bound:
            return [Violation("bounds", str(bound))]
        finally:
            for worker in self.workers:
                self._work.died(worker)
        return [*self.promises.judge(done=done), *self._work.at_rest()]

    def start(self, slot: str) -> None:
        """Start a worker."""
        self._made += 1
        name = f"w{self._made}"
        self.world.note(name, f"starts as {slot}")
        worker = SimulatedWorker(
            self.world,
            self._broker,
            name=name,
            slot=slot,
            topics=tuple(self._work.lanes),
            limits=self._limits,
            work=self._work,
            clock=self._troubles.clock(),
        )
        self.workers.append(worker)

    # --- the input -----------------------------------------------------------------------------------------------

    def _publish(self, count: int) -> None:
        world = self.world
        first, second, *_ = self._work.lanes
        bunched = world.chance(0.5)  # so that news of one image on several lanes is handled at the same time
        for number in range(count):
            topic = second if world.chance(0.3) else first
            when = world.random.uniform(0, TROUBLE_S * 0.7)
            if bunched:
                when = when // BUNCH_S * BUNCH_S + world.random.uniform(0, 0.3)
            world.at(when, partial(self._append, number, topic))

    def _append(self, number: int, topic: str) -> None:
        cluster, made = self.world.cluster, self._work.make(number, topic)
        cluster.append(made)
        if self.world.chance(0.2):  # an offset that no record has, as aborted records and markers leave
            self._aborted += 1
            log, now_ms = cluster.log(cluster.place(made)), round(cluster.now * 1000)
            log.append(Outgoing(topic, made.key, b"aborted"), now_ms, transaction=-self._aborted)
            log.decide(-self._aborted, now_ms, commit=False)
        self._wake()

    def _wake(self) -> None:
        for worker in self.workers:
            if worker.alive:
                worker.wake()

    # --- the replay ----------------------------------------------------------------------------------------------

    def _replay(self) -> None:
        """Order a replay of everything that was accepted so far."""
        cluster = self.world.cluster
        lanes = [lane for lane in self._work.lanes if lane != self._replays]
        ends = {p: cluster.log(p).stable_end for lane in lanes for p in cluster.partitions(lane)}
        cluster.group(COPIER).committed.update({p: Position(cluster.log(p).start, "") for p in ends})
        self._copy(ends)

    def _copy(self, ends: dict[TopicPartition, int]) -> None:
        """Run the copier; whenever it is found dead before its end, start it again."""
        world = self.world
        if self._copier is None or not self._copier.alive:
            if self._copier is not None and self._copier.complete:
                return
            self._made += 1
            self._copier = Copier(
                world,
                self._broker,
                self._troubles.clock(),
                name=f"copy{self._made}",
                ends=ends,
                copy=lambda record: self._work.copy(record, self._replays),
                copied=self._wake,
            )
        elif not self._troubles.over and world.chance(0.3):
            world.faults += 1
            if world.chance(0.6):
                self._copier.kill("SIGKILL")
            else:
                self._copier.freeze(world.random.choice((1.0, 12.0)))
        world.at(world.random.uniform(0.3, 3.0), lambda: self._copy(ends))

    # --- from time to time ---------------------------------------------------------------------------------------

    def _look(self) -> None:
        self.promises.observe()
        copying = self._copier is not None and not self._copier.complete
        self._rested = self.world.now > TROUBLE_S + self._work.quiet_s and not copying and self.promises.kept
        self.world.at(LOOK_S, self._look)

    def _trouble(self) -> None:
        """Do one thing to the fleet, now and again; keep at least one worker going."""
        world = self.world
        self.workers = [worker for worker in self.workers if worker.alive]
        if not self._troubles.over and self.workers:
            self._troubles.strike(self)
        self._operator.look(self.workers)
        if not self._operator.mending and (slot := self._operator.lost_slot(self.workers)):
            self.start(slot)
        going = any(worker.alive and not worker.loop.stopping for worker in self.workers)
        if not going and not self._operator.mending:
            self.start(f"slot-{world.random.randrange(3)}")
        world.at(world.random.uniform(0.3, 4.0), self._trouble)


def world_session(seed: int) -> float:
    """Return the session time-out of a schedule: sometimes shorter than the pauses, sometimes longer."""
    return (6.0, 10.0, 30.0)[seed % 3]
