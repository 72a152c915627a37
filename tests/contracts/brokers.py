"""The worlds that the broker contract runs in: real Kafka, the simulated cluster, and the mock as negative control.

A world is a broker and what a test does beside the engine: make topics, fill them, read them, let time pass.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from schemas.record import Outgoing, Record, TopicPartition
from streams.adapters.kafka import KafkaBroker, Timing
from streams.adapters.simulated import SimulatedBroker, SimulatedCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streams.adapters.embedded import EmbeddedBroker
    from streams.runtime import ports

LIMIT = {"max.message.bytes": "1000000"}
"""What a topic of these tests takes, whatever the stack's brokers would."""
LIMIT_S = 15.0
SESSION_S = 6.0
"""The shortest that brokers allow by default."""


class World(Protocol):
    """What the tests need of every world."""

    broker: ports.Broker

    def topic(self, partitions: int) -> str:
        """Make a topic that nobody else uses."""
        ...

    def append(self, topic: str, partition: int, count: int) -> None:
        """Write records 0, 1, 2 … to one partition, outside any transaction."""
        ...

    def read(self, topic: str, *, committed: bool) -> list[tuple[int, bytes | None]]:
        """Return offset and value of everything on partition 0 that such a reader sees."""
        ...

    def truncate(self, partition: TopicPartition, offset: int) -> None:
        """Delete what lies before ``offset``."""
        ...

    def recreate(self, topic: str) -> None:
        """Delete a topic and make it again."""
        ...

    def wait(self) -> None:
        """Let a little time pass."""
        ...

    def now(self) -> float:
        """Return this world's seconds."""
        ...


def until(world: World, condition: Callable[[], bool], limit: float = LIMIT_S) -> None:
    """Let the world go on until the condition holds; fail after so many of its seconds."""
    end = world.now() + limit
    while not condition():
        assert world.now() < end, f"did not come true within {limit} s"
        world.wait()


class Servers:
    """Clients of a Kafka server beside the broker under test."""

    def __init__(self, bootstrap: str, unique: Callable[[str], str]) -> None:
        self._settings: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap, "log_level": 0}
        self._unique = unique

    def append(self, topic: str, partition: int, count: int) -> None:
        """Write and wait."""
        producer = Producer({**self._settings, "enable.idempotence": True})
        for number in range(count):
            producer.produce(topic, b"%d" % number, partition=partition)
        assert producer.flush(LIMIT_S) == 0

    def read(self, topic: str, *, committed: bool) -> list[tuple[int, bytes | None]]:
        """Read partition 0 to its end."""
        consumer = Consumer(
            {
                **self._settings,
                "group.id": self._unique("reader"),
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                "enable.partition.eof": True,
                "enable.auto.commit": False,
            }
        )
        consumer.assign([KafkaPartition(topic, 0, 0)])
        consumer.get_watermark_offsets(KafkaPartition(topic, 0), timeout=LIMIT_S)  # wakes the client: a second saved
        found: list[tuple[int, bytes | None]] = []
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            message = consumer.poll(0.1)
            if message is None:
                continue
            if (failed := message.error()) is not None:
                assert failed.code() == KafkaError._PARTITION_EOF  # noqa: SLF001
                break
            offset = message.offset()
            assert offset is not None
            found.append((offset, message.value()))
        consumer.close()
        return found

    def wait(self) -> None:
        """Real time passes in the clients' own waits."""
        time.sleep(0.01)

    def now(self) -> float:
        """Real seconds."""
        return time.monotonic()


class KafkaWorld(Servers):
    """The real broker."""

    def __init__(self, bootstrap: str, unique: Callable[[str], str], timing: Timing | None = None) -> None:
        super().__init__(bootstrap, unique)
        settings: ports.Settings = {"bootstrap.servers": bootstrap, "max.poll.interval.ms": int(SESSION_S * 1000)}
        timing = timing or Timing(session_s=SESSION_S)
        if timing.group_protocol == "classic":
            settings["heartbeat.interval.ms"] = 200  # a member learns of a rebalance by its heartbeat
        self.broker: ports.Broker = KafkaBroker(settings, timing)
        self._admin = AdminClient(self._settings)

    def topic(self, partitions: int) -> str:
        """Make one."""
        name = self._unique("contract")
        self._make(name, partitions)
        return name

    def truncate(self, partition: TopicPartition, offset: int) -> None:
        """Delete records."""
        for done in self._admin.delete_records([KafkaPartition(*partition, offset)]).values():
            done.result(LIMIT_S)

    def recreate(self, topic: str) -> None:
        """Delete it, wait until it is gone, make it again."""
        self._admin.delete_topics([topic])[topic].result(LIMIT_S)
        until(self, lambda: topic not in self._admin.list_topics(timeout=LIMIT_S).topics)
        self._make(topic, 1)

    def _make(self, name: str, partitions: int) -> None:
        self._admin.create_topics([NewTopic(name, partitions, 1, config=LIMIT)])[name].result(LIMIT_S)


