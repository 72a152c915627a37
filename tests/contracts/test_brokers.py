"""What every broker promises the engine, held on real Kafka and on the simulated broker by the same tests.

And the control: librdkafka's mock cluster must fail the exactly-once ones.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from schemas.record import Outgoing, TopicPartition
from streams.adapters.embedded import embedded_broker
from streams.adapters.kafka import Timing
from streams.adapters.murmur2 import partition_for
from streams.runtime.ports import BrokerError, Position, Severity
from tests.contracts.brokers import SESSION_S, KafkaWorld, Member, MockWorld, SimulatedWorld, World, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streams.runtime.ports import GroupMetadata, PositionReader, Producer
    from tests.support import Stack

CALL_S = 5.0


@pytest.fixture(params=["simulated", "kafka"])
def world(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> World:
    """One world after the other."""
    return make_world(request, unique)


def make_world(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> World:
    """Return the world that the parameter names."""
    if request.param == "simulated":
        return SimulatedWorld(unique)
    stack: Stack = request.getfixturevalue("stack")
    return KafkaWorld(stack.bootstrap, unique, Timing("consumer") if request.param == "kip-848" else None)


@pytest.fixture
def producer(world: World, unique: Callable[[str], str]) -> Iterator[Producer]:
    """An initialised producer."""
    made = ready(world, unique("id"))
    yield made
    made.close()


def ready(world: World, transactional_id: str) -> Producer:
    """Return a producer that may begin."""
    made = world.broker.producer(transactional_id)
    insist(world, lambda: made.init_transactions(CALL_S))
    return made


def insist(world: World, call: Callable[[], None]) -> None:
    """Make the call until it is definite, as its callers must."""

    def done() -> bool:
        try:
            call()
        except BrokerError as error:
            if error.severity is not Severity.RETRIABLE:
                raise
            return False
        return True

    until(world, done)


def member(world: World, group: str, topic: str, partitions: int, *, seek_to: int | None = None) -> Member:
    """Return a member that was assigned so many partitions."""
    made = Member(world, group, topic, seek_to=seek_to)
    until(world, lambda: made.poll(1) is not None and len(made.owned) == partitions)
    return made


def two_members(world: World, group: str, topic: str) -> tuple[Member, Member, GroupMetadata]:
    """Return two members that share four partitions, and what the first showed while it was alone."""
    first = member(world, group, topic, 4)
    alone = first.consumer.group_metadata()
    second = Member(world, group, topic)

    def shared() -> bool:
        first.poll()
        second.poll()
        return len(first.owned) == len(second.owned) == 2

    until(world, shared)
    return first, second, alone


def stable(world: World, reader: PositionReader, partition: TopicPartition) -> Position:
    """Return the position once no transaction holds it: a commit is answered before its markers are written."""
    found: list[Position] = []
    insist(world, lambda: found.append(reader.read([partition], CALL_S)[partition]))
    return found[-1]


def abort(producer: Producer) -> None:
    """Flush, then abort."""
    producer.flush(CALL_S)
    producer.abort(CALL_S)


class TestDelivery:
    """What a consumer delivers, and when."""

    def test_nothing_is_delivered_before_a_seek(self, world: World, unique: Callable[[str], str]) -> None:
        """An assigned partition stays silent until somebody says where it begins."""
        topic = world.topic(1)
        world.append(topic, 0, 10)
        reader = member(world, unique("group"), topic, 1)
        for _ in range(10):
            assert reader.poll() == []
        reader.consumer.seek(TopicPartition(topic, 0), 4)
        until(world, lambda: reader.poll() is not None and reader.offsets() == [4, 5, 6, 7, 8, 9])
        reader.consumer.close()

    def test_a_seek_inside_the_callback_counts(self, world: World, unique: Callable[[str], str]) -> None:
        """The engine may know the position at once."""
        topic = world.topic(1)
        world.append(topic, 0, 5)
        reader = member(world, unique("group"), topic, 1, seek_to=2)
        until(world, lambda: reader.poll() is not None and reader.offsets() == [2, 3, 4])
        reader.consumer.close()

    def test_nothing_from_before_a_seek_comes_after_it(self, world: World, unique: Callable[[str], str]) -> None:
        """What was fetched ahead is thrown away."""
        topic = world.topic(1)
        world.append(topic, 0, 100)
        reader = member(world, unique("group"), topic, 1, seek_to=0)
        until(world, lambda: reader.poll(5) is not None and len(reader.records) >= 5)
        for target in (60, 30, 95):
            reader.records.clear()
            reader.consumer.seek(TopicPartition(topic, 0), target)
            expected = list(range(target, 100))
            until(world, lambda: reader.poll() is not None and len(reader.records) >= 5)
            assert reader.offsets() == expected[: len(reader.records)]
        reader.consumer.close()

    def test_a_pause_loses_and_repeats_nothing(self, world: World, unique: Callable[[str], str]) -> None:
        """Paused, a partition delivers nothing; resumed, it goes on behind the last record."""
        topic = world.topic(1)
        world.append(topic, 0, 50)
        partition = TopicPartition(topic, 0)
        reader = member(world, unique("group"), topic, 1, seek_to=0)
        for _ in range(4):
            before = len(reader.records)
            until(world, lambda: reader.poll(5) is not None and len(reader.records) > before)  # noqa: B023
            reader.consumer.pause([partition])
            assert all(reader.poll() == [] for _ in range(3))
            reader.consumer.resume([partition])
        until(world, lambda: reader.poll() is not None and len(reader.records) >= 50)
        assert reader.offsets() == list(range(50))
        reader.consumer.close()

    def test_a_position_before_the_log_is_an_error(self, world: World, unique: Callable[[str], str]) -> None:
        """No silent jump to the beginning: the partition at fault is named."""
        topic = world.topic(1)
        partition = TopicPartition(topic, 0)
        world.append(topic, 0, 10)
        world.truncate(partition, 6)
        reader = member(world, unique("group"), topic, 1)
        assert all(reader.poll() == [] for _ in range(3))
        reader.consumer.seek(partition, 3)
        with pytest.raises(BrokerError) as failed:
            until(world, lambda: bool(reader.poll()))
        assert (failed.value.severity, failed.value.partition) == (Severity.FATAL, partition)
        reader.consumer.close()

    def test_what_a_callback_raises_comes_out_of_poll(self, world: World, unique: Callable[[str], str]) -> None:
        """A bug in the engine is not swallowed by the client."""
        topic = world.topic(1)
        reader = Member(world, unique("group"), topic)
        reader.events = None  # type: ignore[assignment]
        with pytest.raises(AttributeError):
            until(world, lambda: bool(reader.poll()))
        reader.events = []
        reader.consumer.close()

    def test_a_partition_that_is_not_assigned_cannot_be_sought(
        self, world: World, unique: Callable[[str], str]
    ) -> None:
        """The engine learns at once that it is not its own."""
        topic = world.topic(1)
        reader = member(world, unique("group"), topic, 1)
        with pytest.raises(BrokerError, match="not assigned"):
            reader.consumer.seek(TopicPartition(topic, 7), 0)
        reader.consumer.close()


class TestTransactions:
    """What a transaction makes visible, and who may have one."""

    def test_outputs_and_positions_come_together(
        self, world: World, producer: Producer, unique: Callable[[str], str]
    ) -> None:
        """Before the commit nobody sees either; after it everybody sees both, metadata included."""
        topic, group = world.topic(1), unique("group")
        partition, reader = TopicPartition(topic, 0), world.broker.positions(group)
        shown = member(world, group, topic, 1).consumer.group_metadata()
        assert reader.read([partition], CALL_S) == {partition: Position(None, "")}
        producer.begin()
        producer.produce(0, Outgoing(topic, b"key", b"value"))
        producer.send_offsets({partition: Position(7, "a map")}, shown, CALL_S)
        producer.flush(CALL_S)
        assert world.read(topic, committed=True) == []
        assert world.read(topic, committed=False) == [(0, b"value")]
        producer.commit(CALL_S)
        assert stable(world, reader, partition) == Position(7, "a map")
        until(world, lambda: world.read(topic, committed=True) == [(0, b"value")])

    def test_an_abort_hides_outputs_and_positions(
        self, world: World, producer: Producer, unique: Callable[[str], str]
    ) -> None:
        """Nothing of an aborted transaction is ever seen by a committed reader, and the next one works."""
        topic, group = world.topic(1), unique("group")
        partition, reader = TopicPartition(topic, 0), world.broker.positions(group)
        shown = member(world, group, topic, 1).consumer.group_metadata()
        for value, end in ((b"first", producer.commit), (b"second", producer.abort)):
            producer.begin()
            producer.produce(0, Outgoing(topic, b"key", value))
            producer.send_offsets({partition: Position(len(value), value.decode())}, shown, CALL_S)
            producer.flush(CALL_S)
            end(CALL_S)
        assert stable(world, reader, partition) == Position(5, "first")
        until(world, lambda: [value for _, value in world.read(topic, committed=True)] == [b"first"])

    def test_markers_and_aborted_records_leave_gaps(
        self, world: World, producer: Producer, unique: Callable[[str], str]
    ) -> None:
        """The next record is not at the last offset + 1."""
        topic = world.topic(1)
        for end in (producer.commit, producer.abort, producer.commit):
            producer.begin()
            producer.produce(0, Outgoing(topic, b"key", b"value"))
            producer.flush(CALL_S)
            end(CALL_S)
        reader = member(world, unique("group"), topic, 1, seek_to=0)
        until(world, lambda: reader.poll() is not None and reader.offsets() == [0, 4])
        reader.consumer.close()

    def test_an_open_transaction_hides_what_is_committed_behind_it(
        self, world: World, producer: Producer, unique: Callable[[str], str]
    ) -> None:
        """Committed readers stop at the last stable offset."""
        topic = world.topic(1)
        producer.begin()
        producer.produce(0, Outgoing(topic, b"key", b"open"))
        producer.flush(CALL_S)
        other = ready(world, unique("id"))
        other.begin()
        other.produce(0, Outgoing(topic, b"key", b"done"))
        other.commit(CALL_S)
        other.close()
        assert world.read(topic, committed=True) == []
        producer.abort(CALL_S)
        until(world, lambda: [value for _, value in world.read(topic, committed=True)] == [b"done"])

    def test_a_second_producer_of_the_id_fences_the_first(self, world: World, unique: Callable[[str], str]) -> None:
        """The zombie's commit is refused, and what it had open is aborted."""
        topic, name = world.topic(1), unique("id")
        zombie = ready(world, name)
        zombie.begin()
        zombie.produce(0, Outgoing(topic, b"key", b"zombie"))
        zombie.flush(CALL_S)
        heir = ready(world, name)
        with pytest.raises(BrokerError) as refused:
            zombie.commit(CALL_S)
        assert refused.value.severity is Severity.FENCED
        heir.begin()
        heir.produce(0, Outgoing(topic, b"key", b"heir"))
        heir.commit(CALL_S)
        until(world, lambda: [value for _, value in world.read(topic, committed=True)] == [b"heir"])
        zombie.close()
        heir.close()

    def test_initialising_resolves_what_was_left_open(self, world: World, unique: Callable[[str], str]) -> None:
        """While a transaction is open, positions are unstable, said at once; a new epoch settles them."""
        topic, group, name = world.topic(1), unique("group"), unique("id")
        partition, reader = TopicPartition(topic, 0), world.broker.positions(group)
        shown = member(world, group, topic, 1).consumer.group_metadata()
        dying = ready(world, name)
        dying.begin()
        dying.send_offsets({partition: Position(9, "")}, shown, CALL_S)
        dying.close()
        asked = world.now()
        with pytest.raises(BrokerError) as unstable:
            reader.read([partition], CALL_S)
        assert (unstable.value.severity, unstable.value.code) == (Severity.RETRIABLE, "UNSTABLE_OFFSET_COMMIT")
        assert world.now() - asked < 2
        heir = ready(world, name)
        assert stable(world, reader, partition) == Position(None, "")
        heir.close()

    def test_metadata_has_a_limit(self, world: World, producer: Producer, unique: Callable[[str], str]) -> None:
        """4095 characters pass; 4096 abort, and the producer goes on."""
        topic, group = world.topic(1), unique("group")
        partition, reader = TopicPartition(topic, 0), world.broker.positions(group)
        shown = member(world, group, topic, 1).consumer.group_metadata()
        producer.begin()
        with pytest.raises(BrokerError) as refused:
            producer.send_offsets({partition: Position(1, "x" * 4096)}, shown, CALL_S)
        assert (refused.value.severity, refused.value.code) == (Severity.ABORTABLE, "OFFSET_METADATA_TOO_LARGE")
        abort(producer)
        producer.begin()
        producer.send_offsets({partition: Position(2, "y" * 4095)}, shown, CALL_S)
        producer.commit(CALL_S)
        assert stable(world, reader, partition) == Position(2, "y" * 4095)

    def test_an_oversized_record_is_named_and_holds_the_transaction_back(
        self, world: World, unique: Callable[[str], str]
    ) -> None:
        """The batch cannot be committed without it; the index says which one to take out."""
        topic, name = world.topic(1), unique("id")
        producer = ready(world, name)
        calm = producer.disturbances()
        producer.begin()
        producer.produce(0, Outgoing(topic, b"key", b"small"))
        producer.produce(1, Outgoing(topic, b"key", os.urandom(2_000_000)))  # nothing to compress
        with pytest.raises(BrokerError) as refused:
            producer.deliver(CALL_S)
        assert refused.value.severity is Severity.ABORTABLE
        producer.flush(CALL_S)
        assert {index: error.code for index, error in producer.refused().items()} == {1: "MSG_SIZE_TOO_LARGE"}
        producer.abort(CALL_S)
        if producer.disturbances() != calm:  # as the committer does: the client needs a new epoch after such a refusal
            producer.close()
            producer = ready(world, name)
        producer.begin()
        producer.produce(0, Outgoing(topic, b"key", b"small"))
        producer.commit(CALL_S)
        assert producer.refused() == {}
        producer.close()
        until(world, lambda: [value for _, value in world.read(topic, committed=True)] == [b"small"])

    def test_the_key_alone_decides_the_partition(
        self, world: World, producer: Producer, unique: Callable[[str], str]
    ) -> None:
        """As Java's default partitioner does: murmur2 of the key."""
        topic = world.topic(12)
        keys = [b"tenant/%d" % number for number in range(200)]
        producer.begin()
        for index, key in enumerate(keys):
            producer.produce(index, Outgoing(topic, key, b""))
        producer.commit(CALL_S)
        reader = member(world, unique("group"), topic, 12, seek_to=0)
        until(world, lambda: reader.poll() is not None and len(reader.records) == len(keys))
        assert {r.key: r.partition for r in reader.records} == {key: partition_for(key, 12) for key in keys}
        reader.consumer.close()


