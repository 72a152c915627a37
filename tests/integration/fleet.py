"""A fleet of workers on the real stack, what is published to it, and what a read_committed reader finds afterwards."""

from __future__ import annotations

import io
import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from PIL import Image

from schemas.codec import Codec
from schemas.events import ImageReady
from streams.client.publisher import Publisher
from streams.client.uploads import Upload
from streams.compose.client import make_parts
from streams.compose.services import make_registry, make_topics
from streams.settings import load
from tests.cli.worker import RunningWorker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.events import Output
    from streams.client.publication import Publication
    from tests.command import Darkroom

Place = tuple[str, int, int]
"""Topic without the prefix, partition, offset of one input."""
IMAGES: Final = 60
"""Distinct images: with 500 events each key is used several times."""
LIMIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """One committed output, in the order of its partition."""

    topic: str
    partition: int
    key: bytes | None
    event: Output


def mixed_uploads(count: int, seed: int) -> list[Upload]:
    """Return uploads that are mostly good, of images that come again and again, some bad in each of three ways."""
    dice = random.Random(seed)  # noqa: S311 - which picture comes next is no secret
    pictures = [_picture(number) for number in range(IMAGES * 2)]
    uploads = []
    for _ in range(count):
        number = dice.randrange(IMAGES)
        data = pictures[number * 2 + dice.randrange(2)]
        kind = dice.random()
        if kind < 0.05:
            data = b"no picture at all"
        elif kind < 0.10:
            data = data[: len(data) // 2]
        lane = "bulk" if dice.random() < 0.3 else "uploaded"
        recipe = "avatar" if dice.random() < 0.3 else None
        uploads.append(Upload(data, f"tenant-{number % 3}", f"image-{number}", recipe, lane))  # type: ignore[arg-type]
    return uploads


def publish(place: Darkroom, uploads: Sequence[Upload], *, deletes: int, garbage: int) -> list[Place]:
    """Publish uploads with deletes among them, and records that are no events; return where all of it landed."""
    settings = load(place.config).settings
    topics = make_topics(settings)
    landed = _produce_garbage(settings.kafka.bootstrap_servers, topics.uploaded.name, garbage)
    publications: list[Publication] = []
    registry = make_registry(settings)
    parts = make_parts(settings, Codec(registry, topics))
    with registry, Publisher(parts, parallel=4) as publisher:
        doomed = {index * len(uploads) // deletes for index in range(deletes)}
        for index, upload in enumerate(uploads):
            publications.append(publisher.submit(upload))
            if index in doomed:
                publications.append(publisher.delete(tenant=upload.tenant, image_id=upload.image_id))
        publisher.flush()
    for each in publications:
        delivery = each.result()
        assert delivery.offset is not None, "no broker restarts while this publishes"
        landed.append((delivery.topic.removeprefix(topics.prefix), delivery.partition, delivery.offset))
    return landed


def read_outputs(place: Darkroom) -> list[Found]:
    """Return everything that is committed on the output topics, partition by partition."""
    settings = load(place.config).settings
    topics = make_topics(settings)
    registry = make_registry(settings)
    codec = Codec(registry, topics)
    consumer = Consumer({
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "group.id": "nobody",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "earliest",
    })  # fmt: skip
    try:
        wanted = [
            TopicPartition(topic.name, n, 0) for topic in topics.outputs for n in range(settings.topics.partitions)
        ]
        consumer.assign(wanted)
        found: list[Found] = []
        ended: set[tuple[str | None, int | None]] = set()
        while len(ended) < len(wanted):
            message = consumer.poll(LIMIT_S)
            assert message is not None, "the reader saw no end"
            error = message.error()
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error.str()  # noqa: SLF001 - librdkafka's spelling
                ended.add((message.topic(), message.partition()))
                continue
            topic, partition = str(message.topic()), int(message.partition() or 0)
            event = codec.decode(topic, message.value())
            found.append(Found(topic, partition, message.key(), event))  # type: ignore[arg-type]
        return found
    finally:
        consumer.close()
        registry.close()


def causes(found: Sequence[Found], prefix: str) -> Counter[Place]:
    """Return how often each input was answered."""
    return Counter(
        (each.event.cause.topic.removeprefix(prefix), each.event.cause.partition, each.event.cause.offset)
        for each in found
    )


def out_of_order(found: Sequence[Found]) -> list[tuple[Found, Found]]:
    """Return pairs of answers to one key from one input topic that stand in another order than their inputs."""
    last: dict[tuple[str, bytes | None, str], Found] = {}
    wrong = []
    for each in found:
        lane = (each.topic, each.key, each.event.cause.topic)
        before = last.get(lane)
        if before is not None and before.event.cause.offset > each.event.cause.offset:
            wrong.append((before, each))
        last[lane] = each
    return wrong


def hashes(found: Sequence[Found]) -> dict[tuple[str, ...], str]:
    """Return the hash of every announced object by what it is: image, source, recipe, variant."""
    return {
        (event.tenant, event.image_id, event.source_sha256, event.recipe, variant.name): variant.sha256
        for event in (each.event for each in found)
        if isinstance(event, ImageReady)
        for variant in event.variants
    }


@contextmanager
def worker(place: Darkroom, **variables: str) -> Iterator[RunningWorker]:
    """Run one worker; it is gone at the end, whatever happened."""
    with place.started("worker", env=variables) as process:
        yield RunningWorker(process)


def _picture(number: int) -> bytes:
    picture = Image.linear_gradient("L").resize((96, 72)).convert("RGB")
    picture.paste((number * 37 % 256, number * 91 % 256, number), (8, 8, 60, 50))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue()


def _produce_garbage(bootstrap: str, topic: str, count: int) -> list[Place]:
    landed: list[Place] = []

    def delivered(error: KafkaError | None, message: object) -> None:
        assert error is None, error
        place = (message.topic(), message.partition(), message.offset())  # type: ignore[attr-defined]
        landed.append((str(place[0])[str(place[0]).index("images.") :], int(place[1]), int(place[2])))

    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    for number in range(count):
        producer.produce(topic, key=f"garbage-{number}", value=b"\0\0\0\xff\xff" + bytes(number), on_delivery=delivered)
    producer.flush(LIMIT_S)
    assert len(landed) == count
    return landed
