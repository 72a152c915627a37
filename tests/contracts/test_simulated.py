"""What the simulated cluster can do that no test can ask of a real one: lost answers, late copies, time."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from schemas.record import Outgoing, TopicPartition
from streams.adapters.simulated import Call, Fault, Kind, SimulatedBroker, SimulatedCluster, no_faults
from streams.adapters.simulated_group import MemberMetadata
from streams.runtime.ports import BrokerError, Position, Severity

if TYPE_CHECKING:
    from streams.adapters.simulated_producer import SimulatedProducer

TOPIC, GROUP, ID = "out", "group", "worker"
PARTITION = TopicPartition(TOPIC, 0)
NOBODY = MemberMetadata(GROUP, "", -1)
"""The classic protocol takes a commit from nobody in particular; here it spares the tests a consumer."""


class Script:
    """Faults by the name of the call, each used once, in order."""

    def __init__(self, **faults: Fault) -> None:
        self.faults = faults

    def __call__(self, call: Call) -> Fault:
        """Take the fault of this call, if there is one left."""
        return self.faults.pop(call.name, Fault(Kind.SUCCEED))


@pytest.fixture
def cluster() -> SimulatedCluster:
    """One topic with one partition."""
    made = SimulatedCluster()
    made.create_topic(TOPIC, 1)
    return made


def ready(cluster: SimulatedCluster, **faults: Fault) -> SimulatedProducer:
    """Return a producer with these faults ahead of it."""
    producer = SimulatedBroker(cluster, Script(**faults)).producer(ID)
    producer.init_transactions(1)
    return producer


def fill(producer: SimulatedProducer, value: bytes, offset: int) -> None:
    """Begin a transaction with one record and one position."""
    producer.begin()
    producer.produce(0, Outgoing(TOPIC, b"key", value))
    producer.send_offsets({PARTITION: Position(offset, "")}, NOBODY, 1)


def values(cluster: SimulatedCluster) -> list[bytes | None]:
    """Return what a committed reader sees."""
    return [record.value for record in cluster.read(TOPIC)]


def committed(cluster: SimulatedCluster) -> int | None:
    """Return the group's position."""
    return cluster.group(GROUP).read([PARTITION])[PARTITION].offset


def test_a_late_copy_of_a_commit_commits_the_next_transaction_of_the_epoch(cluster: SimulatedCluster) -> None:
    """The tear that a new epoch is taken for: half of the second transaction becomes visible, without its offsets."""
    producer = ready(cluster, commit=Fault(Kind.LATE_COPY, delay_s=2))
    fill(producer, b"first", 1)
    producer.commit(1)
    assert producer.disturbances() == 1
    producer.begin()
    producer.produce(0, Outgoing(TOPIC, b"key", b"second"))
    cluster.advance(3)
    assert values(cluster) == [b"first", b"second"]
    assert committed(cluster) == 1


def test_a_new_epoch_refuses_a_late_copy(cluster: SimulatedCluster) -> None:
    """The committer's remedy works here as it does on a real broker."""
    fill(first := ready(cluster, commit=Fault(Kind.LATE_COPY, delay_s=2)), b"first", 1)
    first.commit(1)
    second = ready(cluster)
    second.begin()
    second.produce(0, Outgoing(TOPIC, b"key", b"second"))
    cluster.advance(3)
    assert values(cluster) == [b"first"]
    second.commit(1)
    assert values(cluster) == [b"first", b"second"]


def test_a_late_copy_of_offsets_turns_positions_back(cluster: SimulatedCluster) -> None:
    """It becomes part of the running transaction, over what that one sent."""
    producer = ready(cluster, send_offsets=Fault(Kind.LATE_COPY, delay_s=2))
    fill(producer, b"first", 10)
    producer.commit(1)
    fill(producer, b"second", 20)
    cluster.advance(3)
    producer.commit(1)
    assert committed(cluster) == 10


@pytest.mark.parametrize(
    ("kind", "seen"), [(Kind.INDEFINITE_DONE, [b"first"]), (Kind.INDEFINITE_NOT_DONE, [])], ids=str
)
def test_a_lost_answer_may_hide_either(cluster: SimulatedCluster, kind: Kind, seen: list[bytes]) -> None:
    """Nothing may be begun before it is known; a new producer of the id settles what was left open."""
    producer = ready(cluster, commit=Fault(kind))
    fill(producer, b"first", 1)
    with pytest.raises(BrokerError) as lost:
        producer.commit(1)
    assert lost.value.severity is Severity.INDEFINITE
    with pytest.raises(BrokerError):
        producer.begin()
    ready(cluster)
    assert values(cluster) == seen
    assert committed(cluster) == (1 if seen else None)


