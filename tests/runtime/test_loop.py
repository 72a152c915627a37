"""The engine's mind, driven by hand: order, positions, retries, suspects, pauses and doubtful commits."""

from __future__ import annotations

import pytest

from schemas.errors import Permanent, Reason, Transient, Unavailable, Waiting
from streams.runtime.committer import Verdict
from streams.runtime.limits import LoopLimits
from streams.runtime.offset_map import HORIZON, OffsetMap, decode, encode
from streams.runtime.ports import BrokerError, Position, Severity
from streams.runtime.retry import RetryPolicy
from streams.runtime.task import Result
from tests.runtime.builders import P0, P1, TOPIC_ID, HandDriven, answer, record, records


@pytest.fixture
def driven() -> HandDriven:
    """A loop with P0 assigned at offset 0."""
    driven = HandDriven()
    driven.assign(P0)
    return driven


def _map(driven: HandDriven, partition: object = P0) -> OffsetMap:
    found = driven.positions[partition]  # type: ignore[index]
    assert found.offset is not None
    return decode(found.metadata, TOPIC_ID, found.offset)


def test_records_of_other_keys_start_at_once_and_of_the_same_key_in_order(driven: HandDriven) -> None:
    """A key's second record waits for its first; everything else does not."""
    driven.poll(record(0, "a"), record(1, "a"), record(2, "b"))
    assert driven.running() == [0, 2]

    driven.finish(0)

    assert driven.running() == [2, 1]


def test_the_position_stays_at_the_smallest_unfinished_record(driven: HandDriven) -> None:
    """What finished beyond it goes into the map; when it finishes the position jumps."""
    driven.poll(*records(range(3)))
    driven.finish(1, 2)
    driven.settle()
    assert (driven.positions[P0].offset, _map(driven).done) == (0, frozenset({1, 2}))

    driven.finish(0)
    driven.settle()

    assert (driven.positions[P0].offset, _map(driven).done) == (3, frozenset())


def test_gaps_in_the_offsets_do_not_hold_the_position(driven: HandDriven) -> None:
    """Commit markers and compaction take offsets that no record has."""
    driven.poll(*records([0, 4, 9]))
    driven.finish(0, 4, 9)
    driven.settle()

    assert driven.positions[P0].offset == 10


def test_the_position_moves_past_what_the_map_showed_when_that_is_polled_last(driven: HandDriven) -> None:
    """Found by a simulation: 2 is done by the map, 0 ends before 2 is polled again; then nothing else comes."""
    driven.poll(*records([0, 2]))
    driven.finish(2)
    driven.settle()
    again = HandDriven()
    again.positions = driven.positions
    again.assign(P0)
    again.poll(record(0))
    again.finish(0)
    again.settle()

    again.poll(record(2))
    again.settle()

    assert again.positions[P0].offset == 3


def test_what_the_map_shows_done_is_not_done_again(driven: HandDriven) -> None:
    """After a restart only the unfinished records start."""
    driven.poll(*records(range(4)))
    driven.finish(1, 3)
    driven.settle()

    again = HandDriven()
    again.positions = driven.positions
    again.assign(P0)
    again.poll(*records(range(4)))

    assert again.running() == [0, 2]


def test_nothing_starts_beyond_what_the_map_can_tell(driven: HandDriven) -> None:
    """A record further from the base than the horizon waits until the base moves."""
    driven.poll(record(0), record(HORIZON))
    assert driven.running() == [0]

    driven.finish(0)
    driven.settle()

    assert driven.running() == [HORIZON]


def test_an_answer_of_an_earlier_assignment_is_dropped(driven: HandDriven) -> None:
    """Lost and regained: the old render's answer neither frees the key nor is committed."""
    driven.poll(record(0, "a"), record(1, "a"))
    old = driven.take(0)
    driven.loop.drop([P0])
    driven.assign(P0)
    driven.poll(record(0, "a"), record(1, "a"))

    driven.loop.finished([Result(old, answer(old))], driven.now)
    driven.decide()

    assert driven.running() == [0]
    assert driven.outputs == []


