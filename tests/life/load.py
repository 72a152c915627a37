"""Steady load while a fleet is changed: publishes at a fixed rate, reads committed answers all along, and measures."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import Consumer, TopicPartition
from PIL import Image

from schemas.codec import Codec
from schemas.events import ImageReady
from streams.client.publisher import Publisher
from streams.client.uploads import Upload
from streams.compose.client import make_parts
from streams.compose.services import make_registry, make_topics
from streams.settings import load
from tests.integration.fleet import Found, Place, causes, out_of_order
from tests.support import wait_until

if TYPE_CHECKING:
    from streams.client.publication import Publication
    from tests.command import Darkroom

KEYS: Final = 40
"""Images that are uploaded again and again, each time with other pixels: nothing is answered from a manifest."""
MOST_WAITING: Final = 60
"""Unanswered uploads at once: a machine that is busy with other things gets fewer, not a heap that grows."""
LIMIT_S: Final = 60.0
DELIVERY_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class _Sent:
    at: float
    publication: Publication

    def place(self) -> Place:
        delivery = self.publication.result(DELIVERY_S)
        assert delivery.offset is not None, "no broker restarts here"
        return delivery.topic[delivery.topic.index("images.") :], delivery.partition, delivery.offset


class Load:
    """A publisher and a read_committed reader, each on a thread of its own. Leave the context to stop both."""

    def __init__(self, place: Darkroom, rate: float) -> None:
        self._settings = load(place.config).settings
        self._topics = make_topics(self._settings)
        self._pause = 1 / rate
        self._sent: list[_Sent] = []
        self._seen: list[tuple[float, Found]] = []
        self._publishing, self._reading = threading.Event(), threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guarded, args=(work,)) for work in (self._publish, self._read)]
        self.extra: list[Upload] = []
        """Published as soon as it is found here, between two others."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._publishing.set()
        self._reading.set()
        for thread in self._threads:
            thread.join()

    def published(self) -> int:
        """Return how many uploads are on their way or there."""
        self._raise()
        return len(self._sent)

    def answered(self) -> int:
        """Return how many committed answers were seen."""
        self._raise()
        return len(self._seen)

    def more(self, count: int) -> None:
        """Wait until so many more answers were seen: the fleet works."""
        enough = self.answered() + count
        wait_until(lambda: self.answered() >= enough, LIMIT_S, what=f"{count} more answers")

    def end(self) -> None:
        """Publish no more and wait until as many answers are there as inputs."""
        self._publishing.set()
        self._threads[0].join(LIMIT_S)
        wait_until(lambda: self.answered() >= self.published(), LIMIT_S, what="an answer to everything")

    def assert_exactly_once(self) -> None:
        """Every input has one ready answer, nothing else has any, and each key's are in order."""
        found = [each for _, each in self._seen]
        assert causes(found, self._topics.prefix) == dict.fromkeys((each.place() for each in self._sent), 1)
        assert [each.event for each in found if not isinstance(each.event, ImageReady)] == []
        assert out_of_order(found) == []

    def waits(self, since: float, until: float) -> list[float]:
        """Return the seconds from publish to visible answer of what was published in that time, ascending."""
        prefix = self._topics.prefix
        seen = {next(iter(causes([each], prefix))): at for at, each in self._seen}
        return sorted(seen[each.place()] - each.at for each in self._sent if since <= each.at < until)

    # --- the threads ---------------------------------------------------------------------------------------------

    def _publish(self) -> None:
        registry = make_registry(self._settings)
        parts = make_parts(self._settings, Codec(registry, self._topics))
        with registry, Publisher(parts, parallel=2) as publisher:
            while not self._publishing.wait(self._pause):
                number = len(self._sent)
                if number - len(self._seen) >= MOST_WAITING:
                    continue
                upload = Upload(picture(number), f"tenant-{number % 3}", f"image-{number % KEYS}", "avatar")
                while self.extra:
                    self._sent.append(_Sent(time.monotonic(), publisher.submit(self.extra.pop())))
                self._sent.append(_Sent(time.monotonic(), publisher.submit(upload)))

    def _read(self) -> None:
        registry = make_registry(self._settings)
        codec = Codec(registry, self._topics)
        consumer = Consumer({
            "bootstrap.servers": self._settings.kafka.bootstrap_servers,
            "group.id": "nobody",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        })  # fmt: skip
        numbers = range(self._settings.topics.partitions)
        consumer.assign([TopicPartition(topic.name, number, 0) for topic in self._topics.outputs for number in numbers])
        try:
            while not self._reading.is_set():
                for message in consumer.consume(200, 0.05):
                    assert message.error() is None, message.error()
                    topic, partition = str(message.topic()), int(message.partition() or 0)
                    event = codec.decode(topic, message.value())
                    self._seen.append((time.monotonic(), Found(topic, partition, message.key(), event)))  # type: ignore[arg-type]
        finally:
            consumer.close()
            registry.close()

    def _guarded(self, work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - raised by whoever asks next
            self._errors.append(error)

    def _raise(self) -> None:
        if self._errors:
            raise self._errors[0]


def picture(number: int) -> bytes:
    """Return a small picture that no other number has."""
    image = Image.linear_gradient("L").resize((96, 72)).convert("RGB")
    image.paste((number * 37 % 256, number // 256, number * 91 % 256), (8, 8, 60, 50))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=85)
    return data.getvalue()


def p99(ascending: list[float]) -> float:
    """Return the 99th percentile."""
    return ascending[int(len(ascending) * 0.99)]
