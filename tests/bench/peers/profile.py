"""Where our time goes in W1: py-spy looks at the running engine from outside, 250 times a second."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.bench.peers import tools
from tests.bench.peers.contestants import OURS, Job, started

if TYPE_CHECKING:
    from tests.bench.peers.broker import Cluster
    from tests.bench.peers.throughput import Load

RATE: Final = 250
SECONDS: Final = 3
TOP: Final = 20
START_S: Final = 60.0


def show(cluster: Cluster, load: Load) -> None:
    """Print how the samples divide among threads, and the functions and lines that were running in most of them."""
    if why := tools.missing(tools.py_spy()):
        print(f"no profile: {why}")
        return
    raw = cluster.folder / "profile.raw"
    job = Job(load.topic, cluster.topic("sink"), cluster.group(load.topic))
    with started(OURS, cluster, job) as running:
        end = time.monotonic() + START_S
        while not any(cluster.stable_ends(job.sink)) and time.monotonic() < end:
            running.demand_alive()
            time.sleep(0.02)
        program = tools.py_spy().folder / "venv" / "bin" / "py-spy"
        options = ["--rate", str(RATE), "--duration", str(SECONDS), "--format", "raw", "--threads", "--nonblocking"]
        command = [str(program), "record", *options, "--output", str(raw), "--pid", str(running.process.pid)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    cluster.drop(job.sink)
    if answer.returncode:
        print(f"no profile: py-spy said {answer.stderr.strip()}")
        return
    _print(raw.read_text())
    print(f"all of it, for a flame graph: {raw}\n", flush=True)


def _print(raw: str) -> None:
    threads: Counter[str] = Counter()
    leaves: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        threads[frames[0]] += int(count)
        leaves[frames[-1]] += int(count)
    for title, counts in (("thread", threads), ("running", leaves)):
        print(f"share  {title}")
        for name, samples in counts.most_common(TOP):
            print(f"{samples / counts.total():5.1%}  {name}")