def test_an_aborted_batch_is_formed_again_in_front(driven: HandDriven) -> None:
    """Its answers are kept, nothing is rendered again, and later ones do not overtake them."""
    driven.poll(record(0, "a"), record(1, "a"))
    driven.finish(0)
    assert driven.formed is not None
    driven.finish(1)

    driven.settle(Verdict.ABORTED)
    driven.now += 1
    driven.settle()

    assert driven.outputs == [b"in-0-0", b"in-0-1"]
    assert driven.positions[P0].offset == 2


def test_an_aborted_batch_leaves_out_what_was_lost_meanwhile() -> None:
    """Fresh group metadata beside entries of a partition that is gone would be accepted by the broker."""
    driven = HandDriven()
    driven.assign(P0, P1)
    driven.poll(record(0, partition=P0), record(1, partition=P1))
    driven.finish(0, 1)
    driven.loop.drop([P0])

    driven.settle(Verdict.ABORTED)
    driven.now += 1
    formed = driven.decide().commit

    assert formed is not None
    assert list(formed.positions) == [P1]
    assert [output.value for output in formed.outputs] == [b"in-1-1"]


def test_an_aborted_batch_leaves_out_what_was_lost_and_came_back() -> None:
    """The partition is ours again, but another may have answered meanwhile: the old answers are not sent."""
    driven = HandDriven()
    driven.assign(P0, P1)
    driven.poll(record(0, partition=P0), record(1, partition=P1))
    driven.finish(0, 1)
    driven.loop.drop([P0])
    driven.loop.assigned([P0])
    driven.decide()
    driven.tell(P0, Position(1, ""))

    driven.settle(Verdict.ABORTED)
    driven.now += 1
    driven.settle_all()

    assert driven.outputs == [b"in-1-1"]


def test_a_position_asked_for_by_an_earlier_assignment_is_not_used(driven: HandDriven) -> None:
    """Between question and answer the partition was elsewhere, and what was true then need not be now."""
    driven.loop.drop([P0])
    driven.loop.assigned([P0])
    asked = driven.loop.incarnation(P0)
    driven.loop.drop([P0])
    driven.loop.assigned([P0])
    driven.decide()

    driven.loop.position(P0, asked, Position(3, ""), topic_id=TOPIC_ID, log_start=0)
    assert driven.decide().seek == []
    driven.tell(P0, Position(7, ""))

    assert driven.decide().seek == [(P0, 7)]


@pytest.mark.parametrize("visible", [True, False], ids=["it had committed", "it had not"])
def test_a_commit_nobody_knows_the_end_of_is_asked_for(driven: HandDriven, visible: bool) -> None:  # noqa: FBT001
    """The broker's own answer decides: shown as committed is not sent again, else it is formed again."""
    driven.poll(*records(range(2)))
    driven.finish(1)
    before = driven.positions[P0]
    driven.settle(Verdict.RESOLVED, visible=visible)
    assert driven.last.read == [P0]
    driven.now += 1
    assert driven.decide().commit is None, "no batch while the last one is unresolved"

    driven.tell(P0, driven.positions[P0] if visible else before)
    driven.now += 1
    driven.settle_all()

    assert driven.outputs == [b"in-0-1"]


def test_a_transient_failure_is_tried_again_later_and_holds_only_its_key(driven: HandDriven) -> None:
    """Others go on; the record starts again after its back-off."""
    driven.poll(record(0, "a"), record(1, "a"), record(2, "b"))
    driven.fail(0, Transient("later"))
    assert driven.running() == [2]

    driven.now += 0.2
    driven.decide()

    assert driven.running() == [2, 0]


def test_attempts_are_bounded() -> None:
    """A record that keeps failing is answered `retries_exhausted` and the position moves on."""
    driven = HandDriven(LoopLimits(retry=RetryPolicy(max_attempts=2)))
    driven.assign(P0)
    driven.poll(record(0))
    for _ in range(2):
        driven.fail(0, Transient("no"))
        driven.now += 1
        driven.decide()
    driven.finish(0)
    driven.settle()

    assert driven.outputs == [b"in-0-0 retries_exhausted"]
    assert driven.positions[P0].offset == 1


