"""Reads topics as values for the verifier: all along in a thread, or from the start to the end when all is over.

It reads committed only, by partitions of its own choice and in no group, so that no rebalance interrupts it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from confluent_kafka import Consumer, KafkaError, TopicPartition

from schemas.errors import Permanent
from schemas.events import ImageDeleted, ImageFailed, ImageReady, ImageRemoved, ImageUploaded
from schemas.headers import read_replay
from schemas.ids import life_of
from tests.chaos.history import Asked, StoredObject, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from confluent_kafka import Message

    from schemas.codec import Codec
    from schemas.topics import Topics
    from tests.chaos.stalls import Partition

LIMIT_S: Final = 60.0
KINDS: Final = {ImageReady: "ready", ImageFailed: "failed", ImageRemoved: "removed"}
GARBAGE: Final = frozenset({"invalid_event"})
CONSUMER: Final = {
    "group.id": "nobody",
    "isolation.level": "read_committed",
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "fetch.wait.max.ms": 100,
    "reconnect.backoff.max.ms": 1000,
    "log_level": 0,
}


class Countable(Protocol):
    """A topic, as far as a reader must know it."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> int: ...


class Partitions(NamedTuple):
    """A topic that is not in the catalogue."""

    name: str
    partitions: int


class Records:
    """Makes values of records."""

    def __init__(self, codec: Codec, topics: Topics, bad_sources: Mapping[str, frozenset[str]]) -> None:
        """``bad_sources``: by the hash of a source, the reasons with which its uploads must fail."""
        self._codec = codec
        self._topics = topics
        self._bad = bad_sources

    def asked(self, message: Message) -> Asked:
        """Return an input."""
        place, at = _place(message), message.timestamp()[1] / 1000
        found: Any = message.headers()
        replay = read_replay(tuple((name, value or b"") for name, value in found or ()))
        replay_id = None if replay is None else replay.replay_id
        try:
            event = self._codec.decode(place[0], message.value())
        except Permanent:  # garbage, which we made ourselves; its copy on the replay topic is garbage too
            return Asked(place, at, "garbage", message.key(), replay_id=replay_id, fails_with=GARBAGE)
        assert isinstance(event, ImageUploaded | ImageDeleted)
        source = event.source.sha256 if isinstance(event, ImageUploaded) else None
        return Asked(
            place,
            at,
            "upload" if isinstance(event, ImageUploaded) else "delete",
            message.key(),
            event.event_id,
            (event.tenant, event.image_id),
            event.hlc,
            replay_id,
            self._bad.get(source or "", frozenset()),
        )

    def told(self, message: Message) -> Told:
        """Return an output."""
        place = _place(message)
        event: Any = self._codec.decode(place[0], message.value())
        ready, named = isinstance(event, ImageReady), event.tenant is not None
        return Told(
            place,
            time.time(),
            KINDS[type(event)],  # type: ignore[arg-type]
            message.key(),
            event.event_id,
            (event.cause.topic, event.cause.partition, event.cause.offset),
            event.cause.event_id,
            (event.tenant, event.image_id) if named else None,
            event.hlc,
            event.cause.replay_id,
            str(event.reason) if isinstance(event, ImageFailed) else "",
            tuple(StoredObject(each.key, each.sha256, life_of(each.key) or 0) for each in event.variants)
            if ready
            else (),
        )


class Watcher:
    """Reads the outputs all along, in its own thread, and keeps what it got."""

    def __init__(self, bootstrap: str, topics: Iterable[Countable], records: Records) -> None:
        self.told: list[Told] = []
        self.positions: Mapping[Partition, int] = {}
        """Where it stands; replaced as a whole."""
        self.error: Exception | None = None
        self._records = records
        self._wanted = [TopicPartition(topic.name, number, 0) for topic in topics for number in range(topic.partitions)]
        self._consumer = Consumer({**CONSUMER, "bootstrap.servers": bootstrap})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; raise what ended it before."""
        self._stop.set()
        self._thread.join(LIMIT_S)
        self._consumer.close()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        try:
            self._consumer.assign(self._wanted)
            while not self._stop.is_set():
                for message in self._consumer.consume(500, 0.1):
                    error = message.error()
                    if error is None:
                        self.told.append(self._records.told(message))
                    elif error.code() in {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001
                        raise RuntimeError(error.str())  # noqa: TRY301 - a log that lost its end
                found = self._consumer.position(self._wanted)
                self.positions = {(each.topic, each.partition): max(each.offset, 0) for each in found}
        except Exception as error:  # noqa: BLE001 - raised by `stop`, in the thread that asks
            self.error = error


def read_all(bootstrap: str, topics: Iterable[Countable], *, isolation: str = "read_committed") -> Iterator[Message]:
    """Yield every record of these topics, partition by partition in their order."""
    wanted = [TopicPartition(topic.name, number, 0) for topic in topics for number in range(topic.partitions)]
    consumer = Consumer({**CONSUMER, "bootstrap.servers": bootstrap, "isolation.level": isolation})
    try:
        consumer.assign(wanted)
        ended: set[tuple[str | None, int | None]] = set()
        end = time.monotonic() + LIMIT_S
        while len(ended) < len(wanted):
            if time.monotonic() > end:
                raise TimeoutError(f"{len(wanted) - len(ended)} partitions have no end after {LIMIT_S:g} s of silence")
            for message in consumer.consume(1000, 1.0):
                error = message.error()
                if error is None:
                    end = time.monotonic() + LIMIT_S
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's spelling
                    ended.add((message.topic(), message.partition()))
    finally:
        consumer.close()


def _place(message: Message) -> tuple[str, int, int]:
    return str(message.topic()), int(message.partition() or 0), int(message.offset() or 0)
