"""The simulated cluster: topics, groups, the coordinator, the clock, and requests that are still on their way.

Time stands still but for `SimulatedCluster.advance`. The clients (``simulated_consumer``, ``simulated_producer``) act
on one cluster; a test looks into it, fills its logs and moves its clock.
"""

from __future__ import annotations

import heapq
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.record import Outgoing, Record, TopicPartition
from streams.adapters.murmur2 import partition_for
from streams.adapters.simulated_faults import Call, Fault, Faults, Kind
from streams.adapters.simulated_group import Group
from streams.adapters.simulated_log import PartitionLog
from streams.adapters.simulated_transactions import TransactionCoordinator
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD_LIMIT = 1_000_000
"""Bytes of key and value; librdkafka's message.max.bytes."""
UNREACHED = frozenset({Kind.SUCCEED, Kind.ABORTABLE, Kind.INDEFINITE_DONE, Kind.LATE_COPY})
"""What no call to a broker that is away can come to: something would have to be there to do or to refuse it."""


@dataclass(slots=True)
class _Topic:
    topic_id: bytes
    logs: list[PartitionLog]
    retention_s: float | None


class SimulatedCluster:
    """Deterministic: the same calls in the same order give the same state."""

    def __init__(self, *, session_s: float = 10.0, now: float = 1_000_000.0) -> None:
        self.now = now
        """Simulated seconds since the epoch."""
        self._session_s = session_s
        self._topics: dict[str, _Topic] = {}
        self._topics_made = 0
        self._groups: dict[str, Group] = {}
        self._late: list[tuple[float, int, Callable[[], None]]] = []
        self._held_back = 0
        self._keyless = 0
        self._back_at = now
        self.restarts = 0
        """How often the brokers went away; every client notices that its connections broke."""
        self.coordinator = TransactionCoordinator(self.log, self.group, lambda: self.now)

    # --- time ----------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Let time pass: late requests arrive, sessions and transactions time out, old records go."""
        until = self.now + seconds
        while self._late and self._late[0][0] <= until:
            self.now, _, request = heapq.heappop(self._late)
            self._time_out()
            if self.up:
                with suppress(BrokerError):  # nobody waits for its answer any more
                    request()
        self.now = until
        self._time_out()

    def hold_back(self, seconds: float, request: Callable[[], None]) -> None:
        """Deliver a request later."""
        self._held_back += 1
        heapq.heappush(self._late, (self.now + seconds, self._held_back, request))

    def restart(self, seconds: float, *, forget_members: bool) -> None:
        """Be away for a while. Logs, positions and transactions are kept.

        Members have to join again: with what they still own, or, if they are forgotten, from the beginning.
        """
        self.restarts += 1
        self._back_at = max(self._back_at, self.now + seconds)
        for group in self._groups.values():
            group.reload(self._back_at, forget_members=forget_members)

    @property
    def up(self) -> bool:
        """Whether the brokers answer."""
        return self.now >= self._back_at

    def judge(self, faults: Faults, call: Call) -> Fault:
        """Let ``faults`` decide how a call ends, as far as there is anybody to call."""
        fault = faults(call)
        return Fault(Kind.RETRIABLE) if not self.up and fault.kind in UNREACHED else fault

    def _time_out(self) -> None:
        if not self.up:  # nobody is there to count
            return
        self.coordinator.expire()
        for group in self._groups.values():
            group.expire(self.now)
        for topic in self._topics.values():
            if topic.retention_s is not None:
                for log in topic.logs:
                    log.truncate(log.offset_at(round((self.now - topic.retention_s) * 1000)))

    # --- topics --------------------------------------------------------------------------------------------------

    def create_topic(self, name: str, partitions: int, *, retention_s: float | None = None) -> None:
        """Make a topic; one that is made again has another id and none of its old positions."""
        self._topics_made += 1
        logs = [PartitionLog(TopicPartition(name, number)) for number in range(partitions)]
        self._topics[name] = _Topic(struct.pack(">QQ", 0, self._topics_made), logs, retention_s)
        self._rebalance_readers(name)

    def grow_topic(self, name: str, partitions: int) -> None:
        """Add partitions up to this number."""
        logs = self._topics[name].logs
        logs.extend(PartitionLog(TopicPartition(name, number)) for number in range(len(logs), partitions))
        self._rebalance_readers(name)

    def delete_topic(self, name: str) -> None:
        """Drop a topic with its records and every group's positions."""
        del self._topics[name]
        for group in self._groups.values():
            group.forget(name)
        self._rebalance_readers(name)

    def topic_id(self, name: str) -> bytes:
        """Return the 16 bytes that name this life of the topic."""
        return self._topic(name).topic_id

    def partitions(self, name: str) -> list[TopicPartition]:
        """Return a topic's partitions; none if there is no such topic."""
        topic = self._topics.get(name)
        return [TopicPartition(name, number) for number in range(len(topic.logs))] if topic else []

    def log(self, partition: TopicPartition) -> PartitionLog:
        """Return a partition's log."""
        logs = self._topic(partition.topic).logs
        if not 0 <= partition.partition < len(logs):
            raise BrokerError(Severity.RETRIABLE, "UNKNOWN_TOPIC_OR_PART", str(partition))
        return logs[partition.partition]

    def place(self, record: Outgoing) -> TopicPartition:
        """Return where a record goes: by its key's murmur2, or in turn if it has none."""
        count = len(self._topic(record.topic).logs)
        if record.key is not None:
            return TopicPartition(record.topic, partition_for(record.key, count))
        self._keyless += 1
        return TopicPartition(record.topic, self._keyless % count)

    # --- what tests do beside the engine -------------------------------------------------------------------------

    def append(self, record: Outgoing, partition: int | None = None) -> int:
        """Produce a record outside any transaction and return its offset."""
        where = self.place(record) if partition is None else TopicPartition(record.topic, partition)
        return self.log(where).append(record, round(self.now * 1000))

    def read(self, topic: str, *, committed: bool = True) -> list[Record]:
        """Return everything a reader of the topic would get, partition by partition."""
        records: list[Record] = []
        for partition in self.partitions(topic):
            log = self.log(partition)
            records += log.read(log.start, log.end - log.start, committed=committed)[0]
        return records

    def group(self, name: str) -> Group:
        """Return a group, made when first asked for."""
        if name not in self._groups:
            self._groups[name] = Group(name, self.partitions, self._session_s)
        return self._groups[name]

    def _topic(self, name: str) -> _Topic:
        if name not in self._topics:
            raise BrokerError(Severity.RETRIABLE, "UNKNOWN_TOPIC_OR_PART", name)
        return self._topics[name]

    def _rebalance_readers(self, topic: str) -> None:
        for group in self._groups.values():
            if any(topic in member.topics for member in group.members.values()):
                group.rebalance()
