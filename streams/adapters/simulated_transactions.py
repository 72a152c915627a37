"""The transaction coordinator: epochs, fencing, time-outs, and what a request with an epoch may do.

A request is only (transactional id, producer id, epoch): one that was held back on its way does whatever the state it
ARRIVES in allows. That is how a late EndTxn commits the next transaction of the same epoch, as on real brokers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from streams.runtime.ports import BrokerError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.record import Outgoing, TopicPartition
    from streams.adapters.simulated_group import Group, MemberMetadata
    from streams.adapters.simulated_log import PartitionLog
    from streams.runtime.ports import Position


class Session(NamedTuple):
    """What every transactional request carries."""

    transactional_id: str
    producer_id: int
    epoch: int


@dataclass(slots=True)
class _State:
    producer_id: int
    epoch: int = -1
    timeout_s: float = 10.0
    transaction: int | None = None
    """The number of the open transaction."""
    started: float = 0.0
    partitions: set[TopicPartition] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    ended: bool | None = None
    """How the last transaction of this epoch ended (True: committed): the same EndTxn again is fine."""


@dataclass(slots=True)
class TransactionCoordinator:
    """All transactional ids of one cluster."""

    log: Callable[[TopicPartition], PartitionLog]
    group: Callable[[str], Group]
    now: Callable[[], float]
    _states: dict[str, _State] = field(default_factory=dict)
    _transactions: int = 0

    def initialise(self, transactional_id: str, timeout_s: float) -> Session:
        """Take the next epoch, aborting what an older one left open."""
        state = self._states.setdefault(transactional_id, _State(producer_id=1000 + len(self._states)))
        state.epoch += 1
        state.timeout_s = timeout_s
        self._end(state, commit=False)
        state.ended = None
        return Session(transactional_id, state.producer_id, state.epoch)

    def add_record(self, session: Session, partition: TopicPartition, record: Outgoing) -> None:
        """Append a record to its log inside the session's transaction."""
        state = self._begun(session)
        state.partitions.add(partition)
        self.log(partition).append(record, round(self.now() * 1000), state.transaction)

    def add_group(self, session: Session, group: str) -> None:
        """Make a group part of the transaction (AddOffsetsToTxn)."""
        self._begun(session).groups.add(group)

    def commit_offsets(
        self, session: Session, positions: Mapping[TopicPartition, Position], shown: MemberMetadata
    ) -> None:
        """Hand positions to the group (TxnOffsetCommit). It asks for the epoch, not for an open transaction."""
        self._checked(session)
        self.group(shown.group).commit_in_transaction(session.producer_id, positions, shown)

    def end(self, session: Session, *, commit: bool) -> None:
        """Commit or abort (EndTxn)."""
        state = self._checked(session)
        if state.transaction is not None:
            self._end(state, commit=commit)
        elif state.ended is not commit:
            raise BrokerError(Severity.FATAL, "INVALID_TXN_STATE")

    def left_behind(self, group: str) -> list[str]:
        """Return the ids whose positions are pending in the group though no transaction of theirs is open.

        A TxnOffsetCommit came late, after its transaction's end. Only the end of the id's next one clears them.
        """
        pending = self.group(group).pending
        return [
            name for name, state in self._states.items() if pending.get(state.producer_id) and not state.transaction
        ]

    def expire(self) -> None:
        """Abort what is open for longer than its time-out, and fence its producer."""
        for state in self._states.values():
            if state.transaction is not None and self.now() - state.started >= state.timeout_s:
                state.epoch += 1
                self._end(state, commit=False)

    def _checked(self, session: Session) -> _State:
        state = self._states[session.transactional_id]
        if (session.producer_id, session.epoch) != (state.producer_id, state.epoch):
            raise BrokerError(Severity.FENCED, "INVALID_PRODUCER_EPOCH")
        return state

    def _begun(self, session: Session) -> _State:
        state = self._checked(session)
        if state.transaction is None:
            self._transactions += 1
            state.transaction = self._transactions
            state.started = self.now()
        return state

    def _end(self, state: _State, *, commit: bool) -> None:
        if state.transaction is None:
            return
        for partition in sorted(state.partitions):
            self.log(partition).decide(state.transaction, round(self.now() * 1000), commit=commit)
        for group in sorted(state.groups):
            self.group(group).decide(state.producer_id, commit=commit)
        state.partitions.clear()
        state.groups.clear()
        state.transaction, state.ended = None, commit