class TestGroup:
    """Who owns what, and what the coordinator checks."""

    def test_an_old_generation_cannot_commit(
        self, world: World, producer: Producer, unique: Callable[[str], str]
    ) -> None:
        """Metadata from before a rebalance aborts the transaction; fresh metadata goes through."""
        topic, group = world.topic(4), unique("group")
        first, second, stale = two_members(world, group, topic)
        mine = min(first.owned)
        producer.begin()
        with pytest.raises(BrokerError) as refused:
            producer.send_offsets({mine: Position(3, "")}, stale, CALL_S)
        assert (refused.value.severity, refused.value.code) == (Severity.ABORTABLE, "ILLEGAL_GENERATION")
        abort(producer)
        producer.begin()
        producer.send_offsets({mine: Position(4, "")}, first.consumer.group_metadata(), CALL_S)
        producer.commit(CALL_S)
        assert stable(world, world.broker.positions(group), mine) == Position(4, "")
        second.consumer.close()
        first.consumer.close()

    def test_nobody_checks_who_owns_the_partition(
        self, world: World, producer: Producer, unique: Callable[[str], str]
    ) -> None:
        """A valid member's commit for another's partition is ACCEPTED: the engine must not ask for it."""
        topic, group = world.topic(4), unique("group")
        first, second, _ = two_members(world, group, topic)
        others = min(second.owned)
        producer.begin()
        producer.send_offsets({others: Position(5, "not mine")}, first.consumer.group_metadata(), CALL_S)
        producer.commit(CALL_S)
        assert stable(world, world.broker.positions(group), others) == Position(5, "not mine")
        second.consumer.close()
        first.consumer.close()

    def test_leaving_is_told_first(self, world: World, producer: Producer, unique: Callable[[str], str]) -> None:
        """Inside `revoked` of a close we still are a member and can commit."""
        topic, group = world.topic(1), unique("group")
        partition = TopicPartition(topic, 0)
        leaver = member(world, group, topic, 1)

        def commit() -> None:
            producer.begin()
            producer.send_offsets({partition: Position(8, "last")}, leaver.consumer.group_metadata(), CALL_S)
            producer.commit(CALL_S)

        leaver.at_revocation = commit
        leaver.consumer.close()
        assert leaver.events[-1] == ("revoked", (partition,))
        assert stable(world, world.broker.positions(group), partition) == Position(8, "last")

    def test_a_member_that_slept_through_its_session_has_lost_its_partitions(
        self, world: World, unique: Callable[[str], str]
    ) -> None:
        """It is told `lost`, not `revoked`: they are somebody else's already."""
        topic, group = world.topic(2), unique("group")
        sleeper = member(world, group, topic, 2)
        awake = world.now() + SESSION_S + 0.5
        until(world, lambda: world.now() > awake)
        heir = member(world, group, topic, 2)
        until(world, lambda: sleeper.poll() is not None and len(sleeper.events) > 1)
        assert sleeper.events[1] == ("lost", (TopicPartition(topic, 0), TopicPartition(topic, 1)))
        sleeper.consumer.close()
        heir.consumer.close()

    def test_what_a_leaver_had_comes_to_who_stays(self, world: World, unique: Callable[[str], str]) -> None:
        """And only that: what the other one has stays where it is."""
        topic, group = world.topic(4), unique("group")
        first, second, _ = two_members(world, group, topic)
        given_up = tuple(sorted(second.owned))
        second.consumer.close()
        until(world, lambda: first.poll() is not None and len(first.owned) == 4)
        assert first.events[-1] == ("assigned", given_up)
        first.consumer.close()

    def test_what_stays_is_delivered_without_a_break(self, world: World, unique: Callable[[str], str]) -> None:
        """A rebalance under delivery repeats and loses nothing of what was kept, and delivers nothing of what went."""
        topic, group = world.topic(4), unique("group")
        first = member(world, group, topic, 4, seek_to=0)
        second = Member(world, group, topic)

        def shared() -> bool:
            for number in range(4):
                world.append(topic, number, 1)
            first.poll()
            second.poll(1)
            return len(first.owned) == len(second.owned) == 2

        until(world, shared)
        gone, end = second.owned, len(first.records)
        for number in range(4):
            world.append(topic, number, 1)
        until(world, lambda: bool(first.poll()))
        for partition in first.owned:
            offsets = [r.offset for r in first.records if r.partition == partition.partition]
            assert offsets == list(range(len(offsets)))
        assert not any(TopicPartition(topic, r.partition) in gone for r in first.records[end:])
        assert second.records == []
        second.consumer.close()
        first.consumer.close()

    def test_a_topic_made_again_is_another_one(self, world: World, unique: Callable[[str], str]) -> None:
        """Its id tells, and its log begins where the reader is told."""
        topic = world.topic(1)
        partition, reader = TopicPartition(topic, 0), world.broker.positions(unique("group"))
        world.append(topic, 0, 5)
        world.truncate(partition, 3)
        assert reader.log_starts([partition], CALL_S) == {partition: 3}
        before = reader.topic_ids([topic], CALL_S)[topic]
        world.recreate(topic)
        after: list[bytes] = []
        insist(world, lambda: after.append(reader.topic_ids([topic], CALL_S)[topic]))
        assert len(before) == len(after[0]) == 16
        assert before != after[0]


