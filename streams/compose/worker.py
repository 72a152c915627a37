"""A worker from the settings: broker, store, renderer, handler and engine, and the checks it makes before it begins."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from processors.handler import ImageHandler
from processors.records import RecordHandler
from schemas.errors import Transient
from streams.adapters.handler_log import LoggedHandler
from streams.adapters.kafka import KafkaBroker, Timing
from streams.adapters.kafka_admin import AdminError
from streams.adapters.kafka_groups import topic_ids
from streams.adapters.slots import hold_slot
from streams.adapters.system_clock import SystemClock
from streams.compose.renderer import make_renderer
from streams.compose.services import kafka_properties, load_recipes, make_admin, make_codec, make_registry, make_topics
from streams.compose.stores import make_policy, make_store
from streams.runtime.limits import BatchLimits, LoopLimits
from streams.runtime.retry import RetryPolicy
from streams.runtime.shell import Engine, EngineSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from processors.ports import Store
    from schemas.codec import Codec
    from schemas.topics import Topics
    from streams.adapters.kafka_admin import KafkaAdmin
    from streams.runtime.ports import Broker
    from streams.settings import Settings

LIBRARIES = ("pyvips-binary", "darkroom")
"""Whose versions every manifest names."""


@contextmanager
def slot(settings: Settings, host: str) -> Iterator[str]:
    """Hold this worker's transactional id: the one set, else group, host and the first free number."""
    if settings.kafka.transactional_id is not None:
        yield settings.kafka.transactional_id
        return
    folder = settings.worker.slots_folder or Path(tempfile.gettempdir()) / "darkroom-slots"
    name = f"{settings.kafka.topic_prefix}{settings.kafka.group}-{host}".replace("/", "_")
    with hold_slot(folder, name) as transactional_id:
        yield transactional_id


def checks(settings: Settings) -> Mapping[str, Callable[[], None]]:
    """Return what must answer for a worker to do its job; each raises `Unavailable` with its own service's name."""
    topics, store, registry, admin = (
        make_topics(settings),
        make_store(settings),
        make_registry(settings),
        make_admin(settings),
    )
    names = [topic.name for topic in topics.all]
    return {"kafka": lambda: _demand_topics(admin, names), "store": store.check, "registry": registry.check}


def _demand_topics(admin: KafkaAdmin, names: Sequence[str]) -> None:
    try:
        topic_ids(admin, names)
    except AdminError as error:
        if error.code == "UNKNOWN_TOPIC_OR_PART":
            raise AdminError(error.code, "topics are missing: run `darkroom topics create`") from error
        raise


@contextmanager
def start_worker(settings: Settings, transactional_id: str) -> Iterator[Engine]:
    """Start the renderer and return the engine, ready to run; the renderer ends with the context."""
    timing = Timing(
        group_protocol=settings.kafka.group_protocol,
        session_s=settings.kafka.session_timeout_s,
        transaction_s=settings.kafka.transaction_timeout_s,
        instance=transactional_id if settings.kafka.static_membership else None,
    )
    named = {**kafka_properties(settings), "client.id": f"darkroom-worker-{transactional_id}"}
    broker = KafkaBroker(named, timing)
    codec = make_codec(settings, make_topics(settings))
    with start_engine(settings, broker, make_store(settings), codec, transactional_id) as engine:
        yield engine


@contextmanager
def start_engine(
    settings: Settings, broker: Broker, store: Store, codec: Codec, transactional_id: str
) -> Iterator[Engine]:
    """Start the renderer beside any broker and store."""
    topics = make_topics(settings)
    codec.look_up(topics.outputs)
    recipes, clock = load_recipes(settings), SystemClock()
    with make_renderer(settings) as renderer:
        renderer.start()
        images = ImageHandler(
            store,
            renderer,
            recipes,
            make_policy(settings),
            clock,
            bucket=settings.store.bucket,
            max_source_bytes=settings.limits.bytes,
            engine=_versions(),
        )
        ids = TopicIds(broker, settings.kafka.group, topics, settings.kafka.timeout_s)
        handler = RecordHandler(codec, images, topics, clock, store=store, bucket=settings.store.bucket, topic_id=ids)
        yield Engine(broker, LoggedHandler(handler), engine_settings(settings, topics, transactional_id))


def engine_settings(settings: Settings, topics: Topics, transactional_id: str) -> EngineSettings:
    """Return what the engine needs to know."""
    worker = settings.worker
    weights = (worker.lanes.uploaded, worker.lanes.bulk, worker.lanes.replay)
    limits = LoopLimits(
        concurrency=worker.concurrency,
        max_in_flight=max(worker.max_in_flight, worker.concurrency),
        max_held=worker.max_held,
        output_bytes={topic.name: topic.max_message_bytes for topic in topics.outputs},
        batch=BatchLimits(per_second=worker.transactions_per_s),
        retry=RetryPolicy(max_attempts=worker.max_attempts, max_age_s=worker.max_age_s),
        lanes={topic.name: float(weight) for topic, weight in zip(topics.inputs, weights, strict=True)},
    )
    return EngineSettings(
        topics=tuple(topic.name for topic in topics.inputs),
        group=settings.kafka.group,
        transactional_id=transactional_id,
        threads=worker.concurrency,
        revoke_s=worker.revoke_s,
        transaction_timeout_s=settings.kafka.transaction_timeout_s,
        limits=limits,
    )


class TopicIds:
    """The ids of topics, asked for once: they change only when a topic is made anew."""

    def __init__(self, broker: Broker, group: str, topics: Topics, timeout_s: float) -> None:
        self._broker = broker
        self._group = group
        self._names = [topic.name for topic in topics.inputs]
        self._timeout = timeout_s
        self._ids: Mapping[str, bytes] = {}

    def __call__(self, topic: str) -> bytes:
        """Return a topic's 16-byte id. Raise `Transient` while Kafka does not say."""
        if topic not in self._ids:
            try:
                self._ids = self._broker.positions(self._group).topic_ids(self._names, self._timeout)
            except Exception as error:
                raise Transient(f"the id of topic {topic} is not known yet: {error}") from error
        return self._ids[topic]


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