def test_what_others_must_bring_is_waited_for_by_age_and_not_by_attempts() -> None:
    """A recipe that a deployment is bringing: many tries are fine, until the age is reached; then its own reason."""
    driven = HandDriven(LoopLimits(retry=RetryPolicy(max_attempts=2, max_age_s=60.0)))
    driven.assign(P0)
    driven.poll(record(0))
    given_up = []
    for _ in range(4):
        driven.fail(0, Waiting(Reason.UNKNOWN_RECIPE, "not here yet"))
        driven.now += 20
        driven.decide()
        given_up.append(driven.started[0].failure is not None)
    driven.finish(0)
    driven.settle()

    assert given_up == [False, False, False, True]
    assert driven.outputs == [b"in-0-0 unknown_recipe"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Permanent(Reason.TRUNCATED, "cut"), "truncated"), (ValueError("bug"), "internal")],
    ids=["permanent", "a defect"],
)
def test_what_will_not_get_better_is_given_up_at_once(driven: HandDriven, error: Exception, reason: str) -> None:
    """One bad record is answered and does not stop the rest."""
    driven.poll(record(0))
    driven.fail(0, error)
    driven.decide()
    driven.finish(0)
    driven.settle()

    assert driven.outputs == [f"in-0-0 {reason}".encode()]


def test_an_outage_pauses_everything_and_uses_up_no_attempts() -> None:
    """Three refused calls open the breaker; one probe at a time; when the service is back all goes on."""
    driven = HandDriven(LoopLimits(concurrency=3, max_in_flight=3, retry=RetryPolicy(max_attempts=2)))
    driven.assign(P0)
    driven.poll(*records(range(3)))
    for offset in range(3):
        driven.fail(offset, Unavailable("store", "refused"))
    assert driven.last.pause == [P0]
    driven.poll(record(3))
    assert driven.running() == []

    for _ in range(20):
        driven.now += 6
        driven.decide()
        assert len(driven.running()) == 1, "one probe"
        driven.fail(driven.running()[0], Unavailable("store", "refused"))
    assert driven.loop.cause_of_pause() == ("store", "refused")
    driven.now += 6
    driven.decide()
    driven.finish(driven.running()[0])

    assert driven.loop.cause_of_pause() is None
    assert driven.last.resume == [P0]
    driven.now += 1
    driven.decide()
    while driven.running():
        driven.finish(driven.running()[0])
    driven.settle_all()
    assert sorted(driven.outputs) == [b"in-0-0", b"in-0-1", b"in-0-2", b"in-0-3"]


def test_an_outage_ends_even_if_the_records_that_met_it_are_gone() -> None:
    """Their partition moved away: others are consumed again, so that one of theirs finds the service back."""
    driven = HandDriven()
    driven.assign(P0, P1)
    driven.poll(*records(range(3)))
    for offset in range(3):
        driven.fail(offset, Unavailable("store", "refused"))
    assert sorted(driven.last.pause) == [P0, P1]

    driven.loop.drop([P0])
    driven.decide()
    assert driven.last.resume == [P1]
    driven.now += 6
    driven.poll(record(7, partition=P1))
    driven.finish(7)

    assert driven.loop.cause_of_pause() is None


def test_an_output_the_broker_refuses_is_replaced_in_its_place(driven: HandDriven) -> None:
    """One bad output must not stop all, and the key's next answer does not overtake its replacement."""
    driven.poll(record(0, "a"), record(1, "a"))
    driven.finish(0)
    driven.settle(Verdict.ABORTED, {0: BrokerError(Severity.ABORTABLE, "MSG_SIZE_TOO_LARGE")})
    driven.finish(1)
    driven.now += 1
    driven.decide()
    driven.finish(0)
    driven.now += 1
    driven.settle_all()

    assert driven.outputs == [b"in-0-0 output_refused", b"in-0-1"]
    assert driven.positions[P0].offset == 2


def test_an_output_too_large_for_its_topic_never_reaches_a_batch() -> None:
    """Sizes are checked before batching."""
    driven = HandDriven(LoopLimits(output_bytes={"out": 71}))
    driven.assign(P0)
    driven.poll(record(0))
    driven.finish(0)
    driven.decide()
    driven.finish(0)
    driven.settle()

    assert driven.outputs == [b"in-0-0 output_refused"]


