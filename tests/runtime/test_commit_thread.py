"""The thread that carries transactions through, with a client whose calls do not come back."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from schemas.record import Outgoing, TopicPartition
from streams.runtime.committer import Batch, Committer, Outcome, Verdict
from streams.runtime.ports import Position
from streams.runtime.threads import HANGS_S, CommitThread, Inbox
from tests.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BATCH = Batch([Outgoing("out", b"k", b"v")], {TopicPartition("in", 0): Position(1, "")}, "group")


class Hanging:
    """The first producer's send_offsets waits for ``release``; every other call of every producer succeeds at once."""

    made = 0

    def __init__(self, release: threading.Event, reached: threading.Event) -> None:
        Hanging.made += 1
        self._hangs = Hanging.made == 1
        self._release = release
        self._reached = reached
        self.commits = 0

    def send_offsets(self, _positions: Mapping[TopicPartition, Position], _group: object, _timeout: float) -> None:
        if self._hangs and self.commits:
            self._reached.set()
            self._release.wait()

    def commit(self, _timeout: float) -> None:
        self.commits += 1

    def produce(self, index: int, record: Outgoing) -> None:
        """Take it."""

    def begin(self) -> None:
        """Begin."""

    def close(self) -> None:
        """Close."""

    def init_transactions(self, timeout: float) -> None:
        """Initialise."""

    flush = deliver = abort = init_transactions

    def refused(self) -> dict[int, Exception]:
        return {}

    def disturbances(self) -> int:
        return 0


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Let the call that hangs end with the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_call_that_never_comes_back_is_left_behind(release: threading.Event) -> None:
    """Its transaction is resolved by a new producer, the next one commits, and the late return changes nothing."""
    reached, inbox = threading.Event(), Inbox()
    producers: list[Hanging] = []
    outcomes: list[Outcome] = []
    Hanging.made = 0

    def new() -> Hanging:
        producers.append(Hanging(release, reached))
        return producers[-1]

    def settled() -> int:
        while inbox.calls:
            inbox.calls.popleft()()
        return len(outcomes)

    commits = CommitThread(Committer(new, time.monotonic, time.sleep), inbox, outcomes.append, pytest.fail)  # type: ignore[arg-type]
    commits.watch(time.monotonic() + 10 * HANGS_S)
    commits.commit(BATCH)
    wait_until(lambda: settled() == 1, 10, what="a first transaction")
    commits.commit(BATCH)
    assert reached.wait(10)
    commits.watch(time.monotonic())
    assert len(outcomes) == 1, "not given up before its time"

    commits.watch(time.monotonic() + HANGS_S)

    wait_until(lambda: settled() == 2, 10, what="the transaction resolved")
    assert outcomes[1].verdict is Verdict.RESOLVED
    release.set()
    commits.commit(BATCH)
    wait_until(lambda: settled() == 3, 10, what="the next transaction")
    assert outcomes[2].verdict is Verdict.COMMITTED
    assert [producer.commits for producer in producers] == [1, 1]
    commits.close(5)
    assert not [thread for thread in threading.enumerate() if thread.name == "committer"]
