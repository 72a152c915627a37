"""Work that needs no store: an answer after a while, or a failure. The engine's own rules are what it tries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.errors import Permanent, Reason, Transient, Unavailable
from schemas.record import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.record import Record
    from streams.runtime.task import Task
    from tests.simulation.promises import Place, Violation
    from tests.simulation.store_troubles import StoreTroubles
    from tests.simulation.worker import Answer, SimulatedWorker
    from tests.simulation.world import World

OUT: Final = "out"
TENANTS: Final = ("big", "small")


class PlainWork:
    """Records whose value says what becomes of them: plain, poison, slow, or one that kills its worker."""

    lanes: Final = {"live": 4, "bulk": 2, "replay": 2}
    outputs: Final = {OUT: 3}
    quiet_s: Final = 0.0

    def __init__(self, world: World, store: StoreTroubles, trouble_s: float) -> None:
        self._world = world
        self._store = store
        self._trouble_s = trouble_s
        self._killers = world.chance(0.2) and trouble_s > 0
        self._keys = world.random.choice((1, 3, 10, 200))

    def make(self, number: int, topic: str) -> Outgoing:
        """Return the next input."""
        world = self._world
        tenant = "big" if world.chance(0.7) else "small"
        image = "hot" if world.chance(0.1) else f"key{world.random.randrange(self._keys)}"
        kind = "kill" if self._killers and number == 0 else {7: "poison", 13: "slow"}.get(number % 41, "plain")
        return Outgoing(topic, f"{tenant}/{image}".encode(), f"{kind}-{number}".encode())

    def copy(self, record: Record, topic: str) -> Outgoing:
        """Return what a replay writes for a record."""
        return Outgoing(topic, record.key, b"%b again" % (record.value or b""))

    def cause(self, record: Record) -> Place:
        """Return which input an answer answers."""
        topic, partition, offset = dict(record.headers)["cause"].decode().split(" ")
        return topic, int(partition), int(offset)

    def observed(self, record: Record) -> list[Violation]:
        """Nothing more is to be seen in an answer."""
        del record
        return []

    def at_rest(self) -> list[Violation]:
        """Nothing is left behind."""
        return []

    def run(self, worker: SimulatedWorker, task: Task, done: Callable[[Answer], None]) -> None:
        """Answer after a while."""
        if (task.record.value or b"").startswith(b"kill") and task.failure is None:
            worker.kill(f"{task.record.value!r} takes it along")
            return
        seconds, answer = self._answer(task)
        worker.later(seconds, lambda: done(answer))

    def died(self, worker: SimulatedWorker) -> None:
        """Nothing of it is kept here."""

    def _answer(self, task: Task) -> tuple[float, Answer]:
        world, record = self._world, task.record
        value = record.value or b""
        slow = value.startswith(b"slow") or self._store.slow.covers(world.now) or world.chance(0.03)
        seconds = world.random.uniform(1, 6) if slow else world.random.expovariate(20)
        cause = ("cause", f"{record.topic} {record.partition} {record.offset}".encode())
        if task.failure is not None:
            return seconds, [Outgoing(OUT, record.key, b"failed:" + value, (cause,))]
        if self._store.down.covers(world.now):
            return 0.01, Unavailable("store", "down")
        if self._store.failing.covers(world.now) and world.chance(0.5):
            return seconds, Unavailable("store", "one of two requests") if world.chance(0.5) else Transient("refused")
        if value.startswith(b"poison"):
            return seconds, Permanent(Reason.UNDECODABLE, "poison")
        if world.now < self._trouble_s and world.chance(0.05):
            return seconds, Transient("again")
        return seconds, [Outgoing(OUT, record.key, b"ok:" + value, (cause,))]