@pytest.mark.parametrize(
    ("found", "log_start", "says"),
    [
        (Position(None, ""), 0, "no position"),
        (Position(3, ""), 10, "older than the log"),
        (Position(3, "garbage!"), 0, "offsets rebuild"),
        (Position(3, encode(OffsetMap(bytes(16), 3, frozenset({5})))), 0, "another topic"),
    ],
    ids=["none", "retention passed it", "unreadable", "another topic's"],
)
def test_a_position_that_cannot_be_trusted_stops_the_partition(found: Position, log_start: int, says: str) -> None:
    """It is neither ignored nor trusted: the error names the choice, and other partitions go on."""
    driven = HandDriven()
    driven.loop.assigned([P0, P1])
    driven.decide()
    driven.tell(P0, found, log_start)
    driven.tell(P1, Position(0, ""))
    driven.settle()
    driven.poll(record(0, partition=P1))

    assert says in driven.loop.stopped[P0]
    assert "darkroom offsets" in driven.loop.stopped[P0]
    assert driven.running() == [0]


def test_revocation_waits_for_what_runs_and_commits_it(driven: HandDriven) -> None:
    """Nothing new starts; when the last answer is committed the partition may go, with a clean mark."""
    driven.poll(record(0, "a"), record(1, "a"))
    driven.loop.revoke([P0])
    assert not driven.loop.released([P0])
    driven.settle()

    driven.finish(0)
    driven.settle_all()

    assert driven.running() == []
    assert driven.loop.released([P0])
    assert (driven.positions[P0].offset, _map(driven).tried) == (1, 0)


def test_a_worker_that_dies_at_the_same_record_again_and_again_convicts_it() -> None:
    """Two owners made no progress: then one by one, each marked before; three marks convict."""
    positions: dict[object, Position] = {}
    lives = 0
    while True:
        lives += 1
        driven = HandDriven()
        driven.positions = positions  # type: ignore[assignment]
        driven.assign(P0)
        driven.poll(*records(range(3)))
        while driven.formed:
            driven.settle()
        if driven.running() == [0, 1, 2]:
            continue  # all at once, and the first of them kills the worker before anything is committed
        assert driven.running() == [0]
        if driven.started[0].failure is not None:
            break
    driven.finish(0)
    driven.settle_all()

    assert lives == 2 + 3 + 1
    assert driven.outputs == [b"in-0-0 worker_crashed"]
    assert driven.running() == [1], "the others go on one by one"


def test_a_suspect_starts_only_when_its_mark_is_committed() -> None:
    """A mark that is not yet written would be lost with the worker, and the record never be convicted."""
    careful = HandDriven()
    found = OffsetMap(TOPIC_ID, 0, frozenset(), (), tried=5)
    careful.assign(P0, metadata=encode(found))
    careful.poll(record(0))
    careful.decide()
    assert careful.running() == []

    careful.settle()

    assert _map(careful).suspects == ((0, 1),)
    assert careful.running() == [0]


@pytest.mark.parametrize(
    "error", [Transient("again"), Waiting(Reason.UNKNOWN_RECIPE, "new"), Unavailable("store", "down")]
)
def test_a_suspect_that_comes_back_with_an_error_holds_up_nobody_and_is_acquitted(error: Exception) -> None:
    """It did not kill its worker: the next suspect has its turn, and unrelated restarts do not add up against it."""
    careful = HandDriven()
    careful.assign(P0, metadata=encode(OffsetMap(TOPIC_ID, 0, frozenset(), ((0, 2),), tried=5)))
    careful.poll(*records(range(2)))
    careful.settle()
    assert (careful.running(), _map(careful).suspects) == ([0], ((0, 3),))

    careful.fail(0, error)
    careful.settle_all()

    assert careful.running() == [1]
    assert _map(careful).suspects == ((0, 2), (1, 1))


def test_an_innocent_record_is_not_accused_by_one_restart() -> None:
    """Killed once for any reason: the next owner starts everything at once."""
    first = HandDriven()
    first.assign(P0)
    second = HandDriven()
    second.positions = first.positions
    second.assign(P0)
    second.poll(*records(range(3)))

    assert second.running() == [0, 1, 2]


def test_held_records_pause_the_partitions_and_resume_far_below() -> None:
    """Memory is bounded; the hysteresis is wide, because a pause throws the prefetched away."""
    driven = HandDriven(LoopLimits(concurrency=1, max_in_flight=1, max_held=100))
    driven.assign(P0)
    driven.poll(*records(range(100)))
    assert driven.last.pause == [P0]
    left = 100
    while not driven.resumed:
        driven.finish(driven.running()[0])
        driven.settle_all()
        left -= 1

    assert left == 24
