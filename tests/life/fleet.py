"""Workers in numbered places of one fleet, each a process: started, restarted, killed, and asked what they noticed."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from tests.cli.worker import RunningWorker
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.command import Darkroom

START_S: Final = 60.0
DRAIN_S: Final = 25.0
"""`worker.drain_s` as it is shipped; a worker that takes longer than this, and a little to leave, was not drained."""


class Fleet:
    """So many workers of one place. Whatever still runs is killed when the context is left."""

    def __init__(self, place: Darkroom, size: int, **variables: str) -> None:
        self._place = place
        self._variables = variables
        self._stack = ExitStack()
        self._size = size
        self.workers: list[RunningWorker] = []

    def __enter__(self) -> Self:
        try:
            self.workers = [self.launch() for _ in range(self._size)]
            for each in self.workers:
                ready(each)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def launch(self, **variables: str) -> RunningWorker:
        """Start a worker beside the others, and do not wait for it."""
        return RunningWorker(
            self._stack.enter_context(self._place.started("worker", env={**self._variables, **variables}))
        )

    def start(self, index: int, **variables: str) -> RunningWorker:
        """Start a worker in this place and wait until it is ready."""
        self.workers[index] = self.launch(**variables)
        return ready(self.workers[index])

    def stop(self, index: int) -> None:
        """Have a worker drain and leave; its exit code is 0."""
        worker = self.workers[index]
        worker.process.terminate()
        assert worker.process.wait(DRAIN_S + 10) == 0, worker.other

    def kill(self, index: int) -> None:
        """Kill a worker without a warning."""
        self.workers[index].process.send_signal(signal.SIGKILL)
        self.workers[index].process.wait(START_S)

    def roll(self, **variables: str) -> None:
        """Restart every worker, one after the other, as a deployment does."""
        for index in range(len(self.workers)):
            self.stop(index)
            self.start(index, **variables)


def ready(worker: RunningWorker) -> RunningWorker:
    """Wait until a worker can do its job."""
    wait_until(lambda: worker.port and worker.ask("/readyz")[0] == 200, START_S, what="a ready worker")
    return worker


def moves(worker: RunningWorker) -> list[str]:
    """Return every change of its assignment that a worker noticed."""
    names = ("partitions_assigned", "partitions_revoked", "partitions_lost")
    return [line["event"] for line in list(worker.log) if line["event"] in names]
