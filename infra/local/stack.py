"""Start the servers of a stack together, wait until each answers, and stop them: for a test run and for `just up`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from typing import TYPE_CHECKING

import psutil

from infra.local import fetch, kafka_cluster, ports, servers
from infra.local.paths import RUNS
from infra.local.processes import Known, start, stop

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from infra.local.servers import Server

LIMIT = 120.0
"""Seconds for a server to answer: a loaded machine starts a JVM slowly."""
KEPT_RUNS = 5


class StackError(Exception):
    """A server did not come up; the message names it and shows the end of its log."""


def parts() -> list[fetch.Part]:
    """Return what a stack is made of."""
    return [fetch.kafka(), fetch.registry(), fetch.minio()]


def launch(wanted: Iterable[Server], logs: Path, *, bound_to_us: bool) -> Iterator[Known]:
    """Start the servers, yielding each as soon as it runs: who stops them must know of it before the next starts."""
    for server in wanted:
        log = logs / f"{server.name}.log"
        yield start(server.name, server.command, server.environment, log, bound_to_us=bound_to_us)


def wait_ready(wanted: Iterable[Server], running: Iterable[Known], logs: Path) -> None:
    """Wait until each server answers; raise `StackError` if one ends or takes too long."""
    known = {each.name: each for each in running}
    end = time.monotonic() + LIMIT
    for server in wanted:
        log = logs / f"{server.name}.log"
        while not server.ready():
            if known[server.name].find() is None:
                raise StackError(f"{server.name} ended while starting; {log} says\n{_tail(log)}")
            if time.monotonic() > end:
                raise StackError(f"{server.name} did not answer within {LIMIT:.0f} s; {log} says\n{_tail(log)}")
            time.sleep(0.1)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def start_stack(chosen: ports.Ports, data: Path, logs: Path, running: list[Known], *, bound_to_us: bool) -> None:
    """Start what does not run yet of a stack and wait for all of it; what runs is in ``running``, also on failure."""

    def missing(wanted: Iterable[Server]) -> list[Server]:
        alive = {each.name for each in running if each.find()}
        return [server for server in wanted if server.name not in alive]

    data.mkdir(parents=True, exist_ok=True)
    light = [servers.minio(chosen, data, console=not bound_to_us), servers.registry(chosen, data)]
    heavy = kafka_cluster.servers(chosen, data)
    for known in launch(missing(light), logs, bound_to_us=bound_to_us):
        running.append(known)  # noqa: PERF402 - one by one
    if todo := missing(heavy):
        kafka_cluster.prepare(chosen, data)  # while the others start
        for known in launch(todo, logs, bound_to_us=bound_to_us):
            running.append(known)  # noqa: PERF402
    wait_ready([*light, *heavy], running, logs)
    kafka_cluster.warm_up(chosen)


@contextlib.contextmanager
def ephemeral_stack(brokers: int = 1) -> Iterator[Path]:
    """Run a stack on free ports; yield the JSON file with its addresses. Its data go with it, its logs stay."""
    fetch.fetch(parts())
    _forget_old_runs()
    run = RUNS / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    data = run / "data"
    data.mkdir(parents=True)
    chosen = ports.free(brokers)
    running: list[Known] = []
    try:
        start_stack(chosen, data, run, running, bound_to_us=True)
        file = run / "stack.json"
        file.write_text(json.dumps(servers.description(chosen, data)))
        yield file
    finally:
        stop(running, at_once=True)
        shutil.rmtree(data, ignore_errors=True)


def _forget_old_runs() -> None:
    """Keep the logs of the newest runs only, and no data of a run that was killed."""
    runs = [run for run in sorted(RUNS.glob("*-*")) if not psutil.pid_exists(int(run.name.rpartition("-")[2]))]
    for old in runs[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
    for killed in runs[-KEPT_RUNS:]:
        shutil.rmtree(killed / "data", ignore_errors=True)
