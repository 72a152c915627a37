"""A worker that ends at every step boundary, one after the other: small schedules, and nothing else goes wrong.

The undisturbed run says how many steps there are; then each has a run of its own in which the worker is killed exactly
there, or frozen there past its session while another takes over.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Final

from streams.adapters.simulated import SimulatedBroker
from streams.runtime.limits import LoopLimits
from streams.runtime.ports import Position
from tests.simulation.clock import WorkerClock
from tests.simulation.images import ImageWork
from tests.simulation.plain import PlainWork
from tests.simulation.promises import Promises, Violation
from tests.simulation.store_troubles import Span, StoreTroubles
from tests.simulation.worker import GROUP, SimulatedWorker
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS: Final = 8
SESSION_S: Final = 6.0
LIMIT_S: Final = 120.0
CALM: Final = StoreTroubles(Span(), Span(), Span())
LIMITS: Final = LoopLimits(concurrency=4, max_in_flight=8, max_held=60)


class End(Enum):
    """What becomes of the worker at the chosen step."""

    KILLED = "killed"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Run:
    """One small schedule."""

    steps: int
    violations: list[Violation]


def every_step(seed: int, end: End, *, images: bool) -> tuple[int, dict[int, list[Violation]]]:
    """Return how many steps an undisturbed run has, and what broke by the step at which the worker ended."""
    whole = _run(seed, images=images)
    broken = {0: whole.violations} if whole.violations else {}
    for step in range(1, whole.steps + 1):
        found = _run(seed, step, end, images=images).violations
        if found:
            broken[step] = found
    return whole.steps, broken


def _run(seed: int, step: int = 0, end: End = End.KILLED, *, images: bool) -> Run:
    world = World(seed, session_s=SESSION_S)
    work: ImageWork | PlainWork = ImageWork(world, CALM, 0.0) if images else PlainWork(world, CALM, 0.0)
    for topic, partitions in (work.lanes | work.outputs).items():
        world.cluster.create_topic(topic, partitions)
    group = world.cluster.group(GROUP)
    group.committed.update({p: Position(0, "") for lane in work.lanes for p in world.cluster.partitions(lane)})
    promises = Promises(world.cluster, work, lambda p: group.committed[p])
    workers: list[SimulatedWorker] = []

    def start(slot: str) -> None:
        workers.append(
            SimulatedWorker(
                world,
                SimulatedBroker(world.cluster),
                name=f"w{len(workers)}",
                slot=slot,
                topics=tuple(work.lanes),
                limits=LIMITS,
                work=work,
                clock=WorkerClock(world),
            )
        )

    def strike() -> None:
        if end is End.KILLED:
            workers[0].kill("its step")
            world.at(0.5, lambda: start("slot-0"))
        else:
            workers[0].freeze(SESSION_S + 5)
            world.at(0.5, lambda: start("slot-1"))

    start("slot-0")
    world.at_step[step] = strike
    _publish(world, work)
    done = world.run_until(_rest(world, promises, workers), LIMIT_S)
    for worker in workers:
        work.died(worker)
    return Run(world.steps, [*promises.judge(done=done), *work.at_rest()])


def _publish(world: World, work: ImageWork | PlainWork) -> None:
    first, second, *_ = work.lanes

    def append(number: int) -> None:
        world.cluster.append(work.make(number, first if number % 3 else second))

    for number in range(RECORDS):
        world.at(0.1 + number * 0.02, partial(append, number))


def _rest(world: World, promises: Promises, workers: list[SimulatedWorker]) -> Callable[[], bool]:
    """Return what tells, looked at four times a second, whether all is answered and nobody is frozen any more."""
    next_look = 1.0

    def rested() -> bool:
        nonlocal next_look
        if world.now < next_look:
            return False
        next_look = world.now + 0.25
        promises.observe()
        back = all(world.now > worker.frozen_until + 1 for worker in workers)
        return back and len(promises.inputs) == RECORDS and promises.kept

    return rested
