"""The whole engine on a real broker, with handlers that know nothing of images."""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import Transient, Unavailable
from schemas.record import Outgoing, Record
from streams.adapters.kafka import KafkaBroker
from streams.runtime.limits import LoopLimits
from streams.runtime.shell import Engine, EngineSettings
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from schemas.errors import Reason
    from tests.support import Stack

PARTITIONS = 4


class World:
    """Topics and a group of one test, what goes in, and what a reader of committed records sees."""

    def __init__(self, bootstrap: str, source: str, sink: str, group: str) -> None:
        self.bootstrap = bootstrap
        self.source, self.sink, self.group = source, sink, group
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        limit = {"max.message.bytes": "1000000"}
        topics = [NewTopic(name, PARTITIONS, 1, config=limit) for name in (source, sink)]
        for future in self.admin.create_topics(topics).values():
            future.result(10)
        start = [TopicPartition(source, number, 0) for number in range(PARTITIONS)]
        request = ConsumerGroupTopicPartitions(group, start)
        self.admin.alter_consumer_group_offsets([request])[group].result(10)
        self.threads: list[tuple[Engine, threading.Thread]] = []
        self.errors: list[BaseException] = []

    def publish(self, count: int, keys: int, start: int = 0) -> None:
        """Produce records numbered from ``start``, spread over the keys."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True})
        for number in range(start, start + count):
            producer.produce(self.source, str(number).encode(), f"key{number % keys}".encode())
        assert producer.flush(10) == 0

    def engine(self, handler: object, slot: str, **limits: object) -> Engine:
        """Start a worker in a thread."""
        settings = EngineSettings(
            (self.source,),
            self.group,
            f"{self.group}-{slot}",
            threads=8,
            limits=LoopLimits(concurrency=8, **limits),  # type: ignore[arg-type]
        )
        broker = KafkaBroker({"bootstrap.servers": self.bootstrap, "session.timeout.ms": 6000})
        engine = Engine(broker, handler, settings)  # type: ignore[arg-type]

        def run() -> None:
            try:
                engine.run()
            except BaseException as error:  # noqa: BLE001 - shown by the test
                self.errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.threads.append((engine, thread))
        return engine

    def outputs(self, count: int, limit: float = 30) -> list[tuple[str, int]]:
        """Read committed outputs until there are ``count``, and whatever more comes soon after."""
        reader = Consumer(
            {"bootstrap.servers": self.bootstrap, "group.id": "none", "isolation.level": "read_committed"}
        )
        reader.assign([TopicPartition(self.sink, number, 0) for number in range(PARTITIONS)])
        found: list[tuple[str, int]] = []
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and len(found) < count:
            found += [_read(message) for message in reader.consume(500, 0.1)]
        found += [_read(message) for message in reader.consume(500, 0.3)]
        reader.close()
        return found

    def stop(self) -> None:
        """Drain and stop all workers."""
        for engine, _ in self.threads:
            engine.stop(10)
        for _, thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()
        self.threads.clear()


def _read(message: object) -> tuple[str, int]:
    return message.key().decode(), int(message.value())  # type: ignore[attr-defined]


@pytest.fixture
def world(stack: Stack, unique: Callable[[str], str]) -> Iterator[World]:
    """Yield fresh topics and a group that starts at their beginning."""
    world = World(stack.bootstrap, unique("in"), unique("out"), unique("group"))
    yield world
    world.stop()
    assert world.errors == []


class Echo:
    """Answers each record with itself, after a random little while."""

    def __init__(self, sink: str, sleep_s: float = 0.0) -> None:
        self.sink, self.sleep_s = sink, sleep_s
        self.seen: list[int] = []
        self.busy: defaultdict[bytes, int] = defaultdict(int)
        self.overlaps = 0
        self.most = 0

    def __call__(self, record: Record) -> Sequence[Outgoing]:
        """Do the work."""
        assert record.key is not None
        self.busy[record.key] += 1
        self.overlaps += self.busy[record.key] > 1
        self.most = max(self.most, sum(self.busy.values()))
        time.sleep(random.random() * self.sleep_s)  # noqa: S311 - not a secret
        self.seen.append(int(record.value or b""))
        self.busy[record.key] -= 1
        return [Outgoing(self.sink, record.key, record.value)]

    def give_up(self, record: Record, reason: Reason, detail: str, attempts: int) -> Sequence[Outgoing]:
        """Answer with the negated number."""
        assert reason
        assert detail
        assert attempts
        return [Outgoing(self.sink, record.key, b"-" + (record.value or b""))]


def _assert_exactly_once_in_order(found: list[tuple[str, int]], count: int) -> None:
    assert sorted(number for _, number in found) == list(range(count))
    by_key: defaultdict[str, list[int]] = defaultdict(list)
    for key, number in found:
        by_key[key].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


def test_more_records_run_at_once_than_there_are_partitions_and_keys_stay_in_order(world: World) -> None:
    """Every record is answered once, per key in order, with eight at work on four partitions."""
    world.publish(400, keys=40)
    echo = Echo(world.sink, sleep_s=0.02)
    world.engine(echo, "a")

    found = world.outputs(400)

    _assert_exactly_once_in_order(found, 400)
    assert echo.overlaps == 0
    assert echo.most > PARTITIONS


def test_a_restart_goes_on_where_the_commit_was(world: World) -> None:
    """A clean stop leaves nothing behind and repeats nothing."""
    world.publish(100, keys=20)
    world.engine(Echo(world.sink), "a")
    assert len(world.outputs(100)) == 100
    world.stop()
    world.publish(100, keys=20, start=100)
    second = Echo(world.sink)
    world.engine(second, "a")

    _assert_exactly_once_in_order(world.outputs(200), 200)
    assert sorted(second.seen) == list(range(100, 200))


def test_a_slow_record_holds_back_neither_its_partition_nor_readers(world: World) -> None:
    """The others are visible to readers of committed records before the slow one ends, and not redone after a stop."""
    release = threading.Event()
    echo = Echo(world.sink)

    class Slow(Echo):
        def __call__(self, record: Record) -> Sequence[Outgoing]:
            if record.value == b"0":
                release.wait(20)
            return echo(record)

    world.publish(100, keys=100)
    world.engine(Slow(world.sink), "a")
    assert sorted(number for _, number in world.outputs(99)) == list(range(1, 100))
    world.threads[0][0].stop(0.0)
    world.threads[0][1].join(10)
    world.threads.clear()
    release.set()
    second = Echo(world.sink)
    world.engine(second, "b")

    _assert_exactly_once_in_order(world.outputs(100), 100)
    assert second.seen == [0]


def test_workers_that_come_and_go_repeat_and_lose_nothing(world: World) -> None:
    """Two join while the first works, one leaves: the partitions move, each record is still answered once."""
    world.publish(600, keys=60)
    first = world.engine(Echo(world.sink, sleep_s=0.05), "a")
    wait_until(lambda: first.status()["state"] == "working", 15)
    world.engine(Echo(world.sink, sleep_s=0.05), "b")
    third = world.engine(Echo(world.sink, sleep_s=0.05), "c")
    wait_until(lambda: third.status().get("assigned"), 15)
    first.stop(10)

    _assert_exactly_once_in_order(world.outputs(600), 600)


def test_an_outage_of_a_service_is_waited_for(world: World) -> None:
    """While the service is down nothing fails and the worker says why it waits; then everything is answered."""
    down = threading.Event()
    down.set()

    class Dependent(Echo):
        def __call__(self, record: Record) -> Sequence[Outgoing]:
            if down.is_set():
                raise Unavailable("store", "connection refused")
            return super().__call__(record)

    world.publish(50, keys=50)
    engine = world.engine(Dependent(world.sink), "a")
    wait_until(lambda: engine.status()["state"] == "paused: store", 15)
    down.clear()

    _assert_exactly_once_in_order(world.outputs(50), 50)


def test_what_fails_and_what_is_a_defect_are_answered_too(world: World) -> None:
    """Transient failures are repeated, a defect of the handler is given up at once; others are not disturbed."""
    tries: defaultdict[bytes, int] = defaultdict(int)

    class Moody(Echo):
        def __call__(self, record: Record) -> Sequence[Outgoing]:
            number = int(record.value or b"")
            tries[record.value or b""] += 1
            if number == 7:
                message = "a defect"
                raise ValueError(message)
            if number % 5 == 0 and tries[record.value or b""] < 3:
                message = "again"
                raise Transient(message)
            return super().__call__(record)

    world.publish(50, keys=50)
    world.engine(Moody(world.sink), "a")

    numbers = sorted(number for _, number in world.outputs(50))
    assert numbers == sorted([-7, *(n for n in range(50) if n != 7)])
    assert tries[b"10"] == 3


def test_one_output_that_is_too_large_stops_nobody(world: World) -> None:
    """The broker's refusal of one record turns that record into a failure; the rest commits."""

    class Large(Echo):
        def __call__(self, record: Record) -> Sequence[Outgoing]:
            if record.value == b"3":
                return [Outgoing(self.sink, record.key, os.urandom(1_500_000))]  # nothing to compress
            return super().__call__(record)

    world.publish(20, keys=20)
    # The engine's own check is told a larger bound than the broker's, so that the broker is the one to refuse.
    world.engine(Large(world.sink), "a", default_output_bytes=10_000_000)

    numbers = sorted(number for _, number in world.outputs(20))
    assert numbers == sorted([-3, *(n for n in range(20) if n != 3)])


def test_a_rival_with_the_same_transactional_id_ends_the_first(world: World) -> None:
    """Two workers must not share a slot: the older one ends with its own error."""
    world.publish(10, keys=10)
    world.engine(Echo(world.sink), "same")
    assert len(world.outputs(10)) == 10
    world.engine(Echo(world.sink), "same")
    wait_until(lambda: world.threads[1][0].status().get("assigned"), 15)
    world.publish(100, keys=100, start=10)

    wait_until(lambda: world.errors, 20)
    assert "in use by another worker" in str(world.errors.pop())
    world.threads.pop(0)
    _assert_exactly_once_in_order(world.outputs(110), 110)
