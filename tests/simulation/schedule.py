"""One seed, one schedule: what is published, what goes wrong when, and what must be true at the end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from schemas.errors import Permanent, Reason, Transient, Unavailable
from schemas.record import Outgoing, TopicPartition
from streams.adapters.simulated_faults import SUCCEED, Call, Fault, Kind
from streams.runtime.limits import LoopLimits
from streams.runtime.ports import Position
from streams.runtime.retry import RetryPolicy
from tests.simulation.worker import GROUP, SimulatedWorker
from tests.simulation.world import World

if TYPE_CHECKING:
    from streams.runtime.task import Task

LANES = {"live": 4, "bulk": 2}
OUT = "out"
TROUBLE_S = 40.0
"""How long things go wrong; then the fleet has to come to rest."""
REST_S = 400.0
LIMITS = LoopLimits(
    concurrency=4, max_in_flight=8, max_held=60, retry=RetryPolicy(max_attempts=20), lanes={"live": 4.0}
)
KINDS = (
    Kind.RETRIABLE,
    Kind.ABORTABLE,
    Kind.FATAL,
    Kind.INDEFINITE_DONE,
    Kind.INDEFINITE_NOT_DONE,
    Kind.LATE_COPY,
)


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that a schedule broke."""

    promise: str
    detail: str


