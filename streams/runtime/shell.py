"""The engine as it runs: one thread owns the consumer and the loop; everything else sends it calls.

It polls, feeds the loop, carries its decisions out and never stops polling. It decides nothing itself but how long to
wait: idle, it blocks in poll, so that a new record is seen at once; while something is under way it waits on the
inbox instead and polls in between, so that an answer is committed at once.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog

from schemas.errors import DarkroomError
from streams.runtime.committer import Batch, Committer
from streams.runtime.limits import LoopLimits
from streams.runtime.loop import Loop
from streams.runtime.ports import BrokerError, Severity
from streams.runtime.pulse import KafkaProbe
from streams.runtime.report import Report
from streams.runtime.states import State
from streams.runtime.threads import CommitThread, HandlerThreads, Inbox, PositionThread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.record import Record, TopicPartition
    from streams.runtime.committer import Outcome
    from streams.runtime.handler import Handler
    from streams.runtime.loop import Decisions
    from streams.runtime.ports import Broker, Position
    from streams.runtime.report import Figures

log = structlog.get_logger()
IDLE_POLL_S = 0.1
"""Longest block in poll while nothing is under way; bounds only how soon a stop is noticed."""
BUSY_WAIT_S = 0.001
"""Wait for the inbox between two polls; bounds how late a new record is seen while others are under way."""
LONGEST_BUSY_WAIT_S = 0.004
"""What that grows to while nothing comes: a poll that finds nothing costs some 20 us."""
QUIET_STEP_S = 0.016
"""While nothing comes, a step that only lets time pass (a retry that is due, a probe) is taken this often."""
POLL_RECORDS = 1000
LAST_COMMIT_S = 2.0
"""What a used-up drain budget still leaves for committing what is finished."""


class FencedError(DarkroomError):
    """Another worker uses the same transactional id, or the same name in the group: this one must end."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What one worker needs to know."""

    topics: tuple[str, ...]
    group: str
    transactional_id: str
    threads: int = 16
    revoke_s: float = 5.0
    """How long a revocation waits for what is in flight, at most."""
    transaction_timeout_s: float = 10.0
    limits: LoopLimits = field(default_factory=LoopLimits)


