"""The largest input that the broker takes, undecodable, fits whole into a failed event that the broker takes too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient

from schemas.codec import MAX_DETAIL_CHARACTERS, Codec
from schemas.errors import Permanent, Reason
from schemas.events import Cause, ImageFailed
from schemas.headers import DeadLetter, dead_letter_headers, event_headers
from schemas.ids import undecodable_event_id
from schemas.topics import MAX_INPUT_BYTES, Topics
from streams.adapters.kafka_settings import Timing, producer_settings
from streams.adapters.kafka_topics import TopicAdmin
from tests.schemas.builders import registered_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemas.record import Headers
    from tests.support import Stack


@pytest.fixture
def topics(stack: Stack, unique: Callable[[str], str]) -> Iterator[Topics]:
    """Yield a catalogue with its input and failed topic made, as `darkroom topics create` makes them."""
    topics = Topics(prefix=f"{unique('fits')}.", partitions=1)
    TopicAdmin({"bootstrap.servers": stack.bootstrap}).create([topics.uploaded, topics.failed])
    yield topics
    client = AdminClient({"bootstrap.servers": stack.bootstrap})
    for future in client.delete_topics([topics.uploaded.name, topics.failed.name]).values():
        future.result()


def send(stack: Stack, topic: str, value: bytes) -> None:
    """Produce one record as a careless publisher, and raise what the broker says against it."""
    producer = Producer({"bootstrap.servers": stack.bootstrap, "message.max.bytes": 2 * MAX_INPUT_BYTES, "acks": "all"})
    refusals: list[KafkaException] = []

    def delivered(error: object, _: Message) -> None:
        if error is not None:
            refusals.append(KafkaException(error))

    producer.produce(topic, value, on_delivery=delivered)
    assert producer.flush(20) == 0
    if refusals:
        raise refusals[0]


def send_as_worker(stack: Stack, topic: str, value: bytes, headers: Headers) -> None:
    """Produce one record as the engine does: uncompressed here, or junk of one letter would fit anywhere."""
    settings = producer_settings({"bootstrap.servers": stack.bootstrap, "compression.type": "none"}, topic, Timing())
    producer = Producer(settings)
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic, value, headers=list(headers))
    producer.commit_transaction(20)


def read(stack: Stack, topic: str) -> Message:
    """Return the first record of a topic."""
    consumer = Consumer({"bootstrap.servers": stack.bootstrap, "group.id": uuid4().hex})
    try:
        consumer.assign([Position(topic, 0, 0)])
        message = consumer.poll(20)
        assert message is not None
        assert message.error() is None
        return message
    finally:
        consumer.close()


def largest_accepted(stack: Stack, topic: str) -> int:
    """Return how many bytes of value the broker just takes: the limit less a batch's framing."""
    for size in range(MAX_INPUT_BYTES, MAX_INPUT_BYTES - 200, -1):
        try:
            send(stack, topic, b"\xff" * size)
        except KafkaException as error:
            assert error.args[0].name() == "MSG_SIZE_TOO_LARGE"  # noqa: PT017 - any other refusal is a failure
        else:
            return size
    pytest.fail("the broker refuses everything")


def test_the_largest_undecodable_event_is_kept_whole(stack: Stack, topics: Topics) -> None:
    """Input limit, codec, headers, failed limit and the producers' limit agree, down to the last byte."""
    size = largest_accepted(stack, topics.uploaded.name)
    original = read(stack, topics.uploaded.name).value()
    assert original is not None
    assert len(original) == size > MAX_INPUT_BYTES - 200

    codec = Codec(registered_source(topics), topics)
    with pytest.raises(Permanent) as refused:
        codec.decode(topics.uploaded.name, original)
    event = ImageFailed(
        event_id=undecodable_event_id(b"t" * 16, 0, 0),
        cause=Cause(topics.uploaded.name, 0, 0),
        reason=Reason.INVALID_EVENT,
        detail=refused.value.detail + "\U0001f408" * MAX_DETAIL_CHARACTERS,
        attempts=1,
        failed_at=datetime.now(UTC),
        original=original,
    )
    letter = DeadLetter(topics.uploaded.name, 0, 0, "decode", "schemas.codec.Codec", event.detail)
    headers = (*event_headers(event, source="test", time=event.failed_at), *dead_letter_headers(letter))
    value = codec.encode(topics.failed.name, event)
    send_as_worker(stack, topics.failed.name, value, headers)

    kept = codec.decode(topics.failed.name, read(stack, topics.failed.name).value())
    assert isinstance(kept, ImageFailed)
    assert kept.original == original
