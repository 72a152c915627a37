"""Three brokers, store and registry as processes that may be killed and come back, and the proxies before them.

Two ways lead to brokers and store: the direct one, which publisher and readers take, and the one through the proxies,
which the workers take and which is made worse.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local import fetch, kafka_cluster, ports, servers
from infra.local.paths import DARKROOM
from infra.local.processes import stop
from infra.local.stack import launch, parts, start_stack, wait_ready
from tests.chaos.place import Ways
from tests.chaos.proxies import Proxies
from tests.chaos.timetable import BROKERS
from tests.support import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.processes import Known
    from infra.local.servers import Server

STORE: Final = "minio"
ASK_S: Final = 2.0
FOLDER: Final = DARKROOM / "chaos"
KEPT_RUNS: Final = 5


class Cluster:
    """The running servers. Not thread-safe; its processes die with the thread that made it."""

    def __init__(self, chosen: ports.Ports, folder: Path, running: list[Known]) -> None:
        self._folder = folder
        self._ports = chosen
        self._running = running
        data = folder / "data"
        described = kafka_cluster.servers(chosen, data)
        self._servers: dict[str, Server] = {server.name: server for server in described}
        self._servers[STORE] = servers.minio(chosen, data, console=False)
        direct = _direct(chosen, data)
        proxied = Stack(
            bootstrap=",".join(f"{servers.HOST}:{broker.proxy}" for broker in chosen.brokers),
            s3_endpoint=f"{servers.HOST}:{chosen.s3_proxy}",
            s3_access_key=direct.s3_access_key,
            s3_secret_key=direct.s3_secret_key,
            registry_url=direct.registry_url,
        )
        self.ways = Ways(direct, proxied)
        self.proxies = Proxies(chosen)
        self._admin = AdminClient({"bootstrap.servers": direct.bootstrap, "log_level": 0})

    def end(self, name: str, *, hard: bool) -> None:
        """Kill a server, or ask it to stop; it is not waited for."""
        known = self._known(name)
        os.killpg(known.pid, signal.SIGKILL if hard else signal.SIGTERM)

    def start(self, name: str) -> None:
        """Start a server that was ended; it is not waited for until it answers."""
        known = self._known(name)
        stop([known], at_once=False)  # a clean stop may still be under way
        self._running.remove(known)
        for started in launch([self._servers[name]], self._folder, bound_to_us=True):
            self._running.append(started)

    def healthy(self) -> bool:
        """Tell whether every server answers and every partition has all its copies in sync."""
        if not self._servers[STORE].ready():
            return False
        try:
            found = self._admin.list_topics(timeout=ASK_S)
        except KafkaException:
            return False
        partitions = [each for topic in found.topics.values() for each in topic.partitions.values()]
        return len(found.brokers) == BROKERS and all(len(each.isrs) == len(each.replicas) for each in partitions)

    def controller(self) -> str:
        """Return the broker that is the active controller, as the quorum's own notes say: clients are not told."""
        notes = self._folder.glob("data/kafka-*/__cluster_metadata-0/quorum-state")
        states = [json.loads(note.read_text()) for note in notes]
        newest = max(states, key=lambda state: (state["leaderEpoch"], state["leaderId"]))
        return f"kafka-{newest['leaderId'] if newest['leaderId'] > 0 else BROKERS}"

    def _known(self, name: str) -> Known:
        return next(known for known in self._running if known.name == name)


@contextmanager
def running_cluster(*, keep: bool) -> Iterator[tuple[Cluster, Path]]:
    """Run everything on free ports; yield it and the folder of its logs. The data go at the end unless kept."""
    fetch.fetch([*parts(), fetch.toxiproxy()])
    _forget_old_runs()
    folder = FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    data = folder / "data"
    data.mkdir(parents=True)
    chosen = ports.free(BROKERS, proxied=True)
    running: list[Known] = []
    try:
        toxiproxy = servers.toxiproxy(chosen)
        for known in launch([toxiproxy], folder, bound_to_us=True):
            running.append(known)  # noqa: PERF402 - one by one
        start_stack(chosen, data, folder, running, bound_to_us=True)
        wait_ready([toxiproxy], running, folder)
        yield Cluster(chosen, folder, running), folder
    finally:
        stop(running, at_once=True)
        if not keep:
            shutil.rmtree(data, ignore_errors=True)


def _forget_old_runs() -> None:
    for old in sorted(FOLDER.glob("*-*-*"))[: -KEPT_RUNS + 1]:
        if not psutil.pid_exists(int(old.name.rpartition("-")[2])):
            shutil.rmtree(old, ignore_errors=True)


def _direct(chosen: ports.Ports, data: Path) -> Stack:
    described = servers.description(chosen, data)
    return Stack(**{name: described[name] for name in Stack.__dataclass_fields__})
