"""A broker inside this process, for trying things out: librdkafka's mock cluster, which comes with its wheel.

Any client on this machine can use it by its address. It keeps everything in memory and throws committed positions
away, so positions are always the start of the log here, and a topic has neither an id nor a way to be created but
being asked for. `LIMITS` says what that means to a user; whoever starts this mode prints it. This module does not.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException
from confluent_kafka import Producer as Client

from streams.adapters.kafka import KafkaBroker
from streams.adapters.kafka_consumer import KafkaConsumer
from streams.adapters.kafka_errors import reading
from streams.adapters.kafka_log import ClientLog
from streams.adapters.kafka_settings import Timing, consumer_settings
from streams.runtime.ports import Position

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.record import TopicPartition
    from streams.adapters.kafka_producer import KafkaProducer
    from streams.runtime.ports import Rebalance, Settings

LIMITS: Final = (
    "embedded broker: in memory only, no exactly-once, no durable positions; a restart forgets everything "
    "(real Kafka keeps all three)"
)
PARTITIONS: Final = 4
"""What the mock gives every topic."""
START_S: Final = 10.0
TOPIC_ID: Final = bytes(16)


class EmbeddedBroker:
    """The engine's broker, on the mock cluster that ``host`` carries; it lives as long as ``host``."""

    def __init__(self, host: Client) -> None:
        self._host = host
        self.bootstrap_servers = ",".join(self._ask())
        """For any other client, also of other processes of this machine."""
        self._client: Settings = {"bootstrap.servers": self.bootstrap_servers}
        self._kafka = KafkaBroker(self._client)

    def make_topics(self, names: Sequence[str]) -> None:
        """Make topics by asking for them; those that exist stay."""
        for name in names:
            self._ask(topic=name)

    def consumer(self, group: str) -> KafkaConsumer:
        """Make a consumer; what it subscribes to is made first."""
        timing = Timing(group_protocol="consumer")  # the mock makes a classic group wait 3 s for a second member
        return _EmbeddedConsumer(self, consumer_settings(self._client, group, timing))

    def producer(self, transactional_id: str) -> KafkaProducer:
        """Make a producer; its transactions are a show."""
        return self._kafka.producer(transactional_id)

    def positions(self, group: str) -> EmbeddedPositions:  # noqa: ARG002 - no group has any
        """Make a reader that finds every group at the start."""
        return EmbeddedPositions()

    def _ask(self, **topic: str) -> list[str]:
        try:
            found = self._host.list_topics(**topic, timeout=START_S)
        except KafkaException as failure:
            raise reading(failure) from failure
        return [f"{broker.host}:{broker.port}" for broker in found.brokers.values()]


class EmbeddedPositions:
    """Every partition from its first record on: the mock answers -1001 whatever was committed."""

    def read(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, Position]:  # noqa: ARG002
        """Return the start of each."""
        return {partition: Position(0, "") for partition in partitions}

    def topic_ids(self, topics: Sequence[str], timeout: float) -> dict[str, bytes]:  # noqa: ARG002
        """Return zeros: the mock has no ids."""
        return dict.fromkeys(topics, TOPIC_ID)

    def log_starts(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, int]:  # noqa: ARG002
        """Return 0 for each."""
        return dict.fromkeys(partitions, 0)


class _EmbeddedConsumer(KafkaConsumer):
    """A consumer whose topics need not exist."""

    def __init__(self, broker: EmbeddedBroker, settings: Settings) -> None:
        super().__init__(settings)
        self._broker = broker

    def subscribe(self, topics: Sequence[str], rebalance: Rebalance) -> None:
        """Make the topics, then join."""
        self._broker.make_topics(topics)
        super().subscribe(topics, rebalance)


@contextmanager
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """Start one; it ends with the block. Close its clients before."""
    host = Client({"test.mock.num.brokers": 1, "log_level": 3}, logger=ClientLog())
    yield EmbeddedBroker(host)
