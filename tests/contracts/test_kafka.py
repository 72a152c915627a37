"""What only the real client has: settings that are not the user's, its error marks, its connections."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError

from schemas.record import Outgoing, TopicPartition
from streams.adapters.kafka import refused_settings
from streams.adapters.kafka_errors import consuming, transactional
from streams.adapters.murmur2 import murmur2
from streams.runtime.ports import Position, Severity
from tests.contracts.brokers import KafkaWorld, Member, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support import Stack

CALL_S = 5.0


def test_what_the_protocol_owns_is_refused_by_name() -> None:
    """Also by its topic-level spelling; connection, security and tuning pass."""
    mine = {"transactional.id": "x", "isolation.level": "read_uncommitted", "default.topic.partitioner": "random"}
    passing = {"bootstrap.servers": "b", "sasl.mechanism": "PLAIN", "queued.max.messages.kbytes": 1, "linger.ms": 5}
    assert refused_settings({**mine, **passing}) == ["default.topic.partitioner", "isolation.level", "transactional.id"]


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_java_s(key: bytes, hashed: int) -> None:
    """The vectors of Kafka's own UtilsTest."""
    assert murmur2(key) == hashed & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("call", "error", "severity"),
    [
        ("commit", KafkaError(KafkaError._TIMED_OUT, retriable=True), Severity.RETRIABLE),  # noqa: SLF001
        ("commit", KafkaError(KafkaError._TIMED_OUT), Severity.INDEFINITE),  # noqa: SLF001
        ("abort", KafkaError(KafkaError._TRANSPORT), Severity.INDEFINITE),  # noqa: SLF001
        ("send_offsets", KafkaError(KafkaError.UNKNOWN), Severity.ABORTABLE),
        ("send_offsets", KafkaError(KafkaError.ILLEGAL_GENERATION, txn_requires_abort=True), Severity.ABORTABLE),
        ("begin", KafkaError(KafkaError._STATE), Severity.FATAL),  # noqa: SLF001
        ("commit", KafkaError(KafkaError._FENCED, fatal=True), Severity.FENCED),  # noqa: SLF001
        ("commit", KafkaError(KafkaError.INVALID_PRODUCER_EPOCH, fatal=True), Severity.FENCED),
        ("commit", KafkaError(KafkaError.INVALID_TXN_STATE, fatal=True), Severity.FATAL),
    ],
)
def test_every_mark_of_the_client_has_its_severity(call: str, error: KafkaError, severity: Severity) -> None:
    """Where the client marks nothing, what is safe depends on the call."""
    assert transactional(call, error).severity is severity


def test_a_consumer_raises_only_what_it_does_not_get_over() -> None:
    """Lost connections come back by themselves; a permission does not."""
    assert consuming(KafkaError(KafkaError._TRANSPORT)) is None  # noqa: SLF001
    assert consuming(KafkaError(KafkaError._MAX_POLL_EXCEEDED)) is None  # noqa: SLF001
    missing = consuming(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    forbidden = consuming(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    assert missing is not None
    assert missing.severity is Severity.RETRIABLE
    assert forbidden is not None
    assert forbidden.severity is Severity.FATAL


def connections(port: int) -> set[int]:
    """Return this process's file descriptors that are connected to a port."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError, IndexError), socket.socket(fileno=os.dup(int(link.name))) as copy:
            if copy.getpeername()[1] == port:
                found.add(int(link.name))
    return found


def cut(descriptors: set[int]) -> None:
    """Shut connections down under the client's feet."""
    for descriptor in descriptors:
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
            copy.shutdown(socket.SHUT_RDWR)


def test_a_cut_connection_delays_a_transaction_and_is_counted(stack: Stack, unique: Callable[[str], str]) -> None:
    """All connections gone at once: every call still returns within its time-out, and the committer can tell.

    With librdkafka's default, re-bootstrapping, send_offsets hangs for minutes here.
    """
    world = KafkaWorld(stack.bootstrap, unique)
    topic, group = world.topic(1), unique("group")
    member = Member(world, group, topic)
    until(world, lambda: member.poll() is not None and bool(member.owned))
    port = int(stack.bootstrap.rpartition(":")[2])
    others = connections(port)
    producer = world.broker.producer(unique("id"))
    producer.init_transactions(CALL_S)
    calm = producer.disturbances()
    shown = member.consumer.group_metadata()

    def transact() -> None:
        for number in range(3):
            producer.begin()
            producer.produce(0, Outgoing(topic, b"key", b"%d" % number))
            if number == 1:
                cut(connections(port) - others)
            producer.send_offsets({TopicPartition(topic, 0): Position(number + 1, "")}, shown, CALL_S)
            producer.commit(CALL_S)

    thread = threading.Thread(target=transact, daemon=True)  # a hanging call cannot be interrupted
    thread.start()
    thread.join(4 * CALL_S)
    assert not thread.is_alive()
    assert producer.disturbances() > calm
    assert [value for _, value in world.read(topic, committed=True)] == [b"0", b"1", b"2"]
    producer.close()
    member.consumer.close()


def test_a_producer_is_discarded_at_once(stack: Stack, unique: Callable[[str], str]) -> None:
    """Whatever is queued or open: closing neither flushes nor waits."""
    world = KafkaWorld(stack.bootstrap, unique)
    topic = world.topic(1)
    producer = world.broker.producer(unique("id"))
    producer.init_transactions(CALL_S)
    producer.begin()
    for number in range(1000):
        producer.produce(number, Outgoing(topic, b"key", bytes(1000)))
    begun = time.monotonic()
    producer.close()
    assert time.monotonic() - begun < 1
    assert world.read(topic, committed=True) == []
