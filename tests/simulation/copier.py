"""A replay: copies what was accepted so far to the lane of replays, each record once, whoever kills it.

It uses the engine's own committer: copies and the position up to which it copied go in one transaction. Started again
it goes on from there, under the same transactional id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.adapters.simulated_group import MemberMetadata
from streams.runtime.committer import Batch, Outcome, Verdict
from streams.runtime.ports import BrokerError, Position
from tests.simulation.process import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.record import Outgoing, Record, TopicPartition
    from streams.adapters.simulated import SimulatedBroker
    from tests.simulation.clock import WorkerClock
    from tests.simulation.world import World

COPIER = "copier"
AT_ONCE = 6


class Copier(Process):
    """One run of one replay. ``ends`` was fixed when the replay was ordered."""

    def __init__(  # noqa: PLR0913 - what a process is made of
        self,
        world: World,
        broker: SimulatedBroker,
        clock: WorkerClock,
        *,
        name: str,
        ends: Mapping[TopicPartition, int],
        copy: Callable[[Record], Outgoing],
        copied: Callable[[], None],
    ) -> None:
        super().__init__(world, name, COPIER, broker, clock)
        self._reader = broker.positions(COPIER)
        self._ends = dict(ends)
        self._copy = copy
        self._copied = copied
        self.complete = False
        self.drive(self.committer.open(), lambda _none: self._look())

    def _look(self) -> None:
        try:
            found = self._reader.read(list(self._ends), 5.0)
        except BrokerError:
            self.later(0.05, self._look)
            return
        for partition, end in self._ends.items():
            log = self.world.cluster.log(partition)
            position = max(found[partition].offset or 0, log.start)
            if position < end:
                records, behind = log.read(position, AT_ONCE, committed=True)
                copies = [self._copy(record) for record in records if record.offset < end]
                if behind > position:
                    self._write(copies, partition, min(behind, end))
                    return
                self.later(0.2, self._look)  # an open transaction hides what comes next
                return
        self.world.note(self.name, "has copied everything")
        self.complete, self.alive = True, False

    def _write(self, copies: list[Outgoing], partition: TopicPartition, position: int) -> None:
        batch = Batch(copies, {partition: Position(position, "")}, MemberMetadata(COPIER, "", -1))
        self.drive(self.committer.transaction(batch), self._settled)

    def _settled(self, outcome: Outcome) -> None:
        self.world.note(self.name, f"transaction {outcome.verdict.value} {outcome.error or ''}")
        if outcome.verdict is Verdict.FENCED:
            self.kill("fenced by its successor")
            return
        self._copied()
        self.later(self.world.random.uniform(0.01, 0.5), self._look)
