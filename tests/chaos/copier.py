"""A replay beside the traffic: copies what was uploaded onto the replay topic, each record once, by transactions.

Deliberately small and on its own feet (nothing of the engine is in it): positions and copies commit together, and
whatever goes wrong, it starts again with a new producer from what the group has committed.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas.headers import Replay, replay_headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.topics import Topics

BATCH: Final = 50
CALL_S: Final = 10.0
PAUSE_S: Final = 0.2
WAIT_S: Final = 0.05
CLOSE_S: Final = 30.0


class Copier:
    """Copies at most so many records, at most so many a second, from the start of the interactive lane."""

    def __init__(self, kafka: Mapping[str, Any], topics: Topics, replay_id: str) -> None:
        self.copied = 0
        self.restarts = 0
        """Producers given up."""
        self._kafka = {**kafka, "log_level": 0}
        self._source = topics.uploaded
        self._target = topics.replay.name
        self._id = replay_id
        self._wanted = 0
        self._seconds = 0.0
        self._began = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="copier", daemon=True)

    def start(self, wanted: int, seconds: float) -> None:
        """Begin to copy ``wanted`` records evenly over so many seconds."""
        self._wanted, self._seconds, self._began = wanted, seconds, time.monotonic()
        self._thread.start()

    def done(self) -> bool:
        """Tell whether everything was copied."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """End as soon as the batch under way is through."""
        self._stop.set()
        self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while not self._stop.is_set() and self.copied < self._wanted:
            try:
                self._copy()
            except KafkaException:
                self.restarts += 1
                self._stop.wait(PAUSE_S)

    def _copy(self) -> None:
        """Copy until done, or until Kafka fails us at any point."""
        own = {"transactional.id": self._id, "transaction.timeout.ms": 10_000, "message.timeout.ms": 10_000}
        producer = Producer({**self._kafka, **own, "partitioner": "murmur2_random"})
        producer.init_transactions(CALL_S)  # ends what our predecessor left open, one way or the other
        consumer = Consumer({**self._kafka, **_READER, "group.id": self._id})
        try:
            places = [TopicPartition(self._source.name, number) for number in range(self._source.partitions)]
            committed = consumer.committed(places, timeout=CALL_S)
            self.copied = sum(_count(each) for each in committed)
            for each in committed:
                each.offset = max(each.offset, 0)
            consumer.assign(committed)
            while not self._stop.is_set() and self.copied < self._wanted:
                self._batch(producer, consumer)
        finally:
            consumer.close()
            producer.purge()

    def _batch(self, producer: Producer, consumer: Consumer) -> None:
        due = self._wanted * min(1.0, (time.monotonic() - self._began) / max(self._seconds, 1e-9)) - self.copied
        found = consumer.consume(int(min(BATCH, due, self._wanted - self.copied)), WAIT_S) if due >= 1 else []
        found = [message for message in found if message.error() is None]
        if not found:
            self._stop.wait(WAIT_S)
            return
        producer.begin_transaction()
        ends: dict[int, int] = {}
        for message in found:
            topic, partition, offset = str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
            headers = [*(message.headers() or ()), *replay_headers(Replay(self._id, topic, partition, offset))]
            producer.produce(self._target, message.value(), message.key(), headers=headers)
            ends[partition] = offset + 1
        # Input topics have plain records only, so an offset is also the number of records before it.
        positions = [TopicPartition(self._source.name, partition, end) for partition, end in ends.items()]
        producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), CALL_S)
        producer.commit_transaction(CALL_S)
        self.copied += len(found)


_READER: Final = {
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
}


def _count(position: TopicPartition) -> int:
    """Return how many records lie before a committed position: offsets of plain records have no gaps."""
    return max(position.offset, 0)
