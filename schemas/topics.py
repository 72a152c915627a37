"""The catalogue of topics: what each is called, carries, keeps, and how large a record may be.

The only place that knows. It makes no topic (the topic admin does) and encodes nothing (the codec does).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

MAX_INPUT_BYTES: Final = 1024 * 1024
"""Largest record batch of an input topic, in bytes (``max.message.bytes``)."""

MAX_FAILED_BYTES: Final = 2 * MAX_INPUT_BYTES
"""The failed topic carries the largest input whole (value and key), with room for the event around it and headers."""

NAMESPACE: Final = "darkroom"
UPLOADED: Final = "ImageUploaded"
DELETED: Final = "ImageDeleted"
READY: Final = "ImageReady"
FAILED: Final = "ImageFailed"
REMOVED: Final = "ImageRemoved"

_IMAGE_KEY: Final = "tenant/image_id, both percent-encoded; murmur2_random"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it should be."""

    name: str
    records: tuple[str, ...]
    """Simple names of the record types it carries, each with a subject of its own (TopicRecordName)."""
    partitions: int
    replication: int
    min_isr: int
    retention_ms: int
    max_message_bytes: int
    key: str = _IMAGE_KEY
    """What its keys mean, and the partitioner that turns them into partitions."""
    cleanup_policy: str = "delete"

    @property
    def config(self) -> dict[str, str]:
        """Kafka's own settings of the topic, in Kafka's own words."""
        return {
            "cleanup.policy": self.cleanup_policy,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            "min.insync.replicas": str(self.min_isr),
        }

    def subject(self, record: str) -> str:
        """Return the registry's subject of a record type on this topic."""
        return subject(self.name, record)

    @property
    def subjects(self) -> tuple[str, ...]:
        """The subjects of all its record types."""
        return tuple(self.subject(record) for record in self.records)


@dataclass(frozen=True)
class Topics:
    """All topics of one installation. Production wants ``replication=3, min_isr=2``.

    Nothing is compacted: a replay reads every upload of the last month, and lost group offsets are rebuilt from the
    cause of every ready and failed event, which compaction would thin out. For that reason outputs are kept as long as
    inputs.
    """

    prefix: str = ""
    partitions: int = 12
    replication: int = 1
    min_isr: int = 1
    retention_days: int = 35

    @cached_property
    def uploaded(self) -> Topic:
        """The interactive lane: uploads that somebody waits for, and deletes."""
        return self._topic("images.uploaded", UPLOADED, DELETED)

    @cached_property
    def bulk(self) -> Topic:
        """The bulk lane: imports, and deletes."""
        return self._topic("images.uploaded.bulk", UPLOADED, DELETED)

    @cached_property
    def replay(self) -> Topic:
        """What is to be processed again: original values verbatim, with replay headers."""
        return self._topic("images.replay", UPLOADED, DELETED)

    @cached_property
    def ready(self) -> Topic:
        """Images whose every variant is in the store."""
        return self._topic("images.ready", READY)

    @cached_property
    def failed(self) -> Topic:
        """Inputs that got no variants, and why; the dead-letter topic."""
        return self._topic("images.failed", FAILED, max_message_bytes=MAX_FAILED_BYTES)

    @cached_property
    def deleted(self) -> Topic:
        """What deletes removed."""
        return self._topic("images.deleted", REMOVED)

    @cached_property
    def inputs(self) -> tuple[Topic, ...]:
        """What a worker consumes."""
        return (self.uploaded, self.bulk, self.replay)

    @cached_property
    def outputs(self) -> tuple[Topic, ...]:
        """What a worker produces and users subscribe to."""
        return (self.ready, self.failed, self.deleted)

    @cached_property
    def all(self) -> tuple[Topic, ...]:
        """Inputs, then outputs."""
        return self.inputs + self.outputs

    @cached_property
    def by_name(self) -> dict[str, Topic]:
        """The catalogue by full name."""
        return {topic.name: topic for topic in self.all}

    @cached_property
    def largest_message_bytes(self) -> int:
        """What a producer of any of these must be allowed to send (``message.max.bytes``)."""
        return max(topic.max_message_bytes for topic in self.all)

    def output_for(self, record: str) -> Topic:
        """Return the output topic of a record type."""
        return next(topic for topic in self.outputs if record in topic.records)

    def parked(self, group: str) -> Topic:
        """Return the topic of a subscriber group's parked events; as large as any, since it takes them verbatim."""
        return Topic(
            name=f"{group}.parked",
            records=(READY, FAILED, REMOVED),
            partitions=1,
            replication=self.replication,
            min_isr=self.min_isr,
            retention_ms=self._retention_ms,
            max_message_bytes=MAX_FAILED_BYTES,
        )

    @property
    def _retention_ms(self) -> int:
        return self.retention_days * 24 * 60 * 60 * 1000

    def _topic(self, name: str, *records: str, max_message_bytes: int = MAX_INPUT_BYTES) -> Topic:
        return Topic(
            name=f"{self.prefix}{name}",
            records=records,
            partitions=self.partitions,
            replication=self.replication,
            min_isr=self.min_isr,
            retention_ms=self._retention_ms,
            max_message_bytes=max_message_bytes,
        )


def subject(topic: str, record: str) -> str:
    """Return the registry's subject of a record type on a topic, by the strategy TopicRecordName."""
    return f"{topic}-{NAMESPACE}.{record}"
