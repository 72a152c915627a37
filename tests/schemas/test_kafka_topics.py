"""Topics and initial positions on the real broker: made, compared, grown, each difference named."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import AdminClient

from schemas.errors import Unavailable
from schemas.topics import Topic, Topics
from streams.adapters.kafka_admin import AdminError
from streams.adapters.kafka_topics import Difference, KeyOrderError, TopicAdmin
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support import Stack


@pytest.fixture
def admin(stack: Stack) -> TopicAdmin:
    """Return the topic administration of the real broker."""
    return TopicAdmin({"bootstrap.servers": stack.bootstrap})


@pytest.fixture
def topics(stack: Stack, unique: Callable[[str], str]) -> Iterator[Topics]:
    """Yield a catalogue of our own with two partitions each; its topics are removed afterwards."""
    topics = Topics(prefix=f"{unique('admin')}.", partitions=2)
    yield topics
    client = AdminClient({"bootstrap.servers": stack.bootstrap})
    there = set(client.list_topics(timeout=10).topics).intersection(topic.name for topic in topics.all)
    for future in client.delete_topics(list(there)).values() if there else ():
        future.result()


@pytest.fixture
def group(unique: Callable[[str], str]) -> str:
    """Return the name of a group of our own."""
    return unique("group")


def produce(stack: Stack, topic: Topic, count: int, timestamp_ms: int = 0) -> None:
    """Write records to partition 0."""
    producer = Producer({"bootstrap.servers": stack.bootstrap, "acks": "all"})
    for number in range(count):
        producer.produce(topic.name, str(number).encode(), partition=0, timestamp=timestamp_ms)
    assert producer.flush(10) == 0


def offsets(admin: TopicAdmin, group: str, *topics: Topic) -> list[int | None]:
    """Return the group's positions on the topics, partition by partition."""
    return [position.offset for position in admin.offsets(group).show(topic.name for topic in topics)]


def test_everything_is_made_once_and_is_as_wanted(admin: TopicAdmin, topics: Topics, group: str) -> None:
    """All topics and the group's positions on every input partition; a second run changes nothing."""
    created = admin.create(topics.all, inputs=topics.inputs, group=group)
    assert created.topics == tuple(topic.name for topic in topics.all)
    assert [(one.offset, one.was) for one in created.positions] == [(0, None)] * 6
    assert admin.check(topics.all) == []
    assert offsets(admin, group, *topics.inputs) == [0] * 6
    again = admin.create(topics.all, inputs=topics.inputs, group=group)
    assert (again.topics, again.positions) == ((), ())


def test_each_difference_is_named(admin: TopicAdmin, topics: Topics) -> None:
    """Partitions, replication, policy, retention, message size and min.isr, each with what is and what should be."""
    admin.create([topics.ready])
    other = replace(
        topics.ready,
        partitions=3,
        replication=2,
        cleanup_policy="compact",
        retention_ms=7,
        max_message_bytes=9,
        min_isr=2,
    )
    assert admin.check([other, topics.failed]) == [
        Difference(topics.ready.name, "partitions", "2", "3"),
        Difference(topics.ready.name, "replication factor", "1", "2"),
        Difference(topics.ready.name, "cleanup.policy", "delete", "compact"),
        Difference(topics.ready.name, "retention.ms", "3024000000", "7"),
        Difference(topics.ready.name, "max.message.bytes", "1048576", "9"),
        Difference(topics.ready.name, "min.insync.replicas", "1", "2"),
        Difference(topics.failed.name, "topic", "missing", "there: run `darkroom topics create`"),
    ]


def test_positions_must_outlive_what_they_point_to(admin: TopicAdmin, topics: Topics) -> None:
    """Brokers that forget positions before the inputs' retention ends are named, with both numbers."""
    admin.create(topics.inputs)
    century = [replace(topic, retention_ms=36_500 * 86_400_000) for topic in topics.inputs]
    (difference,) = admin.check([], inputs=century)
    assert difference.setting == "offsets.retention.minutes"
    assert difference.wanted == f"at least {36_500 * 24 * 60}"
    assert difference.where.startswith("broker ")


def test_growth_asks_before_it_breaks_the_order_of_keys(admin: TopicAdmin, topics: Topics, group: str) -> None:
    """Unasked it refuses and says why; asked it grows, and the group starts the new partitions at their beginning."""
    admin.create(topics.inputs, inputs=topics.inputs, group=group)
    grown = replace(topics.uploaded, partitions=5)
    with pytest.raises(KeyOrderError, match="from 2 to 5 partitions moves keys"):
        admin.grow(grown, group=group)
    assert admin.check([topics.uploaded]) == []

    created = admin.grow(grown, group=group, accept_order_break=True)
    assert [(one.partition, one.offset) for one in created.positions] == [(2, 0), (3, 0), (4, 0)]
    assert offsets(admin, group, grown) == [0] * 5
    assert admin.grow(grown, group=group, accept_order_break=True).topics == ()


def test_growth_that_cannot_be_is_refused(admin: TopicAdmin, topics: Topics) -> None:
    """Fewer partitions, or a topic that is not there."""
    admin.create([topics.uploaded])
    with pytest.raises(AdminError, match="cannot shrink"):
        admin.grow(replace(topics.uploaded, partitions=1), accept_order_break=True)
    with pytest.raises(AdminError, match="does not exist"):
        admin.grow(topics.bulk, accept_order_break=True)


