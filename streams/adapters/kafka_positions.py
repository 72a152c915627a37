"""What a group has committed, and what the engine must know to use it, asked beside the consumer and its thread."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    OFFSET_INVALID,
    KafkaException,
    TopicCollection,
)
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from schemas.record import TopicPartition
from streams.adapters.kafka_committed import CommittedOffsets
from streams.adapters.kafka_errors import reading
from streams.adapters.kafka_log import ClientLog
from streams.runtime.ports import Position

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from streams.runtime.ports import Settings


class KafkaPositions:
    """Reads one group's positions. Connects at the first question."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._settings = settings
        self._committed = CommittedOffsets(settings, group)
        self._connected: AdminClient | None = None

    def read(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, Position]:
        """Return offset and metadata of each; RETRIABLE UNSTABLE_OFFSET_COMMIT while a transaction of one is open."""
        asked = [KafkaPartition(p.topic, p.partition) for p in partitions]
        try:
            answers = self._committed.read(asked, timeout, stable=True)
        except KafkaException as failure:
            raise reading(failure) from failure
        found = {}
        for answer in answers:
            if answer.error is not None:
                raise reading(KafkaException(answer.error))
            offset = None if answer.offset == OFFSET_INVALID else answer.offset
            found[TopicPartition(answer.topic, answer.partition)] = Position(offset, answer.metadata or "")
        return found

    def topic_ids(self, topics: Sequence[str], timeout: float) -> dict[str, bytes]:
        """Return the 16 bytes of each topic's id; RETRIABLE UNKNOWN_TOPIC_OR_PART if one is missing."""
        answers = self._admin().describe_topics(TopicCollection(list(topics)), request_timeout=timeout)
        found = {}
        for topic, answer in answers.items():
            uuid = _result(answer, timeout).topic_id
            halves = uuid.get_most_significant_bits(), uuid.get_least_significant_bits()
            found[topic] = struct.pack(">qq", *halves)
        return found

    def log_starts(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, int]:
        """Return the first offset that each log still has."""
        earliest = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
        asked = {KafkaPartition(p.topic, p.partition): earliest for p in partitions}
        answers = self._admin().list_offsets(asked, request_timeout=timeout)
        return {
            TopicPartition(asked_of.topic, asked_of.partition): _result(answer, timeout).offset
            for asked_of, answer in answers.items()
        }

    def _admin(self) -> AdminClient:
        if self._connected is None:
            self._connected = AdminClient(self._settings, logger=ClientLog())
        self._connected.poll(0)  # log lines pile up in the client until somebody takes them
        return self._connected


def _result(answer: Future[Any], timeout: float) -> Any:  # noqa: ANN401 - each question has a type of its own
    try:
        return answer.result(timeout + 1)  # the request's own time-out comes first
    except (KafkaException, TimeoutError) as failure:
        raise reading(failure) from failure
