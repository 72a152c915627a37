"""A consumer group: members, generations, cooperative assignment, committed and pending positions.

As strict as the real coordinator and no stricter: a transactional commit must come from a member of the current
generation, but nobody asks whether that member owns the partition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams.runtime.ports import BrokerError, Position, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.record import TopicPartition

METADATA_LIMIT = 4095
"""Characters a partition: 4095 pass, 4096 do not (tried on Kafka 4.3.0)."""
REQUEST_LIMIT = 1_000_000
"""Metadata of all partitions of one call together: 250 full ones pass, 260 do not."""


@dataclass(frozen=True, slots=True)
class MemberMetadata:
    """What a producer shows the coordinator: a snapshot."""

    group: str
    member: str
    generation: int


@dataclass(slots=True)
class Member:
    """What the coordinator knows of one member."""

    topics: frozenset[str]
    seen: float
    owned: frozenset[TopicPartition] = frozenset()
    """What it said it still owns when it joined."""
    joined: bool = False
    assigned: frozenset[TopicPartition] = frozenset()
    generation: int = -1


@dataclass(slots=True)
class Group:
    """One group. ``partitions_of`` tells what a topic consists of now."""

    name: str
    partitions_of: Callable[[str], Iterable[TopicPartition]]
    session_s: float
    generation: int = 0
    rebalancing: bool = False
    members: dict[str, Member] = field(default_factory=dict)
    committed: dict[TopicPartition, Position] = field(default_factory=dict)
    pending: dict[int, dict[TopicPartition, Position]] = field(default_factory=dict)
    """Positions inside open transactions, by producer id."""
    _joins: int = 0

    # --- membership ----------------------------------------------------------------------------------------------

    def join(self, topics: Iterable[str], now: float) -> str:
        """Add a member and return its id; the others learn of it when they next show up."""
        self._joins += 1
        member = f"{self.name}-{self._joins}"
        self.members[member] = Member(frozenset(topics), now)
        self.rebalance()
        return member

    def leave(self, member: str) -> None:
        """Take a member out at once."""
        if self.members.pop(member, None) is not None:
            self.rebalance()

    def expire(self, now: float) -> None:
        """Take out whoever has not shown up for longer than the session."""
        for member in [m for m, state in self.members.items() if now - state.seen > self.session_s]:
            self.leave(member)

    def reload(self, now: float, *, forget_members: bool) -> None:
        """Come back on a broker that was away until ``now``: sessions begin anew, if the members are still known."""
        if forget_members:
            self.members.clear()
        for state in self.members.values():
            state.seen = now
        self.rebalance()

    def rebalance(self) -> None:
        """Ask everybody to join again."""
        self.rebalancing = bool(self.members)
        for state in self.members.values():
            state.joined = False

    def show_up(self, member: str, owned: Iterable[TopicPartition], now: float) -> Member:
        """Count as heartbeat and, during a rebalance, as joining again with what is still owned."""
        state = self.members[member]
        state.seen = now
        if self.rebalancing and not state.joined:
            state.joined, state.owned = True, frozenset(owned)
        if self.rebalancing and all(m.joined for m in self.members.values()):
            self._complete()
        return state

    def _complete(self) -> None:
        """Begin the next generation. What another still owns is given only after it let go: one more round."""
        self.rebalancing = False
        self.generation += 1
        targets = self._balance()
        for member, state in self.members.items():
            others = {p for name, other in self.members.items() if name != member for p in other.owned}
            state.assigned = frozenset(targets[member] - others)
            state.generation = self.generation

    def _balance(self) -> dict[str, set[TopicPartition]]:
        """Spread partitions evenly, moving as few as possible; the same members always get the same."""
        targets: dict[str, set[TopicPartition]] = {member: set() for member in self.members}
        topics = sorted({topic for state in self.members.values() for topic in state.topics})
        partitions = [p for topic in topics for p in self.partitions_of(topic)]
        fair, extra = divmod(len(partitions), len(self.members))
        keepers = sorted(self.members, key=lambda m: -len(self.members[m].owned))
        for rank, member in enumerate(keepers):
            quota = fair + (rank < extra)
            kept = sorted(p for p in self.members[member].owned if p in partitions)[:quota]
            targets[member].update(kept)
        taken = set().union(*targets.values())
        for partition in partitions:
            if partition in taken:
                continue
            takers = [m for m in self.members if partition.topic in self.members[m].topics]
            targets[min(takers, key=lambda m: len(targets[m]))].add(partition)
        return targets

    # --- positions -----------------------------------------------------------------------------------------------

    def commit_in_transaction(
        self, producer_id: int, positions: Mapping[TopicPartition, Position], shown: MemberMetadata
    ) -> None:
        """Hold positions until the producer's transaction ends."""
        if shown.member or shown.generation >= 0:  # the classic protocol takes ("", -1) from anybody
            if shown.member not in self.members:
                raise BrokerError(Severity.ABORTABLE, "UNKNOWN_MEMBER_ID")
            if shown.generation != self.generation:
                raise BrokerError(Severity.ABORTABLE, "ILLEGAL_GENERATION")
        sizes = [len(position.metadata) for position in positions.values()]
        if max(sizes, default=0) > METADATA_LIMIT:
            raise BrokerError(Severity.ABORTABLE, "OFFSET_METADATA_TOO_LARGE")
        if sum(sizes) > REQUEST_LIMIT:
            raise BrokerError(Severity.ABORTABLE, "UNKNOWN", "the request is too large")
        self.pending.setdefault(producer_id, {}).update(positions)

    def decide(self, producer_id: int, *, commit: bool) -> None:
        """Make a producer's pending positions the group's, or forget them."""
        positions = self.pending.pop(producer_id, {})
        if commit:
            self.committed.update(positions)

    def read(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Position]:
        """Return positions as require_stable wants them."""
        wanted = list(partitions)
        if any(p in positions for positions in self.pending.values() for p in wanted):
            raise BrokerError(Severity.RETRIABLE, "UNSTABLE_OFFSET_COMMIT")
        return {p: self.committed.get(p, Position(None, "")) for p in wanted}

    def forget(self, topic: str) -> None:
        """Drop what belongs to a deleted topic."""
        for positions in (self.committed, *self.pending.values()):
            for partition in [p for p in positions if p.topic == topic]:
                del positions[partition]
