"""What is looked up on the servers while a run goes on and after it: ends of partitions, transactions, objects."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from tests.chaos.reading import Partitions, read_all
from tests.chaos.stalls import StallMeter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.topics import Topic
    from streams.client.ports import ObjectStore
    from tests.chaos.history import Told
    from tests.chaos.reading import Watcher

LOOK_S: Final = 0.5
ASK_S: Final = 3.0
MOST_BYTES: Final = 1 << 20
READERS: Final = 8
STATES: Final = {4: "committed", 5: "aborted"}
"""Of Kafka's TransactionState: CompleteCommit and CompleteAbort."""


class Sampler:
    """Compares, in its own thread, the ends of the outputs with where the watcher stands."""

    def __init__(self, bootstrap: str, topics: Iterable[Topic], watcher: Watcher) -> None:
        self.meter = StallMeter()
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        places = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
        latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        self._asked = dict.fromkeys(places, latest)
        self._watcher = watcher
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, with what stands still now."""
        self._stop.set()
        self._thread.join(4 * ASK_S)
        self.meter.finish(time.monotonic())

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            ends = self._ends()
            self.meter.observe(time.monotonic(), ends, self._watcher.positions)

    def _ends(self) -> dict[tuple[str, int], int]:
        """Return the ends of all partitions whose leader answers, with what is not committed yet."""
        level = IsolationLevel.READ_UNCOMMITTED
        found = {}
        for place, asked in self._admin.list_offsets(self._asked, isolation_level=level, request_timeout=ASK_S).items():
            try:
                found[place.topic, place.partition] = asked.result(2 * ASK_S).offset
            except (KafkaException, TimeoutError):
                continue  # it has no leader now: what stands still goes on doing so
        return found


def transactions(bootstrap: str, partitions: int, prefix: str) -> Counter[str]:
    """Return how many transactions of ids with this prefix the coordinators completed, by how they ended."""
    found: Counter[str] = Counter()
    topic = Partitions("__transaction_state", partitions)
    for message in read_all(bootstrap, [topic], isolation="read_uncommitted"):
        key, value = message.key() or b"", message.value()
        if value is not None and key[4:].startswith(prefix.encode()):
            # version int16, producer id int64, epoch int16, time-out int32, state int8
            found[STATES.get(value[16], "")] += 1
    return found


def hashes(store: ObjectStore, bucket: str, told: Iterable[Told]) -> Mapping[str, str]:
    """Return the hash of every announced object that is in the store."""
    keys = sorted({announced.key for each in told for announced in each.objects})

    def digest(key: str) -> str | None:
        blob = store.fetch(bucket, key, limit=MOST_BYTES)
        return None if blob is None else sha256(blob.data).hexdigest()

    with ThreadPoolExecutor(READERS) as pool:
        return {key: found for key, found in zip(keys, pool.map(digest, keys), strict=True) if found is not None}
