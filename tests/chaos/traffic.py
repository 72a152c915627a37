"""What is published: uploads of small pictures again and again, bad ones, deletes, garbage; all by a seed.

By the product's own publisher, from a thread of its own. A few distinct sources of each image make most uploads find
their manifest, so that the events are many and the renders real but few.
"""

from __future__ import annotations

import io
import random
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Producer
from PIL import Image

from schemas.errors import DarkroomError
from streams.client.uploads import Upload

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.topics import Topics
    from streams.client.ports import ObjectStore, Stored
    from streams.client.publication import Publication
    from streams.client.publisher import Publisher

TENANTS: Final = 5
EVENTS_AN_IMAGE: Final = 20
SOURCES: Final = 40
SOURCES_AN_IMAGE: Final = 3
BAD, GARBAGE, DELETE, BULK = 0.015, 0.005, 0.04, 0.25
UNDECODABLE: Final = b"no picture at all"
AGAIN_S: Final = 0.5
DELIVERY_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to publish. Neither ``source`` nor ``delete``: a record that is no event."""

    tenant: str
    image: str
    source: bytes | None
    delete: bool = False
    bulk: bool = False


def make_sources() -> list[bytes]:
    """Return pictures of 64x64, each another one."""
    return [_picture(number) for number in range(SOURCES)]


def bad_sources(sources: list[bytes]) -> dict[str, frozenset[str]]:
    """Return the hashes of sources that must fail, and the reasons that are right for each."""
    return {
        sha256(UNDECODABLE).hexdigest(): frozenset({"undecodable", "unsupported_format"}),
        sha256(_truncated(sources)).hexdigest(): frozenset({"truncated", "undecodable"}),
    }


def steps(seed: int, events: int, sources: list[bytes]) -> Iterator[Step]:
    """Yield what to publish, without end; ``events`` decides how many images there are."""
    dice = random.Random(f"traffic {seed}")  # noqa: S311 - what comes next is no secret
    images = max(1, events // EVENTS_AN_IMAGE)
    while True:
        number = dice.randrange(images)
        tenant, image = f"tenant-{number % TENANTS}", f"image-{number}"
        kind, bulk = dice.random(), dice.random() < BULK
        if kind < GARBAGE:
            yield Step(tenant, image, None)
        elif kind < GARBAGE + DELETE:
            yield Step(tenant, image, None, delete=True)
        elif kind < GARBAGE + DELETE + BAD:
            yield Step(tenant, image, dice.choice((UNDECODABLE, _truncated(sources))), bulk=bulk)
        else:
            source = sources[(number + dice.randrange(SOURCES_AN_IMAGE)) % len(sources)]
            yield Step(tenant, image, source, bulk=bulk)


class KnownObjects:
    """The publisher's store, which puts each original once: the events are what this is about."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._known: dict[str, Stored] = {}

    def upload(self, bucket: str, key: str, data: bytes, *, content_type: str) -> Stored:
        if key not in self._known:
            self._known[key] = self._store.upload(bucket, key, data, content_type=content_type)
        return self._known[key]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the rest is the store's
        return getattr(self._store, name)


class Traffic:
    """Publishes step after step, and knows what was confirmed."""

    def __init__(self, publisher: Publisher, kafka: Mapping[str, Any], topics: Topics, todo: Iterator[Step]) -> None:
        self.confirmed: set[tuple[str, int, int]] = set()
        self.sent = 0
        self.ended = 0
        """Deliveries that ended, one way or the other."""
        self.unplaced = 0
        """Confirmed without an offset: a broker that restarted knows a batch sent twice, but no longer where it is."""
        self.failed: list[str] = []
        """Deliveries that Kafka did not confirm; they may be on the log all the same."""
        self._publisher = publisher
        self._topics = topics
        self._todo = todo
        self._lock = threading.Lock()
        own = {"enable.idempotence": True, "partitioner": "murmur2_random", "log_level": 0}
        self._producer = Producer({**kafka, **own, "message.timeout.ms": int(DELIVERY_S * 1000)})

    def publish(self, count: int, seconds: float = 0.0) -> None:
        """Publish so many, evenly over so many seconds, or as fast as it goes; each is tried until it is sent."""
        began = time.monotonic()
        for number in range(count):
            ahead = began + seconds * number / count - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
            step = next(self._todo)
            while not self._sent(step):
                time.sleep(AGAIN_S)  # the store is away: an upload needs it
            self.sent += 1

    def flush(self) -> None:
        """Wait until everything was confirmed or given up, which takes the delivery time-out at most."""
        until = time.monotonic() + 2 * DELIVERY_S
        while self.ended < self.sent and time.monotonic() < until:
            self._producer.flush(AGAIN_S)

    def _sent(self, step: Step) -> bool:
        topic = self._topics.bulk.name if step.bulk else self._topics.uploaded.name
        self._producer.poll(0)
        try:
            if step.source is not None:
                lane = "bulk" if step.bulk else "uploaded"
                upload = Upload(step.source, step.tenant, step.image, lane=lane)  # type: ignore[arg-type]
                self._publisher.publish(upload).when_done(self._done)
            elif step.delete:
                self._publisher.delete(tenant=step.tenant, image_id=step.image).when_done(self._done)
            else:
                self._producer.produce(topic, b"\0\0\0\xff\xffgarbage", step.image, on_delivery=self._delivered)
        except DarkroomError:
            return False
        return True

    def _done(self, publication: Publication) -> None:
        error = publication.exception()
        if error is not None:
            self._note(None, str(error))
        else:
            delivery = publication.result()
            self._note((delivery.topic, delivery.partition, delivery.offset))

    def _delivered(self, error: object, message: Any) -> None:  # noqa: ANN401 - confluent-kafka's
        self._note(None if error else (message.topic(), message.partition(), message.offset()), str(error))

    def _note(self, place: tuple[str, int, int | None] | None, error: str = "") -> None:
        with self._lock:
            self.ended += 1
            if place is None:
                self.failed.append(error)
            elif place[2] is None:
                self.unplaced += 1
            else:
                self.confirmed.add((place[0], place[1], place[2]))


def _picture(number: int) -> bytes:
    picture = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    picture.paste((number * 37 % 256, number * 91 % 256, number % 256), (8, 8, 40, 30))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    return data.getvalue()


def _truncated(sources: list[bytes]) -> bytes:
    return sources[0][: len(sources[0]) // 2]
