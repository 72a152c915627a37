"""Kafka records as plain values: what the engine hands to a handler and what the handler hands back.

Named tuples, not dataclasses: one is made for every record, and a named tuple costs a third of a frozen dataclass.
"""

from __future__ import annotations

from typing import NamedTuple

Headers = tuple[tuple[str, bytes], ...]
"""Record headers in order; names may repeat, as Kafka allows."""


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """One record as it was polled. ``offset`` is its own offset; everywhere else "offset" means the NEXT one."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    """Milliseconds since the epoch, as the broker keeps it."""


class Outgoing(NamedTuple):
    """One record to be produced; the partition follows from the key (murmur2_random)."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