class Schedule:
    """A fleet, its input and its troubles, all out of one seed."""

    def __init__(self, seed: int) -> None:
        self.world = world = World(seed, session_s=world_session(seed))
        self._rate = world.random.choice((0.0, 0.01, 0.03, 0.08))
        self._kinds = tuple(world.random.sample(KINDS, world.random.randint(1, len(KINDS))))
        self._killers = world.random.random() < 0.2
        self._outage = (0.0, 0.0)
        self._workers: list[SimulatedWorker] = []
        self._made = 0
        self.inputs: dict[bytes, tuple[str, bytes]] = {}
        for topic, partitions in LANES.items():
            world.cluster.create_topic(topic, partitions)
        world.cluster.create_topic(OUT, 3)
        group = world.cluster.group(GROUP)
        for topic in LANES:
            group.committed.update({p: Position(0, "") for p in world.cluster.partitions(topic)})

    def run(self) -> list[Violation]:
        """Let it all happen and return the broken promises."""
        world = self.world
        for slot in range(world.random.randint(1, 3)):
            self._start(f"slot-{slot}")
        self._publish(world.random.randint(20, 120))
        if world.chance(0.3):
            begins = world.random.uniform(0, TROUBLE_S)
            self._outage = (begins, begins + world.random.uniform(0.5, 15))
        world.at(0.5, self._trouble)
        try:
            done = world.run_until(lambda: world.now > TROUBLE_S and self._all_answered(), TROUBLE_S + REST_S)
        except AssertionError as bound:
            return [Violation("bounds", str(bound))]
        return list(self._violations(done))

    # --- the input -----------------------------------------------------------------------------------------------

    def _publish(self, count: int) -> None:
        world = self.world
        keys = world.random.choice((1, 3, 10, 200))
        for number in range(count):
            topic = "bulk" if world.chance(0.3) else "live"
            key = b"hot" if world.chance(0.1) else b"key%d" % world.random.randrange(keys)
            world.at(world.random.uniform(0, TROUBLE_S * 0.7), partial(self._append, number, topic, key))

    def _append(self, number: int, topic: str, key: bytes) -> None:
        kind = b"kill" if self._killers and number == 0 else b"poison" if number % 41 == 7 else b"plain"
        value = b"%s-%d" % (kind, number)
        self.inputs[value] = (topic, key)
        cluster = self.world.cluster
        cluster.append(Outgoing(topic, key, value))
        if self.world.chance(0.2):  # an offset that no record has, as aborted records and markers leave
            log, now_ms = cluster.log(cluster.place(Outgoing(topic, key, b""))), round(cluster.now * 1000)
            log.append(Outgoing(topic, key, b"aborted"), now_ms, transaction=-1 - number)
            log.decide(-1 - number, now_ms, commit=False)

    def handle(self, worker: SimulatedWorker, task: Task) -> tuple[float, list[Outgoing] | Exception]:
        """Answer as a handler would, after how many seconds."""
        world, record = self.world, task.record
        value = record.value or b""
        seconds = world.random.expovariate(20) if world.chance(0.97) else world.random.uniform(1, 6)
        if task.failure is not None:
            return seconds, [Outgoing(OUT, record.key, b"failed:" + value)]
        if value.startswith(b"kill"):
            worker.kill(f"{value!r} takes it along")
            return 0.0, []
        if self._outage[0] <= world.now < self._outage[1]:
            return 0.01, Unavailable("store", "down")
        if value.startswith(b"poison"):
            return seconds, Permanent(Reason.UNDECODABLE, "poison")
        if world.now < TROUBLE_S and world.chance(0.05):
            return seconds, Transient("again")
        return seconds, [Outgoing(OUT, record.key, b"ok:" + value)]

    # --- the troubles --------------------------------------------------------------------------------------------

    def faults(self, call: Call) -> Fault:
        """Decide how a call to the broker ends."""
        world = self.world
        if world.now > TROUBLE_S or not world.chance(self._rate):
            return SUCCEED
        kind = world.random.choice(self._kinds)
        if call.name == "poll" and kind is Kind.FATAL and not world.chance(0.02):
            return SUCCEED
        world.faults += 1
        world.note("broker", f"{kind.name.lower()} for {call.name} of {call.client}")
        return Fault(kind, world.random.uniform(0.0, 3.0))

    def _start(self, slot: str) -> None:
        self._made += 1
        name = f"w{self._made}"
        self.world.note(name, f"starts as {slot}")
        self._workers.append(
            SimulatedWorker(
                self.world,
                name=name,
                slot=slot,
                topics=tuple(LANES),
                limits=LIMITS,
                faults=self.faults,
                handle=self.handle,
            )
        )

    def _trouble(self) -> None:
        """Do one thing to the fleet, now and again; keep at least one worker going."""
        world = self.world
        alive = [worker for worker in self._workers if worker.alive]
        self._workers = alive
        if world.now < TROUBLE_S and alive:
            worker = world.random.choice(alive)
            what = world.random.random()
            if what < 0.15:
                world.faults += 1
                worker.kill("SIGKILL")
            elif what < 0.25:
                world.faults += 1
                worker.freeze(world.random.choice((0.5, 3.0, 12.0, 25.0)))
                if world.chance(0.5):
                    self._start(worker.slot if world.chance(0.3) else f"slot-{self._made}")
            elif what < 0.35:
                worker.stop()
            elif what < 0.5 and len(alive) < 4:
                self._start(f"slot-{self._made}")
        if not any(worker.alive and not worker.loop.stopping for worker in self._workers):
            self._start(f"slot-{world.random.randrange(3)}")
        if world.now < TROUBLE_S + REST_S:
            world.at(world.random.uniform(0.3, 4.0), self._trouble)

    # --- the promises --------------------------------------------------------------------------------------------

    def _all_answered(self) -> bool:
        answered = {value.partition(b":")[2] for value in self._outputs()}
        return answered >= self.inputs.keys() and not self._open_positions()

    def _outputs(self) -> list[bytes]:
        return [record.value or b"" for record in self.world.cluster.read(OUT)]

    def _open_positions(self) -> list[TopicPartition]:
        """Return the partitions whose committed position has not reached their last record."""
        cluster, behind = self.world.cluster, []
        for topic in LANES:
            for partition in cluster.partitions(topic):
                records = [r.offset for r in cluster.read(topic) if r.partition == partition.partition]
                position = cluster.group(GROUP).committed[partition].offset or 0
                if records and position <= records[-1]:
                    behind.append(partition)
        return behind

    def _violations(self, done: bool) -> list[Violation]:  # noqa: FBT001
        found = []
        answers: defaultdict[bytes, int] = defaultdict(int)
        for value in self._outputs():
            answers[value.partition(b":")[2]] += 1
        twice = sorted(value for value, count in answers.items() if count > 1)
        if twice:
            found.append(Violation("each record is answered once", f"more than once: {twice[:5]}"))
        unknown = sorted(answers.keys() - self.inputs.keys())
        if unknown:
            found.append(Violation("nothing else is answered", f"{unknown[:5]}"))
        missing = sorted(self.inputs.keys() - answers.keys())
        if missing:
            lost = [value for value in missing if self._is_passed(value)]
            promise = "nothing is committed ahead of unfinished work" if lost else "progress"
            found.append(Violation(promise, f"no answer to {(lost or missing)[:5]}"))
        elif not done:
            found.append(Violation("progress", f"positions stay behind: {self._open_positions()[:5]}"))
        found += self._out_of_order()
        return found

    def _is_passed(self, value: bytes) -> bool:
        topic = self.inputs[value][0]
        for record in self.world.cluster.read(topic):
            if record.value == value:
                where = TopicPartition(topic, record.partition)
                return (self.world.cluster.group(GROUP).committed[where].offset or 0) > record.offset
        return False

    def _out_of_order(self) -> list[Violation]:
        sequence: defaultdict[tuple[str, bytes], list[int]] = defaultdict(list)
        place = {r.value: r.offset for topic in LANES for r in self.world.cluster.read(topic)}
        for value in self._outputs():
            original = value.partition(b":")[2]
            if original in self.inputs:
                sequence[self.inputs[original]].append(place[original])
        return [
            Violation("answers of a key come in the order of its records", f"{key}: {offsets}")
            for key, offsets in sequence.items()
            if offsets != sorted(offsets)
        ]


def world_session(seed: int) -> float:
    """Return the session time-out of a schedule: sometimes shorter than the pauses, sometimes longer."""
    return (6.0, 10.0, 30.0)[seed % 3]