@pytest.mark.parametrize("any_world", ["simulated", "kafka", "kip-848"], indirect=True)
def test_a_rebalance_moves_only_the_difference(any_world: World, unique: Callable[[str], str]) -> None:
    """Two of four partitions go; the other two are not even mentioned, and go on where they are."""
    topic, group = any_world.topic(4), unique("group")
    first, second, _ = two_members(any_world, group, topic)
    kinds = [(kind, len(partitions)) for kind, partitions in first.events if partitions]
    assert kinds == [("assigned", 4), ("revoked", 2)]
    assert second.events == [("assigned", tuple(sorted(second.owned)))]
    assert first.owned.isdisjoint(second.owned)
    second.consumer.close()
    first.consumer.close()


@pytest.fixture
def any_world(request: pytest.FixtureRequest, unique: Callable[[str], str]) -> World:
    """The worlds a test names."""
    return make_world(request, unique)


@pytest.mark.parametrize(
    "promise",
    [
        TestTransactions.test_outputs_and_positions_come_together,
        TestTransactions.test_an_abort_hides_outputs_and_positions,
    ],
)
def test_the_mock_does_not_pass_for_a_broker(promise: Callable[..., None], unique: Callable[[str], str]) -> None:
    """The negative control: a contract that the mock cluster passes would prove nothing on a real one."""
    with embedded_broker() as embedded:
        lax = MockWorld(embedded, unique)
        made = ready(lax, unique("id"))
        with pytest.raises(AssertionError):
            promise(TestTransactions(), lax, made, unique)
        made.close()
