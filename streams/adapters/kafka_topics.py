"""Makes the catalogue's topics, compares them with what the cluster has, and grows them.

Changes nothing that exists except by `TopicAdmin.grow`; naming a difference is the operator's, mending it too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import TopicCollection
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, though not in its __all__
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from schemas.errors import DarkroomError
from streams.adapters.kafka_admin import AdminError, KafkaAdmin
from streams.adapters.kafka_offsets import GroupOffsets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.topics import Topic
    from streams.adapters.kafka_offsets import InitialPosition

MAP_BYTES: Final = 4096
"""What the workers' map needs of ``offset.metadata.max.bytes``, Kafka's own default."""

_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that is not as it should be."""

    where: str
    """A topic's name, or ``broker N``."""
    setting: str
    found: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.where}: {self.setting} is {self.found}, wanted is {self.wanted}"


@dataclass(frozen=True, slots=True)
class Created:
    """What `TopicAdmin.create` or `TopicAdmin.grow` did."""

    topics: tuple[str, ...]
    positions: tuple[InitialPosition, ...]


class KeyOrderError(DarkroomError):
    """Growing would break the order of keys, and nobody said that this is accepted."""


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replication: int


class TopicAdmin:
    """The topics of one cluster. Every method may raise `schemas.errors.Unavailable` ("kafka") and `AdminError`."""

    def __init__(self, settings: Mapping[str, Any], *, timeout_s: float = 8.0) -> None:
        self._admin = KafkaAdmin(settings, timeout_s=timeout_s)

    def create(self, topics: Iterable[Topic], *, inputs: Iterable[Topic] = (), group: str | None = None) -> Created:
        """Make the topics that are missing and leave the others alone; then commit the group's missing positions.

        A group that starts on these ``inputs`` begins with the first record: nobody resets a position for it later.
        """
        missing = [topic for topic in topics if self._describe(topic.name) is None]
        futures = self._admin.client.create_topics(
            [NewTopic(topic.name, topic.partitions, topic.replication, config=topic.config) for topic in missing],
            operation_timeout=self._admin.timeout_s,
            request_timeout=self._admin.timeout_s,
        ) if missing else {}  # fmt: skip
        for name, future in futures.items():
            self._await_creation(name, future)
        self._admin.settle(lambda: self._demand_partitions(missing))
        positions = self._initialise(group, inputs)
        return Created(tuple(topic.name for topic in missing), positions)

    def check(self, topics: Sequence[Topic], *, inputs: Sequence[Topic] = ()) -> list[Difference]:
        """Return every difference between the catalogue and the cluster; empty: all is as it should be."""
        differences = [one for topic in topics for one in self._check_topic(topic)]
        return differences + self._check_brokers(inputs)

    def grow(self, topic: Topic, *, group: str | None = None, accept_order_break: bool = False) -> Created:
        """Give the topic as many partitions as the catalogue says, and the group its positions on the new ones.

        Raise `KeyOrderError` unless the break of key order is accepted; `AdminError` ``NON_EMPTY_GROUP`` while the
        group has members (they could not be given positions), ``INVALID_PARTITIONS`` if the topic has more already.
        """
        found = self._describe(topic.name)
        if found is None:
            message = f"topic {topic.name} does not exist: run `darkroom topics create`"
            raise AdminError("UNKNOWN_TOPIC_OR_PART", message)
        if found.partitions == topic.partitions:
            return Created((), ())
        if found.partitions > topic.partitions:
            message = f"topic {topic.name} has {found.partitions} partitions and cannot shrink to {topic.partitions}"
            raise AdminError("INVALID_PARTITIONS", message)
        if not accept_order_break:
            message = (
                f"growing {topic.name} from {found.partitions} to {topic.partitions} partitions moves keys: what was "
                "published before and what comes after may be processed in either order where a key moved. Readers "
                "that compare hlc are not misled. Drain the topic first if order matters, then accept the break."
            )
            raise KeyOrderError(message)
        if group is not None:
            GroupOffsets(self._admin, group).demand_idle()
        futures = self._admin.client.create_partitions(
            [NewPartitions(topic.name, topic.partitions)], request_timeout=self._admin.timeout_s
        )
        self._admin.wait(futures[topic.name], f"topic {topic.name}")
        self._admin.settle(lambda: self._demand_partitions([topic]))
        return Created((topic.name,), self._initialise(group, (topic,)))

    def offsets(self, group: str) -> GroupOffsets:
        """Return the positions of a group on the same cluster."""
        return GroupOffsets(self._admin, group)

    def _initialise(self, group: str | None, inputs: Iterable[Topic]) -> tuple[InitialPosition, ...]:
        names = [topic.name for topic in inputs]
        if group is None or not names:
            return ()
        return tuple(self._admin.settle(lambda: self.offsets(group).initialise(names, "earliest")))

    def _demand_partitions(self, topics: Iterable[Topic]) -> None:
        """Raise until everything new shows: a partition that does not yet would be left without a position."""
        for topic in topics:
            found = self._describe(topic.name)
            if found is None or found.partitions < topic.partitions:
                message = f"topic {topic.name} has fewer than {topic.partitions} partitions"
                raise AdminError("UNKNOWN_TOPIC_OR_PART", message)

    def _await_creation(self, name: str, future: Any) -> None:  # noqa: ANN401 - the client's futures are untyped
        try:
            self._admin.wait(future, f"topic {name}")
        except AdminError as error:
            if error.code != "TOPIC_ALREADY_EXISTS":  # somebody was quicker: what we wanted is there
                raise

    def _describe(self, name: str) -> _Found | None:
        futures = self._admin.client.describe_topics(TopicCollection([name]), request_timeout=self._admin.timeout_s)
        try:
            described = self._admin.wait(futures[name], f"topic {name}")
        except AdminError as error:
            if error.code == "UNKNOWN_TOPIC_OR_PART":
                return None
            raise
        return _Found(len(described.partitions), min(len(part.replicas) for part in described.partitions))

    def _check_topic(self, topic: Topic) -> list[Difference]:
        found = self._describe(topic.name)
        if found is None:
            return [Difference(topic.name, "topic", "missing", "there: run `darkroom topics create`")]
        config = self._config(ConfigResource.Type.TOPIC, topic.name)
        pairs = [
            ("partitions", str(found.partitions), str(topic.partitions)),
            ("replication factor", str(found.replication), str(topic.replication)),
            *((name, config.get(name, "unset"), wanted) for name, wanted in topic.config.items()),
        ]
        return [Difference(topic.name, name, is_, wanted) for name, is_, wanted in pairs if is_ != wanted]

    def _check_brokers(self, inputs: Sequence[Topic]) -> list[Difference]:
        """Look for what the brokers themselves must keep: positions at least as long as the records they point to."""
        if not inputs:
            return []
        cluster = self._admin.wait(self._admin.client.describe_cluster(request_timeout=self._admin.timeout_s))
        needed = {
            "offsets.retention.minutes": max(-(-topic.retention_ms // _MINUTE_MS) for topic in inputs),
            "offset.metadata.max.bytes": MAP_BYTES,
        }
        differences = []
        for node in sorted(cluster.nodes, key=lambda node: int(node.id)):
            config = self._config(ConfigResource.Type.BROKER, str(node.id))
            differences += [
                Difference(f"broker {node.id}", name, config.get(name, "unset"), f"at least {least}")
                for name, least in needed.items()
                if int(config.get(name, 0)) < least
            ]
        return differences

    def _config(self, kind: Any, name: str) -> dict[str, str]:  # noqa: ANN401 - the client's enum is untyped
        resource = ConfigResource(kind, name)
        futures = self._admin.client.describe_configs([resource], request_timeout=self._admin.timeout_s)
        return {entry.name: str(entry.value) for entry in self._admin.wait(futures[resource]).values()}
