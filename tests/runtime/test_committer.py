"""The transactional protocol against a producer that answers what the test says, call by call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.record import Outgoing, TopicPartition
from streams.runtime.committer import Batch, Committer, Outcome, Verdict, drive
from streams.runtime.offset_map import UnreadableMapError, decode
from streams.runtime.ports import BrokerError, Position, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRIABLE = BrokerError(Severity.RETRIABLE, "REQUEST_TIMED_OUT")
ABORTABLE = BrokerError(Severity.ABORTABLE, "ILLEGAL_GENERATION")
FATAL = BrokerError(Severity.FATAL, "INVALID_TXN_STATE")
INDEFINITE = BrokerError(Severity.INDEFINITE, "_TIMED_OUT")
FENCED = BrokerError(Severity.FENCED, "_FENCED")
CLEARING = ["begin", "offsets1", "abort"]
"""An aborted transaction of offsets alone: its marker takes along what an earlier one left pending."""


class World:
    """What every producer of the test answers, what was called, and the time."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.errors: dict[str, list[BrokerError]] = {}
        self.takes: dict[str, float] = {}
        self.now = 0.0
        self.disturbed = 0
        self.refused: dict[int, BrokerError] = {}
        self.producers = 0
        self.sent: list[Mapping[TopicPartition, Position]] = []

    def call(self, name: str) -> None:
        self.calls.append(name)
        self.now += self.takes.get(name, 0.001)
        waiting = self.errors.get(name)
        if waiting:
            raise waiting.pop(0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class ScriptedProducer:
    """Answers by the world's script."""

    def __init__(self, world: World) -> None:
        world.producers += 1
        self._world = world

    def init_transactions(self, timeout: float) -> None:
        assert timeout > 0
        self._world.call("init")

    def begin(self) -> None:
        self._world.call("begin")

    def produce(self, index: int, record: Outgoing) -> None:
        assert record.topic
        self._world.call(f"produce{index}")

    def send_offsets(self, positions: Mapping[TopicPartition, Position], group: object, timeout: float) -> None:
        assert group == "group"
        assert timeout > 0
        self._world.sent.append(positions)
        self._world.call(f"offsets{len(positions)}")

    def deliver(self, timeout: float) -> None:
        assert timeout > 0
        self._world.call("deliver")

    def commit(self, timeout: float) -> None:
        assert timeout > 0
        self._world.call("commit")

    def flush(self, timeout: float) -> None:
        assert timeout > 0
        self._world.call("flush")

    def abort(self, timeout: float) -> None:
        assert timeout > 0
        self._world.call("abort")

    def refused(self) -> dict[int, BrokerError]:
        return self._world.refused

    def disturbances(self) -> int:
        return self._world.disturbed

    def close(self) -> None:
        self._world.calls.append("close")


@pytest.fixture
def world() -> World:
    """Return a world in which every call succeeds."""
    return World()


@pytest.fixture
def committer(world: World) -> Committer:
    """A committer that has committed before; the calls are counted from here."""
    made = Committer(lambda: ScriptedProducer(world), lambda: world.now, world.sleep)
    drive(made.open())
    _run(made)
    world.calls.clear()
    world.sent.clear()
    world.now = 0.0
    return made


def _run(committer: Committer, partitions: int = 1) -> Outcome:
    positions = {TopicPartition("in", number): Position(1, "") for number in range(partitions)}
    return drive(committer.transaction(Batch([Outgoing("out", b"k", b"v")], positions, "group")))


def test_outputs_and_positions_go_in_one_transaction(committer: Committer, world: World) -> None:
    """The plain case: five calls, in this order, and no new producer."""
    assert _run(committer).verdict is Verdict.COMMITTED
    assert world.calls == ["begin", "produce0", "offsets1", "deliver", "commit"]


def test_a_new_process_first_clears_what_an_earlier_one_may_have_left_pending(world: World) -> None:
    """A late copy of a TxnOffsetCommit, whose sender died before its next epoch, would go with our first commit."""
    committer = Committer(lambda: ScriptedProducer(world), lambda: world.now, world.sleep)
    drive(committer.open())

    assert _run(committer).verdict is Verdict.COMMITTED
    assert world.calls == ["init", *CLEARING, "begin", "produce0", "offsets1", "deliver", "commit"]


def test_a_rival_that_shows_up_while_clearing_stops_us(world: World) -> None:
    """A new epoch that is refused for good is a rival's doing, whenever it is asked for."""
    committer = Committer(lambda: ScriptedProducer(world), lambda: world.now, world.sleep)
    drive(committer.open())
    world.errors |= {"abort": [FATAL], "init": [FENCED]}

    assert _run(committer).verdict is Verdict.FENCED


def test_many_partitions_go_in_several_calls_of_one_transaction(committer: Committer, world: World) -> None:
    """At most 100 a call: more were refused by the broker."""
    _run(committer, 250)

    assert world.calls == ["begin", "produce0", "offsets100", "offsets100", "offsets50", "deliver", "commit"]


@pytest.mark.parametrize("name", ["begin", "offsets1", "deliver", "commit"])
def test_a_retriable_failure_is_the_same_call_again_and_then_a_new_epoch(
    committer: Committer, world: World, name: str
) -> None:
    """The repeated call may have left a copy on its way: the success is doubtful, the next epoch refuses the copy."""
    world.errors[name] = [RETRIABLE, RETRIABLE]

    assert _run(committer).verdict is Verdict.COMMITTED
    assert world.calls.count(name) == 3
    assert world.calls[-2:] == ["close", "init"]


def test_an_abortable_failure_is_flushed_and_aborted(committer: Committer, world: World) -> None:
    """Flush comes before abort: aborting under a produce request in flight can be fatal."""
    world.errors["offsets1"] = [ABORTABLE]

    outcome = _run(committer)

    assert outcome.verdict is Verdict.ABORTED
    assert world.calls == ["begin", "produce0", "offsets1", "flush", "abort"]
    assert world.producers == 1


def test_the_records_the_broker_refused_are_named(committer: Committer, world: World) -> None:
    """The loop must know which to take out, or the same batch would be refused for ever; the producer is of no use."""
    world.refused = {0: BrokerError(Severity.ABORTABLE, "MSG_SIZE_TOO_LARGE")}
    world.errors["commit"] = [ABORTABLE]

    outcome = _run(committer)

    assert list(outcome.refused) == [0]
    assert outcome.verdict is Verdict.RESOLVED
    assert world.calls[-2:] == ["close", "init"]


@pytest.mark.parametrize("error", [FATAL, INDEFINITE], ids=["fatal", "indefinite"])
@pytest.mark.parametrize("name", ["begin", "offsets1", "deliver", "commit"])
def test_what_nobody_knows_the_end_of_is_resolved_by_a_new_producer(
    committer: Committer, world: World, name: str, error: BrokerError
) -> None:
    """No further transaction on that producer; the same id is initialised again and the loop asks the broker."""
    world.errors[name] = [error]

    outcome = _run(committer)

    assert outcome.verdict is Verdict.RESOLVED
    assert world.calls[world.calls.index("close") :] == ["close", "init", *(CLEARING if name != "commit" else [])]


def test_an_abort_that_fails_is_resolved_too(committer: Committer, world: World) -> None:
    """An abort nobody knows the end of is no better than such a commit."""
    world.errors["offsets1"] = [ABORTABLE]
    world.errors["abort"] = [INDEFINITE]

    assert _run(committer).verdict is Verdict.RESOLVED
    assert world.calls[world.calls.index("close") :] == ["close", "init", *CLEARING]


@pytest.mark.parametrize("seconds", [0.4, 0.39], ids=["slow", "not slow"])
def test_a_slow_send_offsets_makes_a_success_doubtful(committer: Committer, world: World, seconds: float) -> None:
    """The client may have resent it silently; the first copy could land in the next transaction."""
    world.takes["offsets1"] = seconds

    assert _run(committer).verdict is Verdict.COMMITTED
    assert (world.calls[-1] == "init") == (seconds >= 0.4)


def test_a_disturbance_counted_later_renews_before_the_next_transaction(committer: Committer, world: World) -> None:
    """Statistics lag behind: what they show only now still concerns the last transaction."""
    _run(committer)
    world.disturbed = 1
    world.calls.clear()

    _run(committer)

    assert world.calls[:3] == ["close", "init", "begin"]


def test_a_rival_is_told_from_our_own_sleep(committer: Committer, world: World) -> None:
    """Fenced within the transaction's time: a rival. Fenced after it: the broker gave us up while we slept."""
    world.errors["commit"] = [FENCED]
    assert _run(committer).verdict is Verdict.FENCED

    world.errors["commit"] = [FENCED]
    world.takes["offsets1"] = 11.0
    assert _run(committer).verdict is Verdict.RESOLVED


def test_initialising_goes_on_until_it_works(committer: Committer, world: World) -> None:
    """A broker that is away for a while is waited for."""
    world.errors["commit"] = [FATAL]
    world.errors["init"] = [RETRIABLE, FATAL, INDEFINITE]

    assert _run(committer).verdict is Verdict.RESOLVED
    assert world.calls.count("init") == 4


def test_a_call_that_is_answered_again_for_too_long_ends_in_a_new_producer(world: World, committer: Committer) -> None:
    """A client that never finds its coordinator again is given up; which way its transaction went is then asked."""
    world.errors["commit"] = [RETRIABLE] * 1000

    outcome = _run(committer)

    assert (outcome.verdict, world.producers) == (Verdict.RESOLVED, 2)
    assert 10 <= world.now < 13
    assert committer.at == "init_transactions"


def test_records_that_cannot_be_delivered_do_not_leave_the_commit_in_doubt(world: World, committer: Committer) -> None:
    """Commit was never called, so what is pending in the group may go, and goes."""
    world.errors["deliver"] = [RETRIABLE] * 1000

    assert _run(committer).verdict is Verdict.RESOLVED
    assert "commit" not in world.calls
    assert world.calls[-5:] == ["close", "init", *CLEARING]


def test_an_initialisation_that_is_answered_again_for_too_long_is_tried_by_a_new_producer(
    world: World, committer: Committer
) -> None:
    """Not even the first call of a client may keep a worker waiting for good."""
    world.errors |= {"commit": [INDEFINITE], "init": [RETRIABLE] * 30}

    outcome = _run(committer)

    assert outcome.verdict is Verdict.RESOLVED
    assert world.producers > 2
    assert not world.errors["init"]


def test_what_is_sent_to_clear_pending_offsets_stops_the_partition_if_it_is_ever_believed(
    world: World, committer: Committer
) -> None:
    """Its metadata are no map: neither skipped nor repeated work can come of it."""
    world.errors["begin"] = [FATAL]
    _run(committer)

    assert world.sent[-1] == {TopicPartition("in", 0): Position(1, "never committed")}
    with pytest.raises(UnreadableMapError):
        decode("never committed", bytes(16), 1)


@pytest.mark.parametrize("error", [FATAL, INDEFINITE], ids=["fatal", "indefinite"])
@pytest.mark.parametrize("name", ["offsets1", "abort"])
def test_clearing_goes_on_until_it_ends_well(world: World, committer: Committer, name: str, error: BrokerError) -> None:
    """Each try has a producer of its own; a refused position does not matter, the group's partition is in by then."""
    world.errors |= {"begin": [FATAL], name: [error, error]}

    assert _run(committer).verdict is Verdict.RESOLVED
    assert world.calls[-4:] == ["init", *CLEARING]
    assert world.calls.count("init") == 3

    world.errors |= {"begin": [FATAL], "offsets1": [ABORTABLE]}
    _run(committer)
    assert world.calls[-4:] == ["init", *CLEARING]
