"""A stack of one's own whose servers can be killed, frozen and brought back, and a worker that says what it meets."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psutil

from infra.local import fetch, ports, servers
from infra.local.processes import Known, stop
from infra.local.stack import parts, start_stack
from tests.cli.worker import RunningWorker
from tests.support import Stack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Darkroom

START_S = 60.0


@dataclass(slots=True)
class Servers:
    """Kafka, MinIO and the registry, each a process that a test may hurt."""

    folder: Path
    chosen: ports.Ports
    running: list[Known] = field(default_factory=list)

    def find(self, name: str) -> Known:
        """Return a running server; Kafka is ``kafka-1``."""
        return next(each for each in self.running if each.name == name and each.find())

    def kill(self, name: str) -> None:
        """End it at once, as a power cut would."""
        known = self.find(name)
        stop([known], at_once=True)
        self.running.remove(known)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop it without its connections noticing, and let it go on at the end."""
        known = self.find(name)
        os.kill(known.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(known.pid, signal.SIGCONT)

    def revive(self) -> None:
        """Start whatever does not run, on the same ports and data."""
        start_stack(self.chosen, self.folder / "data", self.folder, self.running, bound_to_us=True)

    def stack(self) -> Stack:
        """Return the addresses."""
        file = self.folder / "stack.json"
        file.write_text(json.dumps(servers.description(self.chosen, self.folder / "data")))
        return Stack.read(file)


@contextmanager
def own_servers(folder: Path) -> Iterator[Servers]:
    """Run a stack that nobody else uses."""
    fetch.fetch(parts())
    ours = Servers(folder, ports.free(1))
    try:
        ours.revive()
        yield ours
    finally:
        stop(ours.running, at_once=True)


class Witness(RunningWorker):
    """A worker process, by what it says: log, readiness, metrics."""

    def changes(self, state: str) -> list[dict[str, Any]]:
        """Return the log lines that say it entered a state."""
        return [line for line in self.events("state_changed") if line["state"] == state]

    def state(self) -> str:
        """Return the state that readiness shows."""
        return str(self.ask("/readyz")[1]["state"])

    def metrics(self) -> dict[str, float]:
        """Return every sample by its name with labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=START_S) as answer:
            lines = answer.read().decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    def memory(self) -> int:
        """Return the resident bytes of the main process, its children not counted."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def threads(self) -> int:
        """Return how many threads the main process has."""
        return int(psutil.Process(self.process.pid).num_threads())


@contextmanager
def witness(place: Darkroom, **variables: str) -> Iterator[Witness]:
    """Run a worker that logs each attempt, and wait until it works."""
    with place.started("worker", env={"DARKROOM_LOG__LEVEL": "debug", **variables}) as process:
        worker = Witness(process)
        wait_until(lambda: worker.port and worker.state() == "working", START_S, what="a working worker")
        yield worker


def at(line: dict[str, Any]) -> float:
    """Return when a log line was written, in seconds since the epoch."""
    return datetime.fromisoformat(line["timestamp"]).timestamp()
