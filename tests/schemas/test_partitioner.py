"""Every producer of ours puts a key where Java's and Faust's put it, or the key would order nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient

from schemas.topics import Topics
from streams.adapters.kafka_settings import Timing, producer_settings
from streams.adapters.kafka_topics import TopicAdmin
from streams.client.kafka import producer_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.topics import Topic
    from tests.support import Stack

# Computed with org.apache.kafka.common.utils.Utils of kafka-clients 4.3.0: toPositive(murmur2(key)) % 12.
JAVA = {
    "acme/7": 10,
    "acme/8": 2,
    "acme/9": 3,
    "a/b": 6,
    "t/i": 10,
    "acme%2Feu/Katze%20%E2%84%967": 2,
    "x/0": 11,
    "x/1": 4,
    "x/2": 1,
    "x/3": 5,
    "x/4": 11,
    "x/5": 9,
    "tenant-with-a-long-name/image-with-a-long-name.jpeg": 9,
    "%2E/%2E%2E": 6,
}


@pytest.fixture
def topic(stack: Stack, unique: Callable[[str], str]) -> Iterator[Topic]:
    """Yield a topic of twelve partitions."""
    topic = Topics(prefix=f"{unique('keys')}.").uploaded
    TopicAdmin({"bootstrap.servers": stack.bootstrap}).create([topic])
    yield topic
    client = AdminClient({"bootstrap.servers": stack.bootstrap})
    client.delete_topics([topic.name])[topic.name].result()


def publisher(stack: Stack) -> dict[str, Any]:
    """Return the properties of a publisher's producer."""
    return producer_properties({"bootstrap.servers": stack.bootstrap}, client_id="test", delivery_s=10, largest=1000)


def engine(stack: Stack) -> dict[str, Any]:
    """Return the properties of a worker's producer, with its delivery reports let through."""
    settings = producer_settings({"bootstrap.servers": stack.bootstrap}, "unused", Timing())
    unwanted = {"transactional.id", "transaction.timeout.ms", "delivery.report.only.error"}
    return {name: value for name, value in settings.items() if name not in unwanted}


@pytest.mark.parametrize("properties", [publisher, engine])
def test_keys_land_where_java_puts_them(
    stack: Stack, topic: Topic, properties: Callable[[Stack], dict[str, Any]]
) -> None:  # fmt: skip
    """The partition of each key is the one that Java's client computes."""
    landed: dict[str, int | None] = {}

    def delivered(error: object, message: Message) -> None:
        assert error is None
        landed[(message.key() or b"").decode()] = message.partition()

    producer = Producer(properties(stack))
    for key in JAVA:
        producer.produce(topic.name, b"", key=key.encode(), on_delivery=delivered)
    assert producer.flush(20) == 0
    assert landed == JAVA
