"""Reads which inputs were answered, from every committed record of the output topics; for repairs, not for running.

It belongs to no group and commits nothing. It waits for transactions that a dead worker left open: what they hide may
be an answer.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError
from confluent_kafka import TopicPartition as Place

from schemas.errors import Permanent, Unavailable
from schemas.events import ImageFailed, ImageReady, ImageRemoved
from schemas.record import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.codec import Codec

PATIENCE_S: Final = 60.0
"""Without any progress: a broker ends a dead worker's transaction well before."""
_BATCH: Final = 1000


def read_answered(
    properties: Mapping[str, Any], codec: Codec, ends: Mapping[TopicPartition, tuple[int, int]]
) -> dict[TopicPartition, set[int]]:
    """Return the offsets that were answered, by input partition; ``ends`` has the start and end of each output's.

    Raise `Unavailable` ("kafka") if a broker falls silent, or a transaction stays open.
    """
    answered: dict[TopicPartition, set[int]] = defaultdict(set)
    left = {at: end for at, (start, end) in ends.items() if end > start}
    consumer = Consumer(_settings(properties))
    try:
        consumer.assign([Place(at.topic, at.partition, ends[at][0]) for at in left])
        heard = time.monotonic()
        while left:
            for message in consumer.consume(_BATCH, 1.0):
                heard = time.monotonic()
                error = message.error()
                if error is None:
                    _note(codec, str(message.topic()), message.value(), answered)
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001  librdkafka's spelling
                    raise Unavailable("kafka", error.str())
            for place in consumer.position([Place(at.topic, at.partition) for at in left]):
                at = TopicPartition(place.topic, place.partition)
                if place.offset >= left[at]:
                    del left[at]
            if left and time.monotonic() - heard > PATIENCE_S:
                raise Unavailable("kafka", f"{len(left)} output partitions cannot be read to their end")
    finally:
        consumer.close()
    return answered


def _note(codec: Codec, topic: str, value: bytes | str | None, answered: dict[TopicPartition, set[int]]) -> None:
    try:
        event = codec.decode(topic, value.encode() if isinstance(value, str) else value)
    except Permanent:
        return  # not an answer of ours
    if isinstance(event, ImageReady | ImageFailed | ImageRemoved):
        cause = event.cause
        answered[TopicPartition(cause.topic, cause.partition)].add(cause.offset)


def _settings(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **properties,
        "client.id": "darkroom-rebuild",
        "group.id": "darkroom-rebuild",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
    }