def test_the_same_commit_again_gets_the_definite_answer(cluster: SimulatedCluster) -> None:
    """Whether or not the first one was done."""
    for kind in (Kind.INDEFINITE_DONE, Kind.INDEFINITE_NOT_DONE, Kind.RETRIABLE):
        producer = ready(cluster, commit=Fault(kind))
        fill(producer, b"once", 1)
        with pytest.raises(BrokerError):
            producer.commit(1)
        producer.commit(1)
    assert values(cluster) == [b"once"] * 3


def test_an_abortable_failure_leaves_only_the_abort(cluster: SimulatedCluster) -> None:
    """And after it the producer goes on."""
    producer = ready(cluster, produce=Fault(Kind.ABORTABLE))
    producer.begin()
    producer.produce(0, Outgoing(TOPIC, b"key", b"lost"))
    with pytest.raises(BrokerError) as failed:
        producer.commit(1)
    assert failed.value.severity is Severity.ABORTABLE
    with pytest.raises(BrokerError) as failed:
        producer.send_offsets({PARTITION: Position(1, "")}, NOBODY, 1)
    assert failed.value.severity is Severity.ABORTABLE
    producer.abort(1)
    fill(producer, b"kept", 1)
    producer.commit(1)
    assert values(cluster) == [b"kept"]


def test_a_transaction_that_outlives_its_time_out_is_aborted_and_its_producer_fenced(
    cluster: SimulatedCluster,
) -> None:
    """As on a real broker it looks like a rival."""
    producer = ready(cluster)
    fill(producer, b"slow", 1)
    cluster.advance(10)
    with pytest.raises(BrokerError) as fenced:
        producer.commit(1)
    assert fenced.value.severity is Severity.FENCED
    assert committed(cluster) is None
    assert values(cluster) == []


def test_retention_moves_the_start_but_not_past_what_is_undecided(cluster: SimulatedCluster) -> None:
    """Old records go, offsets stay what they were."""
    cluster.create_topic("short", 1, retention_s=60)
    cluster.append(Outgoing("short", None, b"old"))
    cluster.advance(50)
    cluster.append(Outgoing("short", None, b"new"))
    cluster.advance(20)
    log = cluster.log(TopicPartition("short", 0))
    assert (log.start, log.end) == (1, 2)
    assert [record.offset for record in cluster.read("short")] == [1]


def test_a_time_is_looked_up_as_the_first_offset_not_before_it(cluster: SimulatedCluster) -> None:
    """Past everything, it is the end."""
    began = cluster.now
    for _ in range(3):
        cluster.append(Outgoing(TOPIC, None, b""))
        cluster.advance(10)
    log = cluster.log(PARTITION)
    assert [log.offset_at(round((began + s) * 1000)) for s in (0, 1, 20, 21)] == [0, 1, 2, 3]


def test_one_seed_is_one_history() -> None:
    """The same decisions give the same log, to the byte."""

    def history(seed: int) -> list[tuple[int, bytes | None]]:
        chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        cluster = SimulatedCluster()
        cluster.create_topic(TOPIC, 2)
        kinds = [Kind.SUCCEED, Kind.SUCCEED, Kind.RETRIABLE, Kind.INDEFINITE_DONE, Kind.LATE_COPY, Kind.ABORTABLE]
        for number in range(200):
            producer = SimulatedBroker(cluster).producer(ID)
            producer.init_transactions(1)
            faulty = SimulatedBroker(cluster, lambda _: Fault(chance.choice(kinds), chance.random())).producer(ID)
            try:
                faulty.init_transactions(1)
                fill(faulty, b"%d" % number, number)
                faulty.commit(1)
            except BrokerError:
                pass
            cluster.advance(chance.random())
        return [(record.offset, record.value) for record in cluster.read(TOPIC)]

    assert history(7) == history(7)
    assert history(7) != history(8)


def test_without_faults_everything_succeeds() -> None:
    """The default decides nothing else."""
    assert no_faults(Call("any", "call")).kind is Kind.SUCCEED
