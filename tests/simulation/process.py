"""A process in simulated time: alive until killed, frozen for a while, and with a committer whose steps take time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.runtime.committer import Committer, Step
from streams.runtime.ports import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from streams.adapters.simulated import SimulatedBroker
    from tests.simulation.clock import WorkerClock
    from tests.simulation.world import World

TRANSACTION_S = 10.0


class Killed(Exception):
    """The process is gone; nothing of it runs any more."""


class Process:
    """What worker and copier have in common."""

    def __init__(self, world: World, name: str, slot: str, broker: SimulatedBroker, clock: WorkerClock) -> None:
        self.world, self.name, self.slot, self.clock = world, name, slot, clock
        self.alive = True
        self.frozen_until = 0.0
        self._slept = 0.0
        self.committer = Committer(
            lambda: broker.producer(slot), clock.monotonic, self._sleep, transaction_timeout_s=TRANSACTION_S
        )

    def kill(self, why: str) -> None:
        """End at once, as by SIGKILL: nothing is left or said."""
        self.world.note(self.name, f"dies: {why}")
        self.alive = False

    def freeze(self, seconds: float, *, suspended: bool = False) -> None:
        """Stop the process for a while, as by SIGSTOP; ``suspended`` with its machine, so that its clock stops too."""
        self.world.note(self.name, f"{'suspended' if suspended else 'frozen'} for {seconds:.1f} s")
        self.frozen_until = self.world.now + seconds
        if suspended:
            self.clock.stand_still(seconds)

    @property
    def frozen(self) -> bool:
        """Whether it is stopped now."""
        return self.world.now < self.frozen_until

    def later(self, delay: float, call: Callable[[], None]) -> None:
        """Have the process do something after ``delay`` seconds, or when it is no longer frozen."""

        def run() -> None:
            if not self.alive:
                return
            if self.frozen:
                self.later(self.frozen_until - self.world.now, call)
                return
            try:
                call()
            except Killed:
                self.alive = False

        self.world.at(delay, run)

    def drive(self, steps: Generator[Step, Any, Any], then: Callable[[Any], None]) -> None:
        """Run a protocol step by step, each at its own time; the world may end between any two."""

        def advance(result: Any, error: BrokerError | None) -> None:  # noqa: ANN401 - whatever a step returns
            try:
                step = steps.throw(error) if error else steps.send(result)
            except StopIteration as stop:
                then(stop.value)
                return
            except BrokerError as end:
                self.kill(f"committer: {end}")
                return
            self.later(self.world.random.uniform(0.0002, 0.004), lambda: run(step))

        def run(step: Step) -> None:
            self._slept = 0.0
            try:
                result = step.run()
            except BrokerError as error:
                self.world.note(self.name, f"{step.name}: {error.severity.value} {error}")
                failed = error
                self.later(0.001, lambda: advance(None, failed))
            else:
                if step.name != "sleep":
                    self.world.note(self.name, step.name)
                self.later(self._slept, lambda: advance(result, None))

        self.later(0.0, lambda: advance(None, None))

    def _sleep(self, seconds: float) -> None:
        self._slept = seconds
