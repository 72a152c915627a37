"""Java's default partitioner, in Python: which partition a key goes to.

For what has no Kafka client at hand (the simulated broker) and for the test that holds librdkafka's
``murmur2_random`` to it. Source: org.apache.kafka.common.utils.Utils.murmur2 and toPositive.
"""

from __future__ import annotations

MASK = 0xFFFFFFFF
SEED = 0x9747B28C
MULTIPLIER = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Return the 32-bit hash, unsigned."""
    state = (SEED ^ len(data)) & MASK
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        word = int.from_bytes(data[at : at + 4], "little") * MULTIPLIER & MASK
        word = (word ^ word >> 24) * MULTIPLIER & MASK
        state = state * MULTIPLIER & MASK ^ word
    rest = data[whole:]
    if rest:
        state = (state ^ int.from_bytes(rest, "little")) * MULTIPLIER & MASK
    state = (state ^ state >> 13) * MULTIPLIER & MASK
    return state ^ state >> 15


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of a key in a topic with so many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
