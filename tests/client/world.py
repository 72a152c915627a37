"""An installation of its own on the real stack, and the answers a worker would give there, made by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient

from schemas.codec import Codec
from schemas.events import Cause, ImageFailed, ImageReady, Output
from schemas.headers import event_headers
from schemas.ids import record_key
from schemas.topics import Topics
from streams.adapters.kafka_topics import TopicAdmin
from streams.adapters.minio_client import S3Config
from streams.adapters.minio_objects import MinioObjects
from streams.adapters.registry import Registry, RegistryAccess
from streams.client.kafka import as_record
from streams.client.parts import Parts, utc_now
from streams.client.subscriber import Subscriber
from tests.schemas.builders import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.record import Headers, Record
    from tests.support import Stack

PARTITIONS = 2
QUICK_S = 10.0


@dataclass(frozen=True)
class World:
    """One installation."""

    stack: Stack
    parts: Parts
    objects: MinioObjects

    @classmethod
    def build(cls, stack: Stack, name: str) -> World:
        """Make topics, subjects and the upload bucket under a name that nobody else uses."""
        world = cls.at(stack, name)
        topics = world.parts.topics.all
        TopicAdmin(world.parts.kafka).create(topics)
        with Registry(RegistryAccess(stack.registry_url)) as registry:
            registry.register_all(topics)
        world.objects.make_bucket(name)
        return world

    @classmethod
    def at(cls, stack: Stack, name: str) -> World:
        """Return the installation of this name."""
        topics = Topics(prefix=f"{name}.", partitions=PARTITIONS)
        registry = Registry(RegistryAccess(stack.registry_url))
        objects = MinioObjects(
            S3Config(stack.s3_endpoint, access_key=stack.s3_access_key, secret_key=stack.s3_secret_key, secure=False)
        )
        parts = Parts(
            kafka={"bootstrap.servers": stack.bootstrap},
            codec=Codec(registry, topics),
            topics=topics,
            store=lambda: objects,
            upload_bucket=name,
            bucket=name,
            release=registry.close,
        )
        return cls(stack, parts, objects)

    def having(self, **parts: Any) -> World:  # noqa: ANN401 - any of the parts
        """Return the same installation seen with other parts."""
        return replace(self, parts=replace(self.parts, **parts))

    def member(self, name: str) -> World:
        """Return it for a static member: who comes back under the name need not wait for the end of a session."""
        return self.having(kafka={**self.parts.kafka, "group.instance.id": name})

    def subscriber(self, group: str, **options: Any) -> Subscriber:  # noqa: ANN401 - a subscriber's own options
        """Return a subscriber that has its share: it sees what is said from now on."""
        subscriber = Subscriber(self.parts, **({"group": group, "start": "latest"} | options))
        assert subscriber.wait_assigned(QUICK_S)
        return subscriber

    def say(self, *events: Output, headers: Headers = (), value: bytes | None = None) -> None:
        """Produce answers as a worker does, without its transaction; ``value`` in place of what the event says."""
        producer = Producer({**self.parts.kafka, "partitioner": "murmur2_random", "linger.ms": 0})
        for event in events:
            self.produce(producer, event, headers, value)
        assert producer.flush(QUICK_S) == 0

    def say_bare(self, event: Output) -> None:
        """Produce an answer without any header, as what comes through a mirror that drops them."""
        producer = Producer({**self.parts.kafka, "partitioner": "murmur2_random", "linger.ms": 0})
        topic = self.topic_of(event)
        key = record_key(event.tenant or "", event.image_id or "")
        producer.produce(topic, key=key, value=self.parts.codec.encode(topic, event))
        assert producer.flush(QUICK_S) == 0

    def produce(self, producer: Producer, event: Output, headers: Headers = (), value: bytes | None = None) -> None:
        """Queue one answer."""
        topic = self.topic_of(event)
        said = event_headers(event, source="test", time=utc_now())
        key = record_key(event.tenant or "", event.image_id or "")
        encoded = self.parts.codec.encode(topic, event) if value is None else value
        producer.produce(topic, key=key, value=encoded, headers=[*said, *headers])

    def topic_of(self, event: Output) -> str:
        """Return the topic an answer belongs on."""
        return self.parts.topics.output_for(type(event).__name__).name

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Return the group's positions."""
        admin = AdminClient(dict(self.parts.kafka))
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        found = asked[group].result(QUICK_S).topic_partitions
        return {(each.topic, each.partition): each.offset for each in found}

    def shares(self, group: str) -> list[int]:
        """Return how many partitions each member of the group has."""
        admin = AdminClient(dict(self.parts.kafka))
        members = admin.describe_consumer_groups([group])[group].result(QUICK_S).members
        return sorted(len(member.assignment.topic_partitions) for member in members)

    def expire(self, topic: str, partition: int, *, before: int) -> None:
        """Delete the records before an offset, as retention does."""
        place = KafkaPartition(topic, partition, before)
        admin = AdminClient(dict(self.parts.kafka))  # must outlive the call
        admin.delete_records([place])[place].result(QUICK_S)

    def records(self, topic: str) -> list[Record]:
        """Return everything on a topic, committed or not asked."""
        return list(self._records(topic))

    def _records(self, topic: str) -> Iterator[Record]:
        quick = {"group.id": f"look-{uuid4()}", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        consumer = Consumer({**self.parts.kafka, **quick})
        ends = {}
        for number in consumer.list_topics(topic, timeout=QUICK_S).topics[topic].partitions:
            low, high = consumer.get_watermark_offsets(KafkaPartition(topic, number), timeout=QUICK_S)
            if low < high:
                ends[number] = high
        consumer.assign([KafkaPartition(topic, number, 0) for number in ends])
        while ends:
            message = consumer.poll(QUICK_S)
            assert message is not None
            record = as_record(message)
            if record.offset + 1 >= ends.get(record.partition, 0):
                ends.pop(record.partition, None)
            yield record
        consumer.close()


def ready(tenant: str, image_id: str, **changes: Any) -> ImageReady:  # noqa: ANN401 - fields of the event
    """Return a ready event of live traffic with an id of its own."""
    full = FULL["ImageReady"]
    assert isinstance(full, ImageReady)
    fresh: dict[str, Any] = {"event_id": uuid4(), "cause": Cause("images.uploaded", 0, 1, uuid4())}
    return replace(full, tenant=tenant, image_id=image_id, **(fresh | changes))


def failed(tenant: str, image_id: str, **changes: Any) -> ImageFailed:  # noqa: ANN401 - fields of the event
    """Return a failed event of live traffic with an id of its own."""
    full = FULL["ImageFailed"]
    assert isinstance(full, ImageFailed)
    fresh: dict[str, Any] = {"event_id": uuid4(), "cause": Cause("images.uploaded", 0, 1, uuid4())}
    return replace(full, tenant=tenant, image_id=image_id, **(fresh | changes))
