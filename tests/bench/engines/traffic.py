"""Real upload events of tiny pictures: made beforehand, published by a timetable, their answers read committed.

The timetable is open-loop: an event's time is when it was DUE, so a publisher that was held up, or a worker that was,
hides nothing. Half of the events are of images that were never seen (rendered to 64x64), half are of images that
are done already (nothing is rendered).
"""

from __future__ import annotations

import io
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from multiprocessing import get_context
from statistics import median
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from confluent_kafka import Consumer, Producer, TopicPartition
from PIL import Image

from processors.facts import Limits
from processors.inspect import inspect
from processors.recipe_file import load_folder
from processors.render import render
from processors.vips import configure_vips
from schemas.codec import Codec
from schemas.events import Attributes, ImageReady, ImageUploaded, Source
from schemas.ids import record_key
from streams.compose.services import make_registry, make_topics
from streams.compose.stores import make_store
from streams.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from tests.command import Darkroom

TENANT: Final = "bench"
RECIPE: Final = "tiny"
RECIPE_TEXT: Final = """
description = "One small square."

[[variant]]
name = "s64"
width = 64
height = 64
format = "webp"
quality = 80
fit = "fill"
"""
KNOWN: Final = 50
"""Images that are done already."""
AHEAD_S: Final = 0.3
LIMIT_S: Final = 60.0
WAKE_S: Final = 0.001


@dataclass(frozen=True, slots=True)
class Made:
    """One event that is ready to be published."""

    event_id: UUID
    key: bytes
    value: bytes
    rendered: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """One event's way: when it was due, when its answer was there, and what the worker says of it."""

    made: Made
    due: float
    seen: float
    ready: ImageReady

    @property
    def ms(self) -> float:
        """Milliseconds from due to seen."""
        return 1000 * (self.seen - self.due)


class Traffic:
    """Publishes to, and reads from, one place."""

    def __init__(self, place: Darkroom, resources: ExitStack) -> None:
        settings = load(place.config).settings
        topics = make_topics(settings)
        self._topic, self._ready = topics.uploaded.name, topics.ready.name
        self._codec = Codec(resources.enter_context(make_registry(settings)), topics)
        own = {"bootstrap.servers": settings.kafka.bootstrap_servers, "linger.ms": 0, "enable.idempotence": True}
        self._producer = Producer({**own, "partitioner": "murmur2_random"})
        self._reader = _reader(settings.kafka.bootstrap_servers, [t.name for t in topics.outputs], place_partitions())
        resources.callback(self._reader.close)
        self._numbers = count()
        self._hlcs = count((int(time.time() * 1000) - 60_000) << 16, 1 << 4)
        self.picture = tiny_picture()
        self._source = Source(
            settings.store.upload_bucket,
            f"{TENANT}/tiny.jpg",
            len(self.picture),
            sha256=sha256(self.picture).hexdigest(),
            content_type="image/jpeg",
        )
        make_store(settings).put(self._source.bucket, self._source.key, self.picture, content_type="image/jpeg")
        self.burst([self._event(f"known-{number}", rendered=True) for number in range(KNOWN)])

    def make(self, number: int) -> list[Made]:
        """Return so many events: in turn a new image, and one that is known."""
        made = []
        for index in range(number):
            fresh = index % 2 == 0
            name = f"new-{next(self._numbers)}" if fresh else f"known-{index // 2 % KNOWN}"
            made.append(self._event(name, rendered=fresh))
        return made

    def burst(self, events: Sequence[Made]) -> list[Answered]:
        """Publish all at once and wait for the answers."""
        return self._run(events, 0.0)

    def stream(self, events: Sequence[Made], per_second: float) -> list[Answered]:
        """Publish at this rate, come what may, and wait for the answers."""
        return self._run(events, 1 / per_second)

    def _event(self, image_id: str, *, rendered: bool) -> Made:
        event_id = uuid4()
        event = ImageUploaded(event_id, TENANT, image_id, self._source, RECIPE, datetime.now(UTC), next(self._hlcs))
        return Made(event_id, record_key(TENANT, image_id), self._codec.encode(self._topic, event), rendered)

    def _run(self, events: Sequence[Made], gap: float) -> list[Answered]:
        begin = time.perf_counter() + AHEAD_S
        publisher = Thread(target=self._publish, args=(events, begin, gap), daemon=True)
        publisher.start()
        seen = self._read(len(events), begin + gap * len(events) + LIMIT_S)
        publisher.join()
        answered = []
        for index, made in enumerate(events):
            at, topic, value = seen[str(made.event_id).encode()]
            ready = self._codec.decode(topic, value)
            if not isinstance(ready, ImageReady):
                raise TypeError(f"an answer is {ready}")
            if ready.deduplicated == made.rendered:
                raise RuntimeError(f"rendered or not, unlike what was meant: {ready}")
            answered.append(Answered(made, begin + index * gap, at, ready))
        return answered

    def _publish(self, events: Sequence[Made], begin: float, gap: float) -> None:
        for index, made in enumerate(events):
            while (left := begin + index * gap - time.perf_counter()) > 0:
                time.sleep(max(left, WAKE_S / 10))
            self._producer.produce(self._topic, made.value, made.key)
            self._producer.poll(0)
        self._producer.flush(LIMIT_S)

    def _read(self, number: int, limit: float) -> dict[bytes, tuple[float, str, bytes]]:
        """Read so many answers; their own event ids are found when the clock no longer runs."""
        found: list[tuple[float, Any]] = []
        while len(found) < number:
            messages = self._reader.consume(1, 1.0) + self._reader.consume(100, 0)
            now = time.perf_counter()
            if now > limit:
                raise TimeoutError(f"{len(found)} of {number} answers came")
            found += [(now, message) for message in messages if message.error() is None]
        by_event = {}
        for at, message in found:
            event: Any = self._codec.decode(message.topic(), message.value())
            by_event[str(event.cause.event_id).encode()] = (at, message.topic(), message.value())
        return by_event


