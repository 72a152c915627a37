"""The transactional protocol: what a batch becomes, whatever each call to the broker answers.

WHY it is a generator. The protocol is a sequence of calls, each of which may succeed, fail in four ways or leave
nobody knowing. Written as generators that YIELD each call as a `Step` and are sent its result (or thrown its error),
the sequence reads top to bottom, touches neither threads nor clocks nor sockets, and a simulation may stop the world
between any two steps. `drive` runs them for real.

The rules, each with a schedule behind it that broke an earlier form:

* RETRIABLE: the same call again, for as long as a transaction may last; then it counts as INDEFINITE. (A client whose
  coordinator was handed over in that very moment answered "again" for minutes after the broker was back.)
* ABORTABLE: flush (aborting under a produce request in flight can be fatal), abort; the loop forms the batch AGAIN
  from what it then still owns, because group metadata that is fresh beside entries that are not would be accepted.
* A record that the broker refused leaves a gap in the client's sequence, which holds up what was queued behind it for
  seconds and fails the next transaction: the producer is discarded at once, as after FATAL.
* FATAL or INDEFINITE: discard the producer, and initialise a new one with the same transactional id, which resolves
  the old transaction one way or the other; then the loop asks the broker which way. Never begin another transaction
  before.
* An unfinished transaction that a new epoch ended may leave offsets pending for good: a broker that was killed and came
  back was seen to close it without ever writing the abort marker for the group. The next COMMIT marker of the same
  producer would apply them, without their outputs. So where commit was never called, an aborted transaction of offsets
  alone follows the new epoch: its marker clears them. (Where it was called, they may be right, and are left alone.)
* The late copy of a TxnOffsetCommit leaves offsets pending in the same way when it comes after its transaction's end,
  if its sender died before the new epoch that refuses it. So a new process begins with that transaction, too.
* A success may be doubtful: the client resends EndTxn and TxnOffsetCommit after a disconnect without saying so, and
  the first copy can arrive inside the NEXT transaction. After a slow send_offsets, a repeated call or any counted
  disturbance the producer is replaced too, because a new epoch refuses late copies.
* FENCED while our own transaction was older than its time-out (the process was asleep): initialise again, once.
  Otherwise a rival has the slot.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from streams.runtime.ports import BrokerError, Position, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from schemas.record import Outgoing, TopicPartition
    from streams.runtime.ports import GroupMetadata, Producer

T = TypeVar("T")
SLOW_SEND_OFFSETS_S = 0.4
"""A send_offsets this slow may have been resent: the client's resend delay for it is 0.5 s."""
PARTITIONS_A_CALL = 100
"""260 partitions with full maps in one call were refused; several calls in one transaction are fine."""
CLEARING_TRIES = 5
FIRST_BACKOFF_S = 0.02
LAST_BACKOFF_S = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One call to the outside: its name, for traces, and what runs it."""

    name: str
    run: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """One transaction's worth, formed in one step from entries that were still owned then."""

    records: Sequence[Outgoing]
    positions: Mapping[TopicPartition, Position]
    group: GroupMetadata


class Verdict(Enum):
    """How a transaction ended."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    """Nothing of it is visible; form it again."""
    RESOLVED = "resolved"
    """Nobody knows which way, but it has ended: ask the broker for the positions."""
    FENCED = "fenced"
    """A rival has the transactional id: stop."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict, and what else the loop must know."""

    verdict: Verdict
    refused: Mapping[int, BrokerError] = field(default_factory=dict)
    """Records, by their index in the batch, that the broker will never take."""
    timed_out: bool = False
    """The transaction met a time-out: smaller batches may get through."""
    error: BrokerError | None = None


