"""What the engine needs from Kafka, as Protocols small enough to be simulated strictly.

Implemented by ``streams.adapters.kafka`` and ``streams.adapters.simulated``; ONE contract test class runs on both.
Everything here is called from one thread at a time per object. No method blocks longer than its time-out says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from schemas.errors import DarkroomError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.record import Outgoing, Record, TopicPartition


class Severity(Enum):
    """What a failed call of the transactional protocol asks of its caller."""

    RETRIABLE = "retriable"
    """Same call again."""
    ABORTABLE = "abortable"
    """Flush, abort, form the batch again."""
    FATAL = "fatal"
    """The producer is dead: discard it and initialise a new one with the same transactional id."""
    INDEFINITE = "indefinite"
    """Nobody knows whether it was done (time-out, lost answer); never begin another transaction before it is
    resolved.
    """
    FENCED = "fenced"
    """Another producer initialised the same transactional id, or our own transaction outlived its time-out."""


class BrokerError(DarkroomError):
    """A Kafka call failed. ``code`` is the broker's or the client's name for it, for example ``REQUEST_TIMED_OUT``."""

    def __init__(
        self, severity: Severity, code: str, detail: str = "", partition: TopicPartition | None = None
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.severity = severity
        self.code = code
        self.detail = detail
        self.partition = partition
        """The partition at fault, where a consumer's error concerns one only."""


class GroupMetadata(Protocol):
    """An opaque snapshot of member and generation; only handed from a consumer to a producer."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a group stands on a partition: the next offset and the commit metadata, from ONE answer."""

    offset: int | None
    """None: the group has no committed position there."""
    metadata: str


class Rebalance(Protocol):
    """Called by `Consumer.poll`, on its thread, when the group moves partitions; cooperative: only the difference."""

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """These came. They are assigned and paused when this returns; nothing is delivered before `Consumer.seek`."""
        ...

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """These are to go; they are let go of when this returns, so commit before."""
        ...

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """These are already somebody else's: drop, commit nothing."""
        ...


class Consumer(Protocol):
    """One group member. Owned by one thread, which never stops polling."""

    def subscribe(self, topics: Sequence[str], rebalance: Rebalance) -> None:
        """Join the group; needs no committed position and never resets one."""
        ...

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Return what is there, waiting at most ``timeout`` seconds for the first record."""
        ...

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from ``offset`` and resume the partition. Raise BrokerError if it is not assigned."""
        ...

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing from these (what was prefetched is thrown away)."""
        ...

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver from these again, from where the position was."""
        ...

    def group_metadata(self) -> GroupMetadata:
        """Return member and generation as they are now."""
        ...

    def close(self) -> None:
        """Leave the group. Calls ``revoked`` for what is still assigned first."""
        ...


class Producer(Protocol):
    """A transactional producer with one transactional id. All methods raise `BrokerError`."""

    def init_transactions(self, timeout: float) -> None:
        """Fence older producers of this id and resolve what they left open."""
        ...

    def begin(self) -> None:
        """Begin a transaction."""
        ...

    def produce(self, index: int, record: Outgoing) -> None:
        """Queue a record under ``index``; delivery failures show up in `refused`."""
        ...

    def send_offsets(self, positions: Mapping[TopicPartition, Position], group: GroupMetadata, timeout: float) -> None:
        """Make these positions part of the transaction (at most 100 partitions a call)."""
        ...

    def deliver(self, timeout: float) -> None:
        """Wait until every queued record was delivered. ABORTABLE as soon as one was refused."""
        ...

    def commit(self, timeout: float) -> None:
        """Commit. Call `deliver` first: a commit that had to wait for records may have begun or not."""
        ...

    def flush(self, timeout: float) -> None:
        """Wait until every queued record was delivered or refused."""
        ...

    def abort(self, timeout: float) -> None:
        """Abort. Call `flush` first."""
        ...

    def refused(self) -> dict[int, BrokerError]:
        """Return, and forget, the records of the running transaction that the broker refused for good, by index."""
        ...

    def disturbances(self) -> int:
        """Return a counter that grows with every disconnect and every silent resend of a transactional request."""
        ...

    def close(self) -> None:
        """Discard the producer at once; nothing is flushed."""
        ...


class PositionReader(Protocol):
    """Reads the group's committed positions beside the consumer, without touching its thread."""

    def read(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, Position]:
        """Return positions with require_stable; raise `BrokerError` RETRIABLE while a transaction of one is pending.

        Also RETRIABLE: time-outs and unreachable brokers.
        """
        ...

    def topic_ids(self, topics: Sequence[str], timeout: float) -> dict[str, bytes]:
        """Return the 16-byte id of each topic: it changes when a topic is deleted and made again."""
        ...

    def log_starts(self, partitions: Sequence[TopicPartition], timeout: float) -> dict[TopicPartition, int]:
        """Return the first offset that is still there, for each partition."""
        ...


class Broker(Protocol):
    """Makes the three above; what the composition root hands to the engine."""

    def consumer(self, group: str) -> Consumer:
        """Make a consumer that is a member of ``group`` once it subscribed."""
        ...

    def producer(self, transactional_id: str) -> Producer:
        """Make a producer; `Producer.init_transactions` before anything else."""
        ...

    def positions(self, group: str) -> PositionReader:
        """Make a reader of the group's positions."""
        ...


Settings = dict[str, Any]
"""librdkafka properties as they stand in the configuration."""
