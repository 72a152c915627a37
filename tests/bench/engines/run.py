"""Run the engine in a process of its own over a range of records, and what is needed on the broker for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, not in its __all__
from confluent_kafka.cimpl import NewTopic

from infra.local.paths import ROOT
from infra.local.stack import ephemeral_stack
from tests.bench.engines.spec import Found, Spec
from tests.bench.peers.broker import running_broker
from tests.support import Stack, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LIMIT_S: Final = 30.0
RUN_S: Final = 240.0
QUEUE: Final = 50_000
SETTLE_S: Final = 10.0

Ends = dict[str, list[int]]
"""Offsets by topic, one a partition."""


@contextmanager
def kafka_only() -> Iterator[str]:
    """Yield the address of a broker: that of the stack in DARKROOM_TEST_STACK, else one of our own."""
    given = os.environ.get("DARKROOM_TEST_STACK")
    if given:
        yield Stack.read(Path(given)).bootstrap
        return
    with running_broker() as cluster:
        yield cluster.bootstrap


@contextmanager
def whole_stack() -> Iterator[Stack]:
    """Yield Kafka, MinIO and the registry: those of DARKROOM_TEST_STACK, else our own."""
    given = os.environ.get("DARKROOM_TEST_STACK")
    if given:
        yield Stack.read(Path(given))
        return
    with ephemeral_stack() as file:
        yield Stack.read(file)


class Bench:
    """Topics, groups and preloads of one bench on one broker."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # the client's, without types

    def name(self, what: str) -> str:
        """Return a name that nobody used before."""
        return f"{what}-{uuid.uuid4().hex[:12]}"

    def topic(self, what: str, partitions: int = 12) -> str:
        """Make a topic."""
        name = self.name(what)
        for future in self._admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(LIMIT_S)
        # A topic of 600 partitions has its leaders a while later.
        wait_until(lambda: len(self.ends(name)[name]) == partitions, LIMIT_S, what=f"{name}'s leaders")
        return name

    def ends(self, *topics: str) -> Ends:
        """Return where the topics end."""
        known = self._admin.list_topics(timeout=LIMIT_S).topics
        asked = {TopicPartition(name, number): self._latest for name in topics for number in known[name].partitions}
        found: Ends = {name: [0] * len(known[name].partitions) for name in topics}
        for place, future in self._admin.list_offsets(asked).items():
            found[place.topic][place.partition] = future.result(LIMIT_S).offset
        return found

    def group(self, starts: Mapping[str, list[int]]) -> str:
        """Return a new group that stands at these offsets."""
        name = self.name("group")
        places = [TopicPartition(t, n, offset) for t, own in starts.items() for n, offset in enumerate(own)]
        self._admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, places)])[name].result(LIMIT_S)
        return name

    def positions(self, group: str, topics: Iterable[str]) -> Ends:
        """Return where the group stands."""
        wanted = [TopicPartition(name, n) for name, own in self.ends(*topics).items() for n in range(len(own))]
        request = ConsumerGroupTopicPartitions(group, wanted)
        answer = self._admin.list_consumer_group_offsets([request])[group].result(LIMIT_S).topic_partitions
        found: Ends = {name: [] for name in topics}
        for each in sorted(answer, key=lambda place: (place.topic, place.partition)):
            found[each.topic].append(each.offset)
        return found

    def preload(self, topic: str, keys: Iterable[bytes], size: int = 200) -> None:
        """Produce a record for each key, each key's in order."""
        producer = self.producer(**{"linger.ms": 20, "batch.size": 500_000})
        value = os.urandom(size)
        for number, key in enumerate(keys, 1):
            producer.produce(topic, value, key)
            if number % QUEUE == 0:
                producer.flush(LIMIT_S)
        if producer.flush(LIMIT_S):
            raise RuntimeError(f"{topic} could not be filled")

    def producer(self, **settings: object) -> Producer:
        """Return a producer that keeps the order of a key, partitioned as Java does."""
        own = {"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "partitioner": "murmur2_random"}
        return Producer({**own, **settings})

    def demand_committed(self, group: str, topics: Iterable[str]) -> None:
        """Raise unless the group has reached the end of each topic: a run that left something out does not count."""
        topics = list(topics)
        ends, limit = self.ends(*topics), time.monotonic() + SETTLE_S
        while (found := self.positions(group, topics)) != ends:
            if time.monotonic() > limit:
                raise RuntimeError(f"group {group} stands at {found}, the topics end at {ends}")
            time.sleep(0.05)


class Running:
    """An engine at work in its own process."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `end`
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.engines.child", spec.to_json()],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")},
            stdin=subprocess.PIPE,  # closed by `stop`, or by our own end
            stdout=self._said,
            stderr=self._log,
        )

    def stop(self) -> None:
        """Ask it to end before it has answered everything."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def end(self, limit: float = RUN_S) -> Found | None:
        """Wait until it is done; None if it was stopped before it had answered everything."""
        with self._said, self._log:
            try:
                code = self.process.wait(limit)
            finally:
                self.process.kill()
                self.stop()
            for file in (self._said, self._log):
                file.seek(0)
            said = self._said.read()
            if code:
                end = "\n".join(self._log.read().splitlines()[-20:])
                raise RuntimeError(f"the engine ended with {code}; its spec: {self._spec.to_json()}; it says\n{end}")
        return Found(**json.loads(said)) if said else None


def run(spec: Spec, bench: Bench) -> Found:
    """Run it to the end; raise if anything was left out."""
    found = Running(spec).end()
    if found is None:
        raise RuntimeError(f"the engine did not get through: {spec.to_json()}")
    bench.demand_committed(spec.group, spec.topics)
    return found
