"""A Kafka broker beside the stack's, without KIP-848: what clusters before 4.0, and some managed ones, offer."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.local import kafka_cluster, ports
from infra.local.processes import Known, stop
from infra.local.servers import HOST
from infra.local.stack import launch, wait_ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def classic_broker(folder: Path) -> Iterator[str]:
    """Run one for as long as the context lasts, and yield its address."""
    chosen = ports.free(1)
    kafka_cluster.prepare(chosen, folder)
    with (folder / "kafka-1.properties").open("a") as properties:
        properties.write("group.coordinator.rebalance.protocols=classic\n")
    wanted = kafka_cluster.servers(chosen, folder)
    running: list[Known] = []
    try:
        running.extend(launch(wanted, folder, bound_to_us=True))
        wait_ready(wanted, running, folder)
        kafka_cluster.warm_up(chosen)
        yield f"{HOST}:{chosen.brokers[0].plain}"
    finally:
        stop(running, at_once=True)
        shutil.rmtree(folder, ignore_errors=True)
