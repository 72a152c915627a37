"""What the broker wrote down about a group: the generations it went through, read from Kafka's own topic."""

from __future__ import annotations

import struct
from typing import Final

from confluent_kafka import Consumer, KafkaError, TopicPartition

TOPIC: Final = "__consumer_offsets"
GROUP_KEY: Final = 2
"""Version of a key that names a group, as in Kafka's GroupMetadataKey.json; others name positions."""
LIMIT_S: Final = 20.0


def generations(bootstrap: str, group: str) -> list[int]:
    """Return the generation of each state of a classic group that the broker wrote until now, in order."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": "nobody",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "isolation.level": "read_uncommitted",
    })  # fmt: skip
    try:
        count = len(consumer.list_topics(TOPIC, timeout=LIMIT_S).topics[TOPIC].partitions)
        partition = TopicPartition(TOPIC, _java_hash(group) % count, 0)
        _, end = consumer.get_watermark_offsets(partition, timeout=LIMIT_S)
        consumer.assign([partition])
        found: list[int] = []
        while True:  # positions are written to the same place all the time: under load its end is never reached
            message = consumer.poll(LIMIT_S)
            assert message is not None, "the reader saw no end"
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error.str()  # noqa: SLF001 - librdkafka's spelling
                return found
            key, value = message.key(), message.value()
            if key and value and key == struct.pack(">hh", GROUP_KEY, len(group)) + group.encode():
                found.append(_generation(value))
            if int(message.offset() or 0) >= end - 1:
                return found
    finally:
        consumer.close()


def _generation(value: bytes) -> int:
    """Read GroupMetadataValue.json: a version, the protocol type as a string, then the generation."""
    (length,) = struct.unpack_from(">h", value, 2)
    return int(struct.unpack_from(">i", value, 4 + length)[0])


def _java_hash(text: str) -> int:
    """Return the absolute value of String.hashCode: it picks the group's partition."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xFFFFFFFF
    return min(value, (1 << 32) - value)
