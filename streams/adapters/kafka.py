"""Kafka for the engine: consumers, transactional producers and position readers on confluent-kafka.

Only puts the parts together; each lives in a file of its own (``kafka_consumer``, ``kafka_producer``,
``kafka_positions``), and what they share in ``kafka_settings``, ``kafka_errors`` and ``kafka_log``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.adapters.kafka_consumer import KafkaConsumer
from streams.adapters.kafka_positions import KafkaPositions
from streams.adapters.kafka_producer import KafkaProducer
from streams.adapters.kafka_settings import (
    Timing,
    admin_settings,
    consumer_settings,
    producer_settings,
    refused_settings,
)

if TYPE_CHECKING:
    from streams.runtime.ports import Settings

__all__ = ["KafkaBroker", "Timing", "refused_settings"]


class KafkaBroker:
    """A Kafka cluster, by the librdkafka settings that reach it (``bootstrap.servers``, SASL, TLS and so on)."""

    def __init__(self, client: Settings, timing: Timing | None = None) -> None:
        """Take settings that `refused_settings` found nothing in; nothing connects before it is used."""
        self._client = dict(client)
        self._timing = timing or Timing()

    def consumer(self, group: str) -> KafkaConsumer:
        """Make a consumer that is a member of ``group`` once it subscribed."""
        return KafkaConsumer(consumer_settings(self._client, group, self._timing))

    def producer(self, transactional_id: str) -> KafkaProducer:
        """Make a transactional producer."""
        return KafkaProducer(producer_settings(self._client, transactional_id, self._timing))

    def positions(self, group: str) -> KafkaPositions:
        """Make a reader of the group's positions."""
        return KafkaPositions(admin_settings(self._client), group)
