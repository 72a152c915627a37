"""A worker as nobody should run it, for the negative controls: the product's engine on a broker that keeps no promise.

`mock`: librdkafka's mock cluster, which forgets positions and shows aborted records. `plain`: a real cluster, but
outputs go out at once and positions are committed by themselves every few seconds, as a plain consumer does it. The
product has no switch for either.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import Producer, TopicPartition

from streams.adapters.embedded import EmbeddedPositions
from streams.adapters.kafka import KafkaBroker, Timing
from streams.compose.services import kafka_properties, make_codec, make_topics
from streams.compose.stores import make_store
from streams.compose.worker import start_engine
from streams.settings import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.record import Outgoing
    from schemas.record import TopicPartition as Partition
    from streams.adapters.kafka_consumer import KafkaConsumer
    from streams.runtime.ports import Broker, BrokerError, GroupMetadata, Position
    from streams.settings import Settings

COMMIT_S: Final = 5.0
"""Kafka's own ``auto.commit.interval.ms``."""
DRAIN_S: Final = 5.0


class MockBroker(KafkaBroker):
    """The mock cluster: every group stands at the start."""

    def positions(self, group: str) -> EmbeddedPositions:  # type: ignore[override]  # noqa: ARG002 - no group has any
        """Make a reader that finds nothing."""
        return EmbeddedPositions()


class PlainBroker(KafkaBroker):
    """Real brokers without transactions."""

    def __init__(self, client: dict[str, Any], timing: Timing) -> None:
        super().__init__(client, timing)
        self._settings = client
        self._consumer: KafkaConsumer | None = None

    def consumer(self, group: str) -> KafkaConsumer:
        """Make the consumer, which is also who commits."""
        self._consumer = super().consumer(group)
        return self._consumer

    def producer(self, transactional_id: str) -> Any:  # noqa: ANN401, ARG002 - the port's producer, without its id
        """Make a producer that only looks like a transactional one."""
        assert self._consumer is not None
        return PlainProducer(self._settings, self._consumer._client)  # noqa: SLF001 - no part of the product commits so


class PlainProducer:
    """Sends at once, and has the consumer commit every `COMMIT_S`."""

    def __init__(self, settings: dict[str, Any], consumer: Any) -> None:  # noqa: ANN401 - confluent-kafka's
        self._client = Producer({**settings, "enable.idempotence": True, "partitioner": "murmur2_random"})
        self._consumer = consumer
        self._pending: dict[Partition, Position] = {}
        self._due = time.monotonic() + COMMIT_S

    def init_transactions(self, timeout: float) -> None: ...

    def begin(self) -> None: ...

    def produce(self, index: int, record: Outgoing) -> None:  # noqa: ARG002
        self._client.produce(record.topic, record.value, record.key, headers=list(record.headers))

    def send_offsets(self, positions: Mapping[Partition, Position], group: GroupMetadata, timeout: float) -> None:  # noqa: ARG002
        self._pending.update(positions)

    def deliver(self, timeout: float) -> None:
        self._client.flush(timeout)

    def commit(self, timeout: float) -> None:  # noqa: ARG002
        if time.monotonic() < self._due:
            return
        places = [
            TopicPartition(place.topic, place.partition, position.offset, position.metadata)
            for place, position in self._pending.items()
            if position.offset is not None
        ]
        self._consumer.commit(offsets=places, asynchronous=True)
        self._pending.clear()
        self._due = time.monotonic() + COMMIT_S

    def flush(self, timeout: float) -> None:
        self._client.flush(timeout)

    def abort(self, timeout: float) -> None: ...

    def refused(self) -> dict[int, BrokerError]:
        return {}

    def disturbances(self) -> int:
        return 0

    def close(self) -> None: ...


def _broker(kind: str, settings: Settings) -> Broker:
    if kind == "mock":  # a classic group would wait there for a second member
        return MockBroker(kafka_properties(settings), Timing(group_protocol="consumer"))
    return PlainBroker(kafka_properties(settings), Timing(session_s=settings.kafka.session_timeout_s))


def main(kind: str) -> None:
    """Run until told to stop."""
    settings = load().settings
    codec = make_codec(settings, make_topics(settings))
    with start_engine(settings, _broker(kind, settings), make_store(settings), codec, f"odd-{kind}") as engine:
        signal.signal(signal.SIGTERM, lambda *_: engine.stop(DRAIN_S))
        structlog.get_logger().info("worker_started")
        engine.run()


if __name__ == "__main__":
    main(sys.argv[1])