class Committer:
    """Owns the producer of one transactional id, one transaction at a time."""

    def __init__(
        self,
        new_producer: Callable[[], Producer],
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        *,
        call_timeout_s: float = 5.0,
        transaction_timeout_s: float = 10.0,
    ) -> None:
        self._new_producer = new_producer
        self._clock = clock
        self._sleep = sleep
        self._timeout = call_timeout_s
        self._transaction_timeout = transaction_timeout_s
        self._producer: Producer | None = None
        self._disturbances = 0
        self._repeated = 0
        self._ending = False
        """True once the transaction's commit was called: nobody knows then which way it went."""
        self._swept = False
        """True once nothing of an earlier process with this id can be pending in the group."""
        self.at = ""
        """The call that was made last, and its error if it is being repeated; for whoever asks why it takes so long."""
        self.renewals = 0
        """New epochs taken after the first."""

    def open(self) -> Generator[Step, Any, None]:
        """Initialise the first producer. Raise BrokerError (FENCED) only if a rival keeps the id for good."""
        yield from self._renew()

    def close(self) -> None:
        """Discard the producer; an open transaction is left to the next initialisation of the same id."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def transaction(self, batch: Batch) -> Generator[Step, Any, Outcome]:
        """Carry one batch through to a definite end."""
        producer = self._producer
        assert producer is not None  # noqa: S101 - `open` comes first
        try:
            if producer.disturbances() != self._disturbances:
                producer = yield from self._renew()
            if not self._swept:
                producer = yield from self._clear_pending(batch)
        except BrokerError as rival:
            return Outcome(Verdict.FENCED, error=rival)
        begun = self._clock()
        self._repeated = 0
        self._ending = False
        try:
            slow = yield from self._attempt(producer, batch)
        except BrokerError as error:
            return (yield from self._recover(producer, batch, error, begun))
        if slow or self._repeated or producer.disturbances() != self._disturbances:
            yield from self._renew()
        return Outcome(Verdict.COMMITTED)

    def _attempt(self, producer: Producer, batch: Batch) -> Generator[Step, Any, bool]:
        """Begin to commit; return whether send_offsets was slow enough to have been resent."""
        yield from self._insist("begin", producer.begin)
        if batch.records:
            yield Step("produce", partial(_produce, producer, batch.records))
        slow = False
        pairs = iter(batch.positions.items())
        while chunk := dict(itertools.islice(pairs, PARTITIONS_A_CALL)):
            started = self._clock()
            yield from self._insist("send_offsets", partial(producer.send_offsets, chunk, batch.group, self._timeout))
            slow = slow or self._clock() - started >= SLOW_SEND_OFFSETS_S
        if batch.records:
            yield from self._insist("deliver", partial(producer.deliver, self._timeout))
        self._ending = True
        yield from self._insist("commit", partial(producer.commit, self._timeout))
        return slow

    def _recover(
        self, producer: Producer, batch: Batch, error: BrokerError, begun: float
    ) -> Generator[Step, Any, Outcome]:
        timed_out = "TIMED_OUT" in error.code or "TIMEOUT" in error.code
        refused = dict(producer.refused())
        if error.severity is Severity.ABORTABLE and not refused:
            try:
                yield from self._insist("flush", partial(producer.flush, self._timeout))
                refused |= producer.refused()
                yield from self._insist("abort", partial(producer.abort, self._timeout))
            except BrokerError:
                pass  # the abort is as doubtful as the commit was: resolve it below
            else:
                if self._repeated or producer.disturbances() != self._disturbances:
                    yield from self._renew()
                return Outcome(Verdict.ABORTED, refused, timed_out=timed_out, error=error)
        asleep = self._clock() - begun >= self._transaction_timeout
        if error.severity is Severity.FENCED and not asleep:
            return Outcome(Verdict.FENCED, error=error)
        refused |= producer.refused()
        try:
            yield from self._renew()
            if not self._ending:
                yield from self._clear_pending(batch)
        except BrokerError as rival:
            return Outcome(Verdict.FENCED, error=rival)
        return Outcome(Verdict.RESOLVED, refused, timed_out=timed_out, error=error)

    def _renew(self) -> Generator[Step, Any, Producer]:
        """Take a new epoch, which ends whatever an older producer of this id left open."""
        backoff = FIRST_BACKOFF_S
        while True:
            self.close()
            self._producer = producer = self._new_producer()
            try:
                yield from self._insist("init_transactions", partial(producer.init_transactions, self._timeout))
            except BrokerError as error:
                if error.severity is Severity.FENCED:
                    raise
                yield Step("sleep", partial(self._sleep, backoff))
                backoff = min(backoff * 2, LAST_BACKOFF_S)
            else:
                self.renewals += 1
                self._disturbances = producer.disturbances()
                return producer

    def _clear_pending(self, batch: Batch) -> Generator[Step, Any, Producer]:
        """Abort a transaction of one position, so that whatever of ours is still pending in the group goes with it.

        The group's partition of the offsets topic belongs to the transaction even if the position is refused. The
        position is not to be believed by anybody: its metadata are unreadable on purpose.
        """
        producer = self._producer
        assert producer is not None  # noqa: S101 - `open` comes first
        for _ in range(CLEARING_TRIES):
            self._repeated = 0
            partition, position = next(iter(batch.positions.items()))
            never = {partition: Position(position.offset, "never committed")}
            try:
                yield from self._insist("begin", producer.begin)
                try:
                    send = partial(producer.send_offsets, never, batch.group, self._timeout)
                    yield from self._insist("send_offsets", send)
                except BrokerError as refused:
                    if refused.severity is not Severity.ABORTABLE:
                        raise
                yield from self._insist("abort", partial(producer.abort, self._timeout))
            except BrokerError:
                producer = yield from self._renew()
            else:
                self._swept = True
                if self._repeated or producer.disturbances() != self._disturbances:
                    producer = yield from self._renew()
                break
        return producer

    def _insist(self, name: str, call: Callable[[], None]) -> Generator[Step, Any, None]:
        """Make the same call until its answer is something other than "again", or that has lasted too long."""
        backoff = FIRST_BACKOFF_S
        begun = self._clock()
        while True:
            self.at = name
            try:
                yield Step(name, call)
            except BrokerError as error:
                if error.severity is not Severity.RETRIABLE:
                    raise
                if self._clock() - begun >= self._transaction_timeout:
                    raise BrokerError(Severity.INDEFINITE, error.code, f"{name}: {error.detail}") from error
                self._repeated += 1
                self.at = f"{name}: {error}"
                yield Step("sleep", partial(self._sleep, backoff))
                backoff = min(backoff * 2, LAST_BACKOFF_S)
            else:
                return


def _produce(producer: Producer, records: Sequence[Outgoing]) -> None:
    for index, record in enumerate(records):
        producer.produce(index, record)


def drive(steps: Generator[Step, Any, T]) -> T:
    """Run the steps one after the other, for real, and return what the protocol returns."""
    result: Any = None
    error: BrokerError | None = None
    while True:
        try:
            step = steps.throw(error) if error else steps.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value
        result, error = None, None
        try:
            result = step.run()
        except BrokerError as failed:
            error = failed
