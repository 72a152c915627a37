"""The engine's mind: events and the time come in, decisions go out. No thread, clock, socket or sleep is in here.

The shell (or a simulation) tells it what happened (`assigned`, `position`, `polled`, `finished`, `settled`, …) and
then asks `decide` what to do. Everything runs on the owner's thread, so a batch and the group metadata that goes with
it are formed in one step, and between two steps nothing changes.

Order of decisions: what waits for its retry first, then new records lane by lane, then the batch, then pausing.
Rendering is never inside a transaction: a record is started, finishes, and only its answer waits for the committer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schemas.errors import Permanent, Reason, Transient, Unavailable
from streams.runtime.breaker import Breaker
from streams.runtime.commit_line import BatchLimits, CommitLine, Entry, Formed
from streams.runtime.committer import Outcome, Verdict
from streams.runtime.lanes import Lanes
from streams.runtime.ledger import Ledger, SuspectPolicy
from streams.runtime.offset_map import UnreadableMapError, decode
from streams.runtime.retry import RetryPolicy, RetryQueue
from streams.runtime.task import Failure, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.record import Outgoing, Record, TopicPartition
    from streams.runtime.offset_map import OffsetMap
    from streams.runtime.ports import Position
    from streams.runtime.task import Result


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """The bounds of memory and parallelism."""

    concurrency: int = 16
    """Records started at once at the least: as many as there are handler threads."""
    max_in_flight: int = 1000
    """Records started at once at the most; reached only by handlers that are done in microseconds."""
    max_held: int = 20_000
    """Records polled and not committed, over all partitions."""
    max_held_bytes: int = 64_000_000
    default_output_bytes: int = 1_000_000
    output_bytes: Mapping[str, int] = field(default_factory=dict)
    """Largest record a topic takes, uncompressed, where it differs."""
    batch: BatchLimits = field(default_factory=BatchLimits)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    suspects: SuspectPolicy = field(default_factory=SuspectPolicy)
    lanes: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Decisions:
    """What the shell is to do now, in this order."""

    read: list[TopicPartition] = field(default_factory=list)
    """Ask for these positions; the answer goes to `Loop.position` with the incarnation it was asked for."""
    seek: list[tuple[TopicPartition, int]] = field(default_factory=list)
    pause: list[TopicPartition] = field(default_factory=list)
    resume: list[TopicPartition] = field(default_factory=list)
    start: list[Task] = field(default_factory=list)
    commit: Formed | None = None


class Loop:
    """All partitions of one worker. Every method is one step; `now` is in seconds of a monotonic clock."""

    def __init__(self, limits: LoopLimits) -> None:
        self._limits = limits
        self._ledgers: dict[TopicPartition, Ledger] = {}
        self._awaiting: dict[TopicPartition, int] = {}
        self._incarnations = 0
        self._line = CommitLine(self._ledgers, limits.batch)
        self._lanes = Lanes(limits.lanes)
        self._turns: dict[str, deque[TopicPartition]] = {}
        self._retries = RetryQueue()
        self._breakers: dict[str, Breaker] = {}
        self._releasing: set[TopicPartition] = set()
        self._paused: set[TopicPartition] = set()
        self._full = False
        self._ahead = limits.concurrency
        self._probing = False
        self._careful: Task | None = None
        self._pending = Decisions()
        self.in_flight = 0
        """Tasks handed out and not come back, of whatever incarnation."""
        self.stopping = False
        """True: nothing new starts, what runs is finished and committed."""
        self.stopped: dict[TopicPartition, str] = {}
        """Partitions that an operator has to decide about, and what the choice is."""
        self.fenced: Outcome | None = None

    # --- partitions come and go -------------------------------------------------------------------------------------

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
            self._stop_partition(partition, str(error))
            return
        ledger = self._ledgers.get(partition)
        if ledger is not None:
            self._line.resolve(ledger, known)
            return
        del self._awaiting[partition]
        self._ledgers[partition] = Ledger(partition, incarnation, known, self._limits.suspects)
        self._turns.setdefault(partition.topic, deque()).append(partition)
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
            self._ledgers.pop(partition, None)
            self.stopped.pop(partition, None)
            self._releasing.discard(partition)
            self._paused.discard(partition)
            self._line.forget(partition)
            if partition in self._turns.get(partition.topic, ()):
                self._turns[partition.topic].remove(partition)
            if self._careful is not None and self._careful.partition == partition:
                self._careful = None

    # --- records and answers ----------------------------------------------------------------------------------------

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
        self._adapt(len(results))
        for result in results:
            task = result.task
            self.in_flight -= 1
            if task.probe:
                task.probe = self._probing = False
            ledger = self._ledgers.get(task.partition)
            if ledger is None or ledger.incarnation != task.incarnation:
                continue
            ledger.running -= 1
            if result.error is not None:
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
        self.in_flight -= 1
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

    # --- decisions --------------------------------------------------------------------------------------------------

    def decide(self, now: float) -> Decisions:
        """Return everything that is to be done now."""
        decisions, self._pending = self._pending, Decisions()
        if self.fenced is not None:
            return decisions
        self._start(decisions, now)
        hurry = self.stopping or bool(self._releasing)
        releasing = self._ledgers if self.stopping else self._releasing
        decisions.commit = self._line.form(now, hurry=hurry, releasing=releasing)
        self._pause(decisions)
        return decisions

    @property
    def idle(self) -> bool:
        """True if nothing is expected but new records: the shell may block in poll."""
        busy = self.in_flight or self._line.under_way or len(self._line) or len(self._retries) or self._awaiting
        return not busy and not any(ledger.dirty for ledger in self._ledgers.values())

    @property
    def drained(self) -> bool:
        """True if nothing of ours runs or waits to be committed."""
        return not self._line.under_way and not len(self._line) and not any(x.running for x in self._ledgers.values())

    def cause_of_pause(self) -> str | None:
        """Return why nothing is consumed just now, in a word or two, or None."""
        if self.fenced:
            return "fenced"
        if self.stopping:
            return "draining"
        for service, breaker in self._breakers.items():
            if breaker.is_open:
                return f"{service} unavailable: {breaker.detail}"
        if self._full:
            return "budget"
        return None

    def counts(self) -> dict[str, int]:
        """Return the sizes that are bounded, for status and metrics."""
        return {
            "assigned": len(self._ledgers),
            "awaiting_position": len(self._awaiting),
            "stopped": len(self.stopped),
            "in_flight": self.in_flight,
            "held": sum(ledger.held for ledger in self._ledgers.values()),
            "held_bytes": sum(ledger.held_bytes for ledger in self._ledgers.values()),
            "retrying": len(self._retries),
            "to_commit": len(self._line),
        }

    # --- inside -----------------------------------------------------------------------------------------------------

    def _start(self, decisions: Decisions, now: float) -> None:
        if self.stopping:
            return
        if any(breaker.is_open for breaker in self._breakers.values()):
            self._probe(decisions, now)
            return
        room = self._ahead - self.in_flight
        if room <= 0:
            return
        for task in self._retries.due(now, room):
            self._hand_out(task, decisions)
        self._start_careful(decisions)
        room = self._ahead - self.in_flight
        startable = {topic for topic, turns in self._turns.items() if any(map(self._may_start, turns))}
        self._lanes.waiting(startable)
        while room > 0 and (topic := self._lanes.next()) is not None:
            fresh = self._next_of(topic)
            if fresh is None:
                self._lanes.empty(topic)
                continue
            self._hand_out(fresh, decisions)
            room -= 1

    def _probe(self, decisions: Decisions, now: float) -> None:
        """Let one record try whether the service is back."""
        if self._probing or not all(b.may_probe(now) for b in self._breakers.values() if b.is_open):
            return
        task = self._retries.take_first()
        while task is not None and self.incarnation(task.partition) != task.incarnation:
            task = self._retries.take_first()
        if task is None:
            task = next(filter(None, map(self._next_of, self._turns)), None)
        if task is not None:
            task.probe = self._probing = True
            self._hand_out(task, decisions)

    def _may_start(self, partition: TopicPartition) -> bool:
        ledger = self._ledgers[partition]
        return ledger.opened and not ledger.careful and ledger.can_start and partition not in self._releasing

    def _next_of(self, topic: str) -> Task | None:
        turns = self._turns[topic]
        for _ in range(len(turns)):
            partition = turns[0]
            turns.rotate(-1)
            if self._may_start(partition):
                ledger = self._ledgers[partition]
                return Task(partition, ledger.incarnation, ledger.start())
        return None

    def _start_careful(self, decisions: Decisions) -> None:
        """Start suspects one by one over all partitions, so that a crash accuses the right one."""
        if self._careful is not None:
            ledger = self._ledgers[self._careful.partition]
            if ledger.marked is not None and ledger.mark_committed and ledger.partition not in self._releasing:
                ledger.unmark()
                self._hand_out(self._careful, decisions)
            return
        for ledger in self._ledgers.values():
            if ledger.opened and ledger.careful and ledger.can_start and ledger.partition not in self._releasing:
                before = ledger.mark()
                record = ledger.marked
                assert record is not None  # noqa: S101 - mark() has just set it
                self._careful = Task(ledger.partition, ledger.incarnation, record)
                if before >= self._limits.suspects.marks:
                    ledger.unmark()
                    detail = f"was started {before} times by workers that never came back"
                    self._careful.failure = Failure(Reason.WORKER_CRASHED, detail)
                    self._careful.attempts = before
                    self._hand_out(self._careful, decisions)
                return

    def _hand_out(self, task: Task, decisions: Decisions) -> None:
        ledger = self._ledgers.get(task.partition)
        if ledger is None or ledger.incarnation != task.incarnation:
            return
        ledger.running += 1
        self.in_flight += 1
        decisions.start.append(task)

    def _answered(self, ledger: Ledger, task: Task, outputs: Sequence[Outgoing], now: float) -> None:
        if any(breaker.is_open for breaker in self._breakers.values()):
            self._retries.hurry(now)
        for breaker in self._breakers.values():
            breaker.success()
        too_large = next((o for o in outputs if _size(o) > self._room(o.topic)), None)
        if too_large is not None and task.failure is None:
            detail = f"an output of {_size(too_large)} bytes does not fit {too_large.topic}"
            self._give_up(task, Failure(Reason.OUTPUT_REFUSED, detail), now)
            return
        if self._careful is task:
            self._careful = None
        entry = task.entry
        if entry is not None:
            entry.outputs = outputs
            return
        ledger.finish(task.record)
        self._line.add(Entry(task, outputs))

    def _failed(self, task: Task, error: Exception, now: float) -> None:
        if isinstance(error, Unavailable):
            breaker = self._breakers.setdefault(error.service, Breaker())
            breaker.failure(now, error.detail)
            if breaker.is_open:
                task.failing_since = None
                self._retries.add(now + self._limits.retry.first_s, task)
                return
        if task.failure is None and isinstance(error, Permanent):
            self._give_up(task, Failure(error.reason, error.detail), now)
            return
        if task.failure is None and not isinstance(error, Transient):
            task.attempts += 1
            self._give_up(task, Failure(Reason.INTERNAL, f"{type(error).__name__}: {error}"), now)
            return
        task.attempts += 1
        task.failing_since = now if task.failing_since is None else task.failing_since
        policy = self._limits.retry
        if task.failure is None and policy.exhausted(task.attempts, now - task.failing_since):
            reason = getattr(error, "reason", Reason.RETRIES_EXHAUSTED)
            self._give_up(task, Failure(reason, str(error)), now)
            return
        self._retries.add(now + policy.delay(task.attempts), task)

    def _give_up(self, task: Task, failure: Failure, now: float) -> None:
        """Have the record answered by ``give_up``, as soon as a thread is free."""
        task.failure = failure
        self._retries.add(now, task)

    def _refused(self, entry: Entry, detail: str) -> bool:
        """Have an output that the broker will never take replaced in its place; False if that was tried already."""
        if entry.task.entry is not None:
            return False
        entry.task.entry = entry
        entry.task.failure = Failure(Reason.OUTPUT_REFUSED, detail)
        self._retries.add(0.0, entry.task)
        return True

    def _stop_partition(self, partition: TopicPartition, why: str) -> None:
        ledger = self._ledgers.pop(partition, None)
        self._awaiting.pop(partition, None)
        if ledger is not None:
            self._turns[partition.topic].remove(partition)
            self._line.forget(partition)
        self.stopped[partition] = why

    def _adapt(self, finished: int) -> None:
        """Keep started what gets done between two steps: fast handlers never idle, slow ones leave lanes their say."""
        if finished * 2 >= self._ahead:
            self._ahead = min(self._ahead * 2, max(self._limits.max_in_flight, self._limits.concurrency))
        elif finished * 8 < self._ahead:
            self._ahead = max(self._ahead * 3 // 4, self._limits.concurrency)

    def _pause(self, decisions: Decisions) -> None:
        """Pause with wide hysteresis: a pause throws away what was prefetched."""
        down = self.stopping or any(breaker.is_open for breaker in self._breakers.values())
        held = sum(ledger.held for ledger in self._ledgers.values())
        held_bytes = sum(ledger.held_bytes for ledger in self._ledgers.values())
        part = 0.25 if self._full else 1.0
        self._full = held >= self._limits.max_held * part or held_bytes >= self._limits.max_held_bytes * part
        share = max(64, 2 * self._limits.max_held // max(1, len(self._ledgers)))
        for partition, ledger in self._ledgers.items():
            paused = partition in self._paused
            over = ledger.held >= (share // 4 if paused else share)
            wanted = down or self._full or over or partition in self._releasing
            if wanted and not paused:
                self._paused.add(partition)
                decisions.pause.append(partition)
            elif paused and not wanted:
                self._paused.discard(partition)
                decisions.resume.append(partition)

    def _room(self, topic: str) -> int:
        return self._limits.output_bytes.get(topic, self._limits.default_output_bytes)


def _size(record: Outgoing) -> int:
    headers = sum(len(name) + len(value) + 4 for name, value in record.headers)
    return len(record.value or b"") + len(record.key or b"") + headers + 64


def _read_position(partition: TopicPartition, found: Position, topic_id: bytes, log_start: int) -> OffsetMap:
    where = f"{partition.topic}[{partition.partition}]"
    if found.offset is None:
        msg = f"{where}: the group has no position; choose one: darkroom offsets init --to earliest|latest|TIME"
        raise UnreadableMapError(msg)
    if found.offset < log_start:
        msg = (
            f"{where}: the group's position {found.offset} is older than the log, which starts at {log_start}; "
            "what lay between is gone; choose where to go on: darkroom offsets init --to earliest|latest|TIME"
        )
        raise UnreadableMapError(msg)
    try:
        return decode(found.metadata, topic_id, found.offset)
    except UnreadableMapError as error:
        msg = (
            f"{where}: {error}; make it again from the answers: darkroom offsets rebuild; or decide where to go on: "
            "darkroom offsets init --to earliest|latest|TIME"
        )
        raise UnreadableMapError(msg) from error
