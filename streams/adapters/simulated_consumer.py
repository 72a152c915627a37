"""A group member on the simulated cluster. It never waits: a poll is one look, and one sign of life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.adapters.simulated_faults import Call, Faults, Kind
from streams.adapters.simulated_group import MemberMetadata
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.record import Record, TopicPartition
    from streams.adapters.simulated_cluster import SimulatedCluster
    from streams.runtime.ports import Rebalance


class SimulatedConsumer:
    """Delivers read_committed, and from a partition only after `seek`."""

    def __init__(self, cluster: SimulatedCluster, group: str, faults: Faults) -> None:
        self._cluster = cluster
        self._group = cluster.group(group)
        self._faults = faults
        self._topics: tuple[str, ...] = ()
        self._rebalance: Rebalance | None = None
        self._member = ""
        self._generation = -1
        self._owned: list[TopicPartition] = []
        self._positions: dict[TopicPartition, int] = {}
        """Next offset of each partition that was sought."""
        self._paused: set[TopicPartition] = set()
        self._turn = 0

    def subscribe(self, topics: Sequence[str], rebalance: Rebalance) -> None:
        """Join the group at the next poll."""
        self._topics, self._rebalance = tuple(topics), rebalance

    def poll(self, max_records: int, timeout: float) -> list[Record]:  # noqa: ARG002 - time stands still
        """Heartbeat, take part in rebalances, and return what is there now."""
        fault = self._cluster.judge(self._faults, Call(self._group.name, "poll"))
        if fault.kind is Kind.FATAL:
            raise BrokerError(Severity.FATAL, "_FATAL")
        if fault.kind is not Kind.SUCCEED:
            raise BrokerError(Severity.RETRIABLE, "_TRANSPORT")
        if self._rebalance is not None:
            self._take_part(self._rebalance)
        return self._fetch(max_records)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from ``offset`` and resume."""
        if partition not in self._owned:
            raise BrokerError(Severity.ABORTABLE, "_STATE", f"{partition} is not assigned", partition)
        self._positions[partition] = offset
        self._paused.discard(partition)

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing from these."""
        self._paused.update(p for p in partitions if p in self._owned)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver from these again."""
        self._paused.difference_update(partitions)

    def group_metadata(self) -> MemberMetadata:
        """Return member and generation as this member knows them."""
        return MemberMetadata(self._group.name, self._member, self._generation)

    def close(self) -> None:
        """Give everything back, then leave."""
        if self._rebalance is not None and self._owned:
            if self._member in self._group.members:
                self._rebalance.revoked(list(self._owned))
            else:
                self._rebalance.lost(list(self._owned))
        self._drop(list(self._owned))
        self._group.leave(self._member)
        self._rebalance = None

    # --- the group -----------------------------------------------------------------------------------------------

    def _take_part(self, rebalance: Rebalance) -> None:
        if self._member not in self._group.members:
            gone = list(self._owned)
            if gone:
                rebalance.lost(gone)
                self._drop(gone)
            self._member = self._group.join(self._topics, self._cluster.now)
        state = self._group.show_up(self._member, self._owned, self._cluster.now)
        if self._group.rebalancing or state.generation == self._generation:
            return  # an assignment that was not fetched before the next rebalance began is never taken up
        self._generation = state.generation
        gone = [p for p in self._owned if p not in state.assigned]
        came = sorted(p for p in state.assigned if p not in self._owned)
        if gone:
            rebalance.revoked(gone)
            self._drop(gone)
            self._group.rebalance()  # so that others may have them
        self._owned += came
        if came:
            rebalance.assigned(came)

    def _drop(self, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._owned.remove(partition)
            self._positions.pop(partition, None)
            self._paused.discard(partition)

    # --- records -------------------------------------------------------------------------------------------------

    def _fetch(self, max_records: int) -> list[Record]:
        """Take from the partitions in turn, beginning with another one each time."""
        ready = [p for p in self._owned if p in self._positions and p not in self._paused]
        self._turn += 1
        records: list[Record] = []
        for step in range(len(ready)):
            partition = ready[(self._turn + step) % len(ready)]
            if len(records) < max_records:
                records += self._fetch_one(partition, max_records - len(records))
        return records

    def _fetch_one(self, partition: TopicPartition, limit: int) -> list[Record]:
        log, position = self._cluster.log(partition), self._positions[partition]
        if not log.start <= position <= log.end:
            detail = f"{position} is outside {log.start}..{log.end}"
            raise BrokerError(Severity.FATAL, "OFFSET_OUT_OF_RANGE", detail, partition)
        records, self._positions[partition] = log.read(position, limit, committed=True)
        return records