class SimulatedWorld:
    """The simulated cluster; waiting moves its clock."""

    def __init__(self, unique: Callable[[str], str]) -> None:
        self.cluster = SimulatedCluster(session_s=SESSION_S)
        self.broker: ports.Broker = SimulatedBroker(self.cluster)
        self._unique = unique

    def topic(self, partitions: int) -> str:
        """Make one."""
        name = self._unique("contract")
        self.cluster.create_topic(name, partitions)
        return name

    def append(self, topic: str, partition: int, count: int) -> None:
        """Write."""
        for number in range(count):
            self.cluster.append(Outgoing(topic, None, b"%d" % number), partition)

    def read(self, topic: str, *, committed: bool) -> list[tuple[int, bytes | None]]:
        """Read partition 0."""
        return [(r.offset, r.value) for r in self.cluster.read(topic, committed=committed) if r.partition == 0]

    def truncate(self, partition: TopicPartition, offset: int) -> None:
        """Delete records."""
        self.cluster.log(partition).truncate(offset)

    def recreate(self, topic: str) -> None:
        """Delete and make."""
        self.cluster.delete_topic(topic)
        self.cluster.create_topic(topic, 1)

    def wait(self) -> None:
        """A twentieth of a second."""
        self.cluster.advance(0.05)

    def now(self) -> float:
        """Simulated seconds."""
        return self.cluster.now


class MockWorld(Servers):
    """librdkafka's mock cluster, which must NOT pass for a broker that keeps exactly-once."""

    def __init__(self, embedded: EmbeddedBroker, unique: Callable[[str], str]) -> None:
        super().__init__(embedded.bootstrap_servers, unique)
        self.broker: ports.Broker = embedded
        self._embedded = embedded

    def now(self) -> float:
        """Run ten times as fast: what the mock does not do at once it never does."""
        return super().now() * 10

    def topic(self, partitions: int) -> str:  # noqa: ARG002 - it has as many as the mock likes
        """Make one."""
        name = self._unique("contract")
        self._embedded.make_topics([name])
        return name

    def truncate(self, partition: TopicPartition, offset: int) -> None:
        """Not there."""
        raise NotImplementedError

    def recreate(self, topic: str) -> None:
        """Not there."""
        raise NotImplementedError


class Member:
    """A consumer with a memory: what it was told, what it holds, what it got."""

    def __init__(self, world: World, group: str, topic: str, *, seek_to: int | None = None) -> None:
        self.consumer = world.broker.consumer(group)
        self.events: list[tuple[str, tuple[TopicPartition, ...]]] = []
        self.owned: set[TopicPartition] = set()
        self.records: list[Record] = []
        self.at_revocation: Callable[[], None] = lambda: None
        self._seek_to = seek_to
        self.consumer.subscribe([topic], self)

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Note it; seek here if asked to, inside the callback."""
        self.events.append(("assigned", tuple(sorted(partitions))))
        self.owned.update(partitions)
        if self._seek_to is not None:
            for partition in partitions:
                self.consumer.seek(partition, self._seek_to)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Note it, after what the test wants done."""
        self.at_revocation()
        self.events.append(("revoked", tuple(sorted(partitions))))
        self.owned.difference_update(partitions)

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Note it."""
        self.events.append(("lost", tuple(sorted(partitions))))
        self.owned.difference_update(partitions)

    def poll(self, max_records: int = 100, timeout: float = 0.05) -> list[Record]:
        """Poll once and remember."""
        records = self.consumer.poll(max_records, timeout)
        self.records += records
        return records

    def offsets(self) -> list[int]:
        """The offsets of what it got so far."""
        return [record.offset for record in self.records]
