"""A group as its coordinator sees it, the ids of topics, and positions written with their maps: for status and repair.

Reads never disturb a running group; positions with maps are written only for a group without members.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicCollection
from confluent_kafka import TopicPartition as Place

from schemas.record import TopicPartition
from streams.adapters.kafka_admin import AdminError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.adapters.kafka_admin import KafkaAdmin
    from streams.runtime.ports import Position


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group."""

    client_id: str
    host: str
    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A group with its members."""

    name: str
    state: str
    """Kafka's word: ``stable``, ``empty``, ``dead`` (nobody was ever in it), ``preparing_rebalancing`` …"""
    members: tuple[Member, ...] = ()


def describe_group(admin: KafkaAdmin, name: str) -> Group:
    """Return the group's state and members."""
    futures = admin.client.describe_consumer_groups([name], request_timeout=admin.timeout_s)
    try:
        found = admin.wait(futures[name])
    except AdminError as error:
        if error.code == "GROUP_ID_NOT_FOUND":
            return Group(name, "dead")
        raise
    return Group(name, found.state.name.lower(), tuple(_member(member) for member in found.members))


def topic_ids(admin: KafkaAdmin, topics: Sequence[str]) -> dict[str, bytes]:
    """Return the 16-byte id of each topic: it changes when a topic is deleted and made again."""
    futures = admin.client.describe_topics(TopicCollection(list(topics)), request_timeout=admin.timeout_s)
    return {topic: _uuid_bytes(admin.wait(future).topic_id) for topic, future in futures.items()}


def write_positions(admin: KafkaAdmin, group: str, positions: Mapping[TopicPartition, Position]) -> None:
    """Commit offsets with their metadata; AdminError if a member turned up meanwhile."""
    places = [Place(at.topic, at.partition, each.offset or 0, each.metadata) for at, each in positions.items()]
    request = [ConsumerGroupTopicPartitions(group, places)]
    futures = admin.client.alter_consumer_group_offsets(request, request_timeout=admin.timeout_s)
    for place in admin.wait(futures[group]).topic_partitions or []:
        if place.error is not None:
            raise admin.error(place.error, f"{place.topic}[{place.partition}]: {place.error.str()}")


def _member(member: Any) -> Member:  # noqa: ANN401  the client's description, which has no types
    places = member.assignment.topic_partitions if member.assignment else []
    held = sorted(TopicPartition(place.topic, place.partition) for place in places)
    return Member(member.client_id, member.host.lstrip("/"), tuple(held))


def _uuid_bytes(uuid: Any) -> bytes:  # noqa: ANN401  likewise
    mask = (1 << 64) - 1
    high, low = uuid.get_most_significant_bits() & mask, uuid.get_least_significant_bits() & mask
    return bytes(high.to_bytes(8, "big") + low.to_bytes(8, "big"))
