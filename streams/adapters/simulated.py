"""A strict Kafka in one process and in simulated time, behind the same ports as the real one.

Strict where librdkafka's mock cluster is lax: transactions with epochs and fencing, a last stable offset, markers
that take offsets, generations, lost answers, and requests that arrive twice. The contract tests hold it to the real
broker. It knows one kind of client error for each severity and no network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.adapters.simulated_cluster import SimulatedCluster
from streams.adapters.simulated_consumer import SimulatedConsumer
from streams.adapters.simulated_faults import Call, Fault, Faults, Kind, no_faults
from streams.adapters.simulated_offsets import SimulatedOffsets
from streams.adapters.simulated_producer import SimulatedProducer
from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.record import TopicPartition
    from streams.runtime.ports import Position

__all__ = ["Call", "Fault", "Kind", "SimulatedBroker", "SimulatedCluster", "no_faults"]


class SimulatedBroker:
    """One process's view of a cluster: give every simulated worker its own, with its own faults."""

    def __init__(
        self, cluster: SimulatedCluster, faults: Faults = no_faults, *, transaction_timeout_s: float = 10.0
    ) -> None:
        self.cluster = cluster
        self._faults = faults
        self._transaction_timeout_s = transaction_timeout_s

    def consumer(self, group: str) -> SimulatedConsumer:
        """Make a consumer."""
        return SimulatedConsumer(self.cluster, group, self._faults)

    def producer(self, transactional_id: str) -> SimulatedProducer:
        """Make a producer."""
        return SimulatedProducer(self.cluster, transactional_id, self._faults, self._transaction_timeout_s)

    def offsets(self, group: str) -> SimulatedOffsets:
        """Make what an operator sets positions with."""
        return SimulatedOffsets(self.cluster, group)

    def positions(self, group: str) -> SimulatedPositions:
        """Make a reader of positions."""
        return SimulatedPositions(self.cluster, group, self._faults)


class SimulatedPositions:
    """Looks at the cluster's state; every fault is a time-out."""

    def __init__(self, cluster: SimulatedCluster, group: str, faults: Faults) -> None:
        self._cluster = cluster
        self._group = cluster.group(group)
        self._faults = faults

    def read(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, Position]:  # noqa: ARG002
        """Return positions, RETRIABLE while one is pending."""
        self._ask("read")
        return self._group.read(partitions)

    def topic_ids(self, topics: Sequence[str], timeout: float) -> dict[str, bytes]:  # noqa: ARG002
        """Return each topic's id."""
        self._ask("topic_ids")
        return {topic: self._cluster.topic_id(topic) for topic in topics}

    def log_starts(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, int]:  # noqa: ARG002
        """Return each log's first offset."""
        self._ask("log_starts")
        return {partition: self._cluster.log(partition).start for partition in partitions}

    def _ask(self, name: str) -> None:
        if self._cluster.judge(self._faults, Call(self._group.name, name)).kind is not Kind.SUCCEED:
            raise BrokerError(Severity.RETRIABLE, "_TIMED_OUT")
