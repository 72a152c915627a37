"""Who takes part in the runtime bench, how each is set up, and how it is started: a process of its own each."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

from infra.local.paths import ROOT
from infra.local.processes import die_with_parent
from tests.bench.peers import tools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.fetch import Part
    from tests.bench.peers.broker import Cluster

GRACE_S: Final = 8.0
"""How long one may take to end after SIGTERM; what it still held does not matter any more."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One program with one set of options."""

    name: str
    """As the tables show it."""
    peer: str
    """As `--peers` names it."""
    command: tuple[str, ...]
    """Its program; broker, source, sink and group follow, then the options."""
    options: tuple[str, ...] = ()
    tool: Part | None = None
    """What is fetched before it can run."""


def python(module: str) -> tuple[str, ...]:
    """Return how a module of ours is run."""
    return (sys.executable, "-m", f"tests.bench.peers.{module}")


OURS: Final = Contestant("ours", "ours", python("ours"))
OURS_64: Final = Contestant("ours, 64 threads", "ours", python("ours"), ("64",))
"""worker.concurrency = 64; everything else as shipped."""
BARE: Final = Contestant("bare", "bare", python("bare_loop"))
_QUIX: Final = (str(tools.quix().folder / "venv" / "bin" / "python"), "-m", "tests.bench.peers.quix_app")
QUIX: Final = Contestant("quix", "quix", _QUIX, ("500",), tools.quix())
"""commit_every=500, and the client's back-off as ours."""
QUIX_20: Final = Contestant("quix, commit 20", "quix", _QUIX, ("20",), tools.quix())
"""commit_every=20: at 720 events a second 500 are too many, and one is too few."""
QUIX_EACH: Final = Contestant("quix, commit each", "quix", _QUIX, ("1",), tools.quix())
"""commit_every=1: what a low latency takes."""
QUIX_DEFAULT: Final = Contestant("quix, defaults", "quix", _QUIX, (), tools.quix())
_STREAMS: Final = tools.java_command(tools.STREAMS)
STREAMS: Final = Contestant("streams", "streams", _STREAMS, ("2",), tools.STREAMS)
STREAMS_12: Final = Contestant("streams, 12 threads", "streams", _STREAMS, ("12",), tools.STREAMS)
"""As many threads as there are partitions: more cannot work."""
STREAMS_TUNED: Final = Contestant("streams, commit 1 ms", "streams", _STREAMS, ("2", "1"), tools.STREAMS)
_PARALLEL: Final = tools.java_command(tools.PARALLEL)
PARALLEL: Final = Contestant("parallel", "parallel", _PARALLEL, (), tools.PARALLEL)
PARALLEL_64: Final = Contestant("parallel, 64 threads", "parallel", _PARALLEL, ("threads=64",), tools.PARALLEL)
PARALLEL_EAGER: Final = Contestant("parallel, eager", "parallel", _PARALLEL, ("eager",), tools.PARALLEL)
PARALLEL_TUNED: Final = Contestant("parallel, commit 5 ms", "parallel", _PARALLEL, ("commit=5",), tools.PARALLEL)


@dataclass(frozen=True, slots=True)
class Job:
    """Where a contestant reads and writes, and as what group."""

    source: str
    sink: str
    group: str


class Running:
    """A contestant at work."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._name = name
        self._log = log
        self._tree = [psutil.Process(process.pid)]

    def cpu_seconds(self) -> float:
        """Return user and system time of its processes so far."""
        return sum(sum(each.cpu_times()[:4]) for each in self._tree)

    def find_children(self) -> None:
        """Count the processes that it has by now, too."""
        self._tree = [self._tree[0], *self._tree[0].children(recursive=True)]

    def demand_alive(self) -> None:
        """Raise with the end of its log if it ended."""
        if self.process.poll() is not None:
            said = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"{self._name} ended with code {self.process.returncode}:\n{said}")


@contextmanager
def started(contestant: Contestant, cluster: Cluster, job: Job) -> Iterator[Running]:
    """Start a contestant; it is gone at the end. What it says goes to a log beside the broker's."""
    log = cluster.folder / f"{job.group}-{contestant.name.replace(' ', '-')}.log"
    command = [*contestant.command, cluster.bootstrap, job.source, job.sink, job.group, *contestant.options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - it takes no lock
        )
    try:
        yield Running(contestant.name, process, log)
    finally:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
