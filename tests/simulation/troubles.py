"""What goes wrong in a schedule, and when: calls, processes, brokers, clocks, retention. The store has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from streams.adapters.simulated_faults import SUCCEED, Call, Fault, Kind
from tests.simulation.clock import WorkerClock

if TYPE_CHECKING:
    from tests.simulation.promises import Promises
    from tests.simulation.worker import SimulatedWorker
    from tests.simulation.world import World

KINDS = (
    Kind.RETRIABLE,
    Kind.ABORTABLE,
    Kind.FATAL,
    Kind.INDEFINITE_DONE,
    Kind.INDEFINITE_NOT_DONE,
    Kind.LATE_COPY,
)
MOST_WORKERS = 4


class Fleet(Protocol):
    """What can be done to the workers as a whole."""

    workers: list[SimulatedWorker]

    def start(self, slot: str) -> None:
        """Start a worker."""
        ...


class Troubles:
    """Draws once which kinds of trouble a schedule has, then one event after the other."""

    def __init__(self, world: World, trouble_s: float) -> None:
        self._world = world
        self._until = trouble_s
        self._rate = world.random.choice((0.0, 0.01, 0.03, 0.08))
        self._kinds = tuple(world.random.sample(KINDS, world.random.randint(1, len(KINDS))))
        self._clocks = world.chance(0.25)

    @property
    def over(self) -> bool:
        """True when nothing goes wrong any more."""
        return self._world.now > self._until

    # --- calls -----------------------------------------------------------------------------------------------------

    def faults(self, call: Call) -> Fault:
        """Decide how a call to the broker ends."""
        world = self._world
        if not world.cluster.up:
            return Fault(Kind.INDEFINITE_NOT_DONE if world.chance(0.2) else Kind.RETRIABLE)
        if world.now > self._until or not world.chance(self._rate):
            return SUCCEED
        kind = world.random.choice(self._kinds)
        if call.name == "poll" and kind is Kind.FATAL and not world.chance(0.02):
            return SUCCEED
        world.fault("broker", f"{kind.name.lower()} for {call.name} of {call.client}")
        return Fault(kind, world.random.uniform(0.0, 3.0))

    # --- brokers and logs ------------------------------------------------------------------------------------------

    def plan(self, promises: Promises) -> None:
        """Set the times of broker restarts and of retention."""
        world = self._world
        if world.chance(0.25):
            for _ in range(world.random.randint(1, 3)):
                world.at(world.random.uniform(0, self._until * 0.8), self._restart)
        if world.chance(0.15):
            for _ in range(world.random.randint(1, 2)):
                world.at(world.random.uniform(0, self._until * 0.8), lambda: self._retain(promises))

    def _restart(self) -> None:
        world = self._world
        seconds, forget = world.random.uniform(0.2, 8.0), world.chance(0.5)
        world.fault("broker", f"away for {seconds:.1f} s{', forgets members' if forget else ''}")
        world.cluster.restart(seconds, forget_members=forget)

    def _retain(self, promises: Promises) -> None:
        world = self._world
        partition = world.random.choice([p for lane in promises.lanes for p in world.cluster.partitions(lane)])
        log = world.cluster.log(partition)
        offset = world.random.randint(log.start, log.stable_end)
        world.fault("broker", f"retention takes {partition} up to {offset}")
        promises.taken(partition, offset)
        log.truncate(offset)

    # --- processes -------------------------------------------------------------------------------------------------

    def clock(self) -> WorkerClock:
        """Return the clock of a new process."""
        world = self._world
        if not self._clocks:
            return WorkerClock(world)
        clock = WorkerClock(world, rate=world.random.uniform(0.9, 1.1))
        clock.set_wall(world.random.uniform(-300, 300))
        return clock

    def strike(self, fleet: Fleet) -> None:
        """Do one thing to one worker."""
        world = self._world
        worker = world.random.choice(fleet.workers)
        what = world.random.random()
        slot = f"slot-{world.random.randrange(100)}"
        if what < 0.15:
            world.faults += 1
            worker.kill("SIGKILL")
        elif what < 0.25:
            world.faults += 1
            worker.freeze(world.random.choice((0.5, 3.0, 12.0, 25.0)), suspended=self._clocks and world.chance(0.5))
            if world.chance(0.5):
                fleet.start(worker.slot if world.chance(0.3) else slot)
        elif what < 0.35:
            worker.stop()
        elif what < 0.5 and len(fleet.workers) < MOST_WORKERS:
            fleet.start(slot)
        elif what < 0.6 and self._clocks:
            self._shift(worker)

    def _shift(self, worker: SimulatedWorker) -> None:
        world = self._world
        if world.chance(0.5):
            seconds = world.random.choice((0.5, 11.0, 700.0, 100_000.0))
            world.fault(worker.name, f"its clock jumps ahead by {seconds} s")
            worker.clock.jump(seconds)
        else:
            seconds = world.random.uniform(-7200, 7200)
            world.fault(worker.name, f"its wall clock is set wrong by {seconds:.0f} s")
            worker.clock.set_wall(seconds)