class Engine:
    """One worker. `run` blocks in the calling thread until `stop` (from any thread or a signal handler) or an error."""

    def __init__(self, broker: Broker, handler: Handler, settings: EngineSettings) -> None:
        self._settings = settings
        self._loop = Loop(settings.limits)
        self._inbox = Inbox()
        self._consumer = broker.consumer(settings.group)
        self._reader = broker.positions(settings.group)
        self._committer = Committer(
            lambda: broker.producer(settings.transactional_id),
            time.monotonic,
            time.sleep,
            transaction_timeout_s=settings.transaction_timeout_s,
        )
        self._handler = handler
        self._drain_s: float | None = None
        self._error: Exception | None = None
        self._broken = False
        """True once `run` ends by an error: leave the group, but wait for nothing and commit nothing."""
        self._drain_until = 0.0
        self._seeks: list[tuple[TopicPartition, int]] = []
        self._prober = broker.positions(settings.group)
        self._report = Report(self._loop, self._committer)

    def run(self) -> None:
        """Work until stopped. Raise `FencedError` if a rival has our id, `BrokerError` if Kafka refuses us."""
        self._handlers = HandlerThreads(self._handler, self._settings.threads, self._inbox, self._loop.wanted)
        self._commits = CommitThread(self._committer, self._inbox, self._settled, self._fail)
        self._positions = PositionThread(self._reader, self._inbox, self._position)
        self._probe = KafkaProbe(self._prober, self._settings.topics, self._pulsed)
        try:
            self._consumer.subscribe(self._settings.topics, self)
            while self._drain_s is None:
                self._step(block=True)
            self._drain(self._drain_s)
        except Exception:
            self._broken = True
            raise
        finally:
            self._close()

    def stop(self, drain_s: float) -> None:
        """Stop after at most ``drain_s`` seconds for what is in flight; a second call shortens the time."""
        self._drain_s = drain_s if self._drain_s is None else min(self._drain_s, drain_s)
        self._inbox.ring()

    def status(self) -> dict[str, Any]:
        """Return what the last step found: state, since when, why, sizes, stopped partitions, age of the last step."""
        return self._report.status()

    def figures(self) -> Figures:
        """Return the figures for metrics; from any thread, and cheap."""
        return self._report.figures()

    # --- the group's callbacks, on the owner's thread, inside poll -----------------------------------------------

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Start over with these: ask where the group stands."""
        log.info("partitions_assigned", partitions=_names(partitions))
        self._report.heard()
        self._loop.assigned(partitions)

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Give what is in flight a bounded time, commit it, let go."""
        deadline = time.monotonic() + self._patience()
        self._loop.revoke(partitions)
        while not self._broken and not self._loop.released(partitions) and time.monotonic() < deadline:
            self._act(self._loop.decide(time.monotonic()))
            self._inbox.wait(BUSY_WAIT_S)
            self._take_in()
        log.info("partitions_revoked", partitions=_names(partitions), clean=self._loop.released(partitions))
        self._loop.drop(partitions)

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Drop at once; nothing of these may be committed any more."""
        log.warning("partitions_lost", partitions=_names(partitions))
        self._loop.drop(partitions)

    # --- one step ------------------------------------------------------------------------------------------------

    def _step(self, *, block: bool) -> None:
        idle = block and not self._inbox and self._loop.idle
        self._loop.polled(self._poll(IDLE_POLL_S) if idle else self._watch())
        self._take_in()
        self._act(self._loop.decide(time.monotonic()))
        self._commits.watch(time.monotonic())
        if self._report.look():
            self._probe.ask()

    def _watch(self) -> list[Record]:
        """Look at the broker and the inbox in turn until either has something, or the next step is due."""
        records = self._poll(0.0)
        due = time.monotonic() + QUIET_STEP_S
        wait = BUSY_WAIT_S
        while not records and not self._inbox.wait(wait) and time.monotonic() < due:
            records = self._poll(0.0)
            wait = min(2 * wait, LONGEST_BUSY_WAIT_S)
        return records

    def _poll(self, timeout: float) -> list[Record]:
        try:
            return self._consumer.poll(POLL_RECORDS, timeout)
        except BrokerError as error:
            if error.severity is Severity.FENCED:
                msg = f"another worker is the group's static member {self._settings.transactional_id!r}"
                raise FencedError(msg) from error
            if error.severity is Severity.FATAL:
                raise
            log.warning("poll_failed", error=str(error))
            return []

    def _take_in(self) -> None:
        """Give the loop what the threads brought."""
        inbox, now = self._inbox, time.monotonic()
        while inbox.unwanted:
            self._loop.unwanted(inbox.unwanted.popleft())
        count = len(inbox.results)
        if count:
            self._loop.finished([inbox.results.popleft() for _ in range(count)], now)
        while inbox.calls:
            inbox.calls.popleft()()
        if self._error is not None:
            raise self._error

    def _act(self, decisions: Decisions) -> None:
        """Carry decisions out. Inside a rebalance callback the partitions concerned may be gone already."""
        if decisions.read:
            self._positions.read([(p, self._loop.incarnation(p)) for p in decisions.read])
        self._seeks += decisions.seek
        if self._seeks:
            self._seeks = [seek for seek in self._seeks if not self._seek(*seek)]
        if decisions.pause:
            self._consumer.pause(decisions.pause)
        if decisions.resume:
            self._consumer.resume(decisions.resume)
        if decisions.commit is not None:
            formed = decisions.commit
            self._report.formed(len(formed.entries))
            self._commits.commit(Batch(formed.outputs, formed.positions, self._consumer.group_metadata()))
        if decisions.start:
            self._handlers.hand_over(decisions.start)
        if self._loop.fenced is not None:
            msg = f"the transactional id {self._settings.transactional_id!r} is in use by another worker"
            raise FencedError(msg)

    def _seek(self, partition: TopicPartition, offset: int) -> bool:
        """Open a partition at its position; False if that is to be tried again at the next step."""
        if not self._loop.incarnation(partition):
            return True
        try:
            self._consumer.seek(partition, offset)
        except BrokerError as error:
            log.debug("seek_failed", topic=partition.topic, partition=partition.partition, error=str(error))
            return False
        return True

    def _position(
        self, partition: TopicPartition, incarnation: int, found: Position, topic_id: bytes, start: int
    ) -> None:
        self._report.heard()
        before = set(self._loop.stopped)
        self._loop.position(partition, incarnation, found, topic_id=topic_id, log_start=start)
        for p in set(self._loop.stopped) - before:
            log.error("partition_stopped", topic=p.topic, partition=p.partition, why=self._loop.stopped[p])

    def _settled(self, outcome: Outcome) -> None:
        self._report.settled(outcome)
        self._loop.settled(outcome, time.monotonic())

    def _fail(self, error: Exception) -> None:
        self._error = error

    def _pulsed(self, error: BrokerError | None) -> None:
        self._inbox.calls.append(lambda: self._report.told(error))

    # --- the end -------------------------------------------------------------------------------------------------

    def _drain(self, budget_s: float) -> None:
        self._drain_until = time.monotonic() + budget_s
        log.info("draining", seconds=budget_s, **self._loop.counts())
        self._loop.stopping = True
        while not self._loop.drained and self._left() > 0:
            self._step(block=False)

    def _patience(self) -> float:
        """How long a revocation may take: its own bound, or what is left of the drain, and a little to commit."""
        if self._drain_s is None:
            return self._settings.revoke_s
        return max(self._left(), min(LAST_COMMIT_S, self._drain_s))

    def _left(self) -> float:
        if self._drain_s is None:
            return 0.0
        return max(0.0, min(self._drain_until - time.monotonic(), self._drain_s))

    def _close(self) -> None:
        self._handlers.close()
        try:
            self._consumer.close()
        finally:
            self._positions.close()
            self._commits.close(1.0)
            self._probe.close()
            self._report.ended(State.FENCED if self._loop.fenced else State.STOPPED)


def _names(partitions: Sequence[TopicPartition]) -> list[str]:
    return [f"{p.topic}[{p.partition}]" for p in partitions]
