"""The engine's mind: events and the time come in, decisions go out. No thread, clock, socket or sleep is in here.

The shell (or a simulation) tells it what happened (`assigned`, `position`, `polled`, `finished`, `settled`, …) and then
asks `decide` what to do. Everything runs on the owner's thread, so a batch and the group metadata that goes with it are
formed in one step, and between two steps nothing changes. What starts next is the dispatcher's, what is committed next
the commit line's, what may be committed the ledgers'.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.errors import Permanent, Reason, Transient, Unavailable, Waiting
from streams.runtime.breaker import Breakers
from streams.runtime.commit_line import CommitLine, Entry, Formed
from streams.runtime.committer import Outcome, Verdict
from streams.runtime.dispatch import Dispatcher
from streams.runtime.ledger import Ledger
from streams.runtime.offset_map import OffsetMap, UnreadableMapError, decode
from streams.runtime.pauses import Pauses
from streams.runtime.task import Failure, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schemas.record import Outgoing, Record, TopicPartition
    from streams.runtime.limits import LoopLimits
    from streams.runtime.ports import Position
    from streams.runtime.task import Result


@dataclass(slots=True)
class Decisions:
    """What the shell is to do now, in this order."""

    read: list[TopicPartition] = field(default_factory=list)
    """Ask for these positions; the answer goes to `Loop.position` with the incarnation it was asked for."""
    seek: list[tuple[TopicPartition, int]] = field(default_factory=list)
    pause: list[TopicPartition] = field(default_factory=list)
    resume: list[TopicPartition] = field(default_factory=list)
    commit: Formed | None = None
    start: list[Task] = field(default_factory=list)


class Loop:
    """All partitions of one worker. Every method is one step; ``now`` is in seconds of a monotonic clock."""

    def __init__(self, limits: LoopLimits) -> None:
        self._limits = limits
        self._ledgers: dict[TopicPartition, Ledger] = {}
        self._releasing: set[TopicPartition] = set()
        self._awaiting: dict[TopicPartition, int] = {}
        self._incarnations = 0
        self._line = CommitLine(self._ledgers, limits.batch)
        self._dispatch = Dispatcher(self._ledgers, self._releasing, limits)
        self._breakers = Breakers()
        self._pauses = Pauses(limits)
        self._pending = Decisions()
        self.stopping = False
        """True: nothing new starts, what runs is finished and committed."""
        self.stopped: dict[TopicPartition, str] = {}
        """Partitions that an operator has to decide about, and what the choice is."""
        self.fenced: Outcome | None = None
        self.retries = 0
        """Attempts that failed and are tried again."""

    # --- partitions come and go ---------------------------------------------------------------------------------------

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """These came, paused; where the group stands on them is asked before anything of them is taken."""
        for partition in partitions:
            self._incarnations += 1
            self._awaiting[partition] = self._incarnations
            self._pending.read.append(partition)

    def incarnation(self, partition: TopicPartition) -> int:
        """Return the number of the present assignment, 0 if there is none."""
        ledger = self._ledgers.get(partition)
        return ledger.incarnation if ledger else self._awaiting.get(partition, 0)

    def position(
        self, partition: TopicPartition, incarnation: int, found: Position, *, topic_id: bytes, log_start: int
    ) -> None:
        """Take in where the group stands: offset and map from one answer."""
        if incarnation != self.incarnation(partition):
            return
        try:
            known = _read_position(partition, found, topic_id, log_start)
        except UnreadableMapError as error:
            self.drop([partition])
            self.stopped[partition] = str(error)
            return
        ledger = self._ledgers.get(partition)
        if ledger is not None:
            self._line.resolve(ledger, known)
            return
        del self._awaiting[partition]
        self._ledgers[partition] = Ledger(
            partition, incarnation, known, self._limits.suspects, self._dispatch.queue(partition.topic)
        )
        self._pending.seek.append((partition, known.base))

    def revoke(self, partitions: Iterable[TopicPartition]) -> None:
        """These are to go: start nothing more of them, finish and commit what runs. Ask `released`, then `drop`."""
        for partition in partitions:
            ledger = self._ledgers.get(partition)
            if ledger is not None:
                self._releasing.add(partition)
                ledger.dirty = True

    def released(self, partitions: Iterable[TopicPartition]) -> bool:
        """Return whether nothing of these runs, waits or is under way any more."""
        for partition in partitions:
            ledger = self._ledgers.get(partition)
            if ledger is not None and (ledger.running or ledger.dirty or self._line.involves(partition)):
                return False
        return True

    def drop(self, partitions: Iterable[TopicPartition]) -> None:
        """These are gone (let go of, or lost): forget them at once; late answers will not match."""
        for partition in partitions:
            self._awaiting.pop(partition, None)
            ledger = self._ledgers.pop(partition, None)
            self.stopped.pop(partition, None)
            self._releasing.discard(partition)
            self._pauses.forget(partition)
            self._dispatch.forget(partition, ledger)
            self._line.forget(partition)

    # --- records and answers ------------------------------------------------------------------------------------------

    def polled(self, records: Iterable[Record]) -> None:
        """Enter polled records; those of partitions that are not ours (any more) are dropped."""
        groups: dict[tuple[str, int], list[Record]] = {}
        for record in records:
            groups.setdefault((record.topic, record.partition), []).append(record)
        for key, group in groups.items():
            ledger = self._ledgers.get(key)  # type: ignore[call-overload]  # equal to a TopicPartition, and cheaper
            if ledger is not None:
                ledger.add(group)

    def finished(self, results: Sequence[Result], now: float) -> None:
        """Take in what the handler threads made of their tasks."""
        self._dispatch.came_back([result.task for result in results])
        for result in results:
            task = result.task
            task.probe = False
            ledger = self._ledgers.get(task.partition)
            if ledger is None or ledger.incarnation != task.incarnation:
                continue
            ledger.running -= 1
            if result.error is not None:
                ledger.acquit(task.record)
                self._dispatch.answered(task)
                self._failed(task, result.error, now)
            else:
                self._answered(ledger, task, result.outputs, now)

    def wanted(self, task: Task) -> bool:
        """Return whether a task that was handed out should still be run. Called by the handler threads."""
        ledger = self._ledgers.get(task.partition)
        return (
            ledger is not None
            and ledger.incarnation == task.incarnation
            and task.partition not in self._releasing
            and not self.stopping
        )

    def unwanted(self, task: Task) -> None:
        """A thread gave a task back without running it: the partition is going, or the worker stops."""
        self._dispatch.came_back([task])
        ledger = self._ledgers.get(task.partition)
        if ledger is not None and ledger.incarnation == task.incarnation:
            ledger.running -= 1

    def settled(self, outcome: Outcome, now: float) -> None:
        """Take in how the transaction of the last `Decisions.commit` ended."""
        if outcome.verdict is Verdict.FENCED:
            self.fenced = outcome
            return
        for ledger in self._line.settle(outcome, now, self._refused):
            self._pending.read.append(ledger.partition)

    # --- decisions ----------------------------------------------------------------------------------------------------

    def decide(self, now: float) -> Decisions:
        """Return everything that is to be done now."""
        decisions, self._pending = self._pending, Decisions()
        if self.fenced is not None:
            return decisions
        down = self._breakers.any_open
        if down and not self.stopping and self._breakers.may_probe(now):
            decisions.start.extend(self._dispatch.probe())
        elif not down and not self.stopping:
            decisions.start.extend(self._dispatch.choose(now))
        releasing = self._ledgers if self.stopping else self._releasing
        decisions.commit = self._line.form(now, hurry=self.stopping or bool(self._releasing), releasing=releasing)
        # An outage pauses only while there is a record to probe with: nothing at hand, nothing would ever end it.
        waiting = down and any(ledger.held for ledger in self._ledgers.values())
        decisions.pause, decisions.resume = self._pauses.step(
            self._ledgers, self._releasing, everything=waiting or self.stopping
        )
        return decisions

    @property
    def idle(self) -> bool:
        """True if nothing is expected but new records: the shell may block in poll."""
        busy = self._dispatch.in_flight or len(self._dispatch.retries) or self._line.under_way or len(self._line)
        return not (busy or self._awaiting or any(ledger.dirty for ledger in self._ledgers.values()))

    @property
    def drained(self) -> bool:
        """True if nothing of ours runs or waits to be committed."""
        return not self._line.under_way and not len(self._line) and not any(x.running for x in self._ledgers.values())

    def cause_of_pause(self) -> tuple[str, str] | None:
        """Return why nothing is consumed (fenced, draining, a service by name, budget) and a detail, or None."""
        if self.fenced:
            return "fenced", str(self.fenced.error or "")
        if self.stopping:
            return "draining", ""
        return self._breakers.cause() or (("budget", "as much is held as may be") if self._pauses.full else None)

    def counts(self) -> dict[str, int]:
        """Return the sizes that are bounded, for status and metrics."""
        return {
            "assigned": len(self._ledgers),
            "awaiting_position": len(self._awaiting),
            "stopped": len(self.stopped),
            "in_flight": self._dispatch.in_flight,
            "held": sum(ledger.held for ledger in self._ledgers.values()),
            "held_bytes": sum(ledger.held_bytes for ledger in self._ledgers.values()),
            "retrying": len(self._dispatch.retries),
            "to_commit": len(self._line),
        }

    # --- inside -------------------------------------------------------------------------------------------------------

    def _answered(self, ledger: Ledger, task: Task, outputs: Sequence[Outgoing], now: float) -> None:
        if self._breakers.success():
            self._dispatch.retries.hurry(now)
        too_large = next((o for o in outputs if _size(o) > self._room(o.topic)), None)
        if too_large is not None and task.failure is None:
            detail = f"an output of {_size(too_large)} bytes does not fit {too_large.topic}"
            self._give_up(task, Failure(Reason.OUTPUT_REFUSED, detail), now)
            return
        self._dispatch.answered(task)
        if task.entry is not None:
            task.entry.outputs = outputs
            return
        ledger.finish(task.record)
        self._line.add(Entry(task, outputs))

    def _failed(self, task: Task, error: Exception, now: float) -> None:
        retries, policy = self._dispatch.retries, self._limits.retry
        if isinstance(error, Unavailable) and self._breakers.failure(error.service, now, error.detail):
            task.failing_since = None  # an outage uses up neither attempts nor age
            self.retries += 1
            retries.add(now + policy.first_s, task)
            return
        task.attempts += 1
        if task.failing_since is None:
            task.failing_since = now
        if task.failure is None and (failure := self._hopeless(task, error, now)) is not None:
            self._give_up(task, failure, now)
        else:
            self.retries += 1
            retries.add(now + policy.delay(task.attempts), task)

    def _hopeless(self, task: Task, error: Exception, now: float) -> Failure | None:
        """Return why the record is not to be tried again, or None."""
        if isinstance(error, Permanent):
            return Failure(error.reason, error.detail)
        if not isinstance(error, Transient):
            return Failure(Reason.INTERNAL, f"{type(error).__name__}: {error}")
        # What is waited for comes with a deployment, not with another try: only the age bounds that.
        attempts = 0 if isinstance(error, Waiting) else task.attempts
        if self._limits.retry.exhausted(attempts, now - (task.failing_since or now)):
            return Failure(error.reason, str(error))
        return None

    def _give_up(self, task: Task, failure: Failure, now: float) -> None:
        """Have the record answered by ``give_up``, as soon as a thread is free."""
        task.failure = failure
        self._dispatch.retries.add(now, task)

    def _refused(self, entry: Entry, detail: str) -> bool:
        """Have an output that the broker will never take replaced in its place; False if that was tried already."""
        if entry.task.entry is not None:
            return False
        entry.task.entry = entry
        entry.task.failure = Failure(Reason.OUTPUT_REFUSED, detail)
        self._dispatch.retries.add(0.0, entry.task)
        return True

    def _room(self, topic: str) -> int:
        return self._limits.output_bytes.get(topic, self._limits.default_output_bytes)


def _size(record: Outgoing) -> int:
    headers = sum(len(name) + len(value) + 4 for name, value in record.headers)
    return len(record.value or b"") + len(record.key or b"") + headers + 64


def _read_position(partition: TopicPartition, found: Position, topic_id: bytes, log_start: int) -> OffsetMap:
    where = f"{partition.topic}[{partition.partition}]"
    choice = "decide where to go on: darkroom offsets init --to earliest|latest|TIME"
    if found.offset is None:
        msg = f"{where}: the group has no position; {choice}"
        raise UnreadableMapError(msg)
    if found.offset < log_start:
        gone = f"the group's position {found.offset} is older than the log, which starts at {log_start}"
        msg = f"{where}: {gone}; what lay between is lost to retention; {choice}"
        raise UnreadableMapError(msg)
    try:
        return decode(found.metadata, topic_id, found.offset)
    except UnreadableMapError as error:
        msg = f"{where}: {error}; make it again from the answers: darkroom offsets rebuild; or {choice}"
        raise UnreadableMapError(msg) from error