def test_what_the_cluster_refuses_is_told_of_its_topic(admin: TopicAdmin, topics: Topics, group: str) -> None:
    """A refusal names the topic it is about, not only Kafka's code."""
    with pytest.raises(AdminError, match=rf"topic {topics.ready.name}: .*replication") as caught:
        admin.create([replace(topics.ready, replication=99)])
    assert caught.value.code == "INVALID_REPLICATION_FACTOR"
    with pytest.raises(AdminError, match=rf"topic {topics.bulk.name}: "):
        admin.offsets(group).show([topics.bulk.name])


def test_a_group_with_members_is_left_alone(admin: TopicAdmin, topics: Topics, group: str, stack: Stack) -> None:
    """Members would have no position on new partitions, and their commits would win: nothing is changed."""
    admin.create([topics.uploaded])
    member = Consumer({"bootstrap.servers": stack.bootstrap, "group.id": group, "client.id": "worker-7"})
    try:
        member.subscribe([topics.uploaded.name])
        wait_until(lambda: member.poll(0.1) is not None or member.assignment(), 15, what="the member's assignment")
        grown = replace(topics.uploaded, partitions=3)
        for change in (
            lambda: admin.grow(grown, group=group, accept_order_break=True),
            lambda: admin.offsets(group).initialise([topics.uploaded.name], "earliest"),
        ):
            with pytest.raises(AdminError, match="worker-7") as caught:
                change()
            assert caught.value.code == "NON_EMPTY_GROUP"
        assert admin.check([topics.uploaded]) == []
    finally:
        member.close()


def test_positions_start_where_they_are_told_to(admin: TopicAdmin, topics: Topics, group: str, stack: Stack) -> None:
    """Earliest, latest, or the first record of a time; where nothing came since, the end."""
    admin.create([topics.uploaded])
    noon = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    for hours in range(3):
        produce(stack, topics.uploaded, 2, int((noon + timedelta(hours=hours)).timestamp() * 1000))
    name, cases = topics.uploaded.name, admin.offsets(group)
    for to, expected in (
        ("earliest", [0, 0]),
        ("latest", [6, 0]),
        (noon + timedelta(minutes=1), [2, 0]),
        (noon + timedelta(hours=2), [4, 0]),
        (noon + timedelta(hours=9), [6, 0]),
    ):
        cases.initialise([name], to, overwrite=True)  # type: ignore[arg-type]
        assert offsets(admin, group, topics.uploaded) == expected
    with pytest.raises(ValueError, match="time zone"):
        cases.initialise([name], noon.replace(tzinfo=None), overwrite=True)


def test_what_is_committed_is_kept(admin: TopicAdmin, topics: Topics, group: str, stack: Stack) -> None:
    """Initialising fills gaps and mends positions below the log's start; the others keep offset and map."""
    admin.create([topics.uploaded])
    name = topics.uploaded.name
    produce(stack, topics.uploaded, 5)
    committer = Consumer({"bootstrap.servers": stack.bootstrap, "group.id": group})
    committer.commit(offsets=[Position(name, 0, 3, "the map")], asynchronous=False)
    committer.close()
    assert [(one.partition, one.offset) for one in admin.offsets(group).initialise([name], "earliest")] == [(1, 0)]
    first, second = admin.offsets(group).show([name])
    assert (first.offset, first.metadata, first.start, first.end, first.lag) == (3, "the map", 0, 5, 2)
    assert (second.offset, second.metadata, second.lag) == (0, "", 0)

    client, below = AdminClient({"bootstrap.servers": stack.bootstrap}), Position(name, 0, 4)
    client.delete_records([below])[below].result()
    (mended,) = admin.offsets(group).initialise([name], "earliest")
    assert (mended.partition, mended.offset, mended.was) == (0, 4, 3)


def test_a_group_that_never_was_has_no_positions(admin: TopicAdmin, topics: Topics, group: str) -> None:
    """No position is None, and so is its lag."""
    admin.create([topics.uploaded])
    positions = admin.offsets(group).show([topics.uploaded.name])
    assert [(one.offset, one.lag, one.metadata) for one in positions] == [(None, None, "")] * 2


def test_latest_does_not_jump_over_an_open_transaction(
    admin: TopicAdmin, topics: Topics, group: str, stack: Stack
) -> None:
    """What is not committed yet is still to come for the group, so it starts before it."""
    admin.create([topics.replay])
    produce(stack, topics.replay, 2)
    producer = Producer({"bootstrap.servers": stack.bootstrap, "transactional.id": group})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topics.replay.name, b"open", partition=0)
    producer.flush(10)
    admin.offsets(group).initialise([topics.replay.name], "latest")
    producer.commit_transaction(10)
    assert offsets(admin, group, topics.replay) == [2, 0]


def test_an_unreachable_broker_is_named_with_its_reason() -> None:
    """Within the limit, with the address and why, as an outage."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
        admin = TopicAdmin({"bootstrap.servers": address}, timeout_s=1.0)
        with pytest.raises(Unavailable, match=f"{address}.*refused") as caught:
            admin.check(Topics().all)
    assert caught.value.service == "kafka"
