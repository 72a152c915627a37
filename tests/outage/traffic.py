"""What is published during outages, and the question asked after each: whether all was answered once, and well."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from confluent_kafka import Message, Producer
from PIL import Image

from schemas.events import ImageReady
from streams.client.uploads import Upload
from streams.settings import load
from tests.integration.fleet import causes, out_of_order, publish, read_outputs
from tests.support import wait_until

if TYPE_CHECKING:
    from tests.command import Darkroom
    from tests.integration.fleet import Place

TENANT = "tenant"
KEYS = 20
LANE = "images.uploaded"
UNKNOWN_SCHEMA = b"\0\0\0\xff\xfe"
DELIVERY_S = 20.0


class Traffic:
    """Publishes to one place and knows what has to come out."""

    def __init__(self, place: Darkroom) -> None:
        self.place = place
        self._landed: list[Place] = []
        self._made = 0
        self._garbage = 0

    def publish(self, count: int) -> None:
        """Publish so many good images; keys come again, so that their order can be looked at."""
        numbers = range(self._made, self._made + count)
        self._made += count
        uploads = [Upload(_picture(number), TENANT, f"image-{number % KEYS}") for number in numbers]
        self._landed += publish(self.place, uploads, deletes=0, garbage=0)

    def publish_garbage(self) -> None:
        """Publish one record whose schema nobody knows: a worker has to ask the registry, and then fails it."""
        settings = load(self.place.config).settings
        producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
        told: list[Message] = []
        topic = f"{settings.kafka.topic_prefix}{LANE}"
        producer.produce(topic, UNKNOWN_SCHEMA, b"garbage", on_delivery=lambda _error, message: told.append(message))
        assert producer.flush(DELIVERY_S) == 0
        self._garbage += 1
        self._landed.append((LANE, int(told[0].partition() or 0), int(told[0].offset() or 0)))

    def assert_all_answered_once(self, limit: float) -> None:
        """Wait for the answers, and demand: none twice, none missing, each key's in order, none failed but garbage."""
        wait_until(lambda: len(read_outputs(self.place)) >= len(self._landed), limit, what="all answers", pause=0.5)
        found = read_outputs(self.place)
        prefix = load(self.place.config).settings.kafka.topic_prefix
        assert causes(found, prefix) == dict.fromkeys(self._landed, 1)
        assert out_of_order(found) == []
        assert sum(not isinstance(each.event, ImageReady) for each in found) == self._garbage


def _picture(number: int) -> bytes:
    picture = Image.linear_gradient("L").resize((96, 72)).convert("RGB")
    picture.paste((number * 37 % 256, number * 91 % 256, number % 256), (8, 8, 60, 50))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue()
