"""Positions set beside a simulated group, as an operator sets them with ``darkroom offsets init``.

The contract tests hold it to ``streams.adapters.kafka_offsets``, which does the same on a real cluster.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from schemas.record import TopicPartition
from streams.runtime.ports import BrokerError, Position, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streams.adapters.simulated_cluster import SimulatedCluster

Start = Literal["earliest", "latest"] | datetime
"""Where to begin: the first record there is, after the last committed one, or the first one of a time or later."""


class InitialPosition(NamedTuple):
    """A position that was committed; ``was`` is what stood there before, None: nothing."""

    topic: str
    partition: int
    offset: int
    was: int | None


class SimulatedOffsets:
    """The positions of one group."""

    def __init__(self, cluster: SimulatedCluster, group: str) -> None:
        self._cluster = cluster
        self._group = cluster.group(group)

    def initialise(self, topics: Iterable[str], to: Start, *, overwrite: bool = False) -> list[InitialPosition]:
        """Commit a position wherever there is none, or one below the log's start; with ``overwrite`` everywhere.

        What was finished out of order is forgotten there. Raise BrokerError ``NON_EMPTY_GROUP`` while there are
        members, RETRIABLE while a transaction holds a position.
        """
        partitions = [partition for topic in topics for partition in self._cluster.partitions(topic)]
        committed = self._group.read(partitions)
        wanted = {p: committed[p].offset for p in partitions if overwrite or self._is_nowhere(p, committed[p])}
        if wanted:
            self.demand_idle()
        done = [InitialPosition(*p, self._target(p, to), was) for p, was in wanted.items()]
        self._group.committed.update({TopicPartition(*at[:2]): Position(at.offset, "") for at in done})
        return done

    def write(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Commit these, maps included, as ``darkroom offsets rebuild`` does."""
        self.demand_idle()
        self._group.committed.update(positions)

    def demand_idle(self) -> None:
        """Raise BrokerError ``NON_EMPTY_GROUP`` while the group has members."""
        if self._group.members:
            raise BrokerError(Severity.ABORTABLE, "NON_EMPTY_GROUP", ", ".join(sorted(self._group.members)))

    def _is_nowhere(self, partition: TopicPartition, position: Position) -> bool:
        return position.offset is None or position.offset < self._cluster.log(partition).start

    def _target(self, partition: TopicPartition, to: Start) -> int:
        log = self._cluster.log(partition)
        if to == "earliest":
            return log.start
        if not isinstance(to, datetime):
            return log.stable_end
        found = log.offset_at(round(to.timestamp() * 1000))
        return log.stable_end if found == log.end else found