def place_partitions() -> int:
    """Return how many partitions the bench's topics have."""
    return 12


def place_settings(folder: Path) -> dict[str, str]:
    """Write the recipe and return the settings, as variables, that the place needs."""
    recipes = folder / "recipes"
    recipes.mkdir()
    (recipes / f"{RECIPE}.toml").write_text(RECIPE_TEXT)
    return {
        "DARKROOM_RECIPES__FOLDER": str(recipes),
        "DARKROOM_TOPICS__PARTITIONS": str(place_partitions()),
        "DARKROOM_WORKER__RENDERERS": "0",
    }


def pure_render_ms(picture: bytes, folder: Path, times: int = 200) -> float:
    """Return the median of inspecting and rendering in a warm process that does nothing else."""
    with ProcessPoolExecutor(1, get_context("spawn")) as processes:
        return processes.submit(_pure, picture, str(folder / "recipes"), times).result()


def _pure(picture: bytes, folder: str, times: int) -> float:
    from pathlib import Path as Folder  # noqa: PLC0415 - in a process of its own

    configure_vips()
    recipe = load_folder(Folder(folder))[RECIPE]
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        render(picture, inspect(picture, Limits()), recipe, Attributes())
        spent.append(1000 * (time.perf_counter() - began))
    return median(spent)


def tiny_picture() -> bytes:
    """Draw a JPEG of 96x72."""
    picture = Image.linear_gradient("L").resize((96, 72)).convert("RGB")
    picture.paste((200, 40, 90), (8, 8, 60, 50))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue()


def _reader(bootstrap: str, topics: Sequence[str], partitions: int) -> Consumer:
    settings = {
        "bootstrap.servers": bootstrap,
        "group.id": "nobody",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 20,
    }
    reader = Consumer(settings)
    reader.assign([TopicPartition(name, number, 0) for name in topics for number in range(partitions)])
    return reader
