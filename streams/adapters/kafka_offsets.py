"""Where a group starts and where it stands: initial positions, written beside the group, and a view of all positions.

Never touches a group with members: the broker refuses it, and rightly, since the members' own commits would win.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, IsolationLevel, TopicCollection
from confluent_kafka import TopicPartition as Position
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # public, though not in its __all__

from streams.adapters.kafka_admin import AdminError, KafkaAdmin
from streams.adapters.kafka_committed import CommittedOffsets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Start = Literal["earliest", "latest"] | datetime
"""Where to begin: the first record there is, after the last committed one, or the first one of a time or later."""

_PER_REQUEST: Final = 500
_REQUEST_S: Final = 4.0
"""For one question about the group: while a cold broker makes its offsets topic, an answer may never come (seen)."""
_EARLIEST: Final = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # the client's, without types
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # as above
_IDLE: Final = frozenset({ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD})


@dataclass(frozen=True, slots=True)
class InitialPosition:
    """A position that `GroupOffsets.initialise` committed."""

    topic: str
    partition: int
    offset: int
    was: int | None
    """What was committed before; None: nothing."""


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """Where a group stands on one partition."""

    topic: str
    partition: int
    offset: int | None
    """The next offset to be read; None: the group has no position here."""
    metadata: str
    """The commit's metadata: a worker's map of what is finished beyond the offset."""
    start: int
    """The first offset that is still there."""
    end: int
    """The offset that the next record will get."""

    @property
    def lag(self) -> int | None:
        """Offsets between the position and the end, counting commit markers and what is finished out of order."""
        return None if self.offset is None else max(0, self.end - max(self.offset, self.start))


class GroupOffsets:
    """The positions of one group."""

    def __init__(self, admin: KafkaAdmin, group: str) -> None:
        self._admin = admin
        self._group = group
        self._offsets_kept = CommittedOffsets(admin.settings, group)

    def initialise(self, topics: Iterable[str], to: Start, *, overwrite: bool = False) -> list[InitialPosition]:
        """Commit a position wherever there is none, or one below the log's start; with ``overwrite`` everywhere.

        Overwriting forgets what was finished out of order. Raise `AdminError` ``NON_EMPTY_GROUP`` while the group has
        members, ``UNKNOWN_TOPIC_OR_PART`` for a topic that is not there; `schemas.errors.Unavailable` without a broker.
        """
        partitions = self._partitions(topics)
        committed = self._committed(partitions, stable=True)
        starts = self._offsets(partitions, _EARLIEST)
        wanted = [
            key
            for key in partitions
            if overwrite or committed[key].offset < 0 or committed[key].offset < starts[key]
        ]  # fmt: skip
        if not wanted:
            return []
        self.demand_idle()
        targets = self._targets(wanted, to)
        self._commit(targets)
        return [
            InitialPosition(topic, partition, offset, _known(committed[topic, partition].offset))
            for (topic, partition), offset in targets.items()
        ]

    def show(self, topics: Iterable[str]) -> list[GroupPosition]:
        """Return the position on every partition of the topics, in their order."""
        partitions = self._partitions(topics)
        committed = self._committed(partitions, stable=False)
        starts = self._offsets(partitions, _EARLIEST)
        ends = self._offsets(partitions, _LATEST)
        return [
            GroupPosition(*key, _known(committed[key].offset), committed[key].metadata or "", starts[key], ends[key])
            for key in partitions
        ]

    def demand_idle(self) -> None:
        """Raise `AdminError` ``NON_EMPTY_GROUP`` while the group has members."""
        futures = self._admin.client.describe_consumer_groups([self._group], request_timeout=self._admin.timeout_s)
        try:
            described = self._admin.wait(futures[self._group], f"group {self._group}")
        except AdminError as error:
            if error.code == "GROUP_ID_NOT_FOUND":  # nobody was ever in it
                return
            raise
        if described.state not in _IDLE:
            members = (
                ", ".join(sorted(f"{member.client_id} on {member.host}" for member in described.members)) or "some"
            )
            message = f"group {self._group} has members ({members}): stop its workers first"
            raise AdminError("NON_EMPTY_GROUP", message)

    def _partitions(self, topics: Iterable[str]) -> list[tuple[str, int]]:
        names = list(topics)
        futures = self._admin.client.describe_topics(TopicCollection(names), request_timeout=self._admin.timeout_s)
        described = {name: self._admin.wait(futures[name], f"topic {name}") for name in names}
        return [(name, number) for name in names for number in sorted(part.id for part in described[name].partitions)]

    def _committed(self, partitions: Sequence[tuple[str, int]], *, stable: bool) -> dict[tuple[str, int], Position]:
        asked = [Position(*key) for key in partitions]
        seconds = min(self._admin.timeout_s, _REQUEST_S)
        answer = self._admin.translate(
            lambda: self._offsets_kept.read(asked, seconds, stable=stable), f"group {self._group}"
        )
        self._demand_answers(answer)
        return {(item.topic, item.partition): item for item in answer}

    def _targets(self, partitions: Sequence[tuple[str, int]], to: Start) -> dict[tuple[str, int], int]:
        if to == "earliest":
            return self._offsets(partitions, _EARLIEST)
        # Not beyond the last stable offset: what stands in an open transaction is yet to be seen by this group.
        ends = self._offsets(partitions, _LATEST, IsolationLevel.READ_COMMITTED)
        if not isinstance(to, datetime):
            return ends
        if to.tzinfo is None:
            message = f"time {to.isoformat()} has no time zone"
            raise ValueError(message)
        found = self._offsets(partitions, OffsetSpec.for_timestamp(int(to.timestamp() * 1000)))
        return {key: offset if offset >= 0 else ends[key] for key, offset in found.items()}

    def _offsets(
        self,
        partitions: Sequence[tuple[str, int]],
        spec: OffsetSpec,
        isolation: IsolationLevel = IsolationLevel.READ_UNCOMMITTED,
    ) -> dict[tuple[str, int], int]:
        def ask() -> dict[tuple[str, int], int]:
            futures = self._admin.client.list_offsets(
                {Position(*key): spec for key in partitions},
                isolation_level=isolation,
                request_timeout=self._admin.timeout_s,
            )
            return {(item.topic, item.partition): self._admin.wait(future).offset for item, future in futures.items()}

        return self._admin.settle(ask)  # leaders change, and a new partition has none for a moment

    def _commit(self, targets: Mapping[tuple[str, int], int]) -> None:
        positions = [Position(*key, offset) for key, offset in targets.items()]
        for first in range(0, len(positions), _PER_REQUEST):
            request = ConsumerGroupTopicPartitions(self._group, positions[first : first + _PER_REQUEST])
            futures = self._admin.client.alter_consumer_group_offsets([request], request_timeout=self._admin.timeout_s)
            self._demand_answers(self._admin.wait(futures[self._group], f"group {self._group}").topic_partitions or [])

    def _demand_answers(self, positions: Sequence[Position]) -> None:
        """A partition's error hides inside an answer that as a whole succeeded."""
        for item in positions:
            if item.error is not None:
                raise self._admin.error(item.error, f"{item.topic}[{item.partition}]: {item.error.str()}")


def _known(offset: int) -> int | None:
    return offset if offset >= 0 else None
