"""One real broker for the runtime bench, and what is done on it: topics, positions, a preload, reading committed."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, not in its __all__
from confluent_kafka.cimpl import NewTopic

from infra.local import fetch, kafka_cluster, ports
from infra.local.paths import RUNS
from infra.local.processes import stop
from infra.local.servers import HOST
from infra.local.stack import launch, wait_ready
from tests.bench.peers.events import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from infra.local.processes import Known
    from tests.bench.peers.events import Event

PARTITIONS: Final = 12
QUEUE: Final = 100_000
"""Records handed to a producer before its queue is let run empty; below the client's own bound."""
LIMIT_S: Final = 30.0


class Cluster:
    """A running broker."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.folder = folder
        """For the logs of whoever works on it."""
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._numbers = itertools.count(1)
        self._latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client's, without types

    def topic(self, what: str) -> str:
        """Make a topic of twelve partitions and return its name, never used before."""
        name = f"{what}-{next(self._numbers)}"
        for future in self._admin.create_topics([NewTopic(name, PARTITIONS, 1)]).values():
            future.result(LIMIT_S)
        self._await_leaders(name)
        return name

    def group(self, source: str) -> str:
        """Return a new group that stands at the beginning of the topic."""
        name = f"group-{next(self._numbers)}"
        start = [TopicPartition(source, number, 0) for number in range(PARTITIONS)]
        request = ConsumerGroupTopicPartitions(name, start)
        self._admin.alter_consumer_group_offsets([request])[name].result(LIMIT_S)
        return name

    def drop(self, *topics: str) -> None:
        """Delete topics: their data are thrown away within the minute."""
        for future in self._admin.delete_topics(list(topics)).values():
            future.result(LIMIT_S)

    def preload(self, events: Sequence[Event], what: str) -> str:
        """Make a topic that holds the events, each key's in order, and return its name."""
        name = self.topic(what)
        producer = self.producer(**{"linger.ms": 20, "batch.size": 500_000})
        for index, each in enumerate(events):
            producer.produce(name, each.value, each.key)
            if index % QUEUE == QUEUE - 1:
                producer.flush(LIMIT_S)
        left = producer.flush(LIMIT_S)
        if left:
            raise RuntimeError(f"{left} of {len(events)} events could not be preloaded")
        return name

    def producer(self, **settings: object) -> Producer:
        """Return a producer that keeps the order of a key also when it repeats, partitioned as Java does."""
        own = {
            "bootstrap.servers": self.bootstrap,
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "log_level": 0,
        }
        return Producer({**own, **settings})

    def stable_ends(self, topic: str) -> tuple[int, ...]:
        """Return the last stable offset of each partition: what a reader of committed records may see."""
        asked = {TopicPartition(topic, number): self._latest for number in range(PARTITIONS)}
        found = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED)
        ends = {item.partition: future.result(LIMIT_S).offset for item, future in found.items()}
        return tuple(ends[number] for number in range(PARTITIONS))

    def _await_leaders(self, topic: str) -> None:
        """Wait until a topic just made answers on every partition."""
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                self._admin.list_topics(topic, LIMIT_S)  # else the client may go on saying that nobody leads it
                self.stable_ends(topic)
            except KafkaException:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return

    def reader(self, topic: str) -> Consumer:
        """Return a consumer that reads the whole topic, committed records only, and says where it ends."""
        settings = {
            "bootstrap.servers": self.bootstrap,
            "group.id": "nobody",  # the client wants one; nothing is committed to it
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
        }
        consumer = Consumer(settings)
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        return consumer


class Answers:
    """Collects the committed answers of a topic, as often as asked."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._reader = cluster.reader(topic)
        self._reached = [0] * PARTITIONS
        """The next offset of each partition; markers count, the client tells of them when it says "end"."""
        self.found: list[Answer] = []

    def read(self, ends: Sequence[int]) -> None:
        """Read on to these stable ends."""
        limit = time.monotonic() + 2 * LIMIT_S
        while any(reached < end for reached, end in zip(self._reached, ends, strict=True)):
            if time.monotonic() > limit:
                raise RuntimeError(f"read to {self._reached} in {2 * LIMIT_S:.0f} s, not to {list(ends)}")
            for message in self._reader.consume(5_000, 0.05):
                error, partition, offset = message.error(), message.partition() or 0, message.offset() or 0
                if error is None:
                    self._reached[partition] = offset + 1
                    self.found.append(Answer(message.key(), message.value() or b"", partition, offset))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    self._reached[partition] = max(self._reached[partition], offset)

    def close(self) -> None:
        """Let go of the reader."""
        self._reader.close()


@contextmanager
def running_broker() -> Iterator[Cluster]:
    """Run a broker of its own on free ports: nothing but Kafka, no other user, gone afterwards."""
    fetch.fetch([fetch.kafka()])
    run = RUNS / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    data = run / "data"
    data.mkdir(parents=True)
    chosen = ports.free(1)
    running: list[Known] = []
    try:
        kafka_cluster.prepare(chosen, data)
        servers = kafka_cluster.servers(chosen, data)
        running.extend(launch(servers, run, bound_to_us=True))
        wait_ready(servers, running, run)
        kafka_cluster.warm_up(chosen)
        yield Cluster(f"{HOST}:{chosen.brokers[0].plain}", run)
    finally:
        stop(running, at_once=True)
        shutil.rmtree(data, ignore_errors=True)
