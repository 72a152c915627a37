"""The demo's engine room: an embedded broker, a folder as the store, a registry in this process, and one worker.

Everything else is the real thing: the same engine, handler, render processes, publisher and readers as in production.
What is shown of it is ``demo``'s.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.codec import Codec
from streams.adapters.directory_store import DirectoryStore
from streams.adapters.embedded import embedded_broker
from streams.cli import demo_samples
from streams.client.publisher import Publisher
from streams.client.waiter import Waiter
from streams.compose.client import make_parts
from streams.compose.services import make_registry, make_topics
from streams.compose.worker import start_engine
from streams.settings import Kafka, Limits, Log, Recipes, Registry, Settings, Store, Topics, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.events import Output
    from streams.client.parts import Parts
    from streams.runtime.shell import Engine

TENANT: Final = "demo"
BUCKET: Final = "darkroom"
DRAIN_S: Final = 5.0
SILENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one file."""

    file: Path
    event: Output
    seconds: float
    """From publishing it to its answer."""


class Lab:
    """A running worker with its broker and store; publishes to it and hears its answers."""

    def __init__(self, parts: Parts, store: DirectoryStore, waiter: Waiter) -> None:
        self._parts = parts
        self._waiter = waiter
        self.store = store

    def develop(self, files: Sequence[Path]) -> Iterator[Answer]:
        """Publish the files and yield each answer as it comes. TimeoutError if nothing comes for a minute."""
        begun: dict[object, tuple[Path, float]] = {}
        with Publisher(self._parts) as publisher:
            for number, file in enumerate(files, 1):
                image_id = file.stem if len({each.stem for each in files}) == len(files) else f"{number}-{file.name}"
                sent = publisher.publish_file(file, tenant=TENANT, image_id=image_id)
                begun[sent.event_id] = (file, time.monotonic())
        heard = time.monotonic()
        while begun:
            for event in self._waiter.answers(0.2):
                known = begun.pop(event.cause.event_id, None)
                if known is not None:
                    heard = time.monotonic()
                    yield Answer(known[0], event, heard - known[1])
            if time.monotonic() - heard > SILENCE_S:
                raise TimeoutError(f"no answer for {SILENCE_S:g} s")


@contextmanager
def open_lab(root: Path) -> Iterator[Lab]:
    """Start everything below ``root`` and stop it at the end."""
    with embedded_broker() as broker:
        settings = _settings(root, broker.bootstrap_servers)
        topics = make_topics(settings)
        broker.make_topics([topic.name for topic in topics.all])
        registry = make_registry(settings)
        registry.register_all(topics.all)
        codec = Codec(registry, topics)
        store = DirectoryStore(root)
        for bucket in (BUCKET, settings.store.upload_bucket):
            store.make_bucket(bucket)
        parts = make_parts(settings, codec)
        with start_engine(settings, broker, store, codec, "demo") as engine, _running(engine), Waiter(parts) as waiter:
            yield Lab(parts, store, waiter)


def draw_samples(folder: Path) -> list[Path]:
    """Make the four sample photographs, two at a time, in processes of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        drawn = [pool.submit(demo_samples.write, index, str(folder)) for index in (3, 0, 1, 2)]  # the slowest first
        return sorted(Path(done.result()) for done in drawn)


@contextmanager
def _running(engine: Engine) -> Iterator[None]:
    thread = threading.Thread(target=engine.run, name="demo-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        engine.stop(DRAIN_S)
        thread.join(2 * DRAIN_S)


def _settings(root: Path, bootstrap_servers: str) -> Settings:
    """Return the demo's settings; nothing is read from the environment, which may describe a real installation."""
    return Settings.model_construct(
        kafka=Kafka(bootstrap_servers=bootstrap_servers, group="demo"),
        registry=Registry(url="mock://demo"),
        store=Store(kind="directory", directory=root, bucket=BUCKET),
        sources=(),
        worker=Worker(),
        limits=Limits(),
        recipes=Recipes(),
        topics=Topics(replication=1, min_isr=1),
        log=Log(level="error", format="console"),
    )
