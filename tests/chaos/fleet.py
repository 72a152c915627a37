"""The workers as processes: started, killed, frozen, woken, told to go; and started again when one ends by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from infra.local.processes import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.command import Darkroom

STARTED: Final = b"worker_started"
AGAIN_S: Final = 1.0
"""Between the end of a worker that nobody ended and its next start, as a supervisor would."""
DRAIN_S: Final = 40.0


@dataclass(slots=True)
class _Worker:
    """One name, its present process, and what it is supposed to do."""

    process: subprocess.Popen[bytes]
    log: Path
    wanted: bool = True
    frozen: bool = False
    again_at: float | None = None


@dataclass(slots=True)
class Fleet:
    """All workers of a run. Its processes die with the thread that started them."""

    place: Darkroom
    logs: Path
    command: Sequence[str] = ()
    """What to run instead of `darkroom worker`."""
    ended: list[str] = field(default_factory=list)
    """Workers that ended without being told to: name and exit code."""
    _workers: dict[str, _Worker] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a worker, or start it again under its name."""
        log = self.logs / f"worker-{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                list(self.command) or self.place.command(("worker",)),
                cwd=self.place.folder,
                env=self.place.environment({"DARKROOM_LOG__FORMAT": "json"}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - it takes no lock
            )
        self._workers[name] = _Worker(process, log)

    def kill(self, name: str) -> None:
        """Kill it; it stays away until it is started."""
        self._workers[name].wanted = False
        self._signal(name, signal.SIGKILL)

    def leave(self, name: str) -> None:
        """Ask it to go; it stays away."""
        self._workers[name].wanted = False
        self._signal(name, signal.SIGTERM)

    def freeze(self, name: str) -> None:
        """Stop the world for it."""
        self._workers[name].frozen = True
        self._signal(name, signal.SIGSTOP)

    def wake(self, name: str) -> None:
        """Let it go on."""
        self._workers[name].frozen = False
        self._signal(name, signal.SIGCONT)

    def supervise(self) -> None:
        """Start again what ended by itself; call it now and then."""
        for name, worker in list(self._workers.items()):
            if not worker.wanted or worker.process.poll() is None:
                continue
            if worker.again_at is None:
                self.ended.append(f"{name} with {worker.process.returncode}")
                worker.again_at = time.monotonic() + AGAIN_S
            elif time.monotonic() >= worker.again_at:
                self.start(name)

    def at_work(self) -> int:
        """Return how many processes run, are meant to, and are not frozen."""
        return sum(each.wanted and not each.frozen and each.process.poll() is None for each in self._workers.values())

    def started(self) -> int:
        """Return how many said that they have started."""
        return sum(STARTED in each.log.read_bytes() for each in self._workers.values())

    def stop(self) -> dict[str, int | None]:
        """Ask all to go, and kill who does not; return the exit codes of those that were meant to be there."""
        meant = [name for name, worker in self._workers.items() if worker.wanted]
        for name, worker in self._workers.items():
            self._signal(name, signal.SIGCONT)
            self._signal(name, signal.SIGTERM)
            worker.frozen = worker.wanted = False
        end = time.monotonic() + DRAIN_S
        for worker in self._workers.values():
            try:
                worker.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(worker.process.pid, signal.SIGKILL)
                worker.process.wait()
        return {name: self._workers[name].process.returncode for name in meant}

    def _signal(self, name: str, number: signal.Signals) -> None:
        """Signal the worker alone, not its renderers: they end by themselves when it is gone."""
        worker = self._workers[name]
        if worker.process.poll() is None:
            worker.process.send_signal(number)
