"""Brokers for the engine that exist in benches only: one that commits plainly, and one that watches commits.

`PlainBroker` is what exactly-once is compared with. Its producer has no transaction: records are delivered, then the
positions are committed by the consumer's own asynchronous commit, which is the cheapest there is, so that the price
measured for exactly-once is rather too high than too low. It loses nothing, and answers twice after a crash.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer as Client
from confluent_kafka import TopicPartition as KafkaPartition

from streams.adapters.kafka import KafkaBroker, Timing
from streams.adapters.kafka_consumer import KafkaConsumer
from streams.adapters.kafka_settings import consumer_settings, producer_settings
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.record import Outgoing, TopicPartition
    from streams.runtime.ports import Broker, Consumer, GroupMetadata, Position, PositionReader, Producer

TRANSACTIONAL: Final = ("transactional.id", "transaction.timeout.ms")


class CommittingConsumer(KafkaConsumer):
    """A member of the group that can also commit by itself, from any thread."""

    def commit(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Send the positions; the answer is not waited for."""
        offsets = [
            KafkaPartition(p.topic, p.partition, found.offset, found.metadata)
            for p, found in positions.items()
            if found.offset is not None
        ]
        self._client.commit(offsets=offsets, asynchronous=True)


class PlainProducer:
    """`streams.runtime.ports.Producer` without transactions."""

    def __init__(self, bootstrap: str, consumer: Callable[[], CommittingConsumer]) -> None:
        settings = producer_settings({"bootstrap.servers": bootstrap}, "none", Timing())
        self._client = Client({name: value for name, value in settings.items() if name not in TRANSACTIONAL})
        self._consumer = consumer
        self._positions: dict[TopicPartition, Position] = {}

    def init_transactions(self, timeout: float) -> None:
        """Nothing to fence."""

    def begin(self) -> None:
        """Forget what an earlier attempt would have committed."""
        self._positions.clear()

    def produce(self, index: int, record: Outgoing) -> None:  # noqa: ARG002 - the port's signature
        """Queue a record."""
        self._client.produce(record.topic, record.value, record.key, headers=list(record.headers))

    def send_offsets(self, positions: Mapping[TopicPartition, Position], group: GroupMetadata, timeout: float) -> None:  # noqa: ARG002
        """Keep the positions for `commit`."""
        self._positions.update(positions)

    def deliver(self, timeout: float) -> None:
        """Wait until every record is delivered."""
        self.flush(timeout)

    def commit(self, timeout: float) -> None:  # noqa: ARG002 - the port's signature
        """Commit the positions."""
        self._consumer().commit(self._positions)

    def flush(self, timeout: float) -> None:
        """Wait until every record is delivered."""
        if self._client.flush(timeout):
            raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT", "records are still under way")

    def abort(self, timeout: float) -> None:
        """Nothing can be taken back."""

    def refused(self) -> dict[int, BrokerError]:
        """Return nothing: no record of a bench is refused."""
        return {}

    def disturbances(self) -> int:
        """Return a constant: a resend only repeats."""
        return 0

    def close(self) -> None:
        """Drop what is queued."""
        self._client.purge()


class PlainBroker:
    """Consumers and positions as `KafkaBroker`'s, producers without transactions."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._real = KafkaBroker({"bootstrap.servers": bootstrap})
        self._consumers: list[CommittingConsumer] = []

    def consumer(self, group: str) -> CommittingConsumer:
        """Make the member whose commit the producer will use."""
        made = CommittingConsumer(consumer_settings({"bootstrap.servers": self._bootstrap}, group, Timing()))
        self._consumers.append(made)
        return made

    def producer(self, transactional_id: str) -> PlainProducer:  # noqa: ARG002 - the port's signature
        """Make a producer."""
        return PlainProducer(self._bootstrap, lambda: self._consumers[-1])

    def positions(self, group: str) -> PositionReader:
        """Read positions as everybody does."""
        return self._real.positions(group)


@dataclass(slots=True)
class Commits:
    """Counts committed answers and tells of each commit."""

    tell: Callable[[int, int, float], None]
    """Called with answers and commits so far, and the time."""
    answers: int = 0
    count: int = 0

    def add(self, answers: int) -> None:
        """Count a commit."""
        self.answers += answers
        self.count += answers > 0
        self.tell(self.answers, self.count, time.perf_counter())


class WatchedProducer:
    """Passes everything on, and counts what is committed."""

    def __init__(self, inner: Producer, commits: Commits) -> None:
        self._inner = inner
        self._commits = commits
        self._queued = 0
        # Bound methods stand for themselves: watching must cost nothing a record.
        self.init_transactions = inner.init_transactions
        self.send_offsets = inner.send_offsets
        self.deliver, self.flush = inner.deliver, inner.flush
        self.abort, self.refused = inner.abort, inner.refused
        self.disturbances, self.close = inner.disturbances, inner.close

    def begin(self) -> None:
        """Begin."""
        self._queued = 0
        self._inner.begin()

    def produce(self, index: int, record: Outgoing) -> None:
        """Queue."""
        self._queued = index + 1
        self._inner.produce(index, record)

    def commit(self, timeout: float) -> None:
        """Commit and count."""
        self._inner.commit(timeout)
        self._commits.add(self._queued)
        self._queued = 0


class WatchedBroker:
    """A broker whose commits are counted."""

    def __init__(self, inner: Broker, commits: Commits) -> None:
        self._inner = inner
        self._commits = commits

    def consumer(self, group: str) -> Consumer:
        """Make the inner broker's."""
        return self._inner.consumer(group)

    def producer(self, transactional_id: str) -> Producer:
        """Make a watched one."""
        return WatchedProducer(self._inner.producer(transactional_id), self._commits)

    def positions(self, group: str) -> PositionReader:
        """Make the inner broker's."""
        return self._inner.positions(group)
